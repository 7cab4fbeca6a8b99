"""What was sent before a restart counts after it, whatever became of the machine's clock."""

from __future__ import annotations

import asyncio
import json
import math
import sys
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pubrio_async._config import Rate, parse_rates
from pubrio_async._limiter import Limiter
from pubrio_async.testing import VirtualClock, run_virtual
from pubrio_async.testing.virtual_time import EPOCH
from tests.together import together
from tests.unit.permits import hold, most_within, now, passes

HOUR, DAY = 3_600.0, 86_400.0
# Of a few sums of seconds.
ROUNDING = 8 * sys.float_info.epsilon


class SetClock(VirtualClock):
    """A clock whose date can be set."""

    off = 0.0

    def wall(self) -> float:
        return super().wall() + self.off


def limiter_of(*rates: tuple[int, float], clock: VirtualClock | None = None) -> Limiter:
    return Limiter([Rate(*rate) for rate in rates], 1_000, clock or VirtualClock())


def room(limiter: Limiter) -> int:
    """How many could leave now; none is 0, more were sent than allowed too."""
    return limiter.available() or 0


def test_an_hours_quota_holds_across_a_restart() -> None:
    async def main() -> list[float]:
        before = limiter_of((300, 60.0), (400, HOUR))
        times = list(await asyncio.gather(*(passes(0.1, before) for _ in range(350))))
        state = before.usage()
        assert len(state) < 2_000
        await asyncio.sleep(600)
        after = limiter_of((300, 60.0), (400, HOUR))
        assert room(after) == 300
        after.restore(state)
        assert room(after) == 50
        times += await asyncio.gather(*(passes(0.1, after) for _ in range(200)))
        return times

    times = run_virtual(main())
    assert most_within(HOUR, times) == 400
    assert max(times) < HOUR * 1.06


moments = st.lists(st.floats(0, 7_200), max_size=25)


@given(
    st.integers(1, 8), moments, moments, st.floats(0, 7_200), st.floats(0, 4_000),
    st.floats(0, HOUR), st.floats(0, 30),
)  # fmt: skip
@settings(deadline=None, max_examples=300)
def test_no_fixed_window_sees_more_than_its_limit_across_a_restart(  # noqa: PLR0917 - drawn
    limit: int, first: list[float], second: list[float],
    stopped: float, down: float, phase: float, lasts: float,
) -> None:  # fmt: skip
    counted: list[float] = []

    async def request(limiter: Limiter, after: float) -> None:
        await asyncio.sleep(after)
        ticket = await limiter.acquire()
        try:
            await asyncio.sleep(lasts)
        finally:
            counted.append(now())
            limiter.release(ticket, 1)

    async def main() -> None:
        before = limiter_of((limit, HOUR), (limit + 3, DAY))
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(request(before, after)) for after in first]
            await asyncio.sleep(stopped)
            state = before.usage()
            for task in tasks:  # killed: what is under way is counted when it was cut off
                task.cancel()
        await asyncio.sleep(down)
        after = limiter_of((limit, HOUR), (limit + 3, DAY))
        after.restore(state)
        await asyncio.gather(*(request(after, at) for at in second))

    run_virtual(main())
    for most, period in ((limit, HOUR), (limit + 3, DAY)):
        windows = Counter(math.floor((at + phase) / period) for at in counted)
        assert max(windows.values(), default=0) <= most
        assert most_within(period, counted) <= most


