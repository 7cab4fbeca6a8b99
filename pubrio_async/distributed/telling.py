"""Which batch tells a person's end when it gets one; `pointing`: when a batch was withdrawn.

Mostly there is no other. Where there is, what was bought by either is not to be hidden, and what
the newer request tells goes before what the older one does.
"""

from __future__ import annotations

from collections.abc import Mapping

from pubrio_async.distributed.pointing import TOO_OLD
from pubrio_async.distributed.store import Connection
from pubrio_async.distributed.values import unpack_person, unpack_stored
from pubrio_async.scheduler.journal_values import unpack_results

_CAME_SINCE = f"""
old.state = 'settled' AND old.found > 0 AND (old.id > new.id OR NOT {TOO_OLD})
"""
"""Whether the batch `old` has brought anything since the batch `new` was about to be sent.

Not by the time at which it ended: others see that only once it is committed, and may have sent the
person in between. Whose result is not too old is sent by nobody who sees it.
"""

# What a later request brought stays, and so does its loss, unless this one has found them; and both
# where this one is too old, or they would be sent once more; and the loss also where it is one of a
# later run. What was bought stays, too, if the person is refused when it is to be bought again.
# Mostly nothing was known before, and the rest is not looked at. Unless it is `sure`, nobody is
# told who may have got something meanwhile: whether the other batch has an end is not to be seen
# here, if this statement has waited for it.
_RESULT = f"""
INSERT INTO people AS p (scope_id, key, chunk_id, batch_id)
SELECT %(scope)s, key, %(chunk)s, %(row)s FROM unnest(%(keys)b::bytea[]) AS key
ON CONFLICT (scope_id, key) DO UPDATE
SET batch_id = EXCLUDED.batch_id, older_id = NULL, failure = NULL
WHERE p.batch_id IS NULL OR NOT EXISTS (
    SELECT FROM batches b JOIN chunks c ON c.id = b.chunk_id,
        batches old JOIN chunks d ON d.id = old.chunk_id
    WHERE b.id = p.batch_id AND old.id = EXCLUDED.batch_id AND b.id > old.id AND (
        c.run_id <> d.run_id AND b.state <> 'settled' OR NOT p.key = ANY(%(found)b::bytea[])
        OR {TOO_OLD}
    )
) AND NOT EXISTS (
    SELECT FROM batches b WHERE b.id = p.batch_id AND b.id <> EXCLUDED.batch_id
    AND b.state = 'settled' AND b.found > 0 AND p.key = ANY(%(refused)b::bytea[])
) AND (%(sure)s OR p.batch_id <= EXCLUDED.batch_id AND NOT EXISTS (
    SELECT FROM batches old, batches new WHERE old.id IN (p.batch_id, p.older_id)
    AND new.id = EXCLUDED.batch_id AND old.id <> new.id AND (old.state = 'open' OR {_CAME_SINCE})
))
"""  # noqa: S608 - a constant

_OTHERS = f"""
SELECT old.id, old.id > new.id, old.keys, old.results, array_agg(p.key)
FROM people p, batches old, batches new
WHERE p.scope_id = %(scope)s AND p.key = ANY(%(keys)b::bytea[]) AND new.id = %(row)s
AND old.id IN (p.batch_id, p.older_id) AND old.id <> new.id AND {_CAME_SINCE}
GROUP BY old.id, new.id ORDER BY old.id
"""  # noqa: S608 - a constant

# Not those who are told by a loss that came later than this one.
_KEEP = """
UPDATE people SET batch_id = %(other)s, older_id = NULL, failure = NULL
WHERE scope_id = %(scope)s AND key = ANY(%(keys)b::bytea[])
AND batch_id <= %(row)s AND older_id = %(other)s
"""

# It is what stands again if the lost request turns out to have been refused.
_OLDER = """
UPDATE people p SET older_id = GREATEST(p.older_id, %(row)s) FROM batches b
WHERE p.scope_id = %(scope)s AND p.key = ANY(%(keys)b::bytea[]) AND b.id = p.batch_id
AND b.id <> %(row)s AND b.state <> 'settled'
"""

# Who has a result that is not too old keeps it, and who was sent once more is looked for there:
# this one may be older, and looked for again in vain.
_LOSS = f"""
INSERT INTO people AS p (scope_id, key, chunk_id, batch_id)
SELECT %(scope)s, key, %(chunk)s, %(row)s FROM unnest(%(keys)b::bytea[]) AS key
ON CONFLICT (scope_id, key) DO UPDATE
SET batch_id = EXCLUDED.batch_id, failure = NULL, older_id = COALESCE(
    (SELECT b.id FROM batches b WHERE b.id = p.batch_id AND b.state = 'settled'), p.older_id
) WHERE NOT EXISTS (
    SELECT FROM batches old WHERE old.id = p.batch_id
    AND (old.id > EXCLUDED.batch_id OR old.state = 'settled' AND NOT {TOO_OLD})
)
"""  # noqa: S608 - a constant


async def told_by_result(
    db: Connection, scope_id: int, chunk_id: int, row: int, ends: Mapping[bytes, str]
) -> None:
    """People get the end that a batch has brought, unless another one goes before.

    Args:
        db: A transaction, in which the batch was settled.
        scope_id: Where they are bought.
        chunk_id: The chunk of the batch.
        row: The number of the batch.
        ends: The people, and how each ended. Those the reply names beyond the batch were paid
            for, too.
    """
    found = {key for key, status in ends.items() if status == "found"}
    given = {
        "scope": scope_id,
        "chunk": chunk_id,
        "row": row,
        "keys": sorted(ends),  # in the order in which all others lock them
        "found": list(found),
        "refused": [key for key, status in ends.items() if status == "rejected"],
    }
    told = await db.execute(_RESULT, given | {"sure": False})
    if told.rowcount == len(ends):
        return
    # From here on nobody else changes them.
    kept: dict[bytes, int] = {}
    others = await db.execute(_OTHERS, given)
    for other, is_newer, stored, results, people in await others.fetchall():
        known = unpack_results(unpack_stored(stored), results)
        for key in people:
            has_found = known.status(unpack_person(key)) == "found"
            if has_found and (is_newer or key not in found):
                kept[key] = other
    left = sorted(ends.keys() - kept.keys())
    await db.execute(_RESULT, given | {"keys": left, "sure": True})
    for other in set(kept.values()):
        keys = [key for key, number in kept.items() if number == other]
        await db.execute(_KEEP, given | {"keys": keys, "other": other})
    await db.execute(_OLDER, given)


async def told_by_loss(
    db: Connection, scope_id: int, chunk_id: int, row: int, keys: list[bytes]
) -> None:
    """People are told that the answer to a batch is lost, unless they know better.

    Args:
        db: A transaction, in which the batch was unsettled.
        scope_id: Where they are bought.
        chunk_id: The chunk of the batch.
        row: The number of the batch.
        keys: Its people.
    """
    # What others write of them meanwhile is waited for, and then seen.
    await db.execute(
        "SELECT FROM people WHERE scope_id = %s AND key = ANY(%s) ORDER BY key FOR UPDATE",
        (scope_id, keys),
    )
    given = {"scope": scope_id, "chunk": chunk_id, "row": row, "keys": keys}
    await db.execute(_LOSS, given)
