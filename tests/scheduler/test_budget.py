"""No budget is overrun, and what is not charged is spent on others."""

from __future__ import annotations

import math

import pytest

from pubrio_async import BudgetExhaustedError
from pubrio_async.testing import run_virtual
from tests.scheduler.fake_api import PRICE, Bench, collect, people, statuses
from tests.scheduler.uncertain import UNCERTAIN


@pytest.mark.parametrize("max_credits", [0, 4, 5, 33, 50, 137, 10_000])
def test_reserved_and_charged_never_exceed_the_budget(max_credits: int) -> None:
    async def main() -> None:
        bench = Bench()
        run = bench.run(people(100), max_credits=max_credits)
        spent = 0.0
        async with run:
            async for _ in run:
                now = run.statistics()
                spent = max(spent, now.credits_reserved + now.report.credits_charged)
        assert spent <= max_credits
        affordable = min(100, max_credits // PRICE)
        assert run.report.found == affordable
        assert run.report.skipped == 100 - affordable
        assert isinstance(run.stopped_by, BudgetExhaustedError) == (affordable < 100)

    run_virtual(main())


def test_a_budget_without_end_is_no_bound() -> None:
    async def main() -> None:
        run = Bench().run(people(20), max_credits=math.inf)
        assert statuses(await collect(run)) == {"found": 20}
        assert run.stopped_by is None

    run_virtual(main())


def test_what_is_not_charged_is_spent_on_others() -> None:
    async def main() -> None:
        bench = Bench()
        rows = people(100)
        bench.api.empty = set(rows[::2])
        run = bench.run(rows, max_credits=60 * PRICE)
        assert statuses(await collect(run)) == {"found": 50, "empty": 50}
        assert run.stopped_by is None

    run_virtual(main())


def test_a_lost_reply_keeps_its_worst_case_reserved() -> None:
    async def main() -> None:
        bench = Bench()
        bench.api.on_submit.append(UNCERTAIN[0])
        run = bench.run(people(100), max_credits=20 * PRICE)
        assert statuses(await collect(run)) == {"unsettled": 10, "found": 10, "skipped": 80}

    run_virtual(main())
