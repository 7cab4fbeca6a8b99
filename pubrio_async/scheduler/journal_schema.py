"""The layout of the tables of `SqliteJournal`, and the way from each older one to the next.

What a step costs is the pages it touches, so people stand together: those of a batch in one row,
and what was found of them in one value, written once when the batch ends. Batches without an end
stand apart, in a table that stays small; those with one are only ever added, and their numbers
tell which came later. Steps are first written into `log`, and move to the tables many at a time;
what a batch has brought goes to its table at once.

Who wants to know in which batch a person ended looks into `people`. As people come in no order,
each would touch a page of its own there, so they are added many at a time and sorted, when somebody
has to be looked for; until then they are known from the batches behind the mark `indexed_to`. The
batches alone are the truth, but for one thing: a person who is free again after a loss is changed
in `people`, with the mark moved beyond all batches. Which result stands again then is in `older`.

SQLite finds out when the pages of a file do not fit together, but not when a letter in one of them
is another one. So what stands for money is sealed with a checksum, and every seal is looked at when
the file is opened.

To change the layout: change `SCHEMA`, count `FORMAT` up, and add the way from the last format to
`MIGRATIONS`. A migration never changes again, so it uses nothing of ours that might. It is mostly
the first thing in SQLite's log, so it writes a new name into `pairing.log`: see `journal_wal`.
"""

from __future__ import annotations

import re
import sqlite3
import uuid
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

APPLICATION_ID = 0x50554252  # "PUBR"
FORMAT = 6
NO_LOG = bytes(16)

SCHEMA = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    """CREATE TABLE open (
        id INTEGER PRIMARY KEY,   -- counts the requests
        batch_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        created_at REAL NOT NULL, -- Unix times
        accepted_at REAL,
        job BLOB,                 -- the job, once it is accepted
        reason TEXT,              -- why it was unsettled before
        lost INTEGER,             -- as which it was unsettled before: the id among the ended ones
        keys NOT NULL,            -- the people: UUIDs of 16 bytes each, or else a JSON list
        held,                     -- those whose end is not known until this one ends; NULL: all
        seal INTEGER              -- CRC-32 of keys and job
    )""",
    """CREATE TABLE batches (
        id INTEGER PRIMARY KEY,   -- counts the ends
        state TEXT NOT NULL,      -- settled, withdrawn, unsettled; reopened: unsettled once
        batch_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        created_at REAL NOT NULL, -- Unix times
        accepted_at REAL,
        ended_at REAL NOT NULL,
        redeem_query_id TEXT,
        charged,                  -- credits
        found INTEGER,            -- how many
        empty INTEGER,
        rejected INTEGER,
        reason TEXT,              -- why it is unsettled
        request INTEGER,          -- its id when it was open
        job BLOB,                 -- if unsettled: the job
        held,                     -- if unsettled: those of whom this is the end; NULL: all
        keys,                     -- the people who have a result, or are unsettled
        results BLOB,             -- what was found of them
        seal INTEGER              -- CRC-32 of keys and results, or job
    )""",
    "CREATE INDEX batches_lost ON batches (id) WHERE state IN ('unsettled', 'reopened')",
    """CREATE TABLE people (
        key PRIMARY KEY NOT NULL,
        batch INTEGER NOT NULL    -- the batch that brought the newest end
    ) WITHOUT ROWID""",
    """CREATE TABLE older (
        key PRIMARY KEY NOT NULL,
        batch INTEGER NOT NULL    -- the last result of whom was bought again and then unsettled
    ) WITHOUT ROWID""",
    """CREATE TABLE log (
        id INTEGER PRIMARY KEY,
        entries BLOB NOT NULL     -- steps that are not in the tables yet: `journal_log`
    )""",
    # All values keep their size, so that a write that is cut off leaves the old ones or the new.
    """CREATE TABLE pairing (
        log BLOB NOT NULL,        -- the name of SQLite's log beside the file: `journal_wal`
        before BLOB NOT NULL,     -- that of the last one that is all in the file
        has_log INTEGER NOT NULL  -- whether there is one, as the file alone tells it
    )""",
)


def create(db: sqlite3.Connection) -> None:
    """Lays the tables out in an empty file, inside a transaction of the caller's."""
    for statement in SCHEMA:
        db.execute(statement)
    db.execute("INSERT INTO meta VALUES ('indexed_to', 0)")
    db.execute("INSERT INTO pairing VALUES (randomblob(16), ?, 0)", (NO_LOG,))
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {FORMAT}")


def migrate(db: sqlite3.Connection, version: int) -> None:
    """Brings tables of an older format to the newest, inside a transaction of the caller's."""
    for older in range(version, FORMAT):
        MIGRATIONS[older](db)
    if version != FORMAT:
        db.execute(f"PRAGMA user_version = {FORMAT}")


# -- from format 1: a row for each person, with everything about them ------------------------

