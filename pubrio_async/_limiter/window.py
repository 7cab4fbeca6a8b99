"""One rate limit: its permits, and when each of them comes back."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from heapq import merge
from math import floor

from pubrio_async._config import Rate

DRIFT = 0.0005
"""How far a clock that is being slewed runs off, as a share of the time that passes."""

STRAY_S = 2.0
"""How long after it was cut off a request may still reach the server."""

_EXACT_UP_TO = 4_096
_GUARD_S = 0.001
# Times are told in whole seconds, rounded one way or the other; a date less a date twice.
_TOLD_WITHIN_S = 2.0


class Turn:
    """What is known of the moments at which a fixed window turns: bounds of one of them.

    The bounds of later ones are wider, since the server's clock may drift; once they are a
    period apart they tell nothing any more.

    Attributes:
        earliest: Before this it does not turn.
        latest: By then it has.
    """

    __slots__ = ("_longest", "_period", "_shortest", "earliest", "latest")

    def __init__(self, earliest: float, latest: float, period: float) -> None:
        self.earliest = earliest
        self.latest = latest
        self._period = period
        self._shortest = period / (1 + DRIFT)
        self._longest = period / (1 - DRIFT)

    def over_after(self, end: float) -> float:
        """When the first turn that surely comes after `end` is surely over."""
        count = max(0, floor((end + _GUARD_S - self.earliest) / self._shortest) + 1)
        return self.latest + count * self._longest + _GUARD_S

    def narrowed(self, other: Turn) -> Turn | None:
        """What this and what is heard later say together; None if they contradict each other."""
        between = (other.latest + other.earliest - self.latest - self.earliest) / 2
        nearest = round(between / self._period)
        turns = [self._moved(count) for count in (nearest - 1, nearest, nearest + 1)]
        meant = [
            turn
            for turn in turns
            if turn.earliest <= other.latest and other.earliest <= turn.latest
        ]
        if len(meant) > 1:
            # Which turn is meant cannot be told, so only one of both is kept.
            width = turns[1].latest - turns[1].earliest
            return self if width < other.latest - other.earliest else other
        if not meant:
            return None
        earliest = max(meant[0].earliest, other.earliest)
        return Turn(earliest, min(meant[0].latest, other.latest), self._period)

    def _moved(self, count: int) -> Turn:
        """The bounds of so many turns later, or earlier."""
        if count < 0:
            least, most = count * self._longest, count * self._shortest
        else:
            least, most = count * self._shortest, count * self._longest
        return Turn(self.earliest + least, self.latest + most, self._period)


class Window:
    """One limit: each of its permits is spent, and coming back at a known time, or left.

    Those of requests that have not ended are among those left: the limiter counts them, once for
    all of its windows.

    Attributes:
        limit: How many requests.
        period: In how many seconds.
        counted: Whether the API has told what was used before; see `Limiter.add`.
    """

    __slots__ = (
        "_early",
        "_ends",
        "_grain",
        "_hold",
        "_shared_up_to",
        "_spent",
        "_trusts",
        "_turn",
        "counted",
        "limit",
        "period",
    )

    def __init__(self, rate: Rate) -> None:
        self.limit = rate.limit
        self.period = rate.period
        self.counted = False
        self._spent = 0
        # (time the last of them ended, how many); large quotas share entries, rounded to the
        # safe side, so that a month's worth of requests does not cost a month's worth of memory.
        self._ends: deque[tuple[float, int]] = deque()
        self._grain = 0.0 if rate.limit <= _EXACT_UP_TO else rate.period / _EXACT_UP_TO
        self._shared_up_to = rate.limit / 256
        self._hold = rate.period * (1 + DRIFT) + _GUARD_S
        # Those that came back at a turn, before they would have without knowing of it.
        self._early: deque[tuple[float, int]] = deque()
        self._turn: Turn | None = None
        self._trusts = True

    def left(self, now: float) -> int:
        """Permits that are not spent; below 0 if more was sent than there were."""
        ends, early, hold, turn = self._ends, self._early, self._hold, self._turn
        while early and early[0][0] + hold <= now:
            early.popleft()
        spent = self._spent
        while ends:
            end, sent = ends[0]
            if end + hold <= now:
                ends.popleft()
            elif turn is not None and turn.over_after(end) <= now:
                early.append(ends.popleft())
            else:
                break
            spent -= sent
        self._spent = spent
        return self.limit - spent

    def spend(self, end: float, sent: int) -> None:
        """So many requests were counted by the server, at `end` the latest."""
        self._spent += sent
        ends = self._ends
        if ends:
            last, count = ends[-1]
            # In order, even where one before was given more time.
            if end < last:  # noqa: PLR1730 - max() is a call more for every request
                end = last
            if end - last < self._grain and count < self._shared_up_to:
                ends[-1] = (end, count + sent)
                return
        ends.append((end, sent))

    def next_free(self) -> float | None:
        """When the next spent permit comes back; None if all of them are in flight."""
        return self._back(self._ends[0][0]) if self._ends else None

    def recent(self, now: float) -> list[tuple[float, int]]:
        """What was sent within the last period: (time the last of them ended, how many)."""
        self.left(now)
        return [*self._early, *self._ends]

    def recall(self, sent: Iterable[tuple[float, int]]) -> None:
        """Counts what was sent before this window was made."""
        older = sorted(sent)
        self._spent += _count(older)
        self._ends = deque(merge(self._ends, older))

    def overheard(self, now: float, remaining: int, in_flight: int) -> None:
        """The server has just counted so many as remaining: others may use the same quota."""
        known = self.limit - self.left(now) + _count(self._early) + in_flight
        others = self.limit - remaining - known
        if others > 0:
            self.spend(now, others)

    def may_turn_in(self, seconds: float) -> bool:
        """True if the next turn can be so far away."""
        return 0 < seconds <= self.period + _TOLD_WITHIN_S

    def learn(self, now: float, took: float, seconds: float) -> None:
        """The server said that the window turns so many seconds after it wrote its reply.

        Args:
            now: When the reply was there.
            took: Seconds before that at which its request left.
            seconds: What it said.
        """
        if not self._trusts or not self.may_turn_in(seconds):
            return
        heard = Turn(
            now - took + seconds * (1 - DRIFT) - _TOLD_WITHIN_S,
            now + seconds * (1 + DRIFT) + _TOLD_WITHIN_S,
            self.period,
        )
        turn = heard if self._turn is None else self._turn.narrowed(heard)
        if turn is None:
            self.doubt()
        else:
            self._turn = turn

    def doubt(self) -> None:
        """What was learnt is wrong: nothing that was or will be said about turns is used."""
        if self._turn is None:
            return
        self._turn = None
        self._trusts = False
        self._spent += _count(self._early)
        self._ends.extendleft(reversed(self._early))
        self._early.clear()

    @property
    def knows_turn(self) -> bool:
        """True while it is known when the window turns."""
        return self._turn is not None

    def _back(self, end: float) -> float:
        back = end + self._hold
        return back if self._turn is None else min(back, self._turn.over_after(end))


def _count(entries: Iterable[tuple[float, int]]) -> int:
    return sum(count for _, count in entries)
