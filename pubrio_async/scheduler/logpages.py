"""Which page of a list, newest lines first, has the lines of a certain time; no I/O.

While one asks, new lines push the others to later pages. What does not move is a line's rank,
counted from the oldest line, and the list tells how many there are: so what is known is kept by
rank, and turned into a page when a page is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

PER_PAGE = 25  # what is asked for: the API may give fewer

_MOST_GROWTH = 2 * PER_PAGE


class _Span(NamedTuple):
    """Lines that tell their times: ranks `low` to `high`, times `oldest` to `newest`."""

    low: int
    high: int
    oldest: float
    newest: float


class PageMap:
    """What is known of the list."""

    def __init__(self) -> None:
        self._spans: list[_Span] = []
        self._known: list[tuple[int, int]] = []
        self._asked: set[tuple[int, int]] = set()
        self._total = 0
        self._fetched = 0
        self._growth = 0
        self._floor = 0
        self._size = PER_PAGE
        self._pages = 1
        self._refused: int | None = None  # the first page that cannot be had

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
            times: The times of its lines, in their order; minus infinity for one that is there
                and does not tell: no page will show more of it.
            total: How many lines there are.
            pages: How many pages can be reached.
        """
        if self._asked:
            self._growth = min(_MOST_GROWTH, max(0, total - self._total))
        self._total = total
        self._fetched += 1
        self._asked.add((number, total))
        if number == 1 and 0 < len(times) < total:
            self._size = len(times)  # there are more: it is full
        first = total - (number - 1) * self._size
        self._pages = pages
        self._raise_floor()
        if not times:
            self._floor = max(self._floor, first)
        rank = first
        for is_told, lines in groupby(times, math.isfinite):
            part = tuple(lines)
            low, high = rank - len(part) + 1, rank
            self._known.append((low, high))
            if is_told:
                self._spans.append(_Span(low, high, min(part), max(part)))
            rank = low - 1

    def refuse(self, number: int) -> None:
        """Takes in that a page beyond the first cannot be had, nor what is older.

        Args:
            number: Its number; it is not asked for again.
        """
        self._fetched += 1
        self._refused = number if self._refused is None else min(self._refused, number)
        self._raise_floor()

    def _raise_floor(self) -> None:
        """What is older cannot be reached, or is not there."""
        pages = self._pages if self._refused is None else min(self._pages, self._refused - 1)
        self._floor = max(self._floor, self._total - pages * self._size)

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
        if self._refused is not None and gaps[0][0] == self._floor + 1:
            # How far the pages reach is not known: half of what is left is tried.
            guess = max(guess, sum(gaps[0]) // 2)
        rank = min((self._inside(guess, *gap) for gap in gaps), key=lambda rank: abs(rank - guess))
        # Until the answer is there, some more lines will have come.
        total = self._total + self._growth
        last = -(-(total - self._floor) // self._size)
        if self._refused is not None:
            last = min(last, self._refused - 1)
        page = max(1, min(last, (total - rank) // self._size + 1))
        return None if (page, self._total) in self._asked and not self._growth else page

    def _gaps(self, start: float, end: float) -> list[tuple[int, int]]:
        """The ranks that may have lines of this time and were not fetched."""
        low = max((_first_not_before(span, start) for span in self._spans), default=self._floor + 1)
        high = min((_last_not_after(span, end) for span in self._spans), default=self._total)
        low, high = max(low, self._floor + 1), int(min(high, self._total))
        gaps: list[tuple[int, int]] = []
        for first, last in sorted(self._known):
            if low <= last and first <= high:
                gaps.append((low, first - 1))
                low = last + 1
        gaps.append((low, high))
        return [(low, high) for low, high in gaps if low <= high]

    def _inside(self, guess: int, low: int, high: int) -> int:
        """The rank nearest to a guess that is in a gap, far enough inside to fill half a page."""
        inset = min(self._size // 2, (high - low) // 2)
        return max(low + inset, min(guess, high - inset))

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
