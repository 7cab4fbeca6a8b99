"""A call waits for its permit, and for no longer than it may."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pubrio_async._config import Rate
from pubrio_async._errors import NotSentError, RateLimitedError
from pubrio_async._routes import PROFILE_USAGE, Route
from tests.dispatch.bench import RATE_LIMITED, REFUSED, Step, bench, by_name, now, virtual


@virtual
@by_name
async def test_a_call_waits_for_its_permit(route: Route[Any]) -> None:
    async with bench(rates=(Rate(1, 60.0),)) as b:
        await asyncio.gather(b.call(route), b.call(route))
        assert b.transport.sent_at == [0.0, pytest.approx(60.031)]


@virtual
@by_name
async def test_no_permit_in_time_is_said_at_once_and_with_a_number(route: Route[Any]) -> None:
    async with bench(rates=(Rate(1, 600.0),)) as b:
        await b.call(route)
        await asyncio.sleep(100)
        error = await b.error(route)
        assert type(error) is NotSentError
        assert f"{route.method} {route.path}" in str(error)
        assert "within 90 s" in str(error)
        assert "about 500 s" in str(error)
        assert not error.may_have_charged
        assert now() == 100.0
        assert b.sent == 1


@virtual
@by_name
async def test_a_queue_that_is_too_long_ends_the_wait_with_a_number(route: Route[Any]) -> None:
    async with bench(rates=(Rate(1, 60.0),)) as b:
        calls = [asyncio.create_task(b.call(route)) for _ in range(3)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        error = results[2]
        assert type(error) is NotSentError
        assert "within 90 s" in str(error)
        assert "about 30 s" in str(error)  # at 90 s: the second one left at 60 s
        assert now() == 90.0
        assert b.sent == 2


@virtual
@by_name
async def test_a_pause_longer_than_the_wait_is_an_error_with_the_number(
    route: Route[Any],
) -> None:
    async with bench(Step(status=429, headers={"Retry-After": "600"})) as b:
        error = await b.error(route)
        assert isinstance(error, RateLimitedError)
        assert error.retry_after == 600.0
        assert not error.may_have_charged
        assert now() == 0.0
        later = await b.error(route)  # the pause holds for the next call as well
        assert type(later) is NotSentError
        assert "about 600 s" in str(later)
        assert b.sent == 1


@virtual
@by_name
async def test_refused_again_and_again_ends_with_the_wait(route: Route[Any]) -> None:
    async with bench(*[RATE_LIMITED] * 99) as b:
        error = await b.error(route)
        assert type(error) is RateLimitedError
        assert now() <= 90.0
        assert b.sent == 6  # after about 2, 6, 14, 30 and 62 seconds, and 50 more are too many


@virtual
@by_name
async def test_asked_to_come_back_at_once_without_end(route: Route[Any]) -> None:
    async with bench(*[Step(status=429, headers={"Retry-After": "0"})] * 999, rates=()) as b:
        await b.error(route)
        assert now() <= 90.0
        assert b.sent < 10


@virtual
async def test_without_any_patience_only_what_can_leave_at_once_leaves() -> None:
    async with bench(REFUSED, rates=(Rate(2, 60.0),), max_wait=0.0) as b:
        assert type(await b.error(PROFILE_USAGE)) is NotSentError
        assert len(b.transport.requests) == 1
        await b.call(PROFILE_USAGE)
        await b.call(PROFILE_USAGE)
        assert "rate limit" in str(await b.error(PROFILE_USAGE))


@virtual
async def test_a_full_house_is_waited_for_as_well() -> None:
    async with bench(Step(answering=200.0), concurrency=1) as b:
        slow = asyncio.create_task(b.call(PROFILE_USAGE))
        await asyncio.sleep(0)
        error = await b.error(PROFILE_USAGE)
        assert type(error) is NotSentError
        assert "about 1 s" in str(error)  # no number can be known, and 0 would be none
        assert now() == 90.0
        await slow
