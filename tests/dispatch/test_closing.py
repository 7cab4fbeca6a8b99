"""Closing lets paid calls finish, sends nothing more, and tells of what it cuts off."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pubrio_async._config import Rate
from pubrio_async._dispatch import AbandonedCall
from pubrio_async._errors import ConfigurationError, NotSentError, ResponseLostError
from pubrio_async._routes import PROFILE_USAGE, REDEEM_BATCH, Route
from pubrio_async.testing import run_virtual
from tests.dispatch.bench import (
    FIELDS,
    SAMPLES,
    Bench,
    Step,
    bench,
    by_name,
    by_paid_name,
    cancelled_after,
    now,
    virtual,
)


@virtual
@by_name
async def test_a_closed_dispatcher_sends_nothing(route: Route[Any]) -> None:
    async with bench() as b:
        await b.dispatcher.drain(1.0)
        with pytest.raises(ConfigurationError, match="closed"):
            await b.call(route)
        assert b.transport.requests == []


@virtual
@by_paid_name
async def test_draining_lets_paid_calls_finish(route: Route[Any]) -> None:
    async with bench(Step(answering=1.0)) as b:
        call = asyncio.create_task(b.call(route))
        await asyncio.sleep(0.5)
        await b.dispatcher.drain(1.5)
        assert now() == 1.0
        assert await call == route.decode(SAMPLES[route.name])


@virtual
@by_paid_name
async def test_draining_keeps_the_reply_of_an_abandoned_call(route: Route[Any]) -> None:
    async with bench(Step(answering=1.0)) as b:
        await cancelled_after(0.5, b.call(route), "task")
        await b.dispatcher.drain(1.5)
        assert [call.error for call in b.dispatcher.abandoned] == [None]


@virtual
@by_paid_name
async def test_the_caller_of_a_call_cut_off_by_closing_gets_an_error(route: Route[Any]) -> None:
    """Not a CancelledError out of nowhere, which would end its task without a word."""
    async with bench(Step(answering=10.0)) as b:
        call = asyncio.create_task(b.call(route))
        await asyncio.sleep(0.5)
        await b.dispatcher.drain(1.5)
        assert now() == 2.0
        with pytest.raises(ResponseLostError, match=f"{route.path} .*closed") as caught:
            await call
        assert caught.value.may_have_charged
        assert caught.value.endpoint == route.name
        assert not b.dispatcher.abandoned
        assert b.limiter.statistics().in_flight == 0


@virtual
@by_paid_name
async def test_a_call_still_waiting_when_the_client_closes_was_not_sent(
    route: Route[Any],
) -> None:
    async with bench(rates=(Rate(1, 60.0),)) as b:
        await b.call(PROFILE_USAGE)
        call = asyncio.create_task(b.call(route))
        await asyncio.sleep(0)
        await b.dispatcher.drain(1.5)
        with pytest.raises(NotSentError, match="closed") as caught:
            await call
        assert not caught.value.may_have_charged
        assert caught.value.endpoint == route.name
        assert b.sent == 1


@virtual
@by_paid_name
async def test_an_abandoned_call_cut_off_by_closing_is_told_of(route: Route[Any]) -> None:
    async with bench(Step(answering=10.0)) as b:
        await cancelled_after(0.5, b.call(route), "task")
        await b.dispatcher.drain(1.5)
        (kept,) = b.dispatcher.abandoned
        assert isinstance(kept, AbandonedCall)
        assert type(kept.error) is ResponseLostError
        assert kept.error.may_have_charged
        assert kept.error.endpoint == route.name
        assert kept.fields == FIELDS


@virtual
async def test_draining_twice_and_draining_nothing() -> None:
    async with bench() as b:
        await b.dispatcher.drain(1.0)
        await b.dispatcher.drain(1.0)
        assert now() == 0.0


def test_the_end_of_the_loop_leaves_no_warning() -> None:
    """asyncio.run cancels every task; the paid one must not complain that nobody asked."""

    async def main() -> Bench:
        b = Bench(Step(answering=10.0))
        task = asyncio.create_task(b.call(REDEEM_BATCH))
        await asyncio.sleep(1)
        assert not task.done()
        return b

    b = run_virtual(main())
    assert b.sent == 1
    assert b.transport.under_way == 0
