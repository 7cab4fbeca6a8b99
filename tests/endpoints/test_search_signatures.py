"""Every search takes its arguments by name, sets none unasked, and is documented."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pytest

from pubrio_async._routes import ROUTES
from pubrio_async.endpoints import (
    Advertisements,
    Companies,
    Filters,
    Jobs,
    Lookalikes,
    News,
    PeopleEndpoints,
    Technologies,
)
from pubrio_async.models import CompanyFilters
from tests.together import together

GROUPS = (
    Advertisements,
    Companies,
    Filters,
    Jobs,
    Lookalikes,
    News,
    PeopleEndpoints,
    Technologies,
)


def _methods() -> Iterator[tuple[str, Callable[..., Any]]]:
    for group in GROUPS:
        for name, method in inspect.getmembers(group, inspect.isfunction):
            if not name.startswith("_"):
                yield f"{group.__name__}.{name}", method


def _parameters(method: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    parameters = dict(inspect.signature(method).parameters)
    del parameters["self"]
    return parameters


@together
@pytest.mark.parametrize(("name", "method"), list(_methods()))
def test_arguments_are_keyword_only_and_nothing_is_set_unasked(
    name: str, method: Callable[..., Any]
) -> None:
    parameters = _parameters(method)
    for parameter in parameters.values():
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert parameter.default in {inspect.Parameter.empty, msgspec.UNSET, None}
        bound = parameter.name in {"max_items", "max_pages"}
        assert (parameter.default is None) is bound
    assert "profile_id" not in list(parameters)[:-1]
    if name.endswith("_iter"):
        assert not inspect.iscoroutinefunction(method)
        single = {group.__name__: group for group in GROUPS}[name.partition(".")[0]]
        plain = _parameters(getattr(single, method.__name__.removesuffix("_iter")))
        assert set(parameters) == {*plain, "max_items", "max_pages"}
        for argument in plain:
            assert parameters[argument].annotation == plain[argument].annotation


@together
@pytest.mark.parametrize(("name", "method"), list(_methods()))
def test_every_method_is_documented(name: str, method: Callable[..., Any]) -> None:
    text = inspect.getdoc(method) or ""
    for part in ("Returns:", "Raises:", "API page:"):
        assert part in text
    spent = {True: "Spends credits.", None: "May spend credits.", False: "Free."}
    group = name.partition(".")[0].removesuffix("Endpoints").lower()
    route = ROUTES[f"{group}.{method.__name__.removesuffix('_iter')}"]
    assert spent[route.spends_credits] in text.partition("\n")[0]
    for parameter in _parameters(method):
        assert f"    {parameter}: " in text


def test_the_filters_of_a_company_are_those_of_the_search() -> None:
    fields: Sequence[str] = CompanyFilters.__struct_fields__
    search = _parameters(Companies.search)
    assert set(fields) == set(search) - {"exclude_fields", "page", "per_page", "profile_id"}
    for name in fields:
        assert CompanyFilters.__annotations__[name] == search[name].annotation
    assert msgspec.json.encode(CompanyFilters()) == b"{}"
