"""A lost refusal is taken for the refusal it was, if it is surely that of the lost request."""

from __future__ import annotations

import asyncio
import itertools
import math
from pathlib import Path
from typing import Any

import pytest

from pubrio_async import (
    AuthenticationError,
    BadRequestError,
    InsufficientCreditsError,
    MemoryJournal,
    PubrioError,
    RateLimitedError,
)
from pubrio_async._phase import Phase
from pubrio_async.scheduler.journal import Batch
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from pubrio_async.testing import VirtualClock, run_virtual
from tests.scheduler.fake_api import Bench, collect, people, statuses
from tests.scheduler.losses import (
    LOST,
    api_error,
    carried_out_and_logged_late,
    in_order,
    logged,
    noted,
    submits,
)


@pytest.mark.parametrize("number", [1, 9])
@pytest.mark.parametrize("is_new", [True, False])
def test_the_lost_refusal_of_a_few_counts_if_nobody_can_have_asked_for_them_before(
    tmp_path: Path, number: int, is_new: bool
) -> None:
    """A few people have few orders to tell requests apart by."""

    async def main() -> None:
        bench, rows = Bench(), people(number)
        kind = "single" if number == 1 else "batch"
        refused = api_error(InsufficientCreditsError, 402)

        def lose(keys: Any) -> PubrioError:
            bench.api.note(kind, keys, refused, status=402)
            return LOST

        bench.api.on_submit.append(lose)
        journal = SqliteJournal(tmp_path / "run.db") if is_new else MemoryJournal()
        run = bench.run(rows, journal=journal)
        outcomes = await collect(run)
        assert statuses(outcomes) == {"failed" if is_new else "unsettled": number}
        assert "402" in str(outcomes[0].error)
        assert ("may have been another one" in str(outcomes[0].error)) is not is_new
        assert isinstance(run.stopped_by, InsufficientCreditsError) is is_new
        # What nobody was charged for is sent by the next run, and only that.
        await collect(bench.run(rows, journal=journal))
        assert len(submits(bench)) == (2 if is_new else 1)

    run_virtual(main())