_TABLES_OF_2 = (
    """CREATE TABLE open (
        id INTEGER PRIMARY KEY,
        batch_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        created_at REAL NOT NULL,
        accepted_at REAL,
        job BLOB,
        reason TEXT,
        lost INTEGER,
        keys NOT NULL,
        held
    )""",
    """CREATE TABLE batches (
        id INTEGER PRIMARY KEY,
        state TEXT NOT NULL,
        batch_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        created_at REAL NOT NULL,
        accepted_at REAL,
        ended_at REAL NOT NULL,
        redeem_query_id TEXT,
        charged,
        found INTEGER,
        empty INTEGER,
        rejected INTEGER,
        reason TEXT,
        request INTEGER,
        job BLOB,
        held,
        keys,
        results BLOB
    )""",
    "CREATE INDEX batches_lost ON batches (id) WHERE state IN ('unsettled', 'reopened')",
    """CREATE TABLE people (
        key PRIMARY KEY NOT NULL,
        batch INTEGER NOT NULL
    ) WITHOUT ROWID""",
)


def _from_1(db: sqlite3.Connection) -> None:
    """Puts people into the rows of their batches.

    Who got a result from another batch than the unsettled one is not known to have been in it.
    """
    db.execute("DROP INDEX batches_open")
    db.execute("DROP INDEX people_reopened")
    db.execute("ALTER TABLE batches RENAME TO batches_1")
    db.execute("ALTER TABLE people RENAME TO people_1")
    for statement in _TABLES_OF_2:
        db.execute(statement)
    _open_from_1(db)
    _ended_from_1(db)
    db.execute(
        "INSERT INTO people SELECT p.key, e.id FROM people_1 AS p"
        " JOIN batches_1 AS b ON b.id = p.batch JOIN batches AS e ON e.request = b.id"
        " ORDER BY p.key"
    )
    db.execute("UPDATE batches SET request = NULL WHERE state != 'unsettled'")
    db.execute("INSERT INTO meta SELECT 'indexed_to', COALESCE(MAX(id), 0) FROM batches")
    db.execute("DROP TABLE batches_1")
    db.execute("DROP TABLE people_1")


def _open_from_1(db: sqlite3.Connection) -> None:
    rows = db.execute(
        "SELECT id, batch_id, kind, created_at, accepted_at, job, keys FROM batches_1"
        " WHERE state IN ('intended', 'accepted') ORDER BY id"
    ).fetchall()
    people: dict[int, list[bytes | str]] = {
        row[0]: msgspec.msgpack.decode(row[-1], type=list[Any]) for row in rows
    }
    # Of whom no end is known, the last batch with them decides.
    last = {key: row for row, keys in people.items() for key in keys}
    asked = "SELECT reopened_by FROM people_1 WHERE key = ?"
    holders = {key: db.execute(asked, (key,)).fetchone() or (row,) for key, row in last.items()}
    for row, batch_id, kind, created_at, accepted_at, job, _ in rows:
        keys = people[row]
        held = [key for key in keys if holders[key] == (row,)]
        db.execute(
            "INSERT INTO open VALUES (?, ?, ?, ?, ?, ?, NULL, NULL, ?, ?)",
            (
                *(row, _text_of_1(batch_id), kind, created_at, accepted_at, job),
                _keys_of_2(keys),
                None if held == keys else _keys_of_2(held),
            ),
        )


def _ended_from_1(db: sqlite3.Connection) -> None:
    batches = db.execute(
        "SELECT id, state, batch_id, kind, created_at, accepted_at, ended_at, redeem_query_id,"
        " charged, reason FROM batches_1 WHERE state NOT IN ('intended', 'accepted')"
        " ORDER BY ended_at, id"
    ).fetchall()
    # The table has no index by batch, and one is made here for as long as it is needed.
    db.execute("CREATE INDEX people_of_1 ON people_1 (batch)")
    for (
        row,
        state,
        batch_id,
        kind,
        created_at,
        accepted_at,
        ended_at,
        query,
        charged,
        why,
    ) in batches:
        people = db.execute(
            "SELECT key, status, person, emails, phones, error, query FROM people_1"
            " WHERE batch = ? ORDER BY key",
            (row,),
        ).fetchall()
        keys = None if state == "withdrawn" else _keys_of_2([person[0] for person in people])
        statuses = [person[1] for person in people]
        is_settled, is_lost = state == "settled", state == "unsettled"
        db.execute(
            "INSERT INTO batches (state, batch_id, kind, created_at, accepted_at, ended_at,"
            " redeem_query_id, charged, found, empty, rejected, reason, request, job, keys,"
            " results) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(state, _text_of_1(batch_id), kind, created_at, accepted_at, ended_at),
                *(query, charged),
                *(statuses.count(status) if is_settled else None for status in (1, 2, 3)),
                *(why, row),
                msgspec.msgpack.encode({"redeem_query_id": query}) if is_lost and query else None,
                *(keys, _results_of_2(people, query) if is_settled else None),
            ),
        )
    db.execute("DROP INDEX people_of_1")


