"""A lost answer is looked up in the API's request log: found, refused, unreadable or not there."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from pubrio_async import (
    AuthenticationError,
    BadRequestError,
    DecodeError,
    InsufficientCreditsError,
    MemoryJournal,
    NotFoundError,
    NotSentError,
    Outcome,
    PermissionDeniedError,
    PubrioError,
    RateLimitedError,
    ResponseLostError,
    ServerError,
)
from pubrio_async._phase import Phase
from pubrio_async.models import RedeemJob
from pubrio_async.scheduler.journal import Batch
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from pubrio_async.scheduler.logbook import LogEntry
from pubrio_async.scheduler.logsearch import Search
from pubrio_async.testing import VirtualClock, run_virtual
from tests.scheduler.fake_api import (
    AfterWorkError,
    Bench,
    UnsentError,
    collect,
    people,
    time_of_day,
)
from tests.together import together

LOST = ResponseLostError("The reply was lost: the connection broke.", may_have_charged=True)
URL = "https://www.linkedin.com/in/ada"


def statuses(outcomes: dict[int, Outcome]) -> Counter[str]:
    return Counter(outcome.status for outcome in outcomes.values())


def looks(bench: Bench) -> list[Any]:
    return [about for _, about in bench.api.looks]


def submits(bench: Bench) -> list[frozenset[str]]:
    return list(map(frozenset, in_order(bench)))


def in_order(bench: Bench) -> list[tuple[str, ...]]:
    return [about for what, about in bench.api.events if what == "submit"]


def test_a_job_whose_answer_was_lost_is_found_and_fetched() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(10)
        bench.api.on_submit.append(AfterWorkError(LOST))
        journal = MemoryJournal()
        outcomes = await collect(bench.run(rows, journal=journal))
        assert statuses(outcomes) == {"found": 10}
        assert submits(bench) == [frozenset(rows)]
        # One page, one entry: and not before the API has had its five seconds.
        assert looks(bench) == [1, "log-0"]
        assert bench.api.looks[0][0] >= 5.0
        assert set(bench.api.charged.values()) == {1}
        assert (await journal.summary()).found == 10

    run_virtual(main())


def test_the_contacts_of_a_lost_single_request_are_taken_from_the_log() -> None:
    async def main() -> None:
        bench = Bench()
        bench.api.on_submit.append(AfterWorkError(LOST))
        run = bench.run([URL])
        outcomes = await collect(run)
        assert outcomes[0].status == "found"
        assert [email.value for email in outcomes[0].emails] == [f"{URL}@example.com"]
        assert run.report.credits_charged == 5
        assert len(submits(bench)) == 1

    run_virtual(main())


def test_what_the_log_does_not_show_stays_unsettled_and_is_not_sent_again() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(10)
        bench.api.on_submit.append(LOST)
        journal = MemoryJournal()
        run, began = bench.run(rows, journal=journal), asyncio.get_running_loop().time()
        outcomes = await collect(run)
        assert statuses(outcomes) == {"unsettled": 10}
        assert 85 <= asyncio.get_running_loop().time() - began < 90
        assert "1 minute after it was sent it was not there." in str(outcomes[0].error)
        assert looks(bench) == [1, 1, 1]
        assert run.report.requests == 4
        # Nor by a later run.
        again = await collect(bench.run(rows, journal=journal))
        assert statuses(again) == {"unsettled": 10}
        assert len(submits(bench)) == 1

    run_virtual(main())


def test_a_log_that_takes_its_time_is_asked_again() -> None:
    async def main() -> None:
        bench = Bench()
        bench.api.log_delay = 40.0
        bench.api.on_submit.append(AfterWorkError(LOST))
        outcomes = await collect(bench.run(people(10)))
        assert statuses(outcomes) == {"found": 10}
        assert looks(bench) == [1, 1, 1, "log-0"]

    run_virtual(main())


@together
@pytest.mark.parametrize("zone_hours", [-9.5, 0.0, 5.75, 13.0])
def test_the_log_may_be_in_any_zone(zone_hours: float) -> None:
    async def main() -> None:
        bench = Bench()
        bench.api.log_zone_s = 3600 * zone_hours
        bench.api.on_submit.append(AfterWorkError(LOST))
        assert statuses(await collect(bench.run(people(10)))) == {"found": 10}
        assert looks(bench)[-2:] == [1, "log-0"]

    run_virtual(main())


def test_among_many_requests_the_right_one_is_found_with_few_questions() -> None:
    async def main() -> None:
        bench, rows = Bench("5/second"), people(3_000)
        bench.api.on_submit.extend([None] * 150)
        bench.api.on_submit.append(AfterWorkError(LOST))
        outcomes = await collect(bench.run(rows))
        assert statuses(outcomes) == {"found": 3_000}
        assert 2 <= len(looks(bench)) <= 12

    run_virtual(main())


def test_several_losses_share_the_questions() -> None:
    async def main() -> None:
        bench = Bench("unlimited")
        bench.api.on_submit.append(None)  # the first goes alone
        bench.api.on_submit.extend(AfterWorkError(LOST) for _ in range(12))
        outcomes = await collect(bench.run(people(200)))
        assert statuses(outcomes) == {"found": 200}
        asked = looks(bench)
        assert len(asked) == len(set(asked)), "nothing is asked twice"

    run_virtual(main())


def _error(kind: type[Any], status: int, **rest: Any) -> PubrioError:
    error: PubrioError = kind(f"the API said {status}", status=status, **rest)
    return error


def _noted(bench: Bench, error: PubrioError, arrives: PubrioError) -> Callable[[Any], PubrioError]:
    """The API logs this error for a batch, and this arrives."""

    def answer(keys: Any) -> PubrioError:
        bench.api.note("batch", keys, error, status=error.status)
        return arrives

    return answer


def _logged(
    bench: Bench, kind: type[Any], status: int, arrives: PubrioError | None = None
) -> Callable[[Any], PubrioError]:
    """The API logs this error for a batch, which arrives too, unless something else is named."""
    error = _error(kind, status)
    return _noted(bench, error, arrives or error)


@pytest.mark.parametrize("number", [1, 9])
@pytest.mark.parametrize("is_new", [True, False])
def test_the_lost_refusal_of_a_few_counts_if_nobody_can_have_asked_for_them_before(
    tmp_path: Path, number: int, is_new: bool
) -> None:
    """A few people have few orders to tell requests apart by."""

    async def main() -> None:
        bench, rows = Bench(), people(number)
        kind = "single" if number == 1 else "batch"
        refused = _error(InsufficientCreditsError, 402)

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
        never_logged = _carried_out_and_logged_late(bench, 1e9)
        bench.api.on_submit.extend([_logged(bench, RateLimitedError, 429), never_logged])
        outcomes = await collect(bench.run(rows, journal=SqliteJournal(tmp_path / "run.db")))
        assert statuses(outcomes) == {"unsettled": 9}
        assert "may have been another one" in str(outcomes[0].error)
        assert len(submits(bench)) == 2

    run_virtual(main())


def test_no_two_requests_have_people_in_the_same_order() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(30)
        bench.api.every_submit = lambda keys: (
            _error(RateLimitedError, 429) if len(bench.api.submits) < 40 else None
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
        bench.api.on_submit.append(_logged(bench, BadRequestError, 400, LOST))
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
        bench.api.on_submit.append(_logged(bench, kind, status, LOST))
        run = bench.run(people(30), max_open_jobs=1)
        outcomes = await collect(run)
        assert isinstance(run.stopped_by, kind)
        assert statuses(outcomes) == {"failed": 10, "skipped": 20}

    run_virtual(main())


REFUSALS = pytest.mark.parametrize(
    ("kind", "status"),
    [(InsufficientCreditsError, 402), (AuthenticationError, 401), (NotFoundError, 404)],
)


async def _refused_earlier(bench: Bench, rows: list[str], error: PubrioError) -> MemoryJournal:
    """The journal of a run that died before it heard that its only batch was refused."""
    journal = MemoryJournal(VirtualClock())
    await journal.open(("email-work",))
    await journal.intend(Batch("b1", "batch", tuple(rows)))
    bench.api.note("batch", rows, error, status=error.status)
    await asyncio.sleep(600)
    return journal


@REFUSALS
def test_a_refusal_of_an_earlier_run_is_asked_for_once_more(
    kind: type[PubrioError], status: int
) -> None:
    async def main() -> None:
        bench, rows = Bench(), people(10)
        journal = await _refused_earlier(bench, rows, _error(kind, status))
        # By now it may be another key, or another balance.
        assert statuses(await collect(bench.run(rows, journal=journal))) == {"found": 10}
        assert submits(bench) == [frozenset(rows)]

    run_virtual(main())


@REFUSALS
def test_a_refusal_is_not_taken_for_the_answer_to_what_the_next_run_has_sent(
    kind: type[PubrioError], status: int
) -> None:
    async def main() -> None:
        bench, rows = Bench(), people(10)
        journal = await _refused_earlier(bench, rows, _error(kind, status))
        bench.api.on_submit.append("hang")
        outcomes = await collect(bench.run(rows, journal=journal, deadline=20.0))
        assert statuses(outcomes) == {"unsettled": 10}
        bench.api.note("batch", rows, bench.api._work("batch", rows))
        # Two of the log's entries are about these people by now, and this is the third run.
        assert statuses(await collect(bench.run(rows, journal=journal))) == {"found": 10}
        assert submits(bench) == [frozenset(rows)], "by the second run"
        assert set(bench.api.charged.values()) == {1}

    run_virtual(main())


def _carried_out_and_logged_late(bench: Bench, lag: float) -> Callable[[Any], PubrioError]:
    """The API does its work, the answer is lost, and the log shows it so much later."""

    def answer(keys: Any) -> PubrioError:
        done = bench.api._work("batch", keys)
        at = time_of_day() + bench.now()

        def show() -> None:
            bench.api.note("batch", keys, done, at=at)
            bench.api.log.sort(key=lambda line: line[0].at)

        asyncio.get_running_loop().call_later(lag, show)
        return LOST

    return answer


@pytest.mark.parametrize(
    ("kind", "status", "gap", "lag"),
    [
        (InsufficientCreditsError, 402, 3.0, 7.0),
        (InsufficientCreditsError, 402, 30.0, 40.0),
        (InsufficientCreditsError, 402, 860.0, 20.0),  # near a step of what may be the log's zone
        (RateLimitedError, 429, 1.0, 8.0),
    ],
)
def test_the_answer_to_an_earlier_run_is_not_taken_for_that_to_this_one(
    kind: type[PubrioError], status: int, gap: float, lag: float
) -> None:
    """The same people, refused and sent again shortly after; the log lags behind."""

    async def main() -> None:
        bench, rows = Bench(), people(10)
        journal = MemoryJournal(VirtualClock())
        bench.api.on_submit.append(_logged(bench, kind, status))
        bench.api.on_submit.append(_carried_out_and_logged_late(bench, lag))
        await collect(bench.run(rows, journal=journal, deadline=0.3))
        await asyncio.sleep(gap)
        assert statuses(await collect(bench.run(rows, journal=journal))) == {"found": 10}
        assert len(submits(bench)) == 2
        assert set(bench.api.charged.values()) == {1}

    run_virtual(main())


@pytest.mark.parametrize("ahead_s", [3.0, 7.0, 40.0])
def test_a_log_whose_clock_is_ahead_does_not_make_a_refusal_later(ahead_s: float) -> None:
    async def main() -> None:
        bench, rows = Bench("unlimited"), people(10)
        bench.api.log_zone_s = ahead_s
        refused = RateLimitedError("full", status=429, retry_after=ahead_s)
        bench.api.on_submit.extend([_noted(bench, refused, refused), AfterWorkError(LOST)])
        assert statuses(await collect(bench.run(rows))) == {"found": 10}
        assert len(submits(bench)) == 2
        assert set(bench.api.charged.values()) == {1}

    run_virtual(main())


@pytest.mark.parametrize(
    ("kind", "status"), [(InsufficientCreditsError, 402), (RateLimitedError, 429)]
)
@pytest.mark.parametrize("late_s", [3.0, 8.0])
def test_a_success_that_is_farther_away_than_a_refusal_is_the_answer(
    kind: type[PubrioError], status: int, late_s: float
) -> None:
    """The refusal, of moments before, was an earlier run's; the request waited for a connection."""

    async def main() -> None:
        bench, rows = Bench("unlimited"), people(10)
        journal = MemoryJournal(VirtualClock())
        await journal.open(("email-work",))
        error = _error(kind, status)

        def carry_out(keys: Any) -> PubrioError:
            sent_at = time_of_day() + bench.now()
            bench.api.note("batch", keys, error, at=sent_at - 1.5, status=status)
            done = bench.api._work("batch", keys)
            bench.api.note("batch", keys, done, at=sent_at + late_s)
            bench.api.log.sort(key=lambda line: line[0].at)
            return LOST

        await asyncio.sleep(1_000)
        bench.api.on_submit.append(carry_out)
        assert statuses(await collect(bench.run(rows, journal=journal))) == {"found": 10}
        assert len(submits(bench)) == 1

    run_virtual(main())


