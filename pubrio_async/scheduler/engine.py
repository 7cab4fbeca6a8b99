"""The engine of a run: what is ready, what is due, what comes next, and an orderly end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

from pubrio_async._clock import Clock, seconds_since
from pubrio_async._errors import PubrioError
from pubrio_async._limiter import RateLimiter
from pubrio_async.models import RunStatistics
from pubrio_async.scheduler.agenda import Agenda
from pubrio_async.scheduler.board import Job, Verbs
from pubrio_async.scheduler.budget import Budget
from pubrio_async.scheduler.crew import Crew
from pubrio_async.scheduler.ends import Ends
from pubrio_async.scheduler.intake import Intake, new_batch
from pubrio_async.scheduler.journal import Batch, Journal
from pubrio_async.scheduler.logbook import Archive, Lost
from pubrio_async.scheduler.notes import halted
from pubrio_async.scheduler.options import RunOptions
from pubrio_async.scheduler.outage import Losses, Outages
from pubrio_async.scheduler.outbox import Outbox, Tally
from pubrio_async.scheduler.policy import Choice, first_wait, open_jobs_bound
from pubrio_async.scheduler.reconcile import Reconciler, lost_earlier, why_left
from pubrio_async.scheduler.source import Source
from pubrio_async.scheduler.steps import Steps
from pubrio_async.scheduler.witness import Witness

_SPARE_BATCHES = 4
_LEAST_HIGH_WATER = 1_000
_BUYS_NOTHING = "never sent: nothing is bought where lost requests are looked for"
_GRACE_S = 1.5  # for requests under way to be answered, once the run is told to stop


class Engine:
    """Drives batches from the input to the outbox until both ends are reached."""

    def __init__(
        self,
        *,
        source: Source,
        verbs: Verbs,
        limiter: RateLimiter,
        journal: Journal,
        is_new: bool,
        is_first: bool,
        budget: Budget,
        options: RunOptions,
        clock: Clock,
        rng: random.Random,
        witness: Witness | None = None,
        archive: Archive | None = None,
        losses: Losses | None = None,
    ) -> None:
        self._limiter = limiter
        self._journal = journal
        self._budget = budget
        self._options = options
        self._clock = clock
        self._source = source
        self._witness = witness
        self.tally: Tally = Tally(clock)
        self.outbox: Outbox = Outbox(
            self.tally, max(_LEAST_HIGH_WATER, 2 * options.batch_size), self._room_made
        )
        self._intake = Intake(
            source,
            journal,
            self.outbox,
            batch_size=options.batch_size,
            linger=options.linger,
            is_new=is_new,
            newer_than=None if options.max_age is None else clock.wall() - options.max_age,
            resend=options.resend,
            has_room=self._has_room,
            is_idle=self._is_idle,
            on_batch=self._planned,
            on_trouble=lambda error: self.halt(error, keep_polling=True),
        )
        if options.reopen:
            self._intake.skipping = _BUYS_NOTHING
        self._outages = Outages(options.unreachable_after, options.refused_after, clock, losses)
        self._reconciler = Reconciler(verbs, options.contact_types, clock, archive)
        self._ends = Ends(
            journal=journal,
            budget=budget,
            intake=self._intake,
            outbox=self.outbox,
            tally=self.tally,
            board=self,
            clock=clock,
            witness=witness,
        )
        self._steps = Steps(
            verbs=verbs,
            ends=self._ends,
            budget=budget,
            tally=self.tally,
            board=self,
            reconciler=self._reconciler,
            outages=self._outages,
            clock=clock,
            job_timeout=options.job_timeout,
            rng=rng,
            is_first=is_first,
            may_send=not options.reopen,
            witness=witness,
        )
        max_open = options.max_open_jobs or open_jobs_bound(options.order, limiter.window_size())
        self._max_rows = options.batch_size * (max_open + _SPARE_BATCHES)
        self._agenda = Agenda(
            order=options.order,
            max_open=max_open,
            limiter=limiter,
            reconciler=self._reconciler,
            busy=lambda: self._crew.busy,
            may_submit=self._may_submit,
            input_ended=lambda: self._intake.ended,
        )
        self._crew = Crew(self, limiter, clock, options.max_workers)
        self._reader: asyncio.Task[None] | None = None
        self._input_is_over = False
        self._timers: list[asyncio.TimerHandle] = []
        self._submitting = True
        self._polling = True
        self._why = ""
        self._odd_jobs: set[asyncio.Task[None]] = set()
        self.stopped_by: PubrioError | None = None
        self.crash: BaseException | None = None
        self.done: asyncio.Event = asyncio.Event()

    # -- life ----------------------------------------------------------------------------

    async def start(self) -> None:
        """Takes up what an earlier run left open, and starts reading."""
        if self._options.reopen:
            await self._journal.reopen_unsettled()
        for entry in await self._journal.open_batches():
            self._intake.expect(entry.batch.keys)
            self._budget.reserve(len(entry.batch.keys))
            if self._witness is not None:
                self._witness.taken_over(entry)
            if entry.job is None:
                self._ends.take_up(entry.batch)
                self.lost(lost_earlier(entry, self._clock))
                continue
            job = Job.of(entry.batch, entry.job, self._clock.now())
            elapsed = seconds_since(entry.accepted_at or 0.0, self._clock)
            self.watch(job, job.accepted_at + max(0.0, first_wait(job.estimate_s) - elapsed))
        self._outages.losses.join(self)
        self._reader = self._spawn(self._intake.run())
        self._crew.wake()

    def stop(self, why: str, drain_s: float) -> None:
        """Ends the run early and in good order.

        Args:
            why: The reason, for the error of every row that is not finished.
            drain_s: Seconds for reading the rest of the input, to skip it row by row.
        """
        self._shut(why, keep_polling=False)
        self.later(_GRACE_S, self._crew.cut_off)
        self.later(drain_s, self._leave_input)

    def later(self, delay: float, call: Callable[[], None]) -> None:
        """Calls something later, unless the run is over by then."""
        self._timers.append(asyncio.get_running_loop().call_later(delay, call))

    async def close(self) -> None:
        """Waits for the end, and lets go of everything but the journal."""
        try:
            await self.done.wait()
        finally:
            for timer in self._timers:
                timer.cancel()
            await self._crew.dismiss()
            tasks = [*self._odd_jobs]
            if self._reader is not None:
                tasks.append(self._reader)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._witness is not None:
                self._witness.close()
            await self._source.close()

    def statistics(self) -> RunStatistics:
        """The run as it stands now."""
        limits = self._limiter.statistics()
        self.tally.figures.unique = self._intake.unique
        report = self.tally.report()
        return RunStatistics(
            rows_read=self._intake.rows_read,
            rows_settled=report.rows,
            rows_waiting=self._intake.rows_waiting,
            outcomes_queued=len(self.outbox),
            batches_open=self._agenda.open_jobs,
            batches_ready=len(self._agenda.ready),
            requests_in_flight=self._crew.busy,
            requests_left=limits.available,
            paused_s=max(limits.paused_s, self._outages.until - self._clock.now(), 0.0),
            credits_reserved=self._budget.reserved,
            stopped_by=self._why or None,
            report=report,
        )

    # -- what the steps report (board.Board) -------------------------------------------------

    def give_back(self, ticket: int) -> None:
        """This permit was not used."""
        self._limiter.release(ticket, 0)

    def again(self, batch: Batch) -> None:
        """This batch goes before any other."""
        if self._submitting:
            self._agenda.ready.appendleft(batch)
        else:
            self._skip(batch)

    def watch(self, job: Job, due: float) -> None:
        """This job is polled, not before `due`."""
        if self._polling:
            self._agenda.watch(job, due)
        else:
            self.give_up(job, self._why)

    def give_up(self, job: Job, why: str) -> None:
        """This job is not polled any more in this run."""
        error = (
            f"accepted as job {job.redeem_query_id}, not fetched: {why}; it may have been charged. "
            "Run again with the same journal, or ask redeem.query for this job"
        )
        self._ends.tell("given_up", job.batch)
        self._intake.give_up(job.batch.keys, "pending", error, job.redeem_query_id)

    def lost(self, request: Lost) -> None:
        """The answer to this request is lost: it is looked for, or left to the next run."""
        if not self._polling:
            self._leave_lost(request)
        elif self._reconciler.unreadable is not None:
            reason = self._reconciler.why_unsettled(request)
            self._odd_jobs.add(self._spawn(self._ends.unsettle(request.batch, reason)))
        else:
            self._reconciler.add(request)

    def halt(self, error: PubrioError, *, keep_polling: bool) -> None:
        """Nothing more is submitted."""
        halted(error, self.stopped_by)
        if self.stopped_by is None:
            self.stopped_by = error
        self._shut(str(error), keep_polling=keep_polling)

    def wake(self) -> None:
        """Another run has learnt that something may be submitted, or when."""
        self._crew.wake()

    def scarce(self) -> bool:
        """True while the limit leaves fewer requests than jobs are open."""
        return self._agenda.is_scarce

    # -- what the crew asks (crew.Foreman) ---------------------------------------------------

    def choose(self, now: float, held: int) -> Choice:
        """What to do next; `held` is how many permits the asker has in hand."""
        if self.outbox.full or now < self._outages.until:
            return "nothing"
        if self._crew.busy and not self._outages.any_answer:
            return "nothing"  # one request is enough to learn that none would get through
        return self._agenda.choose(now, held)

    def next_look(self, now: float) -> float | None:
        """When the next job is worth a poll, or the API may be tried again."""
        if self._outages.until > now:
            return self._outages.until
        at = self._agenda.next_time(now)
        submit = self._outages.losses.submit_at if self._agenda.ready else None
        if submit is None or submit <= now:
            return at
        return submit if at is None else min(at, submit)

    def take_step(self, choice: Choice, ticket: int, now: float) -> Coroutine[Any, Any, None]:
        """The request that was just chosen, with this permit."""
        self._agenda.leaves(now)
        if choice == "look":
            self._reconciler.take_turn()
            return self._steps.look(ticket)
        if choice == "poll":
            return self._steps.poll(self._agenda.take_due(), ticket)
        batch = self._agenda.ready.popleft()
        self._intake.wake()
        room = self._budget.room()
        size = self._intake.batch_size if room is None else min(room, self._intake.batch_size)
        self._budget.reserve(min(size, len(batch.keys)))
        if len(batch.keys) <= size:
            return self._steps.submit(batch, ticket)
        return self._submit_part(batch, size, ticket)

    def stepped(self) -> None:
        """A request has been dealt with."""
        self._intake.wake()
        self._check_end()

    def ended(self, task: asyncio.Task[None]) -> None:
        """A task has ended; the last one ends the run."""
        self._odd_jobs.discard(task)
        self._input_is_over = self._input_is_over or task is self._reader
        if not task.cancelled() and (error := task.exception()) is not None:
            # Raised once everything else is handed over. An input that fails has ended; a step
            # that fails is a flaw of this package: what is open is left to the next run.
            self.crash = self.crash or error
            if task is not self._reader:
                self._shut(f"{type(error).__name__}: {error}", keep_polling=False)
        self._check_end()

    async def _submit_part(self, batch: Batch, size: int, ticket: int) -> None:
        """Sends as much of a batch as the budget, or the API's bound on its size, allows."""
        self._agenda.ready.appendleft(new_batch(batch.keys[size:]))
        await self._ends.split(batch)
        await self._steps.submit(new_batch(batch.keys[:size]), ticket)

    # -- input and end -----------------------------------------------------------------------

    def _planned(self, batch: Batch) -> None:
        if self._submitting:
            self._agenda.ready.append(batch)
            self._crew.wake()
            self._check_end()
        else:
            self._skip(batch)

    def _may_submit(self) -> bool:
        at = self._outages.losses.submit_at
        if at is None or at > self._clock.now():
            return False
        return self._steps.may_submit() and self._budget.room() != 0

    def _has_room(self) -> bool:
        if self.outbox.full:
            return False
        return not self._submitting or (
            # What is being sent may come back: the next window finds enough of them either way.
            len(self._agenda.ready) + self._steps.under_way
            < self._options.max_workers + _SPARE_BATCHES
            and self._intake.rows_waiting < self._max_rows
        )

    def _is_idle(self) -> bool:
        return not (self._agenda.ready or self._agenda.open_jobs or self.outbox.full)

    def _room_made(self) -> None:
        self._intake.wake()
        self._crew.wake()

    def _shut(self, why: str, *, keep_polling: bool) -> None:
        self._why = self._why or why
        self._submitting = False
        self._intake.skipping = f"never sent: {self._why}"
        self._intake.flush()
        for batch in self._agenda.take_ready():
            self._skip(batch)
        if not keep_polling:
            self._polling = False
            for job in self._agenda.due.clear():
                self.give_up(job, self._why)
            for request in self._reconciler.give_up():
                self._leave_lost(request)
        self._intake.wake()
        self._check_end()

    def _skip(self, batch: Batch) -> None:
        self._ends.tell("withdrawn", batch)
        self._intake.leave_out(batch.keys, f"never sent: {self._why}")

    def _leave_lost(self, request: Lost) -> None:
        reason = why_left(request, self._why)
        self._ends.tell("given_up", request.batch)
        self._intake.give_up(request.batch.keys, "unsettled", reason, None)

    def _leave_input(self) -> None:
        if self._reader is not None and not self._intake.leave():
            self._reader.cancel()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine)
        task.add_done_callback(self.ended)
        return task

    def _check_end(self) -> None:
        if self.done.is_set() or self._odd_jobs or self._agenda.open_jobs:
            return
        if self._agenda.ready and self._budget.room() == 0:
            self.halt(self._budget.no_room(), keep_polling=True)
        elif not self._agenda.ready and self._input_is_over:
            self.tally.figures.unique = self._intake.unique
            self.tally.end()
            self.outbox.close()
            self._outages.losses.leave(self)
            self.done.set()
