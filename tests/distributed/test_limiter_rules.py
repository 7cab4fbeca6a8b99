"""Alone, with a database that answers at once, a shared limiter does what all limiters do."""

from __future__ import annotations

import asyncio
import random

import pytest

from pubrio_async._config import Rate
from pubrio_async.distributed.limiter import SharedLimiter
from pubrio_async.testing import VirtualClock
from tests.distributed.model import ModelHub, Network, Wire
from tests.unit.limiter_rules import RULES
from tests.unit.permits import Make, Same

# `test_limiter_model` has its own random loads, with more that can go wrong.
ELSEWHERE = {
    "test_no_fixed_window_of_any_phase_sees_more_than_the_limit",
    "test_no_stretch_of_a_period_sees_more_than_the_limit",
    "test_the_cancelled_give_back_whatever_they_got",
}

# The other tests of every limiter run here with the fixtures below.
globals().update({name: rule for name, rule in RULES.items() if name not in ELSEWHERE})


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


@pytest.fixture(scope="module")
def same() -> Same:
    # Sums of the same seconds, made in another order.
    return lambda times, expected: times == pytest.approx(expected)
