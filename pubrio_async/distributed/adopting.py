"""Takes over what no worker is at: people whose answer is lost, and what a dead worker left open.

Whoever does so is a worker for the queue, with signs of life and a job for each chunk it has. So
no other takes a chunk from it while it lives, and once it was killed others go on with its chunks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self
from uuid import UUID, uuid4

from msgspec import Struct

from pubrio_async._errors import JournalError
from pubrio_async.distributed.budget import left_to_send
from pubrio_async.distributed.chunks import LeftOut, Taken, finish, give_back, look_at, seize
from pubrio_async.distributed.journal_steps import one, whose
from pubrio_async.distributed.queue import job_priority, put, queue_of
from pubrio_async.distributed.store import Connection, Store
from pubrio_async.distributed.survey import held_chunks
from pubrio_async.distributed.values import pack_person, pack_stored, unpack_stored
from pubrio_async.scheduler.journal_values import Key, join_keys, split_keys

_BEATS = 4
_GOODBYE_S = 2.0
_LEFT = "resolve left it before everything in it had an end"

_LOST = """
SELECT b.id, b.keys, b.chunk_id, c.people, r.scope_id
FROM batches b JOIN chunks c ON c.id = b.chunk_id JOIN runs r ON r.id = c.run_id
WHERE b.id = ANY(%s) AND b.state = 'unsettled' AND c.state IN ('done', 'stopped')
ORDER BY b.id FOR UPDATE OF b, c
"""

_BEAT = "UPDATE procrastinate_workers SET last_heartbeat = clock_timestamp() WHERE id = %s"

_URGENCY = """
SELECT r.priority, c.number FROM chunks c JOIN runs r ON r.id = c.run_id WHERE c.id = %s
"""

# As old as those it is made of: what was sent for them is not too old for it, or they would be
# bought again.
_MAKE = """
INSERT INTO chunks (run_id, number, people, keys, state, made_at)
SELECT %(run)s, max(number) + 1, %(people)s, %(keys)s, 'done',
    min(made_at) FILTER (WHERE id = ANY(%(from)s)) FROM chunks WHERE run_id = %(run)s RETURNING id
