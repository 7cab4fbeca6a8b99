"""What a run hands out: one outcome for each row, whatever the rows are and whatever happens."""

from __future__ import annotations

import asyncio
import math
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pubrio_async import (
    AuthenticationError,
    BadRequestError,
    BudgetExhaustedError,
    ConfigurationError,
    DecodeError,
    InsufficientCreditsError,
    NotFoundError,
    NotSentError,
    PermissionDeniedError,
    PubrioError,
    RateLimitedError,
    ResponseError,
    ResponseLostError,
    ServerError,
)
from pubrio_async.scheduler.journal_memory import MemoryJournal
from pubrio_async.testing import VirtualClock, run_virtual
from tests.scheduler.fake_api import PRICE, AfterWorkError, Bench, UnsentError, collect, people

LOST = [
    ResponseLostError("the connection broke", may_have_charged=True),
    ServerError("failed", status=503, may_have_charged=True),
    DecodeError("garbage", status=200, may_have_charged=True),
    ResponseError("a redirect", status=302, may_have_charged=True),
]


def statuses(outcomes: dict[int, Any]) -> Counter[str]:
    return Counter(outcome.status for outcome in outcomes.values())


# ------------------------------------------------------------------------------------- rows


ROW = st.one_of(
    st.integers(0, 30).map(lambda n: str(uuid.UUID(int=n, version=4))),
    st.integers(0, 30).map(lambda n: f" {uuid.UUID(int=n, version=4)} ".upper()),
    st.integers(0, 5).map(lambda n: f"https://www.linkedin.com/in/person-{n}"),
    st.integers(0, 5).map(lambda n: f"uk.linkedin.com/in/Person-{n}/?trk=x"),
    st.sampled_from(["", " ", "no id", "https://example.com/in/person", "\x00", "é"]),
)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(ROW, max_size=60), size=st.integers(1, 12), order=st.booleans())
def test_every_row_has_one_outcome_and_every_person_is_sent_once(
    rows: list[str], size: int, order: bool
) -> None:
    async def main() -> None:
        bench = Bench()
        run = bench.run(rows, batch_size=size, order="makespan" if order else "results")
        outcomes = await collect(run)
        assert sorted(outcomes) == list(range(len(rows)))
        assert all(outcomes[row].person == person for row, person in enumerate(rows))
        sent = [key for _, _, keys in bench.api.submits for key in keys]
        assert len(sent) == len(set(sent)) == run.report.unique
        assert set(bench.api.charged.values()) <= {1}
        assert run.report.credits_charged == PRICE * len(sent)
        by_key: dict[str, set[str]] = {}
        for outcome in outcomes.values():
            if outcome.status == "found":
                by_key.setdefault(outcome.emails[0].value, set()).add(
                    outcome.people_search_id or ""
                )
            else:
                assert outcome.status == "rejected"
                assert "nothing was charged" in (outcome.error or "")
        assert all(len(ids) == 1 for ids in by_key.values())
        assert len(by_key) == len(sent)

    run_virtual(main())


async def _nothing() -> AsyncIterator[str]:
    for row in ():
        yield row


@pytest.mark.parametrize("rows", [[], iter(()), _nothing])
def test_an_empty_input_ends_at_once_without_a_request(rows: Any) -> None:
    async def main() -> None:
        bench = Bench()
        assert await collect(bench.run(rows() if callable(rows) else rows)) == {}
        assert not bench.api.events

    run_virtual(main())


def test_rows_may_be_none_or_uuid_objects() -> None:
    async def main() -> None:
        person = uuid.uuid4()
        outcomes = await collect(Bench().run([None, person, 7]))
        assert [outcomes[row].status for row in range(3)] == ["rejected", "found", "rejected"]
        assert outcomes[1].person == str(person)

    run_virtual(main())


@pytest.mark.parametrize("rows", ["one-id", b"bytes", 5])
def test_what_is_not_a_list_of_people_is_refused_before_anything_is_sent(rows: Any) -> None:
    async def main() -> None:
        bench = Bench()
        with pytest.raises(ConfigurationError, match="people takes"):
            await collect(bench.run(rows))
        assert not bench.api.events

    run_virtual(main())