@given(
    st.integers(1, 6), st.lists(st.floats(0, 5_000), max_size=15),
    st.lists(st.floats(0, 5_000), min_size=1, max_size=15),
    st.floats(0, 5_000), st.floats(-1e9, 1e9) | st.floats(-4_000, 4_000),
)  # fmt: skip
# What comes back at the same moment is waited for from different ones, and rounded differently.
@example(limit=3, first=[], second=[0.0, 0.0, 0.0, 1.2290408336955352], down=0.0, jump=601.0)
@example(limit=2, first=[2046.0477197721764], second=[0.0], down=0.0, jump=0.0)
@settings(deadline=None, max_examples=300)
def test_a_clock_that_was_set_costs_one_period_at_most_and_no_safety(
    limit: int, first: list[float], second: list[float], down: float, jump: float
) -> None:
    async def main() -> None:
        clock = SetClock()
        before = limiter_of((limit, HOUR), clock=clock)
        for after in first:
            await asyncio.sleep(after)
            await passes(0, before)
        under_way = await before.acquire()
        state = before.usage()
        before.release(under_way, 1)
        clock.off = jump
        await asyncio.sleep(down)

        knowing, ignorant, idle = (limiter_of((limit, HOUR), clock=clock) for _ in range(3))
        knowing.restore(state)
        idle.restore(state)

        async def sent(limiter: Limiter) -> list[float]:
            async def one(after: float) -> float:
                await asyncio.sleep(after)
                return await passes(0, limiter)

            return sorted(await asyncio.gather(*map(one, second)))

        async def back_after_a_period() -> int:
            await asyncio.sleep(hold(HOUR) + 2.0 + 1e-9)  # floats do not add up in any order
            return room(idle)

        later, sooner, back = await asyncio.gather(
            sent(knowing), sent(ignorant), back_after_a_period()
        )
        assert back == limit
        assert all(
            a >= b or math.isclose(a, b, rel_tol=ROUNDING)
            for a, b in zip(later, sooner, strict=True)
        )
        assert most_within(HOUR, later) <= limit

    run_virtual(main())


def test_a_clock_set_back_lets_nothing_count_for_longer_than_from_now() -> None:
    async def main() -> None:
        clock = SetClock()
        before = limiter_of((5, HOUR), clock=clock)
        await passes(0, before)
        state = before.usage()
        clock.off = -1e6
        await asyncio.sleep(1_000)
        after = limiter_of((5, HOUR), clock=clock)
        after.restore(state)
        assert room(after) == 4
        await asyncio.sleep(HOUR - 10)
        assert room(after) == 4
        await asyncio.sleep(20)
        assert room(after) == 5

    run_virtual(main())


def test_what_was_under_way_counts_as_sent_just_now_or_some_minutes_later() -> None:
    async def main() -> None:
        before = limiter_of((5, HOUR))
        await before.acquire()
        state = before.usage()
        soon = limiter_of((5, HOUR))
        await asyncio.sleep(5)
        soon.restore(state)
        await asyncio.sleep(hold(HOUR))
        assert room(soon) == 4
        await asyncio.sleep(2.1)
        assert room(soon) == 5
        # It has ended long ago by now.
        late = limiter_of((5, HOUR))
        late.restore(state)
        assert room(late) == 4
        await asyncio.sleep(600)
        later = limiter_of((5, HOUR))
        later.restore(state)
        assert room(later) == 5

    run_virtual(main())


def test_short_windows_are_not_written_down() -> None:
    async def main() -> None:
        before = limiter_of((5, 60.0))
        await passes(0, before)
        state = before.usage()
        assert state == b""
        after = limiter_of((5, 60.0), (7, HOUR))
        after.restore(state)
        assert room(after) == 5

    run_virtual(main())


def test_a_state_is_small_however_much_was_sent() -> None:
    async def main() -> int:
        before = Limiter(parse_rates("business"), 1_000, VirtualClock())
        for _ in range(3_000):
            await passes(0, before)
            await asyncio.sleep(3)
        after = Limiter(parse_rates("business"), 1_000, VirtualClock())
        after.restore(before.usage())
        sent = [sum(n for _, n in w.recent(now())) for w in after._windows]
        assert sent[2:] == [3_000, 3_000]
        assert 1_200 <= sent[1] <= 1_240  # an hour's worth, and at most a bucket more
        return len(after.usage())

    assert run_virtual(main()) < 8_000


