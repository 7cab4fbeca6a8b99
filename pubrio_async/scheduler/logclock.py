"""What the request log's clock shows at the moment at which a request was sent; no I/O.

The log's times have no zone. Whatever it is, the newest entry is not from the future, and zones
differ by quarters of an hour: that gives the zone away, as long as anything was logged within the
last quarter. The requests of a search itself are logged, so the next search finds it.
"""

from __future__ import annotations

import math

from pubrio_async.scheduler.logbook import LogRow, Lost

_ZONE_STEP_S = 900.0
_FUTURE_S = 60.0
_MOST_SKEW_S = 60.0
_SKEW_S = 2.0


class LogClock:
    """The log's clock, as far as it is known by now; what one search learns, the next one knows.

    Attributes:
        zone_s: Its zone, in seconds; None: not known.
        skew_s: How far it is ahead of the API's clock, apart from the zone; None: not known.
        offset_s: How far from its moment a request of an earlier run was found; None: not known.
    """

    def __init__(self) -> None:
        self.zone_s: float | None = None
        self.skew_s: float | None = None
        self.offset_s: float | None = None
        self._now = self._wall = self._log_now = 0.0
        self._offsets: list[float] = []

    def start(self, now: float, wall: float) -> None:
        """A search begins.

        Args:
            now: The time on the run's clock.
            wall: Unix time, in case the API does not tell it.
        """
        self._now, self._wall, self._log_now = now, wall, 0.0
        self._offsets.clear()

    def read(self, newest: float | None, server_time: float | None) -> None:
        """Sets it by the first page of the log.

        Args:
            newest: The time of the newest line, if there is any.
            server_time: Unix time, as the API told it with the page; None if it did not.
        """
        clock = self._wall if server_time is None else server_time
        if newest is not None:
            behind = newest - clock - _FUTURE_S
            zone = math.ceil(behind / _ZONE_STEP_S) * _ZONE_STEP_S
            self.zone_s = zone if self.zone_s is None else max(zone, self.zone_s)
        self._log_now = clock + (self.zone_s or 0.0)
        if newest is not None and server_time is not None:
            # Which is told in whole seconds; the newest line is not from the future.
            self._log_now = max(self._log_now, min(newest, self._log_now + 1.0))

    def learn_skew(self, row: LogRow, sent_at: float) -> bool:
        """Learns from the line of a request that was sent then, unless that was another one."""
        skew_s = self._beyond(row, sent_at)
        if abs(skew_s) > _MOST_SKEW_S:  # they were bought before, by another run
            return False
        self.skew_s = skew_s
        return True

    def learn_offset(self, row: LogRow, sent_at: float) -> None:
        """Requests lost together were under way for as long, so they are as far from their moments.

        An earlier run wrote down when it was about to send them, and not when it did.
        """
        self._offsets.append(self._beyond(row, sent_at))
        self._offsets.sort()
        self.offset_s = self._offsets[len(self._offsets) // 2]

    def expected(self, lost: Lost) -> float:
        """When a request came, on the log's clock."""
        offset_s = self.offset_s if lost.is_inherited else None
        beyond = offset_s if self.skew_s is None else self.skew_s
        return self._moment(lost.sent_at) + (beyond or 0.0)

    def age_s(self, row: LogRow) -> float:
        """Seconds since the request of a line ended, at least."""
        return max(0.0, self._log_now - row.at - row.took_s - _SKEW_S)

    def _moment(self, sent_at: float) -> float:
        return self._log_now - (self._now - sent_at)

    def _beyond(self, row: LogRow, sent_at: float) -> float:
        # Whether the log tells when a request came or when it ended is not known.
        moment = self._moment(sent_at)
        return min(row.at - moment, row.at - row.took_s - moment, key=abs)
