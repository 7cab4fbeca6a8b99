"""When jobs are polled: not before their estimate, not after their end, not for ever."""

from __future__ import annotations

from typing import Any

import pytest

from pubrio_async import BadRequestError, NotFoundError, PubrioError, ResponseError, ServerError
from pubrio_async.testing import VirtualClock, run_virtual
from tests.scheduler.fake_api import Bench, collect, people, statuses
from tests.scheduler.uncertain import UNCERTAIN


@pytest.mark.parametrize("order", ["results", "makespan"])
@pytest.mark.parametrize("rate", ["60/minute", "300/minute", "unlimited"])
def test_no_job_is_polled_before_its_estimate_nor_after_its_end(order: str, rate: str) -> None:
    async def main() -> None:
        bench = Bench(rate)
        run = bench.run(people(2_000), order=order)
        assert statuses(await collect(run)) == {"found": 2_000}
        assert bench.api.early_polls == 0
        assert bench.api.late_polls == 0
        assert run.report.polls == run.report.batches == 200
        assert run.report.polls_per_batch == 1.0
        assert run.report.rate_limited == 0

    run_virtual(main())


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("second", 1),
        ("seconds", 1),
        ("minute", 60),
        ("Minutes", 60),
        ("hour", 3600),
        ("HOURS", 3600),
    ],
)
def test_the_estimate_is_read_in_every_unit(unit: str, factor: int) -> None:
    async def main() -> None:
        bench = Bench()
        bench.api.duration = lambda size: 0.5 * factor
        bench.api.estimate = lambda seconds: (seconds / factor, unit)
        run = bench.run(people(10))
        await collect(run)
        assert run.report.polls == 1
        assert 0.5 * factor <= run.report.elapsed_s <= 0.5 * factor + 0.4 + 10

    run_virtual(main())


@pytest.mark.parametrize(
    "estimate", [(None, None), (5, "fortnight"), (None, "second"), (-3, "second")]
)
def test_without_a_usable_estimate_polls_back_off(estimate: tuple[Any, Any]) -> None:
    async def main() -> None:
        bench = Bench()
        bench.api.duration = lambda size: 300.0
        bench.api.estimate = lambda seconds: estimate
        run = bench.run(people(10))
        assert statuses(await collect(run)) == {"found": 10}
        assert run.report.polls < 40
        assert run.report.elapsed_s < 300 + 80

    run_virtual(main())


def test_a_job_that_never_finishes_ends_as_pending_with_its_id() -> None:
    async def main() -> None:
        bench = Bench()
        bench.api.duration = lambda size: 1e9 if size == 10 else 5.0
        bench.api.estimate = lambda seconds: (6, "second")
        rows = people(15)
        run = bench.run(rows, job_timeout=600)
        outcomes = await collect(run)
        assert statuses(outcomes) == {"pending": 10, "found": 5}
        assert outcomes[0].redeem_query_id in bench.api.jobs
        assert "600 s" in (outcomes[0].error or "")
        assert run.report.polls < 60

    run_virtual(main())


class UneasyClock(VirtualClock):
    """Moves between any two looks, and is slower than the loop: timers ring before their time."""

    def __init__(self, step: float) -> None:
        super().__init__()
        self._step = step
        self._looks = 0

    def now(self) -> float:
        self._looks += 1
        return 0.9999 * super().now() + self._step * self._looks


@pytest.mark.parametrize("step", [0.0, 1e-7, 1e-6, 1e-5, 1e-4])
def test_timers_that_ring_early_and_a_clock_that_moves_on_miss_nothing(step: float) -> None:
    async def main() -> None:
        for count in (7, 250):
            bench = Bench("60/minute", clock=UneasyClock(step))
            run = bench.run(people(count))
            assert statuses(await collect(run)) == {"found": count}

    run_virtual(main())


@pytest.mark.parametrize("error", UNCERTAIN[:3], ids=lambda error: type(error).__name__)
def test_a_poll_is_repeated_whatever_happens_to_it(error: PubrioError) -> None:
    async def main() -> None:
        bench = Bench()
        bench.api.on_query.extend([error] * 5)
        run = bench.run(people(30))
        assert statuses(await collect(run)) == {"found": 30}
        assert set(bench.api.charged.values()) == {1}

    run_virtual(main())


def test_a_job_whose_state_cannot_be_read_is_given_up_after_a_while() -> None:
    async def main() -> None:
        bench = Bench()
        bench.api.every_query = lambda query_id: ServerError("failed", status=500)
        run = bench.run(people(20))
        assert statuses(await collect(run)) == {"pending": 20}
        assert run.report.polls == 20

    run_virtual(main())


@pytest.mark.parametrize("kind", [NotFoundError, BadRequestError])
def test_an_id_the_api_does_not_know_yet_is_given_a_grace(kind: type[ResponseError]) -> None:
    async def main() -> None:
        bench = Bench()
        bench.api.on_query.extend([kind("unknown job", status=404)] * 2)
        run = bench.run(people(10))
        assert statuses(await collect(run)) == {"found": 10}

        bench.api.every_query = lambda query_id: kind("unknown job", status=404)
        run = bench.run(people(10, seed=2))
        outcomes = await collect(run)
        assert statuses(outcomes) == {"unsettled": 10}
        assert 60 <= run.report.elapsed_s <= 180
        assert "may have been charged" in (outcomes[0].error or "")

    run_virtual(main())
