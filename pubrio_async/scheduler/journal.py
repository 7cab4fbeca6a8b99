"""The journal's protocol: what is written down before each step of a run, and what it gives back.

The order is the promise. A batch's intent is written before it is sent, its `redeem_query_id`
before anything else happens, its result before the result is handed over. Whoever reads the
journal after a crash can tell, for each person, whether money was spent and how to get at what
was bought.

A person is named by a key: the lower-case `people_search_id`, or the canonical LinkedIn URL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from pubrio_async._clock import Clock
from pubrio_async._errors import JournalError
from pubrio_async.models import Contact, RedeemJob
from pubrio_async.models.redeem import Number

BatchKind = Literal["batch", "single"]


class Batch(Struct, frozen=True):
    """The people of one request.

    Attributes:
        batch_id: A UUID of our own; the API never sees it.
        kind: `batch` for `redeem.batch`, `single` for `redeem.people`.
        keys: The people, each once.
    """

    batch_id: str
    kind: BatchKind
    keys: tuple[str, ...]


class Settled(Struct, frozen=True):
    """The end of one person.

    Attributes:
        status: `found`, `empty` or `rejected`.
        people_search_id: The person's id, where it is known.
        emails: What was found.
        phones: What was found.
        redeem_query_id: The job it came from; None for a single request.
        error: Why the API refused the person, for `rejected`.
    """

    status: Literal["found", "empty", "rejected"]
    people_search_id: str | None = None
    emails: tuple[Contact, ...] = ()
    phones: tuple[Contact, ...] = ()
    redeem_query_id: str | None = None
    error: str | None = None


class Unsettled(Struct, frozen=True):
    """A person whose request may have been charged while its answer was lost."""

    reason: str
    redeem_query_id: str | None = None


class OpenBatch(Struct, frozen=True):
    """A batch an earlier run left open.

    Attributes:
        batch: The people.
        job: The accepted job; None where the run ended between sending and reading the reply.
        accepted_at: Unix time at which the job was accepted.
    """

    batch: Batch
    job: RedeemJob | None
    accepted_at: float | None


class JournalSummary(Struct, frozen=True, kw_only=True):
    """What a journal holds, in numbers of people (`open_jobs`: batches)."""

    contact_types: tuple[str, ...]
    found: int = 0
    empty: int = 0
    rejected: int = 0
    pending: int = 0
    unsettled: int = 0
    open_jobs: int = 0
    credits_charged: Number = 0


class Journal(Protocol):
    """What the scheduler asks of a journal.

    Every method returns only when what it wrote would survive the death of the process, as far
    as the journal survives it at all. Methods may be called concurrently. All of them raise
    `JournalError` when the journal cannot be used.
    """

    async def open(self, contact_types: Sequence[str]) -> None:
        """Makes the journal ready; refuses one that was written for other contact types."""
        ...

    async def lookup(self, keys: Sequence[str]) -> Mapping[str, Settled | Unsettled]:
        """What is known of these people; those not known, or still open, are absent."""
        ...

    async def open_batches(self) -> Sequence[OpenBatch]:
        """The batches that were sent, or about to be, and have no end yet."""
        ...

    async def intend(self, batch: Batch) -> None:
        """Writes down that this batch is about to be sent."""
        ...

    async def accepted(self, batch_id: str, job: RedeemJob) -> None:
        """Writes down the id of the job the API made of the batch."""
        ...

    async def withdraw(self, batch_id: str) -> None:
        """Writes down that the batch was surely not carried out: its people are free again."""
        ...

    async def settle(self, batch_id: str, results: Mapping[str, Settled], charged: Number) -> None:
        """Writes down the end of the batch: a result for each person, and its cost."""
        ...

    async def unsettle(self, batch_id: str, reason: str) -> None:
        """Writes down that the batch may have been charged and its answer is lost."""
        ...

    async def summary(self) -> JournalSummary:
        """The figures of the journal."""
        ...

    async def close(self) -> None:
        """Lets go of the file; safe to call twice."""
        ...


class MemoryJournal:
    """A journal as long-lived as the process: duplicates are served, no crash is survived.

    Args:
        clock: Where `OpenBatch.accepted_at` comes from; None leaves it None.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock
        self._types: tuple[str, ...] = ()
        self._ends: dict[str, Settled | Unsettled] = {}
        self._open: dict[str, OpenBatch] = {}
        # Known people that an open batch asks for again: until it ends, their end is not known.
        self._reopened: dict[str, str] = {}
        self._charged: Number = 0

    async def open(self, contact_types: Sequence[str]) -> None:
        """Makes the journal ready."""
        if self._types and contact_types and set(contact_types) != set(self._types):
            raise JournalError(
                f"cannot use the journal: it was written for {','.join(self._types)} and not for "
                f"{','.join(contact_types)}; ask for the same contact types, or use another journal"
            )
        self._types = self._types or tuple(contact_types)

    async def lookup(self, keys: Sequence[str]) -> Mapping[str, Settled | Unsettled]:
        """What is known of these people."""
        ends, reopened = self._ends, self._reopened
        return {key: ends[key] for key in keys if key in ends and key not in reopened}

    async def open_batches(self) -> Sequence[OpenBatch]:
        """The batches without an end, oldest first."""
        return list(self._open.values())

    async def intend(self, batch: Batch) -> None:
        """Notes that the batch is about to be sent."""
        if batch.batch_id in self._open:
            raise JournalError(f"the journal holds the batch {batch.batch_id} already")
        self._open[batch.batch_id] = OpenBatch(batch, None, None)
        for key in batch.keys:
            if key in self._ends:
                self._reopened[key] = batch.batch_id

    async def accepted(self, batch_id: str, job: RedeemJob) -> None:
        """Notes the id of the job."""
        batch = self._entry(batch_id).batch
        self._open[batch_id] = OpenBatch(batch, job, self._clock.wall() if self._clock else None)

    async def withdraw(self, batch_id: str) -> None:
        """Forgets a batch that was surely not carried out; one that is not open is left alone."""
        if batch_id in self._open:
            self._close(batch_id)

    async def settle(self, batch_id: str, results: Mapping[str, Settled], charged: Number) -> None:
        """Notes the end of the batch."""
        self._entry(batch_id)
        self._close(batch_id)
        self._ends.update(results)
        for key in results:
            self._reopened.pop(key, None)
        self._charged += charged

    async def unsettle(self, batch_id: str, reason: str) -> None:
        """Notes that the answer to the batch is lost; one that is not open is left alone."""
        if batch_id in self._open:
            entry = self._close(batch_id)
            end = Unsettled(reason, entry.job.redeem_query_id if entry.job else None)
            for key in entry.batch.keys:
                self._ends[key] = end
                self._reopened.pop(key, None)

    async def summary(self) -> JournalSummary:
        """The figures of the journal."""
        counts = dict.fromkeys(("found", "empty", "rejected", "unsettled"), 0)
        for key, end in self._ends.items():
            if key not in self._reopened:
                counts["unsettled" if isinstance(end, Unsettled) else end.status] += 1
        return JournalSummary(
            contact_types=self._types,
            pending=sum(len(entry.batch.keys) for entry in self._open.values()),
            open_jobs=len(self._open),
            credits_charged=self._charged,
            **counts,
        )

    async def close(self) -> None:
        """Nothing to let go of."""

    def _entry(self, batch_id: str) -> OpenBatch:
        if batch_id not in self._open:
            raise JournalError(f"the journal holds no open batch {batch_id}")
        return self._open[batch_id]

    def _close(self, batch_id: str) -> OpenBatch:
        entry = self._open.pop(batch_id)
        # Ends from before stand again, until new ones replace them.
        for key in entry.batch.keys:
            if self._reopened.get(key) == batch_id:
                del self._reopened[key]
        return entry
