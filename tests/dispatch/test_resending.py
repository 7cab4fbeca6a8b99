"""What is sent again: what surely was not sent or was refused, and what is free and safe."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from pubrio_async._errors import (
    AuthenticationError,
    BadRequestError,
    DecodeError,
    InsufficientCreditsError,
    NotSentError,
    PubrioError,
    ResponseLostError,
    ServerError,
)
from pubrio_async._phase import Phase
from pubrio_async._retry import RetryPolicy
from pubrio_async._routes import PROFILE_USAGE, USER_GET, Route
from pubrio_async._wire import WireReply, WireRequest
from tests.dispatch.bench import (
    LOST,
    RATE_LIMITED,
    REFUSED,
    Step,
    bench,
    by_free_name,
    by_name,
    by_paid_name,
    now,
    virtual,
)


@virtual
@by_name
async def test_a_429_is_sent_again_after_the_pause(route: Route[Any]) -> None:
    async with bench(Step(status=429, headers={"Retry-After": "7"})) as b:
        await b.call(route)
        assert b.transport.sent_at == [0.0, 7.0]


@virtual
@by_name
async def test_429s_are_sent_again_as_long_as_there_is_time(route: Route[Any]) -> None:
    async with bench(*[RATE_LIMITED] * 4, rates=()) as b:
        await b.call(route)
        assert b.sent == 5  # more than the resends allowed for failures
        assert now() >= (2 + 4 + 8 + 16) * 0.8
        assert b.limiter.statistics().refused == 4


@virtual
@by_name
async def test_a_429_of_one_call_pauses_the_others(route: Route[Any]) -> None:
    async with bench(Step(status=429, headers={"Retry-After": "20"})) as b:
        await asyncio.gather(b.call(route), b.call(route))
        assert b.transport.sent_at == [0.0, 0.0, 20.0]
        await b.call(PROFILE_USAGE)


@virtual
@by_name
async def test_what_was_not_sent_is_sent_again(route: Route[Any]) -> None:
    async with bench(REFUSED, REFUSED, REFUSED) as b:
        await b.call(route)
        assert len(b.transport.requests) == 4
        assert b.sent == 1
        assert b.limiter.available() == 99  # unsent requests cost no permit


@virtual
@by_name
async def test_but_not_without_end(route: Route[Any]) -> None:
    async with bench(*[REFUSED] * 9) as b:
        error = await b.error(route)
        assert type(error) is NotSentError
        assert not error.may_have_charged
        assert len(b.transport.requests) == 4
        assert b.limiter.available() == 100
        assert 0.5 * (0.5 + 1 + 2) <= now() <= 0.5 + 1 + 2


@virtual
@by_name
async def test_429s_between_do_not_use_up_the_resends(route: Route[Any]) -> None:
    script = [REFUSED, RATE_LIMITED, REFUSED, RATE_LIMITED, REFUSED]
    async with bench(*script) as b:
        await b.call(route)
        assert len(b.transport.requests) == 6


AMBIGUOUS = {
    "lost": (LOST, ResponseLostError),
    "500": (Step(status=500), ServerError),
    "503": (Step(status=503, headers={"Retry-After": "1"}), ServerError),
    "unreadable": (Step(body=b"<html>"), DecodeError),
    "not documented": (Step(body=b'{"error": "no"}'), DecodeError),
}


@virtual
@by_paid_name
@pytest.mark.parametrize("case", AMBIGUOUS)
async def test_what_may_have_been_paid_is_never_sent_again(route: Route[Any], case: str) -> None:
    step, kind = AMBIGUOUS[case]
    async with bench(step) as b:
        error = await b.error(route)
        assert type(error) is kind
        assert error.may_have_charged
        assert b.sent == 1
        assert b.limiter.available() == 99


@virtual
@by_free_name
@pytest.mark.parametrize("case", ["lost", "500", "503"])
async def test_what_is_free_and_safe_is_sent_again_three_times(
    route: Route[Any], case: str
) -> None:
    step, kind = AMBIGUOUS[case]
    async with bench(step, step, step) as b:
        await b.call(route)
        assert b.sent == 4
    async with bench(*[step] * 9) as b:
        error = await b.error(route)
        assert type(error) is kind
        assert not error.may_have_charged
        assert b.sent == 4
        assert b.limiter.available() == 96


@virtual
@by_free_name
async def test_a_reply_that_cannot_be_read_would_not_read_better_twice(
    route: Route[Any],
) -> None:
    async with bench(Step(body=b"<html>")) as b:
        error = await b.error(route)
        assert type(error) is DecodeError
        assert not error.may_have_charged
        assert b.sent == 1


@virtual
@pytest.mark.parametrize("spends", [True, None])
@pytest.mark.parametrize("safe", [True, False])
async def test_unknown_cost_counts_as_paid(spends: bool | None, safe: bool) -> None:
    route = replace(PROFILE_USAGE, spends_credits=spends, safe_to_resend=safe)
    async with bench(LOST) as b:
        error = await b.error(route)
        assert error.may_have_charged
        assert b.sent == 1


@virtual
async def test_free_but_not_safe_is_not_sent_again() -> None:
    async with bench(LOST) as b:
        error = await b.error(replace(PROFILE_USAGE, safe_to_resend=False))
        assert type(error) is ResponseLostError
        assert b.sent == 1


@virtual
@by_name
@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, BadRequestError), (401, AuthenticationError), (402, InsufficientCreditsError)],
)
async def test_a_refusal_is_final(route: Route[Any], status: int, kind: type[PubrioError]) -> None:
    async with bench(Step(status=status)) as b:
        error = await b.error(route)
        assert type(error) is kind
        assert not error.may_have_charged
        assert b.sent == 1


@virtual
async def test_a_policy_of_ones_own() -> None:
    async with bench(*[LOST] * 9, policy=RetryPolicy(resends=1)) as b:
        await b.error(PROFILE_USAGE)
        assert b.sent == 2


@virtual
async def test_a_request_sent_twice_by_the_transport_costs_two_permits() -> None:
    async with bench(Step(copies=2)) as b:
        await b.call(USER_GET)
        assert b.limiter.available() == 98


@virtual
@by_name
async def test_a_fault_of_the_transport_is_no_reason_to_send_again(route: Route[Any]) -> None:
    async def faulty(request: WireRequest, *, timeout: float, phase: Phase) -> WireReply:
        phase.sent += 1
        raise ZeroDivisionError

    async with bench() as b:
        b.transport.send = faulty  # type: ignore[method-assign]
        with pytest.raises(ZeroDivisionError):
            await b.call(route)
        assert b.limiter.available() == 99
