"""Cancelled at any moment, a call loses no permit, no task and no reply that was paid for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from pubrio_async._config import Rate
from pubrio_async._errors import PubrioError, ResponseLostError
from pubrio_async._phase import Phase
from pubrio_async._routes import PROFILE_USAGE, REDEEM_PEOPLE, Route
from pubrio_async._wire import WireReply, WireRequest
from pubrio_async.testing import VirtualTimeLoop
from tests.dispatch.bench import (
    FIELDS,
    RATE_LIMITED,
    REFUSED,
    SAMPLES,
    SCRIPTS,
    Bench,
    Cancel,
    Step,
    bench,
    both_ways,
    by_free_name,
    by_name,
    by_paid_name,
    cancelled_after,
    now,
    settle,
    virtual,
)
from tests.together import together


@virtual
@both_ways
@by_name
async def test_cancelled_before_sending_nothing_is_sent(route: Route[Any], how: Cancel) -> None:
    async with bench(Step(connecting=5.0)) as b:
        await cancelled_after(1.0, b.call(route), how)
        await settle()
        b.assert_idle()
        await asyncio.sleep(100)
        assert b.sent == 0
        assert b.limiter.available() == 100
        assert not b.dispatcher.abandoned


@virtual
@both_ways
@by_name
async def test_cancelled_while_it_waits_for_a_permit(route: Route[Any], how: Cancel) -> None:
    async with bench(rates=(Rate(1, 60.0),)) as b:
        await b.call(PROFILE_USAGE)
        await cancelled_after(1.0, b.call(route), how)
        await settle()
        b.assert_idle()
        assert b.sent == 1
        assert not b.dispatcher.abandoned


@virtual
@both_ways
@by_name
@pytest.mark.parametrize("first", ["429", "unsent"])
async def test_cancelled_between_two_attempts(route: Route[Any], how: Cancel, first: str) -> None:
    async with bench(RATE_LIMITED if first == "429" else REFUSED) as b:
        await cancelled_after(0.1, b.call(route), how)
        await settle()
        b.assert_idle()
        await asyncio.sleep(100)
        assert len(b.transport.requests) == 1
        assert not b.dispatcher.abandoned


@virtual
@both_ways
@by_paid_name
async def test_cancelled_after_sending_a_paid_call_finishes(route: Route[Any], how: Cancel) -> None:
    async with bench(Step(answering=5.0)) as b:
        await cancelled_after(1.0, b.call(route), how)
        assert now() == 1.0  # the caller does not wait
        assert b.transport.under_way == 1
        await asyncio.sleep(10)
        assert b.sent == 1
        (kept,) = b.dispatcher.abandoned
        assert (kept.name, kept.fields, kept.error) == (route.name, FIELDS, None)
        assert kept.reply == route.decode(SAMPLES[route.name])
        assert b.limiter.available() == 99


@virtual
@both_ways
@by_free_name
async def test_cancelled_after_sending_a_free_call_just_ends(
    route: Route[Any], how: Cancel
) -> None:
    async with bench(Step(answering=5.0)) as b:
        await cancelled_after(1.0, b.call(route), how)
        b.assert_idle()
        assert b.limiter.available() == 99  # it was sent, so it counts
        assert not b.dispatcher.abandoned


@virtual
@both_ways
@by_paid_name
@pytest.mark.parametrize("status", [429, 500, 400])
async def test_an_abandoned_call_is_not_sent_again_even_if_it_was_refused(
    route: Route[Any], how: Cancel, status: int
) -> None:
    async with bench(Step(status=status, answering=5.0)) as b:
        await cancelled_after(1.0, b.call(route), how)
        await asyncio.sleep(100)
        assert b.sent == 1
        (kept,) = b.dispatcher.abandoned
        assert kept.reply is None
        assert getattr(kept.error, "status", None) == status


@virtual
@by_paid_name
async def test_an_abandoned_call_whose_answer_is_lost_says_so(route: Route[Any]) -> None:
    async with bench(Step(error="lost", answering=5.0)) as b:
        await cancelled_after(1.0, b.call(route), "task")
        await asyncio.sleep(100)
        (kept,) = b.dispatcher.abandoned
        assert type(kept.error) is ResponseLostError
        assert kept.error.may_have_charged


@virtual
async def test_the_newest_thousand_abandoned_replies_are_kept() -> None:
    script = [Step(answering=1.0 + number / 1e4) for number in range(1_005)]
    async with bench(*script, rates=(), concurrency=2_000) as b:
        tasks = [
            asyncio.create_task(b.call(REDEEM_PEOPLE, {"profile_id": number}))
            for number in range(1_005)
        ]
        await asyncio.sleep(0.5)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await asyncio.sleep(1)
        kept = [call.fields["profile_id"] for call in b.dispatcher.abandoned]
        assert kept == list(range(5, 1_005))


@virtual
async def test_a_fault_in_an_abandoned_call_is_not_swallowed() -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    async def faulty(request: WireRequest, *, timeout: float, phase: Phase) -> WireReply:
        phase.sent += 1
        await asyncio.sleep(5)
        raise ZeroDivisionError

    async with bench() as b:
        b.transport.send = faulty  # type: ignore[method-assign]
        await cancelled_after(1.0, b.call(REDEEM_PEOPLE), "task")
        await asyncio.sleep(10)
        assert not b.dispatcher.abandoned
    assert [type(context["exception"]) for context in reported] == [ZeroDivisionError]


class SteppedLoop(VirtualTimeLoop):
    """Does something at its n-th turn: before everything that is ready, or after it."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = 0
        self.at: int | None = None
        self.last = False
        self.strike: Callable[[], object] = lambda: None

    def _run_once(self) -> None:
        if self.at is not None:
            self.turn += 1
            if self.turn == self.at:
                if self.last:
                    self.call_soon(self.strike)
                else:
                    self.strike()
        super()._run_once()  # type: ignore[misc]


