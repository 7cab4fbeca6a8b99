"""What every limiter does when it was refused: it pauses, probes and goes on."""

from __future__ import annotations

import asyncio
import itertools
import random

from pubrio_async._limiter import LimiterStatistics
from pubrio_async.testing import VirtualClock, run_virtual
from tests.unit.permits import Make, passes, refused


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
