"""What a journal holds is told, and a file that tells nothing is refused."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

import pytest

from pubrio_async import JournalError
from pubrio_async.scheduler import journal_status
from pubrio_async.scheduler.journal_schema import FORMAT
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from pubrio_async.scheduler.journal_status import JournalStatus, read_status
from pubrio_async.scheduler.journal_values import seal
from tests.unit.journals import (
    ADA,
    BOB,
    EMPTY,
    EVE,
    FOUND,
    JOB,
    REJECTED,
    TYPES,
    Moving,
    batch,
    opened,
    seen,
)

pytestmark = pytest.mark.usefixtures("no_copy_is_left")

FORMAT_1 = Path(__file__).parents[1] / "data" / "journal_format_1.sql"


# -- what it tells ---------------------------------------------------------------------------


async def test_it_tells_what_the_journal_holds(path: Path) -> None:
    clock = Moving()
    start = clock.time
    journal = SqliteJournal(path, clock, origin="https://api.pubrio.com")
    await journal.open(TYPES)
    await journal.intend(batch("b1", ADA, BOB, EVE))
    await journal.accepted("b1", JOB)
    await journal.settle("b1", {ADA: FOUND, BOB: EMPTY, EVE: REJECTED}, 7.5)
    await journal.intend(batch("b2", "lost 1", "lost 2"))
    await journal.unsettle("b2", "the connection broke")
    await journal.intend(batch("b3", "free"))
    await journal.withdraw("b3")
    await journal.intend(batch("b4", "lost 3"))
    await journal.unsettle("b4", "the job was lost")
    await journal.intend(batch("b5", ADA, "new 1"))
    clock.time += 60
    await journal.accepted("b5", JOB)
    await journal.intend(batch("b6", "new 2", "new 3", "new 4"))
    await journal.close()
    before = seen(path)
    assert read_status(path) == JournalStatus(
        path=str(path),
        in_use=False,
        format=FORMAT,
        origin="https://api.pubrio.com",
        contact_types=TYPES,
        created_at=start,
        updated_at=start + 60,
        people=10,
        found=0,
        empty=1,
        rejected=1,
        pending=2,
        unsettled=6,
        open_jobs=2,
        batches={"settled": 1, "withdrawn": 1, "unsettled": 2, "open": 2},
        credits_charged=7.5,
        reasons={
            "no answer to their request was written down": 3,
            "the connection broke": 2,
            "the job was lost": 1,
        },
    )
    assert seen(path) == before


async def test_of_many_reasons_the_most_frequent_are_told(path: Path) -> None:
    async with opened(path) as journal:
        for number in range(12):
            people = [f"{number}-{one}" for one in range(number + 1)]
            await journal.intend(batch(f"b{number}", *people))
            await journal.unsettle(f"b{number}", f"reason {number}")
    status = read_status(path)
    assert list(status.reasons.items()) == [(f"reason {n}", n + 1) for n in range(11, 1, -1)]
    assert status.unsettled == 78


async def test_why_people_were_unsettled_is_known_while_they_are_looked_for_again(
    path: Path,
) -> None:
    async with opened(path) as journal:
        await journal.intend(batch("b1", "ada", "bob"))
        await journal.unsettle("b1", "the connection broke")
        await journal.reopen_unsettled()
    assert read_status(path).reasons == {"the connection broke": 2}


async def test_a_journal_without_any_batch(path: Path) -> None:
    async with opened(path):
        pass
    status = read_status(str(path))
    assert (status.people, status.batches["open"], status.reasons) == (0, 0, {})
    assert status.updated_at == status.created_at == Moving.time
    assert status.origin is None


def test_an_old_format_is_read_and_left_as_it_is(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(FORMAT_1.read_text())
    before = seen(path)
    status = read_status(path)
    assert seen(path) == before
    assert status.format == 1
    assert (status.found, status.empty, status.rejected) == (1, 2, 1)
    assert (status.pending, status.unsettled, status.people) == (2, 4, 10)
    assert status.reasons == {
        "the connection broke": 2,
        "no answer to their request was written down": 1,
        "the job was lost": 1,
    }
    assert status.updated_at == 1_750_000_009.5


# -- what is refused -------------------------------------------------------------------------


def refused(path: Path) -> str:
    with pytest.raises(JournalError) as caught:
        read_status(path)
    assert str(caught.value).startswith(f"cannot use the journal {path}: ")
    return str(caught.value)


def test_what_is_no_file_is_refused(path: Path) -> None:
    assert "there is no such file, or it is not a regular one" in refused(path)
    assert "it is a folder" in refused(path.parent)
    assert "there is no such file, or it is not a regular one" in refused(Path(os.devnull))
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "trouble"),
    [
        (b"", "it is empty"),
        (b"id\n" + ADA.encode(), "it is not a journal"),
        (b"x" * 5_000, "it is not"),
    ],
)
def test_a_file_of_another_kind_is_refused(path: Path, content: bytes, trouble: str) -> None:
    path.write_bytes(content)
    assert trouble in refused(path)
    assert path.read_bytes() == content
    assert os.listdir(path.parent) == [path.name]


def test_the_database_of_another_program_is_refused(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE customers (name)")
        db.commit()
    assert "the database of another program" in refused(path)


async def test_a_newer_format_is_refused(path: Path) -> None:
    async with opened(path):
        pass
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {FORMAT + 1}")
    assert f"its format is {FORMAT + 1}" in refused(path)


async def test_damage_is_found(path: Path) -> None:
    async with opened(path) as journal:
        await journal.intend(batch("b1", ADA))
    content = path.read_bytes()
    path.write_bytes(content[:4_096] + b"\xa5" * (len(content) - 4_096))
    assert "it is damaged" in refused(path)


async def test_damage_inside_a_value_is_told(path: Path) -> None:
    async with opened(path) as journal:
        await journal.intend(batch("b1", ADA))
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.create_function("seal", 2, seal)  # as if it had been written like that
        db.execute("UPDATE open SET keys = x'c1', seal = seal(x'c1', job)")
        db.commit()
    assert "a value cannot be stored or read" in refused(path)


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (PermissionError(13, "Permission denied"), "check the permissions of the file"),
        (OSError(28, "No space left on device"), "No space left on device.*room in"),
    ],
)
async def test_a_copy_that_fails_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, trouble: str
) -> None:
    async with opened(path):
        pass

    def fails(source: Path, target: Path) -> bool | None:
        raise error

    monkeypatch.setattr(journal_status, "_copy", fails)
    with pytest.raises(JournalError, match=trouble):
        read_status(path)
