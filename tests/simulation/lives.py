"""One seed from the first life of the process to the last."""

from __future__ import annotations

import asyncio
import contextlib
import random
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any
from unittest import mock

from pubrio_async._config import parse_rates
from pubrio_async.sandbox import Sandbox
from pubrio_async.scheduler import engine
from pubrio_async.scheduler.persons import NotAPersonError, person_key
from tests.simulation.disks import Disk, MemoryDisk
from tests.simulation.file_disk import FileDisk
from tests.simulation.invariants import Figures, check_last, check_life
from tests.simulation.life import Life
from tests.simulation.loop import BrokenPromiseError, CountingLoop, WallClock, check
from tests.simulation.model import Model
from tests.simulation.plan import Plan, draw
from tests.simulation.wire import Memory

__all__ = ["BrokenPromiseError", "run_seed"]

_PATIENCE_S = 400_000.0
_ROUNDS = 200
_ENOUGH_CREDITS = 1_000_000


class Simulation:
    """The world of one seed.

    Attributes:
        clock: The clock of the machine; its date is set now and then.
        crashed: Whether a life was cut off, or could not write down all there was.
    """

    def __init__(self, plan: Plan, loop: CountingLoop) -> None:
        self.plan = plan
        self.loop = loop
        self.clock = WallClock(loop)
        self.sandbox = Sandbox(plan.config)
        self.memory = Memory()
        self.keys = [_key(row) for row in plan.rows]
        self.names = {
            (self.sandbox.id_for_linkedin(key) if key.startswith("https") else key): key
            for key in self.keys
            if key is not None
        }
        self.disk = self._make_disk()
        self.most_period = max((rate.period for rate in parse_rates(plan.client_limits)), default=0)
        self.has_endless_jobs = any(
            fault.kind == "unfinished_forever" for life in plan.lives for fault in life.faults
        )
        self.clock_was_set = any(life.clock_set for life in plan.lives)
        self.crashed = False
        self.trace: list[str] = []
        self.stories: list[list[str]] = []

    @property
    def model(self) -> Model:
        """What the disk holds."""
        return self.disk.model

    @property
    def unanswered(self) -> set[str]:
        """Those of whose request the journal holds no more than the intent."""
        return {key for entry in self.model.opened if entry.job is None for key in entry.batch.keys}

    async def simulate(self) -> None:
        """All lives, one after the other."""
        with self.disk.installed():
            await self._simulate()

    def story(self) -> list[str]:
        """Everything that happened, a line each."""
        return [
            line
            for number, lines in enumerate(self.stories)
            for line in (f"life {number}: {self.plan.lives[number]}", *lines)
        ]

    def _make_disk(self) -> Disk:
        plan = self.plan
        rng = random.Random(plan.seed)
        if not plan.on_file:
            return MemoryDisk()
        return FileDisk(
            rng,
            self.loop,
            plan.types,
            list(self.names.values()),
            compare_times=not any(life.clock_set for life in plan.lives),
        )

    async def _simulate(self) -> None:
        await asyncio.sleep(self.plan.start_at)
        last_end = -1e9
        for number, plan in enumerate(self.plan.lives):
            self.sandbox.clear_faults()
            for fault in plan.faults:
                self.sandbox.add_fault(fault)
            is_last = number == len(self.plan.lives) - 1
            if is_last and self.plan.top_up:
                self.sandbox._ledger.credit += _ENOUGH_CREDITS
            before = Figures.of(self)
            apart = self.loop.time() - last_end > 1.01 * self.most_period
            self.loop.new_life()
            life = Life(self, plan)
            self.stories.append(life.fate.story)
            await self._run(life)
            await self.disk.end(life.fate)
            last_end = self.loop.time()
            self.crashed |= (
                life.fate.dead or life.unwritten.steps > 0 or life.journal.failing.broken
            )
            statuses = Counter(o.status for o in life.outcomes.values())
            self.trace.append(
                f"life {number}: died={life.fate.dead} t={self.loop.time():.3f} "
                f"turns={self.loop.turns} {dict(statuses)}"
            )
            check_life(self, life, before, apart=apart)
            await asyncio.sleep(plan.rest_s)
        check_last(self, life)

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
            if plan.cancel_at is not None:
                # Who is told to leave while leaving does not wait for the disk; the disk goes on.
                await self.disk.rest(fate)
        if fate.dead:
            await self._bury(task)
        else:
            fate.over()
            check(not loop.noises, f"the loop heard: {loop.noises}")
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


def _key(row: str) -> str | None:
    try:
        return person_key(row)
    except NotAPersonError:
        return None


@contextlib.contextmanager
def _determined(plan: Plan) -> Iterator[None]:
    """While the context is open, what is random otherwise follows from the seed."""
    rng = random.Random(f"ids of {plan.seed}")

    def uuid4() -> uuid.UUID:
        return uuid.UUID(int=rng.getrandbits(128), version=4)

    with (
        mock.patch.object(uuid, "uuid4", uuid4),
        mock.patch.object(engine, "_LEAST_HIGH_WATER", plan.high_water),
    ):
        yield


def run_seed(seed: int, story: list[str] | None = None, *, calm: bool = False) -> list[str]:
    """Simulates a seed.

    Args:
        seed: The seed.
        story: Filled with everything that happened, if given.
        calm: Without a real file, and without a disk, an input or a clock that go wrong.

    Returns:
        How each life ended, a line each.

    Raises:
        BrokenPromiseError: A promise was broken; the message tells how to see it again.
    """
    plan = draw(seed, calm=calm)
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
        with _determined(plan), asyncio.Runner(loop_factory=loop_factory) as runner:
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
        options = f"--seed {seed}" + (" --calm" if calm else "")
        what = f"python -m tests.simulation {options}  # {type(error).__name__}: {error}"
        raise BrokenPromiseError(what) from error
    assert simulation is not None
    return simulation.trace
