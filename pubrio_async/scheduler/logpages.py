"""Which page of a list, newest lines first, has the lines of a certain time; no I/O.

While one asks, new lines push the others to later pages. What does not move is a line's rank,
counted from the oldest line, and the list tells how many there are: so what is known is kept by
rank, and turned into a page when a page is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

PER_PAGE = 25

_MOST_GROWTH = 2 * PER_PAGE


class _Span(NamedTuple):
    """Lines that were fetched: ranks `low` to `high`, times `oldest` to `newest`."""

    low: int
    high: int
    oldest: float
    newest: float


class PageMap:
    """What is known of the list."""

    def __init__(self) -> None:
        self._spans: list[_Span] = []
        self._asked: set[tuple[int, int]] = set()
        self._total = 0
        self._fetched = 0
        self._growth = 0
        self._floor = 0

    @property
    def is_empty(self) -> bool:
        """True until a page was fetched."""
        return not self._asked

    @property
    def asked(self) -> int:
        """How many pages were fetched."""
        return self._fetched

    def take(self, number: int, times: Sequence[float], total: int, pages: int) -> None:
        """Takes in a page.

        Args:
            number: Its number, from 1.
            times: The times of its lines.
            total: How many lines there are.
            pages: How many pages can be reached.
        """
        if self._asked:
            self._growth = min(_MOST_GROWTH, max(0, total - self._total))
        self._total = total
        self._fetched += 1
        self._asked.add((number, total))
        first = total - (number - 1) * PER_PAGE
        # What is older cannot be reached, or is not there.
        self._floor = max(self._floor, total - pages * PER_PAGE)
        if times:
            span = _Span(first - len(times) + 1, first, min(times), max(times))
            self._spans.append(span)
        else:
            self._floor = max(self._floor, first)

    def next_page(self, start: float, expected: float, end: float) -> int | None:
        """The page to fetch next to have all lines from `start` to `end`.

        Args:
            start: The earliest time.
            expected: The likeliest time; its page comes first.
            end: The latest time.

        Returns:
            Its number; None if all of them are known.
        """
        gaps = self._gaps(start, end)
        if not gaps:
            return None
        guess = self._rank_at(expected)
        rank = min((_inside(guess, *gap) for gap in gaps), key=lambda rank: abs(rank - guess))
        # Until the answer is there, some more lines will have come.
        total = self._total + self._growth
        last = max(1, -(-(total - self._floor) // PER_PAGE))
        page = min(last, max(1, (total - rank) // PER_PAGE + 1))
        return None if (page, self._total) in self._asked and not self._growth else page

    def _gaps(self, start: float, end: float) -> list[tuple[int, int]]:
        """The ranks that may have lines of this time and were not fetched."""
        low = max((_first_not_before(span, start) for span in self._spans), default=self._floor + 1)
        high = min((_last_not_after(span, end) for span in self._spans), default=self._total)
        low, high = max(low, self._floor + 1), int(min(high, self._total))
        gaps: list[tuple[int, int]] = []
        for span in sorted(self._spans):
            if low <= span.high and span.low <= high:
                gaps.append((low, span.low - 1))
                low = span.high + 1
        gaps.append((low, high))
        return [(low, high) for low, high in gaps if low <= high]

    def _rank_at(self, time: float) -> int:
        """The rank a line of this time would have, between what is known, evenly spread."""
        points = sorted(
            point
            for span in self._spans
            for point in ((span.low, span.oldest), (span.high, span.newest))
        )
        if not points:
            return self._total
        older = [point for point in points if point[1] <= time]
        newer = [point for point in points if point[1] > time]
        if older and newer:
            (rank, at), (other, other_at) = older[-1], newer[0]
        else:
            # Beyond what is known: as dense as all that is.
            (rank, at), (other, other_at) = points[0], points[-1]
        if other_at <= at:
            return (rank + other) // 2
        return round(rank + (time - at) / (other_at - at) * (other - rank))


def _inside(guess: int, low: int, high: int) -> int:
    """The rank nearest to a guess that is in a gap, far enough inside to fill half a page."""
    inset = min(PER_PAGE // 2, (high - low) // 2)
    return max(low + inset, min(guess, high - inset))


def _first_not_before(span: _Span, start: float) -> int:
    """The first rank that may be as late as this, as far as this span tells."""
    if span.newest < start:
        return span.high + 1
    return span.low if span.oldest < start else 0


def _last_not_after(span: _Span, end: float) -> float:
    """The last rank that may be as early as this, as far as this span tells."""
    if span.oldest > end:
        return span.low - 1
    return span.high if span.newest > end else math.inf
