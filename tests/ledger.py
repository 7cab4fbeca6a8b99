"""An observer that keeps books: every batch begins once, and comes to exactly one end."""

from __future__ import annotations

from collections import Counter

from pubrio_async import BatchEvent, Observer, RequestEvent
from pubrio_async._observe import BATCH_ENDS


class Ledger(Observer):
    """What was told, and what is wrong with it.

    Attributes:
        requests: The requests, as they ended.
        batches: The steps of batches, as they happened.
        open: The batches that have no end yet.
        broken: What should not have been told; a flaw is kept here, as an observer that raises
            is not called again.
    """

    def __init__(self) -> None:
        self.requests: list[RequestEvent] = []
        self.batches: list[BatchEvent] = []
        self.open: dict[str, BatchEvent] = {}
        self.ended: set[str] = set()
        self.broken: list[str] = []

    @property
    def ends(self) -> Counter[str]:
        """How many batches came to which end."""
        return Counter(event.kind for event in self.batches if event.kind in BATCH_ENDS)

    @property
    def kinds(self) -> list[str]:
        """What happened to the batches, in order."""
        return [event.kind for event in self.batches]

    def ended_by(self, kind: str) -> set[str]:
        """The batches that came to this end."""
        return {event.batch_id for event in self.batches if event.kind == kind}

    def on_request(self, event: RequestEvent) -> None:
        self.requests.append(event)
        self._check(event.elapsed_s >= 0, "a request ended before it began")
        self._check(event.error is not None or event.status == 200, "a bad reply without an error")
        self._check(event.sent or event.status is None, "an answer to what was never sent")

    def on_batch(self, event: BatchEvent) -> None:
        self.batches.append(event)
        before = self.open.get(event.batch_id)
        if event.kind == "submitted":
            self._check(before is None, "submitted twice")
            self._check(event.batch_id not in self.ended, "submitted after its end")
            self.open[event.batch_id] = event
            return
        if before is None:
            self._check(False, f"{event.kind} without being open")
            return
        self._check(event.people == before.people, "other people than were submitted")
        self._check((event.age_s is None) == (before.age_s is None), "its age got lost")
        self._check((event.age_s or 0.0) >= (before.age_s or 0.0), "it has become younger")
        if event.kind == "accepted":
            self._check(before.kind == "submitted", "accepted twice")
            self._check(event.redeem_query_id is not None, "accepted without a job")
        elif event.kind == "polled":
            self._check(before.kind in {"accepted", "polled"}, "polled and not accepted")
        elif event.kind == "settled":
            self._check(event.found + event.empty == event.people, "somebody is missing")
        else:
            self._check(event.found == event.empty == 0, "found, and not settled")
        if event.kind == "rejected":
            self._check(event.people == 1, "several people rejected at once")
        if event.kind in BATCH_ENDS:
            del self.open[event.batch_id]
            self.ended.add(event.batch_id)
        else:
            self.open[event.batch_id] = event

    def _check(self, holds: bool, what: str) -> None:
        if not holds:
            self.broken.append(what)
