"""A log whose times are in any zone, by another clock, or not there."""

from __future__ import annotations

import math
import random

import pytest

from pubrio_async.scheduler.logbook import LogPage, LogRow
from pubrio_async.scheduler.logclock import LogClock
from pubrio_async.scheduler.logsearch import Search
from tests.scheduler.logs import TYPES, WALL, Log, inherited, lost, search


@pytest.mark.parametrize("odd", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("seed", range(10))
def test_lines_that_do_not_tell_when_they_were_are_passed_over(seed: int, odd: float) -> None:
    rng = random.Random(seed)
    log = Log([0.5, *(rng.expovariate(1 / 3.0) for _ in range(2_000))])
    log.grows = rng.choice([0, 1, 7])
    log.put(at := rng.uniform(-3_000.0, -5.0), 0.1, "mine")
    log.rows[1:] = [
        row if row.log_id == "log-mine" or rng.random() > odd else LogRow("", None, -math.inf)
        for row in log.rows[1:]
    ]
    hunt = search(lost("mine", at, 5.0))
    log.answer(hunt)
    assert "mine" in hunt.found
    pages = [asked for asked in log.asked if isinstance(asked, int)]
    assert len(pages) <= 24


@pytest.mark.parametrize("wrong_by", [-900 * 3600.0, 900 * 3600.0])
@pytest.mark.parametrize("place", [0, 15])
def test_a_moment_of_a_clock_that_was_wrong_is_no_moment(wrong_by: float, place: int) -> None:
    """It was put right since: near the moment that was written down there is nothing at all."""
    log = Log([5.0] * 200)
    log.put(-5.0 * place - 7.0, 0.1, "mine")
    hunt = search(inherited("mine", wrong_by), inherited("never arrived", wrong_by))
    log.answer(hunt)
    assert set(hunt.found) == {"mine"}
    # The newest lines are looked at, and no more than that.
    assert len([asked for asked in log.asked if isinstance(asked, str)]) <= 25
    # A run knows when its own requests left, whatever the date.
    log.asked.clear()
    own = search(lost("mine", wrong_by))
    log.answer(own)
    assert not own.found
    assert all(isinstance(asked, int) for asked in log.asked)


def test_an_entry_that_is_known_tells_how_far_the_clocks_are_apart() -> None:
    log = Log([0.5])
    sent: dict[str, float] = {}
    for number in range(100):
        log.put(-100.0 + number / 2 + 4.0, 0.0, f"known-{number}")
        sent[f"known-{number}"] = -100.0 + number / 2
    log.put(-60.0 + 4.0, 0.0, "mine")
    clock = LogClock()
    hunt = Search([lost("mine", -60.0, 0.2)], TYPES, {}, clock, now=0.0, wall=WALL, sent=sent)
    log.answer(hunt)
    assert "mine" in hunt.found
    assert clock.skew_s == pytest.approx(4.0)
    entries = [asked for asked in log.asked if isinstance(asked, str)]
    assert len(entries) <= 4


def test_the_zone_is_learnt_from_the_newest_entry_and_kept() -> None:
    quiet = Log([5_000.0, 1.0], 3_600.0)
    clock = LogClock()
    quiet.answer(search(lost("mine", -3.0), clock=clock))
    # Nothing was logged for more than a quarter of an hour: the zone is off.
    assert clock.zone_s == pytest.approx(3_600.0 - 4_500.0)
    quiet.put(-1.0, 0.0, "fresh", None)
    quiet.asked.clear()
    quiet.answer(search(lost("mine", -3.0), clock=clock))
    assert clock.zone_s == 3_600.0


def test_of_lines_that_do_not_tell_when_they_were_nothing_is_learnt() -> None:
    clock = LogClock()
    hunt = search(lost("mine", -3.0), clock=clock)
    hunt.take_page(1, LogPage([LogRow("", None, -math.inf)] * 3, 3, 1, WALL))
    assert hunt.ask() is None
    assert clock.zone_s is None


@pytest.mark.parametrize("took_s", [1.0, 8.0, 29.0])
def test_how_long_a_request_took_is_not_how_wrong_the_clock_is(took_s: float) -> None:
    """The log tells when requests ended, and the first that is found took its time."""
    log = Log([600.0] * 4, ends=True)
    log.put(-130.0, took_s, "slow")
    log.put(-30.0, 0.2, "fast")
    sent = {"slow": 0.0, "fast": 100.0}
    clock = LogClock()
    first = Search([lost("slow", 0.0, 30.0)], TYPES, {}, clock, now=130.0, wall=WALL, sent=sent)
    log.answer(first)
    assert set(first.found) == {"slow"}
    assert abs(clock.skew_s or 0.0) <= 1.0
    then = Search([lost("fast", 100.0, 0.2)], TYPES, {}, clock, now=130.0, wall=WALL, sent=sent)
    log.answer(then)
    assert set(then.found) == {"fast"}
