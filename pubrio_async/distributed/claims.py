"""Who is bought for which run: each person is claimed once in a scope, and cut into chunks.

Claims are gathered until a chunk is full, however few new people there are in a block: a chunk
with few people makes small batches, and those waste requests.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct

from pubrio_async.distributed.queue import job_priority, put, queue_of
from pubrio_async.distributed.store import Connection
from pubrio_async.distributed.values import (
    pack_person,
    pack_stored,
    unpack_person,
    unpack_stored,
)
from pubrio_async.scheduler.journal_values import join_keys, pack_keys, split_keys, unpack_key

_FULL = 2_000

# Only people whom nobody is about to buy: those that a chunk was done without, and those whose
# result is too old. One that is claimed anew belongs to a chunk that is not done. What this run
# has bought is never too old for it: an input may take longer to come, and name them once more.
_CLAIM = """
INSERT INTO people AS p (scope_id, key, chunk_id)
SELECT %(scope)s, key, %(chunk)s FROM unnest(%(keys)s::bytea[]) AS key
ON CONFLICT (scope_id, key) DO UPDATE SET chunk_id = EXCLUDED.chunk_id, failure = NULL
WHERE (p.batch_id IS NULL AND p.failure IS NOT NULL)
OR EXISTS (
    SELECT FROM batches b, chunks c WHERE b.id = p.batch_id AND b.state = 'settled'
    AND b.intended_at < clock_timestamp() - make_interval(secs => %(age)s)
    AND c.id = p.chunk_id AND c.state IN ('done', 'stopped')
    AND (c.run_id <> %(run)s OR p.failure IS NOT NULL)
)
RETURNING key
"""

_KNOWN = """
SELECT p.key FROM people p JOIN chunks c ON c.id = p.chunk_id
WHERE p.scope_id = %s AND p.key = ANY(%s) AND c.run_id <> %s
"""

# Nobody with a result that is young enough, whatever is noted.
_FREE = """
SELECT p.key FROM people p LEFT JOIN batches b ON b.id = p.batch_id
WHERE p.scope_id = %(scope)s AND p.key = ANY(%(keys)s) AND p.failure IS NOT NULL
AND (p.batch_id IS NULL OR b.state = 'settled'
    AND b.intended_at < clock_timestamp() - make_interval(secs => %(age)s))
