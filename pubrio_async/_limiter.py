"""The rate limiter: no stretch of P seconds ever sees more than N requests.

Theorem. For every configured limit of N requests per P seconds, no half-open stretch of P
seconds holds more than N requests as the server counts them, whatever the phase of its windows
and however long a request takes.

Proof. Each limit has N permits. A request takes one before it leaves and gives it back P seconds
(and a guard for clocks that drift) after it ended. The server counts it somewhere between, so two
requests on one permit are counted at least P apart; N + 1 requests within less than P would need
two on one permit. A request that was cut off before its reply counts as ended two seconds later:
it may still be on its way.

One queue serves all limits: lower priority numbers first, first come first served within one.
Only the limiter itself holds a timer, and a waiter that is cancelled never delays the next.
A 429 pauses everyone; after the pause a single request goes ahead, and the others follow once it
was not refused.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from pubrio_async._clock import Clock
from pubrio_async._config import Rate

_EXACT_UP_TO = 4_096
_FIRST_BACKOFF_S = 2.0
_STRAY_S = 2.0
_LONGEST_BACKOFF_S = 60.0


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

    def pause(self, ticket: int, retry_after: float | None) -> None:
        """The request of this ticket was refused with 429: everyone waits."""
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


class _Window:
    """One limit: its permits are in flight, spent (and coming back at a known time), or free."""

    __slots__ = ("_ends", "_grain", "_hold", "_spent", "in_flight", "limit", "period")

    def __init__(self, rate: Rate) -> None:
        self.limit = rate.limit
        self.period = rate.period
        self.in_flight = 0
        self._spent = 0
        # [time the last of them ended, how many]; large quotas share entries, rounded to the
        # safe side, so that a month's worth of requests does not cost a month's worth of memory.
        self._ends: deque[list[float]] = deque()
        self._grain = 0.0 if rate.limit <= _EXACT_UP_TO else rate.period / _EXACT_UP_TO
        # A server clock that is being slewed runs up to 0.05 % off.
        self._hold = rate.period * 1.0005 + 0.001

    def free(self, now: float) -> int:
        ends = self._ends
        while ends and ends[0][0] + self._hold <= now:
            self._spent -= int(ends.popleft()[1])
        return self.limit - self.in_flight - self._spent

    def spend(self, end: float, sent: int) -> None:
        ends = self._ends
        self._spent += sent
        if ends:  # in order, even where one before was given more time
            end = max(end, ends[-1][0])
        if ends and end - ends[-1][0] < self._grain and ends[-1][1] < self.limit / 256:
            ends[-1][0] = end
            ends[-1][1] += sent
        else:
            ends.append([end, sent])

    def next_free(self) -> float | None:
        """When the next spent permit comes back; None if all of them are in flight."""
        return self._ends[0][0] + self._hold if self._ends else None


class Limiter:
    """Fixed windows of unknown phase, a bound on requests in flight, and one fair queue.

    Args:
        rates: The limits, all of which hold at once; empty for none.
        max_concurrency: Most requests in flight at once.
        clock: Where the time comes from.
        rng: Source of jitter.
    """

    def __init__(
        self,
        rates: Sequence[Rate],
        max_concurrency: int,
        clock: Clock,
        rng: random.Random | None = None,
    ) -> None:
        self._windows = tuple(_Window(rate) for rate in rates)
        self._max_concurrency = max_concurrency
        self._now: Callable[[], float] = clock.now
        self._rng = rng or random.Random()
        self._in_flight = 0
        self._granted = 0
        self._refused = 0
        self._queues: dict[int, deque[asyncio.Future[int]]] = {}
        self._waiting = 0
        self._cancelled = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        # A generation is the time between two pauses; its number is the ticket of its requests.
        self._generation = 0
        self._paused_until = 0.0
        self._refusals_in_a_row = 0
        self._must_probe = False
        self._probe_out = False

    async def acquire(self, priority: int = 0) -> int:
        """Waits until a request may leave.

        Args:
            priority: Lower numbers go first.

        Returns:
            A ticket, to be handed to `release` exactly once.
        """
        ticket = self.try_acquire()
        if ticket is not None:
            return ticket
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        queue = self._queues.get(priority)
        if queue is None:
            queue = self._queues[priority] = deque()
            self._queues = dict(sorted(self._queues.items()))
        queue.append(future)
        self._waiting += 1
        if self._waiting == 1:
            self._pump()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.release(future.result(), 0)
            else:
                self._forget()
            raise

    def try_acquire(self) -> int | None:
        """A ticket if a request may leave at once and nobody waits; None otherwise."""
        if not self._waiting and self._admits(self._now()):
            return self._take()
        return None

    def release(self, ticket: int, sent: int, *, answered: bool = True) -> None:
        """Gives a permit back.

        Args:
            ticket: What `acquire` returned.
            sent: How many requests may have reached the server: 0 gives the permit back
                unused, more than 1 says that the transport sent it again on its own.
            answered: Whether a reply came back. A request that was cut off may still be on its
                way, and be counted a moment after this.
        """
        now = self._now()
        end = now if answered else now + _STRAY_S
        self._in_flight -= 1
        for window in self._windows:
            window.in_flight -= 1
            if sent:
                window.spend(end, sent)
        if self._must_probe and ticket == self._generation:
            self._probe_out = False
            if sent:
                self._must_probe = False
                self._refusals_in_a_row = 0
        if self._waiting:
            self._pump()

    def pause(self, ticket: int, retry_after: float | None) -> None:
        """Makes everyone wait after a 429.

        Several requests of one generation may be refused at once; together they are one refusal.

        Args:
            ticket: The ticket of the refused request, not yet released.
            retry_after: Seconds the API asked for; None to back off, for up to a minute.
        """
        self._refused += 1
        first = ticket == self._generation
        if first:
            self._generation += 1
            self._refusals_in_a_row += 1
            self._must_probe = True
            self._probe_out = False
        seconds = retry_after or 0.0
        # An API that says 0 and refuses again would otherwise be asked without end.
        if first and (retry_after is None or self._refusals_in_a_row > 1):
            seconds = max(seconds, self._backoff())
        self._paused_until = max(self._paused_until, self._now() + seconds)

    def available(self) -> int | None:
        """Requests the limits would let leave at once; None without limits."""
        if not self._windows:
            return None
        now = self._now()
        if now < self._paused_until:
            return 0
        return max(0, min(window.free(now) for window in self._windows))

    def window_size(self) -> int | None:
        """The most requests any one minute can see; None without limits."""
        if not self._windows:
            return None
        return min(
            window.limit if window.period >= 60 else int(window.limit * 60 / window.period)
            for window in self._windows
        )

    def statistics(self) -> LimiterStatistics:
        """The limiter as it stands now."""
        now = self._now()
        return LimiterStatistics(
            in_flight=self._in_flight,
            waiting=self._waiting,
            available=self.available(),
            next_permit_s=self._opens_at(now) - now,
            paused_s=max(0.0, self._paused_until - now),
            granted=self._granted,
            refused=self._refused,
        )

    def _backoff(self) -> float:
        doubled = _FIRST_BACKOFF_S * 2.0 ** min(self._refusals_in_a_row - 1, 10)
        return min(doubled, _LONGEST_BACKOFF_S / 1.2) * self._rng.uniform(0.8, 1.2)

    def _admits(self, now: float) -> bool:
        if self._in_flight >= self._max_concurrency or now < self._paused_until:
            return False
        if self._must_probe and self._probe_out:
            return False
        return all(window.free(now) > 0 for window in self._windows)

    def _take(self) -> int:
        self._in_flight += 1
        self._granted += 1
        for window in self._windows:
            window.in_flight += 1
        self._probe_out = self._must_probe
        return self._generation

    def _opens_at(self, now: float) -> float:
        """When the pause and the limits let the next one leave, as things stand."""
        at = max(now, self._paused_until)
        for window in self._windows:
            if window.free(now) <= 0:
                back = window.next_free()
                if back is not None:  # else all are in flight, and no time is known
                    at = max(at, back)
        return at

    def _pump(self) -> None:
        now = self._now()
        for queue in self._queues.values():
            while queue:
                future = queue[0]
                if future.done():  # cancelled while it waited
                    queue.popleft()
                    self._cancelled -= 1
                    continue
                if not self._admits(now):
                    self._arm(now)
                    return
                queue.popleft()
                self._waiting -= 1
                future.set_result(self._take())
        self._disarm()

    def _arm(self, now: float) -> None:
        at = self._opens_at(now)
        if at <= now:
            return  # it is not time that is lacking: the next release pumps
        if self._timer is not None and self._timer_at <= at:
            return  # it fires first and looks again
        self._disarm()
        self._timer_at = at
        self._timer = asyncio.get_running_loop().call_later(at - now, self._wake)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake(self) -> None:
        self._timer = None
        self._pump()

    def _forget(self) -> None:
        self._waiting -= 1
        self._cancelled += 1
        if self._cancelled > 64 and self._cancelled > self._waiting:
            for priority, queue in self._queues.items():
                self._queues[priority] = deque(f for f in queue if not f.done())
            self._cancelled = 0
        # Until now it was counted as waiting, and whoever came since has lined up behind it.
        self._pump()
