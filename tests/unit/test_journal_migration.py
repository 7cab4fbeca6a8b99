"""A journal of an older format goes on, and is never left half-way."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sqlite3
import sys
from pathlib import Path

import pytest

from pubrio_async import JournalError
from pubrio_async.models import Contact, ContactStatus, ContactType, RedeemJob
from pubrio_async.scheduler import journal_schema as schema
from pubrio_async.scheduler.journal import JournalSummary, OpenBatch, Settled, Unsettled
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from tests.unit.journals import ADA, BOB, EVE, TYPES, batch, opened

# What is started in a process of its own is not about its start.
pytestmark = pytest.mark.usefixtures("warm_starts")

FORMAT_1 = Path(__file__).parents[1] / "data" / "journal_format_1.sql"
START = 1_750_000_000.0
MAIL = Contact("ada@example.com", ContactType.EMAIL_WORK, ContactStatus.VERIFIED)
PHONE = Contact("+1 555 0100", ContactType.PHONE)


def person(number: int) -> str:
    return f"0d4b3a60-1111-4c5e-9b1d-{number:012}"


def batch_id(number: int) -> str:
    return f"ba7c4000-2222-4c5e-9b1d-{number:012}"


EVERYONE = [*map(person, range(1, 11)), EVE]
OPEN = [
    OpenBatch(
        batch(batch_id(7), person(7), person(10)),
        RedeemJob("job-7", estimated_time=2, estimated_time_type="minutes"),
        START + 9,
        START + 8.5,
    ),
    OpenBatch(batch(batch_id(8), ADA), None, None, START + 9.5),
]
KNOWN = {
    BOB: Settled("empty", BOB, redeem_query_id="job-1"),
    EVE: Settled("rejected", error="400: unknown person"),
    person(3): Unsettled("the connection broke"),
    person(4): Unsettled("the connection broke"),
    person(5): Settled("found", person(5), (MAIL,), redeem_query_id="job-5"),
    person(6): Unsettled("the job was lost", "job-3"),
    person(8): Settled("empty", person(8), redeem_query_id="job-5"),
}


@pytest.fixture
def path(path: Path) -> Path:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(FORMAT_1.read_text())
        db.execute("PRAGMA journal_mode = WAL")
    return path


def dump(path: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        version = db.execute("PRAGMA user_version").fetchone()
        return [f"format {version[0]}", *db.iterdump()]


async def test_what_it_holds_is_all_there(path: Path) -> None:
    async with opened(path) as journal:
        assert list(await journal.open_batches()) == OPEN
        assert await journal.lookup(EVERYONE) == KNOWN
        # The two that batch 5 settled, not the one that batch 1 did.
        assert await journal.lookup([BOB, person(5), person(8)], START + 7) == {
            key: KNOWN[key] for key in (person(5), person(8))
        }
        assert sorted(await journal.unsettled_people()) == [ADA, *map(person, (3, 4, 6))]
        assert await journal.summary() == JournalSummary(
            contact_types=TYPES,
            found=1,
            empty=2,
            rejected=1,
            pending=2,
            unsettled=4,
            open_jobs=2,
            credits_charged=8.5,
        )
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (schema.FORMAT,)


async def test_its_lost_batches_can_be_looked_for(path: Path) -> None:
    async with opened(path) as journal:
        await journal.withdraw(batch_id(7))  # 7 is lost again, as it was before
        await journal.reopen_unsettled()
        assert list(await journal.open_batches()) == [
            OpenBatch(
                batch(batch_id(2), person(3), person(4)),
                None,
                None,
                START + 2.5,
                "the connection broke",
            ),
            OpenBatch(
                batch(batch_id(3), person(6), person(7)),
                RedeemJob("job-3"),
                START + 4,
                START + 3.5,
                "the job was lost",
            ),
            OPEN[1],
        ]


async def test_it_ends_up_laid_out_like_a_new_one(path: Path, tmp_path: Path) -> None:
    async with opened(path), opened(tmp_path / "new"):
        pass

    def layout(file: Path) -> dict[str, str]:
        with contextlib.closing(sqlite3.connect(file)) as db:
            rows = db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
            return {name: re.sub(r"--.*|\s+", " ", sql).strip() for name, sql in rows}

    def plain(texts: dict[str, str]) -> dict[str, list[str]]:
        return {name: re.findall(r"\w+|[^\w\s]", text) for name, text in texts.items()}

    assert plain(layout(path)) == plain(layout(tmp_path / "new"))
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_it_is_migrated_once(path: Path) -> None:
    async with opened(path):
        pass
    before = dump(path)
    async with opened(path):
        pass
    assert dump(path) == before


async def test_a_refused_one_stays_as_it_is(path: Path) -> None:
    before = dump(path)
    with pytest.raises(JournalError, match="not for phone;"):
        await SqliteJournal(path).open(("phone",))
    with pytest.raises(JournalError, match="use another journal, and another output"):
        await SqliteJournal(path, origin="the sandbox").open(TYPES)
    assert dump(path) == before


KILLED = f"""
import asyncio, os, sys
from pubrio_async.scheduler import journal_schema as schema
from pubrio_async.scheduler.journal_sqlite import SqliteJournal

migrate = schema.MIGRATIONS[1]

def killed(db):
    db.execute("PRAGMA cache_size = 1")  # so that changes reach the disk before the end
    migrate(db)
    db.execute("UPDATE batches SET reason = hex(zeroblob(100000))")
    os._exit(9)

schema.MIGRATIONS = {{1: killed}}
asyncio.run(SqliteJournal(sys.argv[1]).open({TYPES!r}))
"""


async def test_killed_on_the_way_the_old_format_is_whole(path: Path) -> None:
    before = dump(path)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, str(path))
    assert await process.wait() == 9
    assert path.with_name(f"{path.name}-wal").stat().st_size > 100_000
    assert dump(path) == before
    async with opened(path) as journal:
        assert await journal.lookup(EVERYONE) == KNOWN


async def test_failing_on_the_way_the_old_format_is_whole(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dump(path)
    migrate = schema.MIGRATIONS[1]

    def fails(db: sqlite3.Connection) -> None:
        migrate(db)
        db.execute("SELECT no_such_function()")

    monkeypatch.setattr(schema, "MIGRATIONS", {1: fails})
    with pytest.raises(JournalError, match="no_such_function"):
        await SqliteJournal(path).open(TYPES)
    assert dump(path) == before


async def test_each_format_leads_to_the_next() -> None:
    assert list(schema.MIGRATIONS) == list(range(1, schema.FORMAT))
