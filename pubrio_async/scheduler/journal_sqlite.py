"""The journal that survives: a SQLite file, written by a thread of its own.

A step costs one write to the disk, which takes milliseconds, so steps share it: while one group
of steps is being committed, all steps asked for meanwhile gather, and the next commit carries all
of them. Changing threads and waiting for the disk cost more than most steps, so where steps come
thick and fast groups also keep a distance: a tenth of a second, unless there are many before, or
no more come, since everybody waits. Few steps go at once, and who only reads is not kept waiting.
Each caller goes on when its own step is on the disk, and never before.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from pubrio_async._clock import Clock, SystemClock, is_over
from pubrio_async.models import RedeemJob
from pubrio_async.models.redeem import Number
from pubrio_async.scheduler import journal_figures as figures
from pubrio_async.scheduler import journal_rows as rows
from pubrio_async.scheduler.journal import (
    Batch,
    JournalSummary,
    OpenBatch,
    Settled,
    Unsettled,
)
from pubrio_async.scheduler.journal_file import JournalFile, Step
from pubrio_async.scheduler.journal_tables import Tables
from pubrio_async.scheduler.journal_troubles import NOT_OPEN

_T = TypeVar("_T")

_Waiting = tuple[Step, asyncio.Future[Any], bool]
"""A step, who waits for it, and whether it may wait for others."""

# Between the beginnings of two groups, unless so many steps wait before, or no more come for such a
# pause; and in about a second there were more than a few. A batch has three steps, and takes
# seconds; a run has some tens of workers, each of whom waits for its step.
_SPACING_S = 0.1
_PAUSE_S = 0.005
_MANY = 24
_FEW = 15


class SqliteJournal:
    """A journal in a file, for one process at a time.

    Steps are carried out in the order they were asked for, so every read sees the writes before
    it. A step goes through even if whoever waits for it is cancelled. The file never holds the
    API key; it does hold what was bought, and only its owner may read it.

    Args:
        path: The file; made when the journal is opened.
        clock: Where the times in the journal come from; None for the machine's clock.
        origin: Which API the people are bought at, such as its base URL. A journal written for
            another one is refused: made-up contacts of a sandbox must not pass for bought ones.
    """

    _thread: ThreadPoolExecutor
    _home: asyncio.AbstractEventLoop

    def __init__(
        self,
        path: str | os.PathLike[str],
        clock: Clock | None = None,
        *,
        origin: str | None = None,
    ) -> None:
        self._path = os.fspath(path)
        self._clock: Clock = clock or SystemClock()
        self._last = -math.inf
        self._origin = origin
        self._file = JournalFile(self._path)
        self._in_use = False
        # Filled by the loop and emptied by the thread.
        self._waiting: deque[_Waiting] = deque()
        self._began = -math.inf
        self._lately = 0.0  # steps, of which half are forgotten every second
        self._gathering: asyncio.TimerHandle | None = None
        self._busy = False
        self._closed: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        return f"<SqliteJournal {self._path!r} {'open' if self._in_use else 'closed'}>"

    async def open(self, contact_types: Sequence[str]) -> bool:
        """Makes the journal ready.

        Args:
            contact_types: What is going to be asked for. Empty: an existing journal is opened as
                it is.

        Returns:
            True if nothing was ever written into it.

        Raises:
            JournalError: It was written for other contact types or by a newer version, another
                process is using it, it is damaged or no journal, or it cannot be written.
        """
        types = tuple(contact_types)
        self._come_home()
        if self._closed is not None:
            await asyncio.shield(self._closed)
        if self._in_use:
            await self._carry_out(lambda db: rows.check_types(db, types))
            return False
        self._last = -math.inf
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pubrio-journal")
        self._settle_in()
        self._in_use = self._busy = True
        opening = self._home.run_in_executor(
            self._thread, self._file.open, types, self._origin, self._now()
        )
        opening.add_done_callback(self._opened)
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            # Nobody will close what nobody was given.
            self._begin_to_close()
            raise

    async def lookup(
        self, keys: Sequence[str], newer_than: float | None = None
    ) -> Mapping[str, Settled | Unsettled]:
        """What is known of these people."""
        return await self._carry_out(lambda db: rows.lookup(db, keys, newer_than))

    async def open_batches(self) -> Sequence[OpenBatch]:
        """The batches without an end, oldest first."""
        return await self._carry_out(rows.open_batches)

    async def unsettled_people(self) -> Sequence[str]:
        """Everyone whose answer is lost."""
        return await self._carry_out(rows.unsettled_people)

    async def reopen_unsettled(self) -> None:
        """Opens every batch that ended unsettled again, as long as someone in it still is."""
        await self._carry_out(rows.reopen_unsettled)

    async def intend(self, batch: Batch) -> None:
        """Writes down that this batch is about to be sent."""
        now = self._now()
        await self._carry_out(lambda db: rows.intend(db, batch, now), can_wait=True)

    async def accepted(self, batch_id: str, job: RedeemJob) -> None:
        """Writes down the id of the job."""
        now = self._now()
        await self._carry_out(lambda db: rows.accepted(db, batch_id, job, now), can_wait=True)

    async def withdraw(self, batch_id: str) -> None:
        """Writes down that the batch was surely not carried out."""
        now = self._now()
        await self._carry_out(lambda db: rows.withdraw(db, batch_id, now))

    async def settle(
        self, batch_id: str, results: Mapping[str, Settled], charged: Number | None
    ) -> None:
        """Writes down the end of the batch."""
        now = self._now()
        await self._carry_out(
            lambda db: rows.settle(db, batch_id, results, charged, now), can_wait=True
        )

    async def unsettle(self, batch_id: str, reason: str) -> None:
        """Writes down that the answer to the batch is lost."""
        now = self._now()
        await self._carry_out(lambda db: rows.unsettle(db, batch_id, reason, now))

    async def save_usage(self, usage: bytes) -> None:
        """Writes down what the rate limits have seen."""
        await self._carry_out(lambda db: rows.save_usage(db, usage))

    async def load_usage(self) -> bytes | None:
        """What was written down of the rate limits."""
        return await self._carry_out(rows.load_usage)

    async def summary(self) -> JournalSummary:
        """The figures of the journal."""
        return await self._carry_out(figures.summary)

    async def close(self) -> None:
        """Carries out what was asked for before, and lets go of the file; safe to call twice."""
        self._come_home()
        if self._in_use:
            await asyncio.shield(self._begin_to_close())

    def _now(self) -> float:
        # Should the clock be set back, what is written later still counts as newer.
        self._last = max(self._last, self._clock.wall())
        return self._last

    def _come_home(self) -> None:
        """If the event loop has ended in which it was in use, goes on in the running one.

        What the thread was about to tell the other one is told to nobody.
        """
        if self._in_use and is_over(self._home):
            self._settle_in()
            self._busy, self._closed = False, None

    def _settle_in(self) -> None:
        self._home = asyncio.get_running_loop()
        # Another loop counts its time anew, and carries out no timer of the last one.
        self._began, self._gathering = -math.inf, None

    # -- the thread's work, group by group -----------------------------------------------

    async def _carry_out(self, step: Callable[[Tables], _T], *, can_wait: bool = False) -> _T:
        self._come_home()
        if not self._in_use or self._closed is not None:
            raise self._file.error(NOT_OPEN)
        done: asyncio.Future[_T] = self._home.create_future()
        self._waiting.append((step, done, can_wait))
        self._soon(at_once=not can_wait or len(self._waiting) >= _MANY)
        return await done

    def _soon(self, *, at_once: bool) -> None:
        if self._busy:
            return
        if self._gathering is None:
            self._next()
        elif at_once:
            self._gathering.cancel()
            self._start()

    def _next(self) -> None:
        self._busy = False
        if self._waiting:
            left = self._began + _SPACING_S - self._home.time()
            if left <= 0 or self._are_many() or self._are_few():
                self._start()
            else:
                self._gather(left)
        elif self._closed is not None:
            self._busy = True
            folding = self._home.run_in_executor(self._thread, self._file.fold)
            folding.add_done_callback(self._close_file)

    def _are_many(self) -> bool:
        if self._closed is not None or len(self._waiting) >= _MANY:
            return True
        # In one go: the thread may be taking them still, for a loop that has ended.
        return not all(can_wait for _, _, can_wait in list(self._waiting))

    def _are_few(self) -> bool:
        since = self._home.time() - self._began
        return bool(self._lately * 0.5**since <= _FEW)

    def _gather(self, left: float) -> None:
        due = self._home.time() + min(_PAUSE_S, left)
        self._gathering = self._home.call_at(due, self._gathered, due, len(self._waiting))

    def _gathered(self, due: float, there: int) -> None:
        now = self._home.time()
        left = self._began + _SPACING_S - now
        # A loop that comes late had other things to do, and nobody could come.
        if left <= 0 or (there == len(self._waiting) and now - due < _PAUSE_S):
            self._start()
        else:
            self._gather(left)

    def _start(self) -> None:
        self._busy, self._gathering = True, None
        began, self._began = self._began, self._home.time()
        self._lately *= 0.5 ** (self._began - began)
        job = self._home.run_in_executor(self._thread, self._carry_out_waiting)
        job.add_done_callback(self._carried_out)

    def _carry_out_waiting(self) -> list[tuple[asyncio.Future[Any], Any]]:
        """Carries out, in the thread, whatever waits by the time it gets to it."""
        group = [self._waiting.popleft() for _ in range(len(self._waiting))]
        outcomes: list[Any]
        try:
            outcomes = self._file.carry_out([step for step, _, _ in group])
        except Exception as error:  # noqa: BLE001 - a mistake of ours, for everyone to see
            outcomes = [error] * len(group)
        return [(done, outcome) for (_, done, _), outcome in zip(group, outcomes, strict=True)]

    def _carried_out(self, job: asyncio.Future[list[tuple[asyncio.Future[Any], Any]]]) -> None:
        outcomes = job.result()
        self._lately += len(outcomes)
        for done, outcome in outcomes:
            if done.done() or done.get_loop() is not self._home:  # its caller was cancelled
                continue
            if isinstance(outcome, BaseException):
                done.set_exception(outcome)
            else:
                done.set_result(outcome)
        self._next()

    def _opened(self, opening: asyncio.Future[bool]) -> None:
        failure = opening.exception()
        if failure is None:
            self._next()
            return
        while self._waiting:
            _, done, _ = self._waiting.popleft()
            if not done.done():
                done.set_exception(failure)
        self._let_go(opening)

    def _begin_to_close(self) -> asyncio.Future[None]:
        if self._closed is None:
            self._closed = self._home.create_future()
            self._soon(at_once=True)
        return self._closed

    def _close_file(self, _folding: asyncio.Future[None]) -> None:
        closing = self._home.run_in_executor(self._thread, self._file.close)
        closing.add_done_callback(self._let_go)

    def _let_go(self, _last: asyncio.Future[Any]) -> None:
        # Its last job is done and it has nothing left but to end, so this does not wait.
        self._thread.shutdown()
        self._in_use = self._busy = False
        closed, self._closed = self._closed, None
        if closed is not None:
            closed.set_result(None)
