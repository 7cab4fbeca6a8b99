"""What may be the matter with the file of a journal, as told to people: why, and what to do."""

from __future__ import annotations

import sqlite3

NOT_OPEN = "it is not open"
CANNOT_OPEN = "it cannot be opened; check the permissions of the file and its folder"
DAMAGED = (
    "it is damaged; move it away, and a file of the same name with -wal after it, then put a copy "
    "back, or go on without one, knowing that the people in it would then be paid for again"
)
LOG_ALONE = (
    "it is not there, and the file that belongs to it is, of the same name with -wal after it: a "
    "run that was killed left both. Put the journal back beside it; or move that one away, too, "
    "knowing that the people in them would then be paid for again"
)
LOG_MISSING = (
    "the run that wrote it last was killed, and the file that it left beside it, of the same name "
    "with -wal after it, is not there, and with it what was written last. Put that one back; or "
    "make an empty file of that name, knowing that some people may then be paid for again"
)
LOG_FOREIGN = (
    "the file beside it, of the same name with -wal after it, was left by a run that wrote another "
    "journal, or this one at another time; both were left as they are. Put back what was there "
    "when that run was killed; or move that file away, knowing that the people in it would then "
    "be paid for again"
)
_IN_USE = (
    "it is in use, by another process or by another run of this one; wait until that has ended, "
    "or use another journal"
)
_NO_ROOM = (
    "the disk is full, or the file as large as a file may be here; make room and run again, what "
    "it holds already is safe"
)
_NOT_WRITTEN = (
    "the disk fails to read or write it, or the file is as large as a file may be here (a quota, "
    "`ulimit -f`, the file system); see to that, then run again"
)
_TROUBLES = (
    ("SQLITE_BUSY", _IN_USE),
    ("SQLITE_NOTADB", "it is not a journal, and was left as it is; check the path"),
    ("SQLITE_CORRUPT", DAMAGED),
    ("SQLITE_FULL", _NO_ROOM),
    ("SQLITE_READONLY", "it cannot be written; check the permissions of the file and its folder"),
    ("SQLITE_CANTOPEN", CANNOT_OPEN),
    (
        "SQLITE_IOERR_LOCK",
        "it cannot be locked; check the permissions of the file, and that its disk is a local one",
    ),
    ("SQLITE_IOERR_WRITE", _NOT_WRITTEN),
    ("SQLITE_IOERR_SHMSIZE", _NO_ROOM),  # for what SQLite makes beside a log to read it
    ("SQLITE_IOERR", "the disk fails to read or write it; see to the disk, then run again"),
)


def name_of(error: sqlite3.Error) -> str:
    """What SQLite calls an error; errors of the Python module itself have no name."""
    return getattr(error, "sqlite_errorname", "")


def is_full(error: sqlite3.Error) -> bool:
    """Whether there was no room."""
    return name_of(error).startswith("SQLITE_FULL")


def explain(error: sqlite3.Error) -> str:
    """What is the matter, and what to do."""
    name = name_of(error)
    for prefix, trouble in _TROUBLES:
        if name.startswith(prefix):
            return trouble
    return f"{error} ({name or type(error).__name__})"
