"""The steps of `PostgresJournal`: what each writes into the tables; `journal_reads` reads.

Every function is a part of a transaction that may be done twice: when a connection is lost while
it commits, nobody knows whether it has. A step that raises `RefusedError` has changed nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, LiteralString
from uuid import UUID

from msgspec import Struct, field

from pubrio_async._errors import JournalError
from pubrio_async.distributed.pointing import point_back
from pubrio_async.distributed.store import Connection, Cursor
from pubrio_async.distributed.telling import told_by_loss, told_by_result
from pubrio_async.distributed.values import (
    pack_person,
    pack_stored,
    pack_text,
    unpack_person,
    unpack_stored,
)
from pubrio_async.models import RedeemJob
from pubrio_async.models.redeem import Number
from pubrio_async.scheduler.journal import (
    Batch,
    Settled,
)
from pubrio_async.scheduler.journal_values import (
    Key,
    join_keys,
    pack_job,
    pack_keys,
    pack_results,
    seal,
    split_keys,
)

IS_KNOWN = """(b.state = 'unsettled' OR b.state = 'settled'
    AND (%(since)s::float8 IS NULL OR b.intended_at >= to_timestamp(%(since)s)))"""
"""Whether a batch `b` has told an end that is not too old."""

_WRITE = """
INSERT INTO batches (batch_id, chunk_id, kind, keys, people, seal)
SELECT %(batch)s, %(chunk)s, %(kind)s, %(stored)s, %(people)s, %(seal)s
"""

# A transaction that was thought to be lost may have written it.
_UNLESS_WRITTEN = """
ON CONFLICT (batch_id) DO UPDATE SET intended_at = EXCLUDED.intended_at
WHERE batches.chunk_id = EXCLUDED.chunk_id AND batches.state = 'open'
"""

_INTEND = f"{_WRITE} WHERE true {_UNLESS_WRITTEN}"

# Since they were looked up, a reply to others may have named them, or somebody have lost them.
# The keys in their binary form, `b`: to write them as text takes longer than all else here.
_INTEND_IF_FREE = f"""{_WRITE} WHERE NOT EXISTS (
    SELECT FROM people p LEFT JOIN LATERAL (
        SELECT b.state = 'open' AND b.chunk_id <> %(chunk)s OR {IS_KNOWN} AS is_known
        FROM batches b WHERE b.id = p.batch_id LIMIT 1
    ) AS told ON true
    WHERE p.scope_id = %(scope)s AND p.key = ANY(%(keys)b::bytea[])
    AND (p.chunk_id <> %(chunk)s OR told.is_known)
) {_UNLESS_WRITTEN}"""  # noqa: S608 - a constant

_HELD = "it holds the batch {} already"


class RefusedError(Exception):
    """A step that cannot be carried out, and has changed nothing."""


class Chunk(Struct):
    """The chunk a journal is about.

    Attributes:
        chunk_id: Its number.
        token: What proves that it belongs to this worker.
        scope_id: In which scope its people are bought; known once the journal is open.
        contact_types: What is asked for; likewise.
        open: The batches without an end.
    """

    chunk_id: int
    token: UUID
    scope_id: int = 0
    contact_types: tuple[str, ...] = ()
    open: set[str] = field(default_factory=set[str])


async def fence(db: Connection, chunk: Chunk) -> None:
    """Sees to it that nobody else takes the chunk before this transaction ends.

    Raises:
        JournalError: Somebody else has it already.
    """
    found = await db.execute(
        "SELECT FROM chunks WHERE id = %s AND token = %s AND state = 'doing' FOR SHARE",
        (chunk.chunk_id, chunk.token),
    )
    if found.rowcount == 0:
        raise taken_over(chunk.chunk_id)


async def begin(db: Connection, chunk: Chunk, contact_types: Sequence[str]) -> bool:
    """Reads what the chunk is for; tells whether nothing was ever sent for its people."""
    found = await db.execute(
        "SELECT s.id, s.contact_types, c.keys, b.open, b.count FROM chunks c"
        " JOIN runs r ON r.id = c.run_id JOIN scopes s ON s.id = r.scope_id CROSS JOIN LATERAL ("
        "SELECT count(*), array_agg(batch_id) FILTER (WHERE state = 'open') AS open"
        " FROM batches WHERE chunk_id = c.id) b WHERE c.id = %s",
        (chunk.chunk_id,),
    )
    chunk.scope_id, types, stored, opened, batches = await one(found)
    if contact_types and set(contact_types) != set(types):
        raise RefusedError(
            f"it was written for {','.join(types)} and not for {','.join(contact_types)}; "
            "ask for the same contact types"
        )
    chunk.contact_types = tuple(types)
    chunk.open = set(opened or ())
    if batches:
        return False
    # A reply to others may have named somebody in it, with contacts, since it was made. Or requests
    # for it were refused, and others are lost.
    found = await db.execute(
        "SELECT FROM people WHERE scope_id = %s AND key = ANY(%s) AND batch_id IS NOT NULL LIMIT 1",
        (chunk.scope_id, _packed(split_keys(unpack_stored(stored)))),
    )
    return found.rowcount == 0


async def reopen_unsettled(db: Connection, chunk: Chunk) -> None:
    """Opens batches again that ended unsettled, as long as someone in them still is."""
    lost = list(await lost_people(db, chunk))
    await db.execute(
        "UPDATE batches SET state = 'open', ended_at = NULL WHERE batch_id = ANY(%s)", (lost,)
    )
    # Not only these: a transaction that was thought to be lost may have opened them.
    found = await db.execute(
        "SELECT batch_id FROM batches WHERE chunk_id = %s AND state = 'open'", (chunk.chunk_id,)
    )
    chunk.open = {batch_id for (batch_id,) in await found.fetchall()}


async def lost_people(db: Connection, chunk: Chunk) -> dict[str, list[Key]]:
    """The batches that ended unsettled, and the people in each who have no other end; no others."""
    found = await db.execute(
        "SELECT id, batch_id, keys FROM batches WHERE chunk_id = %s AND state = 'unsettled'"
        " ORDER BY id",
        (chunk.chunk_id,),
    )
    rows = await found.fetchall()
    people = await whose(db, chunk.scope_id, {row: stored for row, _, stored in rows})
    return {batch_id: people[row] for row, batch_id, _ in rows if people[row]}


async def whose(
    db: Connection, scope_id: int, batches: Mapping[int, bytes]
) -> dict[int, list[Key]]:
    """The people of some batches whose end is the one that each of them tells.

    Args:
        db: A transaction.
        scope_id: Where they are bought.
        batches: The numbers of the batches, and their people as they are stored.
    """
    keys = {row: split_keys(unpack_stored(stored)) for row, stored in batches.items()}
    everybody = {pack_person(key) for each in keys.values() for key in each}
    # By their keys: by the batch, all people of the database would be gone through.
    found = await db.execute(
        "SELECT key, batch_id FROM people WHERE scope_id = %s AND key = ANY(%s)",
        (scope_id, list(everybody)),
    )
    told = {unpack_person(key): row for key, row in await found.fetchall()}
    return {row: [key for key in each if told.get(key) == row] for row, each in keys.items()}


async def intend(db: Connection, chunk: Chunk, batch: Batch) -> None:
    """Opens a batch."""
    if not await _open(db, chunk, batch, _INTEND):
        raise RefusedError(_HELD.format(batch.batch_id))


async def intend_if_free(
    db: Connection, chunk: Chunk, batch: Batch, newer_than: float | None
) -> bool:
    """Opens a batch, unless something is known of anybody in it, from after a time.

    Returns:
        Whether it did.
    """
    return await _open(db, chunk, batch, _INTEND_IF_FREE, newer_than)


async def forget(db: Connection, chunk: Chunk, batch: Batch) -> None:
    """Sees to it that there is nothing of a batch that is not opened, after all.

    A transaction that was thought to be lost may have opened it.
    """
    await db.execute(
        "DELETE FROM batches WHERE batch_id = %s AND chunk_id = %s AND state = 'open'",
        (batch.batch_id, chunk.chunk_id),
    )


async def _open(
    db: Connection,
    chunk: Chunk,
    batch: Batch,
    statement: LiteralString,
    newer_than: float | None = None,
) -> bool:
    if batch.batch_id in chunk.open:
        raise RefusedError(_HELD.format(batch.batch_id))
    people = pack_keys(batch.keys)
    made = await db.execute(
        statement,
        {
            "batch": batch.batch_id,
            "chunk": chunk.chunk_id,
            "kind": batch.kind,
            "stored": pack_stored(people.stored),
            "people": len(batch.keys),
            "seal": seal(people.stored, None),
            "scope": chunk.scope_id,
            "keys": _packed(people.each),
            "since": newer_than,
        },
    )
    if made.rowcount:
        chunk.open.add(batch.batch_id)
    return made.rowcount > 0


async def accepted(db: Connection, chunk: Chunk, batch_id: str, job: RedeemJob) -> None:
    """Adds the job to an open batch."""
    _check_open(chunk, batch_id)
    packed = pack_job(job)
    found = await db.execute("SELECT keys FROM batches WHERE batch_id = %s", (batch_id,))
    (stored,) = await one(found)
    await db.execute(
        "UPDATE batches SET job = %s, redeem_query_id = %s, seal = %s,"
        " accepted_at = clock_timestamp() WHERE batch_id = %s",
        (packed, pack_text(job.redeem_query_id), seal(unpack_stored(stored), packed), batch_id),
    )


async def withdraw(db: Connection, chunk: Chunk, batch_id: str) -> None:
    """Forgets a batch that was not carried out; one that is not open is left alone."""
    if batch_id not in chunk.open:
        return
    chunk.open.discard(batch_id)
    found = await db.execute(
        "DELETE FROM batches WHERE batch_id = %s RETURNING id, keys", (batch_id,)
    )
    row = await found.fetchone()
    if row is not None:
        number, stored = row
        people = split_keys(unpack_stored(stored))
        await point_back(db, chunk.scope_id, chunk.chunk_id, (number, people))


async def settle(
    db: Connection,
    chunk: Chunk,
    batch_id: str,
    results: Mapping[str, Settled],
    charged: Number | None,
) -> None:
    """Closes a batch with a result for each person."""
    _check_open(chunk, batch_id)
    people, packed = pack_keys(tuple(results)), pack_results(results)
    found = await db.execute(
        "UPDATE batches b SET state = 'settled', keys = %s, people = %s, results = %s, seal = %s,"
        " charged = %s, found = %s, empty = %s, rejected = %s, ended_at = clock_timestamp()"
        " FROM batches before WHERE b.batch_id = %s AND before.id = b.id"
        " RETURNING b.id, b.reason, CASE WHEN b.reason IS NOT NULL THEN before.keys END",
        (
            *(pack_stored(people.stored), len(results), packed.columns),
            *(seal(people.stored, packed.columns), charged),
            *(packed.found, packed.empty, packed.rejected, batch_id),
        ),
    )
    row, lost, asked = await one(found)
    if lost is not None:
        await _leave_lost(db, chunk, (row, batch_id, asked), lost, people.each)
    statuses = [end.status for end in results.values()]
    ends = dict(zip(_packed(people.each), statuses, strict=True))
    await told_by_result(db, chunk.scope_id, chunk.chunk_id, row, ends)
    chunk.open.discard(batch_id)


async def _leave_lost(
    db: Connection, chunk: Chunk, batch: tuple[int, str, bytes], reason: str, ended: Sequence[Key]
) -> None:
    """A batch was lost before: who gets no end by it now is unsettled as before."""
    row, batch_id, asked = batch
    told = await whose(db, chunk.scope_id, {row: asked})
    done = set(ended)
    left = [key for key in told[row] if key not in done]
    if not left:
        return
    stored = join_keys(left)
    found = await db.execute(
        "INSERT INTO batches"
        " (batch_id, chunk_id, kind, keys, people, seal, state, reason, ended_at)"
        " VALUES (%s, %s, 'batch', %s, %s, %s, 'unsettled', %s, clock_timestamp())"
        " ON CONFLICT (batch_id) DO UPDATE SET ended_at = EXCLUDED.ended_at RETURNING id",
        (
            *(f"{batch_id}/left", chunk.chunk_id, pack_stored(stored), len(left)),
            *(seal(stored, None), reason),
        ),
    )
    (other,) = await one(found)
    # Not those of whom another reply has brought something since they were looked up.
    await db.execute(
        "UPDATE people SET batch_id = %s WHERE scope_id = %s AND key = ANY(%s) AND batch_id = %s",
        (other, chunk.scope_id, _packed(left), row),
    )


async def unsettle(db: Connection, chunk: Chunk, batch_id: str, reason: str) -> None:
    """Closes a batch whose fate is unknown; one that is not open is left alone."""
    if batch_id not in chunk.open:
        return
    chunk.open.discard(batch_id)
    found = await db.execute(
        "UPDATE batches SET state = 'unsettled', reason = %s, ended_at = clock_timestamp()"
        " WHERE batch_id = %s RETURNING id, keys",
        (pack_text(reason), batch_id),
    )
    row, stored = await one(found)
    keys = _packed(split_keys(unpack_stored(stored)))
    await told_by_loss(db, chunk.scope_id, chunk.chunk_id, row, keys)


async def save_usage(db: Connection, chunk: Chunk, usage: bytes) -> None:
    """Writes down what the rate limits have seen."""
    await db.execute("UPDATE chunks SET usage = %s WHERE id = %s", (usage, chunk.chunk_id))


def _check_open(chunk: Chunk, batch_id: str) -> None:
    if batch_id not in chunk.open:
        raise RefusedError(f"it holds no open batch {batch_id}")


def taken_over(chunk_id: int) -> JournalError:
    """The error of a worker whose chunk another one has."""
    return JournalError(
        f"the chunk {chunk_id} belongs to another worker by now: this one was not heard of for too "
        "long. Nothing more is sent for it from here"
    )


async def one(found: Cursor) -> Any:
    """The one row that must be there."""
    row = await found.fetchone()
    if row is None:
        raise JournalError("rows of the database were deleted while they were in use")
    return row


def _packed(keys: Iterable[Key]) -> list[bytes]:
    return [pack_person(key) for key in keys]
