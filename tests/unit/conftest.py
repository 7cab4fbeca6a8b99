"""What the tests of the journals are given."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pubrio_async.scheduler.journal import Journal
from pubrio_async.scheduler.journal_memory import MemoryJournal
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from tests.unit.journals import TYPES, Moving


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal may be; there is nothing yet."""
    return tmp_path / "run.journal"


@pytest.fixture
def clock() -> Moving:
    """The clock of `journal`."""
    return Moving()


@pytest.fixture(params=["memory", "sqlite"])
async def journal(
    request: pytest.FixtureRequest, path: Path, clock: Moving
) -> AsyncIterator[Journal]:
    """An open journal of each kind."""
    made: Journal = (
        MemoryJournal(clock) if request.param == "memory" else SqliteJournal(path, clock)
    )
    await made.open(TYPES)
    yield made
    await made.close()
