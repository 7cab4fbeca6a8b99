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

from pubrio_async._errors import JournalError
from pubrio_async.models import Contact, RedeemJob
from pubrio_async.models.redeem import Number

BatchKind = Literal["batch", "single"]


class Batch(Struct, frozen=True, gc=False):
    """The people of one request.

    Attributes:
        batch_id: A UUID of our own; the API never sees it.
        kind: `batch` for `redeem.batch`, `single` for `redeem.people`.
        keys: The people, each once.
    """

    batch_id: str
    kind: BatchKind
    keys: tuple[str, ...]


class Settled(Struct, frozen=True, gc=False):
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


class Unsettled(Struct, frozen=True, gc=False):
    """A person whose request may have been charged while its answer was lost.

    Attributes:
        reason: How it was lost.
        redeem_query_id: Its job, if it was accepted.
        before: What was bought of the person earlier, and is hidden by the loss, if anything.
    """

    reason: str
    redeem_query_id: str | None = None
    before: Settled | None = None


class NotFreeError(JournalError):
    """Nothing was written down: somebody in the batch is not to be sent any more.

    Attributes:
        ends: What is known of these people by now.
    """

    def __init__(self, ends: Mapping[str, Settled | Unsettled]) -> None:
        super().__init__("what is known of some people has changed since they were asked for")
        self.ends: Mapping[str, Settled | Unsettled] = ends


class OpenBatch(Struct, frozen=True):
    """A batch that an earlier run left open.

    Attributes:
        batch: The people.
        job: The accepted job; None where the run ended between sending and reading the reply.
        accepted_at: Unix time at which the job was accepted.
        intended_at: Unix time at which the batch was about to be sent.
        reason: Why it was unsettled before it was reopened.
        bought_at: Unix time at which the newest earlier result of its people was written; None if
            there was none, as far as is known. Only given where there is no job.
    """

    batch: Batch
    job: RedeemJob | None
    accepted_at: float | None
    intended_at: float | None = None
    reason: str | None = None
    bought_at: float | None = None


class JournalSummary(Struct, frozen=True, kw_only=True):
    """What a journal holds, in numbers of people (`open_jobs`: batches).

    Attributes:
        contact_types: What was asked for.
        pending: People whose job was accepted and not fetched yet.
        unsettled: People who may have been charged and whose answer is lost, including those of a
            request that was under way when its run ended.
        open_jobs: Batches without an end.
        credits_charged: As the API reported it.
    """

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

    A method returns only when what it wrote would survive the death of the process, if the
    journal survives it at all. Methods may be called concurrently. All of them raise
    `JournalError` when the journal cannot be used.
    """

    async def open(self, contact_types: Sequence[str]) -> bool:
        """Makes the journal ready; refuses one that was written for other contact types.

        Returns:
            True if it knows nobody, and nobody else will write into it while it is open: then only
            people whom this run has written down need be looked up.
        """
        ...

    async def lookup(
        self, keys: Sequence[str], newer_than: float | None = None
    ) -> Mapping[str, Settled | Unsettled]:
        """What is known of these people; people not known, or still open, are absent.

        Args:
            keys: The people.
            newer_than: Unix time: older results are absent, as if they were not known.
                `Unsettled` people are never too old.
        """
        ...

    async def open_batches(self) -> Sequence[OpenBatch]:
        """The batches that were sent, or about to be, and have no end yet, oldest first."""
        ...

    async def unsettled_people(self) -> Sequence[str]:
        """Everyone whose answer is lost: `Unsettled` ones, and those of a batch without a job."""
        ...

    async def reopen_unsettled(self) -> None:
        """Opens every batch that ended unsettled again, as long as someone in it is unsettled."""
        ...

    async def intend(self, batch: Batch) -> None:
        """Writes down that this batch is about to be sent.

        Raises:
            NotFreeError: Others have bought people in it meanwhile, or are about to.
        """
        ...

    async def accepted(self, batch_id: str, job: RedeemJob) -> None:
        """Writes down the id of the job the API made of the batch."""
        ...

    async def withdraw(self, batch_id: str) -> None:
        """Writes down that the batch was surely not carried out: its people are free again.

        What was known of them from other batches holds again: their result, or that the answer to
        another batch with them is lost. A batch that is not open is left alone.
        """
        ...

    async def settle(
        self, batch_id: str, results: Mapping[str, Settled], charged: Number | None
    ) -> None:
        """Writes down the end of the batch: a result for each person, and its cost in credits.

        The cost is None if the API did not report it. People who meanwhile got contacts from
        another batch keep them if this one has none of theirs.
        """
        ...

    async def unsettle(self, batch_id: str, reason: str) -> None:
        """Writes down that the batch may have been charged and its answer is lost.

        People who meanwhile got a result from another batch keep it. A batch that is not open is
        left alone.
        """
        ...

    async def save_usage(self, usage: bytes) -> None:
        """Writes down what the rate limits have seen, instead of what was written before."""
        ...

    async def load_usage(self) -> bytes | None:
        """What was written down of the rate limits; None if nothing was."""
        ...

    async def summary(self) -> JournalSummary:
        """The figures of the journal."""
        ...

    async def close(self) -> None:
        """Lets go of the file; safe to call twice."""
        ...
