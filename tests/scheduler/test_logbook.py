"""The search for lost requests, against logs of every length, density and zone."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from pubrio_async import InsufficientCreditsError
from pubrio_async.models import RedeemJob
from pubrio_async.scheduler.journal import Batch
from pubrio_async.scheduler.logbook import (
    Archive,
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

TYPES = ("email-work",)
WALL = 1_790_000_000.0


class Log:
    """A request log of others' requests, into which lost ones are put; newest first.

    Args:
        gaps: Seconds between one request and the next.
        zone_s: What the log's clock shows beyond UTC.
        ends: Whether a row shows when the request ended, instead of when it came.
    """

    def __init__(self, gaps: Sequence[float], zone_s: float = 0.0, *, ends: bool = False) -> None:
        self.zone_s = zone_s
        self.grows = 0
        self.per_page = 25
        self.reach = math.inf
        self.ends = ends
        self.rows: list[LogRow] = []
        self.entries: dict[str, LogEntry] = {}
        at = 0.0
        for number, gap in enumerate(gaps):
            at -= gap
            kind = "batch" if number % 3 else None
            self._add(at, 0.1, f"other-{number}", kind)
        self.asked: list[int | str] = []

    def put(
        self, at: float, took_s: float, key: str, kind: str | None = "batch", status: int = 200
    ) -> None:
        """Adds a request that came at `at` (seconds, with now as 0)."""
        self._add(at, took_s, key, kind, status)
        self.rows.sort(key=lambda row: -row.at)

    def _add(self, at: float, took_s: float, key: str, kind: str | None, status: int = 200) -> None:
        log_id = f"log-{key}"
        shown = WALL + self.zone_s + at + (took_s if self.ends else 0.0)
        self.rows.append(LogRow(log_id, kind, shown, took_s, status))  # type: ignore[arg-type] # one of the kinds
        self.entries[log_id] = LogEntry((key,), frozenset(TYPES), RedeemJob(key))

    def answer(self, search: Search, *, most: int = 300, wall: float = WALL) -> None:
        """Answers a search to its end."""
        while (wanted := search.ask()) is not None:
            for _ in range(self.grows):
                self.rows.insert(0, LogRow(f"new-{len(self.rows)}", None, self.rows[0].at + 0.01))
            if isinstance(wanted, LogRow):
                self.asked.append(wanted.log_id)
                search.take_entry(wanted, self.entries[wanted.log_id])
            else:
                self.asked.append(wanted)
                if wanted > self.reach:
                    search.refuse_page(wanted)
                    continue
                rows = self.rows[(wanted - 1) * self.per_page : wanted * self.per_page]
                pages = max(1, -(-len(self.rows) // self.per_page))
                search.take_page(wanted, LogPage(rows, len(self.rows), pages, wall))
            entries = [asked for asked in self.asked if isinstance(asked, str)]
            assert len(entries) == len(set(entries)), "no entry is asked for twice"
            assert len(self.asked) < most


def lost(key: str, sent_at: float, took_s: float = 0.0, looks: int = 0) -> Lost:
    return Lost(Batch(key, "batch", (key,)), "", sent_at, sent_at + took_s, looks=looks)


def search(*targets: Lost, clock: LogClock | None = None, archive: Archive | None = None) -> Search:
    entries = {} if archive is None else archive.entries
    return Search(list(targets), TYPES, entries, clock or LogClock(), now=0.0, wall=WALL)


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


@pytest.mark.parametrize("reach", [1, 2, 40, 150])
@pytest.mark.parametrize("grows", [0, 1, 7])
@pytest.mark.parametrize("looks", [0, 2])
def test_what_is_nearer_than_a_page_that_is_refused_is_found(
    reach: int, grows: int, looks: int
) -> None:
    for seed in range(10):
        rng = random.Random(seed)
        log = Log([0.5, *(rng.expovariate(1 / rng.choice([0.2, 9.0])) for _ in range(5_000))])
        log.grows, log.reach = grows, reach
        # What is asked for meanwhile pushes it to a later page.
        place = int(rng.uniform(0, max(5, reach * 25 - 25 * grows)))
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


def test_what_is_not_there_is_not_found_and_costs_what_is_near() -> None:
    rng = random.Random(4)
    log = Log([rng.expovariate(5.0) for _ in range(5_000)])
    hunt = search(lost("mine", -300.0, 0.2))
    log.answer(hunt)
    assert not hunt.found
    # Ten seconds around the moment, two thirds of them batches.
    assert len(log.asked) <= 60


def inherited(key: str, sent_at: float) -> Lost:
    given_up = max(sent_at, min(0.0, sent_at + 60.0))
    return structs.replace(lost(key, sent_at), lost_at=given_up, is_inherited=True)


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
