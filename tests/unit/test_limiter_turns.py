"""Windows whose turns are known: filled whole, and never beyond."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from msgspec import Struct, structs

from pubrio_async._config import Rate
from pubrio_async._limiter import Limiter
from pubrio_async._limiter.window import Turn, Window
from pubrio_async.testing import VirtualClock, run_virtual
from tests.unit.permits import SLEWS, hold, limiter_of, now, passes

ROUNDED: dict[str, Callable[[float], float]] = {
    "down": math.floor,
    "up": math.ceil,
    "to the nearest": round,
    "not": float,
}


class FixedWindow(Struct):
    """A server that counts in fixed windows, on a clock of its own."""

    limit: int
    period: float
    phase: float
    slew: float
    rounded: str
    counts: Counter[int] = {}  # type: ignore[assignment] # made below

    def __post_init__(self) -> None:
        self.counts = Counter()

    def window(self, at: float) -> int:
        return math.floor((at * self.slew + self.phase) / self.period)

    def count(self, at: float) -> None:
        self.counts[self.window(at)] += 1

    def reset(self, at: float) -> float:
        """Seconds until the window turns, as it tells them."""
        left = self.period - (at * self.slew + self.phase) % self.period
        return ROUNDED[self.rounded](left)


class Call(Struct, frozen=True):
    arrives: float
    lasts: float
    counted: float  # where between leaving and ending, 0 to 1
    told: str  # "header", "refused", "nothing"
    cut_off: bool


calls = st.lists(
    st.builds(
        Call,
        arrives=st.floats(0, 400),
        lasts=st.one_of(st.just(0.0), st.floats(0, 3), st.floats(0, 70)),
        counted=st.one_of(st.just(0.0), st.just(1.0), st.floats(0, 1)),
        told=st.sampled_from(["header", "header", "refused", "nothing"]),
        cut_off=st.sampled_from([False, False, False, True]),
    ),
    min_size=1,
    max_size=60,
)
servers = st.lists(
    st.builds(
        FixedWindow,
        limit=st.integers(1, 8),
        period=st.sampled_from([7.0, 20.0, 60.0, 250.0]),
        phase=st.floats(0, 250),
        slew=st.sampled_from(SLEWS),
        rounded=st.sampled_from(sorted(ROUNDED)),
    ),
    min_size=1,
    max_size=2,
    unique_by=lambda server: server.limit,
)


async def under_load(limiter: Limiter, world: list[FixedWindow], load: list[Call]) -> None:
    async def request(call: Call) -> None:
        await asyncio.sleep(call.arrives)
        ticket = await limiter.acquire()
        left = now()
        await asyncio.sleep(call.lasts * call.counted)
        at = now()
        told = [server.reset(at) for server in world]
        if call.cut_off:
            limiter.release(ticket, 1, answered=False)
            await asyncio.sleep(1.9)
            at = now()
        for server in world:
            server.count(at)
        if call.cut_off:
            return
        await asyncio.sleep(call.lasts * (1 - call.counted))
        for server, reset in zip(world, told, strict=True):
            if call.told == "header":
                limiter.note(now() - left, limit=server.limit, reset=reset)
        if call.told == "refused":  # somebody else uses the key
            limiter.pause(ticket, told[0], now() - left)
        limiter.release(ticket, 1)

    await asyncio.gather(*map(request, load))


@given(servers, calls)
@settings(deadline=None, max_examples=400)
def test_no_fixed_window_sees_more_than_its_limit_whatever_was_told_of_its_turns(
    world: list[FixedWindow], load: list[Call]
) -> None:
    # A refusal names no limit: whose turn it tells must be beyond doubt.
    if len(world) > 1:
        load = [structs.replace(call, told=call.told.replace("refused", "")) for call in load]

    async def main() -> bool:
        limiter = limiter_of(*((server.limit, server.period) for server in world))
        await under_load(limiter, world, load)
        return any(window.knows_turn for window in limiter._windows)

    event(f"knew a turn at the end: {run_virtual(main())}")
    for server in world:
        assert max(server.counts.values()) <= server.limit


def test_of_two_turns_that_may_be_meant_neither_is_taken_for_the_other() -> None:
    """Two slow requests leave bounds so wide that what they say fits more than one turn."""
    server = FixedWindow(1, 60.0, 0.0, 1.0, "down")
    load = [
        Call(0, 0, 0, "header", cut_off=True),
        Call(0, 16, 0, "header", cut_off=False),
        Call(0, 45, 1, "header", cut_off=False),
        Call(1, 0, 0, "header", cut_off=False),
    ]
    run_virtual(under_load(limiter_of((1, 60.0)), [server], load))
    assert sum(server.counts.values()) == 4
    assert max(server.counts.values()) == 1


@given(
    st.floats(0, 1_000), st.integers(-2, 2_000), st.sampled_from(SLEWS),
    st.tuples(st.floats(0, 80), st.floats(0, 80)), st.tuples(st.floats(0, 80), st.floats(0, 80)),
)  # fmt: skip
@settings(deadline=None, max_examples=500)
def test_what_two_replies_say_together_is_true_of_some_turn(
    turn: float,
    later: int,
    slew: float,
    one: tuple[float, float],
    other: tuple[float, float],
) -> None:
    step = 60.0 / slew
    second = turn + later * step
    first_said = Turn(turn - one[0], turn + one[1], 60.0)
    then_said = Turn(second - other[0], second + other[1], 60.0)
    together = first_said.narrowed(then_said)
    assert together is not None
    number = math.ceil((together.earliest - turn) / step - 1e-9)
    assert turn + number * step <= together.latest + 1e-6


@given(
    st.floats(0, 1_000), st.floats(0, 5), st.floats(0, 2_000_000),
    st.sampled_from(SLEWS), st.floats(0, 1), st.sampled_from([7.0, 60.0, 3_600.0]),
)  # fmt: skip
@settings(deadline=None, max_examples=500)
def test_a_turn_lies_between_an_end_and_the_permits_return(  # noqa: PLR0917 - drawn
    earliest: float, width: float, later: float, slew: float, where: float, period: float
) -> None:
    turn = Turn(earliest, earliest + width, period)
    end = earliest + later
    back = turn.over_after(end)
    first = earliest + width * where  # the one that was told; others follow by the server's clock
    number = math.floor((back - first) * slew / period + 1e-9)
    assert end < first + number * period / slew <= back
    assert back - end < 2 * period * 1.001 + width + later * 0.0011


@pytest.mark.parametrize("how", ["refused", "header"])
def test_once_the_turn_is_known_each_window_is_filled_whole_from_it_on(how: str) -> None:
    async def main() -> tuple[list[float], FixedWindow]:
        limiter = limiter_of((10, 60.0))
        server = FixedWindow(10, 60.0, 47.0, 1.0, "up")
        times: list[float] = []

        async def request() -> None:
            ticket = await limiter.acquire()
            left = now()
            times.append(left)
            await asyncio.sleep(2.5)
            server.count(now())
            await asyncio.sleep(2.5)
            if how == "header":
                limiter.note(now() - left, limit=10, reset=server.reset(left + 2.5))
            elif left == 0.0:
                limiter.pause(ticket, server.reset(left + 2.5), now() - left)
            limiter.release(ticket, 1)

        await asyncio.gather(*(request() for _ in range(60)))
        return times, server

    times, server = run_virtual(main())
    assert max(server.counts.values()) == 10
    # Ten a minute; the five seconds of each request are lost in no window but the first.
    assert times[-1] - times[20] <= 3 * 60.0 * 1.0005 + 5.1
    assert times[10] == pytest.approx(16.5, abs=3.6)  # the turn is at 13


def test_without_knowing_it_a_round_trip_is_lost_in_every_window() -> None:
    async def main() -> list[float]:
        limiter = limiter_of((10, 60.0))
        return sorted(await asyncio.gather(*(passes(5.0, limiter) for _ in range(60))))

    times = run_virtual(main())
    assert times[-1] == pytest.approx(5 * (5.0 + hold(60.0)))


def test_requests_under_way_across_a_turn_count_in_both_windows() -> None:
    async def main() -> list[float]:
        limiter = limiter_of((2, 60.0))
        limiter.note(0.0, limit=2, reset=30.0)  # it turns between 28 and 32
        slow = asyncio.create_task(passes(40.0, limiter))
        quick = asyncio.create_task(passes(1.0, limiter))
        rest = [asyncio.create_task(passes(0.0, limiter)) for _ in range(3)]
        return [await slow, await quick, *(await asyncio.gather(*rest))]

    times = run_virtual(main())
    assert times[:2] == [0.0, 0.0]
    assert times[2] == pytest.approx(32.0, abs=0.1)  # instead of the quick one
    assert times[3] == pytest.approx(92.0, abs=0.2)
    assert times[4] == pytest.approx(92.0, abs=0.2)


def test_a_slow_reply_may_have_told_the_turn_at_any_time_of_its_way() -> None:
    async def main() -> list[float]:
        limiter = limiter_of((1, 60.0))
        ticket = await limiter.acquire()
        await asyncio.sleep(20)
        limiter.note(20.0, limit=1, reset=30.0)  # it turns between 28 and 52
        limiter.release(ticket, 1)
        return [await passes(15.0, limiter), await passes(0.0, limiter)]

    # The first ended before 28. The second leaves after 52, and ends before the next turn.
    assert run_virtual(main()) == pytest.approx([52.0, 112.0], abs=0.2)
    late = FixedWindow(1, 60.0, 30.0, 1.0, "not")

    async def told_by_another() -> None:
        limiter = limiter_of((1, 60.0))
        await asyncio.sleep(20)
        limiter.note(20.0, limit=1, reset=late.reset(0.0))
        for _ in range(4):
            late.count(await passes(12.0, limiter) + 12.0)

    run_virtual(told_by_another())
    assert max(late.counts.values()) == 1


def test_what_was_learnt_long_ago_is_worth_nothing_and_does_no_harm() -> None:
    async def main() -> float:
        limiter = limiter_of((1, 60.0))
        limiter.note(0.0, limit=1, reset=30.0)
        await asyncio.sleep(30 * 86_400.0)
        start = await passes(0.0, limiter)
        return await passes(0.0, limiter) - start

    assert run_virtual(main()) == pytest.approx(hold(60.0))


@given(
    st.integers(1, 6), st.integers(0, 8), st.floats(0, 3_600), st.floats(0, 5_000),
    st.lists(st.floats(0, 9_000), max_size=25), st.sampled_from(SLEWS),
)  # fmt: skip
@settings(deadline=None, max_examples=200)
def test_a_used_quota_is_never_overrun_in_any_phase(  # noqa: PLR0917 - drawn
    limit: int, used: int, phase: float, start: float, arrivals: list[float], slew: float
) -> None:
    used = min(used, limit)
    server = FixedWindow(limit, 3_600.0, phase, slew, "not")

    async def main() -> None:
        limiter = limiter_of((300, 60.0))
        await asyncio.sleep(start)
        limiter.add(Rate(limit, 3_600.0), used=used)
        server.counts[server.window(now())] += used

        async def request(after: float) -> None:
            await asyncio.sleep(after)
            server.count(await passes(0.0, limiter))

        await asyncio.gather(*map(request, arrivals))

    run_virtual(main())
    assert max(server.counts.values(), default=0) <= limit


def test_a_used_quota_waits_for_one_period_at_the_most() -> None:
    async def main() -> None:
        limiter = limiter_of((300, 60.0))
        held = await limiter.acquire()
        limiter.add(Rate(60, 3_600.0), used=70)
        limiter.release(held, 1)
        assert limiter.available() == 0
        assert limiter.statistics().next_permit_s == pytest.approx(hold(3_600.0))
        assert limiter.window_size() == 60
        await asyncio.sleep(hold(3_600.0))
        assert limiter.available() == 60

    run_virtual(main())


def test_windows_can_be_made_without_a_loop() -> None:
    assert Window(Rate(3, 10.0)).left(0.0) == 3
    assert Limiter([], 1, VirtualClock()).available() is None
