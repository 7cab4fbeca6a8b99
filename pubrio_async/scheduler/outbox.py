"""Outcomes on their way to the consumer, and the tally of what a run has done."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter

from pubrio_async._clock import Clock
from pubrio_async.models import Outcome, OutcomeStatus, RedeemCharge, RunReport
from pubrio_async.scheduler.journal import Settled, Unsettled

Row = tuple[int, str]
"""A row of the input: its index, and the person as given."""

_status: Callable[[Outcome], OutcomeStatus] = attrgetter("status")
_number: Callable[[Outcome], int] = attrgetter("row")

# Of one run after another; the others tell how things are at its end.
_COUNTS = (
    *("found", "empty", "rejected", "batches", "requests", "polls", "retries", "rate_limited"),
    "credits_charged",
)


class Tally:
    """The figures of a run while it goes on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started = clock.now()
        self._ended: float | None = None
        self._figures = RunReport()

    @property
    def figures(self) -> RunReport:
        """The counters, to be raised in place."""
        return self._figures

    def count(self, outcomes: Sequence[Outcome]) -> None:
        """Counts rows, each under its status."""
        figures = self._figures
        figures.rows += len(outcomes)
        for status, rows in Counter(map(_status, outcomes)).items():
            setattr(figures, status, getattr(figures, status) + rows)

    def charge(self, profile: RedeemCharge | None) -> None:
        """Adds a charge and takes over the balance, as the API reported them."""
        if profile is None:
            return
        self._figures.credits_charged += profile.charged or 0
        if profile.credit is not None:
            self._figures.credit_balance = profile.credit

    def end(self) -> None:
        """Stops the clock of the report."""
        if self._ended is None:
            self._ended = self._clock.now()

    def report(self) -> RunReport:
        """The figures as they stand."""
        figures = self._figures
        ended = self._clock.now() if self._ended is None else self._ended
        figures.elapsed_s = round(ended - self._started, 3)
        figures.polls_per_batch = (
            round(figures.polls / figures.batches, 4) if figures.batches else 0.0
        )
        return figures


class Outbox:
    """A bounded queue from the scheduler to the consumer.

    `full` is advice to the scheduler, not a wall: what has been paid for is always taken in.

    Args:
        tally: Where rows are counted.
        high_water: How many outcomes may wait before the scheduler should hold back.
        on_room: Called when the consumer has made room again.
    """

    def __init__(self, tally: Tally, high_water: int, on_room: Callable[[], None]) -> None:
        self._tally = tally
        self._high_water = high_water
        self._low_water = high_water // 2
        self._on_room = on_room
        self._queue: deque[Outcome] = deque()
        self._readers: set[asyncio.Future[None]] = set()
        self._closed = False
        self._discards = False

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def full(self) -> bool:
        """True while the consumer is behind."""
        return len(self._queue) >= self._high_water

    def put(self, outcomes: Sequence[Outcome]) -> None:
        """Counts outcomes and hands them over."""
        if not outcomes:
            return
        self._tally.count(outcomes)
        if self._discards:
            return
        self._queue.extend(outcomes)
        self._wake()

    def settle(
        self, rows: Mapping[str, Iterable[Row]], ends: Mapping[str, Settled | Unsettled]
    ) -> None:
        """Hands over the ends of people for every row that names them, in the order of the rows.

        Args:
            rows: The rows, by person.
            ends: The ends, of these people and perhaps of others.
        """
        told = [settled(row, ends[key]) for key, named in rows.items() for row in named]
        self.put(sorted(told, key=_number))

    def fail(
        self,
        rows: Mapping[str, Iterable[Row]],
        status: OutcomeStatus,
        error: str,
        redeem_query_id: str | None,
        before: Mapping[str, Settled],
    ) -> None:
        """Hands over an end without a result for every row, in their order.

        Args:
            rows: The rows, by person.
            status: What became of them.
            error: Why.
            redeem_query_id: Their job, if they have one.
            before: What was bought of some of these people earlier.
        """
        told = [
            failed(row, status, error, redeem_query_id, before.get(key))
            for key, named in rows.items()
            for row in named
        ]
        self.put(sorted(told, key=_number))

    def discard(self) -> None:
        """The consumer has left: rows are still counted, and dropped."""
        self._discards = True
        self._queue.clear()
        self._on_room()

    def close(self) -> None:
        """Nothing more will come."""
        self._closed = True
        self._wake()

    def take(self) -> Outcome | None:
        """The next outcome; None if there is none at the moment."""
        queue = self._queue
        if not queue:
            return None
        outcome = queue.popleft()
        if len(queue) == self._low_water:
            self._on_room()
        return outcome

    async def get(self) -> Outcome | None:
        """The next outcome; None once there will be no more."""
        while not self._queue:
            if self._closed:
                return None
            reader = asyncio.get_running_loop().create_future()
            self._readers.add(reader)
            try:
                await reader
            finally:
                self._readers.discard(reader)
        return self.take()

    def _wake(self) -> None:
        for reader in self._readers:
            if not reader.done():
                reader.set_result(None)


def settled(row: Row, end: Settled | Unsettled) -> Outcome:
    """The outcome of a row that names somebody of whom this is known."""
    if isinstance(end, Unsettled):
        return failed(row, "unsettled", end.reason, end.redeem_query_id, end.before)
    return Outcome(
        row[0],
        row[1],
        end.people_search_id,
        end.status,
        [*end.emails],
        [*end.phones],
        end.redeem_query_id,
        end.error,
    )


def failed(
    row: Row,
    status: OutcomeStatus,
    error: str,
    redeem_query_id: str | None = None,
    before: Settled | None = None,
) -> Outcome:
    """The outcome of a row without a result; its contacts are those that were bought `before`."""
    if before is None:
        return Outcome(row[0], row[1], None, status, redeem_query_id=redeem_query_id, error=error)
    return Outcome(
        row[0],
        row[1],
        before.people_search_id,
        status,
        [*before.emails],
        [*before.phones],
        redeem_query_id,
        error,
    )


def add_counts(total: RunReport, report: RunReport) -> None:
    """Adds what another run counted and was charged."""
    for name in _COUNTS:
        setattr(total, name, getattr(total, name) + getattr(report, name))
