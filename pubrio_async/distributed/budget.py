"""The budget of a run, shared by all who work on it: credits are set aside for each chunk.

Promise: what was charged, what may still be charged and what is set aside never exceed
`max_credits` together, as far as a person costs no more than the run's `worst_case`.

A chunk counts with what was charged for it, and the worst case of everybody whose answer is open or
lost, or came without its cost; while credits are set aside for it, with the larger of that and
these. They are set aside in one transaction that locks the run, from what all other chunks leave. A
chunk that is taken over from a dead worker keeps what was set aside until its new worker asks; what
it was charged stays.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal
from uuid import UUID

from msgspec import Struct

from pubrio_async._errors import JournalError
from pubrio_async.distributed.journal_steps import one, taken_over
from pubrio_async.distributed.store import Connection, Store
from pubrio_async.distributed.values import pack_person, unpack_stored
from pubrio_async.models.redeem import Number
from pubrio_async.scheduler.journal_values import split_keys


class BudgetLease(Struct, frozen=True):
    """What a chunk may cost.

    Attributes:
        kind: `whole`: enough for everybody who is still to be sent. `part`: for some of them, as
            nobody else holds more, or for what is open only, which may cost less than it counts
            with: ask again once it is fetched. `later`: too little, while others hold some that
            they may give back, or have something open; come again. `none`: nobody else can be
            sent, and nothing will come back.
        credits: The `max_credits` of a run over the chunk's people, what is open included; None
            for no bound.
    """

    kind: Literal["whole", "part", "later", "none"]
    credits: Number | None = None


async def lease_budget(
    store: Store,
    chunk_id: int,
    token: UUID,
    *,
    worst_case: Number | None = None,
    resend: bool = False,
) -> BudgetLease:
    """Sets aside what the people of a chunk who are still to be sent can cost.

    Asking again replaces what was set aside before. With `later` and `none` nothing is, beyond what
    was charged and may be: what is open can still be fetched, with `credits` as its bound.

    Args:
        store: The database.
        chunk_id: The chunk.
        token: What proves that it belongs to this worker.
        worst_case: What a person costs at most as far as this worker knows, such as from the plan;
            if that is more than was thought, it holds for the whole run from then on.
        resend: Whether people whose answer is lost are sent again: what they may have cost goes on
            to count, and they count once more.

    Returns:
        What it may cost.

    Raises:
        JournalError: The chunk belongs to somebody else by now, or the database cannot be used.
    """

    async def work(db: Connection) -> BudgetLease:
        # Others wait for this one: if it is stopped in the middle, its connection is closed.
        await db.execute("SET LOCAL idle_in_transaction_session_timeout = '5s'")
        chunk = await _own(db, chunk_id, token)
        if chunk.max_credits is None:
            return BudgetLease("whole")
        to_send = await _to_send(db, chunk_id, chunk, resend=resend)
        await db.execute("SELECT FROM runs WHERE id = %s FOR NO KEY UPDATE", (chunk.run_id,))
        if worst_case is not None:
            await db.execute(
                "UPDATE runs SET worst_case = %s WHERE id = %s AND worst_case < %s",
                (worst_case, chunk.run_id, worst_case),
            )
        # Read anew: it may have been raised while this waited.
        found = await db.execute(_STANDING, {"run": chunk.run_id, "chunk": chunk_id})
        bound, price, spent, others, idle, pending, elsewhere = await one(found)
        if price is None:
            raise JournalError(
                f"the run of the chunk {chunk_id} has max_credits and no worst_case: enqueue it "
                "again with what a person costs at most"
            )
        room = max(Decimal(0), bound - spent - others)
        wanted = price * to_send
        lease, kind = _share(
            room, wanted, price, has_rivals=idle > 0, opens=pending > 0, waits=elsewhere > 0
        )
        # What is open here may turn out to be cheaper, and be spent on others of this chunk.
        reserved = spent + lease if lease or pending else Decimal(0)
        await db.execute("UPDATE chunks SET reserved = %s WHERE id = %s", (reserved, chunk_id))
        return BudgetLease(kind, _number(price * pending + lease))

    return await store.transact(work)


async def left_to_send(store: Store, chunk_id: int, token: UUID) -> int:
    """How many people of a chunk were never sent, or are to be bought again.

    Args:
        store: The database.
        chunk_id: The chunk.
        token: What proves that it belongs to this worker.

    Raises:
        JournalError: The chunk belongs to somebody else by now, or the database cannot be used.
    """

    async def work(db: Connection) -> int:
        return await _to_send(db, chunk_id, await _own(db, chunk_id, token), resend=False)

    return await store.transact(work)


# What the run may cost; what a person can cost, as far as charges have shown; what this chunk has
# cost and may have; what the others count with; what of that they hold for more; who is open here,
# and with the others, who may turn out to be cheaper.
_STANDING = """
WITH costs AS (
    SELECT c.id, c.reserved, COALESCE(sum(b.charged), 0) AS charged,
        COALESCE(sum(b.people) FILTER (WHERE b.charged IS NULL), 0) AS unknown,
        COALESCE(sum(b.people) FILTER (WHERE b.state = 'open'), 0) AS open,
        max(b.charged / NULLIF(b.people, 0)) AS dearest
    FROM chunks c LEFT JOIN batches b ON b.chunk_id = c.id
    WHERE c.run_id = %(run)s GROUP BY c.id
), price AS (
    SELECT r.max_credits, GREATEST(r.worst_case, (SELECT max(dearest) FROM costs)) AS each
    FROM runs r WHERE r.id = %(run)s
), bounds AS (
    SELECT c.id, c.open, c.charged + c.unknown * p.each AS spent, c.reserved
    FROM costs c, price p
)
SELECT p.max_credits, CASE WHEN r.worst_case IS NOT NULL THEN p.each END,
    COALESCE(sum(b.spent) FILTER (WHERE b.id = %(chunk)s), 0),
    COALESCE(sum(GREATEST(b.spent, b.reserved)) FILTER (WHERE b.id <> %(chunk)s), 0),
    COALESCE(sum(GREATEST(b.reserved - b.spent, 0)) FILTER (WHERE b.id <> %(chunk)s), 0),
    COALESCE(sum(b.open) FILTER (WHERE b.id = %(chunk)s), 0),
    COALESCE(sum(b.open) FILTER (WHERE b.id <> %(chunk)s), 0)
