"""Redeems, the profile and the user take arguments by name, set none unasked, are documented."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from pubrio_async.endpoints import ProfileEndpoints, Redeem, User


def test_arguments_are_keyword_only_and_nothing_is_set_unasked() -> None:
    for group in (Redeem, ProfileEndpoints, User):
        for name, method in _methods(group):
            for parameter in list(inspect.signature(method).parameters.values())[1:]:
                assert parameter.kind is inspect.Parameter.KEYWORD_ONLY, name
                assert parameter.default in {inspect.Parameter.empty, msgspec.UNSET}, name


def test_every_method_is_documented() -> None:
    for group in (Redeem, ProfileEndpoints, User):
        assert group.__doc__
        methods = list(_methods(group))
        assert methods
        for _, method in methods:
            text = inspect.getdoc(method) or ""
            assert "Returns:" in text
            assert "Raises:" in text
            assert "PubrioError" in text
            assert "API page:" in text
            assert "Free" in text or "Spends credits" in text
            for parameter in list(inspect.signature(method).parameters)[1:]:
                assert f"    {parameter}: " in text


def _methods(group: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, method in inspect.getmembers(group, inspect.isfunction):
        if not name.startswith("_"):
            yield name, method
