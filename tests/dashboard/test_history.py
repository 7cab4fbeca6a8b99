"""The history of a run: bounded, and the same for whoever looks at it, whenever they come."""

from __future__ import annotations

import random
from collections import deque
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from pubrio_async.dashboard._history import (
    NAMES,
    Cursor,
    History,
    News,
    Rolling,
    Sample,
    merged,
    seconds_left,
)

GROWING = ("t", "read", "settled", "found", "empty", "requests", "charged", "paused_s")
PEAKS = ("reserved", "batches_open", "batches_ready", "in_flight", "used")


def sample(t: float, settled: int = 0, **other: int | None) -> Sample:
    rest = dict.fromkeys(NAMES, 0)
    return Sample(**{**rest, "t": t, "settled": settled, **other})  # type: ignore[arg-type]


def samples(count: int, seed: int = 0) -> list[Sample]:
    """A run that goes on somehow."""
    rng = random.Random(seed)
    total = dict.fromkeys(GROWING, 0.0)
    rows: list[Sample] = []
    for _ in range(count):
        for name in GROWING:
            total[name] += rng.choice((0, 0, 1, 2, 90)) if name != "t" else 1
        peaks = {name: rng.randrange(100) for name in PEAKS}
        left = rng.choice((None, 0, 5, 300))
        rows.append(Sample(**total, **peaks, left=left))  # type: ignore[arg-type]
    return rows


class Viewer:
    """What a page makes of the news."""

    def __init__(self, recent: int) -> None:
        self.recent: deque[Sample] = deque(maxlen=recent)
        self.whole: list[Sample] = []
        self.cursor: Cursor | None = None

    def look(self, history: History) -> News:
        news, self.cursor = history.since(self.cursor)
        if news.fresh:
            self.recent.clear()
        if news.rebuilt:
            self.whole.clear()
        self.recent.extend(news.recent)
        self.whole.extend(news.whole)
        return news


def test_days_take_no_more_memory_than_minutes() -> None:
    history = History()
    for row in samples(40_000):
        history.add(row)

    assert len(history.recent) == 600
    assert 300 <= len(history.whole) <= 600
    assert history.step == 128
    assert len(history.whole) == 40_000 // 128


def test_nothing_that_grows_is_lost_and_no_peak_is_flattened() -> None:
    history = History(recent=10, whole=8)
    rows = samples(64)
    for row in rows:
        history.add(row)

    whole = [*history.whole]
    assert len(whole) == 4
    for name in GROWING:
        assert [getattr(row, name) for row in whole] == [
            getattr(rows[i], name) for i in (15, 31, 47, 63)
        ]
    for name in PEAKS:
        for place, row in enumerate(whole):
            stretch = rows[16 * place : 16 * (place + 1)]
            assert getattr(row, name) == max(getattr(one, name) for one in stretch)
    assert whole[0].left == min(one.left for one in rows[:16] if one.left is not None)


def test_what_is_not_known_is_no_peak() -> None:
    unknown = sample(1, used=None, left=None)

    assert merged(unknown, sample(2, used=7, left=3)).used == 7
    assert merged(sample(1, used=7, left=3), unknown).left == 3
    assert merged(unknown, unknown).used is None


@settings(max_examples=150, deadline=None)
@given(
    looks=st.lists(st.integers(1, 40), min_size=1, max_size=25),
    recent=st.integers(2, 30),
    whole=st.integers(1, 10).map(lambda number: 2 * number),
)
def test_a_viewer_sees_the_same_whenever_it_looks(
    looks: list[int], recent: int, whole: int
) -> None:
    history = History(recent, whole)
    viewer = Viewer(recent)
    rows = iter(samples(sum(looks)))
    for between in looks:
        for _ in range(between):
            history.add(next(rows))
        viewer.look(history)

        assert [*viewer.recent] == [*history.recent]
        assert viewer.whole == [*history.whole]
        assert len(history.whole) < whole
        assert all(one.t < other.t for one, other in pairwise(viewer.whole))


def test_who_keeps_up_is_told_little() -> None:
    history = History()
    viewer = Viewer(600)
    for row in samples(500):
        history.add(row)
        news = viewer.look(history)
        assert len(news.recent) == 1
        assert len(news.whole) == 1
    assert viewer.look(history) == News(fresh=False, recent=[], rebuilt=False, whole=[])


def test_pace_is_that_of_the_last_two_minutes() -> None:
    history = History()
    assert history.pace() is None
    history.add(sample(0, 0))
    assert history.pace() is None
    history.add(sample(10, 0))
    assert history.pace() is None
    history.add(sample(20, 500))
    assert history.pace() == 25.0
    history.add(sample(130, 600))
    assert history.pace() == 5.0
    history.add(sample(250, 600))
    assert history.pace() is None


def test_a_burst_is_no_pace() -> None:
    history = History()
    history.add(sample(0, 0, left=300))
    history.add(sample(5, 600, left=10))
    assert history.pace(60.0) == 120.0
    history.add(sample(6, 1_200, left=0))
    assert history.pace(60.0) == 20.0
    history.add(sample(100, 2_000, left=0))
    assert history.pace(60.0) == 20.0


def test_the_time_that_is_left() -> None:
    assert seconds_left(500, 1_000, 25.0) == 20.0
    assert seconds_left(1_200, 1_000, 25.0) == 0.0
    assert seconds_left(500, None, 25.0) is None
    assert seconds_left(500, 1_000, None) is None


@settings(max_examples=150, deadline=None)
@given(
    steps=st.lists(st.tuples(st.floats(0.01, 30.0), st.integers(0, 50)), min_size=1, max_size=200),
    period=st.sampled_from((10.0, 60.0, 3_600.0)),
)
def test_a_window_never_shows_more_than_there_was(
    steps: list[tuple[float, int]], period: float
) -> None:
    rolling = Rolling(period)
    told = [(0.0, 0)]
    t, count = 0.0, 0
    for seconds, requests in steps:
        t, count = t + seconds, count + requests
        told.append((t, count))
        shown = rolling.within(t, count)

        first = next(number for at, number in told if at >= t - period)
        # What falls between two marks may be left out, and nothing else.
        mark = t - period * (1 - 1 / 240)
        least = count - next(number for at, number in told if at >= mark)
        assert min(least, count - first) <= shown <= count - first


def test_the_marks_of_a_window_are_few() -> None:
    rolling = Rolling(86_400.0)
    for second in range(200_000):
        rolling.within(float(second), second)

    assert len(rolling._marks) <= 242
    assert 86_000 <= rolling.within(200_000.0, 200_000) <= 86_400
