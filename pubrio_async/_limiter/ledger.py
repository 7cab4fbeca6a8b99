"""What was sent lately, in a form that outlives the process."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from math import floor, inf, isfinite

import msgspec
from msgspec import Struct

from pubrio_async._limiter.window import STRAY_S, Window

_SHORTEST_S = 3_600.0
_BUCKETS = 60
# A request that was under way had ended by then, one way or the other.
_LONGEST_REQUEST_S = 600.0


class _Sent(Struct, frozen=True):
    """The requests of one limit; times are Unix times, each with how many ended up to it."""

    limit: int
    period: float
    ends: list[tuple[float, int]]


class _State(Struct, frozen=True):
    """What is written. `by` tells whose it is, `at` when it was written."""

    by: str
    at: float
    in_flight: int
    sent: list[_Sent]


class Ledger:
    """Writes down what a limiter has sent, and reads what another one wrote."""

    def __init__(self) -> None:
        self._name = uuid.uuid4().hex
        self._read: dict[str, float] = {self._name: inf}

    def written(self, windows: Sequence[Window], in_flight: int, now: float, wall: float) -> bytes:
        """What the windows of an hour or longer have seen.

        Args:
            windows: All windows.
            in_flight: How many requests are under way.
            now: The time.
            wall: The Unix time.

        Returns:
            Nothing if there is no such window.
        """
        sent = [
            _Sent(window.limit, window.period, _in_buckets(window, now, wall - now))
            for window in windows
            if window.period >= _SHORTEST_S
        ]
        return msgspec.json.encode(_State(self._name, wall, in_flight, sent)) if sent else b""

    def read(self, state: bytes, windows: Sequence[Window], now: float, wall: float) -> None:
        """Counts in the windows what is written there, and was not read before."""
        try:
            read = msgspec.json.decode(state, type=_State)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return  # as good as nothing
        since = self._read.get(read.by, -inf)
        if not isfinite(read.at) or read.at <= since:
            return
        self._read[read.by] = read.at
        for window in windows:
            if window.period < _SHORTEST_S or window.counted:
                continue
            # The machine's clock may have been set back since: nothing was sent after now.
            known = _known(read, window.period, since, wall)
            window.recall((now - age, count) for age, count in known if count > 0)


def _in_buckets(window: Window, now: float, epoch: float) -> list[tuple[float, int]]:
    """The requests of a window, some minutes' worth of them together, at the latest time of any."""
    width = window.period / _BUCKETS
    buckets: dict[int, tuple[float, int]] = {}
    for end, count in window.recent(now):
        bucket = floor(end / width)
        latest, before = buckets.get(bucket, (-inf, 0))
        buckets[bucket] = (max(latest, end + epoch), before + count)
    return list(buckets.values())


def _known(state: _State, period: float, since: float, wall: float) -> list[tuple[float, int]]:
    """What a window of this period has to count: (age, how many)."""
    told = sorted(state.sent, key=lambda sent: sent.period)
    best = next((sent for sent in told if sent.period >= period), told[-1] if told else None)
    ends = [(end, count) for end, count in best.ends if end > since] if best else []
    ages = [(max(0.0, wall - end), count) for end, count in ends]
    # They may have been cut off a moment ago, and still be on their way.
    under_way = max(-STRAY_S, wall - state.at - _LONGEST_REQUEST_S)
    return [*ages, (under_way, state.in_flight)]
