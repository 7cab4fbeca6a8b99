"""Finding lost requests in the API's request log: which page, which entry next; no I/O.

The log lists requests newest first, without their bodies; the body of each costs a request more.
So a search first fetches the pages around the moments at which requests were sent, and then looks
at single entries, those nearest to any of these moments first, until each request is found: one
entry serves all requests that are looked for. Requests that never arrived are not there, so what
the search may cost beyond its findings is bounded, and nobody's moment is used up on another's.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, MutableMapping, Sequence

from msgspec import structs

from pubrio_async._errors import DecodeError, PubrioError
from pubrio_async.scheduler.logbook import (
    Finding,
    LogEntry,
    LogPage,
    LogRow,
    Lost,
    can_tell,
    is_its_own,
    is_last_look,
    may_have_worked,
)
from pubrio_async.scheduler.logclock import LogClock
from pubrio_async.scheduler.logclues import Clues
from pubrio_async.scheduler.logpages import PageMap
from pubrio_async.scheduler.logtimes import distance_to, moments_in

_MARGINS_S = (0.25, 1.0)
_NARROW_S = 5.0
_WIDE_S = 60.0
_SKEW_S = 2.0
# A request of an earlier run was sent after its moment. A log tells whole seconds, perhaps.
_EARLY_S = 1.0
_MOST_ENTRIES = 200
_LATER_ENTRIES = 50
_ENTRIES_PER_FINDING = 20
_ENTRIES_ANYWHERE = 25
_NARROW_PAGES = (48, 12)  # for the first moment, and for each other one
_WIDE_PAGES = (24, 4)
_REFUSED = 429
_ERRORS = 400


class Search:
    """One search for several lost requests: asks for pages and entries, one after the other.

    Args:
        targets: What is searched for.
        contact_types: What the run looks for.
        archive: Entries that were looked at before, by their id in the log; None for one that
            cannot be looked at. New ones are added, by other searches, too.
        clock: The log's clock, as far as it is known.
        now: The time on the run's clock, at which it begins.
        wall: Unix time, in case the API does not tell it.
        sent: When others were sent, on the run's clock, by their first person: an entry that
            shows one of them tells how far the two clocks are apart.
        being_read: Entries that other searches are asking for: the last to be asked for here.
        taken: Whose answer an entry is, by the batch: nobody else's.
    """

    def __init__(
        self,
        targets: Sequence[Lost],
        contact_types: Iterable[str],
        archive: MutableMapping[str, LogEntry | None],
        clock: LogClock,
        *,
        now: float,
        wall: float,
        sent: Mapping[str, float] | None = None,
        being_read: Collection[str] = (),
        taken: Mapping[str, str] | None = None,
    ) -> None:
        self.targets = targets
        self.now = now
        self.found: dict[str, Finding] = {}
        self._contact_types = frozenset(contact_types)
        self._archive = archive
        self._being_read = being_read
        self._taken: Mapping[str, str] = {} if taken is None else taken
        self._clock = clock
        clock.start(now, wall)
        self._sent: Mapping[str, float] = {} if sent is None else sent
        moments = moments_in([lost.sent_at for lost in targets], apart=_NARROW_S)
        self._pages = PageMap()
        self._narrow_pages = _NARROW_PAGES[0] + _NARROW_PAGES[1] * (moments - 1)
        self._wide_pages = _WIDE_PAGES[0] + _WIDE_PAGES[1] * (moments - 1)
        self._unread: dict[str, LogRow] = {}
        self._clues = Clues()
        self._used: set[str] = set()
        self.unclear: dict[str, LogRow] = {}
        self._lacks_lines = False  # some are there, and it is not known what, or when
        self._times: list[float] = []
        self._anywhere = _ENTRIES_ANYWHERE
        self._covered: set[tuple[str, float, bool]] = set()
        self._ranked: dict[tuple[str, ...], list[tuple[bool, float, str]]] = {}
        # A later search has what the first one has read, and goes on beyond it.
        is_first = any(not lost.looks for lost in targets)
        self._far_entries = _MOST_ENTRIES if is_first else _LATER_ENTRIES
        self._near_entries = self._far_entries
        self._asked = 0

    def ask(self) -> int | LogRow | None:
        """The number of the page, or the line of the log, to be fetched next; None at the end."""
        if self._pages.is_empty:
            return 1
        self._catch_up()
        last, rest = self._rest()
        clear = [lost for lost in rest if not self._clues.has_error(lost.batch.batch_id)]
        own = [lost for lost in clear if not lost.is_inherited]
        if self._clock.skew_s is None and own:
            # Any line that is known to us, near the moment, makes the rest of the way shorter.
            wanted = self._page(own, 0.0) or self._row(own, _NARROW_S)
            if wanted is not None:
                return wanted
        for margin in _MARGINS_S:
            wanted = self._page(rest, margin) or self._row(rest, margin)
            if wanted is not None:
                return wanted
        for who, reach, ended in (
            (own, _MARGINS_S[-1], True),
            (rest, _NARROW_S, False),
            ([*own, *last], _NARROW_S, True),
            (self._perhaps_far(last), _WIDE_S, True),
        ):
            wanted = self._far_page(who, reach, ended=ended) or self._row(who, reach)
            if wanted is not None:
                return wanted
        wanted = self._row_anywhere(clear)
        if wanted is None:
            self._conclude(last)
        return wanted

    def _rest(self) -> tuple[list[Lost], list[Lost]]:
        """What is looked for the last time, and all that is still looked for.

        A request whose refusal was met is looked for only once more, the last time: the log may
        show its success later.
        """
        last: list[Lost] = []
        rest: list[Lost] = []
        for lost in self.targets:
            if lost.batch.batch_id in self.found:
                continue
            if is_last_look(lost, self.now):
                last.append(lost)
                rest.append(lost)
            elif not self._clues.has_error(lost.batch.batch_id):
                rest.append(lost)
        return last, rest

    def take_page(self, number: int, page: LogPage) -> None:
        """Takes in a page that was asked for."""
        times = [row.at for row in page.rows]
        self._lacks_lines |= -math.inf in times
        if number == 1:
            told = [time for time in times if time > -math.inf]
            self._clock.read(max(told, default=None), page.server_time)
        self._pages.take(number, times, page.total, page.pages)
        self._times = sorted(self._times + times)
        self._look_anew()
        for row in page.rows:
            if row.kind is not None and row.log_id not in self._used:
                self._unread[row.log_id] = row
        self._catch_up()

    def refuse_page(self, number: int) -> None:
        """A page beyond the first that was asked for cannot be had."""
        self._lacks_lines = True
        self._pages.refuse(number)

    def take_entry(self, row: LogRow, entry: LogEntry | None) -> None:
        """Takes in an entry that was asked for; None if the API does not show it."""
        self._asked += 1
        self._archive[row.log_id] = entry
        self._learn_skew(row, entry)
        self._catch_up()

    def _catch_up(self) -> None:
        """Looks at the entries that are there by now, whoever has asked for them."""
        for log_id in [log_id for log_id in self._unread if log_id in self._archive]:
            self._used.add(log_id)
            row, entry = self._unread.pop(log_id), self._archive[log_id]
            if entry is None or not _is_whole(entry):
                self.unclear[log_id] = row
            self._match(row, entry)

    def _learn_skew(self, row: LogRow, entry: LogEntry | None) -> None:
        # A refusal may be that of an earlier request for the same people.
        if (
            entry is None
            or isinstance(entry.answer, PubrioError)
            or entry.types != self._contact_types
        ):
            return
        sent_at = next((self._sent[key] for key in entry.keys if key in self._sent), None)
        if sent_at is not None and self._clock.learn_skew(row, sent_at):
            self._look_anew()

    # -- which page, which entry -------------------------------------------------------------

    def _perhaps_far(self, last: Sequence[Lost]) -> list[Lost]:
        """Those that are not near where they should be, if they are anywhere.

        When each was about to be sent is known, and when it was given up. In between it may have
        waited for a connection, or its process may have stood still.
        """
        clock = self._clock
        return [
            lost
            for lost in last
            if lost.lost_at - lost.sent_at > _NARROW_S
            or (clock.skew_s is None and (clock.offset_s is None or not lost.is_inherited))
        ]

    def _page(self, rest: Sequence[Lost], reach: float, *, ended: bool = False) -> int | None:
        """A page with lines as near as this to one of the moments.

        Args:
            rest: What is looked for.
            reach: How near, in seconds.
            ended: Whether lines count that are as much later as the request may have taken: the
                log may tell when requests ended.
        """
        if self._pages.asked >= self._narrow_pages:
            return None
        for lost in rest:
            this = (lost.batch.batch_id, reach, ended)
            if this in self._covered:
                continue
            expected = self._clock.expected(lost)
            # Lines from before an earlier run's moment are the last to be of interest.
            early = min(reach, _EARLY_S) if lost.is_inherited and not ended else reach
            later = reach + (lost.lost_at - lost.sent_at if ended else 0.0)
            page = self._pages.next_page(expected - early, expected, expected + later)
            if page is not None:
                return page
            self._covered.add(this)  # until something new is known
        return None

    def _far_page(self, rest: Sequence[Lost], reach: float, *, ended: bool) -> int | None:
        if self._pages.asked >= self._wide_pages:
            return None
        return self._page(rest, reach, ended=ended)

    def _row(self, rest: Sequence[Lost], reach: float) -> LogRow | None:
        """The line that is nearest to any of the moments."""
        if self._asked >= (self._near_entries if reach < _NARROW_S else self._far_entries):
            return None
        who = tuple(lost.batch.batch_id for lost in rest)
        if who not in self._ranked:
            self._ranked[who] = self._rank(rest)
        near = [
            log_id
            for _, distance, log_id in self._ranked[who]
            if distance <= reach and log_id in self._unread
        ]
        idle = (log_id for log_id in near if log_id not in self._being_read)
        log_id = next(idle, near[0] if near else None)
        return None if log_id is None else self._unread[log_id]

    def _row_anywhere(self, rest: Sequence[Lost]) -> LogRow | None:
        """The newest line, for requests near whose moments there is nothing at all.

        An earlier run wrote the moment down by a clock that was wrong.
        """
        kinds = {
            lost.batch.kind
            for lost in rest
            if lost.is_inherited and distance_to(self._times, self._clock.expected(lost)) > _WIDE_S
        }
        rows = [row for row in self._unread.values() if row.kind in kinds]
        if not rows or self._asked >= self._far_entries or self._anywhere <= 0:
            return None
        self._anywhere -= 1
        return max(rows, key=lambda row: (row.status != _REFUSED, row.at, row.log_id))

    def _rank(self, rest: Sequence[Lost]) -> list[tuple[bool, float, str]]:
        """The lines that may be one of these requests, the likeliest first."""
        moments: dict[tuple[str, bool], list[float]] = {}
        for lost in rest:
            moments.setdefault((lost.batch.kind, lost.is_inherited), []).append(
                self._clock.expected(lost)
            )
        for times in moments.values():
            times.sort()
        ranked: list[tuple[bool, float, str]] = []
        for row in self._unread.values():
            # Whether the log tells when a request came or when it ended is not known.
            distances = [
                distance_to(times, at, early=_EARLY_S if is_inherited else math.inf)
                for (kind, is_inherited), times in moments.items()
                if kind == row.kind
                for at in (row.at, row.at - row.took_s)
            ]
            distance = min(distances, default=math.inf)
            if distance <= _WIDE_S:
                # A refusal by a rate limit is the least likely to be the one.
                ranked.append((row.status == _REFUSED, distance, row.log_id))
        return sorted(ranked)

    def _look_anew(self) -> None:
        """Looks at lines anew: the moments are known better by now, or there are more lines."""
        self._covered.clear()
        self._ranked.clear()

    def _match(self, row: LogRow, entry: LogEntry | None) -> None:
        if entry is None or entry.types != self._contact_types:
            return
        people = frozenset(entry.keys)
        same = [
            lost
            for lost in self.targets
            if lost.batch.kind == row.kind
            and people == frozenset(lost.batch.keys)
            and self._taken.get(row.log_id, lost.batch.batch_id) == lost.batch.batch_id
        ]
        # If the same people were sent twice, this is one of the two requests.
        same = [lost for lost in same if lost.batch.batch_id not in self.found] or same
        same = [lost for lost in same if is_its_own(lost, entry)] or same
        if same:
            nearest = min(same, key=lambda lost: abs(row.at - self._clock.expected(lost)))
            self._take(nearest, row, entry)

    def _take(self, lost: Lost, row: LogRow, entry: LogEntry) -> None:
        """A request for these people: the lost one, an earlier or a later one."""
        batch_id, is_own = lost.batch.batch_id, is_its_own(lost, entry)
        beyond = row.at - self._clock.expected(lost)
        is_sure = is_own or (lost.is_only and not can_tell(lost))
        finding = Finding(row.log_id, entry.answer, self._clock.age_s(row), row.credits, is_sure)
        if isinstance(entry.answer, PubrioError):
            if is_own or (beyond >= -_SKEW_S and beyond - row.took_s <= _WIDE_S):
                rank = (not is_own, not may_have_worked(entry.answer), abs(beyond))
                self._clues.error(batch_id, rank, finding)
        elif not is_own and self._is_older(lost, beyond):
            return  # somebody bought them before
        elif not is_own and can_tell(lost):
            self._clues.other(batch_id, abs(beyond), finding)
        elif batch_id not in self.found:
            self.found[batch_id] = finding
            self._near_entries += _ENTRIES_PER_FINDING
            if lost.is_inherited:
                self._clock.learn_offset(row, lost.sent_at)
                self._look_anew()

    def _is_older(self, lost: Lost, beyond: float) -> bool:
        """Whether a purchase so long after a moment is not the lost one, but one before it."""
        if not lost.is_inherited:
            return beyond < -_WIDE_S
        # An earlier run's clock may have been wrong, and the first search knows no zone.
        return beyond < -lost.apart_s / 2 or (lost.looks == 0 and lost.apart_s < math.inf)

    def _conclude(self, last: Sequence[Lost]) -> None:
        """Takes what there is for the answer, where nothing surer was found by the last look."""
        for lost in last:
            clue = self._clues.best(lost.batch.batch_id)
            if clue is not None:
                is_sure = clue.is_sure and (can_tell(lost) or not self._may_hide_more(lost))
                self.found[lost.batch.batch_id] = structs.replace(clue, is_sure=is_sure)

    def _may_hide_more(self, lost: Lost) -> bool:
        """Whether a line near its moment that was not read may show a success."""
        expected = self._clock.expected(lost)
        reach = _WIDE_S if self._perhaps_far([lost]) else _NARROW_S
        later = reach + lost.lost_at - lost.sent_at
        if self._pages.next_page(expected - reach, expected, expected + later) is not None:
            return True
        return self._lacks_lines or any(
            (row.status or 0) < _ERRORS or row.credits
            for row in (*self._unread.values(), *self.unclear.values())
            if row.kind == lost.batch.kind and -reach <= row.at - expected <= later
        )


def _is_whole(entry: LogEntry) -> bool:
    """Whether an entry shows what was asked for, for whom, and what was answered."""
    return bool(entry.keys and entry.types) and not isinstance(entry.answer, DecodeError)
