"""What holds for all tests of the scheduler."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest


@pytest.fixture(autouse=True)
def forgotten_tracebacks(request: pytest.FixtureRequest) -> Iterator[None]:
    """An error that is a parameter lives as long as the session, and what its traceback holds."""
    yield
    callspec = getattr(request.node, "callspec", None)
    for error in _errors(callspec.params.values() if callspec else ()):
        error.__traceback__ = error.__context__ = error.__cause__ = None


def _errors(values: Iterable[object]) -> Iterator[BaseException]:
    for value in values:
        if isinstance(value, BaseException):
            yield value
            yield from _errors(vars(value).values())
        elif isinstance(value, list | tuple):
            yield from _errors(value)
