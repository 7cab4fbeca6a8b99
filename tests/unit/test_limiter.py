"""The limiter of one process: the rules of every limiter, and what it does beyond them."""

from __future__ import annotations

import asyncio
import math
import operator
import random
from collections.abc import Callable, Coroutine, Iterable
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple

import pytest

from pubrio_async._config import Rate
from pubrio_async._limiter import Limiter, LimiterStatistics
from pubrio_async.testing import VirtualClock, VirtualTimeLoop, run_virtual
from tests.unit.limiter_rules import RULES
from tests.unit.permits import (
    Make,
    Same,
    hold,
    limiter_of,
    most_within,
    now,
    passes,
    refused,
    settle,
)

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

# The tests of every limiter run here with these fixtures.
globals().update(RULES)


@pytest.fixture(scope="module")
def make() -> Make:
    return limiter_of


@pytest.fixture(scope="module")
def same() -> Same:
    return operator.eq


def timers() -> int:
    """Timers of the running loop that are still to fire."""
    scheduled: Iterable[asyncio.TimerHandle] = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
    return sum(not handle.cancelled() for handle in scheduled)


def run_on(loop: Callable[[], asyncio.AbstractEventLoop], main: Coroutine[Any, Any, _T]) -> _T:
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main)


# ----------------------------------------------------------------------------- the theorem


