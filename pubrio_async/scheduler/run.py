"""A run as its user sees it: open it, take outcomes from it, leave it whenever you like.

The scheduler's promises:

1. Nothing is paid twice. A request that may have reached the API is never sent again on its own;
   what became of it is looked up in the API's request log.
2. Nothing paid is lost. Intent, job id and result are in the journal before the next step.
3. No rate limit is overrun.
4. No budget is overrun.
5. One bad row costs one row.
6. Memory is flat: open jobs and waiting outcomes are bounded, a slow consumer slows submission.
7. Leaving is clean, at any await.
8. No request is wasted: no job is polled before its estimate, none that is finished.
"""

from __future__ import annotations

import asyncio
import math
import random
import weakref
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Self, get_args

import anyio
from msgspec import structs

from pubrio_async._clock import Clock, is_over
from pubrio_async._errors import ConfigurationError, JournalError, PubrioError
from pubrio_async._limiter import RateLimiter
from pubrio_async._observe import Observers
from pubrio_async.models import Outcome, OutcomeStatus, RunReport, RunStatistics
from pubrio_async.scheduler import notes
from pubrio_async.scheduler.board import Verbs
from pubrio_async.scheduler.budget import Budget, CreditBudget, NoBudget, Prices
from pubrio_async.scheduler.engine import Engine
from pubrio_async.scheduler.journal import Journal
from pubrio_async.scheduler.journal_spill import SpillingJournal
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from pubrio_async.scheduler.logbook import Archive
from pubrio_async.scheduler.options import RunOptions
from pubrio_async.scheduler.outage import Losses
from pubrio_async.scheduler.source import People, Source
from pubrio_async.scheduler.usage import UsageKeeper
from pubrio_async.scheduler.witness import Witness

_CLOSING_S = 5.0  # for a run that is being closed by somebody else
_LOOP_IS_OVER = (
    "The run cannot go on: the event loop it was opened in has been closed meanwhile. What it "
    "bought is in its journal, if it was given one: run it again with that, in one event loop."
)
_JOURNAL_IN_USE = (
    "cannot use the journal: another run of this process is using it, and people whom that one "
    "has sent would be sent again; wait until it has ended, or give each run a journal of its own"
)

# With a new one of these nobody was asked for before; others may have forgotten who was refused.
_OF_ONE_RUN = (SpillingJournal, SqliteJournal)

# Which run has which journal, by the identity of the journal.
_holders: weakref.WeakValueDictionary[int, Run] = weakref.WeakValueDictionary()