def test_what_may_have_been_carried_out_comes_before_what_surely_was_not() -> None:
    async def main() -> None:
        bench, rows = Bench("unlimited"), people(10)

        def carry_out(keys: Any) -> PubrioError:
            sent_at = time_of_day() + bench.now()
            refused = _error(RateLimitedError, 429)
            timeout = _error(ServerError, 504)
            bench.api.note("batch", keys, refused, at=sent_at - 0.5, status=429)
            bench.api._work("batch", keys)
            bench.api.note("batch", keys, timeout, at=sent_at + 1.5, status=504)
            bench.api.log.sort(key=lambda line: line[0].at)
            return timeout

        bench.api.on_submit.append(carry_out)
        assert statuses(await collect(bench.run(rows))) == {"unsettled": 10}
        assert len(submits(bench)) == 1

    run_virtual(main())


@pytest.mark.parametrize("is_refused_first", [True, False])
def test_of_two_requests_for_the_same_people_one_that_was_free_is_not_sent_again(
    is_refused_first: bool,
) -> None:
    async def main() -> None:
        bench, rows = Bench(), people(10)
        journal = MemoryJournal(VirtualClock())
        bench.api.log_error = PermissionDeniedError("not on this plan", status=403)
        answers = [_logged(bench, InsufficientCreditsError, 402, LOST), AfterWorkError(LOST)]
        bench.api.on_submit.extend(answers if is_refused_first else reversed(answers))
        await collect(bench.run(rows, journal=journal))
        await asyncio.sleep(300)
        await collect(bench.run(None, journal=journal, contact_types=(), resend=True))
        await asyncio.sleep(300)
        bench.api.log_error = None
        resolved = bench.run(None, journal=journal, contact_types=(), reopen=True)
        assert statuses(await collect(resolved)) == {"found": 10}
        assert len(submits(bench)) == 2
        assert set(bench.api.charged.values()) == {1}

    run_virtual(main())


