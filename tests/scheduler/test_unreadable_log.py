"""The request log may not be read, or not all of it, or not now."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from pubrio_async import (
    AuthenticationError,
    BadRequestError,
    MemoryJournal,
    NotFoundError,
    NotSentError,
    PermissionDeniedError,
    PubrioError,
    RateLimitedError,
    ServerError,
)
from pubrio_async._phase import Phase
from pubrio_async.models import RedeemJob
from pubrio_async.scheduler.journal import Batch
from pubrio_async.testing import VirtualClock, run_virtual
from tests.scheduler.fake_api import (
    AfterWorkError,
    Bench,
    UnsentError,
    collect,
    people,
    statuses,
    time_of_day,
)
from tests.scheduler.losses import LOST, api_error, looks


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


@pytest.mark.parametrize(
    ("kind", "status"), [(PermissionDeniedError, 403), (NotFoundError, 404), (BadRequestError, 400)]
)
def test_a_log_that_may_not_be_read_is_asked_once(kind: type[PubrioError], status: int) -> None:
    async def main() -> None:
        bench, rows = Bench(), people(40)
        bench.api.log_error = api_error(kind, status)
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
        return api_error(PermissionDeniedError, 403)

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
            api_error(kind, status) if isinstance(about, int) and about > 100 else None
        )
        bench.api.on_submit.append(AfterWorkError(LOST))
        outcomes = await collect(bench.run(rows, journal=journal))
        assert [outcomes[row].status for row in range(20)] == ["unsettled"] * 10 + ["found"] * 10

    run_virtual(main())


def test_a_key_that_is_refused_ends_the_run() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(10)
        bench.api.log_error = api_error(AuthenticationError, 401)
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
        bench.api.log_error = api_error(ServerError, 503)
        bench.api.on_submit.append(AfterWorkError(LOST))
        asyncio.get_running_loop().call_later(20, lambda: setattr(bench.api, "log_error", None))
        assert statuses(await collect(bench.run(people(10)))) == {"found": 10}
        assert looks(bench) == [1, 1, 1, "log-0"]

    run_virtual(main())


def test_a_log_that_fails_for_good_leaves_the_reason() -> None:
    async def main() -> None:
        bench = Bench()
        bench.api.log_error = api_error(ServerError, 503)
        bench.api.on_submit.append(AfterWorkError(LOST))
        outcomes = await collect(bench.run(people(10)))
        assert statuses(outcomes) == {"unsettled": 10}
        assert "could not be read: the API said 503" in str(outcomes[0].error)

    run_virtual(main())


def test_looks_wait_for_the_rate_limit_and_for_the_network() -> None:
    async def main() -> None:
        bench = Bench("3/minute")
        bench.api.on_submit.append(AfterWorkError(LOST))
        bench.api.log_error = api_error(RateLimitedError, 429, retry_after=30.0)
        asyncio.get_running_loop().call_later(70, lambda: setattr(bench.api, "log_error", None))
        run = bench.run(people(10))
        assert statuses(await collect(run)) == {"found": 10}
        assert run.report.rate_limited >= 1
        times = [at for at, _ in bench.api.looks] + [at for at, _, _ in bench.api.submits]
        for at in times:
            assert sum(at <= other < at + 60 for other in times) <= 3

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
