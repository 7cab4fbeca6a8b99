"""The journal of a run that keeps none: in memory, and on a private file once it grows large.

Nothing of it survives the run. It is there so that duplicates are found and served, however many
people there are, in memory that stays flat.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from pubrio_async._clock import Clock
from pubrio_async._errors import JournalError
from pubrio_async.models import RedeemJob
from pubrio_async.models.redeem import Number
from pubrio_async.scheduler.journal import (
    Batch,
    Journal,
    JournalSummary,
    OpenBatch,
    Settled,
    Unsettled,
)
from pubrio_async.scheduler.journal_memory import MemoryJournal

_MOST_IN_MEMORY = 5_000


class SpillingJournal:
    """A journal as long-lived as the run.

    Args:
        clock: Where the times come from.
        most_in_memory: People whose results are kept in memory; when there are more, all of them
            move to a file in a private folder, which is removed when the journal is closed.
    """

    def __init__(self, clock: Clock, most_in_memory: int = _MOST_IN_MEMORY) -> None:
        self._clock = clock
        self._memory = MemoryJournal(clock)
        self._journal: Journal = self._memory
        self._room = most_in_memory
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._types: tuple[str, ...] = ()
        self._moved: asyncio.Future[None] | None = None

    async def open(self, contact_types: Sequence[str]) -> bool:
        """Makes the journal ready."""
        self._types = tuple(contact_types)
        await self._journal.open(contact_types)
        return True

    async def lookup(
        self, keys: Sequence[str], newer_than: float | None = None
    ) -> Mapping[str, Settled | Unsettled]:
        """What is known of these people."""
        return await (await self._current()).lookup(keys, newer_than)

    async def open_batches(self) -> Sequence[OpenBatch]:
        """The batches without an end, oldest first."""
        return await (await self._current()).open_batches()

    async def unsettled_people(self) -> Sequence[str]:
        """Everyone whose answer is lost."""
        return await (await self._current()).unsettled_people()

    async def reopen_unsettled(self) -> None:
        """Opens every batch that ended unsettled again, as long as someone in it is unsettled."""
        await (await self._current()).reopen_unsettled()

    async def intend(self, batch: Batch) -> None:
        """Notes that the batch is about to be sent."""
        await (await self._current()).intend(batch)

    async def accepted(self, batch_id: str, job: RedeemJob) -> None:
        """Notes the id of the job."""
        await (await self._current()).accepted(batch_id, job)

    async def withdraw(self, batch_id: str) -> None:
        """Forgets a batch that was surely not carried out."""
        await (await self._current()).withdraw(batch_id)

    async def settle(self, batch_id: str, results: Mapping[str, Settled], charged: Number) -> None:
        """Notes the end of the batch."""
        await (await self._current()).settle(batch_id, results, charged)
        self._room -= len(results)
        if self._room < 0 and self._journal is self._memory and self._moved is None:
            await self._move()

    async def unsettle(self, batch_id: str, reason: str) -> None:
        """Notes that the answer to the batch is lost."""
        await (await self._current()).unsettle(batch_id, reason)

    async def save_usage(self, usage: bytes) -> None:
        """Notes what the rate limits have seen."""
        await (await self._current()).save_usage(usage)

    async def load_usage(self) -> bytes | None:
        """What was noted of the rate limits."""
        return await (await self._current()).load_usage()

    async def summary(self) -> JournalSummary:
        """The figures of the journal."""
        return await (await self._current()).summary()

    async def close(self) -> None:
        """Removes the file, if there is one; safe to call twice."""
        await (await self._current()).close()
        if self._folder is not None:
            self._folder.cleanup()

    async def _current(self) -> Journal:
        if self._moved is not None:
            await asyncio.shield(self._moved)
        return self._journal

    async def _move(self) -> None:
        # Loaded when it is used: nobody else should pay for sqlite3.
        from pubrio_async.scheduler.journal_sqlite import SqliteJournal  # noqa: PLC0415 - see above

        self._moved = asyncio.get_running_loop().create_future()
        try:
            self._folder = tempfile.TemporaryDirectory(prefix="pubrio-")
            path = Path(self._folder.name) / "journal"
            file = SqliteJournal(path, self._clock, is_durable=False)
            await file.open(self._types)
            try:
                await self._memory.copy_to(file)
            except BaseException:
                await file.close()
                raise
            self._journal, self._memory = file, MemoryJournal(self._clock)
        except (OSError, JournalError):
            pass  # no room there either: it stays in memory
        finally:
            self._moved.set_result(None)