def test_a_refusal_of_a_day_later_is_not_taken_for_the_answer() -> None:
    """What the log told of the lost request is out of its reach by then."""

    async def main() -> None:
        bench, rows = Bench(), people(10)
        journal = MemoryJournal(VirtualClock())
        bench.api.log_error = PermissionDeniedError("not on this plan", status=403)
        bench.api.on_submit.append(AfterWorkError(LOST))
        await collect(bench.run(rows, journal=journal))
        await asyncio.sleep(86_400)
        bench.api.log.clear()
        bench.api.on_submit.append(_logged(bench, InsufficientCreditsError, 402))
        await collect(bench.run(None, journal=journal, contact_types=(), resend=True))
        await asyncio.sleep(300)
        bench.api.log_error = None
        resolved = bench.run(None, journal=journal, contact_types=(), reopen=True)
        assert statuses(await collect(resolved)) == {"unsettled": 10}
        assert len(submits(bench)) == 2

    run_virtual(main())


@pytest.mark.parametrize("retry_after", [1.0, 60.0])
def test_a_lost_429_is_found_after_one_that_was_answered(retry_after: float) -> None:
    async def main() -> None:
        bench, rows = Bench(), people(10)
        refused = RateLimitedError("full", status=429, retry_after=retry_after)
        for arrives in (refused, LOST):
            bench.api.on_submit.append(_noted(bench, refused, arrives))
        assert statuses(await collect(bench.run(rows))) == {"found": 10}
        assert len(submits(bench)) == 3

    run_virtual(main())


