"""Finding lost requests in the API's request log: which page, which entry next; no I/O.

The log lists requests newest first, without their bodies; the body of each costs a request more.
So a search first fetches the pages around the moment a request was sent, and then looks at single
entries, those nearest to that moment first, until one has the very people in it.

The log's times have no zone. Whatever it is, the newest entry is not from the future, and zones
differ by quarters of an hour: that gives the zone away, as long as anything was logged within the
last quarter. The requests of the search itself are logged, so the next search finds it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, MutableMapping, Sequence

from msgspec import Struct

from pubrio_async._errors import PubrioError, RateLimitedError
from pubrio_async.models import RedeemJob, RedeemPeopleReply
from pubrio_async.models.redeem import Number
from pubrio_async.scheduler.journal import Batch, BatchKind
from pubrio_async.scheduler.logpages import PageMap

Answer = RedeemJob | RedeemPeopleReply | PubrioError
"""What a request was answered: with a job, with contacts, or with an error."""

_ZONE_STEP_S = 900.0
_FUTURE_S = 60.0
_MARGINS_S = (0.25, 1.0)
_NARROW_S = 5.0
_WIDE_S = 60.0
_SKEW_S = 2.0
_MOST_ENTRIES = 200
_REFUSED = 429
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
        keys: The people in it.
        types: What was asked for.
        answer: What came back.
    """

    keys: frozenset[str]
    types: frozenset[str]
    answer: Answer


