"""What the tests of limiters share: how one is made, and what is asked of it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Protocol

from pubrio_async._config import Rate
from pubrio_async._limiter import Limiter, RateLimiter
from pubrio_async.testing import VirtualClock


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


def limiter_of(
    *rates: tuple[int, float], concurrency: int = 1_000, rng: random.Random | None = None
) -> Limiter:
    return Limiter([Rate(*rate) for rate in rates], concurrency, VirtualClock(), rng)


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


def most_within(period: float, times: Sequence[float]) -> int:
    """The most of `times` that any half-open stretch of this length holds."""
    times = sorted(times)
    best = first = 0
    for last, at in enumerate(times):
        while at - times[first] >= period:
            first += 1
        best = max(best, last - first + 1)
    return best


async def refused(limiter: RateLimiter, retry_after: float | None, seconds: float = 0.0) -> float:
    ticket = await limiter.acquire()
    at = now()
    await asyncio.sleep(seconds)
    limiter.pause(ticket, retry_after)
    limiter.release(ticket, 1)
    return at
