"""The journal of a chunk of people, in the database that all workers share.

The promises are those of every journal. Two things are different here. A worker may be taken for
dead while it is only slow, and its chunk given to another: each transaction that writes sees to it
that the chunk still belongs to this one, and fails if not, so nothing is sent twice. And a
connection may be lost while a transaction commits: it is then done again, and comes to the same.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from msgspec import structs

from pubrio_async._errors import JournalError
from pubrio_async.distributed import journal_reads as reads
from pubrio_async.distributed import journal_steps as steps
from pubrio_async.distributed.journal_steps import Chunk
from pubrio_async.distributed.store import Connection, Store
from pubrio_async.models import RedeemJob
from pubrio_async.models.redeem import Number
from pubrio_async.scheduler.journal import (
    Batch,
    JournalSummary,
    NotFreeError,
    OpenBatch,
    Settled,
    Unsettled,
)

_T = TypeVar("_T")
Step = Callable[[Connection, Chunk], Awaitable[Any]]


class PostgresJournal:
    """A journal in PostgreSQL, for the people of one chunk, which its worker holds.

    Steps that are asked for while a transaction is under way share the next one. All of them raise
    a `JournalError` when the chunk belongs to another worker by now, or when the database cannot
    be used.

    Args:
        store: The database.
        chunk_id: The chunk.
        token: What proves that the chunk belongs to this worker; see `chunks.take`.
    """

    def __init__(self, store: Store, chunk_id: int, token: UUID) -> None:
        self._store = store
        self._chunk = Chunk(chunk_id, token)
        self._waiting: deque[tuple[Step, asyncio.Future[Any]]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._is_open = False

    async def open(self, contact_types: Sequence[str]) -> bool:
        """Makes the journal ready.

        Args:
            contact_types: What is going to be asked for. Empty: whatever the chunk is for.

        Returns:
            True if nothing was ever sent for its people.

        Raises:
            JournalError: The chunk belongs to somebody else by now, or is for other contact types.
        """
        self._is_open = True
        try:
            return await self._carry_out(lambda db, chunk: steps.begin(db, chunk, contact_types))
        except BaseException:
            self._is_open = False
            raise

    async def lookup(
        self, keys: Sequence[str], newer_than: float | None = None
    ) -> Mapping[str, Settled | Unsettled]:
        """What is known of these people."""
        return await self._carry_out(lambda db, chunk: reads.lookup(db, chunk, keys, newer_than))

    async def open_batches(self) -> Sequence[OpenBatch]:
        """The batches without an end, oldest first."""
        return await self._carry_out(reads.open_batches)

    async def unsettled_people(self) -> Sequence[str]:
        """Everyone whose answer is lost."""
        return await self._carry_out(reads.unsettled_people)

    async def reopen_unsettled(self) -> None:
        """Opens every batch that ended unsettled again, as long as someone in it still is."""
        await self._carry_out(steps.reopen_unsettled)

    async def intend(self, batch: Batch) -> None:
        """Writes down that this batch is about to be sent."""
        await self._carry_out(lambda db, chunk: self._intend(db, chunk, batch))

    async def accepted(self, batch_id: str, job: RedeemJob) -> None:
        """Writes down the id of the job."""
        await self._carry_out(lambda db, chunk: steps.accepted(db, chunk, batch_id, job))

    async def withdraw(self, batch_id: str) -> None:
        """Writes down that the batch was surely not carried out."""
        await self._carry_out(lambda db, chunk: steps.withdraw(db, chunk, batch_id))

    async def settle(
        self, batch_id: str, results: Mapping[str, Settled], charged: Number | None
    ) -> None:
        """Writes down the end of the batch."""
        await self._carry_out(lambda db, chunk: steps.settle(db, chunk, batch_id, results, charged))

    async def unsettle(self, batch_id: str, reason: str) -> None:
        """Writes down that the answer to the batch is lost."""
        await self._carry_out(lambda db, chunk: steps.unsettle(db, chunk, batch_id, reason))

    async def save_usage(self, usage: bytes) -> None:
        """Writes down what the rate limits have seen."""
        await self._carry_out(lambda db, chunk: steps.save_usage(db, chunk, usage))

    async def load_usage(self) -> bytes | None:
        """What was written down of the rate limits."""
        return await self._carry_out(reads.load_usage)

    async def summary(self) -> JournalSummary:
        """The figures of the chunk."""
        return await self._carry_out(reads.summary)

    async def close(self) -> None:
        """Carries out what was asked for before; safe to call twice. The chunk stays taken."""
        self._is_open = False
        while self._worker is not None:
            await asyncio.shield(self._worker)

    async def _intend(self, db: Connection, chunk: Chunk, batch: Batch) -> None:
        await steps.intend(db, chunk, batch)

    # -- transaction by transaction --------------------------------------------------------

    async def _carry_out(self, step: Callable[[Connection, Chunk], Awaitable[_T]]) -> _T:
        if not self._is_open:
            raise JournalError("cannot use the journal of a chunk: it is not open")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[_T] = loop.create_future()
        self._waiting.append((step, done))
        if self._worker is None:
            # A task of its own: a step goes through even if whoever waits for it is cancelled.
            self._worker = loop.create_task(self._work())
        return await done

    async def _work(self) -> None:
        group: list[tuple[Step, asyncio.Future[Any]]] = []
        try:
            while self._waiting:
                group = [self._waiting.popleft() for _ in range(len(self._waiting))]
                outcomes = await self._transact([step for step, _ in group])
                for (_, done), outcome in zip(group, outcomes, strict=True):
                    if done.done():  # its caller was cancelled
                        continue
                    if isinstance(outcome, Exception):
                        done.set_exception(outcome)
                    else:
                        done.set_result(outcome)
                group = []
        finally:
            self._worker = None
            for _, done in (*group, *self._waiting):  # only if this task is cancelled itself
                if not done.done():
                    done.set_exception(JournalError("the journal of a chunk was closed meanwhile"))
            self._waiting.clear()

    async def _transact(self, group: Sequence[Step]) -> list[Any]:
        async def work(db: Connection) -> tuple[Chunk, list[Any]]:
            # What is known of the chunk changes only once the transaction has gone through.
            chunk = structs.replace(self._chunk, open=set(self._chunk.open))
            outcomes: list[Any] = []
            await steps.fence(db, chunk)
            for step in group:
                try:
                    outcomes.append(await step(db, chunk))
                # Both are found out before anything was changed.
                except NotFreeError as error:
                    outcomes.append(error)
                except steps.RefusedError as error:
                    outcomes.append(JournalError(f"cannot use the journal of a chunk: {error}"))
            return chunk, outcomes

        try:
            self._chunk, outcomes = await self._store.transact(work)
        except Exception as error:  # noqa: BLE001 - or a mistake of ours, for everyone to see
            return [error] * len(group)
        return outcomes
