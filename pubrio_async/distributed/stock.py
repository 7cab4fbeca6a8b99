"""The permits of one holder: those to be used, those in use, and those it has to report."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from pubrio_async._clock import Clock
from pubrio_async._limiter.window import DRIFT, STRAY_S
from pubrio_async.distributed.leases import Report

_GUARD_S = 0.001


class Permit(Struct, frozen=True):
    """A permit in use.

    Attributes:
        generation: Of the pauses, when it was taken.
        lease: On which lease it was taken.
    """

    generation: int
    lease: int


class _Used(Struct):
    number: int
    end: float
    count: int


class Stock:
    """Permits, leased until a time.

    Args:
        clock: Where the time comes from.
        lease_s: Seconds for which they are leased.
        grain_s: Uses within so many seconds are one entry of a report.
    """

    def __init__(self, clock: Clock, lease_s: float, grain_s: float) -> None:
        self._clock = clock
        self._lease_s = lease_s * (1 - DRIFT) - _GUARD_S
        self._grain = grain_s
        self._out: dict[int, Permit] = {}
        self._ready = 0
        # A number tells the leases apart that were not renewed in time.
        self._lease = 0
        self._until = (0.0, 0.0)
        self._asked = (0.0, 0.0)
        self._unreported: list[_Used] = []
        self._report = 1
        self.taken: int = 0
        self.last_use: float = 0.0

    def __len__(self) -> int:
        """Permits in use."""
        return len(self._out)

    @property
    def kept(self) -> int:
        """Permits in use and to be used, whether they are still leased or not."""
        return len(self._out) + self._ready

    @property
    def has_reports(self) -> bool:
        """Whether there is something to report."""
        return bool(self._unreported)

    def ready(self, now: float) -> int:
        """Permits that may be used."""
        until, until_wall = self._until
        # The one clock stands still while the machine sleeps, and the other can be set.
        if self._ready <= 0 or now >= until or self._clock.wall() >= until_wall:
            return 0
        return self._ready

    def take(self, now: float, generation: int) -> int:
        """Uses one that is ready; returns its ticket, which is never 0."""
        self._ready -= 1
        self.taken += 1
        self.last_use = now
        self._out[self.taken] = Permit(generation, self._lease)
        return self.taken

    def permit(self, ticket: int) -> Permit:
        """A permit in use."""
        return self._out[ticket]

    def back(self, ticket: int, sent: int, now: float, *, answered: bool) -> bool:
        """Ends the use of one; tells whether it is ready for another."""
        permit = self._out.pop(ticket)
        if sent:
            self._use(now if answered else now + STRAY_S, sent)
            self._ready = max(0, self._ready - (sent - 1))  # they went out instead
            return False
        # One whose lease had ended is not, or two might go out on it.
        unused = permit.lease == self._lease
        self._ready += unused
        return unused

    def give_up(self) -> bool:
        """Gives up all that is to be used; tells whether there was any."""
        had, self._ready = self._ready > 0, 0
        return had

    def reports(self, now: float) -> Sequence[Report]:
        """What is to be reported in the exchange that begins now, which renews the lease."""
        self._report += 1  # those before stay as they are from now on
        self._asked = (now, self._clock.wall())
        return [
            Report(used.number, (now - used.end) * (1 - DRIFT), used.count)
            for used in self._unreported
        ]

    def exchanged(self, granted: int, now: float, *, renewed: bool) -> bool:
        """The exchange has succeeded; tells whether permits were lost that it was told of."""
        self._unreported = [used for used in self._unreported if used.number >= self._report]
        lost = False
        if not renewed:
            self._lease += 1
            lost = self.give_up()
        asked, asked_wall = self._asked
        self._until = (asked + self._lease_s, asked_wall + self._lease_s)
        self._ready += granted
        if granted:
            self.last_use = now
        return lost

    def _use(self, end: float, count: int) -> None:
        last = self._unreported[-1] if self._unreported else None
        if (
            last is not None
            and last.number == self._report
            and end // self._grain == last.end // self._grain
        ):
            last.end = max(last.end, end)
            last.count += count
        else:
            self._unreported.append(_Used(self._report, end, count))