@pytest.mark.parametrize("late_s", [8.0, 30.0])
def test_how_late_an_earlier_run_was_says_nothing_of_this_one(late_s: float) -> None:
    async def main() -> None:
        bench, rows = Bench(), people(20)
        journal = MemoryJournal(VirtualClock())
        await journal.open(("email-work",))
        await journal.intend(Batch("b1", "batch", tuple(rows[:10])))
        stood_still_until = time_of_day() + bench.now() + late_s
        await asyncio.sleep(600)
        done = bench.api._work("batch", rows[:10])
        bench.api.note("batch", rows[:10], done, at=stood_still_until)
        bench.api.on_submit.append(AfterWorkError(LOST))

        async def then_others() -> AsyncIterator[str]:
            for row in rows[:10]:
                yield row
            await asyncio.sleep(60)
            for row in rows[10:]:
                yield row

        assert statuses(await collect(bench.run(then_others(), journal=journal))) == {"found": 20}
        assert len(submits(bench)) == 1

    run_virtual(main())


@pytest.mark.parametrize("every", [3, 4])
def test_a_search_outlives_refusals_that_come_now_and_then(every: int) -> None:
    """Another program uses the key, too."""

    async def main() -> None:
        bench = Bench("unlimited")
        bench.api.on_submit.append(None)  # the first goes alone
        bench.api.on_submit.extend(AfterWorkError(LOST) for _ in range(24))
        look, asked = bench.api._look, itertools.count(1)

        async def sometimes_refused(about: int | str, ticket: int, phase: Phase) -> None:
            if next(asked) % every == 0:
                bench.api.log_error = RateLimitedError("busy", status=429, retry_after=1.0)
            try:
                await look(about, ticket, phase)
            finally:
                bench.api.log_error = None

        bench.api._look = sometimes_refused  # type: ignore[method-assign] # refuses at times
        assert statuses(await collect(bench.run(people(250)))) == {"found": 250}

    run_virtual(main())


def test_a_search_that_takes_long_is_not_the_last_one_for_that() -> None:
    """A refusal counts the last time it is met, and there is a last time however long it takes."""

    async def main() -> None:
        bench = Bench()
        bench.api.on_submit.append(_logged(bench, InsufficientCreditsError, 402, LOST))
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
        bench.api.on_submit.extend([_logged(bench, RateLimitedError, 429, LOST)] * 1_000)
        assert statuses(await collect(bench.run(rows))) == {"failed": 10}
        assert len(submits(bench)) <= 20

    run_virtual(main())


def test_a_lost_429_is_told_from_those_that_were_answered() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(10)
        refused = _logged(bench, RateLimitedError, 429)
        refusal_lost = _logged(bench, RateLimitedError, 429, LOST)
        bench.api.on_submit.extend([refused, refusal_lost])
        outcomes = await collect(bench.run(rows))
        assert statuses(outcomes) == {"found": 10}
        assert submits(bench) == [frozenset(rows)] * 3

    run_virtual(main())