@together
@both_ways
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("script", SCRIPTS)
@by_name
def test_cancelled_at_any_turn_of_the_loop(
    route: Route[Any], script: str, last: bool, how: Cancel
) -> None:
    """Whenever it comes: no permit, task or paid reply is lost, and nothing is sent twice."""

    async def main(turn: int) -> bool:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SteppedLoop)
        # A neighbour holds the only permit at first, and another one waits behind the call.
        b = Bench(*SCRIPTS[script], rates=(Rate(9, 60.0),), concurrency=1)
        neighbour = await b.limiter.acquire()
        ends: list[str] = []
        scope = anyio.CancelScope()

        async def caller() -> None:
            with scope:
                try:
                    await b.call(route)
                    ends.append("replied")
                except PubrioError:
                    ends.append("failed")
                except asyncio.CancelledError:
                    ends.append("cancelled")
                    raise

        async def behind() -> None:
            b.limiter.release(await b.limiter.acquire(), 0)

        task = asyncio.create_task(caller())
        await asyncio.sleep(0)
        second = asyncio.create_task(behind())
        loop.strike = task.cancel if how == "task" else scope.cancel
        loop.last = last
        loop.at = turn
        await asyncio.sleep(0.5)
        b.limiter.release(neighbour, 1)
        await asyncio.wait([task, second])
        struck = loop.turn >= turn
        loop.at = None
        await asyncio.sleep(60)
        b.assert_idle()

        charged = [
            r
            for r, step in zip(b.transport.requests, [*SCRIPTS[script], Step()], strict=False)
            if r.paid and step.status == 200 and step.error is None
        ]
        assert len(charged) <= 1
        if "cancelled" in ends and route.paid:
            # What was sent when the caller left has its end in the list.
            assert len(b.dispatcher.abandoned) <= 1
            if b.sent and script in {"success", "lost", "500"}:
                assert len(b.dispatcher.abandoned) == 1
        else:
            assert not b.dispatcher.abandoned
        assert len(ends) <= 1
        await asyncio.sleep(120)
        assert b.limiter.available() == 9
        return struck

    turn = 1
    while True:
        with asyncio.Runner(loop_factory=SteppedLoop) as runner:
            if not runner.run(main(turn)):
                break
        turn += 1
    assert turn > 5
