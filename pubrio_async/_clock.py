"""The clock everything else is given, so that tests can hand in another one."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where the package reads the time from.

    Timers are always set on the running event loop; `now` must advance as that loop's time does.
    """

    def now(self) -> float:
        """Seconds on a clock that never goes back; only differences mean anything."""
        ...

    def wall(self) -> float:
        """Seconds since the Unix epoch, for dates the API sends and for records."""
        ...


class SystemClock:
    """The machine's own clocks."""

    now = staticmethod(time.monotonic)
    wall = staticmethod(time.time)
