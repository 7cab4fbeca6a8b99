"""Which batch tells a person's end when one was withdrawn: what came before stands again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct

from pubrio_async.distributed.store import Connection
from pubrio_async.distributed.values import pack_person, unpack_person, unpack_stored
from pubrio_async.scheduler.journal_values import Key, split_keys

_REFUSED = "skipped: never sent: an earlier request with them was refused after all"

TOO_OLD = """
EXISTS (SELECT FROM chunks own JOIN runs r ON r.id = own.run_id WHERE own.id = p.chunk_id
AND old.intended_at < own.made_at - make_interval(secs => r.max_age))
"""
"""Whether the chunk that has a person `p` takes a result of the batch `old` for too old.

A result is as old as its request, whenever it came. What a chunk has sent itself never is.
"""

_FREE = f"""
UPDATE people p SET batch_id = NULL WHERE scope_id = %s AND key = ANY(%s) AND batch_id = %s
RETURNING key, chunk_id, older_id,
    EXISTS (SELECT FROM batches old WHERE old.id = p.older_id AND NOT {TOO_OLD})
"""  # noqa: S608 - a constant

# Of the whole run: who is sent again after a loss may be in another chunk by then, and the lost
# request open again in a third one.
_LOST = """
SELECT b.id, b.keys FROM batches b JOIN chunks c ON c.id = b.chunk_id
WHERE b.state <> 'settled'
AND c.run_id = (SELECT run_id FROM chunks WHERE id = %s) ORDER BY b.id DESC
"""

_KEEP = "SELECT FROM batches WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE"

_POINT = """
UPDATE people SET batch_id = %s WHERE scope_id = %s AND key = ANY(%s) AND batch_id IS NULL
"""

_RESTORE = """
UPDATE people SET batch_id = older_id, older_id = NULL
WHERE scope_id = %s AND key = ANY(%s) AND batch_id IS NULL
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
    freed = {unpack_person(key): _Freed(*rest) for key, *rest in await found.fetchall()}
    if not freed:
        return  # the usual case: no answer to it was ever lost
    lost = await _lost(db, chunk_id, freed)
    while await _are_gone(db, {*lost.values()}):
        lost = await _lost(db, chunk_id, freed)
    people: dict[int, list[Key]] = {}
    for key, number in lost.items():
        people.setdefault(number, []).append(key)
    for number, each in people.items():
        await db.execute(_POINT, (number, scope_id, _packed(each)))
    await db.execute(_RESTORE, (scope_id, _packed(freed.keys() - lost.keys())))
    others = sorted({person.chunk_id for person in freed.values()} - {chunk_id})
    if others:
        await db.execute(_HOLD, (others,))
        of_others = _packed(key for key, person in freed.items() if person.chunk_id != chunk_id)
        await db.execute(_LEFT_OUT, (_REFUSED, scope_id, of_others))


class _Freed(Struct, frozen=True):
    """A person who is free, but for what is known from other batches.

    Attributes:
        chunk_id: The chunk that has the person.
        older_id: The batch with the last result, if there is any.
        is_young: Whether that result is young enough for the chunk.
    """

    chunk_id: int
    older_id: int | None
    is_young: bool

    def is_told_by(self, lost: int) -> bool:
        """Whether a lost batch goes before the last result."""
        return self.older_id is None or (lost > self.older_id and not self.is_young)


async def _lost(db: Connection, chunk_id: int, people: Mapping[Key, _Freed]) -> dict[Key, int]:
    """The last batch of those people who are in one that is lost, or open again."""
    told: dict[Key, int] = {}
    found = await db.execute(_LOST, (chunk_id,))
    for number, stored in await found.fetchall():
        for key in people.keys() & split_keys(unpack_stored(stored)):
            told.setdefault(key, number)
    return {key: number for key, number in told.items() if people[key].is_told_by(number)}


async def _are_gone(db: Connection, batches: Collection[int]) -> bool:
    """Whether any of some batches was withdrawn meanwhile; the others are not, from here on."""
    found = await db.execute(_KEEP, (list(batches),))
    return found.rowcount < len(batches)


def _packed(keys: Iterable[Key]) -> list[bytes]:
    return [pack_person(key) for key in keys]
