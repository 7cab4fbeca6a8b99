"""Every endpoint against the API's description of it: what is sent, and what is not."""

from __future__ import annotations

import copy
import inspect
import re
from typing import Any

import pytest
from msgspec import UNSET

from pubrio_async import AsyncPubrio, ConfigurationError
from tests import catalogue
from tests.catalogue import ENDPOINTS, LATER, Endpoint, Field, method_of
from tests.memory_wire import MemoryWire
from tests.together import together

# ------------------------------------------------------------------------------ sound requests

SOUND = [
    pytest.param(endpoint, body, id=f"{endpoint.name}-{size}-{'+'.join(alternative) or 'plain'}")
    for endpoint in ENDPOINTS
    for alternative in catalogue.alternatives(endpoint)
    for size, body in (
        ("smallest", catalogue.smallest(endpoint, alternative)),
        ("fullest", catalogue.fullest(endpoint, alternative)),
    )
]


@together
@pytest.mark.parametrize(("endpoint", "body"), SOUND)
async def test_the_request_is_exactly_what_was_set(
    endpoint: Endpoint, body: dict[str, Any], wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    wire.answers(catalogue.reply(endpoint))
    await method_of(pubrio, endpoint)(**copy.deepcopy(body))
    (sent,) = wire.sent
    assert (sent.method, sent.path) == (endpoint.method, endpoint.path)
    assert sent.paid is (endpoint.credits is not False)
    if endpoint.method == "GET":
        assert sent.body is None
    else:
        assert catalogue.canonical(wire.bodies[0]) == catalogue.canonical(body)


@together
@pytest.mark.parametrize(("endpoint", "name"), catalogue.REQUEST_SAMPLES, ids=str)
async def test_a_documented_request_is_sent_as_it_is(
    endpoint: Endpoint, name: str, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    wire.answers(catalogue.reply(endpoint))
    body = catalogue.sample(name)
    await method_of(pubrio, endpoint)(**body)
    assert catalogue.canonical(wire.bodies) == catalogue.canonical([body])


@together
@pytest.mark.parametrize("endpoint", catalogue.TAKE_THE_FRAGMENT, ids=str)
async def test_the_documented_filter_conditions_are_sent_as_they_are(
    endpoint: Endpoint, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    wire.answers(catalogue.reply(endpoint))
    body = catalogue.sample(catalogue.FRAGMENT)
    await method_of(pubrio, endpoint)(**body)
    assert wire.bodies == [body]


@together
@pytest.mark.parametrize("name", sorted(catalogue.INVENTORIES))
async def test_an_inventory_that_sets_alternatives_side_by_side_is_refused(
    name: str, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    (endpoint,) = (endpoint for endpoint in ENDPOINTS if name in endpoint.examples)
    with pytest.raises(ConfigurationError, match="exactly one"):
        await method_of(pubrio, endpoint)(**catalogue.sample(name))
    assert wire.sent == []


def nulls() -> list[Any]:
    return [
        pytest.param(endpoint, name, id=f"{endpoint.name}-{name}")
        for endpoint in ENDPOINTS
        for name, field in endpoint.fields.items()
        if not field.required and not any(name in group for group in endpoint.one_of)
    ]


@together
@pytest.mark.parametrize(("endpoint", "name"), nulls())
async def test_none_is_sent_as_null_and_unset_not_at_all(
    endpoint: Endpoint, name: str, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    wire.answers(catalogue.reply(endpoint))
    body = catalogue.smallest(endpoint)
    method = method_of(pubrio, endpoint)
    await method(**{**body, name: None})
    await method(**{**body, name: UNSET})
    assert wire.bodies == [{**body, name: None}, body]


# --------------------------------------------------------------------------- refused requests


def without_a_required_field() -> list[Any]:
    return [
        pytest.param(endpoint, field, id=f"{endpoint.name}-{field.field}")
        for endpoint in ENDPOINTS
        for field in endpoint.request
        if field.required
    ]


@together
@pytest.mark.parametrize(("endpoint", "field"), without_a_required_field())
async def test_a_missing_field_is_named(
    endpoint: Endpoint, field: Field, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    method = method_of(pubrio, endpoint)
    nothings: list[Any] = [UNSET, None, "", *([[]] if field.listed else [])]
    for empty in nothings:
        if empty is UNSET and field.nested:
            continue
        body = catalogue.with_value(endpoint, field.field, empty)
        with pytest.raises(ConfigurationError) as refused:
            await method(**body)
        assert field.field in str(refused.value)
        assert endpoint.name in str(refused.value)
    # Where the signature already asks for it, Python refuses the call in its own words.
    asked_for = not field.nested and (
        inspect.signature(method).parameters[field.field].default is inspect.Parameter.empty
    )
    error = TypeError if asked_for else ConfigurationError
    with pytest.raises(error, match=re.escape(field.field)):
        await method(**catalogue.with_value(endpoint, field.field, ...))
    assert wire.sent == []


WITH_ALTERNATIVES = [endpoint for endpoint in ENDPOINTS if endpoint.one_of]


@together
@pytest.mark.parametrize("endpoint", WITH_ALTERNATIVES, ids=str)
async def test_one_of_the_alternatives_must_be_there(
    endpoint: Endpoint, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    method = method_of(pubrio, endpoint)
    required = catalogue.smallest(endpoint, ())
    bodies = [required]
    for group in endpoint.one_of:
        whole = catalogue.request(endpoint, *group)
        bodies += [{**required, **whole, name: None} for name in group]
        if len(group) > 1:
            bodies += [
                {**required, **{other: whole[other] for other in group if other != name}}
                for name in group
            ]
    for body in bodies:
        with pytest.raises(ConfigurationError) as refused:
            await method(**body)
        for name in {name for group in endpoint.one_of for name in group}:
            assert name in str(refused.value)
    assert wire.sent == []


@together
@pytest.mark.parametrize("endpoint", WITH_ALTERNATIVES, ids=str)
async def test_alternatives_that_exclude_each_other(
    endpoint: Endpoint, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    wire.answers(catalogue.reply(endpoint))
    method = method_of(pubrio, endpoint)
    required = catalogue.smallest(endpoint, ())
    every = {name for group in endpoint.one_of for name in group}
    body = {**required, **catalogue.request(endpoint, *every)}
    if endpoint.exactly_one:
        with pytest.raises(ConfigurationError, match="exactly one"):
            await method(**body)
        assert wire.sent == []
    else:
        await method(**body)
        assert wire.bodies == [body]


def wrong_words(field: Field) -> dict[str, Any]:
    if field.listed:
        return {"unknown-word": [field.enum[0], "nonsense"], "not-a-word": [5]}
    return {"unknown-word": "nonsense", "not-a-word": 5, "list-for-a-word": list(field.enum)}


def wrong_numbers(field: Field) -> dict[str, Any]:
    lowest, highest = field.range or (None, None)
    wrong: dict[str, Any] = {"not-a-number": "many", "true": True}
    if lowest is not None:
        wrong["below"] = lowest - 1
    if highest is not None:
        wrong["above"] = highest + 1
    return wrong


def wrong_pairs(endpoint: Endpoint, field: Field) -> dict[str, Any]:
    first, last = catalogue.value_of(endpoint, field)
    return {
        "one-end": [first],
        "null-end": [first, None],
        "three-ends": [first, last, last],
        "text-for-a-pair": LATER,
    }


def wrong_values() -> list[Any]:
    return [
        pytest.param(
            endpoint,
            field.field,
            catalogue.with_value(endpoint, field.field, value),
            id=f"{endpoint.name}-{field.field}-{what}",
        )
        for endpoint in ENDPOINTS
        for field in endpoint.request
        for what, value in {
            **(wrong_words(field) if field.enum else {}),
            **(wrong_numbers(field) if field.range else {}),
            **(wrong_pairs(endpoint, field) if field.pair else {}),
            **({"text-for-a-list": "text"} if field.listed else {}),
        }.items()
    ]


@together
@pytest.mark.parametrize(("endpoint", "field", "body"), wrong_values())
async def test_a_wrong_value_is_refused_and_named(
    endpoint: Endpoint, field: str, body: dict[str, Any], wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        await method_of(pubrio, endpoint)(**body)
    assert field.rpartition(".")[2] in str(refused.value)
    assert "Nothing was sent" in str(refused.value)
    assert wire.sent == []


def boundaries() -> list[Any]:
    return [
        pytest.param(
            endpoint,
            catalogue.with_value(endpoint, field.field, value),
            id=f"{endpoint.name}-{field.field}-{value}",
        )
        for endpoint in ENDPOINTS
        for field in endpoint.request
        for value in [*(field.range or ()), *(list(field.enum) if field.listed else field.enum)]
        if value is not None and not (field.enum and field.listed)
    ]


@together
@pytest.mark.parametrize(("endpoint", "body"), boundaries())
async def test_every_allowed_word_and_both_ends_of_a_range_are_sent(
    endpoint: Endpoint, body: dict[str, Any], wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    wire.answers(catalogue.reply(endpoint))
    await method_of(pubrio, endpoint)(**_with_its_destination(body))
    assert wire.bodies == [_with_its_destination(body)]


def _with_its_destination(body: dict[str, Any]) -> dict[str, Any]:
    configs = {
        "email": {"email": "someone@example.com"},
        "sequences": {"sequence_identifier": "one", "record_type": "people"},
    }
    kind = body.get("destination_type")
    if isinstance(kind, str) and kind in configs:
        return {**body, "destination_config": configs[kind]}
    return body


WITH_EMPLOYEES = [endpoint for endpoint in ENDPOINTS if "employees" in endpoint.fields]


@together
@pytest.mark.parametrize("endpoint", WITH_EMPLOYEES, ids=str)
@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ([1, 10], [[1, 10]]),
        ((1, 10), [[1, 10]]),
        ([[1, 10], [10_001]], [[1, 10], [10_001]]),
        (((1, 10), (10_001,)), [[1, 10], [10_001]]),
    ],
)
async def test_one_range_of_employees_is_wrapped(
    endpoint: Endpoint, given: Any, sent: Any, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    wire.answers(catalogue.reply(endpoint))
    body = catalogue.smallest(endpoint)
    await method_of(pubrio, endpoint)(**body, employees=given)
    assert wire.bodies == [{**body, "employees": sent}]
    if endpoint.paginated:
        async for _ in method_of(pubrio, endpoint, "_iter")(**body, employees=given, max_pages=1):
            pass
        assert wire.bodies[1] == wire.bodies[0]
