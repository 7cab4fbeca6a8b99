"""How many requests will leave soon: an estimate, from when the last ones left."""

from __future__ import annotations

from bisect import bisect_right

_MINUTE_S = 60.0
# By how much a permit comes back later than a period after its request left: the request's own
# time, and the seconds that `Flow` rounds to.
_LATE_S = 1.5
# Seconds that are remembered, at most; half of them are let go of at a time.
_KEPT_S = 240


class Flow:
    """What the run has sent in each second, and so how many permits will come back, and when.

    The limiter tells what may leave now, and what may leave in a minute. What comes in between
    is what was sent a period ago. That is an estimate, for a choice that is safe either way: the
    limiter alone decides when a request leaves.
    """

    __slots__ = ("_most", "_seconds", "_sums", "_total")

    def __init__(self) -> None:
        self._seconds: list[int] = []
        self._sums: list[int] = []  # requests up to the end of that second
        self._total = 0
        self._most = 0

    def note(self, now: float) -> None:
        """A request leaves."""
        second = int(now)
        self._total += 1
        if self._seconds and self._seconds[-1] == second:
            self._sums[-1] = self._total
            return
        self._seconds.append(second)
        self._sums.append(self._total)
        if len(self._seconds) > _KEPT_S:
            del self._seconds[: _KEPT_S // 2], self._sums[: _KEPT_S // 2]

    def coming(self, now: float, within: float, spare: int, window: int) -> int:
        """How many more may leave within so many seconds than may leave now.

        Args:
            now: The time.
            within: How far to look ahead.
            spare: Requests that may leave now.
            window: The most that may leave in a minute.
        """
        # The most there ever were to spare is the whole limit; so one of five a second is told
        # from one of 300 a minute.
        self._most = min(window, max(self._most, spare))
        period = _MINUTE_S * self._most / window
        if within >= period:
            return max(0, int(self._most * within / max(period, 0.001)) - spare)
        unseen = self._most - spare - self._between(now - period - _LATE_S, now)
        if unseen > window / 10:
            return 0  # something else holds them: an hour's quota, or other callers
        return self._between(now - period, now - period + within)

    def _between(self, start: float, end: float) -> int:
        first = bisect_right(self._seconds, start - 1.0)
        last = bisect_right(self._seconds, end)
        if first >= last:
            return 0
        return self._sums[last - 1] - (self._sums[first - 1] if first else 0)
