"""A real journal file in virtual time: it fails, and is cut off in the middle of a write.

Beside the file there is a model, a journal in memory that is told every step the file has carried
out. What the two answer must be the same, step by step; and at the end of each life, a copy of
the file is opened and must hold what the model holds. After a crash the group of steps that was
being written may be there or not, as a whole: the model follows the file.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import sqlite3
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from unittest import mock

from msgspec import structs

from pubrio_async import JournalError
from pubrio_async.scheduler import journal_log, journal_sqlite, journal_wal
from pubrio_async.scheduler.journal import Journal, JournalSummary, OpenBatch
from pubrio_async.scheduler.journal_file import JournalFile
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from pubrio_async.scheduler.journal_wal import Wal
from tests.simulation.disks import SteppedJournal
from tests.simulation.loop import CountingLoop, Fate, WallClock, check, never
from tests.simulation.model import Deed, Model, Op, at_once
from tests.simulation.plan import LifePlan
from tests.simulation.torn import LOG, Files, torn_closing, torn_group, torn_opening

_T = TypeVar("_T")

_IN_MEMORY = Path("/dev/shm")
_NAME = "run.journal"
_STEPS = SqliteJournal._carry_out_waiting.__name__

LOST = "what was being written is lost"
KEPT = "what was being written is there"


class _Job(NamedTuple):
    """What the thread of a journal is doing."""

    name: str
    func: Callable[..., Any]
    args: tuple[Any, ...]


class _Connection(sqlite3.Connection):
    """A connection whose writes fail when they are told to."""

    thread: _Thread | None = None

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql.startswith("BEGIN"):
            self._changes = self.total_changes
        thread = self.thread
        if self.in_transaction:
            is_written = sql == "COMMIT" and self.total_changes != self._changes
        else:
            is_written = sql.lstrip().startswith(("INSERT", "UPDATE", "DELETE"))
        if thread is not None and is_written:
            trouble = thread.trouble()
            if trouble is not None:
                if trouble == "written":
                    super().execute(sql, *values)
                full = trouble == "full"
                error = sqlite3.OperationalError("planted")
                error.sqlite_errorname = "SQLITE_FULL" if full else "SQLITE_IOERR_WRITE"
                raise error
        return super().execute(sql, *values)


class _Thread:
    """Stands in for the thread of a journal: one job at a time, in virtual time."""

    def __init__(self, disk: FileDisk, journal: SteppedJournal, fate: Fate, plan: LifePlan) -> None:
        self.pending: deque[Op] = deque()
        self.current: _Job | None = None
        self.busy: asyncio.Future[Any] | None = None
        self.fatal = False
        self.is_open = False
        self._disk = disk
        self._journal = journal
        self._fate = fate
        self._slow = plan.journal_s
        self._rng = random.Random(plan.seed)
        self._struck: str | None = None

    def perform(self, func: Callable[..., _T], *args: Any) -> asyncio.Future[_T]:
        """As `loop.run_in_executor` does."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[_T] = loop.create_future()
        if self._fate.dead:
            return done
        check(self.current is None, "the thread of a journal does two things at a time")
        job = self.current = _Job(getattr(func, "__name__", "?"), func, args)
        self.busy = done
        delay = self._rng.uniform(0, self._slow)
        if self.fatal:
            loop.call_later(self._rng.uniform(0, delay), self._fate.die)
        else:
            loop.call_later(delay, self._finish, job, done)
        return done

    def shutdown(self) -> None:
        """The thread has nothing left to do."""
        check(self.current is None, "the thread of a journal is ended in the middle")

    def trouble(self) -> str | None:
        """What becomes of a write: it succeeds (None), or fails, perhaps `written` all the same."""
        failing = self._journal.failing
        if self._fate.dead or not failing.strikes():
            return None
        trouble = failing.trouble
        assert trouble is not None
        self._struck = "written" if trouble.written else "broken" if failing.broken else "full"
        return self._struck

    def _finish(self, job: _Job, done: asyncio.Future[Any]) -> None:
        if self._fate.dead:
            return
        self.current = self.busy = None
        try:
            result = self.carry_out(job, self._disk.model)
        except JournalError as error:
            if not done.done():
                done.set_exception(error)
        else:
            if not done.done():
                done.set_result(result)

    def carry_out(self, job: _Job, model: Model) -> Any:
        """Does the job, and tells the model what has been done."""
        self._struck = None
        if job.name == "open":
            self._disk.opened.append(job.func.__self__)  # type: ignore[attr-defined] # a method
            with mock.patch.object(sqlite3, "connect", self._connect):
                is_new = job.func(*job.args)
            self.is_open = True
            model.carry_out(Op("open", "", lambda journal: journal.open(job.args[0])))
            held = at_once(model.summary())
            nobody = JournalSummary(contact_types=held.contact_types)
            check(not is_new or held == nobody, "the file does not know who is in it")
            return is_new
        result = job.func(*job.args)
        if job.name == "close":
            self.is_open = False
        elif job.name == _STEPS:
            ops = [self.pending.popleft() for _ in result]
            self._reflect(ops, [outcome for _, outcome in result], model)
        return result

    def _reflect(self, ops: Sequence[Op], results: Sequence[Any], model: Model) -> None:
        failing = self._journal.failing
        for op, result in zip(ops, results, strict=True):
            op.done = True
            failed = isinstance(result, JournalError)
            if failed and (self._struck or failing.broken):
                self._fate.tell(f"journal {op.name} fails")
                self._journal.unwritten.add(op)
                if self._struck == "written":
                    model.carry_out(op)
                continue
            self._fate.tell(f"journal {op.name} {op.about}")
            self._journal.unwritten.made_up_for(op)
            answers = Deed(error=result) if failed else Deed(result), model.carry_out(op)
            same = self._disk.comparable(answers[0]) == self._disk.comparable(answers[1])
            check(same, f"the file and its model differ about {op.name}: {answers}")

    def _connect(self, *args: Any, **kwargs: Any) -> sqlite3.Connection:
        db = sqlite3.dbapi2.connect(*args, factory=_Connection, **kwargs)
        db.thread = self
        return db


