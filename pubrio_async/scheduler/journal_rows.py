"""The tables of `SqliteJournal`: what a step of a run writes into them, and reads from them.

Every function is one step, carried out inside a transaction of the caller's.

A person costs one short row, and none before the end is known: the people of an open batch stand
in the batch's own row. UUIDs are stored as 16 bytes, what is empty as NULL, and the number 1 in
place of a text means "the same as" one that is in the file already.
"""

from __future__ import annotations

import contextlib
import sqlite3
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from pubrio_async._errors import JournalError
from pubrio_async.models import Contact, RedeemJob
from pubrio_async.models.redeem import ContactStatus, ContactType, Number
from pubrio_async.scheduler.journal import Batch, JournalSummary, OpenBatch, Settled, Unsettled

SCHEMA = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    """CREATE TABLE batches (
        id INTEGER PRIMARY KEY,
        batch_id NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        state TEXT NOT NULL,      -- intended, accepted, settled, withdrawn or unsettled
        size INTEGER NOT NULL,
        keys BLOB,                -- the people; NULL once the batch has an end
        job BLOB,                 -- the job as accepted; NULL once the batch has an end
        redeem_query_id TEXT,
        created_at REAL NOT NULL, -- Unix times
        accepted_at REAL,
        ended_at REAL,
        charged,                  -- credits
        reason TEXT               -- why it is unsettled
    )""",
    "CREATE INDEX batches_open ON batches (id) WHERE keys IS NOT NULL",
    """CREATE TABLE people (
        key NOT NULL PRIMARY KEY,
        batch INTEGER NOT NULL,   -- the batch that brought this end
        status INTEGER NOT NULL,  -- 1 found, 2 empty, 3 rejected, 4 unsettled
        person,                   -- people_search_id; 1: the same as key
        emails BLOB,
        phones BLOB,
        error TEXT,
        query,                    -- redeem_query_id; 1: the same as the batch's
        reopened_by INTEGER       -- an open batch that asks again: until it ends, no end is known
    ) WITHOUT ROWID""",
    "CREATE INDEX people_reopened ON people (reopened_by) WHERE reopened_by IS NOT NULL",
)

_STATUSES: tuple[Literal["found", "empty", "rejected"], ...] = ("found", "empty", "rejected")
_UNSETTLED = 4
_SAME = 1

# One text for every number of keys, so that a statement is compiled once: NULL equals no key.
_KEYS_AT_ONCE = 100
_MARKS = ", ".join("?" * _KEYS_AT_ONCE)
_LOOKUP = f"""
    SELECT p.key, p.status, p.person, p.emails, p.phones, p.error, p.query, b.redeem_query_id,
        b.reason
    FROM people AS p JOIN batches AS b ON b.id = p.batch
    WHERE p.key IN ({_MARKS}) AND p.reopened_by IS NULL
"""  # noqa: S608 - question marks only
_REOPEN = f"UPDATE people SET reopened_by = ? WHERE key IN ({_MARKS})"  # noqa: S608 - as above

_encode = msgspec.msgpack.Encoder().encode
# msgspec does not tell bytes from text in a union; the bare format does.
_decode_keys: Callable[[bytes], list[bytes | str]] = msgspec.msgpack.Decoder().decode
_decode_job = msgspec.msgpack.Decoder(RedeemJob).decode
_decode_contacts = msgspec.msgpack.Decoder(
    list[tuple[str, ContactType | None, ContactStatus | None]]
).decode


class NotOpenError(JournalError):
    """The batch is not in the journal, or has an end already."""


# -- the journal as a whole ------------------------------------------------------------------


def create(
    db: sqlite3.Connection, contact_types: Sequence[str], origin: str | None, now: float
) -> None:
    """Lays the tables out."""
    for statement in SCHEMA:
        db.execute(statement)
    types = msgspec.json.encode(list(contact_types)).decode()
    db.execute(
        "INSERT INTO meta VALUES ('contact_types', ?), ('origin', ?), ('created_at', ?)",
        (types, origin, now),
    )


def check_types(db: sqlite3.Connection, contact_types: Sequence[str]) -> None:
    """Refuses contact types other than those the journal was written for; empty ones pass."""
    written_for = _contact_types(db)
    if contact_types and set(contact_types) != set(written_for):
        raise JournalError(
            f"it was written for {','.join(written_for)} and not for {','.join(contact_types)}; "
            "ask for the same contact types, or use another journal"
        )


