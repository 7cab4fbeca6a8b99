"""An input is read as its outcomes are taken: what waits is bounded, and nothing is held back."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence

import pytest

from pubrio_async import PubrioError, RateLimitedError
from pubrio_async.testing import run_virtual
from tests.scheduler.fake_api import Bench, collect, people, statuses


def test_an_input_that_pauses_does_not_hold_back_what_it_gave() -> None:
    async def main() -> None:
        bench = Bench()

        async def trickle() -> AsyncIterator[str]:
            for person in people(3):
                yield person
            await asyncio.sleep(100)
            yield people(4)[3]

        outcomes = await collect(bench.run(trickle(), linger=2.0))
        assert statuses(outcomes) == {"found": 4}
        first, second = bench.api.submits
        assert len(first[2]) == 3
        assert 2 <= first[0] <= 2.2
        assert second[1] == "single"

    run_virtual(main())


def test_an_input_that_fails_raises_after_what_was_read_is_handed_over() -> None:
    async def main() -> None:
        for make in (_failing, _failing_async):
            bench = Bench()
            run = bench.run(make())
            seen = []
            with pytest.raises(OSError, match="disk"):
                async with run:
                    async for outcome in run:
                        seen.append(outcome.status)  # noqa: PERF401 - the loop raises at its end
            assert Counter(seen) == {"found": 25}
            assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())


def _failing() -> Iterator[str]:
    yield from people(25)
    msg = "disk"
    raise OSError(msg)


async def _failing_async() -> AsyncIterator[str]:
    for person in people(25):
        yield person
        await asyncio.sleep(0.5)
    msg = "disk"
    raise OSError(msg)


def test_jobs_open_and_rows_waiting_are_bounded() -> None:
    async def main() -> None:
        bench = Bench("unlimited")
        bench.api.duration = lambda size: 60.0
        run = bench.run(people(3_000), max_open_jobs=20)
        waiting = 0
        async with run:
            async for _ in run:
                waiting = max(waiting, run.statistics().rows_waiting)
        assert bench.api.most_open == 20
        assert waiting <= 10 * (20 + 4) + 10

    run_virtual(main())


def test_a_slow_consumer_slows_submission() -> None:
    async def main() -> None:
        bench = Bench("unlimited")
        bench.api.duration = lambda size: 0.1
        run = bench.run(people(20_000), batch_size=100, max_open_jobs=8)
        async with run:
            taken = 0
            async for _ in run:
                taken += 1
                if taken in {100, 5_000}:
                    await asyncio.sleep(3_600)
                    statistics = run.statistics()
                    assert statistics.outcomes_queued <= 1_000 + 32 * 100
                    assert statistics.rows_read <= taken + statistics.outcomes_queued + 1_400
        assert taken == 20_000

    run_virtual(main())


@pytest.mark.parametrize("is_async", [True, False])
def test_an_input_that_is_cancelled_by_itself_has_not_come_to_its_end(is_async: bool) -> None:
    async def main() -> None:
        bench, rows = Bench(), people(40)

        def pulled() -> Iterator[str]:
            yield from rows[:15]
            raise asyncio.CancelledError

        async def slowly() -> AsyncIterator[str]:
            for row in pulled():
                yield row
                await asyncio.sleep(0)

        outcomes = []
        async with bench.run(slowly() if is_async else pulled()) as run:
            with pytest.raises(RuntimeError, match="cancelled before its end"):
                async for outcome in run:
                    outcomes.append(outcome)  # noqa: PERF401 - those before the error
        assert sorted(outcome.row for outcome in outcomes) == list(range(15))

    run_virtual(main())


def test_an_endless_input_is_read_as_it_is_consumed() -> None:
    async def main() -> None:
        bench = Bench("unlimited")

        def endless() -> Iterator[str]:
            number = 0
            while True:
                number += 1
                yield str(uuid.UUID(int=number % 500, version=4))

        seen = 0
        async with bench.run(endless(), batch_size=50, max_open_jobs=4) as run:
            async for _ in run:
                seen += 1
                if seen == 20_000:
                    break
        assert len(bench.api.submits) <= 12
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())


def test_the_same_person_for_ever_does_not_fill_the_memory_nor_stall() -> None:
    async def main() -> None:
        bench = Bench("unlimited")

        def endless() -> Iterator[str]:
            while True:
                yield str(uuid.UUID(int=1, version=4))

        seen = 0
        async with bench.run(endless(), batch_size=50, max_open_jobs=4) as run:
            async for _ in run:
                seen += 1
                assert run.statistics().rows_waiting < 1_000
                if seen == 5_000:
                    break
        assert len(bench.api.submits) == 1

    run_virtual(main())


def test_what_comes_back_refused_does_not_pile_up_on_what_was_read() -> None:
    async def main() -> None:
        bench, size, workers = Bench(), 10, 32
        rows = [f"https://www.linkedin.com/in/person-{number}" for number in range(300)]
        ready: list[int] = []

        def refuse(keys: Sequence[str]) -> PubrioError | None:
            ready.append(run.statistics().batches_ready)
            return RateLimitedError("slow down", status=429) if 0.25 < bench.now() < 60 else None

        bench.api.every_submit = refuse
        run = bench.run(rows, batch_size=size, max_workers=workers)
        assert statuses(await collect(run)) == {"found": 300}
        assert run.report.rate_limited >= workers
        assert workers < max(ready) <= workers + 4 + size

    run_virtual(main())


def test_everybody_sets_to_work_at_once_when_much_becomes_due() -> None:
    async def main() -> None:
        bench = Bench("6000/minute")
        run = bench.run(people(400), max_open_jobs=40, order="makespan")
        assert statuses(await collect(run)) == {"found": 400}
        # One batch goes ahead; the others' jobs are due together, and there are 32 workers.
        first = min(at for at, _ in bench.api.polls[1:])
        assert sum(at == first for at, _ in bench.api.polls) >= 31

    run_virtual(main())