"""

# Nobody gets one of them, or gives it back, from then on before the transaction ends.
_HOLD_JOBS = """
SELECT FROM procrastinate_jobs WHERE queue_name = %(queue)s
AND status IN ('todo', 'doing') AND (args ->> 'chunk_id')::bigint = %(chunk)s
ORDER BY id FOR UPDATE
"""

# One that waits, or that a worker had which is not heard of any more.
_CLAIM_JOB = """
UPDATE procrastinate_jobs SET status = 'doing', worker_id = %(me)s WHERE id = (
    SELECT j.id FROM procrastinate_jobs j WHERE j.queue_name = %(queue)s
    AND j.status IN ('todo', 'doing') AND (j.args ->> 'chunk_id')::bigint = %(chunk)s
    AND (j.status = 'todo' OR j.worker_id = %(me)s OR NOT EXISTS (
        SELECT FROM procrastinate_workers w WHERE w.id = j.worker_id AND (
            w.last_heartbeat > clock_timestamp() - make_interval(secs => %(after)s)
            OR pg_postmaster_start_time() > clock_timestamp() - make_interval(secs => %(after)s)
        )
    )) ORDER BY j.id LIMIT 1
) RETURNING id
"""

_MY_JOB = """
SELECT id FROM procrastinate_jobs WHERE id = %s AND worker_id = %s AND status = 'doing' FOR UPDATE
"""
_DONE = "SELECT procrastinate_finish_job_v1(%s, 'succeeded', true)"
_AGAIN = "SELECT procrastinate_retry_job_v2(%s, now(), NULL, NULL, NULL)"


async def _join(db: Connection) -> int:
    """A new worker, for all others."""
    found = await db.execute("SELECT worker_id FROM procrastinate_register_worker_v1()")
    (worker_id,) = await one(found)
    return int(worker_id)


class Adopted(Struct, frozen=True):
    """A chunk in our hands.

    Attributes:
        chunk: The chunk.
        job_id: Its job.
        was_done: Whether workers were done with it: then they get it back only to fetch, or look
            for, what is open.
    """

    chunk: Taken
    job_id: int
    was_done: bool


class Adopter:
    """Takes chunks that no worker is at, and is taken for a worker meanwhile.

        async with Adopter(store, origin, stalled_s=20.0) as adopter:
            ...

    Args:
        store: The database.
        origin: The base URL of the API.
        stalled_s: Seconds without a sign of life after which a worker is taken for dead.
    """

    def __init__(self, store: Store, origin: str, *, stalled_s: float) -> None:
        self._store = store
        self._queue = queue_of(origin)
        self._stalled_s = stalled_s
        self._me = 0
        self._beating: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._me = await self._store.transact(_join)
        self._beating = asyncio.create_task(self._beat())
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        async def leave(db: Connection) -> None:
            await db.execute("SELECT procrastinate_unregister_worker_v1(%s)", (self._me,))

        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)
        with suppress(JournalError, TimeoutError):  # else it is missed like one that was killed
            async with asyncio.timeout(_GOODBYE_S):
                await self._store.transact(leave)

    async def take_lost(
        self, run_id: int, batches: Sequence[int], *, reopen: bool
    ) -> Adopted | None:
        """Makes a chunk of lost batches, out of chunks that are done.

        Args:
            run_id: Their run.
            batches: Their numbers.
            reopen: Whether they are to be looked for; if not, they stay lost, and their people
                may be sent again.

        Returns:
            The chunk; None if somebody else has it, or nobody in it is lost any more.

        Raises:
            JournalError: The database cannot be used.
        """
        token = uuid4()

        async def work(db: Connection) -> Adopted | None:
            # Whoever makes chunks of this run, or sets credits aside in it, waits.
            await db.execute("SELECT FROM runs WHERE id = %s FOR UPDATE", (run_id,))
            mine = await self._taken_before(db, token)
            if mine is None:
                mine = await self._gather(db, run_id, batches, reopen=reopen)
            if mine is None:
                return None
            # A worker that has a job for it has just done it, and is about to say so.
            return await self._adopt(db, mine, token, was_done=True)

        return await self._store.transact(work)

    async def take_idle(self, chunk_id: int) -> Adopted | None:
        """Takes a chunk that is not done, and that no worker is at.

        Args:
            chunk_id: Its number.

        Returns:
            The chunk; None if a worker is at it by now, or has done it.

        Raises:
            JournalError: The database cannot be used.
        """
        token = uuid4()

        async def work(db: Connection) -> Adopted | None:
            row = await look_at(db, chunk_id)
            if row is None or row.state not in {"todo", "doing"}:
                return None
            if row.token != token and chunk_id in await held_chunks(
                db, self._queue, self._stalled_s
            ):
                return None
            # One may have got its job since: then it waits for the chunk, and is to have it.
            return await self._adopt(db, chunk_id, token, was_done=False)

        return await self._store.transact(work)

    async def let_go(self, adopted: Adopted, failures: Mapping[str, str] | None = None) -> bool:
        """The chunk is done, or goes to whoever takes it next, who sends and fetches what is left.

        Args:
            adopted: The chunk.
            failures: Who turned out to be refused, and why. If workers were done with the chunk,
                they are free for the next `enqueue`, and nobody is sent because of this.

        Returns:
            Whether it was ours until then.

        Raises:
            JournalError: The database cannot be used.
        """
        chunk = adopted.chunk
        try:
            is_done = (
                adopted.was_done
                or await left_to_send(self._store, chunk.chunk_id, chunk.token) == 0
            )
            failed = dict(failures or {})
            # Any of the others may have been freed in this very moment.
            others = [person for person in chunk.people if person not in failed]
            everybody = LeftOut(failed, others)
            is_done = is_done and await finish(self._store, chunk, everybody, "done")
        except JournalError:
            if await give_back(self._store, chunk, _LEFT):
                raise
            return False
        is_ours = is_done or await give_back(self._store, chunk, _LEFT)

        async def end(db: Connection) -> None:
            found = await db.execute(_MY_JOB, (adopted.job_id, self._me))
            if found.rowcount:
                await db.execute(_DONE if is_done else _AGAIN, (adopted.job_id,))

        # If this is lost, the job is that of a worker that is gone, and finds nothing to do.
        await self._store.transact(end)
        return is_ours

    async def _beat(self) -> None:
        async def work(db: Connection) -> int:
            found = await db.execute(_BEAT, (self._me,))
            # Not known any more: it was taken for dead, and others have what it had.
            return self._me if found.rowcount else await _join(db)

        while True:
            await asyncio.sleep(self._stalled_s / _BEATS)
            with suppress(JournalError):  # the database is away: so it is for all
                self._me = await self._store.transact(work)

    async def _taken_before(self, db: Connection, token: UUID) -> int | None:
        """The chunk, if a transaction that was thought to be lost has taken it."""
        found = await db.execute("SELECT id FROM chunks WHERE token = %s", (token,))
        row = await found.fetchone()
        return None if row is None else int(row[0])

    async def _gather(
        self, db: Connection, run_id: int, batches: Sequence[int], *, reopen: bool
    ) -> int | None:
        found = await db.execute(_LOST, (list(batches),))
        rows = await found.fetchall()
        if not rows:
            return None
        scope_id: int = rows[0][-1]
        people = await whose(db, scope_id, {row: keys for row, keys, *_ in rows})
        left: dict[int, int] = {}
        for row, _, chunk_id, *_ in rows:
            left[chunk_id] = left.get(chunk_id, 0) + len(people[row])
        keys = [key for each in people.values() for key in each]
        if not keys:
            return None
        chunk_id = await self._empty_chunk(db, run_id, rows[0], left, keys)
        of_batches = [row for row, each in people.items() if each]
        await db.execute(
            "UPDATE people SET chunk_id = %s WHERE scope_id = %s AND key = ANY(%s)",
            (chunk_id, scope_id, [pack_person(key) for key in keys]),
        )
        await db.execute(
            "UPDATE batches SET chunk_id = %s WHERE id = ANY(%s)", (chunk_id, of_batches)
        )
        if reopen:
            await db.execute(
                "UPDATE batches SET state = 'open', ended_at = NULL WHERE id = ANY(%s)",
                (of_batches,),
            )
        return chunk_id

    async def _empty_chunk(
        self,
        db: Connection,
        run_id: int,
        first: Sequence[int],
        left: dict[int, int],
        keys: Sequence[Key],
    ) -> int:
        """A chunk for these people, who leave those they were in."""
        stored = pack_stored(join_keys(keys))
        chunk_id, in_it = first[2], first[3]
        if left == {chunk_id: in_it} and await _holds_only(db, chunk_id, keys):
            await db.execute("UPDATE chunks SET keys = %s WHERE id = %s", (stored, chunk_id))
            return chunk_id
        for each, number in left.items():
            await db.execute(
                "UPDATE chunks SET people = greatest(0, people - %s) WHERE id = %s", (number, each)
            )
        given = {"run": run_id, "people": len(keys), "keys": stored, "from": [*left]}
        found = await db.execute(_MAKE, given)
        (chunk_id,) = await one(found)
        return int(chunk_id)

    async def _adopt(
        self, db: Connection, chunk_id: int, token: UUID, *, was_done: bool
    ) -> Adopted | None:
        row = await look_at(db, chunk_id)
        if row is None:
            return None
        job_id = await self._claim_job(db, chunk_id, leave_to_others=not was_done)
        if job_id is None:
            return None
        return Adopted(await seize(db, chunk_id, row, token), job_id, was_done)

    async def _claim_job(
        self, db: Connection, chunk_id: int, *, leave_to_others: bool
    ) -> int | None:
        """A job for the chunk; None if a worker has it that is heard of."""
        given = {
            "me": self._me,
            "queue": self._queue,
            "chunk": chunk_id,
            "after": self._stalled_s,
        }
        jobs = await db.execute(_HOLD_JOBS, given)
        found = await db.execute(_CLAIM_JOB, given)
        if found.rowcount == 0:
            if jobs.rowcount and leave_to_others:
                return None
            priority, number = await one(await db.execute(_URGENCY, (chunk_id,)))
            urgency = job_priority(priority, number)
            await put(db, chunk_id, queue=self._queue, priority=urgency)
            found = await db.execute(_CLAIM_JOB, given)
        (job_id,) = await one(found)
        return int(job_id)


async def _holds_only(db: Connection, chunk_id: int, keys: Sequence[Key]) -> bool:
    """Whether nobody else was ever in a chunk: who has left it may come back to it."""
    found = await db.execute("SELECT keys FROM chunks WHERE id = %s", (chunk_id,))
    (stored,) = await one(found)
    return set(keys).issuperset(split_keys(unpack_stored(stored)))
