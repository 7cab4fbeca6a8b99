"""All jobs: who owns them, how many there may be, when they are forgotten."""

from __future__ import annotations

import asyncio
import logging
import secrets
import shutil
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
from anyio import to_thread
from fastapi import HTTPException

from examples.webapp.bell import Bell
from examples.webapp.intake import Rows, read_rows
from examples.webapp.job import Job, Summary
from examples.webapp.order import Order
from examples.webapp.records import JobFolder, Record
from examples.webapp.settings import Settings
from pubrio_async import AsyncPubrio, ConfigurationError, JournalError
from pubrio_async.scheduler.journal_status import read_status

logger = logging.getLogger(__name__)

_SWEEP_S = 60.0
_FAREWELL_S = 5.0


class Store:
    """The jobs of all visitors; an async context manager, with the client inside another.

    Attributes:
        bell: Rings whenever anything has changed.
        closing: True once the server is on its way out.
        streams: Open event streams by visitor.
    """

    def __init__(self, settings: Settings, pubrio: AsyncPubrio) -> None:
        self.settings = settings
        self.pubrio = pubrio
        self.bell = Bell()
        self.closing = False
        self.streams: Counter[str] = Counter()
        self._root = settings.folder / "jobs"
        self._jobs: dict[str, Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await to_thread.run_sync(self._load)
        self._sweeper = asyncio.create_task(self._sweep())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for job in self.all():
            job.stop("interrupted")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_FAREWELL_S)

    def close(self) -> None:
        """Tells the event streams to end; the server waits for them."""
        self.closing = True
        self.bell.ring()

    def all(self) -> list[Job]:
        """Every job there is."""
        return list(self._jobs.values())

    def of(self, owner: str) -> list[Job]:
        """A visitor's jobs, the newest first."""
        own = [job for job in self.all() if job.record.owner == owner]
        return sorted(own, key=lambda job: job.record.created_at, reverse=True)

    def summaries(self, owner: str) -> list[Summary]:
        """The same as they stand now."""
        return [job.summary() for job in self.of(owner)]

    def get(self, owner: str, job_id: str) -> Job:
        """One job.

        Raises:
            HTTPException: There is none, or it is somebody else's, which is not told apart.
        """
        job = self._jobs.get(job_id)
        if job is None or job.record.owner != owner:
            raise HTTPException(404, "There is no such job, or it has been forgotten.")
        return job

    async def create(self, owner: str, order: Order) -> Job:
        """Takes an order and begins with it.

        Raises:
            HTTPException: There is no room for it, or its rows cannot be used.
        """
        self._check_running()
        if len(self.of(owner)) >= self.settings.max_jobs:
            raise HTTPException(429, "You have too many jobs: remove one that has ended.")
        record = Record(
            id=secrets.token_hex(8),
            owner=owner,
            title=order.title,
            ending=order.ending,
            types=order.types,
            max_credits=order.max_credits,
            created_at=time.time(),
        )
        folder = JobFolder(self._root / record.id)
        try:
            rows = await to_thread.run_sync(self._prepare, folder, record, order.content)
            # Looked at once more: others may have come in while the file was read.
            self._check_running()
            self._make_room(rows.count)
        except BaseException:
            await to_thread.run_sync(_remove, folder.path)
            raise
        job = self._jobs[record.id] = Job(record, folder, rows, self.bell)
        self._start(job, order.max_credits)
        return job

    def resume(self, job: Job, max_credits: float) -> None:
        """Goes on with a job: its journal knows who is settled, and they are not sent again.

        Raises:
            HTTPException: It runs already, nothing is left of it, or too many others run.
        """
        if not job.summary().resumable:
            raise HTTPException(409, "There is nothing left to do for this job, or it is running.")
        self._check_running()
        self._start(job, max_credits)

    async def remove(self, job: Job) -> None:
        """Forgets a job, with its folder and all contacts in it.

        Raises:
            HTTPException: It is running.
        """
        if job.is_running:
            raise HTTPException(409, "This job is running: cancel it first.")
        self._jobs.pop(job.record.id, None)
        self.bell.ring()
        await to_thread.run_sync(_remove, job.folder.path)

    def _start(self, job: Job, max_credits: float) -> None:
        job.begin(max_credits)
        task = asyncio.create_task(self._run(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, job: Job) -> None:
        # What is running on disk when the server starts was cut off.
        await to_thread.run_sync(job.folder.save, job.record)
        await job.run(self.pubrio, self.settings.batch_size)

    def _prepare(self, folder: JobFolder, record: Record, content: bytes) -> Rows:
        folder.create(record, content)
        try:
            rows = read_rows(folder.input(record))
        except ConfigurationError as error:
            raise HTTPException(422, str(error)) from error
        if rows.count > (most := self.settings.max_rows):
            raise HTTPException(413, f"{rows.count:,} rows are too many: {most:,} at once.")
        if not rows.count:
            raise HTTPException(422, "There are no rows in it.")
        return rows

    def _check_running(self) -> None:
        if self.closing:
            raise HTTPException(503, "The server is stopping.")
        if sum(job.is_running for job in self.all()) >= self.settings.max_running:
            raise HTTPException(429, "Too many jobs are running: wait for one to end.")

    def _make_room(self, rows: int) -> None:
        """Refuses what would not fit; results that somebody paid for are not thrown away for it."""
        kept = sum(job.source.count for job in self.all())
        if kept + rows > self.settings.max_rows_kept:
            raise HTTPException(429, "The server holds as many rows as it can: try again later.")

    async def forget(self) -> None:
        """Removes what has been kept for long enough."""
        now = time.time()
        for job in self.all():
            ended = job.record.ended_at
            if ended is not None and now - ended > self.settings.keep_s:
                await self.remove(job)

    async def _sweep(self) -> None:
        while True:
            await self.forget()
            await asyncio.sleep(_SWEEP_S)

    def _load(self) -> None:
        """Finds the jobs of an earlier life of the server."""
        self._root.mkdir(mode=0o700, exist_ok=True)
        for path in self._root.iterdir():
            folder = JobFolder(path)
            try:
                record = folder.load()
                job = Job(record, folder, read_rows(folder.input(record)), self.bell)
                job.restore(folder.load_rows())
            except (OSError, msgspec.DecodeError, ConfigurationError) as error:
                # Left where it is: there may be something in it that was paid for.
                logger.warning("job %s cannot be read: %s", path.name, type(error).__name__)
                continue
            if job.is_running:
                _take_stock(job)
            self._jobs[record.id] = job


def _take_stock(job: Job) -> None:
    """What there is of a job that was cut off: what its journal says."""
    record = job.record
    record.state, record.ended_at = "interrupted", time.time()
    record.notice = "It was cut off before anybody was sent."
    if job.folder.journal.exists():
        try:
            status = read_status(job.folder.journal)
        except JournalError as error:
            record.notice = str(error)
        else:
            record.spent = max(0, status.credits_charged - record.charged)
            record.charged = max(status.credits_charged, record.charged)
            settled = status.found + status.empty + status.rejected
            record.notice = (
                f"{settled:,} people are settled and kept, {status.open_jobs:,} batches are still "
                "to be fetched."
            )
    job.folder.save(record)


def _remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
