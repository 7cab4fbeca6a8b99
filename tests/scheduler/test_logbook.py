"""The search for lost requests, against logs of every length and density."""

from __future__ import annotations

import random
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from pubrio_async import InsufficientCreditsError
from pubrio_async.models import RedeemJob
from pubrio_async.scheduler.journal import Batch
from pubrio_async.scheduler.logbook import (
    LogEntry,
    LogPage,
    LogRow,
    Lost,
    in_new_order,
    is_its_own,
    next_look,
)
from pubrio_async.scheduler.logclock import LogClock
from pubrio_async.scheduler.logsearch import Search
from tests.scheduler.logs import TYPES, WALL, Log, inherited, lost, search


@given(
    seed=st.integers(0, 10_000),
    length=st.integers(1, 4_000),
    density=st.sampled_from([0.2, 3.0, 60.0]),
    where=st.floats(0.0, 1.0),
    ends=st.booleans(),
)
def test_what_is_in_the_log_is_found_wherever_it_is(
    seed: int, length: int, density: float, where: float, *, ends: bool
) -> None:
    rng = random.Random(seed)
    gaps = [0.5, *(rng.expovariate(1 / density) for _ in range(length - 1))]
    log = Log(gaps, 900.0 * rng.randint(-48, 56), ends=ends)
    at = where * (log.rows[-1].at - log.rows[0].at) - 1.0
    log.grows = rng.choice([0, 1, 7])
    took = rng.choice([0.1, 5.0, 25.0])
    log.put(at, took, "mine")
    hunt = search(lost("mine", at, 30.0))
    log.answer(hunt)
    finding = hunt.found["mine"]
    assert isinstance(finding.answer, RedeemJob)
    assert finding.answer.redeem_query_id == "mine"
    # Never older than it is: a job must not be polled before its time.
    assert finding.age_s <= -at + 1e-3
    pages = [asked for asked in log.asked if isinstance(asked, int)]
    assert len(pages) <= 24


def test_a_single_loss_in_a_busy_log_costs_a_handful_of_requests() -> None:
    counts: list[int] = []
    for seed in range(50):
        rng = random.Random(seed)
        log = Log([rng.expovariate(5.0) for _ in range(5_000)])
        at = rng.uniform(-900, -5)
        log.put(at, 0.1, "mine")
        hunt = search(lost("mine", at, 0.2))
        log.answer(hunt)
        assert "mine" in hunt.found
        counts.append(len(log.asked))
    assert sum(counts) / len(counts) <= 8
    assert max(counts) <= 16


@cache
def bursts(seed: int) -> tuple[Log, float]:
    """A long log with some haste in it, and a place in what can be reached of it."""
    rng = random.Random(seed)
    log = Log([0.5, *(rng.expovariate(1 / rng.choice([0.2, 9.0])) for _ in range(5_000))])
    return log, rng.random()


@pytest.mark.parametrize("reach", [1, 2, 40, 150])
@pytest.mark.parametrize("grows", [0, 1, 7])
@pytest.mark.parametrize("looks", [0, 2])
def test_what_is_nearer_than_a_page_that_is_refused_is_found(
    reach: int, grows: int, looks: int
) -> None:
    for seed in range(10):
        made, where = bursts(seed)
        log = made.copy()
        log.grows, log.reach = grows, reach
        # What is asked for meanwhile pushes it to a later page.
        place = int(where * max(5, reach * 25 - 25 * grows))
        log.put(near := log.rows[place].at - WALL, 0.0, "near")
        log.put(far := log.rows[4_900].at - WALL, 0.0, "far")
        hunt = search(lost("near", near, looks=looks), lost("far", far, looks=looks))
        log.answer(hunt)
        assert hunt.found.keys() == {"near"}
        refused = [asked for asked in log.asked if isinstance(asked, int) and asked > reach]
        assert refused == sorted(set(refused), reverse=True), "none at or beyond one that was"
        assert 1 <= len(refused) <= 9, "half of the pages that are left, each time"


@given(
    seed=st.integers(0, 10_000),
    per_page=st.integers(5, 40),
    length=st.integers(1, 400),
    density=st.sampled_from([0.2, 3.0, 60.0]),
    where=st.floats(0.0, 1.0),
)
def test_pages_may_be_of_another_size_than_was_asked_for(
    seed: int, per_page: int, length: int, density: float, where: float
) -> None:
    rng = random.Random(seed)
    log = Log([0.5, *(rng.expovariate(1 / density) for _ in range(length - 1))])
    log.per_page, log.grows = per_page, rng.choice([0, 1, 7])
    at = where * (log.rows[-1].at - log.rows[0].at) - 1.0
    log.put(at, 0.1, "mine")
    hunt = search(lost("mine", at, 5.0))
    log.answer(hunt)
    assert "mine" in hunt.found


def test_what_is_not_there_is_not_found_and_costs_what_is_near() -> None:
    rng = random.Random(4)
    log = Log([rng.expovariate(5.0) for _ in range(5_000)])
    hunt = search(lost("mine", -300.0, 0.2))
    log.answer(hunt)
    assert not hunt.found
    # Ten seconds around the moment, two thirds of them batches.
    assert len(log.asked) <= 60


def test_an_empty_log_ends_the_search() -> None:
    log = Log([])
    hunt = search(lost("mine", -10.0))
    log.answer(hunt)
    assert log.asked == [1]
    assert not hunt.found


def test_other_types_are_another_request() -> None:
    log = Log([1.0])
    log.put(-10.0, 0.0, "mine")
    hunt = Search([lost("mine", -10.0)], ("phone",), {}, LogClock(), now=0.0, wall=WALL)
    log.answer(hunt)
    assert not hunt.found


