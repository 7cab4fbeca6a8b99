"""What a step speaks to: the verbs of the API, and the board where work is put."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from pubrio_async._errors import PubrioError
from pubrio_async._phase import Phase
from pubrio_async.models import RedeemJob, RedeemPeopleReply, RedeemQueryReply
from pubrio_async.scheduler.journal import Batch, BatchKind
from pubrio_async.scheduler.logbook import LogEntry, LogPage, LogRow, Lost
from pubrio_async.scheduler.policy import estimated_seconds


class Verbs(Protocol):
    """The verbs the scheduler speaks. Each sends one request on a permit that is held."""

    async def submit(
        self, kind: BatchKind, keys: Sequence[str], ticket: int, phase: Phase
    ) -> RedeemJob | RedeemPeopleReply:
        """Redeems people: a job for a batch, the contacts at once for a single person."""
        ...

    async def query(self, redeem_query_id: str, ticket: int, phase: Phase) -> RedeemQueryReply:
        """The state of a job."""
        ...

    async def log_page(self, page: int, ticket: int, phase: Phase) -> LogPage:
        """A page of the request log, newest requests first."""
        ...

    async def log_entry(self, row: LogRow, ticket: int, phase: Phase) -> LogEntry:
        """A past request with its reply."""
        ...


class Job(Struct, gc=False):
    """A batch the API has accepted; out of the collector's sight, as there may be very many.

    Attributes:
        batch: The people.
        redeem_query_id: The API's name for it.
        estimate_s: The newest word on how long it takes.
        accepted_at: When it was accepted, on the run's clock.
        misses: Polls that came too early.
        failures: Polls in a row that failed.
    """

    batch: Batch
    redeem_query_id: str
    estimate_s: float | None
    accepted_at: float
    misses: int = 0
    failures: int = 0

    @classmethod
    def of(cls, batch: Batch, job: RedeemJob, accepted_at: float) -> Job:
        """The job the API has made of a batch."""
        return cls(batch, job.redeem_query_id, estimated_seconds(job), accepted_at)


class Board(Protocol):
    """Where a step puts what is to be done next."""

    def give_back(self, ticket: int) -> None:
        """This permit was not used."""
        ...

    def again(self, batch: Batch) -> None:
        """This batch is to be sent before any other."""
        ...

    def watch(self, job: Job, due: float) -> None:
        """This job is to be polled, not before `due`."""
        ...

    def give_up(self, job: Job, why: str) -> None:
        """This job is not polled any more in this run."""
        ...

    def lost(self, request: Lost) -> None:
        """The answer to this request is lost: it may have been charged."""
        ...

    def halt(self, error: PubrioError, *, keep_polling: bool) -> None:
        """Nothing more is submitted; open jobs are still polled, or not."""
        ...

    def scarce(self) -> bool:
        """True while the rate limit is what everyone waits for."""
        ...
