"""From rows to batches: validate, find out who is known already, merge duplicates, cut to size."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import filterfalse

from msgspec import structs

from pubrio_async._errors import JournalError
from pubrio_async.models import Outcome, OutcomeStatus
from pubrio_async.scheduler.columns import as_text
from pubrio_async.scheduler.journal import Batch, Journal, Settled, Unsettled
from pubrio_async.scheduler.outbox import Outbox, Row, failed, settled
from pubrio_async.scheduler.persons import NotAPersonError, is_url, person_key
from pubrio_async.scheduler.seen import ExactRegister, Register, SlimRegister
from pubrio_async.scheduler.source import Source


class Intake:
    """Reads rows while there is room, and turns the new people among them into batches.

    Args:
        source: The input.
        journal: Who is known already.
        outbox: Where rows go that need no request.
        batch_size: Most people in a batch.
        linger: Seconds a batch waits to be filled when the input pauses.
        is_new: Whether the journal knows nobody but those this run tells it of.
        newer_than: Unix time; what the journal knows from before is bought again.
        resend: Whether people whose answer was lost are sent again.
        has_room: Whether to read on.
        is_idle: Whether nothing is planned, open or waiting for the consumer.
        on_batch: Called with each planned batch.
        on_trouble: Called when the journal cannot be read; from then on rows are skipped.
    """

    def __init__(
        self,
        source: Source,
        journal: Journal,
        outbox: Outbox,
        *,
        batch_size: int,
        linger: float,
        is_new: bool,
        newer_than: float | None,
        resend: bool,
        has_room: Callable[[], bool],
        is_idle: Callable[[], bool],
        on_batch: Callable[[Batch], None],
        on_trouble: Callable[[JournalError], None],
    ) -> None:
        self._source = source
        self._journal = journal
        self._outbox = outbox
        self._linger = linger
        # All that is in a new journal is of this run, whatever the clock says.
        self._newer_than = None if is_new else newer_than
        self._is_new = is_new
        self._resend = resend
        self._has_room = has_room
        self._is_idle = is_idle
        self._on_batch = on_batch
        self._room = asyncio.Event()
        self._chunk: list[str] = []
        self._register: Register = SlimRegister() if is_new else ExactRegister()
        self._waiting: dict[str, list[Row]] = {}
        self._more: Counter[str] = Counter()
        self._remembered: dict[str, Settled | Unsettled] = {}
        self._on_trouble = on_trouble
        self._given_up: dict[str, tuple[OutcomeStatus, str, str | None, Settled | None]] = {}
        self._before: dict[str, Settled] = {}  # of those who are bought again
        self._lost: dict[str, Unsettled] = {}  # of those who are sent again
        self.batch_size: int = batch_size
        self.rows_read: int = 0
        self.rows_waiting: int = 0
        self._in_hand: list[str] = []
        self._planning = False
        self._leaving = False
        self.skipping: str | None = None
        self.ended: bool = False

    @property
    def unique(self) -> int:
        """Distinct well-formed people read so far."""
        return len(self._register)

    @property
    def buys_again(self) -> bool:
        """Whether people are sent of whom the journal has a result that is too old."""
        return self._newer_than is not None

    @property
    def may_be_known(self) -> bool:
        """Whether the journal may have a result of people who are sent, or looked for."""
        return not self._is_new

    def expect(self, keys: Iterable[str]) -> None:
        """Marks people whose batch an earlier run left open: rows that name them wait for it."""
        for key in keys:
            if key in self._waiting:
                self._more[key] += 1
            else:
                self._waiting[key] = []

    def take(self, keys: Iterable[str]) -> dict[str, list[Row]]:
        """The rows that wait for these people; from now on the people count as known."""
        pop = self._waiting.pop
        rows = {key: pop(key, []) for key in keys}
        self.rows_waiting -= sum(map(len, rows.values()))
        if self._before:
            for key in rows:
                self._before.pop(key, None)
        if self.skipping is not None:
            self._register.counted(rows)  # some were not sent
        if self._more:
            for key in filter(self._more.__contains__, rows):
                # Another batch with this person is open, too.
                self._more[key] -= 1
                self._waiting[key] = []
            self._more += Counter()
        return rows

    def give_up(
        self, keys: Iterable[str], status: OutcomeStatus, error: str, redeem_query_id: str | None
    ) -> None:
        """These people's batch stays open in the journal: what their rows are told in this run.

        They are remembered, because the journal tells nothing of people whose batch is open, and
        a row that names them later must not have them sent again.
        """
        before = self.bought_before(keys)
        self._give_up(self.take(keys), status, error, redeem_query_id, before)

    def fail(self, keys: Iterable[str], why: str) -> None:
        """These people's batch was surely not carried out, and is not sent again by this run."""
        before = self.bought_before(keys)
        self._give_up(self._but_lost(keys, why), "failed", why, None, before)

    def leave_out(self, keys: Iterable[str], why: str) -> None:
        """These people are never sent."""
        before = self.bought_before(keys)
        self._outbox.fail(self._but_lost(keys, why), "skipped", why, None, before)

    def bought_before(self, keys: Iterable[str]) -> dict[str, Settled]:
        """What the journal has of people who are bought again: theirs, whatever becomes of that."""
        if not (self._before or self._lost):
            return {}
        found = {
            key: self._before.get(key) or (lost.before if (lost := self._lost.get(key)) else None)
            for key in keys
        }
        return {key: end for key, end in found.items() if end is not None}

    def lost_before(self, key: str, why: str) -> Unsettled | None:
        """What is known of a person who was to be sent again, about whom nothing new was learnt.

        An earlier request may have been charged all the same.
        """
        lost = self._lost.get(key)
        return lost and structs.replace(lost, reason=f"{lost.reason} Sending again: {why}")

    def _but_lost(self, keys: Iterable[str], why: str) -> dict[str, list[Row]]:
        """Reports the people whose earlier answer is lost; returns the rows of all others."""
        rows = self.take(keys)
        lost = {key: end for key in rows if (end := self.lost_before(key, why))}
        self._remembered.update(lost)
        self._outbox.settle({key: rows.pop(key) for key in lost}, lost)
        return rows

    def _give_up(
        self,
        rows: Mapping[str, list[Row]],
        status: OutcomeStatus,
        error: str,
        redeem_query_id: str | None,
        before: Mapping[str, Settled],
    ) -> None:
        self._given_up |= {key: (status, error, redeem_query_id, before.get(key)) for key in rows}
        self._outbox.fail(rows, status, error, redeem_query_id, before)

    async def keep(self, keys: Sequence[str]) -> tuple[str, ...]:
        """Who of a batch that was not carried out may be sent again.

        An earlier run may have sent some of them twice. People in another open batch are left to
        that batch; those whose end is known by now, from another batch, are given that end. Those
        whom no row names are free: this run buys them if one does.
        """
        alone = [key for key in keys if key not in self._more]
        self._more.subtract(filter(self._more.__contains__, keys))
        self._more += Counter()
        known: Mapping[str, Settled | Unsettled] = {}
        try:
            known = await self._journal.lookup(alone, self._newer_than)
        except JournalError as trouble:
            self._on_trouble(trouble)
        known = {**known, **self._remembered}
        left: list[str] = []
        for key in alone:
            if key in known:
                self.tell({key: known[key]})
            elif key in self._given_up:
                status, error, redeem_query_id, end = self._given_up[key]
                before = {} if end is None else {key: end}
                self._outbox.fail(self.take([key]), status, error, redeem_query_id, before)
            elif self._waiting.get(key):
                left.append(key)
            else:
                self.take([key])
        return tuple(left)

    def tell(self, ends: Mapping[str, Settled | Unsettled]) -> None:
        """Hands over the ends of people who are known from elsewhere."""
        self._outbox.settle(self.take(ends), ends)

    def remember(self, ends: Mapping[str, Settled | Unsettled]) -> None:
        """Keeps the ends of people that could not be written into the journal."""
        self._remembered.update(ends)

    def met_meanwhile(self, keys: Iterable[str]) -> dict[str, Settled | Unsettled]:
        """What has become known of the people in a batch since it was planned."""
        remembered = self._remembered
        return {key: remembered[key] for key in keys if key in remembered} if remembered else {}

    def brought(self, keys: Iterable[str]) -> None:
        """A reply names these people, who were not asked for: the journal is about to know them."""
        self._register.told(keys)

    def tell_others(self, ends: Mapping[str, Settled]) -> None:
        """Hands over what a reply brought of people it was not asked for, if rows wait for them.

        If their own batch is not sent yet, or not made, it goes without them; if it is, they keep
        what has come, however it ends.
        """
        waiting = {key: end for key, end in ends.items() if key in self._waiting}
        self.remember(waiting)
        # The journal may have been asked for the rows in hand before it knew of these people.
        self.remember({key: ends[key] for key in self._in_hand if key in ends})
        self.tell(waiting)

    def wake(self) -> None:
        """There may be room to read on."""
        self._room.set()

    async def run(self) -> None:
        """Reads to the end of the input."""
        try:
            while not self._leaving:
                while not self._has_room():
                    if self._is_idle():
                        self.flush()  # the rows that fill the room wait for these people
                    self._room.clear()
                    await self._room.wait()
                rows = await self._source.pull(
                    max(1, self.batch_size - len(self._chunk)),
                    self._linger if self._chunk else None,
                )
                if rows is None:
                    break
                if not rows:
                    self.flush()
                self._planning = True
                await self._plan(rows)
                self._planning = False
                if len(self._chunk) >= self.batch_size:
                    self.flush()
        finally:
            self.ended = True
            self.flush()

    def leave(self) -> bool:
        """Reads no further.

        Returns:
            True if `run` ends by itself, once the rows it has in hand are dealt with; False if
            it waits for the input, and is to be cancelled.
        """
        self._leaving = True
        return self._planning

    def flush(self) -> None:
        """Hands on the people read so far as a batch, full or not."""
        if self._chunk:
            chunk, self._chunk = self._chunk, []
            self._on_batch(new_batch(tuple(chunk)))

    async def _plan(self, people: list[object]) -> None:
        rows, keys = self._named(people)
        if not keys:
            return
        known: Mapping[str, Settled | Unsettled] = {}
        self._in_hand = keys
        perhaps = self._register.meet(keys)
        try:
            known = await self._known(keys, perhaps)
        except JournalError as trouble:
            self._register.counted(perhaps)
            self._on_trouble(trouble)
            # Perhaps an earlier run has paid for them: who can tell without the journal?
            self.skipping = f"not sent by this run: {trouble}"
        self._in_hand = []
        self._place(rows, keys, known)

    def _named(self, people: list[object]) -> tuple[list[Row], list[str]]:
        """The rows that name somebody, and whom; those that name nobody are dealt with."""
        rows: list[Row] = []
        keys: list[str] = []
        nobody: list[Outcome] = []
        key_of = str if self._source.are_keys else person_key
        for number, given in enumerate(people, self.rows_read):
            # Columns of real tables hold None, NaN and UUID objects beside text.
            text = given if type(given) is str else as_text(given)
            try:
                keys.append(key_of(text))
            except NotAPersonError as reason:
                why = f"{reason}; it was not sent and nothing was charged"
                nobody.append(failed((number, text), "rejected", why))
            else:
                rows.append((number, text))
        self.rows_read += len(people)
        self._outbox.put(nobody)
        return rows, keys

    def _place(
        self, rows: list[Row], keys: list[str], known: Mapping[str, Settled | Unsettled]
    ) -> None:
        """Puts rows where they belong: to those who wait, among the known, or into a batch."""
        waiting, remembered, given_up = self._waiting, self._remembered, self._given_up
        before = self.bought_before(keys)  # whoever is left out on the way has more rows, perhaps
        told: list[Outcome] = []
        planned: list[str] = []
        skipped: list[str] = []
        for row, key in zip(rows, keys, strict=True):
            others = waiting.get(key)
            if others is not None:
                others.append(row)
                self.rows_waiting += 1
            elif key in known:
                told.append(settled(row, known[key]))
            elif key in remembered:
                told.append(settled(row, remembered[key]))
            elif key in given_up:
                told.append(failed(row, *given_up[key]))
            elif self.skipping is not None:
                lost = self.lost_before(key, self.skipping)
                why = self.skipping, None, before.get(key)
                told.append(settled(row, lost) if lost else failed(row, "skipped", *why))
                skipped.append(key)
            else:
                waiting[key] = [row]
                self.rows_waiting += 1
                planned.append(key)
                if is_url(key):
                    self._on_batch(new_batch((key,)))
                else:
                    self._chunk.append(key)
        if self._before:
            for key in filterfalse(waiting.__contains__, keys):
                self._before.pop(key, None)
        self._register.plan(planned)
        self._register.skip(skipped)
        self._outbox.put(told)

    async def _known(
        self, keys: list[str], perhaps: Sequence[str]
    ) -> dict[str, Settled | Unsettled]:
        """What the journal knows of those among them that no batch is open for."""
        known: dict[str, Settled | Unsettled] = {}
        waiting_for = dict.fromkeys(filter(self._waiting.__contains__, keys))
        ask = [*filterfalse(waiting_for.__contains__, perhaps)]
        while ask:
            found = await self._journal.lookup(ask, self._newer_than)
            for key, end in found.items():
                if self._resend and isinstance(end, Unsettled):
                    self._lost[key] = end
                else:
                    known[key] = end
            if self._newer_than is not None:
                await self._look_back([key for key in ask if key not in found])
            # Those that were open may have been settled while the journal was asked; and others
            # while it was asked for these.
            ask = [key for key in waiting_for if key not in self._waiting]
            for key in ask:
                del waiting_for[key]
        return known

    async def _look_back(self, keys: Sequence[str]) -> None:
        """Keeps what is too old, as long as these people wait for what is bought anew."""
        for key, end in (await self._journal.lookup(keys)).items():
            if isinstance(end, Settled) and end.status == "found":
                self._before[key] = end


def new_batch(keys: tuple[str, ...]) -> Batch:
    """A batch of these people; a lone person goes the cheaper way, through `redeem.people`."""
    return Batch(str(uuid.uuid4()), "single" if len(keys) == 1 else "batch", keys)
