"""The log that SQLite keeps beside the file of a journal (`-wal`), and whether it belongs to it.

What was written last stands in that log alone, until it is long and all of it is carried over into
the file. A killed run leaves both. SQLite takes any log it finds beside a file for the log of that
file, and makes one of the two, of pages of each. So each log has a name of its own, and both tell
in the table `pairing` what they go with:

- The first thing in a log is a name (`log`), and the name that the file itself has by then
  (`before`). Before it is carried over it gets another name, which then is that of the file. As
  that happens page by page, the file by itself has either of the two names that the log tells; a
  file that has neither is another one, older or newer.
- A file that was left by a killed run also tells that there is a log (`has_log`). That is told by
  the file alone: whoever reads both is told that there is none. So nothing is missing once SQLite
  has folded the log in and deleted it, whoever lets it do so; but for a run that was killed while
  the log was carried over: then both tell that there is one.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from pubrio_async.scheduler.journal_schema import FORMAT, NO_LOG
from pubrio_async.scheduler.journal_troubles import (
    DAMAGED,
    LOG_FOREIGN,
    LOG_MISSING,
    explain,
    name_of,
)

# The results of a batch are some 10 KB: twice the usual size saves a third of what a step costs.
PAGE_SIZE = 8_192
# It is carried over when it is so long; and how many bytes that is.
_PAGES = 250
_HEADER = 32
_PAGE_HEADER = 24
_ROOM = _HEADER + _PAGES * (_PAGE_HEADER + PAGE_SIZE)
_SPARE_ROOMS = 50
# Two random numbers, in the header and again before each page: those of an earlier round differ.
_ROUND_AT, _ROUND_AT_OF_PAGE, _ROUND_SIZE = 16, 8, 8

_PAIRING = "SELECT log, before, has_log FROM pairing"
_NO_TABLE = "no such table"
_PAIR = "UPDATE pairing SET log = ?, before = ?, has_log = ?"
# Written again for the sake of the page it stands on, the first one, which tells where the tables
# are: with it in each log, `pairing` is looked for where the log has it.
_FIRST_PAGE = f"PRAGMA user_version = {FORMAT}"


class _Pairing(NamedTuple):
    log: bytes = NO_LOG
    before: bytes = NO_LOG
    has_log: int = 0

    def is_one(self) -> bool:
        """Whether it is any: its page may still be as it was before there was one on it."""
        names = (self.log, self.before)
        return all(type(name) is bytes and len(name) == len(NO_LOG) for name in names)


class Wal:
    """The log beside a file.

    Args:
        file: The file.
        is_durable: Whether commits wait until they are on the disk.
    """

    _connection: sqlite3.Connection
    _content: FileIO
    _page_size: int
    _in_file: bytes  # the name the file has by itself
    _is_halfway: bool  # whether that may be the name of the log by now
    _both: _Pairing  # what the log and the file tell

    def __init__(self, file: Path, *, is_durable: bool) -> None:
        self._file = file
        self._is_durable = is_durable
        self._is_open, self._is_missing = False, True

    @property
    def path(self) -> str:
        """Where it is: beside the file itself, not beside a link to it."""
        return os.path.realpath(self._file) + "-wal"

    @property
    def _shared(self) -> Path:
        """What SQLite makes beside them if somebody reads both without locking the others out."""
        return Path(os.path.realpath(self._file) + "-shm")

    # -- before the file is opened: nothing is changed -------------------------------------

    def is_alone(self) -> bool:
        """Whether its file is missing: SQLite would throw it away."""
        try:
            # Whoever makes a journal writes its file first. SQLite takes one byte for none.
            return bool(self._beginning()) and os.stat(self._file).st_size <= 1
        except FileNotFoundError:
            return True
        except OSError:
            return False  # which is told by whoever opens it

    def look(self) -> str | None:
        """Why the file cannot be used with what is beside it: SQLite would make one of the two."""
        beginning = self._beginning()
        # Whoever makes an empty one says that it may be missing.
        self._is_missing = beginning is None
        if not beginning:
            return None
        is_ours = not self._shared.exists()
        try:
            with self._connect("mode=ro") as db:
                return self._compare(db)
        except sqlite3.Error as error:
            is_corrupt = name_of(error).startswith("SQLITE_CORRUPT")
            return LOG_FOREIGN if is_corrupt and self._alone() is not None else explain(error)
        finally:
            if is_ours:
                self._shared.unlink(missing_ok=True)

    def _compare(self, db: sqlite3.Connection) -> str | None:
        both = _pairing(db)  # from here on nobody else writes the file
        alone = self._alone()
        if not _are_paired(alone, both):
            return LOG_FOREIGN
        # A file that cannot be read may be anything: once it is opened, it gets what is in the log.
        if alone is None and db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            return DAMAGED
        return None

    def _beginning(self) -> bytes | None:
        """How it begins, which is empty if it is; None if there is none."""
        try:
            with FileIO(self.path) as log:
                return log.read(_HEADER)
        except (OSError, ValueError):
            return None  # what else may be the matter is told by whoever opens it

    def _alone(self) -> _Pairing | None:
        """What the file says by itself; None if a write of it was cut off in the middle."""
        try:
            with self._connect("mode=ro&immutable=1") as db:
                alone = _pairing(db)
        except sqlite3.Error:
            return None
        return alone if alone.is_one() else None

    def _connect(self, how: str) -> contextlib.closing[sqlite3.Connection]:
        uri = f"{self._file.as_uri()}?{how}"
        return contextlib.closing(sqlite3.connect(uri, uri=True, timeout=0))

    # -- while it is open -------------------------------------------------------------------

    def check(self, connection: sqlite3.Connection) -> str | None:
        """Why the file cannot be used, now that it is open and locked."""
        alone, both = self._alone(), _pairing(connection)
        if not _are_paired(alone, both):
            return LOG_FOREIGN
        # What a killed run carried over need not be on the disk, whatever can be read of it.
        self._in_file, self._is_halfway = both.before, True
        self._is_missing = self._is_missing and bool(both.has_log)
        return LOG_MISSING if self._is_missing else None

    def open(self, connection: sqlite3.Connection) -> None:
        """Begins a log of its own for whoever has opened the file."""
        self._connection, self._both = connection, _pairing(connection)
        (self._page_size,) = connection.execute("PRAGMA page_size").fetchone()
        self._content = FileIO(self.path)
        self._is_open = True
        with contextlib.suppress(OSError):  # nobody else has it, as the file is locked
            self._shared.unlink(missing_ok=True)
        self._carry_over()
        self.renew()
        if self._is_durable:
            _reserve(self.path)

    def load(self) -> None:
        """Reads what it tells, which may have changed though the write failed."""
        if self._is_open:
            self._both = _pairing(self._connection)

    def is_long(self) -> bool:
        """Whether it is time to carry it over."""
        last = _HEADER + (_PAGES - 1) * (_PAGE_HEADER + self._page_size)
        return self._round(_ROUND_AT) == self._round(last + _ROUND_AT_OF_PAGE)

    def begin(self) -> None:
        """Sees to it that its name is the first thing in it."""
        if self._both.log == self._in_file:
            self._pair(has_log=False)

    def renew(self) -> None:
        """Carries it over into the file, and begins it anew."""
        self._pair(has_log=True)
        self._is_halfway = True
        self._carry_over()
        self._pair(has_log=False)

    def close(self, connection: sqlite3.Connection) -> None:
        """Closes the connection, which folds it into the file and deletes it."""
        if self._is_open:
            self._is_open = False
            self._content.close()
            with contextlib.suppress(sqlite3.Error):  # the last name stays
                self._pair(has_log=False)
        connection.close()
        if not self._is_missing and self._beginning() is None:
            alone = self._alone()
            if alone is not None and alone.has_log:
                # What was cut off, or failed, in the middle of `renew` is all in the file by now.
                with contextlib.suppress(OSError):
                    os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600))

    def _pair(self, *, has_log: bool) -> None:
        name = self._both.log if self._is_halfway else secrets.token_bytes(len(NO_LOG))
        run = self._connection.execute
        both = _Pairing(name, self._in_file, int(has_log))
        run("BEGIN")
        run(_PAIR, both)
        run(_FIRST_PAGE)
        run("COMMIT")
        self._both = both

    def _carry_over(self) -> None:
        with contextlib.suppress(sqlite3.Error):  # it grows until there is room for that
            busy, pages, carried = self._connection.execute("PRAGMA wal_checkpoint").fetchone()
            if not busy and pages == carried:
                self._in_file, self._is_halfway = self._both.log, False

    def _round(self, at: int) -> bytes:
        self._content.seek(at)
        return self._content.read(_ROUND_SIZE)


def _pairing(connection: sqlite3.Connection) -> _Pairing:
    try:
        row: tuple[bytes, bytes, int] | None = connection.execute(_PAIRING).fetchone()
    except sqlite3.OperationalError as error:
        if _NO_TABLE in str(error):  # of an older format, or new
            return _Pairing()
        raise
    return _Pairing(b"", b"") if row is None else _Pairing(*row)


def _are_paired(alone: _Pairing | None, both: _Pairing) -> bool:
    return alone is None or alone.log in {both.log, both.before}


def _reserve(log: str) -> None:
    """Makes the log as long as it mostly gets; nothing depends on it.

    Waiting for the disk costs half as much where a file does not grow. SQLite reads the log as far
    as its frames are whole and of its present round, which zeros are not, and writes over them.
    """
    with contextlib.suppress(OSError, AttributeError):  # no room, or no POSIX
        disk = os.statvfs(log)
        if disk.f_bavail * disk.f_frsize < _SPARE_ROOMS * _ROOM:
            return
        file = os.open(log, os.O_WRONLY)
        try:
            size = os.fstat(file).st_size
            try:
                os.pwrite(file, bytes(max(0, _ROOM - size)), size)
                os.fsync(file)
            except OSError:
                os.ftruncate(file, size)
        finally:
            os.close(file)
