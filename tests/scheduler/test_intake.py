"""Distinct people are counted exactly and sent once, whatever becomes of them meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pubrio_async import (
    BadRequestError,
    JournalError,
    NotFoundError,
    Outcome,
    PubrioError,
    RateLimitedError,
    Run,
    ServerError,
)
from pubrio_async._clock import Clock
from pubrio_async.models import RedeemJob
from pubrio_async.scheduler import seen
from pubrio_async.scheduler.journal import Batch, Settled, Unsettled
from pubrio_async.scheduler.journal_memory import MemoryJournal
from pubrio_async.scheduler.persons import NotAPersonError, person_key
from pubrio_async.testing import VirtualClock, run_virtual
from tests.scheduler.fake_api import PRICE, AfterWorkError, Bench, UnsentError, collect, people
from tests.scheduler.losses import LOST

LATER = 300.0


class NewJournal(MemoryJournal):
    """Knows nobody at first, and says so; may fail at some steps, and when it is asked."""

    def __init__(
        self, fails_at: Sequence[str] = (), clock: Clock | None = None, *, is_new: bool = True
    ) -> None:
        super().__init__(clock)
        self.fails_at = fails_at
        self.is_new = is_new
        self.asked = 0

    def _may_fail(self, step: str) -> None:
        if step in self.fails_at:
            msg = f"the disk is full ({step})"
            raise JournalError(msg)

    async def open(self, contact_types: Sequence[str]) -> bool:
        await super().open(contact_types)
        return self.is_new

    async def lookup(
        self, keys: Sequence[str], newer_than: float | None = None
    ) -> Mapping[str, Settled | Unsettled]:
        await asyncio.sleep(0.01)
        self._may_fail("lookup")
        self.asked += len(keys)
        return await super().lookup(keys, newer_than)

    async def intend(self, batch: Batch) -> None:
        await asyncio.sleep(0.01)
        self._may_fail("intend")
        await super().intend(batch)

    async def accepted(self, batch_id: str, job: RedeemJob) -> None:
        self._may_fail("accepted")
        await super().accepted(batch_id, job)

    async def settle(self, batch_id: str, results: Mapping[str, Settled], charged: Any) -> None:
        await asyncio.sleep(0.01)
        self._may_fail("settle")
        await super().settle(batch_id, results, charged)

    async def unsettle(self, batch_id: str, reason: str) -> None:
        self._may_fail("unsettle")
        await super().unsettle(batch_id, reason)


def coarse(bits: int, patch: pytest.MonkeyPatch) -> None:
    """With few words the sieve soon holds every stranger for somebody it knows."""
    patch.setattr(seen, "_WORD_BITS", bits)
    patch.setattr(seen, "_WORD", (1 << bits) - 1)


@pytest.fixture(autouse=True, params=[19, 3, 0], ids=lambda bits: f"{bits}-bits")
def bits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    number: int = request.param
    coarse(number, monkeypatch)
    return number


async def again(*slices: Sequence[str], pause: float = LATER) -> AsyncIterator[str]:
    """Rows of the input, with a pause after each slice in which what was sent ends."""
    for rows in slices:
        for row in rows:
            yield row
        await asyncio.sleep(pause)


def distinct(outcomes: Mapping[int, Outcome]) -> int:
    """Different people among the rows, as a set counts them."""
    keys = set[str]()
    for outcome in outcomes.values():
        try:
            keys.add(person_key(outcome.person))
        except NotAPersonError:
            continue
    return len(keys)


async def counted(bench: Bench, run: Run) -> Counter[str]:
    """Runs to the end; everyone was counted once and paid for once."""
    outcomes = await collect(run)
    assert run.report.unique == distinct(outcomes)
    assert set(bench.api.charged.values()) <= {1}
    return Counter(outcome.status for outcome in outcomes.values())


def test_named_twice_in_one_slice_is_one_person_and_nobody_is_looked_up() -> None:
    async def main() -> None:
        bench, journal, rows = Bench(), NewJournal(), people(10)
        url = "https://www.linkedin.com/in/ada"
        run = bench.run(
            [*rows, url, *map(str.upper, rows), url + "/", "nobody"], journal=journal, batch_size=50
        )
        assert await counted(bench, run) == {"found": 22, "rejected": 1}
        assert run.report.unique == 11
        assert [len(keys) for _, _, keys in bench.api.submits] == [1, 10]
        assert not journal.asked

    run_virtual(main())


def test_who_is_taken_for_known_by_the_sieve_alone_is_sent_and_counted(bits: int) -> None:
    async def main() -> None:
        bench, journal, rows = Bench(), NewJournal(), people(300)
        run = bench.run(again(rows, rows[:30]), journal=journal)
        assert await counted(bench, run) == {"found": 330}
        assert run.report.unique == len(bench.api.charged) == 300
        assert journal.asked == 30 if bits == 19 else journal.asked > 60

    run_virtual(main())


def test_rows_that_are_skipped_count_once_however_often_they_come() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(60)
        rows[::6] = [f"https://www.linkedin.com/in/person-{n}" for n in range(10)]
        # Paid for; read and never sent; read when nothing is sent any more: each named again.
        run = bench.run(
            again([*rows[:40], *rows[30:]], rows, rows[::-1]),
            journal=NewJournal(),
            max_credits=20 * PRICE,
        )
        statuses = await counted(bench, run)
        assert run.report.unique == 60
        assert statuses["found"] >= 3 * 20
        assert statuses["skipped"] >= 3 * 40

    run_virtual(main())


def test_a_budget_that_ends_within_a_slice_counts_those_it_skips_once() -> None:
    async def main() -> None:
        bench = Bench()
        urls = [f"https://www.linkedin.com/in/person-{n}" for n in range(5)]
        rows = [*people(3), urls[0], urls[1], *people(3), urls[0], urls[1], *urls[2:], urls[2]]
        run = bench.run(again(rows, rows), journal=NewJournal(), batch_size=50, max_credits=0)
        assert await counted(bench, run) == {"skipped": 2 * len(rows)}
        assert run.report.unique == 8

    run_virtual(main())


def test_given_up_people_count_once() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(40)
        bench.api.on_submit.extend(
            (None, NotFoundError("no", status=404), None, UnsentError(LOST), None)
        )
        bench.api.every_query = lambda query_id: ServerError("broken", status=500)
        run = bench.run(again(rows, rows[::-1], rows, pause=2_000), journal=NewJournal())
        statuses = await counted(bench, run)
        assert run.report.unique == 40
        assert statuses["pending"] == 3 * 20
        assert statuses["failed"] == 3 * 10

    run_virtual(main())


def test_people_of_a_job_that_a_deadline_leaves_open_count_once() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(20)
        # The third slice comes when nothing is sent any more.
        slices = again(rows, rows, people(30), pause=0.5)
        run = bench.run(slices, journal=NewJournal(), deadline=0.9)
        assert await counted(bench, run) == {"pending": 3 * 20, "skipped": 10}
        assert run.report.unique == 30

    run_virtual(main())


def test_refused_withdrawn_and_sent_again_people_count_once() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(40)
        bench.api.on_submit.extend((None, RateLimitedError("full", retry_after=5.0)))
        bench.api.every_submit = lambda keys: (
            BadRequestError("unknown id", status=400) if rows[13] in keys else None
        )
        # In the second slice the batch of the first is being halved, in the third it is settled.
        run = bench.run(
            again(rows[:30], rows, rows, rows, pause=0.35), journal=NewJournal(), linger=0.1
        )
        statuses = await counted(bench, run)
        assert run.report.unique == 40
        assert statuses["rejected"] == 4
        assert statuses["found"] == 3 * 39 + 29

    run_virtual(main())


@pytest.mark.parametrize("step", ["intend", "accepted", "settle", "unsettle"])
def test_people_whose_end_could_not_be_written_down_count_once(step: str) -> None:
    async def main() -> None:
        bench, rows = Bench(concurrency=1), people(40)
        if step == "unsettle":
            bench.api.on_submit.extend((None, LOST))
        run = bench.run(again(rows[:30], rows, rows), journal=NewJournal([step]))
        await counted(bench, run)
        assert run.report.unique == 40
        assert isinstance(run.stopped_by, JournalError)

    run_virtual(main())


def test_an_unreadable_journal_has_nobody_sent_twice_nor_counted_twice(bits: int) -> None:
    async def main() -> None:
        bench, rows, journal = Bench(), people(40), NewJournal()

        async def input_() -> AsyncIterator[str]:
            async for row in again(rows[:20]):
                yield row
            journal.fails_at = ("lookup",)
            async for row in again(rows, rows):
                yield row

        run = bench.run(input_(), journal=journal)
        outcomes = await collect(run)
        statuses = Counter(outcome.status for outcome in outcomes.values())
        assert statuses == {"found": 20, "skipped": 80}
        assert isinstance(run.stopped_by, JournalError)
        assert set(bench.api.charged) == set(rows[: len(bench.api.charged)])
        assert set(bench.api.charged.values()) == {1}
        # Whom the sieve takes for known cannot be told from those who were met.
        assert run.report.unique == 40 if bits == 19 else 20 <= run.report.unique <= 40

    run_virtual(main())


def test_people_of_an_earlier_life_count_once_in_each() -> None:
    async def main() -> None:
        bench, rows, journal = Bench(), people(40), NewJournal()
        bench.api.on_submit.extend((None, None, LOST))
        first = bench.run(again(rows[:30], pause=0.5), journal=journal, deadline=2.0)
        assert await counted(bench, first) == {"pending": 20, "unsettled": 10}
        journal.is_new = False
        # Open jobs, a lost reply, new people; then the same, settled or known to the journal.
        second = bench.run(again(rows[:35], rows, rows[::-1]), journal=journal)
        statuses = await counted(bench, second)
        assert second.report.unique == 40
        assert statuses == {"found": 85, "unsettled": 30}

    run_virtual(main())


def test_a_clock_that_is_set_back_makes_nothing_of_a_new_journal_too_old() -> None:
    class Settable(VirtualClock):
        behind = 0.0

        def wall(self) -> float:
            return super().wall() - self.behind

    async def main() -> None:
        clock = Settable()
        bench, rows = Bench(clock=clock), people(20)

        async def set_back() -> AsyncIterator[str]:
            clock.behind = 86_400.0
            async for row in again(rows, rows):
                yield row

        run = bench.run(set_back(), journal=NewJournal(clock=clock), max_age=3_600.0)
        assert await counted(bench, run) == {"found": 40}
        assert run.report.unique == 20

    run_virtual(main())


@pytest.mark.parametrize("max_age", [0.0, 60.0, 3_600.0])
def test_nor_by_one_that_was_set_back_before_anybody_was_sent(max_age: float) -> None:
    class Settable(VirtualClock):
        behind = 0.0

        def wall(self) -> float:
            return super().wall() - self.behind

    async def main() -> None:
        clock = Settable()
        bench, rows = Bench(clock=clock), people(20)

        async def set_back() -> AsyncIterator[str]:
            await asyncio.sleep(30.0)
            clock.behind = 86_400.0
            async for row in again(rows, rows):
                yield row

        run = bench.run(set_back(), journal=MemoryJournal(clock), max_age=max_age)
        assert await counted(bench, run) == {"found": 40}
        assert set(bench.api.charged.values()) == {1}

    run_virtual(main())


ROWS = st.lists(
    st.one_of(
        st.integers(0, 40).map(lambda n: people(41)[n]),
        st.integers(0, 6).map(lambda n: f"https://www.linkedin.com/in/person-{n}"),
        st.just("nobody"),
    ),
    max_size=25,
)
ENDS: list[Any] = [
    *[None] * 6,
    BadRequestError("unknown id", status=400),
    RateLimitedError("full", retry_after=3.0),
    NotFoundError("no", status=404),
    UnsentError(ServerError("broken", status=503)),
    AfterWorkError(LOST),
    LOST,
]


@settings(max_examples=150, deadline=None)
@given(
    slices=st.lists(ROWS, min_size=1, max_size=6),
    pause=st.sampled_from([0.0, 0.05, 1.0, 6.0, 200.0]),
    ends=st.lists(st.sampled_from(ENDS), max_size=10),
    fails_at=st.sampled_from([(), (), ("settle",), ("intend",), ("accepted", "settle")]),
    limit=st.one_of(st.none(), st.integers(0, 30)),
    deadline=st.one_of(st.none(), st.floats(0.01, 20.0)),
    size=st.integers(1, 12),
    few_bits=st.sampled_from([19, 2, 0]),
    is_new=st.booleans(),
)
def test_whatever_happens_people_are_counted_as_a_set_counts_them(
    *,
    slices: list[list[str]],
    pause: float,
    ends: list[PubrioError | None],
    fails_at: tuple[str, ...],
    limit: int | None,
    deadline: float | None,
    size: int,
    few_bits: int,
    is_new: bool,
) -> None:
    async def main() -> None:
        bench = Bench()
        bench.api.on_submit.extend(ends)
        run = bench.run(
            again(*slices, pause=pause),
            journal=NewJournal(fails_at, is_new=is_new),
            batch_size=size,
            linger=0.1,
            max_credits=None if limit is None else limit * PRICE,
            deadline=deadline,
        )
        await counted(bench, run)

    with pytest.MonkeyPatch.context() as patch:
        coarse(few_bits, patch)
        run_virtual(main())


def test_a_list_is_counted_as_a_set_counts_it() -> None:
    """No pauses at all: everything is planned, open and settled at the same time."""

    def rows() -> Iterator[str]:
        rng = random.Random(4)
        everyone = people(400)
        for _ in range(3_000):
            yield rng.choice(everyone)

    async def main() -> None:
        bench = Bench("unlimited")
        bench.api.duration = lambda size: 0.2
        assert await counted(bench, bench.run(rows(), journal=NewJournal())) == {"found": 3_000}

    run_virtual(main())
