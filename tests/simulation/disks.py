"""The disk that outlives the process, and the journal on it that can die, or fail, at each step.

`MemoryDisk` keeps what was written in memory, whole steps at a time. `FileDisk`, next door, has a
real file, and keeps the same model beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from pubrio_async import JournalError
from pubrio_async.models import RedeemJob
from pubrio_async.scheduler.journal import Batch, JournalSummary, OpenBatch, Settled, Unsettled
from tests.simulation.loop import Fate, WallClock, never
from tests.simulation.model import Deed, FailingWrites, Model, Op, Unwritten, short
from tests.simulation.plan import LifePlan


class Disk(Protocol):
    """What is left of a life when the next one begins."""

    model: Model
    """What the disk holds: for those who look without touching it."""

    def begin(self, fate: Fate, plan: LifePlan, clock: WallClock) -> SteppedJournal:
        """The journal of a new life."""
        ...

    async def rest(self, fate: Fate) -> None:
        """Waits until nobody writes any more."""
        ...

    async def end(self, fate: Fate) -> None:
        """The life has ended: what is on the disk now?"""
        ...

    def installed(self) -> contextlib.AbstractContextManager[None]:
        """While the context is open, journals are on this disk."""
        ...


class SteppedJournal(ABC):
    """A journal whose process can die at each step."""

    def __init__(self, model: Model, fate: Fate, plan: LifePlan, clock: WallClock) -> None:
        self.unwritten = Unwritten()
        self.failing = FailingWrites(plan.trouble)
        self._model = model
        self._fate = fate
        self._clock = clock
        self._batches: dict[str, tuple[str, ...]] = {}

    @abstractmethod
    async def _perform(self, op: Op, *, fatal: bool) -> Any:
        """Does it; if it is fatal, the process dies of it."""

    async def _step(self, op: Op) -> Any:
        fate = self._fate
        if fate.dead:
            await never()
        fatal = fate.steps_now(writes=op.writes)
        if fatal and fate.crash is not None and not fate.crash.written:
            fate.die()
            await never()
        op.at = self._clock.wall()
        try:
            return await self._perform(op, fatal=fatal)
        except asyncio.CancelledError:
            op.was_left = True
            raise

    def _people_of(self, batch_id: str) -> tuple[str, ...]:
        for entry in self._model.opened:
            if entry.batch.batch_id == batch_id:
                return entry.batch.keys
        return self._batches.get(batch_id, ())

    async def open(self, contact_types: Sequence[str]) -> bool:
        is_new: bool = await self._step(Op("open", "", lambda journal: journal.open(contact_types)))
        return is_new

    async def lookup(
        self, keys: Sequence[str], newer_than: float | None = None
    ) -> Mapping[str, Settled | Unsettled]:
        found: Mapping[str, Settled | Unsettled] = await self._step(
            Op("lookup", len(keys), lambda journal: journal.lookup(keys, newer_than))
        )
        return found

    async def open_batches(self) -> Sequence[OpenBatch]:
        entries: Sequence[OpenBatch] = await self._step(
            Op("open_batches", "", lambda journal: journal.open_batches())
        )
        return entries

    async def unsettled_people(self) -> Sequence[str]:
        people: Sequence[str] = await self._step(
            Op("unsettled_people", "", lambda journal: journal.unsettled_people())
        )
        return people

    async def reopen_unsettled(self) -> None:
        await self._step(
            Op("reopen_unsettled", "", lambda journal: journal.reopen_unsettled(), keys=())
        )

    async def intend(self, batch: Batch) -> None:
        self._batches[batch.batch_id] = batch.keys
        await self._step(
            Op(
                "intend",
                short(*batch.keys),
                lambda journal: journal.intend(batch),
                keys=batch.keys,
            )
        )

    async def accepted(self, batch_id: str, job: RedeemJob) -> None:
        await self._step(
            Op(
                "accepted",
                short(job.redeem_query_id),
                lambda journal: journal.accepted(batch_id, job),
                keys=self._people_of(batch_id),
                query_id=job.redeem_query_id,
            )
        )

    async def withdraw(self, batch_id: str) -> None:
        await self._step(
            Op(
                "withdraw",
                "",
                lambda journal: journal.withdraw(batch_id),
                keys=self._people_of(batch_id),
            )
        )

    async def settle(self, batch_id: str, results: Mapping[str, Settled], charged: Any) -> None:
        await self._step(
            Op(
                "settle",
                short(*results),
                lambda journal: journal.settle(batch_id, results, charged),
                keys=tuple(results),
            )
        )

    async def unsettle(self, batch_id: str, reason: str) -> None:
        await self._step(
            Op(
                "unsettle",
                reason,
                lambda journal: journal.unsettle(batch_id, reason),
                keys=self._people_of(batch_id),
            )
        )

    async def save_usage(self, usage: bytes) -> None:
        await self._step(Op("save_usage", "", lambda journal: journal.save_usage(usage), keys=()))

    async def load_usage(self) -> bytes | None:
        usage: bytes | None = await self._step(
            Op("load_usage", "", lambda journal: journal.load_usage())
        )
        return usage

    async def summary(self) -> JournalSummary:
        figures: JournalSummary = await self._step(
            Op("summary", "", lambda journal: journal.summary())
        )
        return figures

    @abstractmethod
    async def close(self) -> None:
        """Lets go of the disk, which stays."""


class MemoryDisk:
    """A disk on which each step is, or is not."""

    def __init__(self) -> None:
        self.model = Model()

    def begin(self, fate: Fate, plan: LifePlan, clock: WallClock) -> SteppedJournal:
        """The journal of a new life."""
        return _InMemory(self.model, fate, plan, clock)

    async def rest(self, fate: Fate) -> None:
        """Nobody writes but while somebody waits for it."""

    async def end(self, fate: Fate) -> None:
        """The model is the disk."""

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Nothing to install."""
        yield


class _InMemory(SteppedJournal):
    """As with the journal in a file, a step whose caller is cancelled is done all the same."""

    def __init__(self, model: Model, fate: Fate, plan: LifePlan, clock: WallClock) -> None:
        super().__init__(model, fate, plan, clock)
        self._rng = random.Random(plan.seed)
        self._slow = plan.journal_s

    async def _perform(self, op: Op, *, fatal: bool) -> Any:
        fate = self._fate
        try:
            if self._slow:
                await asyncio.sleep(self._rng.uniform(0, self._slow))
        except asyncio.CancelledError:
            if not fate.dead:
                fate.tell(f"journal {op.name} {op.about} (its caller was cancelled)")
                self._do(op)
            raise
        if fate.dead:
            await never()
        fate.tell(f"journal {op.name} {op.about}")
        deed = self._do(op)
        if fatal:
            fate.die()
            await never()
        if deed.error is not None:
            raise deed.error
        return deed.result

    async def close(self) -> None:
        """Nothing to let go of."""

    def _do(self, op: Op) -> Deed:
        failing = self.failing
        if not failing.broken and not (op.writes and failing.strikes()):
            self.unwritten.made_up_for(op)
            return self._model.carry_out(op)
        self._fate.tell(f"journal {op.name} fails")
        if op.writes and failing.trouble is not None and failing.trouble.written:
            # What a broken disk holds of its last write, nobody can tell.
            failing.trouble = failing.trouble._replace(written=False)
            self._model.carry_out(op)
        self.unwritten.add(op)
        return Deed(error=JournalError("the disk fails"))
