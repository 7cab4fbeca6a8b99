"""What a journal holds, read without disturbing a run that is using it.

A run keeps its journal locked, so it cannot be opened as it is. Its two files are copied instead,
the database first and then the log beside it (`-wal`), and the copy is opened. What makes the copy
whole:

- While a run lasts, the log is only appended to, until all of it has been carried over into the
  database; then it begins anew, with another header. So if the header is the same before and
  after, every page that was carried over meanwhile stands in the copied log too, and the log
  overrules the database. A step that was being written is cut off at its end.
- Without a log nobody is writing, or the database does not look the same before and after.

Otherwise the copy is made again. Nothing is made, locked or changed beside the journal.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import struct
import sys
import tempfile
from pathlib import Path

from msgspec import Struct

from pubrio_async._errors import JournalError
from pubrio_async.models.redeem import Number
from pubrio_async.scheduler import journal_figures as figures
from pubrio_async.scheduler.journal_file import JournalFile
from pubrio_async.scheduler.journal_tables import Tables, one
from pubrio_async.scheduler.journal_troubles import CANNOT_OPEN

if sys.platform != "win32":
    import fcntl

_ATTEMPTS = 10
_REASONS = 10
_MOMENTS = (
    "SELECT MAX(created_at) FROM open",
    "SELECT MAX(accepted_at) FROM open",
    "SELECT MAX(ended_at) FROM batches",
)
_HEADER_SIZE = 32  # of the log; two random numbers in it change whenever it begins anew
_LOCKS = (0x40000000, 512)  # where in the file SQLite sets its locks, and how many bytes long


class JournalStatus(Struct, frozen=True, kw_only=True):
    """What a journal holds. People are counted once, whatever was asked about them.

    Attributes:
        path: The file.
        in_use: True while another process is using it; None where the system does not tell.
        format: The layout of the file; older ones are brought to the newest by the next run.
        origin: Which API it was bought at; None if that was not written down.
        contact_types: What was asked for.
        created_at: Unix time.
        updated_at: Unix time of the last thing written.
        people: All it knows of.
        found: At least one contact came back.
        empty: Nothing was found.
        rejected: Malformed, or refused by the API.
        pending: Their job was accepted and not fetched yet.
        unsettled: Perhaps charged, and the answer is lost; while the journal is in use, also
            those whose request is under way.
        open_jobs: Batches without an end.
        batches: How many batches ended how: `settled`, `withdrawn`, `unsettled`, or still `open`.
        credits_charged: As the API reported it.
        reasons: Why people are unsettled, and how many for that reason; the ten most frequent.
    """

    path: str
    in_use: bool | None
    format: int
    origin: str | None
    contact_types: tuple[str, ...]
    created_at: float
    updated_at: float
    people: int
    found: int
    empty: int
    rejected: int
    pending: int
    unsettled: int
    open_jobs: int
    batches: dict[str, int]
    credits_charged: Number
    reasons: dict[str, int]


def read_status(path: str | os.PathLike[str]) -> JournalStatus:
    """Reads what a journal holds, also while another process is using it.

    This blocks, and needs room for a copy of the journal among the temporary files; only its owner
    can read the copy, which is removed at the end. A journal that this very process is using is
    refused, and none may be opened here until this has returned: closing a file drops all locks a
    process has on it, and the run would go on without.

    Args:
        path: The file.

    Raises:
        JournalError: It cannot be read; the message says why and what to do.
    """
    original = JournalFile(os.fspath(path))
    original.check()
    if original.is_in_use_here():
        raise original.error("this very process is using it; wait until that run has ended")
    try:
        with tempfile.TemporaryDirectory(prefix="pubrio-journal-") as folder:
            copy = Path(folder) / "copy"
            # SQLite keeps the log where the file itself is, not where a link to it is.
            in_use = _copy_whole(original, Path(path).resolve(), copy)
            # Nobody needs the copy for longer than this: nothing is to wait for its disk.
            opened = JournalFile(str(copy), os.fspath(path), is_durable=False)
            return _read(os.fspath(path), in_use, opened)
    except PermissionError as error:
        raise original.error(CANNOT_OPEN) from error
    except OSError as error:
        raise original.error(
            f"it cannot be copied to be read ({error.strerror}); see to its disk, and to the room "
            f"in {tempfile.gettempdir()}"
        ) from error


# -- the copy --------------------------------------------------------------------------------


def _copy_whole(original: JournalFile, path: Path, copy: Path) -> bool | None:
    """Copies a journal; returns whether it is in use."""
    for _ in range(_ATTEMPTS):
        before = _generation(path)
        in_use = _copy(path, copy)
        log = _log_of(copy)
        log.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            _copy(_log_of(path), log)
        if _generation(path) == before:
            return in_use
    raise original.error("it is being written too fast to be read just now; try again")


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _generation(path: Path) -> tuple[object, ...]:
    """What stays the same for as long as the log is only appended to."""
    state = path.stat()
    file = (state.st_dev, state.st_ino)
    with contextlib.suppress(FileNotFoundError), _log_of(path).open("rb") as log:
        if header := log.read(_HEADER_SIZE):
            return (*file, header)
    return (*file, state.st_size, state.st_mtime_ns)


def _copy(source: Path, target: Path) -> bool | None:
    """Copies a file for the eyes of its owner; returns whether the file is locked."""
    with source.open("rb") as read, open(target, "wb", opener=_private) as written:
        shutil.copyfileobj(read, written, 1 << 20)
        return _is_locked(read.fileno())


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _is_locked(file: int) -> bool | None:
    """Asks whether another process has locked the database, without locking it even for a moment.

    The answer comes in a C structure, which each system lays out in its own way.
    """
    start, length = _LOCKS
    if sys.platform == "linux" and sys.maxsize > 2**32:
        layout = "hhqqi4x"  # type, whence, start, length, process
        asked = struct.pack(layout, fcntl.F_RDLCK, os.SEEK_SET, start, length, 0)
        kind = struct.unpack(layout, fcntl.fcntl(file, fcntl.F_GETLK, asked))[0]
    elif sys.platform == "darwin":
        layout = "qqihh"  # start, length, process, type, whence
        asked = struct.pack(layout, start, length, 0, fcntl.F_RDLCK, os.SEEK_SET)
        kind = struct.unpack(layout, fcntl.fcntl(file, fcntl.F_GETLK, asked))[3]
    else:
        return None
    return bool(kind != fcntl.F_UNLCK)


# -- what it holds ---------------------------------------------------------------------------


def _read(path: str, in_use: bool | None, copy: JournalFile) -> JournalStatus:
    copy.open((), None, 0.0)
    with contextlib.closing(copy):
        (outcome,) = copy.carry_out([lambda db: _status(db, path, in_use, copy.format)])
    if isinstance(outcome, JournalError):
        raise outcome
    status: JournalStatus = outcome
    return status


def _status(db: Tables, path: str, in_use: bool | None, version: int) -> JournalStatus:
    found = figures.summary(db)
    ended = figures.count_states(db)
    created_at: float = one(db, "SELECT value FROM meta WHERE name = 'created_at'")
    last = (one(db, statement) for statement in _MOMENTS)
    return JournalStatus(
        path=path,
        in_use=in_use,
        format=version,
        origin=one(db, "SELECT value FROM meta WHERE name = 'origin'"),
        contact_types=found.contact_types,
        created_at=created_at,
        updated_at=max(created_at, *(moment or created_at for moment in last)),
        people=figures.count_people(db),
        found=found.found,
        empty=found.empty,
        rejected=found.rejected,
        pending=found.pending,
        unsettled=found.unsettled,
        open_jobs=found.open_jobs,
        batches={
            "settled": ended.get("settled", 0),
            "withdrawn": ended.get("withdrawn", 0),
            "unsettled": ended.get("unsettled", 0),
            "open": found.open_jobs,
        },
        credits_charged=found.credits_charged,
        reasons=dict(figures.count_reasons(db).most_common(_REASONS)),
    )
