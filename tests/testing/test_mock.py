"""A transport that is one function, as a test of a user meets it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec import structs

from pubrio_async import (
    AsyncPubrio,
    DecodeError,
    NotSentError,
    PermissionDeniedError,
    RateLimitedError,
    ResponseLostError,
)
from pubrio_async.testing import MockTransport, Reply, Request, VirtualClock

KEY = "pk_live_0123456789abcdef"
ADA = "e37ccf38-ea8f-422e-9874-cb23b15e8fe4"
PAID: Any = {"people_search_id": ADA, "people_contact_types": ["email-work"]}

Handler = Callable[[Request], Reply | Awaitable[Reply]]


def client(handler: Handler, **arguments: Any) -> AsyncPubrio:
    transport = MockTransport(handler)
    return AsyncPubrio(KEY, transport=transport, clock=VirtualClock(), **arguments)


@pytest.mark.virtual_time
async def test_a_function_answers_any_call() -> None:
    seen: list[Request] = []

    def handler(request: Request) -> Reply:
        seen.append(request)
        if request.path == "/redeem/people":
            return Reply(json={"data": {"peoples": [{"people_search_id": ADA}]}})
        return Reply(json={"data": {"user_id": "u"}})

    async with client(handler) as pubrio:
        reply = await pubrio.redeem.people(people_search_id=ADA, people_contact_types=["phone"])
        assert reply.peoples is not None
        assert reply.peoples[0].people_search_id == ADA
        await pubrio.user.get()
    paid, free = seen
    assert (paid.method, paid.path) == ("POST", "/redeem/people")
    assert paid.body == {"people_search_id": ADA, "people_contact_types": ["phone"]}
    assert (free.method, free.raw, free.body) == ("GET", b"", None)
    # Neither who was asked for, nor what came back, nor the key: this ends up in reports of tests.
    assert repr(paid) == f"<Request POST /redeem/people, {len(paid.raw)} bytes>"
    assert repr(handler(paid)) == "<Reply 200>"
    assert not [value for value in structs.astuple(paid) if KEY in str(value)]


@pytest.mark.virtual_time
async def test_one_odd_reply() -> None:
    refused = Reply(403, json={"error": "the plan has no API"}, headers={"X-Trace": "7"})
    async with client(lambda _: refused) as pubrio:
        with (
            pubrio.capture() as captured,
            pytest.raises(PermissionDeniedError, match="the plan has no API"),
        ):
            await pubrio.user.get()
        assert captured[0].headers.get("x-TRACE") == "7"
    async with client(lambda _: Reply(raw=b'{"data": {"peo')) as pubrio:
        with pytest.raises(DecodeError):
            await pubrio.redeem.people(**PAID)
    async with client(lambda _: Reply(204)) as pubrio:
        with pytest.raises(DecodeError):
            await pubrio.profile.get()


@pytest.mark.virtual_time
async def test_headers_are_headers() -> None:
    calls: list[Request] = []

    async def handler(request: Request) -> Reply:
        await asyncio.sleep(1)
        calls.append(request)
        return Reply(429, json={"error": "slow down"}, headers={"Retry-After": "3600"})

    async with client(handler) as pubrio:
        with pytest.raises(RateLimitedError) as caught:
            await pubrio.user.get()
    assert caught.value.retry_after == 3600.0
    assert len(calls) == 1


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (ConnectionRefusedError(), "the connection was refused"),
        (socket.gaierror(-2, "no such host"), "no such host"),
        (NotSentError("the cable is out"), "the cable is out"),
    ],
)
async def test_what_was_not_sent_is_sent_again(failure: Exception, told: str) -> None:
    script: list[Exception | Reply] = [failure, Reply(json={"data": {"peoples": []}})]

    def handler(_: Request) -> Reply:
        step = script.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    async with client(handler) as pubrio:
        await pubrio.redeem.people(**PAID)
        assert not script
        script += [failure] * 99
        with pytest.raises(NotSentError, match=f"POST /redeem/people was not sent: .*{told}"):
            await pubrio.redeem.people(**PAID)
        assert len(script) == 95
        assert pubrio.statistics().limiter.in_flight == 0


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (ConnectionResetError(), "the connection broke"),
        (TimeoutError("too slow"), "too slow"),
        (ResponseLostError("gone"), "gone"),
    ],
)
async def test_what_was_paid_and_lost_is_not_sent_again(failure: Exception, told: str) -> None:
    calls: list[str] = []

    def handler(request: Request) -> Reply:
        calls.append(request.path)
        raise failure

    async with client(handler) as pubrio:
        with pytest.raises(ResponseLostError, match=told) as caught:
            await pubrio.redeem.people(**PAID)
        assert caught.value.may_have_charged
        assert calls == ["/redeem/people"]
        with pytest.raises(ResponseLostError) as caught:
            await pubrio.user.get()
        assert not caught.value.may_have_charged
        assert len(calls) == 1 + 4  # what only reads is sent again


@pytest.mark.virtual_time
async def test_a_function_that_takes_too_long() -> None:
    async def handler(_: Request) -> Reply:
        await asyncio.sleep(60)
        return Reply()

    async with client(handler, timeout=5) as pubrio:
        with pytest.raises(ResponseLostError, match="within 5 s"):
            await pubrio.redeem.people(**PAID)
        assert asyncio.get_running_loop().time() == 5.0


@pytest.mark.virtual_time
@pytest.mark.parametrize("is_async", [False, True])
async def test_a_mistake_in_the_test_is_no_lost_connection(is_async: bool) -> None:
    def plain(request: Request) -> Reply:
        assert request.path == "/another", "not the call I meant"
        return Reply()

    async def later(request: Request) -> Reply:
        return plain(request)

    async with client(later if is_async else plain) as pubrio:
        with pytest.raises(AssertionError, match="not the call I meant"):
            await pubrio.redeem.people(**PAID)
        assert pubrio.statistics().limiter.in_flight == 0

    def wrong(_: Request) -> Any:
        return {"data": {}}

    async with client(wrong) as pubrio:
        with pytest.raises(TypeError, match="returns a Reply, not dict"):
            await pubrio.redeem.people(**PAID)


@pytest.mark.virtual_time
async def test_a_run_on_it_is_a_run() -> None:
    """A job, and then a poll whose reply the test wants to be odd."""

    def handler(request: Request) -> Reply:
        if request.path == "/redeem/people/batch":
            return Reply(json={"data": {"redeem_query_id": ADA}})
        if request.path == "/redeem/people/batch/query":
            raise ConnectionResetError
        return Reply(404)

    async with client(handler) as pubrio:
        people = [ADA, ADA.replace("e", "f")]
        run = pubrio.redeem.many(people, people_contact_types=["phone"], deadline=600)
        async with run:
            assert [outcome.status async for outcome in run] == ["pending", "pending"]
