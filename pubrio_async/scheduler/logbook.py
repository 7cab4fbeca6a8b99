"""What the search for lost requests in the API's request log knows; no I/O."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence

from msgspec import Struct, structs

from pubrio_async._errors import DecodeError, PubrioError, ResponseLostError, ServerError
from pubrio_async.models import RedeemJob, RedeemPeopleReply
from pubrio_async.models.redeem import Number
from pubrio_async.scheduler.journal import Batch, BatchKind

Answer = RedeemJob | RedeemPeopleReply | PubrioError
"""What a request was answered: with a job, with contacts, or with an error."""

_ARCHIVE = 1_000
# So many people have a million orders in which only so many of them were moved.
_TELLING = 10
_MOVED = 8
_FIRST_LOOK_S = 5.0
_LATER_LOOKS_S = (20.0, 60.0)


class LogRow(Struct, frozen=True):
    """A line of the log.

    Attributes:
        log_id: The id of the request in the log.
        kind: What was redeemed with it; None for all other requests.
        at: When, in seconds on the log's own clock, whose zone is not known.
        took_s: How long it took.
        status: The HTTP status of the reply.
        credits: What it cost, according to the log.
    """

    log_id: str
    kind: BatchKind | None
    at: float
    took_s: float = 0.0
    status: int | None = None
    credits: Number | None = None


class LogPage(Struct, frozen=True):
    """A page of the log.

    Attributes:
        rows: Its lines, newest first.
        total: How many lines the log has.
        pages: How many pages can be reached.
        server_time: Unix time, as the API told it with this page; None if it did not.
    """

    rows: Sequence[LogRow]
    total: int
    pages: int
    server_time: float | None = None


class LogEntry(Struct, frozen=True):
    """A past request with its reply.

    Attributes:
        keys: The people in it, in their order.
        types: What was asked for.
        answer: What came back.
    """

    keys: tuple[str, ...]
    types: frozenset[str]
    answer: Answer


class Lost(Struct):
    """A request whose answer is lost. Times are on the run's clock.

    Attributes:
        batch: The people.
        reason: How it was lost.
        sent_at: When it was sent.
        lost_at: When it was given up.
        is_only: Whether no other request for these people was ever sent, as far as is known.
        is_inherited: Whether an earlier run sent it.
        apart_s: Seconds between it and the last purchase of its people before it.
        before: What an earlier run said, having looked for it.
        looks: Searches that did not find it.
        due: When to search next.
        trouble: Why the log could not be read at the last search.
    """

    batch: Batch
    reason: str
    sent_at: float
    lost_at: float
    is_only: bool = False
    is_inherited: bool = False
    apart_s: float = math.inf
    before: str | None = None
    looks: int = 0
    due: float = 0.0
    trouble: str | None = None


class Finding(Struct, frozen=True):
    """What the log says of a lost request.

    Attributes:
        log_id: The id of the request in the log.
        answer: What it was answered.
        age_s: Seconds since then, at least.
        credits: What it cost, according to the log.
        is_sure: Whether it was this request, and no other one for the same people.
    """

    log_id: str
    answer: Answer
    age_s: float = 0.0
    credits: Number | None = None
    is_sure: bool = True


def next_look(lost: Lost, now: float) -> float | None:
    """When to search for a request next; None if there is no hope left.

    The API may still be at work on it, and the log may take its time: searches are some 5, 25
    and 85 seconds after the loss. What was lost long ago is searched for twice, as the first
    search may not know the log's zone.
    """
    age = now - lost.lost_at
    if lost.looks == 0:
        return max(now, lost.lost_at + _FIRST_LOOK_S)
    if lost.looks > len(_LATER_LOOKS_S):
        return None
    if age < _LATER_LOOKS_S[-1]:
        return now + _LATER_LOOKS_S[lost.looks - 1]
    return now + _LATER_LOOKS_S[0] if lost.looks == 1 else None


def is_last_look(lost: Lost, now: float) -> bool:
    """Whether a search for a request is the last one, if it does not find it."""
    looked = structs.replace(lost, looks=lost.looks + 1)
    return next_look(looked, now) is None


def in_new_order(batch: Batch, rng: random.Random) -> Batch:
    """The same people in another order, which tells this request from all others for them."""
    keys = list(batch.keys)
    for place in range(min(_MOVED, len(keys))):
        other = place + int(rng.random() * (len(keys) - place))
        keys[place], keys[other] = keys[other], keys[place]
    return Batch(batch.batch_id, batch.kind, tuple(keys))


def can_tell(lost: Lost) -> bool:
    """Whether the order of its people tells a request from all others for them."""
    return len(lost.batch.keys) >= _TELLING


def is_its_own(lost: Lost, entry: LogEntry) -> bool:
    """Whether an entry shows this request, and no other one for the same people."""
    return can_tell(lost) and entry.keys == lost.batch.keys


def may_have_worked(error: PubrioError) -> bool:
    """Whether the API may have carried out a request that was answered like this."""
    return (
        isinstance(error, ResponseLostError | ServerError | DecodeError) or error.may_have_charged
    )


def cost_nothing(batch: Batch, error: PubrioError, finding: Finding) -> bool:
    """Whether the log proves that a failure was free: only where contacts are paid at once."""
    if not may_have_worked(error):
        return not finding.credits
    return isinstance(error, ServerError) and batch.kind == "single" and finding.credits == 0


class Archive:
    """Entries of the log that were read: what one search has asked for, no other asks for again.

    Attributes:
        entries: By their id in the log; None for one that cannot be looked at.
        taken: Whose answer an entry is, by the batch.
        being_read: Those that are being asked for.
    """

    def __init__(self) -> None:
        self.entries: dict[str, LogEntry | None] = {}
        self.taken: dict[str, str] = {}
        self.being_read: set[str] = set()

    def ask_again(self, log_ids: Iterable[str]) -> None:
        """Lets go of entries that were not shown, or not whole."""
        for log_id in log_ids:
            self.entries.pop(log_id, None)

    def trim(self) -> None:
        """Lets go of the oldest."""
        for kept in (self.entries, self.taken):
            while len(kept) > _ARCHIVE:
                del kept[next(iter(kept))]