def check_origin(db: sqlite3.Connection, origin: str | None) -> None:
    """Refuses an API other than the one the journal was written for; None passes."""
    bought_at = one(db, "SELECT value FROM meta WHERE name = 'origin'")
    if None not in (origin, bought_at) and origin != bought_at:
        raise JournalError(
            f"what it holds was bought at {bought_at}, and this run asks {origin}; use another "
            "journal, and another output if the journal is named after it"
        )


def summary(db: sqlite3.Connection) -> JournalSummary:
    """The figures of the journal."""
    ends: dict[int, int] = dict(
        db.execute("SELECT status, COUNT(*) FROM people WHERE reopened_by IS NULL GROUP BY status")
    )
    open_jobs, pending = db.execute(
        "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM batches WHERE keys IS NOT NULL"
    ).fetchone()
    return JournalSummary(
        contact_types=_contact_types(db),
        found=ends.get(1, 0),
        empty=ends.get(2, 0),
        rejected=ends.get(3, 0),
        unsettled=ends.get(_UNSETTLED, 0),
        pending=pending,
        open_jobs=open_jobs,
        credits_charged=one(db, "SELECT COALESCE(SUM(charged), 0) FROM batches"),
    )


# -- batches ---------------------------------------------------------------------------------


def open_batches(db: sqlite3.Connection) -> list[OpenBatch]:
    """The batches without an end, oldest first."""
    rows = db.execute(
        "SELECT batch_id, kind, keys, job, accepted_at FROM batches"
        " WHERE keys IS NOT NULL ORDER BY id"
    )
    return [
        OpenBatch(
            Batch(_unpack_id(batch_id), kind, tuple(map(_unpack_id, _decode_keys(keys)))),
            None if job is None else _decode_job(job),
            accepted_at,
        )
        for batch_id, kind, keys, job, accepted_at in rows
    ]


def intend(db: sqlite3.Connection, batch: Batch, now: float) -> None:
    """Opens a batch."""
    batch_id = _pack_id(batch.batch_id)
    db.execute("DELETE FROM batches WHERE batch_id = ? AND state = 'withdrawn'", (batch_id,))
    if one(db, "SELECT EXISTS (SELECT 1 FROM batches WHERE batch_id = ?)", batch_id):
        raise JournalError(f"it holds the batch {batch.batch_id} already")
    keys = [_pack_id(key) for key in batch.keys]
    row = db.execute(
        "INSERT INTO batches (batch_id, kind, state, size, keys, created_at)"
        " VALUES (?, ?, 'intended', ?, ?, ?)",
        (batch_id, batch.kind, len(keys), _encode(keys), now),
    ).lastrowid
    for portion in _portions(keys):
        db.execute(_REOPEN, (row, *portion))


def accepted(db: sqlite3.Connection, batch_id: str, job: RedeemJob, now: float) -> None:
    """Adds the job to an open batch."""
    row, _, _ = _open_row(db, batch_id)
    db.execute(
        "UPDATE batches SET state = 'accepted', job = ?, redeem_query_id = ?, accepted_at = ?"
        " WHERE id = ?",
        (_encode(job), job.redeem_query_id, now, row),
    )


def withdraw(db: sqlite3.Connection, batch_id: str, now: float) -> None:
    """Closes a batch that was not carried out; one that is not open is left alone."""
    with contextlib.suppress(NotOpenError):
        row, _, _ = _open_row(db, batch_id)
        _close(db, row, "withdrawn", now)


def settle(
    db: sqlite3.Connection,
    batch_id: str,
    results: Mapping[str, Settled],
    charged: Number,
    now: float,
) -> None:
    """Closes a batch with a result for each person."""
    row, _, query_id = _open_row(db, batch_id)
    _close(db, row, "settled", now, charged=charged)
    db.executemany(
        "INSERT OR REPLACE INTO people (key, batch, status, person, emails, phones, error, query)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                _pack_id(key),
                row,
                _STATUSES.index(end.status) + 1,
                _SAME if end.people_search_id == key else _pack_optional(end.people_search_id),
                _pack_contacts(end.emails),
                _pack_contacts(end.phones),
                end.error,
                _SAME if end.redeem_query_id == query_id else end.redeem_query_id,
            )
            for key, end in results.items()
        ),
    )