class _AtOnce:
    """Stands in for the thread of a journal that is only looked at."""

    def perform(self, func: Callable[..., _T], *args: Any) -> asyncio.Future[_T]:
        """As `loop.run_in_executor` does."""
        done: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        try:
            done.set_result(func(*args))
        except JournalError as error:
            done.set_exception(error)
        return done

    def shutdown(self) -> None:
        """Nothing to end."""


class _InFile(SteppedJournal):
    """The real journal."""

    def __init__(self, disk: FileDisk, fate: Fate, plan: LifePlan, clock: WallClock) -> None:
        super().__init__(disk.model, fate, plan, clock)
        self.thread = _Thread(disk, self, fate, plan)
        self._real = SqliteJournal(disk.path, clock)

    async def _perform(self, op: Op, *, fatal: bool) -> Any:
        thread = self.thread
        thread.fatal |= fatal
        if op.name == "open":
            result = await op.call(self._real)
            op.done = True
        else:
            thread.pending.append(op)
            try:
                result = await op.call(self._real)
            except JournalError:
                if not op.done:  # it was not even queued
                    thread.pending.remove(op)
                raise
        if self._fate.dead:
            await never()
        check(op.done, f"{op.name} was acknowledged before it was on the disk")
        return result

    async def close(self) -> None:
        """Closes the file, if anybody is left to do it."""
        if not self._fate.dead:
            await self._real.close()


