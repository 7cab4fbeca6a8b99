"""A rate limiter shared by any number of processes on any number of machines.

Theorem. For every limit of N requests in P seconds, no half-open stretch of P seconds sees more
than N requests of all those who share it, as long as every request has ended `longest_request`
seconds after its permit was taken, and the clocks concerned drift by less than 0.05 %.

Proof. Each permit counts in all limits of the name. The database counts, for every limit, the
permits that are with somebody and those that were used and are not back, and grants one only while
these are fewer than N; each exchange locks the same row, so there is no other in between. It is
enough that a permit counts from its grant until P seconds after the end of its request: take the
request of N + 1 within a stretch whose permit was granted last. By then one of the others was back,
so it had ended more than P before.

- A holder says how many permits it keeps, and which it has used, with the time that has passed
  since these requests ended. What it keeps and what is in the same report are together all it had,
  so none is without a place. The database takes that time off its own clock, and later than when it
  was measured: it never comes to an earlier time than that of the end. It adds a guard for drift,
  and rounds up where it writes several times as one.
- Reports have numbers, and count once; exchanges have, too, and one that is overtaken by the next
  is dropped. So it does no harm to do either twice when an answer is lost.
- Permits are leased. Nothing is begun on one after its lease has ended by the clock of the holder,
  counted from before it was asked for, so the database sees that end later. What was begun before
  has ended `longest_request` seconds after it, and until P seconds after that the permits of a
  holder that is not heard of count; if it is, its report counts instead. Where the lease had ended
  before it was renewed, only requests under way are left on the permits, and none comes back
  unused.

A process that is stopped between taking a permit and sending its request can break the assumption,
as can a clock of the database that is set forward; a refusal by the API, which costs nothing, is
what comes of it.

A 429 seen by one makes all wait: it tells the database, which tells everyone at once, and whoever
speaks to it anyway. All permits go back; after the pause one request of the whole fleet goes
ahead, and the others follow once it was not refused. While the database cannot be reached, nobody
sends more than what was leased before: callers wait, and go on afterwards.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from math import inf
from types import TracebackType
from typing import Self
from uuid import UUID

from pubrio_async._clock import Clock, SystemClock, is_over
from pubrio_async._config import Rate, names_account, parse_rates, rates_in_words
from pubrio_async._errors import ConfigurationError, JournalError
from pubrio_async._limiter import LimiterStatistics, figures_of
from pubrio_async.distributed.desk import Desk, Terms
from pubrio_async.distributed.leases import Leases, PostgresLeases
from pubrio_async.distributed.pausing import Pauses
from pubrio_async.distributed.store import Store

# A reply that took longer tells what remained too long ago.
_FRESH_S = 1.0
_LONGEST_GOODBYE_S = 5.0
_LONGEST_NAME = 200
_LOOP_IS_OVER = (
    "The event loop in which the shared limiter was opened has been closed meanwhile: make and "
    "open another one in the event loop it is used in. Nothing was sent."
)
_CLOSED = "The shared limiter is not open: use it inside `async with SharedLimiter(...)`."


class SharedLimiter:
    """Rate limits shared by all who give the same name to the same database.

        async with (
            Store("postgresql://user@host/name") as store,
            SharedLimiter(store, name="acme", rates="300/minute; 2400/hour") as limiter,
            AsyncPubrio(limiter=limiter) as pubrio,
        ):
            ...

    Args:
        store: The database.
        name: What the limits are called; give each API key one name of its own.
        rates: The limits, such as `300/minute; 2400/hour` or the name of a plan; the same ones
            for all who share the name.
        max_concurrency: Most requests of this process in flight at once.
        longest_request: Seconds after which a request has surely ended: no less than the
            `timeout` of the client and two more.
        lease: Seconds for which permits are leased. So long, and `longest_request` and a period
            more, those of a process that is killed are missing.
        clock: Another clock, for tests.
        rng: Source of jitter.

    Raises:
        ConfigurationError: An argument is malformed.
    """

    def __init__(
        self,
        store: Store | Leases,
        *,
        name: str,
        rates: str | Sequence[Rate],
        max_concurrency: int = 32,
        longest_request: float = 62.0,
        lease: float = 30.0,
        clock: Clock | None = None,
        rng: random.Random | None = None,
    ) -> None:
        if max_concurrency < 1 or not 0 < longest_request < inf or not 0 < lease < inf:
            msg = "max_concurrency must be at least 1, longest_request and lease above 0 seconds."
            raise ConfigurationError(msg)
        self._terms = Terms(
            name=_checked_name(name),
            rates=_checked_rates(rates),
            max_concurrency=max_concurrency,
            longest_request=longest_request,
            lease=lease,
        )
        self._leases = PostgresLeases(store) if isinstance(store, Store) else store
        clock, rng = clock or SystemClock(), rng or random.Random()
        self._now = clock.now
        self._pauses = Pauses(rng)
        holder = UUID(int=rng.getrandbits(128), version=4)
        self._desk = Desk(self._leases, holder, self._terms, clock, self._pauses)
        self._stock, self._waiters = self._desk.stock, self._desk.waiters
        self._refused = 0
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def __repr__(self) -> str:
        state = "closed" if self._closed else "not open" if self._task is None else figures_of(self)
        return f"<SharedLimiter {self._terms.name!r} {rates_in_words(self._terms.rates)}: {state}>"

    # -- life ------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Says what the limits are, and begins to share them.

        Raises:
            ConfigurationError: Others go by other limits of that name at the moment.
            JournalError: The database cannot be reached, or its tables are not there.
        """
        if self._closed or self._task is not None:
            raise ConfigurationError("a shared limiter is opened once; make another one")
        try:
            await self._leases.open(self._terms.name, self._terms.rates, self._desk.hear)
            await self._desk.exchange()
        except BaseException:
            await self._leases.close()
            raise
        self._task = asyncio.get_running_loop().create_task(self._desk.run())
        self._task.add_done_callback(self._broke)

    async def close(self) -> None:
        """Gives back what is left, for at most a few seconds; safe to call twice.

        Callers who wait for a permit get a ConfigurationError.
        """
        is_gone = self._task is not None and is_over(self._task.get_loop())
        self._closed = self._desk.is_leaving = True
        task, self._task = self._task, None
        if task is None or is_gone:
            return  # what is leased still comes back when the lease ends
        self._waiters.dismiss(ConfigurationError(_CLOSED))
        try:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            async with asyncio.timeout(_LONGEST_GOODBYE_S):
                await self._desk.exchange()
        except (JournalError, TimeoutError):
            pass  # the lease ends by itself
        finally:
            await self._leases.close()

    def _broke(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        # A mistake of ours, or tables of another version: nobody is left to wait for ever.
        self._task = None
        self._waiters.dismiss(
            JournalError(
                f"the shared limits cannot be used any more ({type(error).__name__}): "
                "open them anew. What waited for them was not sent"
            )
        )

    # -- what RateLimiter asks for -----------------------------------------------------------

    async def acquire(self, priority: int = 0) -> int:
        """Waits until a request may leave.

        Args:
            priority: Lower numbers go first within this process.

        Returns:
            A ticket, to be handed to `release` exactly once.

        Raises:
            ConfigurationError: The limiter is not open, or was opened in another event loop.
        """
        if self._task is None:
            raise ConfigurationError(_CLOSED)
        ticket = self.try_acquire()
        if ticket is not None:
            return ticket
        if is_over(self._task.get_loop()):
            raise ConfigurationError(_LOOP_IS_OVER)
        future = self._waiters.join(priority)
        self._desk.changed()
        try:
            return await future
        except asyncio.CancelledError:
            if not future.done() or future.cancelled():
                # Until now it counted as waiting, and whoever came since has lined up behind it.
                self._waiters.forget()
                self._desk.serve()
            elif future.exception() is None:
                self.release(future.result(), 0)
            raise

    def try_acquire(self) -> int | None:
        """A ticket if a request may leave at once and nobody waits; None otherwise."""
        return None if self._waiters or self._task is None else self._desk.take(self._now())

    def release(self, ticket: int, sent: int, *, answered: bool = True) -> None:
        """Gives a permit back.

        Args:
            ticket: What `acquire` returned.
            sent: How many requests may have reached the server: 0 gives the permit back
                unused, more than 1 says that the transport sent it again on its own.
            answered: Whether a reply came back. A request that was cut off may still be on its
                way, and be counted a moment after this.
        """
        self._desk.back(ticket, sent, answered=answered)

    def pause(self, ticket: int, retry_after: float | None, took: float | None = None) -> None:  # noqa: ARG002 - when windows turn is not learnt here
        """Makes everyone wait after a 429, whoever shares the limits.

        Several requests of one generation may be refused at once; together they are one refusal.

        Args:
            ticket: The ticket of the refused request, not yet released.
            retry_after: Seconds the API asked for; None to back off, for up to a minute.
            took: Seconds from the sending of the request to its reply.
        """
        self._refused += 1
        self._pauses.refused(self._stock.permit(ticket).generation, retry_after, self._now())
        self._desk.changed()

    def note(
        self,
        took: float,
        *,
        limit: int | None = None,
        remaining: int | None = None,
        reset: float | None = None,  # noqa: ARG002 - when windows turn is not learnt here
    ) -> None:
        """Takes in what a reply told about a window; to be called before the permit goes back.

        Args:
            took: Seconds from the sending of the request to its reply.
            limit: How many requests the window allows; what it tells is about the one limit of
                that size. None is enough where there is one limit only.
            remaining: How many of them are left: fewer than expected where others use the key.
            reset: Seconds after which the window turns.
        """
        meant = [rate for rate in self._terms.rates if limit in {None, rate.limit}]
        if len(meant) != 1 or remaining is None or took > _FRESH_S:
            return
        if 0 <= remaining <= meant[0].limit:
            self._desk.overheard(meant[0], remaining)

    def rest(self, *, rests: bool) -> None:
        """Says whether there is nothing to do for now, so that others need not leave it a share.

        It takes nothing away: whoever asks for a permit gets one all the same.

        Args:
            rests: Whether it is so.
        """
        self._desk.rests = rests
        self._desk.changed()

    def usage(self) -> bytes:
        """Nothing: the database remembers what was sent."""
        return b""

    def restore(self, state: bytes) -> None:
        """Does nothing: the database remembers what was sent."""

    def available(self) -> int | None:
        """Requests that could leave at once: those leased, and this one's share of the rest."""
        now = self._now()
        if not self._pauses.lets_go(now):
            return 0
        return self._stock.ready(now) + self._desk.free // self._desk.holders

    def window_size(self) -> int | None:
        """The most requests this process can send in a minute, if all get the same."""
        size = min(
            rate.limit if rate.period >= 60 else int(rate.limit * 60 / rate.period)
            for rate in self._terms.rates
        )
        return max(1, size // self._desk.holders)

    def statistics(self) -> LimiterStatistics:
        """The limiter as it stands now, as far as this process knows."""
        now = self._now()
        at = self._pauses.until if self._stock.ready(now) else self._desk.ask_at()
        return LimiterStatistics(
            in_flight=len(self._stock),
            waiting=len(self._waiters),
            available=self.available(),
            next_permit_s=max(0.0, at - now),
            paused_s=max(0.0, self._pauses.until - now),
            granted=self._stock.taken,
            refused=self._refused,
        )


def _checked_rates(given: str | Sequence[Rate]) -> tuple[Rate, ...]:
    rates = parse_rates(given) if isinstance(given, str) else tuple(given)
    if isinstance(given, str) and names_account(given):
        msg = (
            "`account` cannot be shared: what the API says is used would count once for each who "
            "asks. Name the limits, or the plan, such as `growth`."
        )
        raise ConfigurationError(msg)
    if not rates:
        msg = "A shared limiter needs a limit, such as `300/minute`: without one, use none."
        raise ConfigurationError(msg)
    return tuple(dict.fromkeys(rates))


def _checked_name(name: str) -> str:
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        msg = f"The name of shared limits has 1 to {_LONGEST_NAME} printable characters."
        raise ConfigurationError(msg)
    return name
