"""What the hooks tell that a run's statistics do not: how long results take, and what fails."""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

from msgspec import Struct

from pubrio_async._observe import BatchEvent, Observer, RequestEvent

# A quarter of an octave: a quantile is off by a fifth at the most, and a run of years has 150.
_PER_OCTAVE: Final = 4
_LEAST_S: Final = 0.001
_MOST_CLASSES: Final = 24


class Bin(Struct, frozen=True, array_like=True):
    """How many values lie between two bounds, the upper one left out."""

    low: float
    high: float
    count: int


class Quantiles(Struct, frozen=True):
    """How times are spread, in seconds.

    Attributes:
        count: How many there are.
        p50: Half of them took no longer.
        p90: Nine in ten took no longer.
        p99: Ninety-nine in a hundred took no longer.
        longest: The longest of all.
        bins: How many there are of each length; without gaps.
    """

    count: int
    p50: float
    p90: float
    p99: float
    longest: float
    bins: list[Bin]


class Spread:
    """Counts times by their length, in a bounded number of classes."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._count = 0
        self._longest = 0.0

    def add(self, seconds: float) -> None:
        """Takes in one time."""
        seconds = max(seconds, _LEAST_S)
        self._counts[math.floor(math.log2(seconds) * _PER_OCTAVE)] += 1
        self._count += 1
        self._longest = max(self._longest, seconds)

    def quantile(self, share: float) -> float:
        """How long the given share of the times took at most; 0 if there is none."""
        rank, seen = share * self._count, 0
        for place in sorted(self._counts):
            count = self._counts[place]
            if seen + count >= rank:
                low, high = _bounds(place)
                inside = low + (high - low) * (rank - seen) / count
                return min(inside, self._longest)
            seen += count
        return self._longest

    def told(self) -> Quantiles | None:
        """The figures; None if there is nothing to tell."""
        if not self._count:
            return None
        first, last = min(self._counts), max(self._counts)
        return Quantiles(
            count=self._count,
            p50=_short(self.quantile(0.5)),
            p90=_short(self.quantile(0.9)),
            p99=_short(self.quantile(0.99)),
            longest=_short(self._longest),
            bins=[self._bin(place) for place in range(first, last + 1)],
        )

    def _bin(self, place: int) -> Bin:
        low, high = _bounds(place)
        return Bin(_short(low), _short(high), self._counts[place])


class Tallies(Observer):
    """Adds up requests and batches as they happen.

    Attributes:
        results: Seconds from submitting a batch to its result.
        replies: Seconds from sending a request to its reply.
        errors: Requests that failed, by the class of the error.
    """

    def __init__(self) -> None:
        self.results: Spread = Spread()
        self.replies: Spread = Spread()
        self.errors: Counter[str] = Counter()

    def on_request(self, event: RequestEvent) -> None:
        """Counts a request.

        Args:
            event: The request.
        """
        if event.error is None:
            self.replies.add(event.elapsed_s)
            return
        known = event.error in self.errors or len(self.errors) < _MOST_CLASSES
        self.errors[event.error if known else "others"] += 1

    def on_batch(self, event: BatchEvent) -> None:
        """Counts a result.

        Args:
            event: What happened to a batch.
        """
        if event.kind == "settled" and event.age_s is not None:
            self.results.add(event.age_s)


def _bounds(place: int) -> tuple[float, float]:
    return 2.0 ** (place / _PER_OCTAVE), 2.0 ** ((place + 1) / _PER_OCTAVE)


def _short(seconds: float) -> float:
    """Four digits are more than a plot can show."""
    return float(f"{seconds:.4g}")
