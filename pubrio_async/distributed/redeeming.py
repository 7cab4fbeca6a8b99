"""What a worker does with a chunk: take it, redeem its people, and say what became of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from logging import ERROR, INFO, WARNING
from typing import cast

from msgspec import structs

from pubrio_async._errors import (
    AuthenticationError,
    BudgetExhaustedError,
    InsufficientCreditsError,
    JournalError,
    PermissionDeniedError,
    PubrioError,
)
from pubrio_async._log import JOURNAL, RUNS, note
from pubrio_async.client import AsyncPubrio
from pubrio_async.distributed.budget import lease_budget
from pubrio_async.distributed.chunks import End, LeftOut, Taken, finish, give_back, stop_run, take
from pubrio_async.distributed.journal import PostgresJournal
from pubrio_async.distributed.journal_reads import lookup, no_longer_lost
from pubrio_async.distributed.journal_steps import Chunk, forget, intend, intend_if_free
from pubrio_async.distributed.limiter import SharedLimiter
from pubrio_async.distributed.probing import Probe
from pubrio_async.distributed.queue import Held, Later
from pubrio_async.distributed.store import Connection, Store
from pubrio_async.endpoints import ContactTypeName
from pubrio_async.models import RunReport
from pubrio_async.models.redeem import Number
from pubrio_async.scheduler import Run
from pubrio_async.scheduler.budget import Prices
from pubrio_async.scheduler.journal import Batch, NotFreeError, Settled, Unsettled
from pubrio_async.scheduler.outbox import add_counts

_AGAIN_S = 60
_BUDGET_S = 10
_LONGEST_S = 3_600
_GOODBYE_S = 2.0
_WHY_STOPPED = "the worker was told to end"
_SPENT = "max_credits leaves no room for the worst case of another person"
_NO_ROOM = "it waits for credits that are set aside for other chunks of the run"


class ChunkJournal(PostgresJournal):
    """The journal of a chunk, which tells by the clock of the database what is too old.

    Whether people are still to be sent is looked at once more in the statement that writes the
    intent: since they were asked for, the reply to another chunk may have named them.
    """

    def __init__(self, store: Store, chunk: Taken) -> None:
        super().__init__(store, chunk.chunk_id, chunk.token)
        self._newer_than = chunk.newer_than

    async def lookup(
        self, keys: Sequence[str], newer_than: float | None = None
    ) -> Mapping[str, Settled | Unsettled]:
        """What is known of these people."""
        del newer_than  # by the clock of this machine
        return await super().lookup(keys, self._newer_than)

    async def _intend(self, db: Connection, chunk: Chunk, batch: Batch) -> None:
        if await intend_if_free(db, chunk, batch, self._newer_than):
            return
        await forget(db, chunk, batch)
        ends = await lookup(db, chunk, batch.keys, self._newer_than)
        if ends:
            raise NotFreeError(ends)
        await intend(db, chunk, batch)


class ResendJournal(ChunkJournal):
    """The journal of a chunk whose lost people are sent again, as long as nobody else is at them.

    Whether that is so is found out in the transaction that writes the intent: since they were
    asked for, somebody else may have begun to look for an older request with them.
    """

    async def _intend(self, db: Connection, chunk: Chunk, batch: Batch) -> None:
        ends = await no_longer_lost(db, chunk, batch.keys, self._newer_than)
        if ends:
            await forget(db, chunk, batch)
            raise NotFreeError(ends)
        await intend(db, chunk, batch)


class Redeemer:
    """Redeems the chunks that a worker is given.

    Args:
        store: The database.
        client: Who sends.
        prices: Tells what the plan charges; asked where a run has a budget.
        on_refusal: Called when the API refuses the key.
        probe: Tells whether a chunk may be begun.
        limiter: The limits it shares with others; told when there is nothing to do.

    Attributes:
        refused_by: The error with which the API refused the key, once it has.
        chunks: How many chunks came to which end.
        report: The figures of all chunks.
    """

    def __init__(
        self,
        store: Store,
        client: AsyncPubrio,
        prices: Callable[[], Awaitable[Prices]],
        *,
        on_refusal: Callable[[], object],
        probe: Probe,
        limiter: SharedLimiter | None = None,
    ) -> None:
        self._store = store
        self._client = client
        self._prices = prices
        self._on_refusal = on_refusal
        self._probe = probe
        self._limiter = limiter
        self._runs: set[Run] = set()
        self._is_stopping = False
        self.refused_by: PubrioError | None = None
        self.chunks: Counter[str] = Counter()
        self.report: RunReport = RunReport()
        self._tell_limiter()

    def stop(self) -> None:
        """Ends what is under way: chunks go back to the queue, for others."""
        self._is_stopping = True
        self._probe.stop()
        for run in tuple(self._runs):
            run.stop(_WHY_STOPPED)

    async def redeem(self, chunk_id: int, job: Held) -> None:
        """Does a chunk.

        Args:
            chunk_id: The chunk.
            job: The job for it; nothing is done if another worker has it by now.

        Raises:
            Later: It is to be done another time.
        """
        may_begin = await self._probe.may_begin()
        if self._is_stopping:
            raise Later(0)
        if not may_begin:
            raise Later(_AGAIN_S)
        try:
            chunk = await take(self._store, chunk_id, job)
        except JournalError as error:
            note(JOURNAL, WARNING, "chunk_not_taken", chunk=chunk_id, error=type(error).__name__)
            raise Later(_AGAIN_S) from None
        if chunk is None:
            return
        try:
            delay, why = await self._redeem(chunk)
        except asyncio.CancelledError:
            await self._leave(chunk)
            raise
        except JournalError as error:
            delay, why = _AGAIN_S, str(error)
        except Exception as error:  # noqa: BLE001 - a flaw of ours: another time, and told
            why = f"{type(error).__name__} in the worker"
            # Not its text, which may quote people.
            note(RUNS, ERROR, "chunk_failed", chunk=chunk.chunk_id, error=type(error).__name__)
            delay = min(_AGAIN_S * chunk.attempts, _LONGEST_S)
        if delay is not None:
            await self._return(chunk, delay, why)

    async def _redeem(self, chunk: Taken) -> tuple[int | None, str]:
        """Redeems the people of a chunk.

        Returns:
            Seconds after which it is to be tried again, None if it is done; and why.
        """
        worst_case: Number | None = None
        if chunk.has_budget and chunk.stopped is None:
            # The run goes by these prices, too: with less it would send nobody, again and again.
            try:
                worst_case = (await self._prices()).worst_case(chunk.contact_types)
            except PubrioError as trouble:
                return await self._ended_early(chunk, trouble, LeftOut())
        lease = await lease_budget(self._store, chunk.chunk_id, chunk.token, worst_case=worst_case)
        if lease.kind == "later" and chunk.stopped is None:
            return _BUDGET_S, _NO_ROOM
        if lease.kind == "none" and chunk.stopped is None:
            chunk = structs.replace(chunk, stopped=_SPENT)
            await stop_run(self._store, chunk.run_id, _SPENT)
        left = LeftOut()
        if chunk.stopped is not None:
            # What is open is fetched, and nobody else is sent.
            why = f"skipped: never sent: {chunk.stopped}"
            left.failures.update(dict.fromkeys(chunk.people, why))
            chunk = structs.replace(chunk, people=())
        error = await self._send(chunk, lease.credits, left)
        match error:
            case None if self._is_stopping and left.failures and chunk.stopped is None:
                return 0, _WHY_STOPPED
            case None:
                return await self._finish(chunk, left)
            case _:
                return await self._ended_early(chunk, error, left)

    async def _ended_early(
        self, chunk: Taken, error: PubrioError, left: LeftOut
    ) -> tuple[int | None, str]:
        """What is to become of a chunk whose run was ended by an error; returns as `_redeem`."""
        match error:
            case JournalError():
                raise error
            case AuthenticationError() | PermissionDeniedError():
                self.refused_by = error
                self._on_refusal()
            case BudgetExhaustedError():
                # Dearer than was thought, or not enough from the start: what is left is seen anew.
                return 0, str(error)
            case InsufficientCreditsError():
                await stop_run(self._store, chunk.run_id, str(error))
                return await self._finish(structs.replace(chunk, stopped=str(error)), left)
            case _:
                pass  # such as an API that cannot be reached
        return _AGAIN_S, str(error)

    async def _send(
        self, chunk: Taken, max_credits: Number | None, left: LeftOut
    ) -> PubrioError | None:
        """Makes a run of a chunk.

        Args:
            chunk: The chunk.
            max_credits: What it may cost.
            left: Where people go who were not bought.

        Returns:
            What ended it early; None if nothing did.
        """
        unread = dict.fromkeys(chunk.people)
        try:
            async with self._client.redeem.many(
                chunk.people,
                people_contact_types=cast("Sequence[ContactTypeName]", chunk.contact_types),
                batch_size=chunk.batch_size,
                order=chunk.order,
                journal=ChunkJournal(self._store, chunk),
                max_credits=max_credits,
            ) as run:
                self._runs.add(run)
                self._tell_limiter()
                try:
                    if self._is_stopping:
                        run.stop(_WHY_STOPPED)
                    async for outcome in run:
                        unread.pop(outcome.person, None)
                        if outcome.status in {"failed", "skipped"}:
                            left.failures[outcome.person] = f"{outcome.status}: {outcome.error}"
                        elif outcome.status == "unsettled":
                            left.unsettled.append(outcome.person)
                finally:
                    self._runs.discard(run)
                    self._tell_limiter()
        except PubrioError as error:  # before anything was sent for it, such as asking for prices
            return error
        add_counts(self.report, run.report)
        # It was ended before it had come to them, as when the database takes its time.
        why = run.stopped_by or _WHY_STOPPED
        left.failures.update(dict.fromkeys(unread, f"skipped: never sent: {why}"))
        return run.stopped_by

    def _tell_limiter(self) -> None:
        if self._limiter is not None:
            self._limiter.rest(rests=not self._runs)

    async def _finish(self, chunk: Taken, left: LeftOut) -> tuple[int | None, str]:
        end: End = "done" if chunk.stopped is None else "stopped"
        if await finish(self._store, chunk, left, end, chunk.stopped):
            self.chunks[end] += 1
            note(RUNS, INFO, "chunk_ended", chunk=chunk.chunk_id, run=chunk.run, end=end)
            return None, ""
        why = "not all of what was sent has come back"
        return (0, _WHY_STOPPED) if self._is_stopping else (_AGAIN_S, why)

    async def _return(self, chunk: Taken, delay: int, why: str) -> None:
        self.chunks["given back"] += 1
        note(RUNS, INFO, "chunk_given_back", chunk=chunk.chunk_id, run=chunk.run, delay_s=delay)
        try:
            is_ours = await give_back(self._store, chunk, why)
        except JournalError:
            is_ours = True  # perhaps: then another takes it from us when its time has come
        if is_ours:
            raise Later(delay)

    async def _leave(self, chunk: Taken) -> None:
        """Gives a chunk back in a hurry; whoever finds it otherwise takes a little longer."""
        task = asyncio.ensure_future(give_back(self._store, chunk, _WHY_STOPPED))
        await asyncio.wait({task}, timeout=_GOODBYE_S)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
