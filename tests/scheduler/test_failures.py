"""What fails: a refusal costs what it is about; what may be carried out is not sent twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from pubrio_async import (
    AuthenticationError,
    BadRequestError,
    InsufficientCreditsError,
    NotSentError,
    PermissionDeniedError,
    PubrioError,
    RateLimitedError,
    ResponseError,
    ResponseLostError,
    ServerError,
)
from pubrio_async.scheduler import Run
from pubrio_async.scheduler.journal_memory import MemoryJournal
from pubrio_async.scheduler.outage import Losses
from pubrio_async.testing import run_virtual
from tests.scheduler.fake_api import AfterWorkError, Bench, UnsentError, collect, people, statuses
from tests.scheduler.uncertain import UNCERTAIN

_DOWN = [
    ResponseLostError("the connection broke", may_have_charged=True),
    ServerError("down", status=503, may_have_charged=True),
]


def test_a_refusal_with_429_is_waited_out_and_costs_nothing() -> None:
    async def main() -> None:
        bench = Bench()
        refused = [RateLimitedError("full", retry_after=after) for after in (30.0, None, 0.0)]
        bench.api.on_submit.extend(refused)
        bench.api.on_query.append(RateLimitedError("full", retry_after=None))
        run = bench.run(people(30))
        assert statuses(await collect(run)) == {"found": 30}
        assert run.report.rate_limited == 4
        assert run.report.retries == 4
        assert set(bench.api.charged.values()) == {1}
        assert run.report.requests == 6 + 4
        assert bench.api.submits[0][0] >= 30

    run_virtual(main())


def test_a_limit_that_refuses_for_more_than_an_hour_ends_the_run() -> None:
    async def main() -> None:
        for what in ("submit", "query"):
            bench = Bench()
            refusal = RateLimitedError("the day's quota", retry_after=None)
            if what == "submit":
                bench.api.every_submit = lambda keys: refusal  # noqa: B023 - one at a time
            else:
                bench.api.every_query = lambda query_id: refusal  # noqa: B023 - one at a time
            run = bench.run(people(20))
            outcomes = await collect(run)
            ends = {"skipped": 20} if what == "submit" else {"pending": 20}
            assert statuses(outcomes) == ends
            assert run.stopped_by is refusal
            assert 3_600 <= run.report.elapsed_s <= 4_200
            assert run.report.rate_limited <= 90

    run_virtual(main())


@pytest.mark.parametrize("error", UNCERTAIN, ids=lambda error: type(error).__name__)
def test_a_submit_that_may_have_been_carried_out_is_never_sent_again(error: PubrioError) -> None:
    async def main() -> None:
        bench = Bench()
        bench.api.on_submit.extend([None, error])
        run = bench.run(people(30))
        outcomes = await collect(run)
        assert statuses(outcomes) == {"found": 20, "unsettled": 10}
        assert len([event for event in bench.api.events if event[0] == "submit"]) == 3
        lost = [o for o in outcomes.values() if o.status == "unsettled"]
        assert all(str(error) in (o.error or "") for o in lost)

    run_virtual(main())


def test_a_submit_that_surely_did_not_leave_is_sent_again() -> None:
    async def main() -> None:
        bench = Bench()
        bench.api.on_submit.extend([UnsentError(NotSentError("refused"))] * 5)
        run = bench.run(people(30))
        assert statuses(await collect(run)) == {"found": 30}
        assert run.report.retries == 5
        assert set(bench.api.charged.values()) == {1}
        assert run.report.requests == 6

    run_virtual(main())


@pytest.mark.parametrize("verb", ["submit", "query", "log_page"])
def test_a_flaw_of_this_package_ends_the_run_in_order(
    verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        bench, journal = Bench(), MemoryJournal()
        if verb == "log_page":
            bench.api.on_submit.append(AfterWorkError(UNCERTAIN[0]))

        async def flawed(*_: object) -> None:
            raise ZeroDivisionError

        with monkeypatch.context() as patched:
            patched.setattr(bench.api, verb, flawed)
            run = bench.run(people(40), journal=journal, max_workers=1)
            ends: Counter[str] = Counter()
            with pytest.raises(ZeroDivisionError):
                async with run, asyncio.timeout(3_600):
                    async for outcome in run:
                        ends[outcome.status] += 1
        assert ends.total() >= 30, "but for those of the batch in hand everyone has an end"
        assert ends.keys() <= {"skipped", "pending", "unsettled"}
        rest = await collect(bench.run(people(40), journal=journal))
        assert statuses(rest)["found"] >= 30
        assert set(bench.api.charged.values()) == {1}

    run_virtual(main())


def test_an_api_that_stays_unreachable_ends_the_run_in_time() -> None:
    async def main() -> None:
        bench = Bench()
        bench.api.on_submit.extend([UnsentError(NotSentError("connection refused"))] * 1_000)
        run = bench.run(people(100))
        outcomes = await collect(run)
        assert set(statuses(outcomes)) <= {"failed", "skipped"}
        assert statuses(outcomes)["failed"] >= 10
        assert isinstance(run.stopped_by, NotSentError)
        assert 120 <= run.report.elapsed_s <= 160
        assert len(bench.api.events) < 300

    run_virtual(main())


@pytest.mark.parametrize("error", _DOWN)
def test_an_api_that_answers_nothing_is_not_sent_everybody(error: PubrioError) -> None:
    """Whoever is sent may never be found, and would have to be paid for twice."""

    async def main() -> None:
        bench, rows = Bench(), people(3_000)
        bench.api.every_submit = lambda keys: error
        bench.api.log_delay = 1e9
        run = bench.run(rows, unreachable_after=60.0)
        told = statuses(await collect(run))
        assert run.stopped_by is error
        assert set(told) == {"unsettled", "skipped"}
        assert told["unsettled"] <= 100
        assert bench.now() <= 200

    run_virtual(main())


@pytest.mark.parametrize("error", _DOWN)
def test_an_api_that_is_down_for_a_while_is_waited_for(error: PubrioError) -> None:
    async def main() -> None:
        bench, rows = Bench(), people(3_000)
        bench.api.every_submit = lambda keys: error if 0.3 <= bench.now() < 30 else None
        bench.api.log_delay = 1e9
        run = bench.run(rows)
        told = statuses(await collect(run))
        assert run.stopped_by is None
        assert set(told) == {"unsettled", "found"}
        assert told["unsettled"] <= 500

    run_virtual(main())


@pytest.mark.parametrize("error", _DOWN)
def test_runs_that_share_what_they_know_of_losses_send_one_request_at_a_time(
    error: PubrioError,
) -> None:
    """However many there are, and end together; one that comes later learns it with one request."""

    async def outcomes(run: Run) -> Counter[str]:
        async with run:
            return Counter([outcome.status async for outcome in run])

    async def main() -> None:
        bench, rows = Bench(), people(3_000)
        bench.losses = Losses(60.0, bench.clock, 3_600.0)
        bench.api.every_submit = lambda keys: error
        bench.api.log_delay = 1e9
        runs = [bench.run(rows[at : at + 300]) for at in range(0, 2_700, 300)]
        told = sum(await asyncio.gather(*map(outcomes, runs)), Counter[str]())
        assert {run.stopped_by for run in runs} == {error}
        assert told.keys() == {"unsettled", "skipped"}
        # Eleven before it was known, and after 1, 3, 7, 15, 31 and 63 s one alone.
        assert told["unsettled"] == (11 + 6) * 10
        for _ in range(3):
            later = await outcomes(bench.run(rows[2_700:]))
            assert later == {"unsettled": 10, "skipped": 290}
        assert bench.now() >= 240
        bench.api.every_submit = lambda keys: None
        assert await outcomes(bench.run(rows[2_700:])) == {"found": 300}
        assert not bench.losses.is_hopeless

    run_virtual(main())


def test_once_one_is_answered_all_that_share_what_they_know_go_on_at_once() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(600)
        bench.losses = Losses(600.0, bench.clock, 3_600.0)
        bench.api.every_submit = lambda keys: _DOWN[0] if bench.now() < 40 else None
        bench.api.log_delay = 1e9
        runs = [bench.run(rows[:300]), bench.run(rows[300:])]

        async def last(run: Run) -> float:
            async with run:
                async for _ in run:
                    pass
            return bench.now()

        ended = await asyncio.gather(*map(last, runs))
        assert max(ended) - min(ended) <= 30
        assert max(ended) <= 200

    run_virtual(main())


def test_an_api_that_vanishes_while_jobs_are_open_leaves_them_pending() -> None:
    async def main() -> None:
        bench = Bench()
        bench.api.on_query.extend([UnsentError(NotSentError("connection refused"))] * 1_000)
        run = bench.run(people(20))
        outcomes = await collect(run)
        assert statuses(outcomes) == {"pending": 20}
        assert isinstance(run.stopped_by, NotSentError)

    run_virtual(main())


def test_one_bad_person_costs_one_row() -> None:
    async def main() -> None:
        bench = Bench()
        rows = people(100)
        bad = set(rows[37:39]) | {rows[90]}

        def refuse(keys: Any) -> PubrioError | None:
            return BadRequestError("unknown id", status=400) if bad & set(keys) else None

        bench.api.every_submit = refuse
        run = bench.run(rows, batch_size=50)
        outcomes = await collect(run)
        assert {o.person for o in outcomes.values() if o.status == "rejected"} == bad
        assert statuses(outcomes) == {"found": 97, "rejected": 3}
        assert set(bench.api.charged.values()) == {1}
        assert len(bench.api.submits) <= 40

    run_virtual(main())


def test_a_bound_on_the_batch_size_is_learnt_once() -> None:
    async def main() -> None:
        bench = Bench()

        def refuse(keys: Any) -> PubrioError | None:
            return BadRequestError("too many", status=400) if len(keys) > 25 else None

        bench.api.every_submit = refuse
        run = bench.run(people(1_000), batch_size=100)
        assert statuses(await collect(run)) == {"found": 1_000}
        refused = sum(len(keys) > 25 for _, _, keys in bench.api.submits)
        assert refused <= 20

    run_virtual(main())


def test_if_everyone_is_refused_the_request_is_at_fault_and_the_run_ends() -> None:
    async def main() -> None:
        bench = Bench()
        bench.api.every_submit = lambda keys: BadRequestError("no such type", status=400)
        run = bench.run(people(1_000), batch_size=100)
        outcomes = await collect(run)
        assert isinstance(run.stopped_by, BadRequestError)
        assert len(bench.api.submits) < 150
        assert statuses(outcomes)["skipped"] > 800

    run_virtual(main())


@pytest.mark.parametrize(
    ("error", "open_jobs"),
    [
        (AuthenticationError("key", status=401), "pending"),
        (PermissionDeniedError("plan", status=403), "pending"),
        (InsufficientCreditsError("credits", status=402), "found"),
    ],
    ids=["401", "403", "402"],
)
def test_a_refusal_of_the_whole_account_ends_the_run(error: PubrioError, open_jobs: str) -> None:
    async def main() -> None:
        bench = Bench(concurrency=1)
        bench.api.on_submit.extend([None, None, error])
        run = bench.run(people(100))
        outcomes = await collect(run)
        assert statuses(outcomes) == {open_jobs: 20, "failed": 10, "skipped": 70}
        assert run.stopped_by is error
        assert all(str(error) in (o.error or "") for o in outcomes.values() if o.error)

    run_virtual(main())


def test_an_unexpected_refusal_fails_its_batch_and_no_other() -> None:
    async def main() -> None:
        bench = Bench()
        bench.api.on_submit.extend([None, ResponseError("conflict", status=409)])
        run = bench.run(people(30))
        assert statuses(await collect(run)) == {"found": 20, "failed": 10}
        assert run.stopped_by is None

    run_virtual(main())


def test_a_flaw_of_the_package_is_raised_and_not_taken_for_a_failed_request() -> None:
    async def main() -> None:
        bench = Bench()

        def flaw(keys: Any) -> PubrioError | None:
            msg = "a flaw"
            raise TypeError(msg)

        bench.api.every_submit = flaw
        run = bench.run(people(20))
        with pytest.raises(TypeError, match="a flaw"):
            await collect(run)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())
