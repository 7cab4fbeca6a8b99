"""Outcomes on their way to the consumer, and the tally of what a run has done."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from pubrio_async._clock import Clock
from pubrio_async.models import Contact, Outcome, OutcomeStatus, RedeemCharge, RunReport
from pubrio_async.scheduler.journal import Settled, Unsettled

Row = tuple[int, str]
"""A row of the input: its index, and the person as given."""


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

    def count(self, status: OutcomeStatus) -> None:
        """Counts a row under its status."""
        figures = self._figures
        figures.rows += 1
        setattr(figures, status, getattr(figures, status) + 1)

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
        self._on_room = on_room
        self._queue: deque[Outcome] = deque()
        self._reader: asyncio.Future[None] | None = None
        self._closed = False
        self._discards = False

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def full(self) -> bool:
        """True while the consumer is behind."""
        return len(self._queue) >= self._high_water

    def put(self, outcome: Outcome) -> None:
        """Counts an outcome and hands it over."""
        self._tally.count(outcome.status)
        if self._discards:
            return
        self._queue.append(outcome)
        self._wake()

    def settle(self, rows: list[Row], end: Settled | Unsettled) -> None:
        """Hands over the same end for every row that names the person."""
        for row, person in rows:
            if isinstance(end, Unsettled):
                self.put(
                    Outcome(
                        row,
                        person,
                        None,
                        "unsettled",
                        redeem_query_id=end.redeem_query_id,
                        error=end.reason,
                    )
                )
            else:
                self.put(_outcome(row, person, end))

    def fail(
        self,
        rows: list[Row],
        status: OutcomeStatus,
        error: str,
        redeem_query_id: str | None = None,
    ) -> None:
        """Hands over an end without contacts for every row."""
        for row, person in rows:
            self.put(
                Outcome(row, person, None, status, redeem_query_id=redeem_query_id, error=error)
            )

    def discard(self) -> None:
        """The consumer has left: rows are still counted, and dropped."""
        self._discards = True
        self._queue.clear()
        self._on_room()

    def close(self) -> None:
        """Nothing more will come."""
        self._closed = True
        self._wake()

    async def get(self) -> Outcome | None:
        """The next outcome; None once there will be no more."""
        while not self._queue:
            if self._closed:
                return None
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        outcome = self._queue.popleft()
        if len(self._queue) == self._high_water // 2:
            self._on_room()
        return outcome

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


def _outcome(row: int, person: str, end: Settled) -> Outcome:
    emails: list[Contact] = list(end.emails)
    phones: list[Contact] = list(end.phones)
    return Outcome(
        row,
        person,
        end.people_search_id,
        end.status,
        emails,
        phones,
        end.redeem_query_id,
        end.error,
    )
