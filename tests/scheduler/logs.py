"""A request log of others' requests for the search to be held against, and what was lost in it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import structs

from pubrio_async.models import RedeemJob
from pubrio_async.scheduler.journal import Batch
from pubrio_async.scheduler.logbook import Archive, LogEntry, LogPage, LogRow, Lost
from pubrio_async.scheduler.logclock import LogClock
from pubrio_async.scheduler.logsearch import Search

TYPES = ("email-work",)
WALL = 1_790_000_000.0


class Log:
    """A request log of others' requests, into which lost ones are put; newest first.

    Args:
        gaps: Seconds between one request and the next.
        zone_s: What the log's clock shows beyond UTC.
        ends: Whether a row shows when the request ended, instead of when it came.
    """

    def __init__(self, gaps: Sequence[float], zone_s: float = 0.0, *, ends: bool = False) -> None:
        self.zone_s = zone_s
        self.grows = 0
        self.per_page = 25
        self.reach = math.inf
        self.ends = ends
        self.rows: list[LogRow] = []
        self.entries: dict[str, LogEntry] = {}
        at = 0.0
        for number, gap in enumerate(gaps):
            at -= gap
            kind = "batch" if number % 3 else None
            self._add(at, 0.1, f"other-{number}", kind)
        self.asked: list[int | str] = []

    def copy(self) -> Log:
        """One with the same requests, for others to be put into: making them takes longer."""
        log = Log([], self.zone_s, ends=self.ends)
        log.rows, log.entries = [*self.rows], {**self.entries}
        return log

    def put(
        self, at: float, took_s: float, key: str, kind: str | None = "batch", status: int = 200
    ) -> None:
        """Adds a request that came at `at` (seconds, with now as 0)."""
        self._add(at, took_s, key, kind, status)
        self.rows.sort(key=lambda row: -row.at)

    def _add(self, at: float, took_s: float, key: str, kind: str | None, status: int = 200) -> None:
        log_id = f"log-{key}"
        shown = WALL + self.zone_s + at + (took_s if self.ends else 0.0)
        self.rows.append(LogRow(log_id, kind, shown, took_s, status))  # type: ignore[arg-type] # one of the kinds
        self.entries[log_id] = LogEntry((key,), frozenset(TYPES), RedeemJob(key))

    def answer(self, search: Search, *, most: int = 300, wall: float = WALL) -> None:
        """Answers a search to its end."""
        while (wanted := search.ask()) is not None:
            for _ in range(self.grows):
                self.rows.insert(0, LogRow(f"new-{len(self.rows)}", None, self.rows[0].at + 0.01))
            if isinstance(wanted, LogRow):
                self.asked.append(wanted.log_id)
                search.take_entry(wanted, self.entries[wanted.log_id])
            else:
                self.asked.append(wanted)
                if wanted > self.reach:
                    search.refuse_page(wanted)
                    continue
                rows = self.rows[(wanted - 1) * self.per_page : wanted * self.per_page]
                pages = max(1, -(-len(self.rows) // self.per_page))
                search.take_page(wanted, LogPage(rows, len(self.rows), pages, wall))
            entries = [asked for asked in self.asked if isinstance(asked, str)]
            assert len(entries) == len(set(entries)), "no entry is asked for twice"
            assert len(self.asked) < most


def lost(key: str, sent_at: float, took_s: float = 0.0, looks: int = 0) -> Lost:
    return Lost(Batch(key, "batch", (key,)), "", sent_at, sent_at + took_s, looks=looks)


def search(*targets: Lost, clock: LogClock | None = None, archive: Archive | None = None) -> Search:
    entries = {} if archive is None else archive.entries
    return Search(list(targets), TYPES, entries, clock or LogClock(), now=0.0, wall=WALL)


def inherited(key: str, sent_at: float) -> Lost:
    given_up = max(sent_at, min(0.0, sent_at + 60.0))
    return structs.replace(lost(key, sent_at), lost_at=given_up, is_inherited=True)