class FileDisk:
    """A disk with a journal file on it.

    Attributes:
        model: What the file holds.
        path: The file of this life.
        opened: The files that were opened, to be closed at last.
    """

    def __init__(
        self,
        rng: random.Random,
        loop: CountingLoop,
        types: tuple[str, ...],
        keys: Sequence[str],
        *,
        compare_times: bool,
    ) -> None:
        self.model = Model()
        self.opened: list[JournalFile] = []
        self._rng = rng
        self._clock = WallClock(loop)
        self._types = types
        self._keys = keys
        self._compare_times = compare_times
        # Small, so that the log is folded into the file now and then.
        self._log_pages = rng.choice([4, 20, 60, 1_000])
        # As small, so that steps move from the log of the journal to its tables.
        self._log_entries = rng.choice([1, 5, 20, 200])
        self._lives = 0
        self._thread: _Thread | _AtOnce = _AtOnce()
        self._folder = Path()
        self.path = Path()

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """While the context is open, journals have no threads, and there is a folder."""
        place = _IN_MEMORY if _IN_MEMORY.is_dir() else None
        with (
            tempfile.TemporaryDirectory(prefix="simulation-", dir=place) as folder,
            mock.patch.object(journal_sqlite, "ThreadPoolExecutor", self._new_thread),
            mock.patch.object(journal_sqlite, "_SPACING_S", 0.0),
            mock.patch.object(journal_log, "_MOST", self._log_entries),
            mock.patch.object(journal_wal, "_PAGES", self._log_pages),
            mock.patch.object(journal_wal, "_ROOM", 10_000 * min(self._log_pages, 60)),
        ):
            self._folder = Path(folder)
            self._new_path()
            try:
                yield
            finally:
                for file in self.opened:
                    file.close()

    def _new_thread(self, *_args: object, **_rest: object) -> _Thread | _AtOnce:
        return self._thread

    def begin(self, fate: Fate, plan: LifePlan, clock: WallClock) -> SteppedJournal:
        """The journal of a new life."""
        journal = _InFile(self, fate, plan, clock)
        self._thread = journal.thread
        return journal

    async def rest(self, fate: Fate) -> None:
        """Waits until nobody writes any more."""
        thread = self._thread
        while isinstance(thread, _Thread) and thread.busy is not None and not fate.dead:
            await asyncio.wait((thread.busy, fate.died), return_when=asyncio.FIRST_COMPLETED)

    async def end(self, fate: Fate) -> None:
        """The life has ended: the model follows what the file says, and must say the same."""
        thread = self._thread
        assert isinstance(thread, _Thread)
        self._thread = _AtOnce()
        models = [self.model]
        if fate.dead:
            files, models = self._at_death(thread)
            self._new_path()
            _write(self.path, files)
        else:
            check(not thread.is_open, "the journal was left open")
            check(not thread.pending, "the journal was left with something to write")
        seen = await self._seen()
        for model in models:
            if seen == await self._view(model.twin()):
                if fate.dead and len(models) > 1:
                    fate.tell(LOST if model is self.model else KEPT)
                self.model = model
                return
        held = [await self._view(model.twin()) for model in models]
        check(False, f"the file holds {seen}, and should hold {' or '.join(map(str, held))}")

    def comparable(self, value: Any) -> Any:
        """An answer of the file or of the model, in a form that can be compared."""
        if isinstance(value, Deed):
            return value.error is not None or self.comparable(value.result)
        if isinstance(value, OpenBatch):
            keep = self._compare_times
            return value if keep else structs.replace(value, accepted_at=None, intended_at=None)
        if isinstance(value, Mapping):
            return dict(value)
        if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
            each = [self.comparable(one) for one in value]
            return sorted(each) if all(isinstance(one, str) for one in each) else each
        return value

    def _at_death(self, thread: _Thread) -> tuple[Files, list[Model]]:
        """What the dead process leaves, and what it may hold."""
        before, job = _read(self.path), thread.current
        outcome = self._rng.choice(["nothing", "all", "torn", "torn", "torn"])
        if job is None or outcome == "nothing":
            return before, [self.model]
        after_model = self.model.twin()
        paired: list[Files] = []
        try:
            with (
                mock.patch.object(JournalFile, "fold", _leave_it),
                mock.patch.object(Wal, "renew", _leave_it),
                self._watched(Wal, "_pair", paired),
            ):
                thread.carry_out(job, after_model)
        except JournalError:
            return before, [self.model]  # it would have come to nothing
        after = _read(self.path)
        if job.name in {_STEPS, "open"} and self._rng.random() < 0.5:
            # It is done, and it died afterwards, while it made room.
            return self._amid_upkeep(job.func.__self__, after), [after_model]  # type: ignore[attr-defined] # a method
        if outcome == "all":
            return after, [after_model]
        if job.name == _STEPS:
            files = torn_group(before, after, self._rng)
        elif job.name == "close":
            if paired and self._rng.random() < 0.5:
                return torn_group(before, paired[0], self._rng), [self.model, after_model]
            files = torn_closing(paired[0] if paired else before, after, self._rng)
        else:
            files = torn_opening(before, after, self._rng)
        return files, [self.model, after_model]

    def _amid_upkeep(self, owner: SqliteJournal | JournalFile, before: Files) -> Files:
        """What is left if it dies while steps move to the tables, or the log into the file."""
        file = owner._file if isinstance(owner, SqliteJournal) else owner
        if self._rng.random() < 0.3:
            file.fold()
            return torn_group(before, _read(self.path), self._rng)
        paired: list[Files] = []
        with self._watched(Wal, "_pair", paired):
            file.renew()
        if len(paired) < 2:
            return before
        named, begun = paired[-2:]
        carried = {**named, "": begun[""]}
        return self._rng.choice(
            [
                torn_group(before, named, self._rng),
                torn_closing(named, carried, self._rng),
                torn_group(carried, begun, self._rng),
            ]
        )

    @contextlib.contextmanager
    def _watched(self, owner: type, name: str, seen: list[Files]) -> Iterator[None]:
        """Adds the files as they are after each call of a method."""
        method = getattr(owner, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            result = method(*args, **kwargs)
            seen.append(_read(self.path))
            return result

        with mock.patch.object(owner, name, watched):
            yield

    async def _seen(self) -> Any:
        """What a copy of the file holds."""
        copy = self._folder / "copy" / _NAME
        shutil.rmtree(copy.parent, ignore_errors=True)
        copy.parent.mkdir()
        _write(copy, _read(self.path))
        return await self._view(SqliteJournal(copy, self._clock))

    async def _view(self, journal: Journal) -> Any:
        await journal.open(self._types)
        view = (
            await journal.open_batches(),
            await journal.lookup(self._keys),
            await journal.unsettled_people(),
            await journal.summary(),
            await journal.load_usage(),
        )
        await journal.close()
        return [self.comparable(part) for part in view]

    def _new_path(self) -> None:
        self._lives += 1
        self.path = self._folder / str(self._lives) / _NAME
        self.path.parent.mkdir()


def _leave_it(_: object) -> None:
    """Does nothing, later if ever."""


def _read(path: Path) -> Files:
    files: Files = {}
    for ending in ("", LOG):
        with contextlib.suppress(FileNotFoundError):
            files[ending] = path.with_name(path.name + ending).read_bytes()
    return files


def _write(path: Path, files: Files) -> None:
    for ending, content in files.items():
        path.with_name(path.name + ending).write_bytes(content)
