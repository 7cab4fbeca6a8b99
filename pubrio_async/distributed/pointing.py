"""Which batch tells a person's end when one was withdrawn: what came before stands again."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Iterable
from contextlib import aclosing
from datetime import datetime

from msgspec import Struct

from pubrio_async.distributed.store import Connection
from pubrio_async.distributed.values import pack_person, unpack_person, unpack_stored
from pubrio_async.scheduler.journal_values import Key, split_keys

_AT_ONCE = 200
_REFUSED = "skipped: never sent: an earlier request with them was refused after all"

_FREE = """
UPDATE people SET batch_id = NULL WHERE scope_id = %s AND key = ANY(%s) AND batch_id = %s
RETURNING key, chunk_id
"""

# Of the whole run: who is sent again after a loss may be in another chunk by then, and the lost
# request open again in a third one.
_LOST = """
SELECT b.id, b.keys, b.intended_at FROM batches b JOIN chunks c ON c.id = b.chunk_id
WHERE b.state IN ('unsettled', 'open')
AND c.run_id = (SELECT run_id FROM chunks WHERE id = %s) ORDER BY b.id DESC
"""

# Of all runs: what is too old for this one may have been bought for another.
_SETTLED = """
SELECT b.id, b.keys, b.ended_at FROM batches b JOIN chunks c ON c.id = b.chunk_id
JOIN runs r ON r.id = c.run_id
WHERE r.scope_id = %s AND b.state = 'settled' AND b.id < %s ORDER BY b.id DESC LIMIT %s
"""

_BUYS_AGAIN = """
SELECT FROM runs r JOIN chunks c ON c.run_id = r.id WHERE c.id = %s AND r.max_age IS NOT NULL
"""

_KEEP = "SELECT FROM batches WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE"

_POINT = """
UPDATE people SET batch_id = %s WHERE scope_id = %s AND key = ANY(%s) AND batch_id IS NULL
"""

# None of these is done from then on before the transaction ends.
_HOLD = "SELECT FROM chunks WHERE id = ANY(%s) ORDER BY id FOR SHARE"

# A chunk that goes on learns of it by itself.
_LEFT_OUT = """
UPDATE people p SET failure = %s FROM chunks c
WHERE p.scope_id = %s AND p.key = ANY(%s) AND c.id = p.chunk_id
AND c.state IN ('done', 'stopped') AND (p.batch_id IS NULL
    OR EXISTS (SELECT FROM batches b WHERE b.id = p.batch_id AND b.state = 'settled'))
"""


async def point_back(
    db: Connection, scope_id: int, chunk_id: int, batch: tuple[int, Iterable[Key]]
) -> None:
    """People of a withdrawn batch are free, but for what is known of them from others.

    Those to whom another batch went that is lost, or open, are told by that one; those whose old
    result was to be bought again, by that result. Whom a chunk has that is done without them can
    be claimed again.

    Args:
        db: A transaction.
        scope_id: Where they are bought.
        chunk_id: The chunk of the batch.
        batch: Its number, and its people.
    """
    row, keys = batch
    found = await db.execute(_FREE, (scope_id, _packed(keys), row))
    chunk_of = {unpack_person(key): chunk for key, chunk in await found.fetchall()}
    freed = set(chunk_of)
    if not freed:
        return  # the usual case: no answer to it was ever lost
    told = await _told(db, scope_id, chunk_id, row, freed)
    while await _are_gone(db, {end.batch_id for end in told.values()}):
        told = await _told(db, scope_id, chunk_id, row, freed)
    people: dict[int, list[Key]] = {}
    for key, end in told.items():
        people.setdefault(end.batch_id, []).append(key)
    for number, each in people.items():
        await db.execute(_POINT, (number, scope_id, _packed(each)))
    others = sorted({*chunk_of.values()} - {chunk_id})
    if others:
        await db.execute(_HOLD, (others,))
        of_others = _packed(key for key, chunk in chunk_of.items() if chunk != chunk_id)
        await db.execute(_LEFT_OUT, (_REFUSED, scope_id, of_others))


class _End(Struct, frozen=True):
    """A batch that tells an end, and since when: a result that came later goes before a loss."""

    batch_id: int
    since: datetime


async def _told(
    db: Connection, scope_id: int, chunk_id: int, row: int, people: set[Key]
) -> dict[Key, _End]:
    """What tells the end of people, beside a batch of theirs."""
    told: dict[Key, _End] = {}
    found = await db.execute(_LOST, (chunk_id,))
    for number, stored, since in await found.fetchall():
        for key in people.intersection(split_keys(unpack_stored(stored))):
            told.setdefault(key, _End(number, since))
    found = await db.execute(_BUYS_AGAIN, (chunk_id,))
    if found.rowcount:
        for key, old in (await _results(db, scope_id, row, people)).items():
            lost = told.get(key)
            if lost is None or lost.batch_id < old.batch_id or lost.since <= old.since:
                told[key] = old
    return told


async def _are_gone(db: Connection, batches: Collection[int]) -> bool:
    """Whether any of some batches was withdrawn meanwhile; the others are not, from here on."""
    found = await db.execute(_KEEP, (list(batches),))
    return found.rowcount < len(batches)


async def _results(
    db: Connection, scope_id: int, before: int, people: Collection[Key]
) -> dict[Key, _End]:
    """The newest result of each of some people, as far as they have any."""
    left = set(people)
    ends: dict[Key, _End] = {}
    async with aclosing(_settled(db, scope_id, before)) as batches:
        async for number, stored, since in batches:
            for key in left.intersection(split_keys(unpack_stored(stored))):
                ends[key] = _End(number, since)
            left.difference_update(ends)
            if not left:
                break
    return ends


async def _settled(
    db: Connection, scope_id: int, before: int
) -> AsyncGenerator[tuple[int, bytes, datetime]]:
    """The settled batches before one, the newest first, some at a time."""
    rows: list[tuple[int, bytes, datetime]] = []
    while True:
        found = await db.execute(_SETTLED, (scope_id, before, _AT_ONCE))
        rows = await found.fetchall()
        for row in rows:
            yield row
        if len(rows) < _AT_ONCE:
            return
        before = rows[-1][0]


def _packed(keys: Iterable[Key]) -> list[bytes]:
    return [pack_person(key) for key in keys]
