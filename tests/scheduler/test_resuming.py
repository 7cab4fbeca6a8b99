"""A run with the journal of an earlier one sends nothing again and fetches what was left open."""

from __future__ import annotations

import pytest

from pubrio_async import PubrioError, RateLimitedError
from pubrio_async.scheduler.journal_memory import MemoryJournal
from pubrio_async.testing import VirtualClock, run_virtual
from tests.scheduler.fake_api import Bench, collect, people, statuses


def test_a_run_that_is_continued_in_a_used_up_window_costs_one_refusal() -> None:
    async def main() -> None:
        bench = Bench()
        journal = MemoryJournal()
        rows = people(500)
        await collect(bench.run(rows, journal=journal, deadline=3.0))
        assert len(await journal.open_batches()) == 50
        full_until = bench.now() + 20

        def full(query_id: str) -> PubrioError | None:
            left = full_until - bench.now()
            return RateLimitedError("full", retry_after=left) if left > 0 else None

        bench.api.every_query = full
        run = bench.run(rows, journal=journal)
        assert statuses(await collect(run)) == {"found": 500}
        assert run.report.rate_limited == 1

    run_virtual(main())


def test_a_second_run_with_the_same_journal_sends_nothing() -> None:
    async def main() -> None:
        bench = Bench()
        journal = MemoryJournal()
        rows = [*people(25), "https://www.linkedin.com/in/someone"]
        first = await collect(bench.run(rows, journal=journal))
        requests = len(bench.api.events)
        run = bench.run(rows, journal=journal)
        assert await collect(run) == first
        assert len(bench.api.events) == requests
        assert run.report.credits_charged == 0
        assert run.report.unique == 26

    run_virtual(main())


def test_what_was_left_open_is_polled_and_not_sent_again() -> None:
    async def main() -> None:
        bench = Bench()
        journal = MemoryJournal()
        rows = people(20)
        run = bench.run(rows, journal=journal, deadline=2.0)
        assert statuses(await collect(run)) == {"pending": 20}
        # The rows of one of the jobs are not in the input any more: it is fetched all the same.
        run = bench.run(rows[:10], journal=journal)
        assert statuses(await collect(run)) == {"found": 10}
        assert len(bench.api.submits) == 2
        assert set(bench.api.charged) == set(rows)
        assert not await journal.open_batches()

    run_virtual(main())


@pytest.mark.parametrize("jump", [-1e6, 1e6])
def test_a_wall_clock_that_was_set_meanwhile_delays_no_poll(jump: float) -> None:
    class Set(VirtualClock):
        shift = 0.0

        def wall(self) -> float:
            return super().wall() + self.shift

    async def main() -> None:
        clock = Set()
        bench = Bench(clock=clock)
        journal = MemoryJournal(clock)
        rows = people(20)
        await collect(bench.run(rows, journal=journal, deadline=2.0))
        clock.shift = jump
        run = bench.run(rows, journal=journal)
        assert statuses(await collect(run)) == {"found": 20}
        assert run.report.elapsed_s <= 12

    run_virtual(main())


def test_an_intent_without_an_answer_is_reported_and_not_sent_again() -> None:
    async def main() -> None:
        bench = Bench()
        journal = MemoryJournal()
        rows = people(10)
        bench.api.on_submit.append("hang")
        run = bench.run(rows, journal=journal, deadline=5.0)
        assert statuses(await collect(run)) == {"unsettled": 10}
        run = bench.run([*rows, *people(11)[10:]], journal=journal)
        assert statuses(await collect(run)) == {"unsettled": 10, "found": 1}
        assert [kind for _, kind, _ in bench.api.submits] == ["single"]

    run_virtual(main())