def test_an_answered_429_says_nothing_of_a_later_loss() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(10)
        bench.api.on_submit.extend([_logged(bench, RateLimitedError, 429), LOST])
        outcomes = await collect(bench.run(rows))
        assert statuses(outcomes) == {"unsettled": 10}
        assert submits(bench) == [frozenset(rows)] * 2

    run_virtual(main())


def test_a_logged_failure_of_the_server_does_not_settle_a_batch() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(10)
        failure = _error(ServerError, 500, may_have_charged=True)

        def fail(keys: Any) -> PubrioError:
            bench.api.note("batch", keys, failure, status=500, credits=0)
            return failure

        bench.api.on_submit.append(fail)
        outcomes = await collect(bench.run(rows))
        assert statuses(outcomes) == {"unsettled": 10}
        assert "The request log shows: the API said 500" in str(outcomes[0].error)
        # What may show a success later is looked at again; the entry is not.
        assert looks(bench) == [1, "log-0", 1, 1]

    run_virtual(main())


@pytest.mark.parametrize(
    ("cost", "status"),
    [(0, "failed"), (None, "unsettled"), (5, "unsettled"), (math.nan, "unsettled")],
)
def test_a_failed_single_request_cost_what_the_log_says(
    tmp_path: Path, cost: float | None, status: str
) -> None:
    async def main() -> None:
        bench = Bench()
        failure = _error(ServerError, 500, may_have_charged=True)

        def fail(keys: Any) -> PubrioError:
            bench.api.note("single", keys, failure, status=500, credits=cost)
            return failure

        bench.api.on_submit.append(fail)
        journal = SqliteJournal(tmp_path / "run.db")
        assert statuses(await collect(bench.run([URL], journal=journal))) == {status: 1}
        # What surely cost nothing may be sent by the next run.
        await collect(bench.run([URL], journal=journal))
        assert len(submits(bench)) == (2 if status == "failed" else 1)

    run_virtual(main())


@pytest.mark.parametrize("number", [1, 10])
@pytest.mark.parametrize("whole_after_s", [10.0, 60.0])
def test_an_entry_that_is_not_whole_yet_is_asked_for_again(
    number: int, whole_after_s: float
) -> None:
    async def main() -> None:
        bench, rows = Bench(), people(number)
        bench.api.on_submit.append(AfterWorkError(LOST))
        loop = asyncio.get_running_loop()

        def cut() -> None:
            line, entry = bench.api.log[0]
            garbled = _error(DecodeError, 200, may_have_charged=True)
            bench.api.log[0] = line, LogEntry((), frozenset(), garbled)
            loop.call_later(whole_after_s, bench.api.log.__setitem__, 0, (line, entry))

        loop.call_later(1.0, cut)
        assert statuses(await collect(bench.run(rows))) == {"found": number}
        assert len(submits(bench)) == 1
        assert set(bench.api.charged.values()) == {1}

    run_virtual(main())


@pytest.mark.parametrize("cost", [50, math.nan])
def test_a_refusal_that_has_cost_credits_is_none(cost: float) -> None:
    async def main() -> None:
        bench, rows = Bench(), people(10)
        journal = MemoryJournal(VirtualClock())
        await journal.open(("email-work",))
        await journal.intend(Batch("b1", "batch", tuple(rows)))
        error = _error(BadRequestError, 400)
        bench.api.note("batch", rows, error, status=400, credits=cost)
        await asyncio.sleep(600)
        assert statuses(await collect(bench.run(rows, journal=journal))) == {"unsettled": 10}
        assert not submits(bench)

    run_virtual(main())


def test_a_reply_that_cannot_be_read_in_the_log_either_stays_unsettled() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(10)
        garbled = _error(DecodeError, 200, may_have_charged=True)

        def garble(keys: Any) -> PubrioError:
            bench.api.note("batch", keys, garbled)
            return garbled

        bench.api.on_submit.append(garble)
        assert statuses(await collect(bench.run(rows))) == {"unsettled": 10}

    run_virtual(main())


@pytest.mark.parametrize(
    ("kind", "status"), [(PermissionDeniedError, 403), (NotFoundError, 404), (BadRequestError, 400)]
)
def test_a_log_that_may_not_be_read_is_asked_once(kind: type[PubrioError], status: int) -> None:
    async def main() -> None:
        bench, rows = Bench(), people(40)
        bench.api.log_error = _error(kind, status)
        bench.api.on_submit.extend([None, AfterWorkError(LOST), None, AfterWorkError(LOST)])
        journal = MemoryJournal()
        outcomes = await collect(bench.run(rows, journal=journal, max_open_jobs=1))
        assert statuses(outcomes) == {"found": 20, "unsettled": 20}
        reason = next(o.error for o in outcomes.values() if o.status == "unsettled")
        assert reason is not None
        assert f"which could not be read: the API said {status}" in reason
        assert looks(bench) == [1]
        assert (await journal.summary()).unsettled == 20

    run_virtual(main())


