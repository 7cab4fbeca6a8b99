"""What procrastinate lacks for us: patience with the database, and respect for other workers.

Its worker ends when the database is away for a moment, and a worker that was taken for dead ends
the job of whoever has it by then.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import math
import random
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from logging import WARNING
from typing import Any, Final, LiteralString, TypeVar, cast

import procrastinate
from procrastinate.connector import Notify
from procrastinate.exceptions import AppNotOpen, ConnectorException
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager
from psycopg import errors

from pubrio_async._log import JOURNAL, note
from pubrio_async.distributed.store import Pool, connection_settings, is_passing

T = TypeVar("T")

_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 2.0
_LONGEST_STATEMENT_S = 30.0

# Only as long as the job is this worker's: else it was given to another, who is at it now.
_FINISH: Final = """
WITH mine AS MATERIALIZED (
    SELECT id FROM procrastinate_jobs
    WHERE id = %(job_id)s AND worker_id = %(worker_id)s AND status = 'doing' FOR UPDATE
)
SELECT procrastinate_finish_job_v1(id, %(status)s, %(delete_job)s) FROM mine
"""
# The delay counts by the clock of the database.
_RETRY: Final = """
WITH mine AS MATERIALIZED (
    SELECT id FROM procrastinate_jobs
    WHERE id = %(job_id)s AND worker_id = %(worker_id)s AND status = 'doing' FOR UPDATE
)
SELECT procrastinate_retry_job_v2(
    id, now() + make_interval(secs => %(delay)s), NULL, NULL, NULL
) FROM mine
"""


class PatientConnector(procrastinate.PsycopgConnector):
    """One that waits for a database that is not there, instead of ending the worker.

    A statement whose end nobody has heard of is carried out once more. For all but one that comes
    to the same; a job that was fetched so, and is known to nobody, is found by `rescue`.

    Args:
        conninfo: The database.
        connections: Most connections at once, beside one that listens.
        timeout: Seconds to wait for one of them, each time.
    """

    def __init__(self, conninfo: str, *, connections: int, timeout: float) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType]  # two of its parameters have no type
            pool_factory=Pool,
            conninfo=conninfo,
            kwargs=connection_settings(conninfo, "pubrio-async queue"),
            max_size=connections,
            timeout=timeout,
            longest=_LONGEST_STATEMENT_S,
        )
        self._patience = math.inf

    def hurry(self, seconds: float) -> None:
        """From now on the database is waited for no longer than that."""
        self._patience = seconds
        with suppress(AppNotOpen):
            cast("Pool", self.pool).hurry(seconds)

    async def execute_query_async(self, query: LiteralString, **arguments: Any) -> None:
        """Carries out a statement."""
        execute = super().execute_query_async
        await self._patiently(lambda: execute(query, **arguments))

    async def execute_query_one_async(
        self, query: LiteralString, **arguments: Any
    ) -> dict[str, Any]:
        """Carries out a statement that gives one row."""
        execute = super().execute_query_one_async
        return await self._patiently(lambda: execute(query, **arguments))

    async def execute_query_all_async(
        self, query: LiteralString, **arguments: Any
    ) -> list[dict[str, Any]]:
        """Carries out a statement that gives rows."""
        execute = super().execute_query_all_async
        return await self._patiently(lambda: execute(query, **arguments))

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        """Hears of new jobs."""
        listen, heard = super().listen_notify, tuple(channels)
        await self._patiently(lambda: listen(on_notification, heard))

    async def _patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        loop = asyncio.get_running_loop()
        began, wait = loop.time(), _FIRST_WAIT_S
        while True:
            try:
                return await work()
            except ConnectorException as error:
                is_over = loop.time() - began >= self._patience
                if is_over or not is_passing(error.__cause__):
                    raise
                if isinstance(error.__cause__, errors.ReadOnlySqlTransaction):
                    # Others may lead to where it can be written.
                    await self.pool.drain()
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))
            wait = min(2 * wait, _LONGEST_WAIT_S)


class GuardedJobs(JobManager):
    """Jobs that only those end who have them.

    Attributes:
        worker_id: What the queue calls this worker; None before it is registered.
    """

    worker_id: int | None = None

    async def register_worker(self) -> int:
        """A new worker."""
        self.worker_id = await super().register_worker()
        return self.worker_id

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:
        """The job is done."""
        await self._end(
            _FINISH,
            job_id=job.id,
            worker_id=job.worker_id,
            status=status.value,
            delete_job=delete_job,
        )

    async def retry_job(
        self,
        job: Job,
        retry_at: dt.datetime | None = None,
        priority: int | None = None,
        queue: str | None = None,
        lock: str | None = None,
    ) -> None:
        """The job is to be done another time, in the same place of the queue."""
        del priority, queue, lock  # nobody asks for others
        delay = 0.0
        if retry_at is not None:
            now = dt.datetime.now(dt.UTC)
            delay = max(0.0, (retry_at - now).total_seconds())
        await self._end(_RETRY, job_id=job.id, worker_id=job.worker_id, delay=delay)

    async def _end(self, query: LiteralString, **arguments: Any) -> None:
        try:
            await self.connector.execute_query_async(query, **arguments)
        except ConnectorException as error:
            # The worker ends, and the database is not there: others will miss the worker.
            if not is_passing(error.__cause__):
                raise
            note(JOURNAL, WARNING, "job_left", job=arguments["job_id"])
