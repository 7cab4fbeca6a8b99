"""What sees to it that no chunk is forgotten, whoever dies, and whatever the database lost.

Every worker looks now and then, one at a time: jobs of workers that were not heard of for a while
go back to the queue, and so does a chunk that has no job at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from pubrio_async.distributed.queue import job_priority, put
from pubrio_async.distributed.store import Connection, Store

_LOCK = 0x7075_6273
_FORGOTTEN_S = 600
_AT_ONCE = 100

# A worker that could not reach the database is not dead: nobody is judged by the time before the
# database was back.
_STALLED = """
WITH stalled AS MATERIALIZED (
    SELECT j.id FROM procrastinate_jobs j
    LEFT JOIN procrastinate_workers w ON w.id = j.worker_id
    WHERE j.status = 'doing' AND j.queue_name = %(queue)s
    AND (w.id IS NULL OR w.last_heartbeat < clock_timestamp() - make_interval(secs => %(after)s))
    AND pg_postmaster_start_time() < clock_timestamp() - make_interval(secs => %(after)s)
    FOR UPDATE OF j SKIP LOCKED
)
SELECT procrastinate_retry_job_v2(id, now(), NULL, NULL, NULL) FROM stalled
"""

# Who filled it has died, and was not started again.
_FORGOTTEN = """
UPDATE chunks SET state = 'todo', changed_at = clock_timestamp()
WHERE state = 'filling' AND changed_at < clock_timestamp() - make_interval(secs => %s)
"""

_JOBLESS = """
SELECT c.id, c.number, r.priority
FROM chunks c JOIN runs r ON r.id = c.run_id JOIN scopes s ON s.id = r.scope_id
WHERE s.origin = %(origin)s AND c.state IN ('todo', 'doing') AND NOT EXISTS (
    SELECT FROM procrastinate_jobs j WHERE j.queue_name = %(queue)s
    AND j.status IN ('todo', 'doing') AND (j.args ->> 'chunk_id')::bigint = c.id
) ORDER BY c.id LIMIT %(most)s
"""

_OWN = "SELECT id FROM procrastinate_jobs WHERE status = 'doing' AND worker_id = %s"

_GIVE_BACK = """
WITH mine AS MATERIALIZED (
    SELECT id FROM procrastinate_jobs
    WHERE id = ANY(%s) AND worker_id = %s AND status = 'doing' FOR UPDATE
)
SELECT procrastinate_retry_job_v2(id, now(), NULL, NULL, NULL) FROM mine
"""


class Rescue:
    """Looks after the chunks of an API.

    Args:
        store: The database.
        origin: The base URL of the API.
        queue: The queue of its chunks.
        stalled_s: Seconds without a sign of life after which a worker is taken for dead.
    """

    def __init__(self, store: Store, origin: str, queue: str, *, stalled_s: float) -> None:
        self._store = store
        self._origin = origin
        self._queue = queue
        self._stalled_s = stalled_s
        self._may_judge_at = 0.0
        self._last = 0.0
        self._unknown: frozenset[int] = frozenset()

    async def look(self) -> int:
        """Looks once.

        Returns:
            How many chunks went back to the queue.

        Raises:
            JournalError: The database cannot be reached.
        """
        saved = await self._store.transact(self._save)
        self._last = asyncio.get_running_loop().time()
        return saved

    async def _save(self, db: Connection) -> int:
        found = await db.execute("SELECT pg_try_advisory_xact_lock(%s)", (_LOCK,))
        if await found.fetchone() != (True,):
            return 0  # another worker is at it
        saved = 0
        now = asyncio.get_running_loop().time()
        if now - self._last > self._stalled_s / 2:
            # We may have been cut off, and the others with us, until this very transaction: they
            # get time to be heard of.
            self._may_judge_at = now + self._stalled_s
        if now >= self._may_judge_at:
            given = {"queue": self._queue, "after": self._stalled_s}
            saved = (await db.execute(_STALLED, given)).rowcount
        await db.execute(_FORGOTTEN, (_FORGOTTEN_S,))
        found = await db.execute(
            _JOBLESS, {"origin": self._origin, "queue": self._queue, "most": _AT_ONCE}
        )
        jobless = await found.fetchall()
        for chunk, number, priority in jobless:
            await put(db, chunk, queue=self._queue, priority=job_priority(priority, number))
        return saved + len(jobless)

    async def check_own(self, worker_id: int, running: Collection[int]) -> bool:
        """Gives back what this worker was given without hearing of it.

        Args:
            worker_id: What the queue calls this worker.
            running: The jobs it knows of.

        Returns:
            Whether the queue still knows the worker.

        Raises:
            JournalError: The database cannot be reached.
        """

        async def work(db: Connection) -> tuple[bool, frozenset[int]]:
            found = await db.execute(
                "SELECT FROM procrastinate_workers WHERE id = %s", (worker_id,)
            )
            is_known = found.rowcount > 0
            found = await db.execute(_OWN, (worker_id,))
            unknown = frozenset([job for (job,) in await found.fetchall()]).difference(running)
            # Seen twice: one that was just fetched is not known yet.
            lost = unknown & self._unknown
            if lost:
                await db.execute(_GIVE_BACK, (list(lost), worker_id))
            return is_known, unknown

        is_known, self._unknown = await self._store.transact(work)
        return is_known