def test_two_requests_for_the_same_people_are_two_answers() -> None:
    log = Log([1.0])
    log.put(-50.0, 0.0, "mine")
    log.entries["log-second"] = LogEntry(("mine",), frozenset(TYPES), RedeemJob("second"))
    log.rows.insert(0, LogRow("log-second", "batch", WALL - 20.0, 0.0, 200))
    first, second = lost("mine", -50.0), lost("mine", -20.0)
    second.batch = Batch("again", "batch", ("mine",))
    hunt = search(first, second)
    log.answer(hunt)
    found = {name: finding.answer for name, finding in hunt.found.items()}
    assert found == {"mine": RedeemJob("mine"), "again": RedeemJob("second")}


def test_when_to_look() -> None:
    fresh = lost("mine", 0.0)
    assert next_look(fresh, 0.0) == 5.0
    fresh.looks = 1
    assert next_look(fresh, 6.0) == 26.0
    fresh.looks = 2
    assert next_look(fresh, 27.0) == 87.0
    fresh.looks = 3
    assert next_look(fresh, 88.0) is None
    # Long ago: at once, and once more when the first look is itself in the log.
    old = lost("mine", -5_000.0)
    assert next_look(old, 0.0) == 0.0
    old.looks = 1
    assert next_look(old, 1.0) == 21.0
    old.looks = 2
    assert next_look(old, 22.0) is None


def test_a_refusal_counts_once_the_lines_before_it_were_fetched_too() -> None:
    """However soon the next run begins, and however well it knows where the lines must be."""
    log = Log([0.1] * 600)
    log.put(-4.0, 0.0, "mine", status=402)
    refusal = InsufficientCreditsError("no credits", status=402)
    log.entries["log-mine"] = LogEntry(("mine",), frozenset(TYPES), refusal)
    moments = {"mine": -4.0}
    for number, at in enumerate((-4.1, -4.2)):
        log.put(at, 0.0, f"found-{number}")
        moments[f"found-{number}"] = at
    targets = [
        structs.replace(inherited(key, at), looks=2, lost_at=at + 4.0)
        for key, at in moments.items()
    ]
    hunt = search(*targets)
    log.answer(hunt)
    assert hunt.found.keys() == moments.keys()
    assert hunt.found["mine"].answer is refusal


@pytest.mark.parametrize("seed", range(139, 189))
def test_a_line_that_was_used_is_not_used_again(seed: int) -> None:
    """A page that is fetched again shows it again: one refusal is not the answer to two."""
    rng = random.Random(seed)
    log = Log([rng.expovariate(rng.choice([0.02, 0.1, 1.0, 5.0])) for _ in range(200)])
    log.grows = rng.choice([0, 1, 2, 7])
    again = -rng.uniform(1.0, 1.0 - log.rows[-1].at + WALL)
    first = again - rng.choice([3.0, 10.0, 60.0, 300.0])
    log.put(first, 0.1, "mine")
    log.put(again, 0.05, "again", status=402)
    refusal = InsufficientCreditsError("no credits", status=402)
    log.entries["log-again"] = LogEntry(("mine",), frozenset(TYPES), refusal)
    log.rows = [row for row in log.rows if row.log_id != "log-mine"]  # it lags behind
    used: list[str] = []
    targets = (inherited("mine", first), inherited("again", again))
    targets[1].batch = Batch("again", "batch", ("mine",))
    hunt = search(*(structs.replace(each, looks=2) for each in targets))
    match = hunt._match
    hunt._match = lambda row, entry: (used.append(row.log_id), match(row, entry))[1]  # type: ignore[method-assign] # listens
    log.answer(hunt)
    assert len(used) == len(set(used))
    assert "mine" not in hunt.found


@pytest.mark.parametrize("seed", range(20))
def test_a_log_whose_length_wavers_is_searched_to_an_end(seed: int) -> None:
    """Two servers answer for it, one of which is a line behind."""
    rng = random.Random(seed)
    length = rng.choice([10, 26, 60, 100, 1_000])
    moment = -rng.uniform(1.0, length / 10 + 5)
    rows = [LogRow(f"row-{n}", None, WALL - n / 10 - 0.05, 0.1, 200) for n in range(length + 1)]
    hunt = search(inherited("mine", moment) if seed % 2 else lost("mine", moment, 10.0))
    asked = 0
    while isinstance(wanted := hunt.ask(), int):
        asked += 1
        shown = rows[asked % 2 :]
        pages = -(-len(shown) // 25)
        hunt.take_page(wanted, LogPage(shown[(wanted - 1) * 25 :][:25], len(shown), pages, WALL))
        assert asked <= 50


@pytest.mark.parametrize(("number", "orders"), [(1, 1), (2, 2), (10, 2_000), (100, 2_000)])
def test_orders_are_many_where_there_are_enough_people(number: int, orders: int) -> None:
    rng = random.Random(number)
    batch = Batch("b1", "batch", tuple(map(str, range(number))))
    drawn = {in_new_order(batch, rng).keys for _ in range(2_000)}
    assert len(drawn) >= 0.99 * orders
    assert all(sorted(keys) == sorted(batch.keys) for keys in drawn)


def test_a_few_people_in_the_right_order_prove_nothing() -> None:
    for number, telling in ((9, False), (10, True)):
        keys = tuple(map(str, range(number)))
        entry = LogEntry(keys, frozenset(TYPES), RedeemJob("job"))
        assert is_its_own(Lost(Batch("b1", "batch", keys), "", 0.0, 0.0), entry) is telling
        backwards = Batch("b1", "batch", keys[::-1])
        assert not is_its_own(Lost(backwards, "", 0.0, 0.0), entry)
