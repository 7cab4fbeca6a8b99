"""What tells a run against the stand-in from one against the API: its key, and its journal.

The stand-in itself is in `_demo`; loading it takes a sixth of the time a command takes to start.
"""

from __future__ import annotations

import os

from pubrio_async.scheduler.journal_sqlite import SqliteJournal

DEMO_KEY = "sandbox"
DEMO_ORIGIN = "the sandbox"
"""What journals of runs against the stand-in give as the place their contacts come from."""


def demo_journal(path: str | None) -> SqliteJournal | None:
    """The journal of a run against the stand-in, which no run against the API will take."""
    return None if path is None else SqliteJournal(path, origin=DEMO_ORIGIN)


def journal_exists(path: str) -> bool:
    """Whether a journal is there, which opening it would make."""
    return os.path.exists(path)
