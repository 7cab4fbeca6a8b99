"""More flaws to plant: about the journal's file, failing disks and inputs, clocks and credits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from itertools import islice
from typing import Any

from pubrio_async import InsufficientCreditsError, JournalError, PubrioError
from pubrio_async._clock import Clock
from pubrio_async.scheduler import journal_rows as rows
from pubrio_async.scheduler.ends import Ends
from pubrio_async.scheduler.engine import Engine
from pubrio_async.scheduler.journal import Batch
from pubrio_async.scheduler.journal_file import JournalFile, Step
from pubrio_async.scheduler.journal_log import CLOSED, Entry, Log
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from pubrio_async.scheduler.seen import SlimRegister
from pubrio_async.scheduler.settling import settled_people
from pubrio_async.scheduler.source import Source
from pubrio_async.scheduler.steps import Steps

Changes = list[tuple[Any, str, Any]]


def acknowledge_before_the_commit() -> Changes:
    """The journal says that an intent is written as soon as it is asked to write it."""

    async def wrong(self: SqliteJournal, batch: Batch) -> None:
        now = self._clock.wall()
        done = asyncio.get_running_loop().create_future()
        done.add_done_callback(lambda done: done.exception())
        self._waiting.append((lambda db: rows.intend(db, batch, now), done))
        self._soon()

    return [(SqliteJournal, "intend", wrong)]


def write_without_a_transaction() -> Changes:
    """A step is on the disk bit by bit."""

    def wrong(self: JournalFile, steps: Sequence[Step]) -> list[Any]:
        outcomes: list[Any] = []
        for step in steps:
            try:
                outcomes.append(step(self._db))
            except JournalError as error:
                outcomes.append(error)
            for statement, values in self._db._waiting:
                self._db.connection.execute(statement, values)
            self._db._waiting.clear()
        return outcomes

    return [(JournalFile, "_transact", wrong)]


def throw_the_log_away() -> Changes:
    """What a crash left beside the file is taken for rubbish."""
    right = JournalFile._make

    def wrong(self: JournalFile, **options: bool) -> None:
        log = self._file.with_name(self._file.name + "-wal")
        log.unlink(missing_ok=True)
        right(self, **options)

    return [(JournalFile, "_make", wrong)]


def send_while_the_intent_is_written() -> Changes:
    """The intent is on its way to the disk when the batch is sent."""

    async def wrong(self: Ends, batch: Batch, ticket: int) -> bool:
        if batch.batch_id not in self._intended:
            self._intended.add(batch.batch_id)
            self._unwritten = asyncio.ensure_future(  # type: ignore[attr-defined] # kept alive
                self._journal.intend(batch)
            )
        return True

    return [(Ends, "intend", wrong)]


def send_without_an_intent() -> Changes:
    """What cannot be written down is sent all the same."""

    async def wrong(self: Ends, batch: Batch, ticket: int) -> bool:
        if batch.batch_id not in self._intended:
            self._intended.add(batch.batch_id)
            with contextlib.suppress(JournalError):
                await self._journal.intend(batch)
        return True

    return [(Ends, "intend", wrong)]


def lose_what_was_not_written() -> Changes:
    """A result that cannot be written down is not handed over either."""
    right = Ends.settle

    async def wrong(self: Ends, batch: Batch, peoples: Any, charged: Any, query_id: Any) -> None:
        ends = settled_people(batch, peoples, query_id)
        try:
            await self._journal.settle(batch.batch_id, ends, charged or 0)
        except JournalError as error:
            self._board.halt(error, keep_polling=True)
            await self.fail(batch, str(error))
        else:
            with _written(self):
                await right(self, batch, peoples, charged, query_id)

    return [(Ends, "settle", wrong)]


@contextlib.contextmanager
def _written(ends: Ends) -> Any:
    """While the context is open, nothing is written down."""

    async def nothing(step: Coroutine[Any, Any, None]) -> bool:
        step.close()
        return True

    ends._note = nothing  # type: ignore[method-assign] # for a moment
    try:
        yield
    finally:
        del ends._note


def ignore_the_disk() -> Changes:
    """A disk that fails goes unnoticed."""

    async def wrong(self: Ends, step: Coroutine[Any, Any, None]) -> bool:
        with contextlib.suppress(JournalError):
            await step
        return True

    return [(Ends, "_note", wrong)]


class _Dated:
    """A clock that tells the date when it is asked how much time has passed."""

    def __init__(self, clock: Clock) -> None:
        self.now = self.wall = clock.wall


def measure_time_by_the_date() -> Changes:
    """How long something took is told by the wall clock."""
    right = Engine.__init__

    def wrong(self: Engine, *, clock: Clock, **rest: Any) -> None:
        right(self, clock=_Dated(clock), **rest)

    return [(Engine, "__init__", wrong)]


def drop_the_rows_before_an_error() -> Changes:
    """An input that fails takes with it the rows read together with the error."""

    def wrong(self: Source, limit: int) -> list[object] | None:
        assert self._sync is not None
        return list(islice(self._sync, limit)) or None

    return [(Source, "_slice", wrong)]


def take_an_error_for_the_end() -> Changes:
    """An input that fails counts as one that has ended."""
    right = Engine.ended

    def wrong(self: Engine, task: asyncio.Task[None]) -> None:
        before = self.crash
        right(self, task)
        self.crash = before

    return [(Engine, "ended", wrong)]


def go_on_without_credits() -> Changes:
    """That the credits do not suffice is held against the batch alone."""
    right = Steps._submit_failed

    async def wrong(self: Steps, batch: Batch, error: PubrioError) -> None:
        if isinstance(error, InsufficientCreditsError):
            self._outages.reached()
            await self._ends.fail(batch, str(error))
        else:
            await right(self, batch, error)

    return [(Steps, "_submit_failed", wrong)]


def forget_whom_it_planned() -> Changes:
    """The journal is not asked about people whom the run has sent before."""

    def wrong(self: SlimRegister, keys: Sequence[str]) -> None:
        self._count += len(keys)

    return [(SlimRegister, "plan", wrong)]


def lose_ends_on_the_way_to_their_table() -> Changes:
    """A batch is closed in the log, and what it has brought is written nowhere."""

    def wrong(self: Log) -> None:
        self._ended = []

    return [(Log, "_put_ends", wrong)]


def open_batches_again_that_were_closed() -> Changes:
    """On the way to the tables it is lost that a batch has an end."""
    right = Log._apply

    def wrong(self: Log, entries: Sequence[Entry]) -> None:
        right(self, [entry for entry in entries if entry[0] != CLOSED])

    return [(Log, "_apply", wrong)]


MUTANTS: tuple[Callable[[], Changes], ...] = (
    acknowledge_before_the_commit,
    write_without_a_transaction,
    throw_the_log_away,
    send_while_the_intent_is_written,
    send_without_an_intent,
    lose_what_was_not_written,
    ignore_the_disk,
    measure_time_by_the_date,
    drop_the_rows_before_an_error,
    take_an_error_for_the_end,
    go_on_without_credits,
    forget_whom_it_planned,
    lose_ends_on_the_way_to_their_table,
    open_batches_again_that_were_closed,
)
