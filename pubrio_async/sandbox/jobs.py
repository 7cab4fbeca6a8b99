"""The batch jobs: accepted, worked on, delivered, and after a while forgotten."""

from __future__ import annotations

from collections import deque
from math import inf, isinf

from msgspec import Struct

from pubrio_async.sandbox.config import SandboxConfig
from pubrio_async.sandbox.people import People, format_id, parse_id
from pubrio_async.sandbox.timing import Timing

# A job is done at its due time even if the sums of floats differ in the last digits.
_TOLERANCE = 1e-5
# Clients wake up a little early by the resolution of their clock.
_EARLY_TOLERANCE = 1e-3


class Job(Struct):
    """One batch job.

    Attributes:
        job_id: The 16 bytes of its `redeem_query_id`.
        people: The 16 bytes of each distinct person, end to end.
        types: The contact types that were asked for, as bits.
        done_at: When the result can be had.
        estimate: What was told at submission, in units.
        due: When the last estimate that reached the client ends.
        cost: Credits charged.
        delivered: Whether the result reached the client.
    """

    job_id: bytes
    people: bytes
    types: int
    done_at: float
    estimate: int
    due: float
    cost: int = 0
    delivered: bool = False

    def persons(self) -> list[bytes]:
        """The people, 16 bytes each."""
        people = self.people
        return [people[start : start + 16] for start in range(0, len(people), 16)]


class Receipt(Struct, frozen=True):
    """What a client learns about a job by one reply, and what it knew before."""

    job: Job
    due: float
    delivers: bool
    due_before: float
    delivered_before: bool


class JobBook:
    """All jobs, and what clients did to them that they should not have."""

    def __init__(self, config: SandboxConfig, people: People) -> None:
        self._config = config
        self._people = people
        self._timing = Timing(config)
        self._jobs: dict[bytes, Job] = {}
        self._delivered: deque[tuple[float, bytes]] = deque()
        self.submitted: int = 0
        self.delivered: int = 0
        self.polls: int = 0
        self.early_polls: int = 0
        self.polls_after_completion: int = 0
        self.unknown_polls: int = 0

    def submit(self, people: bytes, types: int, now: float, *, endless: bool) -> Job:
        """Accepts a job; an `endless` one never completes."""
        self._forget(now)
        number = self.submitted
        self.submitted += 1
        size = len(people) // 16
        seconds = self._timing.duration(
            size,
            self._people.fraction("duration", number),
            self._people.fraction("straggler", number),
        )
        estimate = self._timing.estimate(size)
        job = Job(
            job_id=self._people.make_id("job", number, people),
            people=people,
            types=types,
            done_at=inf if endless else now + seconds,
            estimate=estimate,
            due=now + estimate * self._timing.unit,
        )
        if self.is_done(job, now):
            job.due = now  # the reply says so, and it may be fetched at once
        self._jobs[job.job_id] = job
        return job

    def poll(self, redeem_query_id: str, now: float) -> Job | None:
        """The job a poll is about, None if there is none; counts polls that were a waste."""
        self._forget(now)
        self.polls += 1
        raw = parse_id(redeem_query_id)
        job = None if raw is None else self._jobs.get(raw)
        if job is None:
            self.unknown_polls += 1
        elif job.delivered:
            self.polls_after_completion += 1
        elif now < job.due - _EARLY_TOLERANCE:
            self.early_polls += 1
        return job

    def is_done(self, job: Job, now: float) -> bool:
        """Whether the result can be had."""
        return now >= job.done_at - _TOLERANCE

    def remaining(self, job: Job, now: float) -> int:
        """The estimate for an unfinished job, in units."""
        if isinf(job.done_at):
            return max(1, job.estimate)
        return self._timing.in_units(job.done_at - now)

    def receipt(self, job: Job, now: float, remaining: int | None) -> Receipt:
        """What a poll's reply tells: the result (`remaining` is None) or a newer estimate."""
        due = job.due if remaining is None else now + remaining * self._timing.unit
        return Receipt(job, due, remaining is None, job.due, job.delivered)

    def deliver(self, receipt: Receipt, now: float) -> None:
        """The reply is on its way."""
        job = receipt.job
        job.due = receipt.due
        if receipt.delivers and not job.delivered:
            job.delivered = True
            self.delivered += 1
            self._delivered.append((now, job.job_id))

    def undeliver(self, receipt: Receipt) -> None:
        """The reply did not arrive after all: the client knows what it knew before."""
        job = receipt.job
        if job.due == receipt.due:
            job.due = receipt.due_before
        if receipt.delivers and job.delivered and not receipt.delivered_before:
            job.delivered = False
            self.delivered -= 1

    def _forget(self, now: float) -> None:
        old = now - self._config.job_retention
        delivered = self._delivered
        while delivered and delivered[0][0] < old:
            job = self._jobs.get(delivered.popleft()[1])
            # An undelivered one is on the list once more when it is delivered at last.
            if job is not None and job.delivered:
                del self._jobs[job.job_id]


def job_text(job: Job) -> str:
    """The `redeem_query_id` of a job."""
    return format_id(job.job_id)
