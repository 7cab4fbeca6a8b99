"""One seed from the first life of the process to the last, and what must hold after each."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

from pubrio_async import AsyncPubrio, JournalError, MemoryJournal, Outcome, PubrioError, Run
from pubrio_async._config import parse_rates
from pubrio_async.sandbox import Sandbox, SandboxTransport
from pubrio_async.scheduler import engine
from pubrio_async.scheduler.journal import Settled, Unsettled
from pubrio_async.scheduler.persons import NotAPersonError, person_key
from pubrio_async.testing import VirtualClock
from tests.simulation.plan import LifePlan, Plan, draw
from tests.simulation.world import (
    BrokenPromiseError,
    CountingLoop,
    CrashingJournal,
    Fate,
    Wire,
    expected,
)

_PATIENCE_S = 400_000.0
_ROUNDS = 200
_PRICES = {"email-work": 5, "email-personal": 5, "phone": 10}


def check(holds: object, promise: str) -> None:
    """Raises unless it holds."""
    if not holds:
        raise BrokenPromiseError(promise)


class Life:
    """One life of the process, as it is seen from outside."""

    def __init__(self, simulation: Simulation, plan: LifePlan) -> None:
        self.plan = plan
        self.world = simulation
        self.fate = Fate(plan.crash, simulation.loop)
        self.rng = random.Random(plan.seed)
        self.outcomes: dict[int, Outcome] = {}
        self.run: Run | None = None
        self.ended_by_itself = False
        self.rows_pulled = 0
        self.inherited = 0
        self.inherited_jobs = 0
        disk, sandbox = simulation.disk, simulation.sandbox
        transport = SandboxTransport(
            sandbox, latency=simulation.plan.latency, connect_refused=plan.refused
        )
        self.wire = Wire(transport, disk, self.fate, simulation.sent)
        self.journal = CrashingJournal(disk, self.fate, self.rng, plan.journal_s)

    async def live(self) -> None:
        """Makes a client and a run, and takes its outcomes."""
        plan, world = self.plan, self.world
        for entry in await world.disk.open_batches():
            self.inherited += len(entry.batch.keys)
            self.inherited_jobs += 1
        pubrio = AsyncPubrio(
            "key",
            rate_limit=world.plan.client_limits,
            max_concurrency=plan.concurrency,
            transport=self.wire,
            clock=VirtualClock(),
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
            except PubrioError:
                check(self.run is None, "iterating raised what the API said")
            if self.run is not None:
                self._watch_statistics(run)
        if self.fate.dead:
            return
        statistics = pubrio.statistics()
        check(statistics.limiter.in_flight == 0, "a permit was not given back")
        check(statistics.limiter.waiting == 0, "somebody still waits for a permit")
        check(statistics.runs == 0, "a run is still open")

    async def _iterate(self, run: Run) -> None:
        plan = self.plan
        async with run:
            self.run = run
            if plan.stop_at is not None:
                asyncio.get_running_loop().call_later(
                    plan.stop_at, lambda: run.stop("told to", drain_s=1.0)
                )
            async for outcome in run:
                if self.fate.dead:
                    return
                self.fate.tell(f"row {outcome.row} {outcome.person[:4]} {outcome.status}")
                await self._take(outcome)
                self._watch_statistics(run)
                if plan.leave_after is not None and len(self.outcomes) >= plan.leave_after:
                    return
                if plan.think_s and self.rng.random() < 0.3:
                    await asyncio.sleep(self.rng.uniform(0, plan.think_s))
            self.ended_by_itself = not self.fate.dead

    def _source(self) -> Any:
        def pulled() -> Iterator[str]:
            for row in self.world.plan.rows:
                self.rows_pulled += 1
                yield row

        async def slowly() -> AsyncIterator[str]:
            for row in pulled():
                if self.plan.source == "slow" and self.rng.random() < 0.2:
                    await asyncio.sleep(self.rng.uniform(0, 4))
                yield row

        if self.plan.source == "list":
            return list(self.world.plan.rows)
        return pulled() if self.plan.source == "generator" else slowly()

    async def _take(self, outcome: Outcome) -> None:
        check(outcome.row not in self.outcomes, "two outcomes for one row")
        check(outcome.person == self.world.plan.rows[outcome.row], "an outcome of another row")
        self.outcomes[outcome.row] = outcome
        key = self.world.keys[outcome.row]
        if key is None:
            check(outcome.status == "rejected", "a malformed row was not rejected")
            return
        end = (await self.world.disk.lookup([key])).get(key)
        if outcome.status in {"found", "empty"}:
            check(isinstance(end, Settled), "a result was handed over before it was written down")
            got = sorted(
                ((c.type, c.value, c.status) for c in (*outcome.emails, *outcome.phones)), key=str
            )
            right = expected(self.world.sandbox, key, self.world.plan.types)
            check(got == right, "an outcome with other contacts than were bought")
            check((outcome.status == "found") == bool(right), "found is not empty")
        elif outcome.status == "unsettled":
            check(isinstance(end, Unsettled), "unsettled, and the journal does not say so")

    def _watch_statistics(self, run: Run) -> None:
        plan = self.plan
        now = run.statistics()
        most_open = plan.max_open_jobs or 2 * 300 * 60
        check(
            now.batches_open <= max(most_open, self.inherited_jobs) + self.inherited_jobs,
            "more jobs open than allowed",
        )
        bound = plan.batch_size * (most_open + 6)
        check(
            now.batches_ready <= 8 + 2 * plan.batch_size + plan.concurrency,
            "too many batches ready",
        )
        check(now.rows_waiting <= bound + len(self.world.plan.rows) // 2, "too many rows waiting")
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


class Simulation:
    """The world of one seed."""

    def __init__(self, plan: Plan, loop: CountingLoop) -> None:
        self.plan = plan
        self.loop = loop
        self.sandbox = Sandbox(plan.config)
        self.disk = MemoryJournal(VirtualClock(loop))
        self.sent: set[str] = set()
        self.keys = [_key(row) for row in plan.rows]
        self.names = {
            (self.sandbox.id_for_linkedin(key) if key.startswith("https") else key): key
            for key in self.keys
            if key is not None
        }
        self.most_period = max((rate.period for rate in parse_rates(plan.client_limits)), default=0)
        self.has_endless_jobs = any(
            fault.kind == "unfinished_forever" for life in plan.lives for fault in life.faults
        )
        self.trace: list[str] = []
        self.stories: list[list[str]] = []

    async def simulate(self) -> None:
        """All lives, one after the other."""
        await asyncio.sleep(self.plan.start_at)
        last_end = -1e9
        crashed = False
        for number, plan in enumerate(self.plan.lives):
            self.sandbox.clear_faults()
            for fault in plan.faults:
                self.sandbox.add_fault(fault)
            before = self._figures()
            apart = self.loop.time() - last_end > 1.01 * self.most_period
            life = Life(self, plan)
            self.stories.append(life.fate.story)
            await self._run(life)
            last_end = self.loop.time()
            crashed |= life.fate.dead
            statuses = Counter(o.status for o in life.outcomes.values())
            self.trace.append(
                f"life {number}: died={life.fate.dead} t={self.loop.time():.3f} "
                f"turns={self.loop.turns} {dict(statuses)}"
            )
            await self._check(life, before, apart=apart, crashed=crashed)
            await asyncio.sleep(plan.rest_s)
        await self._check_last(life)

    def story(self) -> list[str]:
        """Everything that happened, a line each."""
        return [
            line
            for number, lines in enumerate(self.stories)
            for line in (f"life {number}: {self.plan.lives[number]}", *lines)
        ]

    def _figures(self) -> dict[str, Any]:
        regrets, ledger = self.sandbox.regrets(), self.sandbox.statistics()
        return {
            "charged": ledger.credits_charged,
            "refused": regrets.refused_429,
            "early": regrets.early_polls,
            "late": regrets.polls_after_completion,
        }

    async def _run(self, life: Life) -> None:
        plan, loop, fate = life.plan, self.loop, life.fate
        task = loop.create_task(life.live())
        if plan.cancel_at is not None:
            loop.call_later(plan.cancel_at, task.cancel)
            if plan.cancel_again is not None:
                loop.call_later(plan.cancel_at + plan.cancel_again, task.cancel)
        await asyncio.wait(
            {task, fate.died}, timeout=_PATIENCE_S, return_when=asyncio.FIRST_COMPLETED
        )
        if not fate.dead:
            check(task.done(), "a run does not end")
            # Whatever is ready to run may run; whoever still waits then is left over.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            check(not self._others(), f"tasks are left: {self._others()}")
            check(life.wire.in_flight == 0, "a request is left")
            fate.over()
            check(not loop.noises, f"the loop heard: {loop.noises}")
        else:
            await self._bury(task)
        if not task.cancelled() and (error := task.exception()) is not None and not fate.dead:
            raise error
        check(task.cancelled() <= (plan.cancel_at is not None or fate.dead), "it cancelled itself")

    async def _bury(self, task: asyncio.Task[None]) -> None:
        """Discards all that is left of a dead process; nothing it still does has an effect."""
        for _ in range(_ROUNDS):
            others = self._others()
            if not others:
                break
            for other in others:
                other.cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        check(not self._others(), "a dead process goes on")
        self.loop.forget_timers()
        self.loop.noises.clear()

    def _others(self) -> list[asyncio.Task[Any]]:
        others = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        return sorted(others, key=hash)

    async def _check(
        self, life: Life, before: dict[str, Any], *, apart: bool, crashed: bool
    ) -> None:
        plan, now, regrets = life.plan, self._figures(), self.sandbox.regrets()
        check(life.wire.broken is None, str(life.wire.broken))
        check(regrets.double_charges == 0, "somebody was paid for twice")
        check(self.sandbox.statistics().repeated_people == 0, "somebody was redeemed twice")
        check(regrets.malformed_ids == 0, "a malformed id was sent")
        check(regrets.malformed_requests == 0, "a malformed request was sent")
        if apart and self.plan.client_limits == self.plan.config.limits:
            check(now["refused"] == before["refused"], "a window was overrun")
        if not crashed:
            check(now["late"] == before["late"], "a finished job was polled")
            if self._estimates_hold() and not before["charged"]:
                check(now["early"] == before["early"], "a job was polled before its estimate")
        cost = now["charged"] - before["charged"]
        if plan.max_credits is not None:
            check(cost <= plan.max_credits, "max_credits was exceeded")
        if life.run is not None and not crashed:
            check(not isinstance(life.run.stopped_by, JournalError), "the journal was misused")
        charged = {
            self.names[charge.people_search_id]
            for charge in self.sandbox.charges()
            if charge.people_search_id in self.names
        }
        await self._check_journal(charged)
        self._check_outcomes(life, charged)
        if life.ended_by_itself:
            await self._check_end(life)

    def _estimates_hold(self) -> bool:
        config = self.plan.config
        return (
            config.estimate_factor >= 1.0
            and config.estimate_unit != "moons"
            and not self.has_endless_jobs
        )

    async def _check_journal(self, charged: set[str]) -> None:
        opened = {key for entry in await self.disk.open_batches() for key in entry.batch.keys}
        known = await self.disk.lookup([key for key in self.names.values() if key])
        for key in charged - opened:
            end = known.get(key)
            check(end is not None, f"paid for, and the journal knows nothing of it: {key}")
            lost = isinstance(end, Settled) and end.status != "found"
            check(not lost, f"paid for, and not found in the journal: {key}")
        for key, end in known.items():
            if isinstance(end, Settled) and end.status != "rejected":
                got = sorted(
                    ((c.type, c.value, c.status) for c in (*end.emails, *end.phones)), key=str
                )
                check(
                    got == expected(self.sandbox, key, self.plan.types),
                    "the journal holds other contacts than were bought",
                )

    def _check_outcomes(self, life: Life, charged: set[str]) -> None:
        for row, outcome in life.outcomes.items():
            if self.keys[row] in charged:
                check(
                    outcome.status in {"found", "pending", "unsettled"},
                    f"paid for, and reported as {outcome.status}",
                )

    async def _check_end(self, life: Life) -> None:
        """The run ended by itself: what it says must be all there is to say."""
        assert life.run is not None
        report = life.run.report
        told = Counter(outcome.status for outcome in life.outcomes.values())
        check(report.rows == len(life.outcomes), "the report counts other rows")
        check(all(getattr(report, name) == told[name] for name in told), "the report miscounts")
        read = life.run.statistics().rows_read
        # A journal slower than the grace of a stop keeps what it was writing from being told.
        missing = read - len(life.outcomes)
        check(missing == 0, f"{missing} rows read, and no outcome")
        if life.plan.stop_at is None and life.plan.deadline is None:
            check(
                len(life.outcomes) == len(self.plan.rows),
                f"{len(self.plan.rows) - len(life.outcomes)} rows have no outcome",
            )
        opened = {key for entry in await self.disk.open_batches() for key in entry.batch.keys}
        for row, outcome in life.outcomes.items():
            if outcome.status != "pending":
                check(self.keys[row] not in opened, f"{outcome.status}, and open in the journal")
            else:
                check(self.keys[row] in opened, "pending, and not open in the journal")

    async def _check_last(self, life: Life) -> None:
        """The last run met no faults: everybody has an end."""
        check(life.ended_by_itself, "the last run did not end by itself")
        told = {outcome.status for outcome in life.outcomes.values()}
        check(told <= {"found", "empty", "rejected", "unsettled", "pending"}, f"at last {told}")
        check(self.has_endless_jobs or "pending" not in told, "pending at last")
        if len(self.plan.lives) == 1:
            check("unsettled" not in told, "unsettled without a fault")
        ends = await self.disk.lookup([key for key in self.names.values() if key])
        settled = {key for key, end in ends.items() if isinstance(end, Settled)}
        bought = sum(
            charge.credits
            for charge in self.sandbox.charges()
            if self.names.get(charge.people_search_id) in settled
        )
        check((await self.disk.summary()).credits_charged == bought, "the journal's sum is wrong")


def _key(row: str) -> str | None:
    try:
        return person_key(row)
    except NotAPersonError:
        return None


def run_seed(seed: int, story: list[str] | None = None) -> list[str]:
    """Simulates a seed.

    Args:
        seed: The seed.
        story: Filled with everything that happened, if given.

    Returns:
        How each life ended, a line each.

    Raises:
        BrokenPromiseError: A promise was broken; the message tells how to see it again.
    """
    plan = draw(seed)
    usual, engine._LEAST_HIGH_WATER = engine._LEAST_HIGH_WATER, plan.high_water
    simulation: Simulation | None = None

    def loop_factory() -> CountingLoop:
        nonlocal simulation
        loop = CountingLoop()
        simulation = Simulation(plan, loop)
        return loop

    async def main() -> None:
        assert simulation is not None
        await simulation.simulate()

    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            try:
                runner.run(main())
            finally:
                assert simulation is not None
                simulation.loop.on_turn = None
                simulation.loop.turns = 0
                if story is not None:
                    story += simulation.story()
    # Whatever escapes is a flaw: an error of the API is a value, and none of ours is expected.
    except Exception as error:
        what = f"python -m tests.simulation --seed {seed}  # {type(error).__name__}: {error}"
        raise BrokenPromiseError(what) from error
    finally:
        engine._LEAST_HIGH_WATER = usual
    assert simulation is not None
    return simulation.trace
