"""One life of the process: a client, a run, and a consumer who watches what comes out."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from pubrio_async import AsyncPubrio, JournalError, Outcome, PubrioError, Run
from pubrio_async.sandbox import SandboxTransport
from pubrio_async.scheduler.journal import Settled, Unsettled
from tests.ledger import Ledger
from tests.simulation.loop import Fate, check
from tests.simulation.model import at_once
from tests.simulation.plan import LifePlan
from tests.simulation.wire import Wire, expected

if TYPE_CHECKING:
    from tests.simulation.lives import Simulation

_PRICES = {"email-work": 5, "email-personal": 5, "phone": 10}


class InputFailedError(Exception):
    """The input broke off."""


class Life:
    """One life of the process, as it is seen from outside.

    Attributes:
        ended_by_itself: Whether the run came to the end of its outcomes.
        input_failed: Whether the input has raised.
    """

    def __init__(self, simulation: Simulation, plan: LifePlan) -> None:
        self.plan = plan
        self.world = simulation
        self.fate = Fate(plan.crash, simulation.loop)
        self.rng = random.Random(plan.seed)
        self.outcomes: dict[int, Outcome] = {}
        self.run: Run | None = None
        self.ended_by_itself = False
        self.input_failed = False
        self.began_at = simulation.loop.time()
        opened = simulation.model.opened
        self.inherited = sum(len(entry.batch.keys) for entry in opened)
        self.inherited_jobs = len(opened)
        waited_for = {key for entry in opened for key in entry.batch.keys}
        self.inherited_rows = sum(key in waited_for for key in simulation.keys)
        self.journal = simulation.disk.begin(self.fate, plan, simulation.clock)
        self.unwritten = self.journal.unwritten
        # Half of the lives go unobserved.
        self.ledger = Ledger() if plan.seed % 2 else None
        transport = SandboxTransport(
            simulation.sandbox, latency=simulation.plan.latency, connect_refused=plan.refused
        )
        self.wire = Wire(transport, simulation.model, self.fate, simulation.memory, self.unwritten)

    async def live(self) -> None:
        """Makes a client and a run, and takes its outcomes."""
        plan, world = self.plan, self.world
        for at, seconds in plan.clock_set:
            asyncio.get_running_loop().call_later(at, self._set_clock, seconds)
        pubrio = AsyncPubrio(
            "key",
            rate_limit=world.plan.client_limits,
            max_concurrency=plan.concurrency,
            transport=self.wire,
            clock=world.clock,
            observers=() if self.ledger is None else (self.ledger,),
        )
        # What is random inside must follow from the seed, too.
        pubrio._limiter._rng = random.Random(plan.seed + 1)
        pubrio._dispatcher._rng = random.Random(plan.seed + 2)
        async with pubrio:
            run = pubrio.redeem.many(
                self._source(),
                people_contact_types=world.plan.types,  # type: ignore[arg-type] # drawn from them
                batch_size=plan.batch_size,
                journal=self.journal,
                max_credits=plan.max_credits,
                order=plan.order,
                deadline=plan.deadline,
                max_open_jobs=plan.max_open_jobs,
            )
            run._rng = random.Random(plan.seed + 3)
            try:
                await self._iterate(run)
            except PubrioError as error:
                check(self.run is None, "iterating raised what the API said")
                failed = self.journal.failing.trouble is not None
                check(not isinstance(error, JournalError) or failed, "a sound journal was refused")
            if self.run is not None:
                self._watch_statistics(run)
        if self.fate.dead:
            return
        statistics = pubrio.statistics()
        check(statistics.limiter.in_flight == 0, "a permit was not given back")
        check(statistics.limiter.waiting == 0, "somebody still waits for a permit")
        check(statistics.runs == 0, "a run is still open")
        if self.ledger is not None:
            self._watch_ledger(self.ledger)

    def _watch_ledger(self, ledger: Ledger) -> None:
        check(not ledger.broken, f"observers were told: {ledger.broken[:1]}")
        check(not ledger.open, "a batch was submitted and came to no end")
        if self.run is None:
            return
        report = self.run.report
        asked = [event for event in ledger.requests if event.name != "profile.get"]
        check(
            sum(event.sent for event in asked) == report.requests,
            "observers were told of other requests than the report",
        )
        if not self.unwritten.steps:
            left = {entry.batch.batch_id for entry in self.world.model.opened}
            given_up = ledger.ended_by("given_up")
            check(not left - given_up, "open in the journal, and observers were not told")
            check(not given_up - left, "given up, and not open in the journal")
            check(
                sum(event.credits or 0 for event in ledger.batches) == report.credits_charged,
                "observers were told of other charges than the report",
            )

    async def _iterate(self, run: Run) -> None:
        plan = self.plan
        async with run:
            self.run = run
            if plan.stop_at is not None:
                asyncio.get_running_loop().call_later(
                    plan.stop_at, lambda: run.stop("told to", drain_s=1.0)
                )
            try:
                async for outcome in run:
                    if self.fate.dead:
                        return
                    self.fate.tell(f"row {outcome.row} {outcome.person[:4]} {outcome.status}")
                    self._take(outcome)
                    self._watch_statistics(run)
                    if plan.leave_after is not None and len(self.outcomes) >= plan.leave_after:
                        return
                    if plan.think_s and self.rng.random() < 0.3:
                        await asyncio.sleep(self.rng.uniform(0, plan.think_s))
            except InputFailedError:
                check(self.input_failed, "an error of the input came from nowhere")
                self.fate.tell("the input's error")
            else:
                waited_for = plan.stop_at is None and plan.deadline is None
                check(
                    not (self.input_failed and waited_for) or self.fate.dead,
                    "the input's error was lost",
                )
            self.ended_by_itself = not self.fate.dead

    def _set_clock(self, seconds: float) -> None:
        self.fate.tell(f"the clock is set by {seconds:.0f} s")
        self.world.clock.offset += seconds

    def _source(self) -> Any:
        fails_at, rows = self.plan.input_fails_at, self.world.plan.rows

        def pulled() -> Iterator[str]:
            yield from rows if fails_at is None else rows[:fails_at]
            if fails_at is not None:
                self.fate.tell("the input fails")
                self.input_failed = True
                raise InputFailedError

        async def slowly() -> AsyncIterator[str]:
            for row in pulled():
                if self.plan.source == "slow" and self.rng.random() < 0.2:
                    await asyncio.sleep(self.rng.uniform(0, 4))
                yield row

        if self.plan.source == "list" and fails_at is None:
            return list(rows)
        return pulled() if self.plan.source in {"list", "generator"} else slowly()

    def _take(self, outcome: Outcome) -> None:
        check(outcome.row not in self.outcomes, "two outcomes for one row")
        check(outcome.person == self.world.plan.rows[outcome.row], "an outcome of another row")
        self.outcomes[outcome.row] = outcome
        key = self.world.keys[outcome.row]
        if key is None:
            check(outcome.status == "rejected", "a malformed row was not rejected")
            return
        end = at_once(self.world.model.lookup([key])).get(key)
        written = key not in self.unwritten.people
        if outcome.status in {"found", "empty"}:
            check(
                isinstance(end, Settled) or not written,
                "a result was handed over before it was written down",
            )
            got = sorted(
                ((c.type, c.value, c.status) for c in (*outcome.emails, *outcome.phones)), key=str
            )
            right = expected(self.world.sandbox, key, self.world.plan.types)
            check(got == right, "an outcome with other contacts than were bought")
            check((outcome.status == "found") == bool(right), "found is not empty")
        elif outcome.status == "unsettled":
            check(
                isinstance(end, Unsettled) or key in self.world.unanswered or not written,
                "unsettled, and the journal does not say so",
            )

    def _watch_statistics(self, run: Run) -> None:
        plan = self.plan
        now = run.statistics()
        most_open = plan.max_open_jobs or 2 * 300 * 60
        # Jobs whose answer was lost, and found again, come on top.
        found = self.inherited_jobs + self.wire.looked + len(self.wire.found)
        check(
            now.batches_open <= max(most_open, self.inherited_jobs) + found,
            "more jobs open than allowed",
        )
        bound = plan.batch_size * (most_open + 6)
        # A batch that is refused comes back as two, and one that is larger than was learnt since is
        # sent in parts.
        room = 8 + 2 * plan.batch_size + plan.concurrency
        largest = self.world.plan.config.max_batch or plan.batch_size
        room *= -(-plan.batch_size // min(plan.batch_size, largest))
        # Those of an earlier life that were refused are all known to be at the same look.
        room += self.wire.halved + self.inherited_jobs
        check(now.batches_ready <= room, "too many batches ready")
        # Once nothing more is sent, rows are read on, and wait for people whose request is under
        # way, here or from an earlier life. They may all be told of at once.
        repeated = len(self.world.keys) - len(set(self.world.keys))
        bound += self.inherited_rows + repeated
        check(now.rows_waiting <= bound, "too many rows waiting")
        check(
            now.outcomes_queued
            <= max(self.world.plan.high_water, 2 * plan.batch_size) + bound + plan.batch_size,
            "too many outcomes waiting",
        )
        if plan.max_credits is not None:
            worst = sum(_PRICES[kind] for kind in self.world.plan.types)
            check(
                0 <= now.credits_reserved <= max(plan.max_credits, self.inherited * worst),
                "more reserved than the budget",
            )