class Run:
    """Redeems a list of people; made by `client.redeem.many` and `client.redeem.resolve`.

        async with client.redeem.many(people, people_contact_types=["email-work"]) as run:
            async for outcome in run:
                ...
        print(run.report)

    Iterating never raises what the API said: results are values, and `stopped_by` holds the
    error that ended a run early. It raises what the input itself raised, once everything read
    before that has been handed over.

    Several tasks may iterate over one run: each outcome goes to one of them.
    """

    def __init__(
        self,
        people: People | None,
        *,
        verbs: Callable[[Sequence[str]], Verbs],
        limiter: RateLimiter,
        journal: Journal,
        options: RunOptions,
        clock: Clock,
        prices: Callable[[], Awaitable[Prices]],
        open_runs: set[Run],
        rng: random.Random | None = None,
        observers: Observers | None = None,
        archive: Archive | None = None,
        losses: Losses | None = None,
    ) -> None:
        self._people = people
        self._verbs = verbs
        self._limiter = limiter
        self._journal = journal
        self._options = options
        self._clock = clock
        self._prices = prices
        self._open_runs = open_runs
        self._rng = rng or random.Random()
        self._observers = observers
        self._archive = archive
        self._losses = losses
        self._engine: Engine | None = None
        self._home: asyncio.AbstractEventLoop | None = None
        self._usage: UsageKeeper | None = None
        self._closed = False
        self._is_closed = asyncio.Event()

    def __repr__(self) -> str:
        if self._engine is None:
            return "<Run not open>"
        state = "ended" if self._closed or self._engine.done.is_set() else "open"
        if self.stopped_by is not None:
            state += f", stopped by {type(self.stopped_by).__name__}"
        try:
            return f"<Run {state}: {_in_words(self.statistics())}>"
        except RuntimeError:  # its clock is that of an event loop, and none is running
            return f"<Run {state}>"

    @property
    def report(self) -> RunReport:
        """The figures: final after the run, live before."""
        if self._engine is None:
            return RunReport()
        return self._engine.statistics().report

    @property
    def stopped_by(self) -> PubrioError | None:
        """The error after which nothing more was sent; None if there was none."""
        return self._engine.stopped_by if self._engine else None

    def statistics(self) -> RunStatistics:
        """The run as it stands now, for a progress display."""
        return self._running().statistics()

    def stop(self, reason: str, *, drain_s: float = 1.0) -> None:
        """Ends the run early: nothing new is sent, and iteration goes on to a near end.

        Requests under way get a moment to be answered. People in accepted jobs come out as
        `pending`, those of a lost request as `unsettled`, all others as `skipped`; rows not read
        yet are read and skipped too, while time allows.

        Args:
            reason: Why, for the error text of these outcomes.
            drain_s: The most seconds to spend on the rest of the input.
        """
        engine = self._running()
        # It may have ended by itself, or with its loop.
        if not (engine.done.is_set() or (self._home is not None and is_over(self._home))):
            engine.stop(reason, drain_s)

    async def __aenter__(self) -> Self:
        if self._engine is not None:
            msg = "a run is used once; call redeem.many again"
            raise ConfigurationError(msg)
        self._home = asyncio.get_running_loop()
        self._take_journal()
        try:
            is_new = await self._journal.open(self._options.contact_types)
        except BaseException:
            self._release_journal()
            raise
        try:
            self._engine = await self._make_engine(is_new=is_new)
            self._usage = UsageKeeper(
                self._limiter, self._journal, partial(self._engine.halt, keep_polling=True)
            )
            await self._usage.start()
            await self._engine.start()
            notes.began(self._options)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._close_journal()
            raise
        self._open_runs.add(self)
        if self._options.deadline is not None:
            at_deadline = partial(self._engine.stop, "the deadline was reached", 1.0)
            self._engine.later(self._options.deadline, at_deadline)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        self._running()
        if self._home is not None and is_over(self._home):
            raise ConfigurationError(_LOOP_IS_OVER)
        return self

    async def __anext__(self) -> Outcome:
        engine = self._running()
        outcome = engine.outbox.take() or await engine.outbox.get()
        if outcome is not None:
            return outcome
        if engine.crash is not None:
            crash, engine.crash = engine.crash, None
            raise crash
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Ends the run now: requests under way get a moment, the rest is left for a resume.

        Raises:
            ConfigurationError: It was opened in another event loop.
        """
        if self._engine is None:
            return
        if self._home is not None and is_over(self._home):
            await self._abandon()
            raise ConfigurationError(_LOOP_IS_OVER)
        if self._closed:
            # Bounded, as an input that is being closed may close the client it is read for.
            with anyio.move_on_after(_CLOSING_S, shield=True):
                await self._is_closed.wait()
            return
        self._closed = True
        engine = self._engine
        try:
            # A cancelled scope would cancel every await below again; this one is bounded.
            with anyio.CancelScope(shield=True):
                if not engine.done.is_set():
                    engine.outbox.discard()
                    engine.stop("the run was left early", 0.0)
                try:
                    await engine.close()
                finally:
                    await self._close_journal()
        finally:
            self._open_runs.discard(self)
            self._is_closed.set()
            notes.ended(self.report, self.stopped_by)

    async def _abandon(self) -> None:
        """Lets go of what has gone with its event loop; only the journal can still be closed."""
        self._closed = True
        self._open_runs.discard(self)
        if _holders.get(id(self._journal)) is not self:
            return  # another run has it by now
        try:
            with anyio.move_on_after(_CLOSING_S, shield=True):
                await self._journal.close()
        finally:
            self._release_journal()

    async def _make_engine(self, *, is_new: bool) -> Engine:
        """The engine, with what only the journal and the API know."""
        people = self._people
        if people is None:
            types = (await self._journal.summary()).contact_types
            self._options = structs.replace(self._options, contact_types=types)
            people = await self._journal.unsettled_people()
        options = self._options
        budget: Budget = NoBudget()
        if options.max_credits is not None and options.max_credits < math.inf:
            worst = (await self._prices()).worst_case(options.contact_types)
            budget = CreditBudget(options.max_credits, worst)
        return Engine(
            source=Source(people, options.batch_size, are_keys=self._people is None),
            verbs=self._verbs(options.contact_types),
            limiter=self._limiter,
            journal=self._journal,
            is_new=is_new,
            is_first=is_new and isinstance(self._journal, _OF_ONE_RUN),
            budget=budget,
            options=options,
            clock=self._clock,
            rng=self._rng,
            witness=None if self._observers is None else Witness(self._observers, self._clock),
            archive=self._archive,
            losses=self._losses,
        )

    async def _close_journal(self) -> None:
        try:
            if self._usage is not None:
                await self._usage.stop()
        finally:
            try:
                await self._journal.close()
            finally:
                self._release_journal()

    def _take_journal(self) -> None:
        """Sees to it that no two runs use one journal at a time.

        Raises:
            JournalError: Another one does.
        """
        holder = _holders.get(id(self._journal))
        if holder is not None and not (holder._home is not None and is_over(holder._home)):
            raise JournalError(_JOURNAL_IN_USE)
        _holders[id(self._journal)] = self

    def _release_journal(self) -> None:
        if _holders.get(id(self._journal)) is self:
            del _holders[id(self._journal)]

    def _running(self) -> Engine:
        if self._engine is None:
            msg = "open the run first: `async with client.redeem.many(...) as run:`"
            raise ConfigurationError(msg)
        return self._engine


def _in_words(now: RunStatistics) -> str:
    """A run in figures, for its repr."""
    statuses: tuple[OutcomeStatus, ...] = get_args(OutcomeStatus)
    ends = [f"{rows:,} {status}" for status in statuses if (rows := getattr(now.report, status))]
    told = (
        f"{now.rows_read:,} rows read",
        *(ends or ["0 settled"]),
        f"{now.batches_open:,} batches open",
        f"{now.report.credits_charged:,} credits charged",
    )
    return ", ".join(told)
