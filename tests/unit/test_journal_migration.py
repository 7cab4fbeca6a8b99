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
from pubrio_async.models import RedeemJob
from pubrio_async.scheduler import journal_schema as schema
from pubrio_async.scheduler.journal import JournalSummary, OpenBatch, Settled, Unsettled
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from tests.unit.journals import ADA, BOB, EVE, MAIL, PHONE, TYPES, batch, opened

# What is started in a process of its own is not about its start.
pytestmark = pytest.mark.usefixtures("warm_starts")

DATA = Path(__file__).parents[1] / "data"
START = 1_750_000_000.0


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
    OpenBatch(batch(batch_id(8), ADA), None, None, START + 9.5, None, START + 2),
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
    return restored(path, 1)


def restored(path: Path, number: int) -> Path:
    """A journal of an older format."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript((DATA / f"journal_format_{number}.sql").read_text())
        db.execute("PRAGMA journal_mode = WAL")
    return path


def dump(path: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        version = db.execute("PRAGMA user_version").fetchone()
        # Whoever opens it begins a log of its own beside it.
        lines = [line for line in db.iterdump() if not line.startswith('INSERT INTO "pairing"')]
        return [f"format {version[0]}", *lines]


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


async def test_what_stood_in_the_log_is_there_too(tmp_path: Path) -> None:
    """Format 3 had ends in the log: of batches in the tables, of others, and of no people."""
    async with opened(restored(tmp_path / "3", 3)) as journal:
        assert await journal.lookup([*EVERYONE, ADA, person(11)]) == {
            ADA: Settled("found", ADA, (MAIL,), (PHONE,), "job-1"),
            BOB: KNOWN[BOB],
            EVE: KNOWN[EVE],
            person(3): Settled("found", person(3), (), (PHONE,), "job-2"),
            person(4): Settled("empty", person(4), redeem_query_id="job-2"),
            person(10): Settled("empty", person(10), redeem_query_id="job-6"),
        }
        assert [(entry.batch, entry.job) for entry in await journal.open_batches()] == [
            (batch(batch_id(3), person(5)), None),
            (
                batch(batch_id(4), person(6), person(7)),
                RedeemJob("job-4", estimated_time=2, estimated_time_type="minutes"),
            ),
            (batch(batch_id(5), person(8), person(9)), None),
            (batch(batch_id(7), EVE.replace("eve", "max")), None),
        ]
        assert (await journal.summary()).credits_charged == 12.5
        await journal.settle(batch_id(5), {person(8): KNOWN[person(8)]}, 1)
        assert await journal.lookup([person(8), person(9)]) == {person(8): KNOWN[person(8)]}


async def test_what_a_loss_had_hidden_is_known_again_if_that_was_no_purchase(
    tmp_path: Path,
) -> None:
    async with opened(restored(tmp_path / "4", 4)) as journal:
        before = Settled("found", ADA, (MAIL,), (PHONE,), "job-1")
        lost = Unsettled("the connection broke", before=before)
        assert (await journal.lookup([ADA]))[ADA] == lost
        (_, bob, _) = await journal.open_batches()
        assert (bob.batch, bob.bought_at) == (batch(batch_id(6), BOB), START + 2)
        await journal.reopen_unsettled()
        again = {entry.batch.batch_id: entry for entry in await journal.open_batches()}
        assert again[batch_id(3)].bought_at == START + 2
        await journal.withdraw(batch_id(3))
        assert await journal.lookup([ADA, person(3)]) == {
            ADA: Settled("found", ADA, (MAIL,), (PHONE,), "job-1")
        }


async def test_the_next_format_holds_what_this_one_held(tmp_path: Path) -> None:
    """Format 5 had people in all tables, and steps in the log."""
    async with opened(restored(tmp_path / "5", 5)) as journal:
        assert await journal.lookup([*EVERYONE, ADA]) == {
            ADA: Unsettled(
                "the connection broke",
                before=Settled("found", ADA, (MAIL,), (PHONE,), "job-1"),
            ),
            BOB: Unsettled("the job was lost"),
            EVE: KNOWN[EVE],
            person(3): Unsettled("the connection broke"),
            person(9): Settled("found", person(9), (MAIL,), (), "job-7"),
        }
        assert [(entry.batch, entry.job) for entry in await journal.open_batches()] == [
            (batch(batch_id(5), person(6), person(7)), None),
            (
                batch(batch_id(6), person(8)),
                RedeemJob("job-6", estimated_time=2, estimated_time_type="minutes"),
            ),
        ]
        assert await journal.load_usage() == b"\x81\xa1u\x01"
        assert (await journal.summary()).credits_charged == 9.5


async def test_its_log_is_not_believed_when_it_is_damaged(tmp_path: Path) -> None:
    path = restored(tmp_path / "3", 3)
    with contextlib.closing(sqlite3.connect(path)) as db:
        log = [entries for (entries,) in db.execute("SELECT entries FROM log")]
        changes = [(entries.replace(b"empty", b"found"), entries) for entries in log]
        assert sum(changed != entries for changed, entries in changes) == 2
        db.executemany("UPDATE log SET entries = ? WHERE entries = ?", changes)
        db.commit()
    with pytest.raises(JournalError, match="it is damaged"):
        await SqliteJournal(path).open(TYPES)


@pytest.mark.parametrize(
    ("number", "damage"),
    [
        (1, "UPDATE batches SET batch_id = x'00' WHERE id = 1"),
        (1, "UPDATE batches SET keys = 1.5"),
        (3, "UPDATE log SET entries = 'x'"),
        (4, "UPDATE batches SET keys = 5 WHERE state = 'settled'"),
        (4, "UPDATE open SET held = 5"),
        (4, "UPDATE log SET id = 100 WHERE id = 1"),
    ],
)
async def test_damage_of_any_kind_is_told_and_changes_nothing(
    tmp_path: Path, number: int, damage: str
) -> None:
    path = restored(tmp_path / "old.db", number)
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        assert db.execute(damage).rowcount
    before = dump(path)
    with pytest.raises(JournalError, match=r"damaged|cannot be stored or read"):
        await SqliteJournal(path).open(TYPES)
    assert dump(path) == before


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


@pytest.mark.parametrize("number", [1, 3, 4, 5])
async def test_it_ends_up_laid_out_like_a_new_one(tmp_path: Path, number: int) -> None:
    path = restored(tmp_path / "old", number)
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
