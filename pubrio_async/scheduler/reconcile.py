"""Looks for lost requests in the API's request log, and tells what became of them.

Promise: a request whose answer was lost is not sent again. What the log shows of it counts as the
answer; what the log does not show stays unsettled, with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pubrio_async._clock import Clock, seconds_since
from pubrio_async._errors import (
    LOOK_IT_UP,
    AuthenticationError,
    BadRequestError,
    DecodeError,
    NotFoundError,
    NotSentError,
    PermissionDeniedError,
    PubrioError,
    RateLimitedError,
    ResponseError,
    ResponseLostError,
    ServerError,
)
from pubrio_async._phase import Phase
from pubrio_async.scheduler.board import Verbs
from pubrio_async.scheduler.journal import Batch, OpenBatch
from pubrio_async.scheduler.logbook import (
    Archive,
    Finding,
    LogRow,
    Lost,
    is_last_look,
    next_look,
)
from pubrio_async.scheduler.logclock import LogClock
from pubrio_async.scheduler.logsearch import Search

_TOGETHER_S = 3.0
_MOST_FAILURES = 3
# So many entries withheld, and none shown: this key may look at none.
_MOST_WITHHELD = 5
_PAUSE_S = 5.0
_SENT = 1_000
# How long a request may have been under way that an earlier run did not see the end of.
_LONGEST_REQUEST_S = 60.0


class Reconciler:
    """Keeps the lost requests of a run, and looks for them one request at a time.

    Args:
        verbs: What it asks the API with.
        contact_types: What the run looks for.
        clock: Where the time comes from.
        archive: What searches of other runs have asked for, too; None for one of its own.

    Attributes:
        refused: How often a rate limit refused a request.
        unreadable: Why the log cannot be read at all; None as long as it can.
    """

    def __init__(
        self,
        verbs: Verbs,
        contact_types: Sequence[str],
        clock: Clock,
        archive: Archive | None = None,
    ) -> None:
        self._verbs = verbs
        self._contact_types = contact_types
        self._clock = clock
        self._lost: dict[str, Lost] = {}
        self._search: Search | None = None
        self._wanted: int | LogRow | None = None  # what the search asks for next
        self._asking = False
        self._failures = 0
        self._withheld: dict[str, str] | None = {}  # None once an entry was shown
        self._archive = archive or Archive()
        self._log_clock = LogClock()
        self._unclear: set[str] = set()
        self._hidden: set[str] = set()
        self._not_before = -math.inf
        self._sent: dict[str, float] = {}
        self.refused: int = 0
        self.unreadable: str | None = None

    def __len__(self) -> int:
        return len(self._lost)

    def close(self, trouble: str) -> list[Lost]:
        """The log cannot be read: gives back what is lost, and takes up nothing more."""
        self.unreadable = trouble
        return self.give_up()

    def sent(self, batch: Batch, at: float) -> None:
        """Remembers when a request was sent, which helps to find others."""
        self._sent[batch.keys[0]] = at
        if len(self._sent) > _SENT:
            del self._sent[next(iter(self._sent))]

    def add(self, lost: Lost) -> None:
        """Takes up a lost request."""
        due = next_look(lost, self._clock.now())
        lost.due = self._clock.now() if due is None else due
        self._lost[lost.batch.batch_id] = lost

    def give_up(self) -> list[Lost]:
        """Ends the search: gives back what is still lost."""
        rest, self._lost, self._search = list(self._lost.values()), {}, None
        return rest

    def next_due(self) -> float | None:
        """When there is something to ask the log; None while there is not."""
        if self._asking or not self._lost:
            return None
        due = min(lost.due for lost in self._lost.values())
        return max(self._not_before, -math.inf if self._search is not None else due)

    def wants(self, now: float) -> bool:
        """Whether the log should be asked something now."""
        due = self.next_due()
        return due is not None and due <= now

    def take_turn(self) -> None:
        """Somebody is about to call `ask`: nobody else should."""
        self._asking = True

    async def ask(self, ticket: int, phase: Phase) -> list[tuple[Lost, Finding | None]]:
        """Sends the next request of the search.

        Args:
            ticket: The limiter's permit; used up.
            phase: Tells afterwards whether anything was sent.

        Returns:
            What the search, if this ended it, tells of lost requests: what became of each, or
            None for one that is hopeless. They are not kept any longer.

        Raises:
            NotSentError: The API could not be reached; it is asked again.
            AuthenticationError: The key is refused, for the log at least; it is asked again.
        """
        try:
            search = self._search
            if search is None:
                search = self._search = self._begin()
                self._wanted = search.ask()
            try:
                await self._step(search, ticket, phase)
            except (NotSentError, AuthenticationError):
                self._not_before = self._clock.now() + _PAUSE_S
                raise
            except PubrioError as error:
                return [] if self._survives(error) else self._end(search, str(error))
            self._failures = 0
            self._wanted = search.ask()
            if self._wanted is not None:
                return []
            # What was given up meanwhile is not told of.
            return self._end(search, next(iter((self._withheld or {}).values()), None))
        finally:
            self._asking = False

    def why_unsettled(self, lost: Lost) -> str:
        """Why a request that was looked for, or could not be, stays unsettled."""
        if lost.before is not None:
            return lost.before  # which still holds
        trouble = self.unreadable or lost.trouble
        if trouble is not None:
            return (
                f"{lost.reason} The run looked for it in the request log, which could not be "
                f"read: {trouble} (That is about the look-up, not about the request itself.)"
            )
        # In round numbers: people with the same reason are counted together.
        age = _at_least(self._clock.now() - lost.sent_at)
        return (
            f"{lost.reason} The run looked for it in the request log: {age} after it was sent it "
            "was not there."
        )

    def _begin(self) -> Search:
        now = self._clock.now()
        targets = [lost for lost in self._lost.values() if lost.due <= now + _TOGETHER_S]
        self._archive.trim()
        self._failures = 0
        return Search(
            targets,
            self._contact_types,
            self._archive.entries,
            self._log_clock,
            now=now,
            wall=self._clock.wall(),
            sent=self._sent,
            being_read=self._archive.being_read,
            taken=self._archive.taken,
        )

    async def _step(self, search: Search, ticket: int, phase: Phase) -> None:
        wanted = self._wanted
        assert wanted is not None  # noqa: S101 - a search that wants nothing has been ended
        if isinstance(wanted, LogRow):
            self._archive.being_read.add(wanted.log_id)
            try:
                entry = await self._verbs.log_entry(wanted, ticket, phase)
            except (NotFoundError, BadRequestError):
                entry = None  # it is listed, and not shown: others may be
            except PermissionDeniedError as error:
                if self._may_see_none(wanted, error):
                    raise
                self._hidden.add(wanted.log_id)  # it will not be shown later either
                entry = None  # somebody else's, perhaps
            finally:
                self._archive.being_read.discard(wanted.log_id)
            if entry is not None:
                self._withheld = None
            search.take_entry(wanted, entry)
            return
        try:
            page = await self._verbs.log_page(wanted, ticket, phase)
        except (NotFoundError, BadRequestError):
            if wanted == 1:
                raise
            search.refuse_page(wanted)  # the log reaches back less far than it says
        else:
            search.take_page(wanted, page)

    def _may_see_none(self, withheld: LogRow, error: PubrioError) -> bool:
        """Whether this key may look at no entry at all, as far as can be told."""
        if self._withheld is None:
            return False
        self._withheld[withheld.log_id] = str(error)
        return len(self._withheld) >= _MOST_WITHHELD

    def _survives(self, error: PubrioError) -> bool:
        """Whether the search goes on after this."""
        if isinstance(error, ResponseLostError | ServerError | DecodeError | RateLimitedError):
            self._failures += 1
            self.refused += isinstance(error, RateLimitedError)
            # The log may have a quota of its own; nobody else should wait for it.
            self._not_before = self._clock.now() + _PAUSE_S * self._failures
            return self._failures < _MOST_FAILURES
        if isinstance(error, ResponseError):
            # This key may not read the log, and will not be able to a minute later.
            self.unreadable = str(error)
        return False

    def _end(self, search: Search, trouble: str | None) -> list[tuple[Lost, Finding | None]]:
        self._search = None
        self._unclear |= search.unclear.keys() - self._hidden
        now = self._clock.now()
        told: list[tuple[Lost, Finding | None]] = []
        for lost in search.targets:
            batch_id = lost.batch.batch_id
            if batch_id not in self._lost:
                continue
            finding = search.found.get(batch_id)
            if finding is None:
                # However long this search took: none is given up before its last look.
                is_over = self.unreadable is not None or is_last_look(lost, search.now)
                lost.looks += 1
                lost.trouble = trouble
                if not is_over:
                    lost.due = next_look(lost, now) or now + _PAUSE_S
                    continue
            else:
                self._archive.taken[finding.log_id] = batch_id
            del self._lost[batch_id]
            told.append((lost, finding))
        if any(is_last_look(lost, lost.due) for lost in self._lost.values()):
            # What was not shown, or not whole, may be by then.
            self._archive.ask_again(self._unclear)
            self._unclear.clear()
        if self.unreadable is not None:
            told += [(lost, None) for lost in self.give_up()]
        return told


def lost_earlier(entry: OpenBatch, clock: Clock) -> Lost:
    """A request that an earlier run sent, or was about to, and has no answer to."""
    now = clock.now()
    intended_at = entry.intended_at or 0.0
    sent_at = now - seconds_since(intended_at, clock)
    apart_s = math.inf if entry.bought_at is None else max(0.0, intended_at - entry.bought_at)
    return Lost(
        entry.batch,
        f"An earlier run ended while the request was under way. {LOOK_IT_UP}",
        sent_at,
        min(now, sent_at + _LONGEST_REQUEST_S),
        is_inherited=True,
        apart_s=apart_s,
        before=entry.reason,
    )


def why_left(lost: Lost, why: str) -> str:
    """Why the run has not found out what became of a request."""
    return (
        f"{lost.reason} The next run with the same journal looks for it in the request log; this "
        f"one ended before it could: {why}"
    )


def _at_least(seconds: float) -> str:
    """A length of time in its largest unit, rounded down."""
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number:,} {unit}" if number == 1 else f"{number:,} {unit}s"
    return "less than a minute"
