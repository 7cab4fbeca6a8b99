"""Observers: what a program is told of requests and batches, for its metrics and traces.

An event holds numbers and names of this package, never a key, a contact, or who was asked for.
"""

from __future__ import annotations

import logging
from asyncio import CancelledError
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final, Literal, NamedTuple, TypeAlias, TypeVar

from msgspec import Struct

from pubrio_async._clock import Clock
from pubrio_async._errors import ConfigurationError, ResponseLostError
from pubrio_async._log import REQUESTS, ROOT, note
from pubrio_async._phase import Phase

BatchEventKind: TypeAlias = Literal[
    "submitted",
    "accepted",
    "polled",
    "settled",
    "unsettled",
    "failed",
    "rejected",
    "split",
    "withdrawn",
    "given_up",
]
"""What happened to a batch. The first three go on; each of the others is the end of it.

- `submitted`: about to be sent for the first time; or taken over from an earlier run.
- `accepted`: the API has made a job of it.
- `polled`: the API has told the state of the job.
- `settled`: the result is there.
- `unsettled`: it may have been charged, and the answer is lost.
- `failed`: refused or unreachable, surely not charged.
- `rejected`: the API refuses this one person.
- `split`: refused, or too large for what is left of the budget; smaller ones take its place.
- `withdrawn`: surely not carried out, and not tried again: the run ended first.
- `given_up`: left open by this run; another one with the same journal goes on with it.
"""

BATCH_ENDS: Final[frozenset[BatchEventKind]] = frozenset(
    ("settled", "unsettled", "failed", "rejected", "split", "withdrawn", "given_up")
)
"""The kinds that end a batch; each that was submitted comes to exactly one of them."""


class RequestEvent(Struct, frozen=True, kw_only=True, gc=False):
    """A request that has ended; each attempt is one.

    Attributes:
        name: The endpoint, such as `redeem.batch`.
        method: The HTTP verb.
        path: The path below the base URL, such as `/redeem/people/batch`.
        paid: Whether carrying it out may spend credits.
        sent: Whether bytes of it may have left this machine.
        status: The HTTP status; None where no answer came.
        started_at: When it began, in seconds since the Unix epoch.
        elapsed_s: Seconds from then until the reply was read and decoded. Waiting for a rate
            limit comes before.
        bytes_out: Size of its body.
        bytes_in: Size of the reply's body, decompressed.
        error: The class of the error that ended it, such as `RateLimitedError`; None if it worked.
    """

    name: str
    method: str
    path: str
    paid: bool
    sent: bool
    status: int | None
    started_at: float
    elapsed_s: float
    bytes_out: int
    bytes_in: int
    error: str | None


class BatchEvent(Struct, frozen=True, kw_only=True, gc=False):
    """A step in the life of a batch of `redeem.many`; a lone person is a batch of one.

    Attributes:
        kind: What happened. The first event of a batch is `submitted`, the last one its end.
        batch_id: A UUID of this package's own; the API never sees it.
        people: How many people are in it.
        redeem_query_id: The API's name for its job, once there is one.
        at: When it happened, in seconds since the Unix epoch.
        age_s: Seconds since it was submitted: 0.0 if it is new, more if an earlier run submitted
            it; None where that is not known.
        found: How many of them have contacts; 0 before it is `settled`.
        empty: How many have none; 0 before it is `settled`.
        credits: What the API said it has charged; None before it is `settled`, or if it said
            nothing.
        estimate_s: The API's newest word on how long the job takes, in seconds.
    """

    kind: BatchEventKind
    batch_id: str
    people: int
    redeem_query_id: str | None = None
    at: float
    age_s: float | None = None
    found: int = 0
    empty: int = 0
    credits: int | float | None = None
    estimate_s: float | None = None


