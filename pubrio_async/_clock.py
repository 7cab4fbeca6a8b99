"""Time: the clock everything else is given, durations, and the event loop that timers live in."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Protocol, TypeVar

from pubrio_async._errors import ConfigurationError

T = TypeVar("T")


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


def in_seconds(duration: T | timedelta) -> T | float:
    """A duration as the rest of the package has it.

    Args:
        duration: What the user gave: seconds, a timedelta, or None where that means something.

    Returns:
        The seconds of a timedelta; anything else as it is, to be checked as such.
    """
    return duration.total_seconds() if isinstance(duration, timedelta) else duration


def seconds_since(then: float, clock: Clock) -> float:
    """How long ago a Unix time was.

    Args:
        then: The time, as the machine's clock had it when it was written down.
        clock: Where the time comes from.

    Returns:
        At least 0: the machine's clock may have been set back meanwhile.
    """
    return max(0.0, clock.wall() - then)


def is_over(home: asyncio.AbstractEventLoop) -> bool:
    """Whether what lives in an event loop has gone with it; False if that is the running one.

    Args:
        home: The event loop.

    Raises:
        ConfigurationError: It is another one, and not closed.
    """
    if home is asyncio.get_running_loop():
        return False
    if not home.is_closed():
        msg = (
            "The client is in use in another event loop, which is not closed. A client works in "
            "one event loop at a time: make one for each, and close it where it was used. Nothing "
            "was sent."
        )
        raise ConfigurationError(msg)
    return True