class Lost(Struct):
    """A request whose answer is lost. Times are on the run's clock.

    Attributes:
        batch: The people.
        reason: How it was lost.
        sent_at: When it was sent.
        lost_at: When it was given up.
        refused: How often the same request was refused with 429 before.
        is_inherited: Whether an earlier run sent it, so that `refused` is not known.
        before: What an earlier run said, having looked for it.
        looks: Searches that did not find it.
        due: When to search next.
        trouble: Why the log could not be read at the last search.
    """

    batch: Batch
    reason: str
    sent_at: float
    lost_at: float
    refused: int = 0
    is_inherited: bool = False
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
    """

    log_id: str
    answer: Answer
    age_s: float = 0.0
    credits: Number | None = None


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
    return now + _FIRST_LOOK_S if lost.looks == 1 else None


class Search:
    """One search for several lost requests: asks for pages and entries, one after the other.

    Args:
        targets: What is searched for.
        types: The contact types of the run.
        archive: Entries that were looked at before, by their id in the log; None for one that
            cannot be looked at. New ones are added.
        now: The time on the run's clock.
        wall: Unix time, in case the API does not tell it.
        zone_s: The log's zone as far as it is known, in seconds.
        skew_s: How far its clock is ahead of the API's, apart from the zone; None: not known.
        sent: When others were sent, on the run's clock, by their first person: an entry that
            shows one of them tells how far the two clocks are apart.
    """

    def __init__(
        self,
        targets: Sequence[Lost],
        types: Iterable[str],
        archive: MutableMapping[str, LogEntry | None],
        *,
        now: float,
        wall: float,
        zone_s: float | None = None,
        skew_s: float | None = None,
        sent: Mapping[str, float] | None = None,
    ) -> None:
        self.targets = targets
        self.zone_s = zone_s
        self.skew_s = skew_s
        self.found: dict[str, Finding] = {}
        self._types = frozenset(types)
        self._archive = archive
        self._now = now
        self._wall = wall
        self._sent = sent or {}
        self._log_now = 0.0
        self._pages = PageMap()
        self._rows: dict[str, LogRow] = {}
        self._refusals: dict[str, dict[str, Finding]] = {}
        self._entries = _MOST_ENTRIES

    def ask(self) -> int | LogRow | None:
        """The number of the page, or the line of the log, to be fetched next; None at the end."""
        if self._pages.is_empty:
            return 1
        rest = [lost for lost in self.targets if lost.batch.batch_id not in self.found]
        if self.skew_s is None:
            # Any line that is known to us, near the moment, makes the rest of the way shorter.
            wanted = self._within(rest, 0.0, _NARROW_S)
            if wanted is not None:
                return wanted
        for margin in _MARGINS_S:
            wanted = self._within(rest, margin, margin)
            if wanted is not None:
                return wanted
        for lost in rest:
            # If the log tells when requests ended, the line is as much later as it took.
            wide = _WIDE_S if self.skew_s is None and lost.looks else _NARROW_S
            later = wide + lost.lost_at - lost.sent_at
            wanted = self._within([lost], wide, wide, later)
            if wanted is not None:
                return wanted
        return None

    def _within(
        self, rest: Sequence[Lost], margin: float, reach: float, later: float | None = None
    ) -> int | LogRow | None:
        """A page with lines this near to the moment, or the line nearest to it."""
        for lost in rest:
            expected = self._expected(lost)
            end = expected + (margin if later is None else later)
            page = self._pages.next_page(expected - margin, expected, end)
            if page is not None:
                return page
        rows = (self._next_row(lost, reach) for lost in rest)
        return next((row for row in rows if row is not None), None)

    def take_page(self, number: int, page: LogPage) -> None:
        """Takes in a page that was asked for."""
        times = [row.at for row in page.rows]
        if number == 1:
            self._set_clock(max(times, default=None), page.server_time)
        self._pages.take(number, times, page.total, page.pages)
        for row in page.rows:
            if row.kind is not None:
                self._rows[row.log_id] = row
                self._match(row, self._archive.get(row.log_id))

    def take_entry(self, row: LogRow, entry: LogEntry | None) -> None:
        """Takes in an entry that was asked for; None if the API does not show it."""
        self._entries -= 1
        self._archive[row.log_id] = entry
        self._learn_skew(row, entry)
        self._match(row, entry)

    # -- when ------------------------------------------------------------------------------

    def _set_clock(self, newest: float | None, server_time: float | None) -> None:
        clock = self._wall if server_time is None else server_time
        if newest is not None:
            behind = newest - clock - _FUTURE_S
            zone = math.ceil(behind / _ZONE_STEP_S) * _ZONE_STEP_S
            self.zone_s = zone if self.zone_s is None else max(zone, self.zone_s)
        self._log_now = clock + (self.zone_s or 0.0)

    def _learn_skew(self, row: LogRow, entry: LogEntry | None) -> None:
        if entry is None or isinstance(entry.answer, RateLimitedError):
            return
        for key in entry.keys:
            sent_at = self._sent.get(key)
            if sent_at is not None:
                self.skew_s = row.at - (self._log_now - (self._now - sent_at))
                return

    def _expected(self, lost: Lost) -> float:
        """When it came, on the log's clock."""
        return self._log_now - (self._now - lost.sent_at) + (self.skew_s or 0.0)

    # -- which entry -------------------------------------------------------------------------

    def _next_row(self, lost: Lost, margin: float) -> LogRow | None:
        if self._entries <= 0:
            return None
        expected = self._expected(lost)
        nearest = min(
            (
                (row.status == _REFUSED, distance, row.log_id)
                for row in self._rows.values()
                if row.kind == lost.batch.kind
                and row.log_id not in self._archive
                # Whether the log tells when a request came or when it ended is not known.
                and (distance := min(abs(row.at - expected), abs(row.at - row.took_s - expected)))
                <= margin
            ),
            default=None,
        )
        # A refusal by a rate limit is the least likely to be the one.
        return None if nearest is None else self._rows[nearest[2]]

    def _match(self, row: LogRow, entry: LogEntry | None) -> None:
        if entry is None or entry.types != self._types:
            return
        same = [
            lost
            for lost in self.targets
            if lost.batch.kind == row.kind and entry.keys == frozenset(lost.batch.keys)
        ]
        # If the same people were sent twice, this is one of the two requests.
        same = [lost for lost in same if lost.batch.batch_id not in self.found] or same
        if same:
            nearest = min(same, key=lambda lost: abs(row.at - self._expected(lost)))
            self._identify(nearest, row, entry.answer)

    def _identify(self, lost: Lost, row: LogRow, answer: Answer) -> None:
        batch_id = lost.batch.batch_id
        age = max(0.0, self._log_now - row.at - row.took_s - _SKEW_S)
        finding = Finding(row.log_id, answer, age, row.credits)
        known = self.found.get(batch_id)
        if not isinstance(answer, PubrioError):
            if known is None or isinstance(known.answer, PubrioError):
                self.found[batch_id] = finding
            return
        # An earlier request for the same people may have been refused, which says nothing of
        # this one.
        if known is not None or row.at < self._expected(lost) - _SKEW_S:
            return
        if isinstance(answer, RateLimitedError):
            refusals = self._refusals.setdefault(batch_id, {})
            refusals[row.log_id] = finding
            if lost.is_inherited or len(refusals) <= lost.refused:
                return
        self.found[batch_id] = finding