def _others_lines(bench: Bench, count: int) -> Callable[[Any], PubrioError]:
    """The API carries a batch out amid another user's requests, and the reply is lost."""

    def answer(keys: Any) -> PubrioError:
        now = time_of_day() + bench.now()
        for number in range(count):
            bench.api.note("batch", people(10, 77), RedeemJob("theirs"), at=now - number / 1000)
        work = bench.api._work("batch", keys)
        bench.api.note("batch", keys, work, at=now - count / 1000)
        bench.api.log.sort(key=lambda noted: noted[0].at)
        return LOST

    return answer


def _withhold(bench: Bench, *people_of_ours: str) -> None:
    """Shows the entries that have one of these people, and no others."""

    def refuse(about: int | str) -> PubrioError | None:
        shown = {
            row.log_id for row, entry in bench.api.log if set(entry.keys) & set(people_of_ours)
        }
        if isinstance(about, int) or about in shown:
            return None
        return _error(PermissionDeniedError, 403)

    bench.api.every_look = refuse


@pytest.mark.parametrize(("before", "others"), [(1, 30), (0, 4)])
def test_entries_of_another_user_do_not_keep_ours_from_being_found(
    before: int, others: int
) -> None:
    async def main() -> None:
        bench, rows = Bench("unlimited"), people(10 * before + 10)
        bench.api.on_submit.extend([None] * before)
        bench.api.on_submit.append(_others_lines(bench, others))
        _withhold(bench, *rows)
        outcomes = await collect(bench.run(rows))
        assert statuses(outcomes) == {"found": len(rows)}

    run_virtual(main())


@pytest.mark.parametrize("others", [1, 30])
def test_a_key_that_may_see_no_entry_stops_asking_for_them(others: int) -> None:
    async def main() -> None:
        bench, rows = Bench("unlimited"), people(30)
        bench.api.on_submit.extend([None, _others_lines(bench, others)])
        _withhold(bench)
        outcomes = await collect(bench.run(rows))
        assert statuses(outcomes) == {"found": 20, "unsettled": 10}
        reason = next(o.error for o in outcomes.values() if o.status == "unsettled")
        assert "which could not be read: the API said 403" in str(reason)
        entries = [about for about in looks(bench) if isinstance(about, str)]
        assert len(entries) == len(set(entries)) <= 5

    run_virtual(main())


@pytest.mark.parametrize(("kind", "status"), [(NotFoundError, 404), (BadRequestError, 400)])
def test_a_far_page_that_is_refused_does_not_end_the_search(
    kind: type[PubrioError], status: int
) -> None:
    async def main() -> None:
        bench, rows, journal = Bench("unlimited"), people(20), MemoryJournal(VirtualClock())
        await journal.open(("email-work",))
        await journal.intend(Batch("long ago", "batch", tuple(rows[:10])))
        await asyncio.sleep(20_000)
        now = time_of_day() + bench.now()
        for number in range(6_000):
            bench.api.note(None, (), RedeemJob("other"), at=now - 19_999 + number * 3.3)
        bench.api.every_look = lambda about: (
            _error(kind, status) if isinstance(about, int) and about > 100 else None
        )
        bench.api.on_submit.append(AfterWorkError(LOST))
        outcomes = await collect(bench.run(rows, journal=journal))
        assert [outcomes[row].status for row in range(20)] == ["unsettled"] * 10 + ["found"] * 10

    run_virtual(main())


def test_a_key_that_is_refused_ends_the_run() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(10)
        bench.api.log_error = _error(AuthenticationError, 401)
        bench.api.on_submit.append(AfterWorkError(LOST))
        journal = MemoryJournal()
        run = bench.run(rows, journal=journal)
        assert statuses(await collect(run)) == {"unsettled": 10}
        assert isinstance(run.stopped_by, AuthenticationError)
        # With a key that is taken, the next run finds them.
        bench.api.log_error = None
        assert statuses(await collect(bench.run(rows, journal=journal))) == {"found": 10}

    run_virtual(main())


def test_a_log_that_fails_for_a_while_is_asked_again() -> None:
    async def main() -> None:
        bench = Bench()
        bench.api.log_error = _error(ServerError, 503)
        bench.api.on_submit.append(AfterWorkError(LOST))
        asyncio.get_running_loop().call_later(20, lambda: setattr(bench.api, "log_error", None))
        assert statuses(await collect(bench.run(people(10)))) == {"found": 10}
        assert looks(bench) == [1, 1, 1, "log-0"]

    run_virtual(main())


def test_a_log_that_fails_for_good_leaves_the_reason() -> None:
    async def main() -> None:
        bench = Bench()
        bench.api.log_error = _error(ServerError, 503)
        bench.api.on_submit.append(AfterWorkError(LOST))
        outcomes = await collect(bench.run(people(10)))
        assert statuses(outcomes) == {"unsettled": 10}
        assert "could not be read: the API said 503" in str(outcomes[0].error)

    run_virtual(main())