def unsettle(db: sqlite3.Connection, batch_id: str, reason: str, now: float) -> None:
    """Closes a batch whose fate is unknown; one that is not open is left alone."""
    with contextlib.suppress(NotOpenError):
        row, keys, _ = _open_row(db, batch_id)
        _close(db, row, "unsettled", now, reason=reason)
        db.executemany(
            "INSERT OR REPLACE INTO people (key, batch, status) VALUES (?, ?, ?)",
            ((key, row, _UNSETTLED) for key in _decode_keys(keys)),
        )


def _open_row(db: sqlite3.Connection, batch_id: str) -> tuple[int, bytes, str | None]:
    row: tuple[int, bytes, str | None] | None = db.execute(
        "SELECT id, keys, redeem_query_id FROM batches WHERE batch_id = ? AND keys IS NOT NULL",
        (_pack_id(batch_id),),
    ).fetchone()
    if row is None:
        raise NotOpenError(f"it holds no open batch {batch_id}")
    return row


def _close(
    db: sqlite3.Connection,
    row: int,
    state: str,
    now: float,
    *,
    charged: Number | None = None,
    reason: str | None = None,
) -> None:
    db.execute(
        "UPDATE batches SET state = ?, keys = NULL, job = NULL, ended_at = ?, charged = ?,"
        " reason = ? WHERE id = ?",
        (state, now, charged, reason, row),
    )
    # Ends from before stand again, until new ones replace them.
    db.execute("UPDATE people SET reopened_by = NULL WHERE reopened_by = ?", (row,))


# -- people ----------------------------------------------------------------------------------


def lookup(db: sqlite3.Connection, keys: Sequence[str]) -> dict[str, Settled | Unsettled]:
    """What is known of these people."""
    ends: dict[str, Settled | Unsettled] = {}
    for portion in _portions([_pack_id(key) for key in keys]):
        for row in db.execute(_LOOKUP, portion):
            key = _unpack_id(row[0])
            ends[key] = _end(key, row)
    return ends


def _end(key: str, row: tuple[Any, ...]) -> Settled | Unsettled:
    _, status, person, emails, phones, error, query, batch_query, reason = row
    if status == _UNSETTLED:
        return Unsettled(reason, batch_query)
    if person is not None:
        person = key if person == _SAME else _unpack_id(person)
    return Settled(
        _STATUSES[int(status) - 1],
        people_search_id=person,
        emails=_unpack_contacts(emails),
        phones=_unpack_contacts(phones),
        redeem_query_id=batch_query if query == _SAME else query,
        error=error,
    )


# -- values ----------------------------------------------------------------------------------


def one(db: sqlite3.Connection, statement: str, *values: object) -> Any:
    """The first value of the first row."""
    return db.execute(statement, values).fetchone()[0]


def _contact_types(db: sqlite3.Connection) -> tuple[str, ...]:
    types = one(db, "SELECT value FROM meta WHERE name = 'contact_types'")
    return msgspec.json.decode(types, type=tuple[str, ...])


def _portions(keys: Sequence[bytes | str]) -> Iterator[list[bytes | str | None]]:
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        portion: list[bytes | str | None] = [*keys[start : start + _KEYS_AT_ONCE]]
        yield portion + [None] * (_KEYS_AT_ONCE - len(portion))


def _pack_id(text: str) -> bytes | str:
    with contextlib.suppress(ValueError):
        packed = uuid.UUID(text)
        if str(packed) == text:  # and not one of the other spellings
            return packed.bytes
    return text


def _unpack_id(packed: bytes | str) -> str:
    return packed if isinstance(packed, str) else str(uuid.UUID(bytes=packed))


def _pack_optional(text: str | None) -> bytes | str | None:
    return None if text is None else _pack_id(text)


def _pack_contacts(contacts: Sequence[Contact]) -> bytes | None:
    if not contacts:
        return None
    return _encode([(contact.value, contact.type, contact.status) for contact in contacts])


def _unpack_contacts(packed: bytes | None) -> tuple[Contact, ...]:
    return () if packed is None else tuple(Contact(*row) for row in _decode_contacts(packed))
