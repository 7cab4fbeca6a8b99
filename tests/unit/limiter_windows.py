"""What every limiter does with its windows and its queue."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import random
from collections import Counter
from collections.abc import Sequence

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from pubrio_async._limiter import LimiterStatistics, RateLimiter
from pubrio_async.testing import run_virtual
from tests.unit.permits import SLEWS, Make, Same, hold, most_within, now, passes, settle


class Plan(Struct, frozen=True):
    """One request of a random load."""

    arrives: float
    lasts: float
    counted: float  # where between leaving and ending the server counts it, 0 to 1
    copies: int  # how often it goes out: 0 did not leave, 2 was silently sent twice
    priority: int
    patience: float | None  # cancelled so long after it arrived


def plans(copies: st.SearchStrategy[int]) -> st.SearchStrategy[list[Plan]]:
    short = st.one_of(st.just(0.0), st.floats(0, 3), st.floats(0, 40))
    plan = st.builds(
        Plan,
        arrives=short,
        lasts=short,
        counted=st.one_of(st.just(0.0), st.just(1.0), st.floats(0, 1)),
        copies=copies,
        priority=st.integers(0, 2),
        patience=st.one_of(st.none(), st.just(0.0), st.floats(0, 40)),
    )
    return st.lists(plan, min_size=1, max_size=40)


rates = st.lists(
    st.tuples(st.integers(1, 6), st.sampled_from([0.5, 1.0, 2.0, 7.0, 20.0])),
    min_size=1,
    max_size=3,
)


class Seen(Struct):
    """What the server saw, and how the limiter was left."""

    counted: list[float]
    extra: list[float]  # the second copies among them
    statistics: LimiterStatistics | None = None


async def under_load(limiter: RateLimiter, load: Sequence[Plan]) -> Seen:
    seen = Seen([], [])

    async def request(plan: Plan) -> None:
        await asyncio.sleep(plan.arrives)
        ticket = await limiter.acquire(plan.priority)
        left = now()
        sent = plan.copies
        try:
            await asyncio.sleep(plan.lasts)
        finally:
            ended = now()
            limiter.release(ticket, sent)
            for copy in range(sent):
                at = left + (ended - left) * plan.counted
                seen.counted.append(at)
                if copy:
                    seen.extra.append(at)

    async def impatient(plan: Plan) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(plan.patience and plan.arrives + plan.patience):
                await request(plan)

    await asyncio.gather(*map(impatient, load))
    seen.statistics = limiter.statistics()
    return seen


@given(rates, plans(st.sampled_from([1, 1, 1, 0])), st.sampled_from(SLEWS), st.integers(1, 8))
@settings(deadline=None, max_examples=400)
def test_no_stretch_of_a_period_sees_more_than_the_limit(
    make: Make, limits: list[tuple[int, float]], load: list[Plan], slew: float, concurrency: int
) -> None:
    async def main() -> Seen:
        return await under_load(make(*limits, concurrency=concurrency), load)

    seen = run_virtual(main())
    for limit, period in limits:
        assert most_within(period, [at * slew for at in seen.counted]) <= limit
    assert seen.statistics is not None
    assert (seen.statistics.in_flight, seen.statistics.waiting) == (0, 0)


@given(rates, plans(st.just(1)), st.floats(0, 20))
@settings(deadline=None, max_examples=150)
def test_no_fixed_window_of_any_phase_sees_more_than_the_limit(
    make: Make, limits: list[tuple[int, float]], load: list[Plan], phase: float
) -> None:
    async def main() -> Seen:
        return await under_load(make(*limits), load)

    seen = run_virtual(main())
    for limit, period in limits:
        windows = Counter(math.floor((at + phase) / period) for at in seen.counted)
        assert max(windows.values(), default=0) <= limit


@given(rates, plans(st.sampled_from([1, 2])))
@settings(deadline=None, max_examples=150)
def test_a_silent_second_copy_is_all_that_is_ever_seen_beyond_the_limit(
    make: Make, limits: list[tuple[int, float]], load: list[Plan]
) -> None:
    async def main() -> Seen:
        return await under_load(make(*limits), load)

    seen = run_virtual(main())
    firsts = list(seen.counted)
    for at in seen.extra:
        firsts.remove(at)
    for limit, period in limits:
        assert most_within(period, firsts) <= limit


def test_a_silent_second_copy_is_paid_back(make: Make, same: Same) -> None:
    async def main() -> list[float]:
        limiter = make((3, 10.0))
        for sent in (1, 3):  # four copies on two permits: the window is overdrawn by one
            limiter.release(await limiter.acquire(), sent)
        assert limiter.available() == 0
        return [await passes(0, limiter) for _ in range(3)]

    first = hold(10.0)
    # The overdraft is paid back too: four came back at `first`, and three is the limit.
    assert same(run_virtual(main()), [first, first, first])


def test_a_whole_window_leaves_at_once_and_the_next_a_period_later(make: Make) -> None:
    async def main() -> list[float]:
        limiter = make((5, 60.0))
        return sorted(await asyncio.gather(*(passes(0, limiter) for _ in range(15))))

    times = run_virtual(main())
    assert times[:5] == [0.0] * 5
    assert times[5:10] == [pytest.approx(hold(60.0))] * 5
    assert times[10:] == [pytest.approx(2 * hold(60.0))] * 5
    assert times[10] < 120.1  # next to nothing is lost to the guard


def test_a_permit_counts_from_the_end_of_its_request(make: Make) -> None:
    async def main() -> list[float]:
        limiter = make((1, 10.0))
        return list(await asyncio.gather(passes(4, limiter), passes(0, limiter)))

    assert run_virtual(main()) == [0.0, pytest.approx(4 + hold(10.0))]


@given(rates, plans(st.sampled_from([0, 1])), st.integers(1, 6))
@settings(deadline=None, max_examples=250)
def test_nobody_waits_longer_than_the_limits_demand(
    make: Make, limits: list[tuple[int, float]], load: list[Plan], concurrency: int
) -> None:
    """Compared with a plain search for the first moment at which every limit has room."""
    # One after the other: who is first among equals is for nobody to say.
    arrivals = list(itertools.accumulate(plan.arrives + 0.01 for plan in load))

    async def main() -> list[float]:
        limiter = make(*limits, concurrency=concurrency)

        async def request(arrives: float, plan: Plan) -> float:
            await asyncio.sleep(arrives)
            return await passes(plan.lasts, limiter, sent=plan.copies)

        return list(await asyncio.gather(*map(request, arrivals, load)))

    granted = run_virtual(main())
    assert granted == sorted(granted)  # first come, first served

    ended: list[float] = []
    returned: list[list[float]] = [[] for _ in limits]
    at = 0.0
    for arrives, plan, got in zip(arrivals, load, granted, strict=True):
        at = max(at, arrives)
        at = min(
            moment
            for moment in {at, *ended, *itertools.chain(*returned)}
            if moment >= at
            and sum(end > moment for end in ended) < concurrency
            and all(
                sum(back > moment for back in backs) < limit
                for backs, (limit, _) in zip(returned, limits, strict=True)
            )
        )
        assert got == pytest.approx(at, abs=1e-6)
        at = got
        ended.append(at + plan.lasts)
        for backs, (_, period) in zip(returned, limits, strict=True):
            backs.append(ended[-1] + (hold(period) if plan.copies else 0.0))


def test_many_limits_hold_at_once(make: Make) -> None:
    async def main() -> list[float]:
        limiter = make((2, 1.0), (3, 10.0))
        return sorted(await asyncio.gather(*(passes(0, limiter) for _ in range(6))))

    late = hold(1) + hold(10)
    assert run_virtual(main()) == pytest.approx([0, 0, hold(1), hold(10), hold(10), late])


def test_no_more_are_in_flight_than_allowed(make: Make) -> None:
    async def main() -> int:
        limiter = make((100, 1.0), concurrency=7)
        most = 0

        async def one() -> None:
            nonlocal most
            ticket = await limiter.acquire()
            most = max(most, limiter.statistics().in_flight)
            await asyncio.sleep(random.Random(most).random())
            limiter.release(ticket, 1)

        await asyncio.gather(*(one() for _ in range(100)))
        return most

    assert run_virtual(main()) == 7


@pytest.mark.parametrize(
    ("limits", "size"),
    [
        (((300, 60.0),), 300),
        (((300, 60.0), (2_400, 3_600.0)), 300),
        (((20, 2.0), (2_400, 3_600.0)), 600),
        (((5, 3_600.0), (300, 60.0)), 5),
        (((10, 45.0),), 13),
    ],
)
def test_window_size_is_the_most_a_minute_can_see(
    make: Make, limits: tuple[tuple[int, float], ...], size: int
) -> None:
    assert make(*limits).window_size() == size


def test_first_come_first_served_and_priorities_first(make: Make) -> None:
    async def main() -> list[tuple[int, int]]:
        limiter = make(concurrency=1)
        order: list[tuple[int, int]] = []

        async def one(priority: int, number: int) -> None:
            ticket = await limiter.acquire(priority)
            order.append((priority, number))
            await asyncio.sleep(1)
            limiter.release(ticket, 1)

        held = await limiter.acquire()
        waiting = [
            asyncio.create_task(one(priority, number))
            for number, priority in enumerate([5, 0, 3, 0, -2, 3, 5])
        ]
        await settle()
        assert limiter.statistics().waiting == 7
        limiter.release(held, 1)
        await asyncio.gather(*waiting)
        return order

    assert run_virtual(main()) == [(-2, 4), (0, 1), (0, 3), (3, 2), (3, 5), (5, 0), (5, 6)]


def test_a_waiter_cancelled_in_the_queue_does_not_hold_up_the_next(make: Make) -> None:
    async def main() -> list[float]:
        limiter = make((1, 10.0))
        await passes(0, limiter)
        tasks = [asyncio.create_task(passes(0, limiter)) for _ in range(3)]
        await asyncio.sleep(1)
        tasks[0].cancel()  # it was at the head, for which the timer was set
        await asyncio.wait(tasks)
        assert tasks[0].cancelled()
        return [task.result() for task in tasks[1:]]

    assert run_virtual(main()) == [pytest.approx(hold(10)), pytest.approx(2 * hold(10))]


def test_a_waiter_cancelled_in_the_same_tick_does_not_strand_a_newcomer(make: Make) -> None:
    """The queue is pumped, and drops the cancelled waiter, before that waiter has run."""

    async def main() -> float:
        limiter = make(concurrency=1)
        held = await limiter.acquire()
        waiter = asyncio.create_task(limiter.acquire())
        await settle()
        waiter.cancel()
        limiter.release(held, 1)
        async with asyncio.timeout(5):
            limiter.release(await limiter.acquire(), 1)
        assert limiter.statistics().waiting == 0
        return now()

    assert run_virtual(main()) == 0.0


@pytest.mark.parametrize("how", ["task", "scope"])
def test_the_cancelled_give_back_whatever_they_got(make: Make, how: str) -> None:
    async def main() -> None:
        limiter = make((3, 1.0), concurrency=2)
        rng = random.Random(how)

        async def scoped() -> None:
            with anyio.move_on_after(rng.random() * 8):
                await passes(rng.random(), limiter)

        async def cancelled() -> None:
            task = asyncio.create_task(passes(rng.random(), limiter))
            await asyncio.sleep(rng.random() * 8)
            task.cancel()
            await asyncio.wait([task])

        await asyncio.gather(*((scoped if how == "scope" else cancelled)() for _ in range(200)))
        await asyncio.sleep(2)
        assert limiter.available() == 3
        statistics = limiter.statistics()
        assert (statistics.in_flight, statistics.waiting) == (0, 0)

    run_virtual(main())