def test_looks_wait_for_the_rate_limit_and_for_the_network() -> None:
    async def main() -> None:
        bench = Bench("3/minute")
        bench.api.on_submit.append(AfterWorkError(LOST))
        bench.api.log_error = _error(RateLimitedError, 429, retry_after=30.0)
        asyncio.get_running_loop().call_later(70, lambda: setattr(bench.api, "log_error", None))
        run = bench.run(people(10))
        assert statuses(await collect(run)) == {"found": 10}
        assert run.report.rate_limited >= 1
        times = [at for at, _ in bench.api.looks] + [at for at, _, _ in bench.api.submits]
        for at in times:
            assert sum(at <= other < at + 60 for other in times) <= 3

    run_virtual(main())


def test_a_run_that_is_stopped_leaves_the_search_to_the_next_one() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(10)
        bench.api.log_delay = 1e9
        bench.api.on_submit.append(AfterWorkError(LOST))
        journal = MemoryJournal()
        run = bench.run([*rows, rows[0]], journal=journal, deadline=30.0)
        outcomes = await collect(run)
        assert statuses(outcomes) == {"unsettled": 11}
        assert "The next run with the same journal looks for it" in str(outcomes[0].error)
        assert (await journal.summary()).unsettled == 10
        bench.api.log_delay = 0.0
        assert statuses(await collect(bench.run(rows, journal=journal))) == {"found": 10}
        assert len(submits(bench)) == 1

    run_virtual(main())


def test_a_request_cut_off_by_the_end_of_the_run_is_found_by_the_next_one() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(10)
        bench.api.on_submit.append("hang")
        journal = MemoryJournal()
        outcomes = await collect(bench.run(rows, journal=journal, deadline=1.0))
        assert statuses(outcomes) == {"unsettled": 10}
        answer = bench.api._work("batch", rows)
        bench.api.note("batch", rows, answer)
        assert statuses(await collect(bench.run(rows, journal=journal))) == {"found": 10}
        assert len(submits(bench)) == 1

    run_virtual(main())


def test_what_a_crash_left_without_an_answer_is_looked_up_when_the_run_is_resumed() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(10)
        journal = MemoryJournal(VirtualClock())
        await journal.open(("email-work",))
        await journal.intend(Batch("b1", "batch", tuple(rows)))
        bench.api.note("batch", rows, bench.api._work("batch", rows))
        await asyncio.sleep(3600)
        # Somebody else uses the key, too.
        for _ in range(80):
            bench.api.note("batch", people(3, seed=8), RedeemJob("other"))
            await asyncio.sleep(30)
        outcomes = await collect(bench.run([*people(5, seed=2), *rows], journal=journal))
        assert statuses(outcomes) == {"found": 15}
        assert len(submits(bench)) == 1, "only the new ones"
        assert len(looks(bench)) <= 5

    run_virtual(main())


def test_lost_requests_count_as_open() -> None:
    async def main() -> None:
        bench, rows = Bench("unlimited"), people(200)
        bench.api.on_submit.append(None)
        bench.api.on_submit.extend([LOST] * 30)
        run = bench.run(rows, max_open_jobs=4)
        most = 0
        async with run:
            async for _ in run:
                most = max(most, run.statistics().batches_open)
        assert most <= 4

    run_virtual(main())


def test_a_budget_keeps_the_worst_case_of_what_is_lost() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(20)
        bench.api.on_submit.extend([None, LOST])
        run = bench.run(rows, max_credits=100)
        outcomes = await collect(run)
        assert statuses(outcomes) == {"found": 10, "unsettled": 10}
        assert run.statistics().credits_reserved == 50

    run_virtual(main())


def test_looking_waits_while_the_api_cannot_be_reached() -> None:
    async def main() -> None:
        bench = Bench()
        bench.api.on_submit.append(AfterWorkError(LOST))
        original, failures = bench.api._travel, 3

        async def travel(scripted: Any, phase: Any, about: Any) -> None:
            nonlocal failures
            if about == 1 and failures:
                failures -= 1
                scripted = UnsentError(NotSentError("refused"))
            await original(scripted, phase, about)

        bench.api._travel = travel  # type: ignore[method-assign] # a network that fails for a while
        assert statuses(await collect(bench.run(people(10)))) == {"found": 10}
        assert failures == 0

    run_virtual(main())


# -- resolve: asking again later -------------------------------------------------------------------