def test_a_lone_leftover_and_urls_go_through_the_single_endpoint() -> None:
    async def main() -> None:
        bench = Bench()
        url = "https://www.linkedin.com/in/someone"
        run = bench.run([*people(21), url])
        outcomes = await collect(run)
        assert statuses(outcomes) == {"found": 22}
        kinds = Counter(kind for _, kind, _ in bench.api.submits)
        assert kinds == {"batch": 2, "single": 2}
        assert run.report.requests == 2 * 2 + 2
        assert run.report.batches == 2
        assert outcomes[21].people_search_id
        assert outcomes[21].redeem_query_id is None
        assert outcomes[0].redeem_query_id is not None

    run_virtual(main())


def test_people_the_reply_does_not_name_are_empty_and_free() -> None:
    async def main() -> None:
        bench = Bench()
        rows = people(10)
        bench.api.empty = set(rows[:4])
        run = bench.run(rows)
        outcomes = await collect(run)
        assert [outcomes[row].status for row in range(10)] == ["empty"] * 4 + ["found"] * 6
        assert run.report.credits_charged == 6 * PRICE

    run_virtual(main())


def test_a_duplicate_that_comes_after_its_person_was_settled_is_served_from_the_journal() -> None:
    async def main() -> None:
        bench = Bench()
        rows = people(10)
        settled = asyncio.Event()

        async def slow() -> AsyncIterator[str]:
            for person in rows:
                yield person
            await settled.wait()
            for person in rows:
                yield person.upper()

        outcomes = {}
        async with bench.run(slow()) as run:
            async for outcome in run:
                outcomes[outcome.row] = outcome
                settled.set()
        assert statuses(outcomes) == {"found": 20}
        assert [outcomes[10 + row].emails for row in range(10)] == [
            outcomes[row].emails for row in range(10)
        ]
        assert len(bench.api.submits) == 1
        assert run.report.unique == 10

    run_virtual(main())


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


# ---------------------------------------------------------------------------------- polling


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


# --------------------------------------------------------------------------------- failures


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


@pytest.mark.parametrize("error", LOST, ids=lambda error: type(error).__name__)
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
            bench.api.on_submit.append(AfterWorkError(LOST[0]))

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


@pytest.mark.parametrize("error", LOST[:3], ids=lambda error: type(error).__name__)
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


# ----------------------------------------------------------------------------------- budget


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
        bench.api.on_submit.append(LOST[0])
        run = bench.run(people(100), max_credits=20 * PRICE)
        assert statuses(await collect(run)) == {"unsettled": 10, "found": 10, "skipped": 80}

    run_virtual(main())


# -------------------------------------------------------------------------------- resuming


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


def test_tasks_that_share_a_run_all_come_to_its_end() -> None:
    async def main() -> None:
        async def take() -> list[int]:
            rows: list[int] = []
            async for outcome in run:
                rows.append(outcome.row)
                await asyncio.sleep(0.01)
            return rows

        async with Bench().run(people(50)) as run:
            taken = await asyncio.gather(take(), take(), take())
        assert all(taken)
        assert sorted(row for rows in taken for row in rows) == list(range(50))

    run_virtual(main())


@pytest.mark.parametrize("status", ["found", "unsettled", "pending"])
def test_the_outcomes_of_a_batch_come_in_the_order_of_its_rows(status: str) -> None:
    async def main() -> None:
        bench = Bench()
        rows = [person for person in people(20) for _ in range(2)]
        if status == "unsettled":
            bench.api.every_submit = lambda keys: LOST[0]
        elif status == "pending":
            bench.api.duration = lambda size: 1e6
        async with bench.run(rows, batch_size=20, deadline=200.0) as run:
            outcomes = [outcome async for outcome in run]
        assert {outcome.status for outcome in outcomes} == {status}
        assert [outcome.row for outcome in outcomes] == list(range(40))

    run_virtual(main())
