"""What was lost together is found together, and asked for once by all searches."""

from __future__ import annotations

import math
import random
from typing import NamedTuple

import pytest

from pubrio_async.scheduler.journal import Batch
from pubrio_async.scheduler.logbook import Archive, Lost
from pubrio_async.scheduler.logclock import LogClock
from pubrio_async.scheduler.logsearch import Search
from tests.scheduler.logs import TYPES, WALL, Log, inherited, lost, search


class Crash(NamedTuple):
    """A log of many machines, of which some were killed in the middle.

    Attributes:
        log: The log; it tells its time in whole seconds.
        lost: What they had under way, as whoever goes on with it knows of it.
        arrived: What of that came to the API.
    """

    log: Log
    lost: list[Lost]
    arrived: set[str]


def crash(seed: int, *, density: float, moments: int, arrive: int, never: int) -> Crash:
    rng = random.Random(seed)
    # Twelve seconds before each moment, and after it.
    log = Log([rng.expovariate(density) for _ in range(int(24 * moments * density))])
    lost: list[Lost] = []
    arrived: set[str] = set()
    for moment in range(moments):
        for number in range(arrive + never):
            key = f"mine-{moment}-{number}"
            intended = -12.0 - 24.0 * moment - rng.uniform(0.0, 0.5)
            if number < arrive:
                # What is written down is when it was about to be sent.
                log.put(intended + rng.expovariate(20.0), 0.05, key)
                arrived.add(key)
            of_earlier = min(0.0, intended + 60.0)
            lost.append(
                Lost(Batch(key, "batch", (key,)), "", intended, of_earlier, is_inherited=True)
            )
    rng.shuffle(lost)
    return Crash(log, lost, arrived)


@pytest.mark.parametrize(
    ("density", "moments", "arrive", "never"),
    [(100.0, 1, 12, 4), (100.0, 1, 1, 8), (60.0, 8, 3, 1), (5.0, 10, 1, 1), (250.0, 1, 20, 5)],
)
def test_all_that_arrived_are_found_however_many_were_lost_with_them(
    density: float, moments: int, arrive: int, never: int
) -> None:
    """Neither those that never arrived, nor those of another moment, use up their share."""
    for seed in range(3):
        told = crash(seed, density=density, moments=moments, arrive=arrive, never=never)
        hunt = search(*told.lost)
        told.log.answer(hunt, most=1_500, wall=math.floor(WALL))
        assert hunt.found.keys() == told.arrived
        entries = [asked for asked in told.log.asked if isinstance(asked, str)]
        # Some for each that is found, and a bounded number for those that are not there.
        assert len(entries) <= 250 + 20 * len(told.arrived)


@pytest.mark.parametrize(
    ("late_s", "density", "looks"), [(1.5, 60.0, 1), (3.1, 60.0, 1), (4.5, 28.0, 1), (8.0, 5.0, 3)]
)
@pytest.mark.parametrize("on_time", [0, 1])
def test_who_stood_still_before_it_sent_is_found(
    late_s: float, density: float, looks: int, on_time: int
) -> None:
    """What was written down is when they were about to be sent, and the log is a long one."""
    rng = random.Random(7)
    log = Log([rng.expovariate(density) for _ in range(int(70 * density))])
    rest: dict[str, Lost] = {}
    for number in range(4 + on_time):
        intended = -62.0 + 0.01 * number
        rest[key] = inherited(key := f"mine-{number}", intended)
        log.put(intended + (0.02 if number < on_time else late_s + 0.01 * number), 0.02, key)
    archive = Archive()
    for look in range(looks):
        for each in rest.values():
            each.looks = look
        hunt = search(*rest.values(), archive=archive)
        log.answer(hunt)
        for key in hunt.found:
            del rest[key]
    assert not rest


def test_what_was_lost_together_costs_little_more_than_one_of_it() -> None:
    alone = crash(1, density=60.0, moments=1, arrive=1, never=0)
    hunt = search(*alone.lost)
    alone.log.answer(hunt)
    assert len(hunt.found) == 1
    together = crash(1, density=60.0, moments=1, arrive=30, never=0)
    hunt = search(*together.lost)
    together.log.answer(hunt)
    assert len(hunt.found) == 30
    # The same pages, and no more entries than there are around that half second.
    assert len(together.log.asked) <= len(alone.log.asked) + 60


@pytest.mark.parametrize(("never", "most"), [(0, 20), (2, 200)])
def test_what_another_search_has_asked_for_is_not_asked_for_again(never: int, most: int) -> None:
    told = crash(2, density=60.0, moments=1, arrive=8, never=never)
    archive = Archive()
    first, second = (
        Search(
            told.lost[half::2],
            TYPES,
            archive.entries,
            LogClock(),
            now=0.0,
            wall=WALL,
            being_read=archive.being_read,
        )
        for half in range(2)
    )
    told.log.answer(first, most=1_000)
    before = len(told.log.asked)
    told.log.answer(second, most=1_000)
    assert first.found.keys() | second.found.keys() == told.arrived
    for asked in told.log.asked[:before], told.log.asked[before:]:
        # Those of the other were met on the way; that nothing is asked for twice, `answer` checks.
        assert len([each for each in asked if isinstance(each, str)]) <= most


def test_what_another_search_is_asking_for_comes_last() -> None:
    log = Log([0.5])
    for number in range(3):
        log.put(-60.0 + number / 10, 0.0, f"near-{number}")
    archive = Archive()
    archive.being_read.add("log-near-0")
    lone = lost("mine", -60.0)
    hunt = Search(
        [lone],
        TYPES,
        archive.entries,
        LogClock(),
        now=0.0,
        wall=WALL,
        being_read=archive.being_read,
    )
    log.answer(hunt)
    assert [asked for asked in log.asked if asked != 1] == [
        "log-near-1",
        "log-near-2",
        "log-near-0",
    ]
    # Answered meanwhile, it is not asked for at all.
    other = Search([lone], TYPES, {"log-near-1": None}, LogClock(), now=0.0, wall=WALL)
    log.asked.clear()
    log.answer(other)
    assert "log-near-1" not in log.asked
    assert len(log.asked) == 3


def test_an_archive_lets_go_of_the_oldest() -> None:
    archive = Archive()
    archive.entries |= {str(number): None for number in range(1_500)}
    archive.trim()
    assert len(archive.entries) == 1_000
    assert "1499" in archive.entries
