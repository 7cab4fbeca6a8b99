"""What the tests of the journals share."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from pubrio_async._clock import Clock
from pubrio_async.models import Contact, ContactStatus, ContactType, RedeemJob
from pubrio_async.scheduler import journal_sqlite
from pubrio_async.scheduler.journal import Batch, JournalSummary, Settled
from pubrio_async.scheduler.journal_sqlite import SqliteJournal

TYPES = ("email-work", "phone")
ADA = "0d4b3a60-1111-4c5e-9b1d-000000000001"
BOB = "0d4b3a60-1111-4c5e-9b1d-000000000002"
EVE = "https://www.linkedin.com/in/eve"
JOB = RedeemJob("job-1", estimated_time=4, estimated_time_type="second")
MAIL = Contact("ada@example.com", ContactType.EMAIL_WORK, ContactStatus.VERIFIED)
PHONE = Contact("+1 555 0100", ContactType.PHONE)
FOUND = Settled(
    "found", people_search_id=ADA, emails=(MAIL,), phones=(PHONE,), redeem_query_id="job-1"
)
EMPTY = Settled("empty", people_search_id=BOB, redeem_query_id="job-1")
REJECTED = Settled("rejected", error="400: unknown person")


class Stopped:
    """A clock that stands still."""

    def now(self) -> float:
        return 0.0

    def wall(self) -> float:
        return 1_750_000_000.5


class Moving:
    """A clock that moves when it is told to."""

    time = 1_750_000_000.5

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return self.time


def batch(batch_id: str, *keys: str) -> Batch:
    return Batch(batch_id, "batch" if len(keys) > 1 else "single", keys)


@contextlib.asynccontextmanager
async def opened(
    path: Path, types: Sequence[str] = TYPES, clock: Clock | None = None
) -> AsyncIterator[SqliteJournal]:
    journal = SqliteJournal(path, clock or Stopped())
    await journal.open(types)
    try:
        yield journal
    finally:
        await journal.close()


def seen(path: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Everything about the files of a journal, which are alone in their folder."""
    return {
        file.name: (state.st_ino, state.st_mtime_ns, state.st_mode, file.read_bytes())
        for file in sorted(path.parent.iterdir())
        for state in [file.stat()]
    }


def figures(**numbers: int) -> JournalSummary:
    return JournalSummary(contact_types=TYPES, **numbers)


def no_thread_is_left() -> None:
    """Its last job is done: it may need a moment to end, and nothing else."""
    for thread in threading.enumerate():
        if "journal" in thread.name:
            thread.join(30)
            assert not thread.is_alive()


def found(key: str) -> Settled:
    return Settled("found", key, (Contact(f"{key}@example.com"),))


def thick_and_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if so many steps had come that the next wait for others; for ever, if nobody hurries."""
    monkeypatch.setattr(journal_sqlite, "_SPACING_S", 3_600.0)
    monkeypatch.setattr(journal_sqlite, "_PAUSE_S", 3_600.0)
    monkeypatch.setattr(journal_sqlite, "_FEW", 0)
