"""A large reply is read a piece at a time: others get their turn, and nothing else changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from pubrio_async import AsyncPubrio, DecodeError, ServerError
from pubrio_async import _dispatch as dispatch
from pubrio_async._wire import pieces, query_decoder, query_in_pieces
from pubrio_async.models import RedeemQueryReply
from tests.memory_wire import MemoryWire, connected
from tests.together import together

_ID = "e37ccf38-ea8f-422e-9874-cb23b15e8fe4"
straight, in_pieces = query_decoder(), query_in_pieces()


def person(number: int) -> dict[str, Any]:
    return {
        "people_search_id": f"00000000-0000-4000-8000-{number:012x}",
        "emails": [{"value": f"ä{number}@example.com", "type": "email-work", "new": [1, {}]}],
        "phones": None if number % 2 else [{"value": '+1,"]}\\', "status": "Verified"}],
        "a new field": {"x": [[], "]"]},
    }


def document(count: int, **more: Any) -> dict[str, Any]:
    job = {"redeem_query_id": _ID, "is_completed": True, "estimated_time": 2.5}
    people = [person(number) for number in range(count)]
    return {"data": {"profile": {"credit": 7, "x": 1}, "query": job, "peoples": people, **more}}


def body(count: int, **more: Any) -> bytes:
    return json.dumps(document(count, **more), indent=1).encode()


def read(whole: bytes) -> tuple[RedeemQueryReply | None, int]:
    """What is read in the end, and after how many pieces."""
    given = list(in_pieces(whole))
    assert all(value is None for value in given[:-1])
    return (given[-1] if given else None), len(given)


@together
@pytest.mark.parametrize("count", [0, 1, 999, 1_000, 1_001, 3_500])
def test_it_reads_what_is_read_straight(count: int) -> None:
    whole = body(count)
    reply, steps = read(whole)
    assert reply == straight(whole)
    assert reply is not None
    assert reply.peoples is not None
    assert len(reply.peoples) == count
    assert type(reply.peoples) is tuple
    assert steps == -(-count // 1_000) + 1


@together
@pytest.mark.parametrize(
    "odd",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"data": null}',
        b'{"data": {"query": {"redeem_query_id": "x"}}}',
        body(3, peoples=None),
        body(3, peoples={}),
        body(3, query=None),
        body(3, profile={"credit": "a lot"}),
        # Long, and made only where they are read.
        pytest.param(lambda: body(2_500).replace(b'"+1,', b'"\xff'), id="no-utf-8"),
        pytest.param(lambda: body(2_500)[:-10], id="cut-off"),
    ],
)
def test_what_is_not_quite_as_documented_is_left_to_the_other(
    odd: bytes | Callable[[], bytes],
) -> None:
    assert read(odd if isinstance(odd, bytes) else odd())[0] is None


def test_a_bad_person_in_the_last_piece_is_found() -> None:
    broken = document(2_500)
    broken["data"]["peoples"][2_400]["emails"] = "none"
    whole = json.dumps(broken).encode()
    assert read(whole)[0] is None
    with pytest.raises(DecodeError):
        straight(whole)


async def turns_during(pubrio: AsyncPubrio) -> tuple[RedeemQueryReply, int]:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    try:
        return await pubrio.redeem.query(redeem_query_id=_ID), turns
    finally:
        task.cancel()


async def test_others_get_a_turn_between_the_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "_LARGE", 100_000)
    monkeypatch.setattr(pieces, "_PIECE", 100)
    wire = MemoryWire()
    async with connected(wire) as pubrio:
        wire.reply = body(2_000)
        reply, turns = await turns_during(pubrio)
        assert turns >= 20
        assert reply == straight(wire.reply)
        wire.reply = body(20)
        reply, turns = await turns_during(pubrio)
        assert turns == 0
        assert reply == straight(wire.reply)


async def test_errors_are_those_of_any_other_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = MemoryWire()
    broken = document(100)
    broken["data"]["peoples"][99]["emails"] = "none"
    wire.reply = json.dumps(broken).encode()
    told: list[str] = []
    async with connected(wire) as pubrio:
        for large in (10**9, 1_000):
            monkeypatch.setattr(dispatch, "_LARGE", large)
            with pytest.raises(DecodeError) as failed:
                await pubrio.redeem.query(redeem_query_id=_ID)
            told.append(str(failed.value))
        wire.status, wire.reply = 500, body(100)
        with pytest.raises(ServerError):
            await pubrio.redeem.query(redeem_query_id=_ID)
    assert told[0] == told[1]
    assert "its people" in told[0]


async def test_a_caller_that_is_cancelled_between_the_pieces_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatch, "_LARGE", 1_000)
    monkeypatch.setattr(pieces, "_PIECE", 1)
    wire = MemoryWire()
    wire.reply = body(500)
    async with connected(wire) as pubrio:
        task = asyncio.create_task(pubrio.redeem.query(redeem_query_id=_ID))
        for _ in range(50):
            await asyncio.sleep(0)
        assert pubrio.statistics().limiter.in_flight == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert pubrio.statistics().limiter.in_flight == 0
