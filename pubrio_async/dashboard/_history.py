"""What a run looked like over time: the last minutes as they were, all of it in a few hundred rows.

Memory is bounded, however long a run takes: each time the rows of the whole are too many, two
neighbours become one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Final

from msgspec import Struct, structs

RECENT: Final = 600
WHOLE: Final = 600

_PACE_S: Final = 120.0
_STEPS: Final = 240


class Sample(Struct, frozen=True, gc=False, array_like=True):
    """A run at one moment. What only ever grows stands for the end of a stretch of time.

    Attributes:
        t: Seconds since the run began.
        read: Rows taken from the input.
        settled: Rows that have an outcome.
        found: Rows with contacts.
        empty: Rows without.
        requests: Requests sent.
        charged: Credits charged.
        paused_s: Seconds for which everyone had to wait, all together.
        reserved: Worst-case cost of what is open; the most within a stretch, as all that follow.
        batches_open: Batches under way.
        batches_ready: Batches planned and not sent.
        in_flight: Requests under way.
        used: Requests within the shortest window of the limits; None without a limit.
        left: Requests that could leave at once, the fewest within a stretch; None without a limit.
    """

    t: float
    read: int
    settled: int
    found: int
    empty: int
    requests: int
    charged: int | float
    paused_s: float
    reserved: int | float
    batches_open: int
    batches_ready: int
    in_flight: int
    used: int | None
    left: int | None


NAMES: Final = tuple(field.name for field in structs.fields(Sample))


def merged(first: Sample, second: Sample) -> Sample:
    """One sample for two stretches of time, of which the second follows the first."""
    used = [sample.used for sample in (first, second) if sample.used is not None]
    left = [sample.left for sample in (first, second) if sample.left is not None]
    return structs.replace(
        second,
        reserved=max(first.reserved, second.reserved),
        batches_open=max(first.batches_open, second.batches_open),
        batches_ready=max(first.batches_ready, second.batches_ready),
        in_flight=max(first.in_flight, second.in_flight),
        used=max(used, default=None),
        left=min(left, default=None),
    )


class Cursor(Struct, frozen=True):
    """How much of a history somebody has been given.

    Attributes:
        recent: How many samples there had been.
        generation: How often the whole had been thinned out.
        whole: How many rows of the whole there had been since.
    """

    recent: int = 0
    generation: int = -1
    whole: int = 0


class News(Struct, frozen=True):
    """What somebody lacks of a history.

    Attributes:
        fresh: Whether all that was given before is to be thrown away.
        recent: Samples to be added to the recent ones.
        rebuilt: Whether the rows of the whole that were given before are to be thrown away.
        whole: Rows to be added to the whole.
    """

    fresh: bool
    recent: list[Sample]
    rebuilt: bool
    whole: list[Sample]


class History:
    """Samples of a run, taken at a steady pace.

    Args:
        recent: How many of the newest samples are kept as they are.
        whole: Most rows that stand for the whole run; even.
    """

    def __init__(self, recent: int = RECENT, whole: int = WHOLE) -> None:
        self._recent: deque[Sample] = deque(maxlen=recent)
        self._count = 0
        self._most = whole
        self._whole: list[Sample] = []
        self._step = 1
        self._generation = 0
        self._bucket: Sample | None = None

    @property
    def recent(self) -> Sequence[Sample]:
        """The newest samples."""
        return self._recent

    @property
    def whole(self) -> Sequence[Sample]:
        """The whole run, up to the last complete row."""
        return self._whole

    @property
    def step(self) -> int:
        """How many samples a row of the whole stands for."""
        return self._step

    def add(self, sample: Sample) -> None:
        """Takes in the newest sample."""
        self._recent.append(sample)
        self._count += 1
        self._bucket = sample if self._bucket is None else merged(self._bucket, sample)
        if self._count % self._step:
            return
        self._whole.append(self._bucket)
        self._bucket = None
        if len(self._whole) >= self._most:
            pairs = zip(self._whole[::2], self._whole[1::2], strict=True)
            self._whole = [merged(*pair) for pair in pairs]
            self._step *= 2
            self._generation += 1

    def since(self, cursor: Cursor | None) -> tuple[News, Cursor]:
        """What somebody lacks who was given all up to a cursor; None for nothing so far."""
        now = Cursor(self._count, self._generation, len(self._whole))
        missed = self._count - (cursor.recent if cursor else 0)
        fresh = cursor is None or missed > len(self._recent)
        rebuilt = cursor is None or cursor.generation != self._generation
        first = 0 if fresh else len(self._recent) - missed
        known = 0 if cursor is None or rebuilt else cursor.whole
        recent = list(islice(self._recent, first, None))
        return News(fresh, recent, rebuilt, self._whole[known:]), now

    def pace(self, period_s: float = 0.0) -> float | None:
        """Rows settled a second of late; None where there is nothing to tell it from.

        Args:
            period_s: The shortest window of the limits. What it lets through is spent at once,
                so once it was empty, less time than that tells of a pace that does not last.
        """
        if len(self._recent) < 2:
            return None
        last = self._recent[-1]
        # The window is long enough for a whole minute of the usual limit, spent in bursts.
        then = next(sample for sample in self._recent if last.t - sample.t <= _PACE_S)
        if last.t <= then.t or last.settled <= then.settled:
            return None
        seconds = last.t - then.t
        if seconds < period_s and any(sample.left == 0 for sample in self._recent):
            seconds = period_s
        return (last.settled - then.settled) / seconds


def seconds_left(settled: int, total: int | None, pace: float | None) -> float | None:
    """How long the rest will take; None where that cannot be told."""
    if total is None or not pace:
        return None
    return max(0, total - settled) / pace


class Rolling:
    """How much a counter grew within the last P seconds; never more than it really did.

    At the time 0 it was 0.

    Args:
        period_s: P.
    """

    def __init__(self, period_s: float) -> None:
        self._period = period_s
        self._marks: deque[tuple[float, int]] = deque([(0.0, 0)])

    def within(self, t: float, count: int) -> int:
        """Takes in the counter as it stands, and gives its growth.

        Args:
            t: The time in seconds; never goes back.
            count: The counter.
        """
        marks = self._marks
        while marks and marks[0][0] < t - self._period:
            marks.popleft()
        if not marks or t - marks[-1][0] >= self._period / _STEPS:
            marks.append((t, count))
        return count - marks[0][1]
