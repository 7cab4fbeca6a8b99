"""The journal that is kept in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from msgspec import Struct, structs

from pubrio_async._clock import Clock, SystemClock
from pubrio_async._errors import JournalError
from pubrio_async.models import RedeemJob
from pubrio_async.models.redeem import Number
from pubrio_async.scheduler.journal import (
    Batch,
    JournalSummary,
    OpenBatch,
    Settled,
    Unsettled,
)


class MemoryJournal:
    """A journal that lives as long as the process: it knows who was bought, and survives no crash.

    Args:
        clock: Where the times come from; None for the machine's clock.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock: Clock = clock or SystemClock()
        self._newest = 0.0
        self._types: tuple[str, ...] = ()
        self._ends: dict[str, _End] = {}
        self._open: dict[str, OpenBatch] = {}
        self._lost: dict[str, _Loss] = {}
        self._older: dict[str, _End] = {}  # results that a loss has hidden
        # Known people that an open batch asks for again: until it ends, their end is not known.
        self._reopened: dict[str, str] = {}
        self._charged: Number = 0
        self._usage: bytes | None = None

    def __repr__(self) -> str:
        types = f" {', '.join(self._types)}:" if self._types else ""
        return (
            f"<{type(self).__name__}{types} {len(self._ends):,} people, "
            f"{len(self._open):,} open batches, {self._charged:,} credits charged>"
        )

    async def open(self, contact_types: Sequence[str]) -> bool:
        """Makes the journal ready. As several runs may share it, it never counts as new."""
        if self._types and contact_types and set(contact_types) != set(self._types):
            raise JournalError(
                f"cannot use the journal: it was written for {','.join(self._types)} and not for "
                f"{','.join(contact_types)}; ask for the same contact types, or use another journal"
            )
        self._types = self._types or tuple(contact_types)
        self._time()  # what is written from now on is of now, whatever becomes of the clock
        return False

    async def lookup(
        self, keys: Sequence[str], newer_than: float | None = None
    ) -> Mapping[str, Settled | Unsettled]:
        """What is known of these people."""
        ends: dict[str, Settled | Unsettled] = {}
        for key in keys:
            known = self._ends.get(key)
            if known is None or key in self._reopened:
                continue
            if isinstance(known.end, Unsettled):
                ends[key] = self._with_hidden(key, known.end)
            elif newer_than is None or known.at >= newer_than:
                ends[key] = known.end
        return ends

    async def open_batches(self) -> Sequence[OpenBatch]:
        """The batches without an end, oldest first."""
        return [
            structs.replace(entry, bought_at=self._bought_at(entry)) if entry.job is None else entry
            for entry in self._open.values()
        ]

    async def unsettled_people(self) -> Sequence[str]:
        """Everyone whose answer is lost."""
        unanswered = [entry for entry in self._open.values() if entry.job is None]
        people = dict.fromkeys(key for entry in unanswered for key in entry.batch.keys)
        for key, known in self._ends.items():
            if isinstance(known.end, Unsettled) and key not in self._reopened:
                people[key] = None
        return list(people)

    async def reopen_unsettled(self) -> None:
        """Opens every batch that ended unsettled again, as long as someone in it is unsettled."""
        for batch_id, loss in list(self._lost.items()):
            still = [key for key in loss.entry.batch.keys if self._is_unsettled(key)]
            if still:
                del self._lost[batch_id]
                self._open[batch_id] = structs.replace(loss.entry, reason=loss.end.reason)
                self._reopened.update(dict.fromkeys(still, batch_id))

    async def intend(self, batch: Batch) -> None:
        """Notes that the batch is about to be sent."""
        if batch.batch_id in self._open:
            raise JournalError(f"the journal holds the batch {batch.batch_id} already")
        self._open[batch.batch_id] = OpenBatch(batch, None, None, self._time())
        for key in batch.keys:
            if key in self._ends:
                self._reopened[key] = batch.batch_id

    async def accepted(self, batch_id: str, job: RedeemJob) -> None:
        """Notes the id of the job."""
        entry = self._entry(batch_id)
        self._open[batch_id] = structs.replace(entry, job=job, accepted_at=self._time())

    async def withdraw(self, batch_id: str) -> None:
        """Forgets a batch that was surely not carried out; one that is not open is left alone."""
        if batch_id in self._open:
            for key in self._close(batch_id).batch.keys:
                if self._is_unsettled(key) and self._ends[key].by == batch_id:
                    self._forget(key)

    async def settle(
        self, batch_id: str, results: Mapping[str, Settled], charged: Number | None
    ) -> None:
        """Notes the end of the batch."""
        kept = self._found_elsewhere(self._entry(batch_id), results)
        if kept:
            results = {
                k: end for k, end in results.items() if end.status == "found" or k not in kept
            }
        self._close(batch_id)
        at = self._time()
        for key, end in results.items():
            self._ends[key] = _End(end, batch_id, at)
            self._reopened.pop(key, None)
        self._charged += charged or 0

    async def unsettle(self, batch_id: str, reason: str) -> None:
        """Notes that the answer to the batch is lost; one that is not open is left alone."""
        entry = self._open.get(batch_id)
        if entry is None:
            return
        concerned = [
            key
            for key in entry.batch.keys
            if key not in self._ends
            or self._reopened.get(key) == batch_id
            or self._is_unsettled(key)
        ]
        end = Unsettled(reason, entry.job.redeem_query_id if entry.job else None)
        self._lost[batch_id] = _Loss(self._close(batch_id), end, self._time())
        for key in concerned:
            known = self._ends.get(key)
            if known is not None and isinstance(known.end, Settled):
                self._older[key] = known
            self._ends[key] = _End(end, batch_id, self._time())

    async def save_usage(self, usage: bytes) -> None:
        """Notes what the rate limits have seen."""
        self._usage = usage

    async def load_usage(self) -> bytes | None:
        """What was noted of the rate limits."""
        return self._usage

    async def summary(self) -> JournalSummary:
        """The figures of the journal."""
        counts = dict.fromkeys(("found", "empty", "rejected", "unsettled"), 0)
        for key, known in self._ends.items():
            if key not in self._reopened:
                end = known.end
                counts["unsettled" if isinstance(end, Unsettled) else end.status] += 1
        sizes = {True: 0, False: 0}
        for entry in self._open.values():
            sizes[entry.job is None] += len(entry.batch.keys)
        counts["unsettled"] += sizes[True]
        return JournalSummary(
            contact_types=self._types,
            pending=sizes[False],
            open_jobs=len(self._open),
            credits_charged=self._charged,
            **counts,
        )

    async def close(self) -> None:
        """Nothing to let go of."""

    def _lacks(self, key: str) -> bool:
        return key not in self._ends

    def _put_away(self) -> Iterator[tuple[float, dict[str, Settled]]]:
        """Lets go of people with a result: those of each batch, and since when it is known."""
        ends, self._ends = self._ends, {}
        for (_, at), people in groupby(ends.items(), lambda item: (item[1].by, item[1].at)):
            settled: dict[str, Settled] = {}
            for key, known in people:
                if isinstance(known.end, Unsettled) or key in self._reopened:
                    self._ends[key] = known
                else:
                    settled[key] = known.end
            if settled:
                yield at, settled

    def _time(self) -> float:
        # What comes later must not look older because somebody has set the clock back.
        self._newest = max(self._newest, self._clock.wall())
        return self._newest

    def _entry(self, batch_id: str) -> OpenBatch:
        if batch_id not in self._open:
            raise JournalError(f"the journal holds no open batch {batch_id}")
        return self._open[batch_id]

    def _is_unsettled(self, key: str) -> bool:
        known = self._ends.get(key)
        return known is not None and isinstance(known.end, Unsettled)

    def _with_hidden(self, key: str, lost: Unsettled) -> Unsettled:
        """A loss with what was bought before it."""
        hidden = self._older.get(key)
        if hidden is None or not isinstance(hidden.end, Settled) or hidden.end.status != "found":
            return lost
        return structs.replace(lost, before=hidden.end)

    def _forget(self, key: str) -> None:
        """Makes a person unknown, but for an older result, or if yet another answer is lost."""
        del self._ends[key]
        older = self._older.get(key)
        for batch_id, loss in self._lost.items():
            if key in loss.entry.batch.keys:
                self._ends[key] = _End(loss.end, batch_id, loss.at)
        lost = self._ends.get(key)
        if older is not None and (lost is None or older.at >= lost.at):
            self._ends[key] = older
        if key not in self._ends:
            self._reopened.pop(key, None)

    def _found_elsewhere(self, entry: OpenBatch, keys: Iterable[str]) -> set[str]:
        """Of whom another batch brought contacts since this one was opened."""
        kept: set[str] = set()
        if self._ends.keys().isdisjoint(keys):
            return kept  # the usual case
        for key in keys:
            known = self._ends.get(key)
            if (
                known is not None
                and known.at >= (entry.intended_at or 0.0)
                and self._reopened.get(key) != entry.batch.batch_id
                and isinstance(known.end, Settled)
                and known.end.status == "found"
            ):
                kept.add(key)
        return kept

    def _bought_at(self, entry: OpenBatch) -> float | None:
        times = [
            known.at
            for ends in (self._ends, self._older)
            for known in filter(None, map(ends.get, entry.batch.keys))
            if isinstance(known.end, Settled)
            and known.end.status != "rejected"
            and known.at <= (entry.intended_at or 0.0)
        ]
        return max(times, default=None)

    def _close(self, batch_id: str) -> OpenBatch:
        entry = self._open.pop(batch_id)
        # Ends from before stand again, until new ones replace them.
        for key in entry.batch.keys:
            if self._reopened.get(key) == batch_id:
                del self._reopened[key]
        return entry


class _End(Struct, frozen=True, gc=False):
    """What is known of a person, from which batch, and since when (Unix time)."""

    end: Settled | Unsettled
    by: str
    at: float


class _Loss(Struct, frozen=True):
    """A batch whose answer is lost, what its people are told, and since when (Unix time)."""

    entry: OpenBatch
    end: Unsettled
    at: float
