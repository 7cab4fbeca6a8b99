"""Alone, with a database that answers at once, a shared limiter does what all limiters do."""

from __future__ import annotations

import asyncio
import random

import pytest

from pubrio_async._config import Rate
from pubrio_async.distributed.limiter import SharedLimiter
from pubrio_async.testing import VirtualClock
from tests.distributed.model import ModelHub, Network, Wire

# The tests of every limiter run here with the fixture below, but for those of random loads, and of
# what the cancelled give back: `test_limiter_model` has its own, with more that can go wrong.
from tests.unit.limiter_rules import (  # noqa: F401
    Make,
    test_a_late_refusal_while_the_probe_is_out_prolongs_the_pause,
    test_a_permit_counts_from_the_end_of_its_request,
    test_a_probe_that_is_refused_pauses_everyone_again,
    test_a_probe_that_succeeds_starts_the_backing_off_anew,
    test_a_probe_that_was_never_sent_is_followed_by_another,
    test_a_request_that_was_cut_off_may_still_arrive_and_is_allowed_for,
    test_a_request_under_way_when_the_pause_comes_is_no_probe,
    test_a_silent_second_copy_is_all_that_is_ever_seen_beyond_the_limit,
    test_a_silent_second_copy_is_paid_back,
    test_a_very_long_wait_is_obeyed_and_can_be_seen,
    test_a_waiter_cancelled_in_the_queue_does_not_hold_up_the_next,
    test_a_waiter_cancelled_in_the_same_tick_does_not_strand_a_newcomer,
    test_a_whole_window_leaves_at_once_and_the_next_a_period_later,
    test_asked_to_wait_for_nothing_is_believed_once,
    test_backing_off_grows_with_jitter_and_stays_below_a_minute,
    test_everyone_waits_out_a_pause_and_a_probe_goes_alone,
    test_first_come_first_served_and_priorities_first,
    test_many_limits_hold_at_once,
    test_no_more_are_in_flight_than_allowed,
    test_nobody_waits_longer_than_the_limits_demand,
    test_refusals_of_one_generation_are_one_refusal,
    test_the_longest_wait_asked_for_by_one_generation_counts,
    test_window_size_is_the_most_a_minute_can_see,
)


class Opened(SharedLimiter):
    """Opened by whoever needs it first."""

    opening: asyncio.Task[None] | None = None

    async def acquire(self, priority: int = 0) -> int:
        if self.opening is None:
            self.opening = asyncio.get_running_loop().create_task(self.open())
        if not self.opening.done():
            await asyncio.shield(self.opening)
        return await super().acquire(priority)


@pytest.fixture(scope="module")
def make() -> Make:
    def shared(
        *rates: tuple[int, float], concurrency: int = 1_000, rng: random.Random | None = None
    ) -> Opened:
        limiter = Opened(
            Wire(Network(ModelHub(exact=True))),
            name="it",
            rates=[Rate(*rate) for rate in rates or [(10**9, 1.0)]],
            max_concurrency=concurrency,
            clock=VirtualClock(),
            rng=rng,
        )
        limiter._desk._gather = 0.0  # to the microsecond
        return limiter

    return shared
