"""A lost answer is looked up in the API's request log: found, or open until it is known."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pubrio_async import DecodeError, MemoryJournal, PubrioError, ServerError
from pubrio_async.scheduler.journal import Batch
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from pubrio_async.scheduler.logbook import LogEntry
from pubrio_async.scheduler.logsearch import Search
from pubrio_async.testing import VirtualClock, run_virtual
from tests.scheduler.fake_api import AfterWorkError, Bench, collect, people, statuses, time_of_day
from tests.scheduler.losses import LOST, URL, api_error, looks, submits
from tests.together import together


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


def test_a_logged_failure_of_the_server_does_not_settle_a_batch() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(10)
        failure = api_error(ServerError, 500, may_have_charged=True)

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
        failure = api_error(ServerError, 500, may_have_charged=True)

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
            garbled = api_error(DecodeError, 200, may_have_charged=True)
            bench.api.log[0] = line, LogEntry((), frozenset(), garbled)
            loop.call_later(whole_after_s, bench.api.log.__setitem__, 0, (line, entry))

        loop.call_later(1.0, cut)
        assert statuses(await collect(bench.run(rows))) == {"found": number}
        assert len(submits(bench)) == 1
        assert set(bench.api.charged.values()) == {1}

    run_virtual(main())


def test_a_reply_that_cannot_be_read_in_the_log_either_stays_unsettled() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(10)
        garbled = api_error(DecodeError, 200, may_have_charged=True)

        def garble(keys: Any) -> PubrioError:
            bench.api.note("batch", keys, garbled)
            return garbled

        bench.api.on_submit.append(garble)
        assert statuses(await collect(bench.run(rows))) == {"unsettled": 10}

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


def test_looking_for_a_person_whose_page_ends_in_a_blank_buys_nobody() -> None:
    async def main() -> None:
        bench, journal = Bench(), MemoryJournal(VirtualClock())
        bench.api.log_delay = 1_000.0
        bench.api.on_submit.append(AfterWorkError(LOST))
        lost = await collect(bench.run(["linkedin.com/in/king-lai%20/"], journal=journal))
        assert {outcome.status for outcome in lost.values()} == {"unsettled"}
        await asyncio.sleep(2_000.0)
        run = bench.run(None, journal=journal, contact_types=(), reopen=True)
        assert {outcome.status for outcome in (await collect(run)).values()} == {"found"}
        assert len(bench.api.submits) == 1

    run_virtual(main())
