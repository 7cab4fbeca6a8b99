"""Trouble with the file while it is open is told, and nothing is lost or written by half."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import uuid
from pathlib import Path
from typing import Any

import pytest

from pubrio_async import JournalError
from pubrio_async.scheduler.journal import OpenBatch
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from tests.unit.journals import (
    ADA,
    BOB,
    EVE,
    FOUND,
    JOB,
    TYPES,
    Stopped,
    batch,
    found,
    opened,
    thick_and_fast,
)


async def test_before_opening_and_after_closing_nothing_goes(path: Path) -> None:
    journal = SqliteJournal(path)
    await journal.close()
    with pytest.raises(JournalError, match="it is not open"):
        await journal.intend(batch("b1", ADA))
    await journal.open(TYPES)
    await journal.close()
    with pytest.raises(JournalError, match="it is not open"):
        await journal.intend(batch("b1", ADA))


async def test_a_full_disk_is_told_and_over_when_there_is_room(path: Path) -> None:
    keys = [str(uuid.UUID(int=number)) for number in range(1, 2_001)]
    async with opened(path) as journal:
        await journal.intend(batch("b1", *keys))
        limit = await journal._carry_out(
            lambda db: db.execute("PRAGMA max_page_count = 1").fetchone()[0]
        )
        outcomes = await asyncio.gather(
            journal.settle("b1", {key: found(key) for key in keys}, 5),
            journal.intend(batch("b2", ADA)),
            return_exceptions=True,
        )
        assert [type(outcome) for outcome in outcomes] == [JournalError, JournalError]
        assert "the disk is full, or the file as large as a file may be here; make room" in str(
            outcomes[0]
        )
        assert [entry.batch.batch_id for entry in await journal.open_batches()] == ["b1"]
        await journal._carry_out(
            lambda db: db.execute(f"PRAGMA max_page_count = {limit + 1_000}").fetchone()
        )
        await journal.settle("b1", {key: found(key) for key in keys}, 5)
        assert (await journal.summary()).found == 2_000


async def test_after_a_failed_write_nothing_more_is_written(path: Path) -> None:
    keys = [str(uuid.UUID(int=number)) for number in range(1, 5_001)]
    journal = SqliteJournal(path, Stopped())
    await journal.open(TYPES)
    await journal.intend(batch("b1", ADA))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(JournalError, match=r"as large as a file may be here \(a quota"):
            await journal.intend(batch("b2", *keys))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pytest.raises(JournalError, match="as large as a file may be here"):
        await journal.accepted("b1", JOB)
    await journal.close()
    async with opened(path) as again:
        assert list(await again.open_batches()) == [
            OpenBatch(batch("b1", ADA), None, None, 1_750_000_000.5)
        ]


class Untrue(sqlite3.Connection):
    """Says that the disk was full when it was not."""

    says: str | None = None

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        done = super().execute(sql, *values)
        if self.says is not None and sql.lstrip().startswith(self.says):
            Untrue.says = None
            error = sqlite3.OperationalError("planted")
            error.sqlite_errorname = "SQLITE_FULL"
            raise error
        return done


def be_untrue(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda *args, **rest: connect(*args, factory=Untrue, **rest)
    )


@pytest.mark.parametrize("says", ["BEGIN", "INSERT INTO log", "COMMIT"])
async def test_an_end_is_written_whole_or_not_at_all(
    path: Path, monkeypatch: pytest.MonkeyPatch, says: str
) -> None:
    """The batch is closed in the log, and its results are in the table, or neither."""
    be_untrue(monkeypatch)
    async with opened(path) as journal:
        await journal.intend(batch("b1", ADA))
        await journal.intend(batch("b2", BOB))
        monkeypatch.setattr(Untrue, "says", says)
        with pytest.raises(JournalError, match="the disk is full"):
            await journal.settle("b1", {ADA: FOUND}, 5)
        is_settled = says == "COMMIT"  # which was carried out, whatever it said
        open_batches = [entry.batch.batch_id for entry in await journal.open_batches()]
        assert open_batches == (["b2"] if is_settled else ["b1", "b2"])
        if not is_settled:
            assert await journal.lookup([ADA]) == {}
            await journal.settle("b1", {ADA: FOUND}, 5)
        assert await journal.lookup([ADA]) == {ADA: FOUND}
    async with opened(path) as journal:
        assert await journal.lookup([ADA, BOB]) == {ADA: FOUND}
        assert (await journal.summary()).credits_charged == 5


@pytest.mark.parametrize("says", ["COMMIT", "INSERT INTO log", "DELETE FROM log"])
async def test_what_was_written_though_it_seemed_to_fail_is_there_once(
    path: Path, monkeypatch: pytest.MonkeyPatch, says: str
) -> None:
    be_untrue(monkeypatch)
    async with opened(path) as journal:
        await journal.intend(batch("b1", ADA))
        await journal.accepted("b1", JOB)
        monkeypatch.setattr(Untrue, "says", says)
        is_step = says.startswith("INSERT")
        # Reading moves what is in the log to the tables, and is done when that is to be kept.
        if says == "COMMIT":
            assert await journal.load_usage() is None
        else:
            with pytest.raises(JournalError, match="the disk is full"):
                await (journal.intend(batch("b2", BOB)) if is_step else journal.load_usage())
        found = {entry.batch.batch_id: entry.job for entry in await journal.open_batches()}
        assert found == ({"b1": JOB, "b2": None} if is_step else {"b1": JOB})
        await journal.settle("b1", {ADA: FOUND}, 5)
        assert await journal.lookup([ADA]) == {ADA: FOUND}
    async with opened(path) as journal:
        assert await journal.lookup([ADA]) == {ADA: FOUND}
        assert (await journal.summary()).credits_charged == 5


async def test_a_file_that_is_moved_away_is_noticed(path: Path) -> None:
    journal = SqliteJournal(path)
    await journal.open(TYPES)
    await journal.intend(batch("b1", ADA))
    path.rename(path.with_name("elsewhere"))
    for _ in range(2):
        with pytest.raises(JournalError, match="it was moved or deleted"):
            await journal.accepted("b1", JOB)
    await journal.close()


async def test_another_working_directory_does_not_matter(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    journal = SqliteJournal(path.name)
    await journal.open(TYPES)
    monkeypatch.chdir("/")
    await journal.intend(batch("b1", ADA))
    await journal.close()
    assert path.exists()


async def test_what_cannot_be_stored_spoils_nothing_else(path: Path) -> None:
    async with opened(path) as journal:
        outcomes = await asyncio.gather(
            journal.intend(batch("b1", ADA)),
            journal.intend(batch("b2", "\ud800")),
            journal.intend(batch("b3", BOB)),
            return_exceptions=True,
        )
        assert [type(outcome) for outcome in outcomes] == [type(None), JournalError, type(None)]
        await journal.intend(batch("b2", EVE))
        with pytest.raises(JournalError, match="OverflowError"):
            await journal.settle("b1", {ADA: FOUND}, 2**70)
        assert [entry.batch.batch_id for entry in await journal.open_batches()] == [
            "b1",
            "b3",
            "b2",
        ]


async def test_an_error_that_sqlite_has_no_name_for_is_told_as_it_is(path: Path) -> None:
    journal = SqliteJournal(path)
    await journal.open(TYPES)
    with pytest.raises(JournalError, match=r"binding.*ProgrammingError"):
        await journal._carry_out(lambda db: db.execute("SELECT ?", ()))
    await journal.close()


async def test_a_mistake_of_ours_is_not_called_trouble_with_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    thick_and_fast(monkeypatch)
    async with opened(path) as journal:
        await journal.summary()  # so that the next group waits, and both are in it
        writing = asyncio.create_task(journal.intend(batch("b1", ADA)))
        await asyncio.sleep(0)
        with pytest.raises(ZeroDivisionError):
            await journal._carry_out(lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):  # its transaction is gone too, and it is told
            await writing
        again = asyncio.create_task(journal.intend(batch("b1", ADA)))
        await asyncio.sleep(0)
        assert len(await journal.open_batches()) == 1
        await again