class Observer:
    """What is told of requests and batches, as they happen; derive from it what you need.

    Both methods are called on the event loop, between two steps of the work: they have to be
    quick, and must not wait. If one raises, the name of the exception's class is logged once, and
    that client does not call the observer again; the call or run goes on.
    """

    def on_request(self, event: RequestEvent) -> None:
        """A request has ended.

        Called in the context of whoever made it: the caller of an endpoint, or who opened the run.

        Args:
            event: What it was, and what came of it.
        """

    def on_batch(self, event: BatchEvent) -> None:
        """Something happened to a batch.

        Args:
            event: What, and to which.
        """


_Event = TypeVar("_Event", RequestEvent, BatchEvent)


class Observers:
    """The observers of a client, as long as they behave.

    Args:
        observers: The observers.

    Raises:
        ConfigurationError: One of them is none.
    """

    def __init__(self, observers: Iterable[object]) -> None:
        self._observers: list[Observer] = []
        for observer in observers:
            if not isinstance(observer, Observer):
                what = getattr(observer, "__name__", type(observer).__name__)
                msg = f"observers takes instances of pubrio_async.Observer, not {what}"
                raise ConfigurationError(msg)
            self._observers.append(observer)

    def __len__(self) -> int:
        return len(self._observers)

    def request(self, event: RequestEvent) -> None:
        """Tells everyone of a request."""
        for observer in tuple(self._observers):
            self._tell(observer, observer.on_request, event)

    def batch(self, event: BatchEvent) -> None:
        """Tells everyone of a batch."""
        for observer in tuple(self._observers):
            self._tell(observer, observer.on_batch, event)

    def _tell(self, observer: Observer, call: Callable[[_Event], None], event: _Event) -> None:
        try:
            call(event)
        except (Exception, CancelledError) as error:  # noqa: BLE001 - whatever it is, it is not the call's fault
            # A cancellation of ours is met at an await, and there is none here: it is the
            # observer's own. Others of its kind, such as KeyboardInterrupt, are for the program.
            self._drop(observer, type(error).__name__)

    def _drop(self, observer: Observer, error: str) -> None:
        self._observers = [other for other in self._observers if other is not observer]
        name = type(observer).__name__
        note(ROOT, logging.ERROR, "observer_dropped", observer=name, error=error)


_T = TypeVar("_T")


class Asked(NamedTuple):
    """What a request asks for, as far as observers are told.

    Attributes:
        name: The endpoint.
        method: The HTTP verb.
        path: The path below the base URL.
        paid: Whether it may spend credits.
        size: Bytes of its body.
    """

    name: str
    method: str
    path: str
    paid: bool
    size: int


async def observed(
    sending: Coroutine[Any, Any, _T],
    asked: Asked,
    phase: Phase,
    *,
    observers: Observers | None,
    clock: Clock,
) -> _T:
    """Sends a request, and tells observers and the log what came of it.

    Args:
        sending: What sends it.
        asked: What it asks for.
        phase: Tells how far it got, and holds the reply.
        observers: Who is told, beside the log; None for nobody.
        clock: Where the time comes from.

    Returns:
        What `sending` returns.
    """
    started_at, began = clock.wall(), clock.now()

    def tell(error: BaseException | None) -> None:
        reply = phase.reply
        status = None
        if reply is not None:
            status = reply.status
        elif isinstance(error, ResponseLostError):
            status = error.status
        event = RequestEvent(
            name=asked.name,
            method=asked.method,
            path=asked.path,
            paid=asked.paid,
            sent=phase.sent > 0,
            status=status,
            started_at=started_at,
            elapsed_s=clock.now() - began,
            bytes_out=asked.size,
            bytes_in=0 if reply is None else len(reply.body),
            error=None if error is None else type(error).__name__,
        )
        note(
            *(REQUESTS, logging.DEBUG, "request"),
            endpoint=event.name,
            status=event.status,
            error=event.error,
            sent=event.sent,
            elapsed_s=event.elapsed_s,
            bytes_out=event.bytes_out,
            bytes_in=event.bytes_in,
        )
        if observers is not None:
            observers.request(event)

    try:
        reply = await sending
    except (Exception, CancelledError) as error:
        tell(error)
        raise
    tell(None)
    return reply