"""

_AGAIN = """
WITH failed AS MATERIALIZED (
    SELECT p.scope_id, p.key, p.chunk_id FROM people p JOIN chunks c ON c.id = p.chunk_id
    LEFT JOIN batches b ON b.id = p.batch_id
    WHERE c.run_id = %(run)s AND c.state IN ('done', 'stopped') AND p.failure IS NOT NULL
    AND (p.batch_id IS NULL OR b.state = 'settled'
        AND b.intended_at < clock_timestamp() - make_interval(secs => %(age)s))
    ORDER BY p.key LIMIT %(most)s FOR UPDATE OF p
), left_behind AS (
    UPDATE chunks c SET people = c.people - n.people
    FROM (SELECT chunk_id, count(*) AS people FROM failed GROUP BY chunk_id) n
    WHERE c.id = n.chunk_id
)
UPDATE people p SET chunk_id = %(chunk)s, failure = NULL FROM failed f
WHERE p.scope_id = f.scope_id AND p.key = f.key RETURNING p.key
"""


class Claims(Struct):
    """The claims of a run. Every method is a part of a transaction that holds the run.

    Attributes:
        run_id: The run.
        scope_id: Where people are bought once.
        origin: The base URL of the API.
        priority: Of the run.
        max_age: Seconds after which a result is bought again; None for never.
    """

    run_id: int
    scope_id: int
    origin: str
    priority: int
    max_age: float | None

    async def claim(self, db: Connection, people: Sequence[str]) -> Collection[str]:
        """Claims people, as far as nobody else has.

        Returns:
            Those whom another run has.
        """
        # In one order, so that two who claim the same people wait for each other and do not
        # deadlock.
        keys = pack_keys(tuple(dict.fromkeys(people))).each
        wanted = sorted(pack_person(key) for key in keys)
        if not wanted:
            return ()
        claimed = await self._claim(db, wanted, self.max_age)
        others = set(wanted).difference(claimed)
        if not others:
            return ()
        found = await db.execute(_KNOWN, (self.scope_id, list(others), self.run_id))
        return {_text(key) for (key,) in await found.fetchall()}

    async def claim_free(self, db: Connection, people: Sequence[str]) -> Collection[str]:
        """Claims people whom another run had, and was done without.

        Returns:
            Who they are.
        """
        keys = pack_keys(tuple(dict.fromkeys(people))).each
        given = {"scope": self.scope_id, "keys": [*map(pack_person, keys)], "age": self.max_age}
        found = await db.execute(_FREE, given)
        wanted = sorted([key for (key,) in await found.fetchall()])
        if not wanted:
            return ()
        return {_text(key) for key in await self._claim(db, wanted, self.max_age)}

    async def claim_again(self, db: Connection) -> int:
        """Claims people of this run whom its chunks were done without.

        Returns:
            How many; 0 once there are no more.
        """
        await db.execute("SELECT FROM runs WHERE id = %s FOR UPDATE", (self.run_id,))
        chunk = await self._open_chunk(db)
        found = await db.execute(
            _AGAIN,
            {
                "run": self.run_id,
                "chunk": chunk.chunk_id,
                "most": _FULL,
                "age": self.max_age,
            },
        )
        claimed = [key for (key,) in await found.fetchall()]
        await self._add(db, chunk, claimed)
        return len(claimed)

    async def close(self, db: Connection) -> None:
        """There are no more: what is not full goes into the queue as it is."""
        chunk = await self._open_chunk(db)
        if chunk.people:
            await self._seal(db, chunk)
        else:
            await db.execute("DELETE FROM chunks WHERE id = %s", (chunk.chunk_id,))
        await db.execute(
            "UPDATE chunks SET state = 'done' WHERE run_id = %s AND state = 'stopped'",
            (self.run_id,),
        )

    async def _claim(
        self, db: Connection, wanted: list[bytes], max_age: float | None
    ) -> list[bytes]:
        chunk = await self._open_chunk(db)
        found = await db.execute(
            _CLAIM,
            {
                "scope": self.scope_id,
                "chunk": chunk.chunk_id,
                "run": self.run_id,
                "keys": wanted,
                "age": max_age,
            },
        )
        claimed = [key for (key,) in await found.fetchall()]
        await self._add(db, chunk, claimed)
        return claimed

    async def _open_chunk(self, db: Connection) -> _Chunk:
        found = await db.execute(
            "SELECT id, number, people, keys FROM chunks WHERE run_id = %s AND state = 'filling'"
            " FOR UPDATE",
            (self.run_id,),
        )
        row = await found.fetchone()
        if row is None:
            found = await db.execute(
                "INSERT INTO chunks (run_id, number, people, keys)"
                " SELECT %s, COALESCE(max(number) + 1, 0), 0, %s FROM chunks WHERE run_id = %s"
                " RETURNING id, number, people, keys",
                (self.run_id, pack_stored(b""), self.run_id),
            )
            row = await found.fetchone()
        chunk_id, number, people, keys = row or (0, 0, 0, b"")
        return _Chunk(chunk_id, number, people, keys)

    async def _add(self, db: Connection, chunk: _Chunk, claimed: Sequence[bytes]) -> None:
        if not claimed:
            return
        keys = [*split_keys(unpack_stored(chunk.keys)), *map(unpack_person, claimed)]
        chunk.people = len(keys)
        await db.execute(
            "UPDATE chunks SET people = %s, keys = %s, changed_at = clock_timestamp()"
            " WHERE id = %s",
            (chunk.people, pack_stored(join_keys(keys)), chunk.chunk_id),
        )
        if chunk.people >= _FULL:
            await self._seal(db, chunk)

    async def _seal(self, db: Connection, chunk: _Chunk) -> None:
        await db.execute("UPDATE chunks SET state = 'todo' WHERE id = %s", (chunk.chunk_id,))
        await put(
            db,
            chunk.chunk_id,
            queue=queue_of(self.origin),
            priority=job_priority(self.priority, chunk.number),
        )


class _Chunk(Struct):
    chunk_id: int
    number: int
    people: int
    keys: bytes


def _text(packed: bytes) -> str:
    return unpack_key(unpack_person(packed))
