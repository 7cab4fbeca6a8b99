"""Every endpoint against the API's description of it: what comes back."""

from __future__ import annotations

import copy
import json
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from msgspec import Struct

from pubrio_async import (
    AsyncPubrio,
    BadRequestError,
    ConfigurationError,
    RateLimitedError,
    ResponseError,
    ServerError,
)
from tests import catalogue
from tests.catalogue import ENDPOINTS, PAGINATED, Completeness, Endpoint, method_of
from tests.memory_wire import MemoryWire
from tests.together import together

each = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
each_paginated = pytest.mark.parametrize("endpoint", PAGINATED, ids=str)


def decoded(value: Any) -> Any:
    """What a reply says, as JSON has it."""
    return json.loads(msgspec.json.encode(value))


# ------------------------------------------------------------------------------------- replies


@together
@pytest.mark.parametrize(("endpoint", "name"), catalogue.RESPONSE_SAMPLES, ids=str)
async def test_a_documented_reply_comes_back_without_loss(
    endpoint: Endpoint, name: str, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    document = catalogue.sample(name)
    wire.answers(document, document["data"])
    method = method_of(pubrio, endpoint)
    returned = get_type_hints(method)["return"]
    for _envelope in (True, False):
        reply = await method(**catalogue.smallest(endpoint))
        if isinstance(returned, type):
            assert type(reply) is returned
        assert catalogue.canonical(decoded(reply)) == catalogue.canonical(document["data"])


@together
@each
@pytest.mark.parametrize("completeness", get_args(Completeness))
async def test_a_reply_of_the_documented_shape_comes_back_without_loss(
    endpoint: Endpoint, completeness: Completeness, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    document = catalogue.reply(endpoint, completeness)
    wire.answers(document)
    reply = await method_of(pubrio, endpoint)(**catalogue.smallest(endpoint))
    assert list(catalogue.lost(document["data"], decoded(reply))) == []


@together
@each
async def test_fields_of_tomorrow_are_no_error(
    endpoint: Endpoint, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    document = catalogue.reply(endpoint)
    for place in list(catalogue.places(document)):
        holder = document
        for step in place:
            holder = holder[step]
        if isinstance(holder, dict):
            holder["a_field_of_tomorrow"] = {"deep": [1, None]}
    wire.answers(document)
    reply = await method_of(pubrio, endpoint)(**catalogue.smallest(endpoint))
    if endpoint.response is None:
        assert decoded(reply) == document["data"]
    else:
        assert reply is not None


@together
@pytest.mark.parametrize(
    "endpoint", [e for e in ENDPOINTS if e.response is None and not e.paginated], ids=str
)
@pytest.mark.parametrize("data", [None, [], {}, "text", 7, [{"a": [1.5, True]}], {"a": {"b": []}}])
async def test_where_no_shape_is_documented_the_data_comes_as_it_is(
    endpoint: Endpoint, data: Any, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    wire.answers({"data": data})
    reply = await method_of(pubrio, endpoint)(**catalogue.smallest(endpoint))
    assert catalogue.canonical(reply) == catalogue.canonical(data)


@together
@pytest.mark.parametrize("name", catalogue.ERRORS)
@each
async def test_the_documented_errors(
    endpoint: Endpoint, name: str, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    wire.status = int(name[6:9])
    wire.answers(catalogue.sample(name))
    kind = {400: BadRequestError, 429: RateLimitedError, 500: ServerError}[wire.status]
    with pytest.raises(ResponseError) as raised:
        await method_of(pubrio, endpoint)(**catalogue.smallest(endpoint))
    assert type(raised.value) is kind
    said = catalogue.sample(name)
    assert said.get("message", said.get("error")) in str(raised.value)
    assert raised.value.code == said.get("code")
    assert raised.value.may_have_charged is (wire.status == 500 and endpoint.credits is not False)
    assert len(wire.sent) == 1


# --------------------------------------------------------------------------------------- pages


def page_of(endpoint: Endpoint, page: int, pages: int, rows: int = 2) -> dict[str, Any]:
    document = catalogue.reply(endpoint)
    key = endpoint.items_key or "rows"
    row = document["data"][key][0]
    document["data"][key] = [copy.deepcopy(row) for _ in range(rows)]
    document["data"]["pagination"] = {
        "page": page,
        "per_page": rows,
        "total_entries": rows * pages,
        "total_pages": pages,
    }
    return document


@together
@each_paginated
async def test_the_twin_fetches_page_by_page(
    endpoint: Endpoint, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    wire.answers(*(page_of(endpoint, page, 3) for page in (1, 2, 3)))
    body = catalogue.smallest(endpoint)
    rows: list[Any] = []
    pages = method_of(pubrio, endpoint, "_iter")(**body)
    assert wire.sent == []
    async for row in pages:
        rows.append(row)
        assert len(wire.sent) == (len(rows) + 1) // 2  # never ahead
    assert len(rows) == 6
    assert wire.bodies == [body, {**body, "page": 2}, {**body, "page": 3}]
    assert (pages.pages_fetched, pages.pagination.total_pages) == (3, 3)
    if endpoint.response is not None:
        assert isinstance(rows[0], Struct)
    given = page_of(endpoint, 1, 3)["data"][endpoint.items_key or "rows"][0]
    assert list(catalogue.lost(given, decoded(rows[0]))) == []


@together
@each_paginated
async def test_the_bounds_of_the_twin(
    endpoint: Endpoint, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    wire.answers(page_of(endpoint, 1, 1_000))
    body = catalogue.smallest(endpoint)
    twin = method_of(pubrio, endpoint, "_iter")
    assert len([row async for row in twin(**body, max_items=3)]) == 3
    assert len([row async for row in twin(**body, page=7, max_pages=2)]) == 4
    assert [sent.get("page") for sent in wire.bodies] == [None, 2, 7, 8]
    assert not {"max_items", "max_pages"} & set().union(*wire.bodies)


@together
@each_paginated
@pytest.mark.parametrize("data", [None, {}, {"pagination": None}])
async def test_no_rows_end_the_twin(
    endpoint: Endpoint, data: Any, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    wire.answers({"data": data})
    body = catalogue.smallest(endpoint)
    method, twin = method_of(pubrio, endpoint), method_of(pubrio, endpoint, "_iter")
    assert [row async for row in twin(**body)] == []
    assert len(wire.sent) == 1
    if endpoint.response is not None:
        reply = await method(**body)
        assert type(reply) is get_type_hints(method)["return"]
        assert not getattr(reply, str(endpoint.items_key))


@together
@each_paginated
async def test_a_wrong_request_is_refused_before_the_first_page(
    endpoint: Endpoint, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    with pytest.raises(ConfigurationError, match="per_page"):
        method_of(pubrio, endpoint, "_iter")(**{**catalogue.smallest(endpoint), "per_page": 26})
    with pytest.raises(ConfigurationError, match="max_pages"):
        method_of(pubrio, endpoint, "_iter")(**catalogue.smallest(endpoint), max_pages=-1)
    assert wire.sent == []


@together
@pytest.mark.parametrize("endpoint", [e for e in PAGINATED if e.response is not None], ids=str)
async def test_rows_may_lack_any_field_or_hold_null_in_it(
    endpoint: Endpoint, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    document = catalogue.reply(endpoint)
    key = endpoint.items_key
    full = document["data"][key][0]
    document["data"][key] = [{}, dict.fromkeys(full), *({**full, name: None} for name in full)]
    document["data"]["pagination"] = None
    wire.answers(document)
    reply = await method_of(pubrio, endpoint)(**catalogue.smallest(endpoint))
    assert len(getattr(reply, str(key))) == len(full) + 2