FROM price p, runs r, bounds b WHERE r.id = %(run)s
GROUP BY p.max_credits, p.each, r.worst_case
"""


class _Own(Struct, frozen=True):
    run_id: int
    max_credits: Decimal | None
    scope_id: int
    keys: bytes
    newer_than: float | None


async def _own(db: Connection, chunk_id: int, token: UUID) -> _Own:
    found = await db.execute(
        "SELECT r.id, r.max_credits, r.scope_id, c.keys,"
        " extract(epoch FROM c.made_at)::float8 - r.max_age"
        " FROM chunks c JOIN runs r ON r.id = c.run_id"
        " WHERE c.id = %s AND c.token = %s AND c.state = 'doing' FOR NO KEY UPDATE OF c",
        (chunk_id, token),
    )
    row = await found.fetchone()
    if row is None:
        raise taken_over(chunk_id)
    return _Own(*row)


async def _to_send(db: Connection, chunk_id: int, chunk: _Own, *, resend: bool) -> int:
    """How many of its people are neither bought nor open, nor lost; with `resend`, lost or not."""
    people = {pack_person(key) for key in split_keys(unpack_stored(chunk.keys))}
    found = await db.execute(
        "SELECT p.key FROM people p LEFT JOIN batches b ON b.id = p.batch_id"
        " WHERE p.scope_id = %(scope)s AND p.key = ANY(%(keys)s) AND CASE COALESCE(b.state, '')"
        " WHEN 'open' THEN true"
        " WHEN 'unsettled' THEN NOT %(resend)s"
        # Whom another chunk has by now is sent there.
        " WHEN 'settled' THEN p.chunk_id <> %(chunk)s OR %(since)s::float8 IS NULL"
        " OR b.intended_at >= to_timestamp(%(since)s) ELSE p.chunk_id <> %(chunk)s END",
        {
            "scope": chunk.scope_id,
            "keys": list(people),
            "chunk": chunk_id,
            "resend": resend,
            "since": chunk.newer_than,
        },
    )
    people.difference_update(key for (key,) in await found.fetchall())
    found = await db.execute(
        "SELECT keys FROM batches WHERE chunk_id = %s AND state = 'open'", (chunk_id,)
    )
    for (stored,) in await found.fetchall():
        people.difference_update(map(pack_person, split_keys(unpack_stored(stored))))
    return len(people)


def _share(
    room: Decimal, wanted: Decimal, price: Decimal, *, has_rivals: bool, opens: bool, waits: bool
) -> tuple[Decimal, Literal["whole", "part", "later", "none"]]:
    """How much is set aside, and what that is enough for."""
    if wanted <= room:
        return wanted, "whole"
    if room >= price and not has_rivals:
        return room, "part"
    # What is open counts with the worst case, and may cost less: here it is fetched first, or two
    # chunks would wait for each other; elsewhere somebody else does so.
    if opens:
        return Decimal(0), "part"
    return Decimal(0), "later" if has_rivals or waits else "none"


def _number(value: Decimal) -> Number:
    return int(value) if value == int(value) else float(value)
