"""Leaving a run is clean at any await: no task is left, and what was paid for is in the journal."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import anyio
import pytest

from pubrio_async import ConfigurationError, JournalError, MemoryJournal, Outcome, Run
from pubrio_async.testing import PubrioMemory, run_virtual
from tests.scheduler.fake_api import Bench, collect, people


def _alone() -> bool:
    return asyncio.all_tasks() == {asyncio.current_task()}


async def _drain(run: Run, stop_after: int, reason: str = "interrupted") -> dict[int, Outcome]:
    outcomes = {}
    async with run:
        async for outcome in run:
            outcomes[outcome.row] = outcome
            if len(outcomes) == stop_after:
                run.stop(reason)
    return outcomes


def test_a_break_leaves_nothing_behind_and_the_journal_whole() -> None:
    async def main() -> None:
        bench = Bench()
        journal = MemoryJournal()
        rows = people(500)
        async with bench.run(rows, journal=journal) as run:
            async for _ in run:
                break
            left_at = bench.now()
        assert bench.now() - left_at <= 2
        assert _alone()
        assert not bench.open_runs
        assert bench.limiter.statistics().in_flight == 0
        outcomes = await collect(bench.run(rows, journal=journal))
        assert Counter(o.status for o in outcomes.values()) == {"found": 500}
        assert set(bench.api.charged.values()) == {1}

    run_virtual(main())


def test_a_timeout_around_a_run_ends_it_within_two_seconds() -> None:
    async def main() -> None:
        bench = Bench("60/minute")
        bench.api.duration = lambda size: 1_000.0
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(100):
                async with bench.run(people(1_000)) as run:
                    async for _ in run:
                        pass
        assert bench.now() <= 102
        assert _alone()

    run_virtual(main())


@pytest.mark.parametrize("latency", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("after", [0.0, 0.005, 1.03, 5.0, 5.05, 6.1, 65.0])
def test_cancelling_the_task_at_any_time_ends_it_within_two_seconds(
    after: float, latency: float
) -> None:
    async def main() -> None:
        bench = Bench("20/minute", concurrency=4)
        bench.api.latency = latency
        journal = MemoryJournal()
        rows = people(300)
        task = asyncio.create_task(collect(bench.run(rows, journal=journal)))
        await asyncio.sleep(after)
        asked_at = bench.now()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert bench.now() - asked_at <= 2
        assert _alone()
        assert bench.limiter.statistics().in_flight == 0
        sent = {key for _, _, keys in bench.api.submits for key in keys}
        written = {key for entry in await journal.open_batches() for key in entry.batch.keys}
        assert sent <= written | set(await journal.lookup(rows))

    run_virtual(main())


def test_a_second_cancellation_while_closing_still_leaves_nothing_behind() -> None:
    async def main() -> None:
        bench = Bench()
        bench.api.latency = 100.0
        task = asyncio.create_task(collect(bench.run(people(100))))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert bench.now() <= 1.6
        assert _alone()

    run_virtual(main())


def test_an_anyio_scope_may_end_a_run() -> None:
    async def main() -> None:
        bench = Bench()
        bench.api.latency = 0.5
        journal = MemoryJournal()
        with anyio.move_on_after(3) as scope:
            await collect(bench.run(people(100), journal=journal))
        assert scope.cancelled_caught
        assert bench.now() <= 5
        assert _alone()
        assert all(entry.job for entry in await journal.open_batches())

    run_virtual(main())


def test_stop_turns_accepted_people_into_pending_and_the_rest_into_skipped() -> None:
    async def main() -> None:
        bench = Bench("30/minute")
        rows = [*people(400), "no id"]
        durations = iter([5.0] * 6 + [500.0] * 400)
        bench.api.duration = lambda size: next(durations)
        outcomes = await _drain(bench.run(rows), stop_after=50)
        assert sorted(outcomes) == list(range(401))
        counts = Counter(o.status for o in outcomes.values())
        assert set(counts) == {"found", "pending", "skipped", "rejected"}
        accepted = {key for _, _, keys in bench.api.submits for key in keys}
        for row, outcome in outcomes.items():
            assert (outcome.status in {"found", "pending"}) == (rows[row] in accepted)
            if outcome.status in {"pending", "skipped"}:
                assert "interrupted" in (outcome.error or "")
        assert bench.now() <= 62

    run_virtual(main())


def test_stop_ends_within_two_seconds_even_if_the_api_hangs() -> None:
    async def main() -> None:
        bench = Bench()
        bench.api.on_submit.extend([None, "hang", "hang"])
        run = bench.run(people(1_000))
        async with run:
            run_task = asyncio.create_task(_all(run))
            await asyncio.sleep(3)
            asked_at = bench.now()
            run.stop("interrupted")
            outcomes = await run_task
        assert bench.now() - asked_at <= 2
        counts = Counter(o.status for o in outcomes)
        assert counts["unsettled"] == 20
        assert sum(counts.values()) == 1_000

    run_virtual(main())


async def _all(run: Run) -> list[Outcome]:
    return [outcome async for outcome in run]


def test_stop_leaves_an_input_alone_that_takes_too_long() -> None:
    async def main() -> None:
        bench = Bench()

        async def trickle() -> Any:
            for person in people(1_000):
                yield person
                await asyncio.sleep(1)

        outcomes = await _drain(bench.run(trickle()), stop_after=1)
        assert 1 <= len(outcomes) < 40
        assert _alone()

    run_virtual(main())


def test_no_row_that_was_read_is_without_an_outcome_when_the_input_is_left() -> None:
    class Slow(MemoryJournal):
        async def open(self, contact_types: Sequence[str]) -> bool:
            await super().open(contact_types)
            return False  # so that everyone is looked up

        async def lookup(self, keys: Any, newer_than: float | None = None) -> Any:
            await asyncio.sleep(0.03)
            return await super().lookup(keys, newer_than)

    async def main() -> None:
        for drain in (0.0, 0.01, 0.05, 0.5):
            bench = Bench()
            run = bench.run(people(5_000), journal=Slow(), batch_size=50, max_open_jobs=8)
            outcomes = {}
            async with run:
                async for outcome in run:
                    outcomes[outcome.row] = outcome
                    if len(outcomes) == 50:
                        run.stop("interrupted", drain_s=drain)
                rows_read = run.statistics().rows_read
            assert sorted(outcomes) == list(range(rows_read))
            assert rows_read < 5_000

    run_virtual(main())


def test_the_deadline_ends_a_run_in_order() -> None:
    async def main() -> None:
        bench = Bench("30/minute")
        run = bench.run(people(1_000), deadline=90.0)
        outcomes = await collect(run)
        assert len(outcomes) == 1_000
        assert 90 <= bench.now() <= 92
        assert run.report.pending + run.report.skipped + run.report.found == 1_000
        assert "deadline" in (outcomes[999].error or "")
        assert run.report.elapsed_s <= 92

    run_virtual(main())


def test_a_run_that_is_over_is_not_stopped_again() -> None:
    async def main() -> None:
        bench = Bench()
        async with bench.run(people(10)) as run:
            found = [outcome async for outcome in run]
            run.stop("too late")
            assert run.statistics().stopped_by is None
            assert [outcome async for outcome in run] == []
        assert len(found) == 10
        await run.aclose()
        assert run.report.found == 10

    run_virtual(main())


def test_a_run_must_be_opened_and_is_used_once() -> None:
    async def main() -> None:
        bench = Bench()
        run = bench.run(people(10))
        assert run.report.rows == 0
        assert run.stopped_by is None
        await run.aclose()
        with pytest.raises(ConfigurationError, match="async with"):
            async for _ in run:
                pass
        with pytest.raises(ConfigurationError, match="async with"):
            run.statistics()
        await collect(run)
        with pytest.raises(ConfigurationError, match="used once"):
            await run.__aenter__()

    run_virtual(main())


def test_closing_the_client_ends_every_run_even_if_journals_do_not_close() -> None:
    class Stuck(MemoryJournal):
        async def close(self) -> None:
            msg = "the disk is gone"
            raise JournalError(msg)

    async def main() -> None:
        memory = PubrioMemory()
        client = memory.client()
        runs = [
            await client.redeem.many(
                memory.people(500), people_contact_types=["phone"], journal=Stuck()
            ).__aenter__()
            for _ in range(3)
        ]
        await asyncio.sleep(1)
        with pytest.raises(JournalError, match="the disk is gone"):
            await client.aclose()
        assert client.statistics().runs == 0
        assert all(run.statistics().requests_in_flight == 0 for run in runs)
        assert _alone()

    run_virtual(main())


def test_no_run_goes_on_buying_while_the_client_closes_another() -> None:
    async def main() -> None:
        memory = PubrioMemory(latency=1.0, limits="unlimited")
        client = memory.client(rate_limit="unlimited")
        for _ in range(4):
            await client.redeem.many(
                memory.people(50_000), people_contact_types=["phone"]
            ).__aenter__()
        await asyncio.sleep(5)
        closed_at = asyncio.get_running_loop().time()
        under_way = client.statistics().limiter.in_flight
        before = len(memory.requests)
        await client.aclose()
        assert asyncio.get_running_loop().time() > closed_at
        assert len(memory.requests) - before <= under_way
        assert _alone()

    run_virtual(main())


def test_closing_the_client_waits_for_a_run_that_is_being_left_elsewhere() -> None:
    async def main() -> None:
        memory = PubrioMemory(latency=1.0)
        client = memory.client()
        journal = MemoryJournal()
        run = client.redeem.many(
            memory.people(500), people_contact_types=["phone"], journal=journal
        )
        await run.__aenter__()
        await asyncio.sleep(0.5)
        assert run.statistics().requests_in_flight > 0
        leaving = asyncio.create_task(run.aclose())
        await asyncio.sleep(0.1)
        await client.aclose()
        assert client.statistics().runs == 0
        await leaving
        # What was under way has been answered, and is in the journal.
        assert all(entry.job for entry in await journal.open_batches())
        assert _alone()

    run_virtual(main())


@pytest.mark.parametrize("size", [500, 50_000], ids=["at its end", "cut short"])
def test_an_input_may_close_the_client_it_is_read_for(size: int) -> None:
    async def main() -> None:
        memory = PubrioMemory()
        client = memory.client()

        async def rows() -> AsyncGenerator[str]:
            try:
                for key in memory.people(size):
                    yield key
            finally:
                await client.aclose()

        async with client.redeem.many(rows(), people_contact_types=["phone"]) as run:
            async for _ in run:
                break
        assert client.statistics().runs == 0
        assert _alone()

    run_virtual(main())
