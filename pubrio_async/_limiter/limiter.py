"""The rate limiter: no window of P seconds ever sees more than N requests.

Theorem. For every configured limit of N requests per P seconds, no fixed window of the server
counts more than N requests, however long a request takes, as long as nobody else uses the key.
While it is not known when the windows turn this holds for every phase, since no half-open stretch
of P seconds at all holds more than N.

Proof. Each limit has N permits. A request takes one before it leaves, and gives it back some time
after it ended, having been counted somewhere between. It suffices that two requests on one permit
are never counted in the same window; N + 1 requests in a window would need two on one permit.

- The turns are not known: a permit comes back P seconds (and a guard for clocks that drift) after
  its request ended. Two requests on it are counted at least P apart.
- The API has said when a window turns: bounds of one turn are known, and with the drift of clocks
  bounds of every later one. A permit comes back when the first turn that surely lies after the end
  of its request is surely over. Two requests on it have a turn between them, so the window is
  filled whole from the turn on, and a request under way across a turn counts in both windows. Each
  permit comes back at the earlier of both times; either is enough for the two requests on it.

What the API says is taken to be about the limit it names, or else about the only one whose window
can be so far from turning. It is believed until a 429, or what it says later, contradicts it. From
then on the first rule alone holds, also for what came back by the second within the last P.

A request that was cut off before its reply counts as ended two seconds later: it may still be on
its way.

One queue serves all limits: lower priority numbers first, first come first served within one.
Only the limiter itself holds a timer, and a waiter that is cancelled never delays the next.
A 429 pauses everyone; after the pause a single request goes ahead, and the others follow once it
was not refused.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Sequence

from pubrio_async._clock import Clock, is_over
from pubrio_async._config import Rate, rates_in_words
from pubrio_async._limiter import ledger
from pubrio_async._limiter.backoff import pause_of
from pubrio_async._limiter.protocol import LimiterStatistics, figures_of
from pubrio_async._limiter.window import STRAY_S, Window

# As good as no limit.
_ANY = 1 << 62
# A reply that took longer tells what remained too long ago.
_FRESH_S = 1.0


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
        self._windows = tuple(Window(rate) for rate in rates)
        self._max_concurrency = max_concurrency
        self._clock = clock
        self._now = clock.now
        self._ledger = ledger.Ledger()
        self._rng = rng or random.Random()
        self._in_flight = 0
        # So many may surely leave, whatever the time: time only gives permits back. It is found
        # out by looking at the pause and the windows, again when it is used up, and set to 0 by
        # all that takes permits away.
        self._sure = 0
        self._granted = 0
        self._refused = 0
        self._queues: dict[int, deque[asyncio.Future[int]]] = {}
        self._waiting = 0
        self._cancelled = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._home: asyncio.AbstractEventLoop | None = None  # of the timer and of those who wait
        # A generation is the time between two pauses; its number is the ticket of its requests.
        self._generation = 0
        self._paused_until = 0.0
        self._refusals_in_a_row = 0
        self._must_probe = False
        self._probe_out = False

    def __repr__(self) -> str:
        rates = rates_in_words(Rate(window.limit, window.period) for window in self._windows)
        return f"<Limiter {rates}: {figures_of(self)}>"

    async def acquire(self, priority: int = 0) -> int:
        """Waits until a request may leave.

        Args:
            priority: Lower numbers go first.

        Returns:
            A ticket, to be handed to `release` exactly once.

        Raises:
            ConfigurationError: Others wait in another event loop, which is not closed.
        """
        ticket = None if self._waiting else self._take(None)
        if ticket is not None:
            return ticket
        loop = asyncio.get_running_loop()
        if loop is not self._home:
            self._move_to(loop)
        future: asyncio.Future[int] = loop.create_future()
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
        return None if self._waiting else self._take(None)

    def release(self, ticket: int, sent: int, *, answered: bool = True) -> None:
        """Gives a permit back.

        Args:
            ticket: What `acquire` returned.
            sent: How many requests may have reached the server: 0 gives the permit back
                unused, more than 1 says that the transport sent it again on its own.
            answered: Whether a reply came back. A request that was cut off may still be on its
                way, and be counted a moment after this.
        """
        self._in_flight -= 1
        if sent and self._windows:
            end = self._now() if answered else self._now() + STRAY_S
            for window in self._windows:
                window.spend(end, sent)
            self._sure -= sent - 1
        if self._must_probe and ticket == self._generation:
            self._probe_out = False
            if sent:
                self._must_probe = False
                self._refusals_in_a_row = 0
        if self._waiting:
            self._pump()

    def pause(self, ticket: int, retry_after: float | None, took: float | None = None) -> None:
        """Makes everyone wait after a 429.

        Several requests of one generation may be refused at once; together they are one refusal.

        Args:
            ticket: The ticket of the refused request, not yet released.
            retry_after: Seconds the API asked for; None to back off, for up to a minute.
            took: Seconds from the sending of the request to its reply, where they are known.
        """
        self._refused += 1
        self._sure = 0
        self._learn_from_refusal(retry_after, took)
        first = ticket == self._generation
        if first:
            self._generation += 1
            self._refusals_in_a_row += 1
            self._must_probe = True
            self._probe_out = False
        seconds = retry_after or 0.0
        # An API that says 0 and refuses again would otherwise be asked without end.
        if first and (retry_after is None or self._refusals_in_a_row > 1):
            seconds = max(seconds, pause_of(self._refusals_in_a_row, self._rng))
        self._paused_until = max(self._paused_until, self._now() + seconds)

    def note(
        self,
        took: float,
        *,
        limit: int | None = None,
        remaining: int | None = None,
        reset: float | None = None,
    ) -> None:
        """Takes in what a reply told about a window; to be called before the permit goes back.

        Args:
            took: Seconds from the sending of the request to its reply.
            limit: How many requests the window allows; what it tells is about the one limit of
                that size. None is enough where there is one limit only.
            remaining: How many of them are left.
            reset: Seconds after which the window turns.
        """
        meant = [window for window in self._windows if limit in {None, window.limit}]
        if len(meant) != 1:
            return
        now = self._now()
        window = meant[0]
        self._sure = 0
        if reset is not None:
            window.learn(now, took, reset)
        if remaining is not None and 0 <= remaining <= window.limit and took <= _FRESH_S:
            window.overheard(now, remaining, self._in_flight)

    def add(self, rate: Rate, used: int = 0) -> None:
        """Adds a limit, of which a part has been used before.

        When it was used is not known, only that it counts in the window that is open now. That
        has turned a period from now at the latest, and until then the rest is all there is.

        Args:
            rate: The limit.
            used: How many requests of it the API has counted in its present window.
        """
        window = Window(rate)
        window.counted = True
        if used > 0:
            window.spend(self._now(), used)
        self._windows += (window,)
        self._sure = 0

    def usage(self) -> bytes:
        """What was sent within the windows of an hour or longer, for `restore`.

        Returns:
            Some kilobytes of text at the most; nothing if no window is that long. What is under
            way is in it, what leaves later is not.
        """
        return self._ledger.written(self._windows, self._in_flight, self._now(), self._clock.wall())

    def restore(self, state: bytes) -> None:
        """Counts what an earlier process sent, as if this one had.

        Whatever the clock of the machine did in between, nothing is counted for longer than one
        period from now, and the limits hold at least as they do without. What cannot be read,
        and what this limiter wrote or has restored before, is left out; so are limits whose use
        the API has told itself.

        Args:
            state: What `usage` gave there.
        """
        self._ledger.read(state, self._windows, self._now(), self._clock.wall())
        self._sure = 0

    def available(self) -> int | None:
        """Requests the limits would let leave at once; None without limits."""
        if not self._windows:
            return None
        now = self._now()
        if now < self._paused_until:
            return 0
        return max(0, min(window.left(now) for window in self._windows) - self._in_flight)

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

    def _learn_from_refusal(self, retry_after: float | None, took: float | None) -> None:
        """A 429 may tell when a window turns; one that should not be tells that we were wrong."""
        now = self._now()
        meant = [w for w in self._windows if retry_after and w.may_turn_in(retry_after)]
        for window in self._windows:
            if retry_after and took is not None and window in meant:
                if window.knows_turn or len(meant) == 1:
                    window.learn(now, took, retry_after)
            elif not retry_after or window in meant:
                window.doubt()

    def _take(self, now: float | None) -> int | None:
        """A ticket if one may leave, whoever waits; the time is only asked for if it matters."""
        if self._in_flight >= self._max_concurrency:
            return None
        if self._sure <= 0:
            self._sure = self._look(self._now() if now is None else now)
            if self._sure <= 0:
                return None
            self._probe_out = self._must_probe
        self._sure -= 1
        self._in_flight += 1
        self._granted += 1
        return self._generation

    def _look(self, now: float) -> int:
        """How many may leave as far as the pause, its probe and the windows go."""
        if now < self._paused_until or (self._must_probe and self._probe_out):
            return 0
        free = min([window.left(now) for window in self._windows], default=_ANY) - self._in_flight
        return min(free, 1) if self._must_probe else free

    def _opens_at(self, now: float) -> float:
        """When the pause and the limits let the next one leave, as things stand."""
        at = max(now, self._paused_until)
        for window in self._windows:
            if window.left(now) <= self._in_flight:
                back = window.next_free()
                if back is not None:  # else all are in flight, and no time is known
                    at = max(at, back)
        return at

    def _move_to(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on the timer, and those who wait, live in this event loop."""
        if self._waiting and self._home is not None and is_over(self._home):
            self._queues.clear()  # they have gone with it, and so has the timer
            self._waiting = self._cancelled = 0
            self._timer = None
        self._home = loop

    def _pump(self) -> None:
        now = self._now()  # one look: what is too early now must not be too late for the timer
        for queue in self._queues.values():
            while queue:
                future = queue[0]
                if future.done():  # cancelled while it waited
                    queue.popleft()
                    self._cancelled -= 1
                    continue
                ticket = self._take(now)
                if ticket is None:
                    self._arm(now)
                    return
                queue.popleft()
                self._waiting -= 1
                future.set_result(ticket)
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
