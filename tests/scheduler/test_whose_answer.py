"""People were sent more than once: the answer to one request is not taken for another's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pubrio_async import (
    AuthenticationError,
    InsufficientCreditsError,
    MemoryJournal,
    NotFoundError,
    PermissionDeniedError,
    PubrioError,
    RateLimitedError,
    ServerError,
)
from pubrio_async.scheduler.journal import Batch
from pubrio_async.testing import VirtualClock, run_virtual
from tests.scheduler.fake_api import AfterWorkError, Bench, collect, people, statuses, time_of_day
from tests.scheduler.losses import (
    LOST,
    api_error,
    carried_out_and_logged_late,
    logged,
    noted,
    submits,
)

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
        journal = await _refused_earlier(bench, rows, api_error(kind, status))
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
        journal = await _refused_earlier(bench, rows, api_error(kind, status))
        bench.api.on_submit.append("hang")
        outcomes = await collect(bench.run(rows, journal=journal, deadline=20.0))
        assert statuses(outcomes) == {"unsettled": 10}
        bench.api.note("batch", rows, bench.api._work("batch", rows))
        # Two of the log's entries are about these people by now, and this is the third run.
        assert statuses(await collect(bench.run(rows, journal=journal))) == {"found": 10}
        assert submits(bench) == [frozenset(rows)], "by the second run"
        assert set(bench.api.charged.values()) == {1}

    run_virtual(main())


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
        bench.api.on_submit.append(logged(bench, kind, status))
        bench.api.on_submit.append(carried_out_and_logged_late(bench, lag))
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
        bench.api.on_submit.extend([noted(bench, refused, refused), AfterWorkError(LOST)])
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
        error = api_error(kind, status)

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
            refused = api_error(RateLimitedError, 429)
            timeout = api_error(ServerError, 504)
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
        answers = [logged(bench, InsufficientCreditsError, 402, LOST), AfterWorkError(LOST)]
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
        bench.api.on_submit.append(logged(bench, InsufficientCreditsError, 402))
        await collect(bench.run(None, journal=journal, contact_types=(), resend=True))
        await asyncio.sleep(300)
        bench.api.log_error = None
        resolved = bench.run(None, journal=journal, contact_types=(), reopen=True)
        assert statuses(await collect(resolved)) == {"unsettled": 10}
        assert len(submits(bench)) == 2

    run_virtual(main())