def test_the_refusal_of_a_few_that_was_answered_is_not_that_of_a_later_request(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        bench, rows = Bench(), people(9)
        never_logged = carried_out_and_logged_late(bench, 1e9)
        bench.api.on_submit.extend([logged(bench, RateLimitedError, 429), never_logged])
        outcomes = await collect(bench.run(rows, journal=SqliteJournal(tmp_path / "run.db")))
        assert statuses(outcomes) == {"unsettled": 9}
        assert "may have been another one" in str(outcomes[0].error)
        assert len(submits(bench)) == 2

    run_virtual(main())


def test_no_two_requests_have_people_in_the_same_order() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(30)
        bench.api.every_submit = lambda keys: (
            api_error(RateLimitedError, 429) if len(bench.api.submits) < 40 else None
        )
        assert statuses(await collect(bench.run(rows))) == {"found": 30}
        sent = in_order(bench)
        assert len(sent) > 40
        assert len(set(sent)) == len(sent)
        assert len(set(submits(bench))) == 3

    run_virtual(main())


def test_a_lost_refusal_is_taken_for_the_refusal_it_was() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(10)
        bench.api.on_submit.append(logged(bench, BadRequestError, 400, LOST))
        outcomes = await collect(bench.run(rows))
        # Halved, like any refused batch.
        assert statuses(outcomes) == {"found": 10}
        whole, first, second = submits(bench)
        assert (len(first), first | second) == (5, whole)

    run_virtual(main())


@pytest.mark.parametrize(
    ("kind", "status"), [(InsufficientCreditsError, 402), (AuthenticationError, 401)]
)
def test_a_lost_refusal_of_the_key_or_the_balance_ends_the_run(
    kind: type[PubrioError], status: int
) -> None:
    async def main() -> None:
        bench = Bench()
        bench.api.on_submit.append(logged(bench, kind, status, LOST))
        run = bench.run(people(30), max_open_jobs=1)
        outcomes = await collect(run)
        assert isinstance(run.stopped_by, kind)
        assert statuses(outcomes) == {"failed": 10, "skipped": 20}

    run_virtual(main())


@pytest.mark.parametrize("retry_after", [1.0, 60.0])
def test_a_lost_429_is_found_after_one_that_was_answered(retry_after: float) -> None:
    async def main() -> None:
        bench, rows = Bench(), people(10)
        refused = RateLimitedError("full", status=429, retry_after=retry_after)
        for arrives in (refused, LOST):
            bench.api.on_submit.append(noted(bench, refused, arrives))
        assert statuses(await collect(bench.run(rows))) == {"found": 10}
        assert len(submits(bench)) == 3

    run_virtual(main())


def test_a_search_that_takes_long_is_not_the_last_one_for_that() -> None:
    """A refusal counts the last time it is met, and there is a last time however long it takes."""

    async def main() -> None:
        bench = Bench()
        bench.api.on_submit.append(logged(bench, InsufficientCreditsError, 402, LOST))
        look, asked = bench.api._look, itertools.count(1)

        async def slowly(about: int | str, ticket: int, phase: Phase) -> None:
            await look(about, ticket, phase)
            if next(asked) == 3:  # the first of the second search
                await asyncio.sleep(45)

        bench.api._look = slowly  # type: ignore[method-assign] # takes its time once
        run = bench.run(people(10))
        assert statuses(await collect(run)) == {"failed": 10}
        assert isinstance(run.stopped_by, InsufficientCreditsError)

    run_virtual(main())


def test_refusals_that_are_always_lost_come_to_an_end() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(10)
        bench.api.on_submit.extend([logged(bench, RateLimitedError, 429, LOST)] * 1_000)
        assert statuses(await collect(bench.run(rows))) == {"failed": 10}
        assert len(submits(bench)) <= 20

    run_virtual(main())


def test_a_lost_429_is_told_from_those_that_were_answered() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(10)
        refused = logged(bench, RateLimitedError, 429)
        refusal_lost = logged(bench, RateLimitedError, 429, LOST)
        bench.api.on_submit.extend([refused, refusal_lost])
        outcomes = await collect(bench.run(rows))
        assert statuses(outcomes) == {"found": 10}
        assert submits(bench) == [frozenset(rows)] * 3

    run_virtual(main())


def test_an_answered_429_says_nothing_of_a_later_loss() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(10)
        bench.api.on_submit.extend([logged(bench, RateLimitedError, 429), LOST])
        outcomes = await collect(bench.run(rows))
        assert statuses(outcomes) == {"unsettled": 10}
        assert submits(bench) == [frozenset(rows)] * 2

    run_virtual(main())


@pytest.mark.parametrize("cost", [50, math.nan])
def test_a_refusal_that_has_cost_credits_is_none(cost: float) -> None:
    async def main() -> None:
        bench, rows = Bench(), people(10)
        journal = MemoryJournal(VirtualClock())
        await journal.open(("email-work",))
        await journal.intend(Batch("b1", "batch", tuple(rows)))
        error = api_error(BadRequestError, 400)
        bench.api.note("batch", rows, error, status=400, credits=cost)
        await asyncio.sleep(600)
        assert statuses(await collect(bench.run(rows, journal=journal))) == {"unsettled": 10}
        assert not submits(bench)

    run_virtual(main())


def test_what_is_kept_of_refusals_goes_with_their_batch() -> None:
    async def main() -> None:
        bench = Bench()
        refused = logged(bench, RateLimitedError, 429)
        refusal_lost = logged(bench, RateLimitedError, 429, LOST)
        bench.api.on_submit.extend([refused, refusal_lost, None, refusal_lost])
        run = bench.run(people(30))
        assert statuses(await collect(run)) == {"found": 30}
        engine = run._engine
        assert engine is not None
        assert run.report.rate_limited == 3
        assert not engine._ends.refusals

    run_virtual(main())
