"""Moments at which requests were sent, and how near to them a line of the log is; no I/O."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence

_FARTHER_S = 5.0


def moments_in(times: Iterable[float], *, apart: float) -> int:
    """How many moments there are among these times.

    Args:
        times: The times, in seconds.
        apart: What is no farther from another than this is one with it.
    """
    count, last = 0, -math.inf
    for time in sorted(times):
        count += time > last + apart
        last = time
    return count


def distance_to(times: Sequence[float], time: float, *, early: float = math.inf) -> float:
    """How far it is from the nearest of these times, in seconds.

    Args:
        times: The times, sorted.
        time: What is measured.
        early: What is earlier than one of them by more than this counts as much farther away.
    """
    place = bisect_left(times, time)
    after = time - times[place - 1] if place else math.inf
    before = times[place] - time if place < len(times) else math.inf
    return min(after, before if before <= early else before + _FARTHER_S)