def test_resolve_finds_later_what_the_run_could_not() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(20)
        bench.api.log_delay = 1e9
        bench.api.on_submit.extend([AfterWorkError(LOST), None])
        journal = MemoryJournal(VirtualClock())
        assert statuses(await collect(bench.run(rows, journal=journal))) == {
            "unsettled": 10,
            "found": 10,
        }
        await asyncio.sleep(5_000)
        bench.api.log_delay = 0.0
        found = await collect(bench.run(None, journal=journal, contact_types=(), reopen=True))
        assert statuses(found) == {"found": 10}
        assert {outcome.person for outcome in found.values()} == set(rows[:10])
        assert (await journal.summary()).found == 20
        assert len(submits(bench)) == 2

    run_virtual(main())


def test_resolve_leaves_unsettled_what_it_cannot_find() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(10)
        bench.api.on_submit.append(LOST)
        journal = MemoryJournal(VirtualClock())
        await collect(bench.run(rows, journal=journal))
        for _ in range(2):
            left = await collect(bench.run(None, journal=journal, contact_types=(), reopen=True))
            assert statuses(left) == {"unsettled": 10}
            assert "1 minute after it was sent it was not there" in str(left[0].error)
            assert (await journal.summary()).unsettled == 10
        assert len(submits(bench)) == 1

    run_virtual(main())


def test_resending_sends_those_who_are_unsettled_and_nobody_else() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(20)
        bench.api.on_submit.extend([LOST, None])
        journal = MemoryJournal(VirtualClock())
        await collect(bench.run(rows, journal=journal))
        again = await collect(bench.run(None, journal=journal, contact_types=(), resend=True))
        assert statuses(again) == {"found": 10}
        assert Counter(submits(bench)) == {frozenset(rows[:10]): 2, frozenset(rows[10:]): 1}
        assert (await journal.summary()).found == 20
        # Now there is nothing to resolve, and nothing is asked.
        before = len(bench.api.events)
        assert not await collect(bench.run(None, journal=journal, contact_types=(), reopen=True))
        assert len(bench.api.events) == before

    run_virtual(main())


def test_a_resend_that_is_lost_is_unsettled_again_and_found_by_either_request() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(10)
        bench.api.log_delay = 1e9
        bench.api.on_submit.extend([AfterWorkError(LOST), LOST])
        journal = MemoryJournal(VirtualClock())
        await collect(bench.run(rows, journal=journal))
        await asyncio.sleep(1_000)
        again = await collect(bench.run(None, journal=journal, contact_types=(), resend=True))
        assert statuses(again) == {"unsettled": 10}
        bench.api.log_delay = 0.0
        found = await collect(bench.run(None, journal=journal, contact_types=(), reopen=True))
        assert (await journal.summary()).found == 10
        assert set(statuses(found)) <= {"found", "unsettled"}
        assert statuses(await collect(bench.run(rows, journal=journal))) == {"found": 10}
        assert len(submits(bench)) == 2

    run_virtual(main())


# -- the journal as a cache ---------------------------------------------------------------------


def test_results_that_are_too_old_are_bought_again_once() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(10)
        journal = MemoryJournal(VirtualClock())
        await collect(bench.run(rows, journal=journal))
        await asyncio.sleep(3_600)
        young = await collect(bench.run(rows, journal=journal, max_age=7_200.0))
        assert statuses(young) == {"found": 10}
        assert len(submits(bench)) == 1
        old = await collect(bench.run([*rows, *rows], journal=journal, max_age=1_800.0))
        assert statuses(old) == {"found": 20}
        assert len(submits(bench)) == 2

    run_virtual(main())


def test_those_who_are_unsettled_are_never_too_old() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(10)
        bench.api.on_submit.append(LOST)
        journal = MemoryJournal(VirtualClock())
        await collect(bench.run(rows, journal=journal))
        await asyncio.sleep(1e6)
        assert statuses(await collect(bench.run(rows, journal=journal, max_age=0.0))) == {
            "unsettled": 10
        }
        assert len(submits(bench)) == 1

    run_virtual(main())


def test_a_search_is_asked_once_for_each_request_and_once_at_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[object] = []
    ask = Search.ask

    def counted(self: Search) -> object:
        asked.append(ask(self))
        return asked[-1]

    monkeypatch.setattr(Search, "ask", counted)

    async def main() -> None:
        bench, rows = Bench(), people(10)
        bench.api.on_submit.append(AfterWorkError(LOST))
        bench.api.log_delay = 30.0
        assert statuses(await collect(bench.run(rows))) == {"found": 10}
        searches = asked.count(None)
        assert searches > 1
        assert len(asked) == len(looks(bench)) + searches

    run_virtual(main())


def test_what_is_kept_of_refusals_goes_with_their_batch() -> None:
    async def main() -> None:
        bench = Bench()
        refused = _logged(bench, RateLimitedError, 429)
        refusal_lost = _logged(bench, RateLimitedError, 429, LOST)
        bench.api.on_submit.extend([refused, refusal_lost, None, refusal_lost])
        run = bench.run(people(30))
        assert statuses(await collect(run)) == {"found": 30}
        engine = run._engine
        assert engine is not None
        assert run.report.rate_limited == 3
        assert not engine._ends.refusals

    run_virtual(main())
