"""What every limiter does, wherever its permits come from: tests that are given one to make.

A test module that imports them has a fixture `make` of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import random
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from pubrio_async._limiter import LimiterStatistics, RateLimiter
from pubrio_async.testing import VirtualClock, run_virtual


class Make(Protocol):
    """Makes a limiter; inside a loop with virtual time."""

    def __call__(
        self,
        *rates: tuple[int, float],
        concurrency: int = 1_000,
        rng: random.Random | None = None,
    ) -> RateLimiter: ...


class Same(Protocol):
    """Whether moments are the same, as exactly as such a limiter can tell."""

    def __call__(self, times: list[float], expected: list[float], /) -> bool: ...


# What a server clock that is being slewed may be off, either way.
SLEWS = (1.0, 1.0005, 0.9995)


def hold(period: float) -> float:
    """How long after its request ended a permit comes back."""
    return period * 1.0005 + 0.001


def now() -> float:
    return asyncio.get_running_loop().time()


async def settle() -> None:
    """Lets everything that is ready run, without letting time pass."""
    for _ in range(10):
        await asyncio.sleep(0)


async def passes(
    seconds: float, limiter: RateLimiter, *, sent: int = 1, priority: int = 0
) -> float:
    """One request; returns when it was let through."""
    ticket = await limiter.acquire(priority)
    at = now()
    try:
        await asyncio.sleep(seconds)
    finally:
        limiter.release(ticket, sent)
    return at


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


def most_within(period: float, times: Sequence[float]) -> int:
    """The most of `times` that any half-open stretch of this length holds."""
    times = sorted(times)
    best = first = 0
    for last, at in enumerate(times):
        while at - times[first] >= period:
            first += 1
        best = max(best, last - first + 1)
    return best


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


async def refused(limiter: RateLimiter, retry_after: float | None, seconds: float = 0.0) -> float:
    ticket = await limiter.acquire()
    at = now()
    await asyncio.sleep(seconds)
    limiter.pause(ticket, retry_after)
    limiter.release(ticket, 1)
    return at


def test_everyone_waits_out_a_pause_and_a_probe_goes_alone(make: Make) -> None:
    async def main() -> list[float]:
        limiter = make((100, 60.0))
        await refused(limiter, 5.0)
        assert limiter.available() == 0
        assert limiter.try_acquire() is None
        assert limiter.statistics().paused_s == limiter.statistics().next_permit_s == 5.0
        return sorted(await asyncio.gather(*(passes(2, limiter) for _ in range(10))))

    assert run_virtual(main()) == [5.0] + [7.0] * 9


def test_a_request_under_way_when_the_pause_comes_is_no_probe(make: Make) -> None:
    async def main() -> list[float]:
        limiter = make((100, 60.0))
        slow = asyncio.create_task(passes(9, limiter))
        await asyncio.sleep(0)
        await refused(limiter, 5.0)
        probing = [asyncio.create_task(passes(10, limiter)) for _ in range(2)]
        await slow  # it succeeds at 9, but left before the refusal and proves nothing
        return list(await asyncio.gather(*probing))

    assert run_virtual(main()) == [5.0, 15.0]


def test_refusals_of_one_generation_are_one_refusal(make: Make) -> None:
    async def main() -> tuple[float, LimiterStatistics]:
        limiter = make((100, 60.0), rng=random.Random(1))
        tickets = [await limiter.acquire() for _ in range(10)]
        for ticket in tickets:
            limiter.pause(ticket, None)
            limiter.release(ticket, 1)
        return limiter.statistics().paused_s, limiter.statistics()

    paused, statistics = run_virtual(main())
    assert 1.6 <= paused <= 2.4  # the first back-off, not the tenth
    assert statistics.refused == 10


def test_the_longest_wait_asked_for_by_one_generation_counts(make: Make) -> None:
    async def main() -> float:
        limiter = make((100, 60.0))
        tickets = [await limiter.acquire() for _ in range(3)]
        for ticket, asked in zip(tickets, (2.0, 30.0, 1.0), strict=True):
            limiter.pause(ticket, asked)
            limiter.release(ticket, 1)
        return await passes(0, limiter)

    assert run_virtual(main()) == 30.0


def test_backing_off_grows_with_jitter_and_stays_below_a_minute(make: Make) -> None:
    waits: list[list[float]] = []

    async def main(seed: int) -> None:
        limiter = make((1_000, 60.0), rng=random.Random(seed))
        waits.append([])
        for _ in range(12):
            await refused(limiter, None)
            waits[-1].append(limiter.statistics().paused_s)

    for seed in range(20):
        run_virtual(main(seed))
    for wait in waits:
        assert all(2 * 0.8 * 2**n <= wait[n] <= 2 * 1.2 * 2**n for n in range(4))
        assert all(40 <= long <= 60 for long in wait[6:])
    assert len({wait[-1] for wait in waits}) > 10  # many clients must not come back as one


def test_a_probe_that_succeeds_starts_the_backing_off_anew(make: Make) -> None:
    async def main() -> float:
        limiter = make((1_000, 60.0))
        for _ in range(4):
            await refused(limiter, None)
        await passes(0, limiter)
        await refused(limiter, None)
        return limiter.statistics().paused_s

    assert run_virtual(main()) <= 2.4


def test_a_probe_that_is_refused_pauses_everyone_again(make: Make) -> None:
    async def main() -> list[float]:
        limiter = make((100, 60.0))
        await refused(limiter, 5.0)
        again = asyncio.create_task(refused(limiter, 20.0, seconds=1))
        await asyncio.sleep(0)
        others = [asyncio.create_task(passes(1, limiter)) for _ in range(3)]
        return [await again, *(await asyncio.gather(*others))]

    assert run_virtual(main()) == [5.0, 26.0, 27.0, 27.0]


def test_a_probe_that_was_never_sent_is_followed_by_another(make: Make) -> None:
    async def main() -> list[float]:
        limiter = make((100, 60.0))
        await refused(limiter, 5.0)
        unsent = asyncio.create_task(passes(1, limiter, sent=0))
        await asyncio.sleep(0)
        others = [asyncio.create_task(passes(1, limiter)) for _ in range(3)]
        return [await unsent, *(await asyncio.gather(*others))]

    assert run_virtual(main()) == [5.0, 6.0, 7.0, 7.0]


def test_a_late_refusal_while_the_probe_is_out_prolongs_the_pause(make: Make) -> None:
    async def main() -> list[float]:
        limiter = make((100, 60.0))
        late = await limiter.acquire()
        await refused(limiter, 5.0)
        probe = asyncio.create_task(passes(2, limiter))
        others = [asyncio.create_task(passes(0, limiter)) for _ in range(2)]
        await asyncio.sleep(6)
        limiter.pause(late, 10.0)
        limiter.release(late, 1)
        return [await probe, *(await asyncio.gather(*others))]

    assert run_virtual(main()) == [5.0, 16.0, 16.0]


def test_asked_to_wait_for_nothing_is_believed_once(make: Make) -> None:
    """A server that keeps asking for 0 seconds must not be hammered."""

    async def main() -> list[float]:
        limiter = make(rng=random.Random(3))
        return [await refused(limiter, 0.0) for _ in range(8)]

    times = run_virtual(main())
    assert times[1] == 0.0
    gaps = [late - early for early, late in itertools.pairwise(times[1:])]
    assert all(gap >= 1.0 for gap in gaps)
    assert gaps[-1] > gaps[0]
    assert all(gap <= 60 for gap in gaps)


def test_a_very_long_wait_is_obeyed_and_can_be_seen(make: Make) -> None:
    async def main() -> float:
        limiter = make((100, 60.0))
        await refused(limiter, 86_400.0)
        assert limiter.statistics().next_permit_s == 86_400.0
        return await passes(0, limiter)

    assert run_virtual(main()) == 86_400.0


def test_a_request_that_was_cut_off_may_still_arrive_and_is_allowed_for(make: Make) -> None:
    async def main() -> None:
        clock = VirtualClock()
        limiter = make((3, 10.0), concurrency=8)
        counted: list[float] = []
        for _ in range(3):
            ticket = await limiter.acquire()
            limiter.release(ticket, 1, answered=False)  # cut off at once ...
            counted.append(clock.now() + 1.9)  # ... and counted when it arrives
        for _ in range(30):
            ticket = await limiter.acquire()
            counted.append(clock.now())
            limiter.release(ticket, 1)
        counted.sort()
        assert all(later - first >= 10 for first, later in zip(counted, counted[3:], strict=False))
        # What was answered meanwhile is not held longer than what was cut off.
        assert clock.now() <= 10 * 10.1 + 2.1

    run_virtual(main())


RULES = {name: rule for name, rule in globals().items() if name.startswith("test_")}
"""All of them, for a module with fixtures `make` and `same` to take in."""
