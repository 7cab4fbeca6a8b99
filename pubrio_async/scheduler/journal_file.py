"""The file behind `SqliteJournal`: held by one process at a time, written in whole steps.

Everything here blocks and belongs to one thread. What makes the promises of the journal true:

- WAL with `synchronous=FULL`: when a commit returns, the step is on the disk.
- An exclusive lock for as long as the file is open. The system takes it back when the process
  dies, however it dies, so there is nothing to clean up by hand.
- The file is made readable for its owner alone: it holds what was bought, which is personal data.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pubrio_async._errors import JournalError
from pubrio_async.scheduler import journal_rows as rows
from pubrio_async.scheduler import journal_schema as schema
from pubrio_async.scheduler.journal_tables import Tables, one
from pubrio_async.scheduler.journal_troubles import (
    CANNOT_OPEN,
    DAMAGED,
    LOG_ALONE,
    NOT_OPEN,
    explain,
    is_full,
)
from pubrio_async.scheduler.journal_wal import PAGE_SIZE, Wal

Step = Callable[[Tables], Any]
"""What is done with the tables; it is committed together with others."""


class JournalFile:
    """A journal file; `open` comes first.

    Args:
        path: The file.
        name: What errors call it; None for its path.
        is_durable: Whether a commit waits until it is on the disk.

    Attributes:
        format: The format it was found in when it was opened.
    """

    format: int
    _connection: sqlite3.Connection
    _db: Tables
    _inode: tuple[int, int] | None

    def __init__(self, path: str, name: str | None = None, *, is_durable: bool = True) -> None:
        self._is_durable = is_durable
        self._name = path if name is None else name
        # The working directory may change while the file is in use.
        self._file = Path(path).absolute()
        self._location = str(self._file)
        self._broken: str | None = NOT_OPEN
        self._wal = Wal(self._file, is_durable=is_durable)

    def error(self, trouble: str) -> JournalError:
        """An error that names the file."""
        return JournalError(f"cannot use the journal {self._name}: {trouble}")

    def check(self) -> None:
        """Raises `JournalError` if there is no such file; opens nothing."""
        if self._file.is_dir():
            raise self.error("it is a folder; name a file")
        if not self._file.is_file():
            raise self.error("there is no such file, or it is not a regular one; check the path")

    def open(self, contact_types: Sequence[str], origin: str | None, now: float) -> bool:
        """Opens the file, and makes it if it is missing. An older format is brought to the newest.

        Args:
            contact_types: What the run asks for; empty to open an existing journal as it is.
            origin: Which API it asks; None to open an existing journal whichever it is.
            now: Unix time.

        Returns:
            True if no batch was ever written into it.

        Raises:
            JournalError: It cannot be used; the message says why and what to do.
        """
        if self._wal.is_alone():
            raise self.error(LOG_ALONE)
        self._make(may_create=bool(contact_types))
        if trouble := self._wal.look():
            raise self.error(trouble)
        _in_use[self] = self._seen_inode()
        try:
            self._connection = sqlite3.connect(
                self._file.as_uri() + "?mode=rw",
                uri=True,
                timeout=0,
                isolation_level=None,
            )
            self._db = Tables(self._connection)
            with contextlib.ExitStack() as stack:
                stack.callback(self.close)
                self._prepare(contact_types, origin, now)
                self._wal.open(self._connection)
                self._inode = self._seen_inode()
                stack.pop_all()
            self._broken = None
        except sqlite3.Error as error:
            _in_use.pop(self, None)
            raise self.error(explain(error)) from error
        except OSError as error:  # no more files can be opened
            raise self.error(CANNOT_OPEN) from error
        except msgspec.MsgspecError as error:
            raise self.error(_unreadable(error)) from error
        except (TypeError, ValueError, LookupError) as error:
            # SQLite takes any value for any column; older formats are read before the seals are.
            raise self.error(DAMAGED) from error
        return not (self._db.last_end or self._db.open)

    def close(self) -> None:
        """Lets go of the file."""
        # SQLite folds the log beside the file into it. If it cannot, the log is read next time.
        # It may never have been opened, if nobody was left to be told so.
        with contextlib.suppress(sqlite3.Error, AttributeError):
            self._wal.close(self._connection)
        self._broken = NOT_OPEN
        _in_use.pop(self, None)

    def fold(self) -> None:
        """Moves to the tables what is in the log; what cannot be moved stays where it is."""
        self._aside(self._db.fold)

    def renew(self) -> None:
        """Carries SQLite's own log over into the file; what cannot be carried over stays in it."""
        self._aside(self._wal.renew)

    def _aside(self, work: Callable[[], None]) -> None:
        if self._broken is not None:
            return
        try:
            self._wal.begin()
            work()
        except sqlite3.Error as error:
            if not is_full(error):
                self._broken = explain(error)
            self._undo()

    def is_in_use_here(self) -> bool:
        """True while a journal of this process holds the file open."""
        return self._seen_inode() in tuple(_in_use.values())

    def carry_out(self, steps: Sequence[Step]) -> list[Any]:
        """Carries out steps in one transaction.

        Returns:
            For each step what it returned, or the `JournalError` that ended it.
        """
        if self._broken is None and self._seen_inode() != self._inode:
            self._broken = "it was moved or deleted while in use; put it back, then run again"
        if self._broken is not None:
            return [self.error(self._broken) for _ in steps]
        try:
            outcomes = self._transact(steps)
        except sqlite3.Error as error:
            trouble = explain(error)
            # After a failed write nobody knows what is on the disk, and the next one may seem to
            # succeed without it. A full disk is different: it was noticed before the write.
            if not is_full(error):
                self._broken = trouble
            return [self.error(trouble) for _ in steps]
        if self._db.is_long:
            self.fold()
        if self._wal.is_long():
            self.renew()
        return outcomes

    def _transact(self, steps: Sequence[Step]) -> list[Any]:
        db = self._db
        outcomes: list[Any] = []
        asked = db.writes
        nameless = self._begin_log()
        try:
            for step in steps:
                before = db.writes
                try:
                    outcomes.append(step(db))
                    continue
                except JournalError as error:
                    outcomes.append(self.error(str(error)))
                except msgspec.MsgspecError as error:
                    outcomes.append(self.error(_unreadable(error)))
                # Steps fail before they change anything; should one not, nothing of it stays.
                _check(db.writes == before, outcomes[-1])
            db.tidy()
            try:
                if nameless is not None:
                    raise nameless
                db.commit()
            except sqlite3.Error as error:
                if db.writes != asked:
                    raise
                # They have only read; what failed to move to the tables is in the log still.
                self._broken = None if is_full(error) else explain(error)
                self._undo()
        except (OverflowError, UnicodeError) as error:
            # A value that SQLite does not take shows only when it is written.
            self._undo()
            if len(steps) == 1:
                return [self.error(_unreadable(error))]
            return [outcome for step in steps for outcome in self.carry_out([step])]
        except BaseException:
            self._undo()
            raise
        return outcomes

    def _begin_log(self) -> sqlite3.Error | None:
        try:
            self._wal.begin()
        except sqlite3.Error as error:
            self._undo()
            return error
        return None

    def _undo(self) -> None:
        try:
            self._db.rollback()
            # A commit that failed may have been carried out all the same: the file tells.
            self._wal.load()
            self._db.read_log()
            self._db.load()
        except sqlite3.Error as error:
            self._broken = explain(error)
        except msgspec.MsgspecError as error:
            self._broken = _unreadable(error)

    # -- opening -------------------------------------------------------------------------

    def _make(self, *, may_create: bool) -> None:
        try:
            if may_create:
                # SQLite would make it readable for everybody. A file that exists is not touched:
                # closing it again would drop the locks this process may hold on it.
                os.close(os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
                return
        except FileExistsError:
            pass
        except FileNotFoundError as error:
            raise self.error("its folder does not exist; make it first") from error
        except (OSError, ValueError) as error:
            raise self.error(f"it cannot be made ({error}); use another path") from error
        self.check()

    def _prepare(self, contact_types: Sequence[str], origin: str | None, now: float) -> None:
        db, run = self._db, self._db.execute
        run("PRAGMA locking_mode = EXCLUSIVE")
        run(f"PRAGMA page_size = {PAGE_SIZE}")  # of a new file; others keep theirs
        application_id = one(db, "PRAGMA application_id")
        version = self.format = one(db, "PRAGMA user_version")
        is_new = not (application_id or version or one(db, "PRAGMA schema_version"))
        if is_new and not contact_types:
            raise self.error("it is empty; check the path")
        if not is_new and application_id != schema.APPLICATION_ID:
            raise self.error(
                "it is the database of another program, and was left as it is; check the path"
            )
        if not is_new and not 1 <= version <= schema.FORMAT:
            raise self.error(
                f"its format is {version}, and this version of pubrio-async knows those up to "
                f"{schema.FORMAT} only; use the version that wrote it, or a newer one"
            )
        run(f"PRAGMA synchronous = {'FULL' if self._is_durable else 'OFF'}")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA wal_autocheckpoint = 0")  # `Wal` sees to that
        # Also takes the lock, and finds out whether the file can be written at all.
        run("BEGIN EXCLUSIVE")
        if trouble := self._wal.check(self._connection):
            raise self.error(trouble)
        if is_new:
            schema.create(self._connection)
            rows.begin(db, contact_types, origin, now)
        elif one(db, "PRAGMA quick_check(1)") != "ok":
            raise self.error(DAMAGED)
        try:
            rows.check_types(db, contact_types)
            rows.check_origin(db, origin)
        except JournalError as error:
            raise self.error(str(error)) from None
        if not is_new:
            schema.migrate(self._connection, version)
            if not rows.are_sealed(db):
                raise self.error(DAMAGED)
        db.load()
        db.commit()

    def _seen_inode(self) -> tuple[int, int] | None:
        try:
            seen = os.stat(self._location)
        except OSError:
            return None
        return seen.st_dev, seen.st_ino


# The files in use, by device and inode: who opens one of them in this process and closes it again
# drops the lock on it.
_in_use: dict[JournalFile, tuple[int, int] | None] = {}


class _HalfDoneError(Exception):
    """A step failed after it had changed something."""


def _check(is_whole: bool, error: JournalError) -> None:
    if not is_whole:
        raise _HalfDoneError from error


def _unreadable(error: Exception) -> str:
    # Only its kind: the text could show personal data.
    return f"a value cannot be stored or read ({type(error).__name__})"