def _results_of_2(people: Iterable[tuple[Any, ...]], batch_query: str | None) -> bytes:
    columns: tuple[list[Any], ...] = ([], [], [], [], [], [])
    for key, status, person, emails, phones, error, query in people:
        values: tuple[Any, ...] = (
            ("found", "empty", "rejected")[int(status) - 1],
            None if person is None else _text_of_1(key if person == 1 else person),
            _contacts_of_2(emails),
            _contacts_of_2(phones),
            batch_query if query == 1 else query,
            error,
        )
        for column, value in zip(columns, values, strict=True):
            column.append(value)
    return msgspec.msgpack.encode(columns)


def _contacts_of_2(packed: bytes | None) -> list[dict[str, Any]]:
    if packed is None:
        return []
    contacts = msgspec.msgpack.decode(packed, type=list[tuple[Any, ...]])
    return [dict(zip(("value", "type", "status"), contact, strict=True)) for contact in contacts]


def _keys_of_2(keys: Sequence[bytes | str]) -> bytes | str:
    if keys and all(isinstance(key, bytes) for key in keys):
        return b"".join(key for key in keys if isinstance(key, bytes))
    return msgspec.json.encode([_text_of_1(key) for key in keys]).decode()


def _text_of_1(packed: bytes | str) -> str:
    return packed if isinstance(packed, str) else str(uuid.UUID(bytes=packed))


# -- from format 2: no log, and no seals ---------------------------------------------------------


def _from_2(db: sqlite3.Connection) -> None:
    """Seals what is there, and adds the log."""

    def crc(*parts: bytes | str | None) -> int:
        value = 0
        for part in parts:
            value = zlib.crc32(part.encode() if isinstance(part, str) else part or b"", value)
        return value

    db.create_function("crc", 2, crc)
    for table, content in (("open", "job"), ("batches", "COALESCE(results, job)")):
        db.execute(f"ALTER TABLE {table} ADD COLUMN seal INTEGER")
        db.execute(f"UPDATE {table} SET seal = crc(keys, {content})")  # noqa: S608 - constants
    db.create_function("crc", 2, None)
    db.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, entries BLOB NOT NULL)")


# -- from format 3: ends stand in the log, too ----------------------------------------------------


def _from_3(db: sqlite3.Connection) -> None:
    """Moves everything in the log to the tables."""
    ended = (
        "id, state, batch_id, kind, created_at, accepted_at, ended_at, redeem_query_id, request,"
        " charged, found, empty, rejected, reason, job, held, keys, results, seal"
    )
    marks = ", ".join("?" * 19)
    for (entries,) in db.execute("SELECT entries FROM log ORDER BY id").fetchall():
        for kind, values in msgspec.msgpack.decode(entries):
            if kind == 0:
                db.execute(
                    "INSERT INTO open (id, batch_id, kind, created_at, keys, seal)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    values,
                )
            elif kind == 1:
                row, _, job, accepted_at, mark = values
                db.execute(
                    "UPDATE open SET job = ?, accepted_at = ?, seal = ? WHERE id = ?",
                    (job, accepted_at, mark, row),
                )
            else:
                db.execute(f"INSERT INTO batches ({ended}) VALUES ({marks})", values)  # noqa: S608 - constants
                db.execute("DELETE FROM open WHERE id = ?", (values[8],))
    db.execute("DELETE FROM log")


# -- from format 4: which result a loss has hidden is found out again and again -------------------


def _from_4(db: sqlite3.Connection) -> None:
    """Writes down which batch brought the last result of those who are unsettled."""
    db.execute(
        "CREATE TABLE older (key PRIMARY KEY NOT NULL, batch INTEGER NOT NULL) WITHOUT ROWID"
    )
    lost: dict[bytes | str, int] = {}
    older: dict[bytes | str, int] = {}
    for row, stored in db.execute(
        "SELECT id, COALESCE(held, keys) FROM batches WHERE state IN ('unsettled', 'reopened')"
    ).fetchall():
        for key in _people_of_4(stored):
            lost[key] = row
    if lost:
        for row, stored in db.execute(
            "SELECT id, keys FROM batches WHERE state = 'settled' ORDER BY id"
        ):
            for key in lost.keys() & _people_of_4(stored):
                if row < lost[key]:
                    older[key] = row
    db.executemany("INSERT INTO older VALUES (?, ?)", older.items())


def _people_of_4(stored: bytes | str) -> set[bytes | str]:
    if isinstance(stored, bytes):
        return {stored[start : start + 16] for start in range(0, len(stored), 16)}
    texts = msgspec.json.decode(stored, type=list[str])
    return {uuid.UUID(text).bytes if _UUID_OF_4.fullmatch(text) else text for text in texts}


_UUID_OF_4 = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


# -- from format 5: nothing tells which log belongs to the file ------------------------------------


def _from_5(db: sqlite3.Connection) -> None:
    """Gives the log a name."""
    db.execute(
        "CREATE TABLE pairing (log BLOB NOT NULL, before BLOB NOT NULL, has_log INTEGER NOT NULL)"
    )
    db.execute("INSERT INTO pairing VALUES (randomblob(16), ?, 0)", (bytes(16),))


MIGRATIONS: Mapping[int, Callable[[sqlite3.Connection], None]] = {
    1: _from_1,
    2: _from_2,
    3: _from_3,
    4: _from_4,
    5: _from_5,
}
"""From each older format, the way to the next one."""
