"""Tells observers what becomes of each batch: one beginning, and exactly one end."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from pubrio_async._clock import Clock, seconds_since
from pubrio_async._observe import BatchEvent, BatchEventKind, Observers
from pubrio_async.models.redeem import Number
from pubrio_async.scheduler.board import Job
from pubrio_async.scheduler.journal import Batch, OpenBatch, Settled
from pubrio_async.scheduler.policy import estimated_seconds


class _Open(Struct, gc=False):
    """A batch that has begun and not ended.

    Attributes:
        people: How many are in it.
        since: When it was submitted, on the run's clock; None where that is not known.
        redeem_query_id: The API's name for its job, once there is one.
        estimate_s: The newest word on how long the job takes.
    """

    people: int
    since: float | None
    redeem_query_id: str | None = None
    estimate_s: float | None = None


class Witness:
    """Sees what becomes of the batches of a run; there is none where nobody wants to know.

    Args:
        observers: Who is told.
        clock: Where the time comes from.
    """

    def __init__(self, observers: Observers, clock: Clock) -> None:
        self._observers = observers
        self._clock = clock
        self._open: dict[str, _Open] = {}

    def taken_over(self, entry: OpenBatch) -> None:
        """An earlier run has left this batch open."""
        then = entry.intended_at if entry.intended_at is not None else entry.accepted_at
        now = self._clock.now()
        since = None if then is None else now - seconds_since(then, self._clock)
        seen = _Open(len(entry.batch.keys), since)
        self._open[entry.batch.batch_id] = seen
        self._tell("submitted", entry.batch.batch_id, seen)
        if entry.job is not None:
            seen.redeem_query_id = entry.job.redeem_query_id
            seen.estimate_s = estimated_seconds(entry.job)
            self._tell("accepted", entry.batch.batch_id, seen)

    def submitted(self, batch: Batch) -> None:
        """The batch is about to be sent, perhaps not for the first time."""
        if batch.batch_id not in self._open:
            now = self._clock.now()
            seen = self._open[batch.batch_id] = _Open(len(batch.keys), now)
            self._tell("submitted", batch.batch_id, seen, now=now)

    def accepted(self, job: Job) -> None:
        """The API has made this job of a batch."""
        self._hear("accepted", job)

    def polled(self, job: Job) -> None:
        """The API has told the state of a job."""
        self._hear("polled", job)

    def settled(self, batch: Batch, ends: Mapping[str, Settled], charged: Number | None) -> None:
        """The result of a batch is there."""
        found = sum(ends[key].status == "found" for key in batch.keys)
        self._end("settled", batch, found, len(batch.keys) - found, charged)

    def ended(self, kind: BatchEventKind, batch: Batch) -> None:
        """A batch has come to this end, if it was ever submitted."""
        self._end(kind, batch, 0, 0, None)

    def close(self) -> None:
        """The run is over: what has no end by now, does not get one in this run."""
        while self._open:
            batch_id = next(iter(self._open))
            self._tell("given_up", batch_id, self._open.pop(batch_id))

    def _hear(self, kind: BatchEventKind, job: Job) -> None:
        seen = self._open.get(job.batch.batch_id)
        if seen is not None:
            seen.redeem_query_id, seen.estimate_s = job.redeem_query_id, job.estimate_s
            self._tell(kind, job.batch.batch_id, seen)

    def _end(
        self, kind: BatchEventKind, batch: Batch, found: int, empty: int, charged: Number | None
    ) -> None:
        seen = self._open.pop(batch.batch_id, None)
        if seen is not None:
            self._tell(kind, batch.batch_id, seen, found=found, empty=empty, charged=charged)

    def _tell(
        self,
        kind: BatchEventKind,
        batch_id: str,
        seen: _Open,
        *,
        found: int = 0,
        empty: int = 0,
        charged: Number | None = None,
        now: float | None = None,
    ) -> None:
        since = seen.since
        now = self._clock.now() if now is None else now
        self._observers.batch(
            BatchEvent(
                kind=kind,
                batch_id=batch_id,
                people=seen.people,
                redeem_query_id=seen.redeem_query_id,
                at=self._clock.wall(),
                age_s=None if since is None else now - since,
                found=found,
                empty=empty,
                credits=charged,
                estimate_s=seen.estimate_s,
            )
        )
