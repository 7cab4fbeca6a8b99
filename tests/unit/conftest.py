"""What the tests of the journals are given."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pubrio_async.scheduler.journal import Journal
from pubrio_async.scheduler.journal_memory import MemoryJournal
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from tests.unit.journals import TYPES, Moving


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal may be, alone in its folder; there is nothing yet."""
    (tmp_path / "here").mkdir()
    return tmp_path / "here" / "run.journal"


@pytest.fixture
def no_copy_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever is copied to be read is in a folder of its own, and gone in the end."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    assert list(folder.iterdir()) == []


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
