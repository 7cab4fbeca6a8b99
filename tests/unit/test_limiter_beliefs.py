"""What replies tell of a window is believed until it is contradicted."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pubrio_async._limiter import Limiter
from pubrio_async.testing import run_virtual
from tests.together import together
from tests.unit.permits import hold, limiter_of, most_within, now

# ------------------------------------------------------------------------------ what is believed


def turn_of(limiter: Limiter) -> list[bool]:
    return [window.knows_turn for window in limiter._windows]


@together
@pytest.mark.parametrize(
    ("limits", "retry_after", "took", "known"),
    [
        (((300, 60.0),), 30.0, 0.1, [True]),
        (((300, 60.0),), 61.0, 0.1, [True]),  # rounded up, at a turn
        (((300, 60.0),), 63.0, 0.1, [False]),  # it must be about another limit
        (((300, 60.0),), None, 0.1, [False]),
        (((300, 60.0),), 0.0, 0.1, [False]),
        (((300, 60.0),), 30.0, None, [False]),
        (((300, 60.0), (2_400, 3_600.0)), 30.0, 0.1, [False, False]),  # of which one?
        (((300, 60.0), (2_400, 3_600.0)), 90.0, 0.1, [False, True]),
    ],
)
def test_a_refusal_tells_a_turn_if_it_can_be_of_one_limit_only(
    limits: tuple[tuple[int, float], ...],
    retry_after: float | None,
    took: float | None,
    known: list[bool],
) -> None:
    async def main() -> list[bool]:
        limiter = limiter_of(*limits)
        ticket = await limiter.acquire()
        limiter.pause(ticket, retry_after, took)
        limiter.release(ticket, 1)
        return turn_of(limiter)

    assert run_virtual(main()) == known


def test_a_header_tells_about_the_limit_it_names() -> None:
    async def main() -> None:
        limiter = limiter_of((300, 60.0), (2_400, 3_600.0), (2_400, 86_400.0))
        for limit in (None, 5, 2_400):
            limiter.note(0.1, limit=limit, reset=30.0)
            assert turn_of(limiter) == [False, False, False]
        limiter.note(0.1, limit=300, reset=1e9)
        assert turn_of(limiter) == [False, False, False]
        limiter.note(0.1, limit=300, reset=30.0)
        assert turn_of(limiter) == [True, False, False]

    run_virtual(main())


@together
@pytest.mark.parametrize("retry_after", [None, 0.0, 25.0, 58.0])
def test_a_refusal_that_should_not_be_ends_the_belief_for_good(retry_after: float | None) -> None:
    async def main() -> None:
        limiter = limiter_of((5, 60.0))
        limiter.note(0.0, limit=5, reset=40.0)
        ticket = await limiter.acquire()
        limiter.pause(ticket, retry_after, 0.0)
        limiter.release(ticket, 1)
        limiter.note(0.0, limit=5, reset=40.0)
        assert turn_of(limiter) == [False]

    run_virtual(main())


@together
@pytest.mark.parametrize("retry_after", [38.0, 40.0, 41.0, 300.0])
def test_a_refusal_that_agrees_or_is_about_another_limit_does_not(retry_after: float) -> None:
    async def main() -> None:
        limiter = limiter_of((5, 60.0))
        limiter.note(0.0, limit=5, reset=40.0)
        limiter.pause(await limiter.acquire(), retry_after, 0.0)
        assert turn_of(limiter) == [True]

    run_virtual(main())


@given(
    st.integers(1, 8), st.floats(1, 62), st.floats(1, 200), st.sampled_from([0.0, 3.0, 20.0]),
    st.integers(0, 1_000),
)  # fmt: skip
@settings(deadline=None, max_examples=200)
def test_after_a_contradiction_no_request_leaves_into_a_full_stretch(
    limit: int, lie: float, until: float, lasts: float, seed: int
) -> None:
    """What came back at a turn that never was counts again."""

    async def main() -> list[tuple[float, float]]:
        limiter = limiter_of((limit, 60.0))
        rng = random.Random(seed)
        limiter.note(0.0, limit=limit, reset=lie)
        left: list[tuple[float, float]] = []

        async def request() -> None:
            await asyncio.sleep(rng.uniform(0, 200))
            ticket = await limiter.acquire()
            at = now()
            await asyncio.sleep(rng.uniform(0, lasts))
            left.append((at, now()))
            limiter.release(ticket, 1)

        async def contradict() -> None:
            await asyncio.sleep(until)
            # Half a period away from every turn that was told before.
            limiter.note(0.0, limit=limit, reset=(lie + 30.0 - until) % 60.0 or 60.0)
            assert turn_of(limiter) == [False]

        await asyncio.gather(contradict(), *(request() for _ in range(5 * limit)))
        return left

    left = run_virtual(main())
    for at, _ in left:
        if at > until:
            assert sum(at - 60.0 < end and start <= at for start, end in left) <= limit
    late = [end for at, end in left if at > until]
    assert most_within(60.0, late) <= limit


# ------------------------------------------------------------------------------ others on the key


def test_what_others_used_of_the_window_is_left_to_them() -> None:
    async def main() -> None:
        limiter = limiter_of((10, 60.0))
        ticket = await limiter.acquire()
        limiter.note(0.1, limit=10, remaining=4)
        limiter.release(ticket, 1)
        assert limiter.available() == 4
        ticket = await limiter.acquire()
        limiter.note(0.1, limit=10, remaining=3)  # nobody else came
        limiter.release(ticket, 1)
        assert limiter.available() == 3
        await asyncio.sleep(hold(60.0))
        assert limiter.available() == 10

    run_virtual(main())


@together
@pytest.mark.parametrize(
    ("took", "limit", "remaining"), [(0.1, 10, 9), (0.1, 10, 11), (0.1, 9, 0), (5.0, 10, 0)]
)
def test_remaining_permits_that_tell_nothing(took: float, limit: int, remaining: int) -> None:
    async def main() -> None:
        limiter = limiter_of((10, 60.0))
        ticket = await limiter.acquire()
        limiter.note(took, limit=limit, remaining=remaining)
        limiter.release(ticket, 1)
        assert limiter.available() == 9

    run_virtual(main())


def test_what_remains_after_a_turn_is_not_taken_for_the_use_of_others() -> None:
    async def main() -> None:
        limiter = limiter_of((5, 60.0))
        limiter.note(0.0, limit=5, reset=10.0)
        for remaining in (4, 3, 2, 1, 0):
            ticket = await limiter.acquire()
            limiter.note(0.1, limit=5, remaining=remaining)
            limiter.release(ticket, 1)
        await asyncio.sleep(12.1)
        ticket = await limiter.acquire()
        limiter.note(0.9, limit=5, remaining=0)  # of the window before: it was slow to come
        limiter.release(ticket, 1)
        assert limiter.available() == 4

    run_virtual(main())