@pytest.mark.parametrize("limit", [5_000, 100_000])
def test_large_quotas_take_little_memory_and_keep_the_promise(limit: int) -> None:
    period = 3_600.0

    async def main() -> None:
        limiter = limiter_of((limit, period))
        rng = random.Random(limit)
        times: list[float] = []
        for _ in range(3 * limit // 2):
            await asyncio.sleep(rng.choice((0.0, period / limit, period / limit / 4)))
            times.append(await passes(0, limiter))
        (window,) = limiter._windows
        assert len(window._ends) < 5_000
        assert most_within(period, times) <= limit
        # Rounding to the safe side may cost a little, not much.
        assert times[-1] <= 2 * period

    run_virtual(main())


def test_rounding_for_large_quotas_wastes_next_to_nothing() -> None:
    async def main() -> tuple[int, float]:
        limiter = limiter_of((65_536, 3_600.0))
        for _ in range(65_536):
            limiter.release(await limiter.acquire(), 1)
            await asyncio.sleep(0.001)
        assert limiter.available() == 0
        full = await passes(0, limiter)
        await asyncio.sleep(70)
        return limiter.available() or 0, full

    available, first_back = run_virtual(main())
    assert first_back <= hold(3_600.0) + 1.0
    assert available >= 65_000


def test_large_quotas_are_rounded_to_the_safe_side() -> None:
    async def main() -> None:
        limiter = limiter_of((8_192, 3_600.0))
        for wait in (0.0, 0.5, 1_000.0):  # the first two share an entry
            await asyncio.sleep(wait)
            await passes(0, limiter)
        await asyncio.sleep(hold(3_600.0) - now())
        assert limiter.available() == 8_189
        await asyncio.sleep(0.5)
        assert limiter.available() == 8_191

    run_virtual(main())


@pytest.mark.parametrize("limit", [300, 4_096])
def test_other_limits_are_not_rounded_at_all(limit: int) -> None:
    async def main() -> None:
        limiter = limiter_of((limit, 60.0))
        for _ in range(10):
            await passes(0.001, limiter)
        await asyncio.sleep(0.0015 + hold(60.0) - now())
        assert limiter.available() == limit - 9

    run_virtual(main())


# ---------------------------------------------------------------------- the limit is used up


def test_without_limits_only_the_concurrency_counts() -> None:
    async def main() -> list[float]:
        limiter = limiter_of(concurrency=2)
        assert limiter.available() is None
        assert limiter.window_size() is None
        return sorted(await asyncio.gather(*(passes(1, limiter) for _ in range(6))))

    assert run_virtual(main()) == [0, 0, 1, 1, 2, 2]


# --------------------------------------------------------------------- order and cancellation


def test_try_acquire_never_overtakes_a_waiter() -> None:
    async def main() -> None:
        limiter = limiter_of((2, 10.0), concurrency=1)
        held = limiter.try_acquire()
        assert held is not None
        assert limiter.try_acquire() is None  # no room
        waiter = asyncio.create_task(limiter.acquire(priority=9))
        await settle()
        limiter.release(held, 0)  # the waiter is granted it at once ...
        assert limiter.try_acquire() is None  # ... and nobody comes between
        limiter.release(await waiter, 0)
        free = limiter.try_acquire()
        assert free is not None
        limiter.release(free, 0)
        assert limiter.available() == 2

    run_virtual(main())


def test_a_permit_granted_to_a_waiter_cancelled_in_the_same_tick_goes_on() -> None:
    async def main() -> None:
        limiter = limiter_of((10, 10.0), concurrency=1)
        held = await limiter.acquire()
        first = asyncio.create_task(limiter.acquire())
        second = asyncio.create_task(limiter.acquire())
        await settle()
        limiter.release(held, 1)  # granted to `first`, which has not run yet
        first.cancel()
        await settle()
        assert first.cancelled()
        assert second.done()
        limiter.release(second.result(), 1)
        assert limiter.statistics().in_flight == 0
        assert limiter.available() == 8  # the permit of `first` was not spent

    run_virtual(main())


def test_ten_thousand_cancelled_waiters_do_not_pile_up() -> None:
    async def main() -> None:
        limiter = limiter_of((1, 1e6))
        await passes(0, limiter)
        steady = asyncio.create_task(limiter.acquire(priority=1))
        for _ in range(100):
            batch = [asyncio.create_task(limiter.acquire()) for _ in range(100)]
            await settle()
            for task in batch:
                task.cancel()
            await asyncio.wait(batch)
            assert sum(map(len, limiter._queues.values())) < 250
        assert limiter.statistics().waiting == 1
        together = [asyncio.create_task(limiter.acquire()) for _ in range(10_000)]
        await settle()
        for task in together:
            task.cancel()
        await asyncio.wait(together)
        assert sum(map(len, limiter._queues.values())) < 250
        assert limiter.statistics().waiting == 1
        limiter.release(await steady, 0)

    run_virtual(main())


# -------------------------------------------------------------------------------------- 429


def test_a_probe_cancelled_before_it_ran_is_followed_by_another() -> None:
    async def main() -> float:
        limiter = limiter_of((100, 60.0))
        await refused(limiter, 5.0)
        probe = asyncio.create_task(limiter.acquire())
        other = asyncio.create_task(passes(0, limiter))
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        loop.call_at(5.0, limiter._wake)  # granted, and cancelled before it has run
        loop.call_at(5.0, probe.cancel)
        await asyncio.wait([probe])
        assert probe.cancelled()
        return await other

    assert run_virtual(main()) == pytest.approx(5.0)


def test_a_long_limit_shows_even_when_a_short_one_is_all_in_flight() -> None:
    async def main() -> float:
        limiter = limiter_of((1, 10.0), (2, 1_000.0))
        await passes(0, limiter)
        slow = asyncio.create_task(passes(100, limiter))
        await asyncio.sleep(20)
        wait = limiter.statistics().next_permit_s
        await slow
        return wait

    assert run_virtual(main()) == pytest.approx(hold(1_000) - 20)


# ------------------------------------------------------------------------ timers, statistics


def test_statistics() -> None:
    async def main() -> None:
        limiter = limiter_of((2, 10.0))
        assert limiter.statistics() == LimiterStatistics(
            in_flight=0,
            waiting=0,
            available=2,
            next_permit_s=0.0,
            paused_s=0.0,
            granted=0,
            refused=0,
        )
        first = await limiter.acquire()
        await passes(0, limiter)
        waiting = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(4)
        assert limiter.statistics() == LimiterStatistics(
            in_flight=1,
            waiting=1,
            available=0,
            next_permit_s=hold(10.0) - 4,
            paused_s=0.0,
            granted=2,
            refused=0,
        )
        limiter.release(first, 0)  # unused: the waiter has it
        limiter.release(await waiting, 1)
        assert limiter.statistics().granted == 3
        assert now() == 4.0

    run_virtual(main())


def test_no_timer_is_left_when_nobody_waits() -> None:
    async def main() -> None:
        limiter = limiter_of((1, 1e6))
        await passes(0, limiter)
        before = timers()
        cancelled = asyncio.create_task(limiter.acquire())
        await settle()
        assert timers() == before + 1
        cancelled.cancel()
        await settle()
        assert timers() == before

    run_virtual(main())


def test_no_timer_is_left_when_a_release_served_the_last_waiter() -> None:
    async def main() -> None:
        limiter = limiter_of((2, 1e6))
        await passes(0, limiter)
        held = await limiter.acquire()
        waiter = asyncio.create_task(limiter.acquire())
        await settle()
        assert timers() == 1
        limiter.release(held, 0)
        limiter.release(await waiter, 0)
        assert timers() == 0

    run_virtual(main())


def test_one_timer_serves_any_number_of_waiters() -> None:
    async def main() -> None:
        limiter = limiter_of((1, 10.0), (2, 500.0))
        await passes(0, limiter)
        tasks = [asyncio.create_task(passes(0, limiter, priority=n % 3)) for n in range(50)]
        await settle()
        assert timers() == 1
        await asyncio.gather(*tasks)
        assert timers() == 0

    run_virtual(main())


def test_the_timer_is_moved_forward_when_a_permit_comes_back_sooner() -> None:
    async def main() -> float:
        limiter = limiter_of((2, 10.0), (4, 1_000.0))
        await passes(0, limiter)
        await asyncio.sleep(11)
        unused = await limiter.acquire()
        await passes(0, limiter, sent=2)  # overdraws the short limit, fills up the long one
        waiter = asyncio.create_task(passes(0, limiter))
        await settle()
        assert limiter.statistics().next_permit_s == pytest.approx(hold(1_000) - 11)
        limiter.release(unused, 0)  # now only the short limit is in the way
        return await waiter

    assert run_virtual(main()) == pytest.approx(11 + hold(10))


class EarlyLoop(VirtualTimeLoop):
    """Cuts delays down to whole milliseconds, as uvloop does: timers fire early."""

    def call_later(
        self,
        delay: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return super().call_later(self.cut(delay), callback, *args, context=context)

    def cut(self, delay: float) -> float:
        return math.floor(delay * 1_000) / 1_000


class VeryEarlyLoop(EarlyLoop):
    """Fires timers at two thirds of their delay."""

    def cut(self, delay: float) -> float:
        return delay * 2 / 3 if delay > 1e-3 else delay


@pytest.mark.parametrize("loop", [VeryEarlyLoop, EarlyLoop])
def test_a_timer_that_fires_early_lets_nobody_through_early(
    loop: type[VirtualTimeLoop],
) -> None:
    class Ticking(VirtualClock):
        # The cut-off delay can be 0: something must make the time go on, as it does in life.
        def now(self) -> float:
            running = asyncio.get_running_loop()
            assert isinstance(running, VirtualTimeLoop)
            running._now += 1e-6
            return running.time()

    async def main() -> list[float]:
        limiter = Limiter([Rate(2, 0.7)], 10, Ticking())
        return list(await asyncio.gather(*(passes(0, limiter) for _ in range(8))))

    times = run_on(loop, main())
    assert most_within(0.7, times) <= 2
    assert max(times) <= 3 * hold(0.7) + 0.01


def test_a_limiter_works_on_the_loop_that_users_have() -> None:
    class Clock:
        def now(self) -> float:
            return asyncio.get_running_loop().time()

        def wall(self) -> float:
            raise AssertionError("no date is needed")

    async def main() -> list[float]:
        limiter = Limiter([Rate(2, 0.01)], 10, Clock())
        start = now()
        return [at - start for at in await asyncio.gather(*(passes(0, limiter) for _ in range(4)))]

    times = asyncio.run(main())
    assert most_within(0.01, times) <= 2
