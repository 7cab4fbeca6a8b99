"""What the rest of the package asks of a limiter."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct


class LimiterStatistics(Struct, frozen=True, kw_only=True):
    """The limiter as it stands now.

    Attributes:
        in_flight: Requests that hold a permit.
        waiting: Callers waiting for one.
        available: Requests that could leave at once, as far as the rate limits go; None: no limit.
        next_permit_s: Seconds until a rate limit or a pause lets the next one leave; 0 if now.
        paused_s: Seconds until a pause asked for by the API ends; 0 when there is none.
        granted: Permits handed out so far.
        refused: Requests the API refused with 429 so far.
    """

    in_flight: int
    waiting: int
    available: int | None
    next_permit_s: float
    paused_s: float
    granted: int
    refused: int


class RateLimiter(Protocol):
    """What the rest of the package asks of a limiter."""

    async def acquire(self, priority: int = 0) -> int:
        """Waits for a permit and returns its ticket."""
        ...

    def try_acquire(self) -> int | None:
        """A ticket if a request may leave at once and nobody waits; None otherwise."""
        ...

    def release(self, ticket: int, sent: int, *, answered: bool = True) -> None:
        """Gives the permit back; `sent` is how many requests may have left with it."""
        ...

    def pause(self, ticket: int, retry_after: float | None, took: float | None = None) -> None:
        """The request of this ticket was refused with 429: everyone waits."""
        ...

    def note(
        self,
        took: float,
        *,
        limit: int | None = None,
        remaining: int | None = None,
        reset: float | None = None,
    ) -> None:
        """A reply told where a window stands."""
        ...

    def usage(self) -> bytes:
        """What was sent lately, for `restore` in a later process."""
        ...

    def restore(self, state: bytes) -> None:
        """Counts what an earlier process sent, as its `usage` told."""
        ...

    def available(self) -> int | None:
        """Requests that could leave at once; None where there is no limit."""
        ...

    def window_size(self) -> int | None:
        """The size of the limit that binds over a minute; None where there is no limit."""
        ...

    def statistics(self) -> LimiterStatistics:
        """The limiter as it stands now."""
        ...


def figures_of(limiter: RateLimiter) -> str:
    """How a limiter stands, in a few words, for a repr."""
    try:
        now = limiter.statistics()
    except RuntimeError:  # its clock is that of an event loop, and none is running
        return "no event loop"
    words = [f"{now.in_flight} in flight", f"{now.waiting} waiting"]
    if now.available is not None:
        words.insert(0, f"{now.available} free")
    if now.paused_s:
        words.append(f"paused for {now.paused_s:.1f} s")
    elif now.next_permit_s:
        words.append(f"the next in {now.next_permit_s:.1f} s")
    return ", ".join(words)
