"""The queue: procrastinate, whose jobs are made in the transaction that makes the chunk.

A job is no more than a hint that a chunk is to be done: what is true of the chunk stands in its
own row. A job that is lost is made again, and one that is done twice finds nothing to do.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable
from typing import Final

import procrastinate
from msgspec import Struct
from procrastinate import RetryDecision
from procrastinate.exceptions import ConnectorException
from procrastinate.job_context import JobContext
from procrastinate.jobs import Job

from pubrio_async.distributed.patience import GuardedJobs, PatientConnector
from pubrio_async.distributed.store import Connection

TASK: Final = "pubrio_async.redeem_chunk"

_AFTER_FAILURE_S = 60
_LOOK_FOR_JOBS_S = 2.0
_GRACE_S = 5.0
_GOODBYE_S = 2.0
_PAUSE_S = 0.5

_HIGHEST_PRIORITY: Final = 2_000
_CHUNKS_IN_TURN = 1_000_000


class Later(Exception):  # noqa: N818 - it is no error: the job is done another time
    """The chunk goes back to the queue.

    Args:
        delay_s: Whole seconds until it is due again.
    """

    def __init__(self, delay_s: int) -> None:
        super().__init__(f"again in {delay_s} s")
        self.delay_s = delay_s


def queue_of(origin: str) -> str:
    """The queue of an API: a worker that talks to another one must not take its chunks."""
    return f"pubrio-{hashlib.sha256(origin.encode()).hexdigest()[:16]}"


def job_priority(priority: int, number: int) -> int:
    """How urgent the job of a chunk is: by the run's priority, then who has got less far.

    Runs of the same priority take turns so: the tenth chunk of one goes before the eleventh of
    another, however long that one has been waiting.

    Args:
        priority: Of the run.
        number: Of the chunk in its run.
    """
    return priority * _CHUNKS_IN_TURN - min(number, _CHUNKS_IN_TURN - 1)


def check_priority(priority: int) -> bool:
    """Whether a run may have this priority."""
    return abs(priority) <= _HIGHEST_PRIORITY


async def put(db: Connection, chunk_id: int, *, queue: str, priority: int) -> None:
    """Has a job for a chunk in the queue once the transaction ends."""
    job = _bare.configure_task(
        TASK, allow_unknown=True, queue=queue, priority=priority, connection=db
    )
    try:
        await job.defer_async(chunk_id=chunk_id)
    except ConnectorException as error:
        # As it came, for whoever tries the transaction again.
        raise error.__cause__ or error from None


async def set_priority(db: Connection, run_id: int, priority: int) -> None:
    """Makes the jobs of a run that wait as urgent as the run is by now."""
    await db.execute(
        "UPDATE procrastinate_jobs j SET priority = %(run)s * %(turns)s - LEAST(c.number, %(most)s)"
        " FROM chunks c WHERE c.run_id = %(id)s AND j.task_name = %(task)s AND j.status = 'todo'"
        " AND (j.args ->> 'chunk_id')::bigint = c.id"
        " AND j.priority <> %(run)s * %(turns)s - LEAST(c.number, %(most)s)",
        {
            "run": priority,
            "turns": _CHUNKS_IN_TURN,
            "most": _CHUNKS_IN_TURN - 1,
            "id": run_id,
            "task": TASK,
        },
    )


class Held(Struct, frozen=True):
    """A job that a worker was given.

    Attributes:
        job_id: Its number.
        worker_id: What the queue calls the worker.
    """

    job_id: int
    worker_id: int


async def still_has(db: Connection, job: Held) -> bool:
    """Whether a worker has a job, which goes to nobody else before this transaction ends."""
    found = await db.execute(
        "SELECT FROM procrastinate_jobs WHERE id = %s AND worker_id = %s AND status = 'doing'"
        " FOR SHARE",
        (job.job_id, job.worker_id),
    )
    return found.rowcount > 0


class Queue:
    """The jobs of a worker.

    Args:
        conninfo: The database.
        name: The queue.
        redeem: What to do with a chunk, by its number, and the job for it.
        heartbeat_s: Seconds between two signs of life.
        stalled_s: Seconds without one after which a worker is taken for dead.
    """

    def __init__(
        self,
        conninfo: str,
        name: str,
        redeem: Callable[[int, Held], Awaitable[None]],
        *,
        heartbeat_s: float,
        stalled_s: float,
    ) -> None:
        self.name = name
        self._heartbeat_s = heartbeat_s
        self._stalled_s = stalled_s
        self._connector = PatientConnector(conninfo, connections=2, timeout=_GOODBYE_S)
        self._app = procrastinate.App(connector=self._connector)
        self._jobs = GuardedJobs(self._connector)
        self._app.job_manager = self._jobs
        self._running: set[int] = set()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._is_ending = False

        async def task(context: JobContext, chunk_id: int) -> None:
            job_id = context.job.id or 0
            self._running.add(job_id)
            try:
                await redeem(chunk_id, Held(job_id, context.job.worker_id or 0))
            finally:
                self._running.discard(job_id)

        self._app.task(name=TASK, queue=name, retry=_AsAsked(), pass_context=True)(task)

    @property
    def worker_id(self) -> int | None:
        """What the queue calls this worker; None while it is not registered."""
        return self._jobs.worker_id

    @property
    def running(self) -> frozenset[int]:
        """The jobs that are being done."""
        return frozenset(self._running)

    async def work(self, concurrency: int) -> None:
        """Does jobs until `stop` is called.

        Args:
            concurrency: Chunks at once.
        """
        async with self._app.open_async():
            while not self._stopping:
                self._is_ending = False
                self._task = asyncio.create_task(self._work(concurrency))
                try:
                    await asyncio.wait({self._task})
                except asyncio.CancelledError:
                    self.stop()
                    await asyncio.wait({self._task})
                    raise
                if not self._task.cancelled() and (error := self._task.exception()) is not None:
                    if not isinstance(error, ConnectorException):
                        raise error
                    # Such as a worker that was taken for dead, and is not known any more.
                    await asyncio.sleep(random.uniform(0.5, 1.0) * _PAUSE_S)

    def stop(self) -> None:
        """Takes no further job; those that are being done get a moment to end."""
        self._stopping = True
        self._connector.hurry(_GOODBYE_S)
        self.begin_again()

    def begin_again(self) -> None:
        """Registers as a new worker: this one is not known any more."""
        # Not twice: the second time procrastinate would leave jobs behind that are not done.
        if self._task is not None and not self._is_ending:
            self._is_ending = True
            self._task.cancel()

    async def _work(self, concurrency: int) -> None:
        self._jobs.worker_id = None
        await self._app.run_worker_async(
            queues=[self.name],
            concurrency=concurrency,
            install_signal_handlers=False,
            update_heartbeat_interval=self._heartbeat_s,
            stalled_worker_timeout=self._stalled_s,
            shutdown_graceful_timeout=_GRACE_S,
            delete_jobs="successful",
            fetch_job_polling_interval=_LOOK_FOR_JOBS_S,
        )


class _AsAsked(procrastinate.BaseRetryStrategy):
    """A chunk that asks for it is done later; one that fails, in a minute."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:  # noqa: ARG002 - as the base class has it
        """When a job is done again."""
        if isinstance(exception, Later):
            delay = exception.delay_s
        else:
            # Cancelled: this worker ends, and another may have it at once.
            delay = _AFTER_FAILURE_S if isinstance(exception, Exception) else 0
        return RetryDecision(retry_in={"seconds": delay})


# Knows the names of things and no database: jobs are made on the connection of a transaction.
_bare = procrastinate.App(connector=procrastinate.PsycopgConnector())