def test_it_goes_on_from_restart_to_restart() -> None:
    async def main() -> None:
        state = b""
        for restart in range(5):
            limiter = limiter_of((20, HOUR))
            limiter.restore(state)
            assert room(limiter) == 20 - 2 * restart
            await passes(0, limiter)
            await passes(0, limiter)
            state = limiter.usage()
            await asyncio.sleep(10)

    run_virtual(main())


def test_nothing_is_counted_twice_that_is_known_to_be_the_same() -> None:
    async def main() -> None:
        before = limiter_of((20, HOUR))
        await passes(0, before)
        early = before.usage()
        before.restore(early)  # its own: another run of this process with the same journal
        assert room(before) == 19
        await asyncio.sleep(100)
        await passes(0, before)
        late = before.usage()
        await asyncio.sleep(100)
        for order in ([early, late], [late, early], [late, late], [late]):
            after = limiter_of((20, HOUR))
            for state in order:
                after.restore(state)
            assert room(after) == 18

    run_virtual(main())


def test_limits_that_changed_are_counted_as_far_as_it_is_known() -> None:
    async def main() -> None:
        before = limiter_of((100, HOUR), (1_000, DAY))
        await passes(0, before)
        await asyncio.sleep(2 * HOUR)
        await passes(0, before)
        state = before.usage()
        for rates, left in (
            (((7, HOUR),), 6),
            (((7, DAY),), 5),
            (((7, 30 * DAY),), 5),
            (((9, 2 * HOUR + 600),), 7),
        ):
            after = limiter_of(*rates)
            after.restore(state)
            assert room(after) == left

    run_virtual(main())


def test_a_limit_whose_use_the_api_has_told_counts_nothing_else() -> None:
    async def main() -> None:
        before = limiter_of((20, HOUR))
        for _ in range(4):
            await passes(0, before)
        after = limiter_of()
        after.add(Rate(20, HOUR), used=3)
        after.restore(before.usage())
        assert room(after) == 17

    run_virtual(main())


def state_with(**fields: object) -> bytes:
    ends = [[EPOCH, 3]]
    sent = [{"limit": 20, "period": HOUR, "ends": ends}]
    return json.dumps({"by": "x", "at": EPOCH, "in_flight": 0, "sent": sent, **fields}).encode()


@together
@pytest.mark.parametrize(
    ("state", "left"),
    [
        (state_with(), 17),
        (b"", 20),
        (b"\xff\xfe", 20),
        (b"null", 20),
        (b"[" * 100_000, 20),
        (state_with(by=3), 20),
        (state_with(sent=[{"limit": 1, "period": HOUR, "ends": [["now", 3]]}]), 20),
        (state_with(sent=[]), 20),
        (state_with(sent=[{"limit": 1, "period": HOUR, "ends": [[EPOCH, -3]]}]), 20),
        (state_with(sent=[{"limit": 1, "period": HOUR, "ends": [[-1e308, 3]]}]), 20),
        (state_with(sent=[{"limit": 1, "period": HOUR, "ends": [[1e308, 3]]}]), 17),
        (state_with(in_flight=2), 15),
    ],
)
def test_what_cannot_be_read_counts_for_nothing(state: bytes, left: int) -> None:
    async def main() -> int:
        limiter = limiter_of((20, HOUR))
        limiter.restore(state)
        return room(limiter)

    assert run_virtual(main()) == left


def test_restoring_while_others_wait_and_send() -> None:
    async def main() -> list[float]:
        before = limiter_of((3, HOUR))
        await passes(0, before)
        await asyncio.sleep(1_000)
        after = limiter_of((3, HOUR))
        held = await after.acquire()
        await passes(0, after)
        after.restore(before.usage())
        waiting = [asyncio.create_task(passes(0, after)) for _ in range(2)]
        await asyncio.sleep(1)
        after.release(held, 1)
        return list(await asyncio.gather(*waiting))

    assert run_virtual(main()) == pytest.approx([hold(HOUR), 1_000 + hold(HOUR)])
