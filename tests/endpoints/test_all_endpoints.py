"""Every endpoint against the API's description of it: what it is called, what it says of itself."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from msgspec import UNSET, UnsetType

from pubrio_async import AsyncPubrio, _routes
from pubrio_async._routes import Route
from pubrio_async.endpoints._pages import Pages
from tests import catalogue
from tests.catalogue import ENDPOINTS, PAGINATED, Endpoint, method_of
from tests.together import together


def routes() -> dict[str, Route[Any]]:
    found: dict[str, Route[Any]] = {}
    for info in pkgutil.iter_modules(_routes.__path__, "pubrio_async._routes."):
        for value in vars(importlib.import_module(info.name)).values():
            if isinstance(value, Route):
                assert found.setdefault(value.name, value) is value, f"{value.name} is there twice"
    return found


ROUTES = routes()
CREDITS = {True: "Spends credits", False: "Free", None: "May spend credits"}

each = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
each_paginated = pytest.mark.parametrize("endpoint", PAGINATED, ids=str)

# --------------------------------------------------------------------------------- as a whole


def test_there_are_64() -> None:
    assert len({endpoint.name for endpoint in ENDPOINTS}) == 64
    assert ROUTES.keys() == {endpoint.name for endpoint in ENDPOINTS}


async def test_there_is_nothing_on_the_client_that_is_not_described(pubrio: AsyncPubrio) -> None:
    described = {endpoint.name for endpoint in ENDPOINTS}
    described |= {f"{endpoint.name}_iter" for endpoint in PAGINATED}
    described |= {"redeem.many", "redeem.resolve"}
    for group in {endpoint.group for endpoint in ENDPOINTS}:
        members = inspect.getmembers(getattr(pubrio, group), inspect.ismethod)
        names = {f"{group}.{name}" for name, _ in members if not name.startswith("_")}
        assert names <= described


def test_every_sample_is_used() -> None:
    used = {name for _, name in catalogue.REQUEST_SAMPLES + catalogue.RESPONSE_SAMPLES}
    used |= {*catalogue.INVENTORIES, *catalogue.ERRORS}
    if catalogue.TAKE_THE_FRAGMENT:
        used.add(catalogue.FRAGMENT)
    assert used == {path.name for path in catalogue.SAMPLES.glob("*.json")}


# ------------------------------------------------------------------------------------- the face


@together
@each
async def test_the_route_says_what_is_documented(endpoint: Endpoint) -> None:
    route = ROUTES[endpoint.name]
    assert (route.method, route.path) == (endpoint.method, endpoint.path)
    assert route.spends_credits is endpoint.credits
    assert route.safe_to_resend is endpoint.safe_to_resend
    assert route.paginated is endpoint.paginated
    assert route.items_key == endpoint.items_key


@together
@each
async def test_the_method_takes_the_documented_fields_as_keywords(
    endpoint: Endpoint, pubrio: AsyncPubrio
) -> None:
    method = method_of(pubrio, endpoint)
    assert inspect.iscoroutinefunction(method)
    parameters = inspect.signature(method).parameters
    assert parameters.keys() == endpoint.fields.keys()
    for name, parameter in parameters.items():
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        if not endpoint.fields[name].required:
            assert parameter.default is UNSET
        else:
            assert parameter.default in {inspect.Parameter.empty, UNSET}
    if "profile_id" in parameters:
        assert list(parameters)[-1] == "profile_id"


@together
@each
async def test_closed_sets_are_in_the_signature(endpoint: Endpoint, pubrio: AsyncPubrio) -> None:
    hints = get_type_hints(method_of(pubrio, endpoint))
    for name, field in endpoint.fields.items():
        if field.enum:
            assert _words(hints[name]) == set(field.enum), name
        if not field.required:
            assert UnsetType in get_args(hints[name]), name


def _words(hint: Any) -> set[Any]:
    if get_origin(hint) is Literal:
        return set(get_args(hint))
    return {word for inner in get_args(hint) for word in _words(inner)}


@together
@each
async def test_unknown_shapes_are_any_and_known_ones_are_not(
    endpoint: Endpoint, pubrio: AsyncPubrio
) -> None:
    returned = get_type_hints(method_of(pubrio, endpoint))["return"]
    assert (returned is Any) is (endpoint.response is None)


@together
@each
async def test_the_docstring_tells_what_it_costs_and_where_it_is_documented(
    endpoint: Endpoint, pubrio: AsyncPubrio
) -> None:
    text = inspect.getdoc(method_of(pubrio, endpoint))
    assert text is not None
    assert _credits_named(text) == {CREDITS[endpoint.credits]}
    pages = re.findall(r"^API page: (.+?)\.?$", text, re.MULTILINE)
    assert len(pages) == 1
    if endpoint.docs:
        assert pages[0].split()[0].rstrip(",;") == endpoint.docs[0]
    else:
        assert pages[0].startswith("none")
        assert f"{endpoint.method} {endpoint.path}" in pages[0]
    for name in endpoint.fields:
        assert re.search(rf"^    {name}: ", text, re.MULTILINE), f"{name} is not described"
    assert "Returns:" in text
    assert "Raises:" in text


def _credits_named(text: str) -> set[str]:
    """The statements about credits; `Free.` and the like stand as sentences of their own."""
    return set(re.findall(r"(?:^|\. |\n)(May spend credits|Spends credits|Free)(?=[.,;: ])", text))


@together
@each
async def test_paginated_endpoints_and_no_others_have_a_twin(
    endpoint: Endpoint, pubrio: AsyncPubrio
) -> None:
    group = getattr(pubrio, endpoint.group)
    assert hasattr(group, f"{endpoint.name.partition('.')[2]}_iter") is endpoint.paginated


@together
@each_paginated
async def test_the_twin_has_the_same_face(endpoint: Endpoint, pubrio: AsyncPubrio) -> None:
    method, twin = method_of(pubrio, endpoint), method_of(pubrio, endpoint, "_iter")
    assert not inspect.iscoroutinefunction(twin)
    expected = dict(inspect.signature(method).parameters)
    actual = dict(inspect.signature(twin).parameters)
    for bound in ("max_items", "max_pages"):
        parameter = actual.pop(bound)
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert parameter.default is None
    assert actual == expected
    hints, twin_hints = get_type_hints(method), get_type_hints(twin)
    assert get_origin(twin_hints["return"]) is Pages
    (row,) = get_args(twin_hints["return"])
    if endpoint.response is None:
        assert row is Any
    else:
        assert endpoint.items_key is not None
        assert row in _parts(get_type_hints(hints["return"])[endpoint.items_key])
    text = inspect.getdoc(twin)
    assert text is not None
    assert _credits_named(text) == {CREDITS[endpoint.credits]}
    assert "max_items:" in text
    assert "max_pages:" in text
    if endpoint.credits is not False:
        assert re.search(r"[Ee]ach page", text)


def _parts(hint: Any) -> list[Any]:
    return [hint, *(part for inner in get_args(hint) for part in _parts(inner))]
