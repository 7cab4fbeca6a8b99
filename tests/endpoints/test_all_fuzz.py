"""Whatever a reply holds, an endpoint returns or raises DecodeError: nothing else gets out."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pubrio_async import AsyncPubrio, DecodeError
from tests import catalogue
from tests.catalogue import ENDPOINTS, Endpoint, method_of
from tests.memory_wire import MemoryWire, connected
from tests.together import together

DEPTH = 100_000
DEEP = {
    "lists": b"[" * DEPTH + b"]" * DEPTH,
    "objects": b'{"data":' * DEPTH + b"1" + b"}" * DEPTH,
    "lists without an end": b"[" * DEPTH,
}
NUMBERS = [
    b"9" * 10_000,
    b"-" + b"9" * 400,
    b"1e999",
    b"-1e999",
    b"1e-999",
    b"0." + b"1" * 10_000,
    b"18446744073709551616",
    b"-0.0",
    b"NaN",
    b"Infinity",
    b"01",
]
ODD_BODIES = [
    b"",
    b" ",
    b"null",
    b"true",
    b"{}",
    b"[]",
    b'""',
    b"{",
    b'{"data"',
    b'{"data":}',
    b'{"data":1}{"data":2}',
    b'{"data":{},"data":[]}',
    b"\xef\xbb\xbf{}",
    b"\xff\xfe{\x00}\x00",
    b'{"data":"\xff"}',
    b'{"data":"\\ud800"}',
    b'{"data":"\x00"}',
    b"<html><body>Bad gateway</body></html>",
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
]
MARK = "the-value-goes-here"

each = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)


class Caller:
    """One endpoint that is asked again and again, each time with another reply."""

    def __init__(self, endpoint: Endpoint, client: AsyncPubrio, wire: MemoryWire) -> None:
        self._wire = wire
        self._paid = endpoint.credits is not False
        self._fields = catalogue.smallest(endpoint)
        self._method = method_of(client, endpoint)
        self._twin = method_of(client, endpoint, "_iter") if endpoint.paginated else None
        self.returned = 0

    async def meets(self, body: bytes) -> None:
        """Asks for a reply with this body; anything but a value or a DecodeError gets out."""
        self._wire.sent.clear()
        self._wire.reply = body
        refused: DecodeError | None = None
        try:
            await self._method(**self._fields)
        except DecodeError as error:
            refused = error
        if refused is None:
            self.returned += 1
        else:
            assert refused.may_have_charged is self._paid
            assert len(str(refused)) < 1_000
        assert len(self._wire.sent) == 1
        if self._twin is not None:
            pages = self._twin(**self._fields, max_pages=2)
            try:
                async for _ in pages:
                    pass
            except DecodeError:
                pass
            assert len(self._wire.sent) <= 3


def meet_all(endpoint: Endpoint, bodies: Iterator[bytes]) -> int:
    """Asks for one reply after the other; how many were accepted."""

    async def ask() -> int:
        wire = MemoryWire()
        async with connected(wire) as client:
            caller = Caller(endpoint, client, wire)
            for body in bodies:
                await caller.meets(body)
            return caller.returned

    return asyncio.run(ask())


def with_each_value(endpoint: Endpoint, *values: bytes) -> Iterator[bytes]:
    """The documented reply with each of its values replaced, one at a time."""
    document = catalogue.reply(endpoint)
    for place in catalogue.places(document):
        if len(place) > 1 or not place:
            template = json.dumps(catalogue.replaced(document, place, MARK)).encode()
            for value in values:
                yield template.replace(f'"{MARK}"'.encode(), value)


@together
@each
def test_odd_bodies(endpoint: Endpoint) -> None:
    meet_all(endpoint, iter(ODD_BODIES))


@together
@each
def test_values_of_a_wrong_type(endpoint: Endpoint) -> None:
    wrong = (b"null", b"true", b"7", b"-0.5", b'"text"', b"[]", b"{}", b"[[]]", b'[{"a":[null]}]')
    assert meet_all(endpoint, with_each_value(endpoint, *wrong))


@together
@each
def test_numbers_nobody_can_hold(endpoint: Endpoint) -> None:
    meet_all(endpoint, with_each_value(endpoint, *NUMBERS))


@together
@each
def test_nesting_without_end(endpoint: Endpoint) -> None:
    def bodies() -> Iterator[bytes]:
        for deep in DEEP.values():
            yield deep
            yield b'{"data":' + deep + b"}"
            yield b'{"data":{},"other":' + deep + b"}"
            yield b'{"data":{"a_field_of_tomorrow":' + deep + b"}}"
            yield b'{"data":[' + deep + b"]}"
            members = catalogue.reply(endpoint)["data"]
            for name in members if isinstance(members, dict) else members[0]:
                inner = b'{"%s":%s}' % (name.encode(), deep)
                yield b'{"data":' + (inner if isinstance(members, dict) else b"[%s]" % inner) + b"}"
            key = endpoint.items_key
            if key is not None:
                yield b'{"data":{"%s":[{"a_field_of_tomorrow":%s}]}}' % (key.encode(), deep)

    meet_all(endpoint, bodies())


def keys_of(endpoint: Endpoint) -> list[str]:
    steps = {step for place in catalogue.places(catalogue.reply(endpoint)) for step in place}
    return sorted(step for step in steps if isinstance(step, str))


def json_values(endpoint: Endpoint) -> st.SearchStrategy[Any]:
    leaves = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=8)
        | st.sampled_from([catalogue.UUID, catalogue.DATE, "email-work", "1e5", "NaN"])
    )
    keys = st.sampled_from(keys_of(endpoint)) | st.text(max_size=4)
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5),
        max_leaves=12,
    )


@st.composite
def damaged(draw: Callable[..., Any], endpoint: Endpoint, values: st.SearchStrategy[Any]) -> Any:
    """The documented reply with up to three of its values replaced, at places that still exist."""
    document: Any = catalogue.reply(endpoint)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(list(catalogue.places(document))))
        document = catalogue.replaced(document, place, draw(values))
    return document


def bodies(endpoint: Endpoint) -> st.SearchStrategy[bytes]:
    values = json_values(endpoint)
    documents = values | st.builds(lambda data: {"data": data}, values) | damaged(endpoint, values)
    return st.binary(max_size=64) | documents.map(lambda document: json.dumps(document).encode())


@together
@each
def test_anything_at_all(endpoint: Endpoint) -> None:
    async def connect() -> Caller:
        client = await stack.enter_async_context(connected(wire))
        return Caller(endpoint, client, wire)

    wire = MemoryWire()
    with asyncio.Runner() as runner:
        stack = contextlib.AsyncExitStack()
        caller = runner.run(connect())

        @settings(
            max_examples=30, deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )
        @given(bodies(endpoint))
        def meet(body: bytes) -> None:
            runner.run(caller.meets(body))

        try:
            meet()
        finally:
            runner.run(stack.aclose())
