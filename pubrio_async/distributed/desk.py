"""What one holder says to the database, and when: the permits it uses, gives back and needs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from logging import WARNING
from math import inf
from uuid import UUID

from msgspec import Struct

from pubrio_async._clock import Clock
from pubrio_async._config import Rate
from pubrio_async._errors import JournalError
from pubrio_async._log import ROOT, note
from pubrio_async.distributed.leases import Ask, Leases, News, Reply, spec_of
from pubrio_async.distributed.pausing import Pauses
from pubrio_async.distributed.stock import Stock
from pubrio_async.distributed.waiters import Waiters

# Reports wait so long for others, or for a question that takes them along.
_GATHER_S = 0.15
# Permits that nobody has used for so long go back.
_IDLE_S = 1.0
_FRESH_S = 1.0
_SPARE = 4
_LEAST_WAIT_S = 0.01
_LONGEST_WAIT_S = 10.0


class Terms(Struct, frozen=True, kw_only=True):
    """What a holder goes by.

    Attributes:
        name: What the limits are called.
        rates: The limits.
        max_concurrency: Most requests in flight at once.
        longest_request: Seconds after which a request has surely ended.
        lease: Seconds for which permits are leased.
    """

    name: str
    rates: Sequence[Rate]
    max_concurrency: int
    longest_request: float
    lease: float


class Desk:
    """Where permits come in, are handed to those who wait, and go back.

    Args:
        leases: Who has them.
        holder: Who this is.
        terms: What it goes by.
        clock: Where the time comes from.
        pauses: Whether anything may leave.

    Attributes:
        stock: The permits.
        waiters: Who waits for one.
        free: So many could be had besides, by whoever is first, when it was last heard.
        holders: Among so many.
        rests: There is nothing to do for now.
        is_leaving: Nothing is used any more.
    """

    def __init__(
        self, leases: Leases, holder: UUID, terms: Terms, clock: Clock, pauses: Pauses
    ) -> None:
        self._leases = leases
        self._holder = holder
        self._terms = terms
        self._now = clock.now
        self._pauses = pauses
        shortest = min(rate.period for rate in terms.rates)
        self._gather = min(_GATHER_S, shortest / 4)
        self.stock: Stock = Stock(clock, terms.lease, shortest / 512)
        self.waiters: Waiters = Waiters()
        self.free: int = 0
        self.holders: int = 1
        self.rests: bool = False
        self.is_leaving: bool = False
        # What the last exchange has brought, and when the next is due for one reason or another.
        self._attempt = 0
        self._asked_at = 0.0
        self._asked_for = 0
        self._next_at = 0.0
        self._report_at = 0.0
        self._correct_at = inf
        self._retry_at = 0.0
        self._failures = 0
        self._is_away = False
        self._told_rests = False
        self._heard: tuple[Rate, int] | None = None
        self._told_heard: tuple[Rate, int] | None = None
        self._changed = asyncio.Event()

    # -- permits ---------------------------------------------------------------------------

    def take(self, now: float) -> int | None:
        """A ticket if one may leave, whoever waits."""
        if (
            len(self.stock) >= self._terms.max_concurrency
            or not self._pauses.lets_go(now)
            or not self.stock.ready(now)
        ):
            return None
        ticket = self.stock.take(now, self._pauses.generation)
        self._pauses.took(ticket)
        return ticket

    def back(self, ticket: int, sent: int, *, answered: bool) -> None:
        """A request has ended."""
        now = self._now()
        if sent and not self.stock.has_reports:
            self._report_at = now + self._gather
        self.free = max(0, self.free - max(0, sent - 1))
        unused = self.stock.back(ticket, sent, now, answered=answered)
        self._pauses.ended(ticket, sent=sent > 0, unused=unused)
        self.serve()

    def serve(self) -> None:
        """Hands out what there is."""
        now = self._now()
        while self.waiters.first() is not None and (ticket := self.take(now)) is not None:
            self.waiters.serve(ticket)
        self.changed()

    def changed(self) -> None:
        """There may be something to say earlier than was thought."""
        self._changed.set()

    def overheard(self, rate: Rate, remaining: int) -> None:
        """The API has told what is left of a limit."""
        known = self._heard
        if known is None or known[0] != rate or remaining < known[1]:
            self._heard = (rate, remaining)

    def hear(self, news: News | None) -> None:
        """Somebody has said something to all; None if that may have been missed."""
        now = self._now()
        self._retry_at, self._failures = 0.0, 0  # the database is there
        if news is None:
            self._correct_at = now
        else:
            self._pauses.hear(news, now)
            self._next_at = min(self._next_at, now)
        self.changed()

    def ask_at(self) -> float:
        """When it makes sense to ask for more."""
        return max(self._next_at, self._pauses.until)

    # -- exchanges -------------------------------------------------------------------------

    async def run(self) -> None:
        """Says what there is to say, until it is cancelled."""
        while True:
            now = self._now()
            due = self._due(now)
            if due > now:
                self._changed.clear()
                try:
                    async with asyncio.timeout(due - now):
                        await self._changed.wait()
                except TimeoutError:
                    pass
                continue
            try:
                await self.exchange()
            except JournalError as trouble:
                # Said once for each outage; those who wait go on waiting.
                if not self._is_away:
                    self._is_away = True
                    note(ROOT, WARNING, "limits_unreachable", trouble=type(trouble).__name__)
                # Heard of meanwhile, it is asked again a second later, else less and less often.
                self._retry_at = self._now() + min(2.0**self._failures, _LONGEST_WAIT_S)
                self._failures += 1
            else:
                self._failures, self._is_away = 0, False

    async def exchange(self) -> None:
        """Says how things stand, and takes in what comes of it.

        Raises:
            JournalError: The database could not be reached for too long.
        """
        self._receive(await self._leases.exchange(self._ask))

    def _needs(self, now: float) -> int:
        """Permits that would be used at once, beside those that are there."""
        if not self.waiters or now < self._pauses.until:
            return 0
        if self._pauses.must_probe:
            return 0 if self._pauses.is_probing else 1
        room = self._terms.max_concurrency - len(self.stock)
        return max(0, min(len(self.waiters), room) - self.stock.ready(now))

    def _due(self, now: float) -> float:
        """When there is something to say to the database."""
        renewal = self._terms.lease / 3
        at = min(self._asked_at + renewal, self._correct_at)
        if now < self.stock.last_use + renewal:
            # Who was busy a moment ago will want to know what is left.
            at = min(at, max(self._next_at, self._asked_at + _FRESH_S))
        if self._pauses.has_news or self.rests != self._told_rests:
            at = now
        if self.stock.has_reports:
            at = min(at, self._report_at)
        needs = self._needs(now)
        if self.waiters and (needs or now < self._pauses.until):
            at = min(at, self.ask_at())
        if self._asked_for and not needs:
            at = min(at, self._asked_at + self._gather)  # somebody else may have it
        if self.stock.ready(now):
            if not self.waiters:
                at = min(at, self.stock.last_use + _IDLE_S)
            if self._pauses.stands_by:
                at = min(at, self._asked_at + self._gather)
        return max(at, self._retry_at)

    def _ask(self) -> Ask:
        """What to say now. What is not kept by it is given up, whatever becomes of it."""
        now = self._now()
        is_idle = now >= self.stock.last_use + _IDLE_S or self._pauses.must_probe
        if (
            self.is_leaving
            or (is_idle and not self.waiters)
            or self._pauses.stands_by
            or not self.stock.ready(now)
        ):
            self.stock.give_up()
            self._pauses.give_up()
        self._attempt += 1
        self._asked_at = now
        self._asked_for = 0 if self.is_leaving else self._needs(now)
        self._correct_at = inf
        self._told_heard, self._told_rests = self._heard, self.rests
        rate, remaining = self._heard or (None, None)
        probe, refused_in = self._pauses.say()
        return Ask(
            name=self._terms.name,
            holder=self._holder,
            attempt=self._attempt,
            reports=self.stock.reports(now),
            keeps=self.stock.kept,
            unused=self.stock.kept - len(self.stock),
            needs=self._asked_for,
            spare=min(_SPARE, self._terms.max_concurrency - len(self.stock)),
            lease_s=self._terms.lease,
            longest_s=self._terms.longest_request,
            generation=self._pauses.generation,
            probe=probe,
            refused_in=refused_in,
            wait_s=max(0.0, self._pauses.until - now),
            heard_spec=None if rate is None else spec_of(rate),
            heard_remaining=remaining,
            rests=self.rests,
            leaves=self.is_leaving,
        )

    def _receive(self, reply: Reply) -> None:
        now = self._now()
        if self.stock.exchanged(reply.granted, now, renewed=reply.renewed):
            self._correct_at = now + self._gather  # they still count as ours
            self._pauses.give_up()
        self._report_at = now + self._gather
        if self._heard == self._told_heard:
            self._heard = None
        self.free, self.holders = reply.free, max(1, reply.holders)
        # Whatever it is that it says, it is not asked without end.
        is_odd = self._asked_for > 0 and not reply.granted and reply.next_s <= 0
        self._next_at = now + (_LEAST_WAIT_S if is_odd else reply.next_s)
        self._asked_for = max(0, self._asked_for - reply.granted)
        self._pauses.exchanged(reply, now)
        self.serve()
