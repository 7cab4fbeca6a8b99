"""What a run has left is looked for by the next, sent anew if asked to, bought again if too old."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from pubrio_async import InsufficientCreditsError, MemoryJournal
from pubrio_async.models import RedeemJob
from pubrio_async.scheduler.journal import Batch
from pubrio_async.testing import VirtualClock, run_virtual
from tests.scheduler.fake_api import AfterWorkError, Bench, collect, people, statuses
from tests.scheduler.losses import LOST, logged, looks, submits


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


@pytest.mark.parametrize("was_given_up", [False, True])
def test_resolve_buys_nothing_even_where_the_lost_request_was_refused(was_given_up: bool) -> None:
    async def main() -> None:
        bench, rows = Bench(), people(20)
        bench.api.log_delay = 1e9
        bench.api.on_submit.append(logged(bench, InsufficientCreditsError, 402, LOST))
        journal = MemoryJournal(VirtualClock())
        ends = None if was_given_up else 1.0
        await collect(bench.run(rows[:10], journal=journal, deadline=ends))
        await asyncio.sleep(1_000)
        bench.api.log_delay = 0.0
        left = await collect(bench.run(None, journal=journal, contact_types=(), reopen=True))
        assert statuses(left) == {"failed": 10}
        assert "the next run may" in str(left[0].error)
        assert len(submits(bench)) == 1
        # They are free, and whoever is asked to buy them does.
        assert (await journal.summary()).unsettled == 0
        assert statuses(await collect(bench.run(rows, journal=journal))) == {"found": 20}
        assert sorted(map(len, submits(bench))) == [10, 10, 10]

    run_virtual(main())


def test_a_run_buys_nobody_of_an_earlier_one_whom_its_own_input_does_not_name() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(40)
        bench.api.log_delay = 1e9
        bench.api.on_submit.append(logged(bench, InsufficientCreditsError, 402, LOST))
        journal = MemoryJournal(VirtualClock())
        await collect(bench.run(rows[:10], journal=journal, deadline=1.0))
        bench.api.log_delay = 0.0

        async def other() -> AsyncIterator[str]:
            for row in (*rows[30:], *rows[:2]):
                yield row
            await asyncio.sleep(1_000)  # by now it is known that they were refused
            for row in rows[2:5]:
                yield row

        outcomes = await collect(bench.run(other(), journal=journal))
        assert statuses(outcomes) == {"found": 15}
        assert bench.api.charged.keys() == {*rows[30:], *rows[:5]}
        assert set(bench.api.charged.values()) == {1}
        # The others are free for whoever asks for them.
        assert (await journal.summary()).unsettled == 0
        assert statuses(await collect(bench.run(rows[:10], journal=journal))) == {"found": 10}
        assert set(bench.api.charged.values()) == {1}

    run_virtual(main())


def test_resolve_buys_nobody_whose_row_is_read_after_their_request_was_found_refused() -> None:
    async def main() -> None:
        bench, rows = Bench(), people(10)
        journal = MemoryJournal(VirtualClock())
        await journal.open(("email-work",))
        run = bench.run(None, journal=journal, contact_types=(), reopen=True)
        # As if the journal had lost them between the list and the look.
        journal.unsettled_people = _these(rows)  # type: ignore[method-assign]
        assert statuses(await collect(run)) == {"skipped": 10}
        assert not submits(bench)

    run_virtual(main())


def _these(keys: list[str]) -> Callable[[], Awaitable[list[str]]]:
    async def named() -> list[str]:
        return keys

    return named


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


@pytest.mark.parametrize("resend", [False, True])
def test_a_key_of_a_journal_is_taken_as_it_is(resend: bool) -> None:
    """Whatever key would be made of it today: earlier versions made others of some URLs."""

    async def main() -> None:
        bench, key = Bench(), "https://www.linkedin.com/in/mara-quill%20"
        journal = MemoryJournal(VirtualClock())
        await journal.open(("email-work",))
        await journal.intend(Batch("b1", "single", (key,)))
        await journal.unsettle("b1", "lost")
        run = bench.run(None, journal=journal, contact_types=(), reopen=not resend, resend=resend)
        outcomes = await collect(run)
        assert statuses(outcomes) == {"found" if resend else "unsettled": 1}
        assert [*bench.api.charged] == ([key] if resend else [])
        assert await journal.unsettled_people() == ([] if resend else [key])

    run_virtual(main())
