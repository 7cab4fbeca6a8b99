"""What is lost: looked for again, found, or given up."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from pathlib import Path

import pytest

from pubrio_async.scheduler import journal_tables
from pubrio_async.scheduler.journal import Journal, OpenBatch, Unsettled
from tests.unit.journals import (
    ADA,
    BOB,
    EMPTY,
    EVE,
    FOUND,
    JOB,
    REJECTED,
    Moving,
    batch,
    figures,
    opened,
)


async def test_results_too_old_count_as_not_known_but_nobody_is_too_old_to_be_lost(
    clock: Moving, journal: Journal
) -> None:
    await journal.intend(batch("b1", ADA))
    await journal.settle("b1", {ADA: FOUND}, 5)
    await journal.intend(batch("b2", EVE))
    await journal.unsettle("b2", "lost")
    clock.time += 10
    await journal.intend(batch("b3", BOB))
    clock.time += 10
    await journal.settle("b3", {BOB: EMPTY}, 0)
    newest, lost = clock.time, Unsettled("lost")
    everyone = [ADA, BOB, EVE]
    assert await journal.lookup(everyone, newest - 20) == {ADA: FOUND, BOB: EMPTY, EVE: lost}
    # The time of the result counts, not that of the request.
    assert await journal.lookup(everyone, newest) == {BOB: EMPTY, EVE: lost}
    assert await journal.lookup(everyone, newest + 1) == {EVE: lost}
    assert await journal.lookup(everyone) == {ADA: FOUND, BOB: EMPTY, EVE: lost}


async def test_what_was_bought_before_stands_again_if_the_lost_request_was_refused(
    clock: Moving, journal: Journal
) -> None:
    await journal.intend(batch("b1", ADA, BOB))
    await journal.settle("b1", {ADA: FOUND, BOB: EMPTY}, 5)
    bought_at = clock.time
    for number in (2, 3):  # once more after that, too
        clock.time += 10
        await journal.intend(batch(f"b{number}", ADA, EVE))
        (entry,) = await journal.open_batches()
        assert entry.bought_at == bought_at
        await journal.unsettle(f"b{number}", "lost")
    lost = {ADA: Unsettled("lost", before=FOUND), EVE: Unsettled("lost")}
    assert await journal.lookup([ADA, BOB, EVE]) == lost | {BOB: EMPTY}
    await journal.reopen_unsettled()
    assert {entry.bought_at for entry in await journal.open_batches()} == {bought_at}
    await journal.withdraw("b3")
    assert await journal.unsettled_people() == [ADA, EVE]
    await journal.withdraw("b2")
    assert await journal.lookup([ADA, BOB, EVE]) == {ADA: FOUND, BOB: EMPTY}
    assert (await journal.summary()).found == 1


async def test_what_was_found_of_others_is_no_purchase_of_the_people_of_a_request(
    journal: Journal,
) -> None:
    await journal.intend(batch("b1", ADA))
    await journal.settle("b1", {ADA: REJECTED, BOB: FOUND}, None)
    await journal.intend(batch("b2", ADA))
    (entry,) = await journal.open_batches()
    assert entry.bought_at is None


async def test_opened_again_a_lost_batch_is_as_it_was_before(
    clock: Moving, journal: Journal
) -> None:
    with_job, without = batch("b1", BOB, ADA), batch("b2", EVE)
    await journal.intend(with_job)
    clock.time += 1
    await journal.accepted("b1", JOB)
    await journal.intend(without)
    clock.time += 1
    await journal.unsettle("b1", "the job was lost")
    await journal.unsettle("b2", "the connection broke")
    assert sorted(await journal.unsettled_people()) == sorted([ADA, BOB, EVE])
    clock.time += 1
    await journal.reopen_unsettled()
    await journal.reopen_unsettled()
    start = Moving.time
    assert list(await journal.open_batches()) == [
        OpenBatch(with_job, JOB, start + 1, start, "the job was lost"),
        OpenBatch(without, None, None, start + 1, "the connection broke"),
    ]
    assert await journal.lookup([ADA, BOB, EVE]) == {}
    assert await journal.summary() == figures(pending=2, unsettled=1, open_jobs=2)
    assert await journal.unsettled_people() == [EVE]


async def test_a_batch_of_which_nobody_is_lost_any_more_stays_closed(journal: Journal) -> None:
    await journal.intend(batch("b1", ADA))
    await journal.unsettle("b1", "lost")
    await journal.intend(batch("b2", ADA))
    await journal.settle("b2", {ADA: FOUND}, 5)
    await journal.reopen_unsettled()
    assert list(await journal.open_batches()) == []
    assert await journal.lookup([ADA]) == {ADA: FOUND}


async def test_found_after_all(journal: Journal) -> None:
    await journal.intend(batch("b1", ADA, BOB))
    await journal.unsettle("b1", "lost")
    await journal.reopen_unsettled()
    await journal.accepted("b1", JOB)
    await journal.settle("b1", {ADA: FOUND, BOB: EMPTY}, 5)
    assert await journal.lookup([ADA, BOB]) == {ADA: FOUND, BOB: EMPTY}
    assert await journal.summary() == figures(found=1, empty=1, credits_charged=5)


async def test_lost_people_of_a_batch_that_was_never_carried_out_are_free(journal: Journal) -> None:
    await journal.intend(batch("b1", ADA, EVE))
    await journal.unsettle("b1", "lost")
    await journal.intend(batch("b2", ADA))
    await journal.settle("b2", {ADA: FOUND}, 5)
    await journal.reopen_unsettled()
    await journal.withdraw("b1")
    assert await journal.lookup([ADA, EVE]) == {ADA: FOUND}
    assert await journal.unsettled_people() == []
    assert await journal.summary() == figures(found=1, credits_charged=5)


async def test_lost_twice_a_person_is_free_after_both_batches_only(
    clock: Moving, journal: Journal
) -> None:
    for batch_id in ("b1", "b2", "b3"):
        await journal.intend(batch(batch_id, ADA))
        clock.time += 1
        await journal.unsettle(batch_id, f"lost with {batch_id}")
    await journal.reopen_unsettled()
    await journal.unsettle("b2", "lost again")
    await journal.withdraw("b3")
    assert await journal.lookup([ADA]) == {ADA: Unsettled("lost again")}
    await journal.reopen_unsettled()
    await journal.withdraw("b1")
    await journal.withdraw("b2")
    assert await journal.lookup([ADA]) == {}
    assert await journal.summary() == figures()


async def test_where_another_batch_is_lost_too_that_one_is_told(
    clock: Moving, journal: Journal
) -> None:
    await journal.intend(batch("b1", ADA, BOB))
    await journal.accepted("b1", JOB)
    await journal.intend(batch("b2", ADA))
    await journal.intend(batch("b3", ADA))
    for batch_id in ("b1", "b2", "b3"):
        clock.time += 1
        await journal.unsettle(batch_id, f"lost with {batch_id}")
    await journal.intend(batch("b4", BOB))
    await journal.settle("b4", {BOB: EMPTY}, 0)
    await journal.reopen_unsettled()
    clock.time += 1
    await journal.unsettle("b1", "lost again")
    await journal.withdraw("b2")
    await journal.withdraw("b3")
    assert await journal.lookup([ADA, BOB]) == {
        ADA: Unsettled("lost again", "job-1"),
        BOB: EMPTY,
    }


async def test_a_result_from_another_batch_is_kept(journal: Journal) -> None:
    await journal.intend(batch("b1", ADA, EVE))
    await journal.intend(batch("b2", ADA))
    await journal.settle("b2", {ADA: FOUND}, 5)
    await journal.unsettle("b1", "lost")
    assert await journal.lookup([ADA, EVE]) == {ADA: FOUND, EVE: Unsettled("lost")}


async def test_a_loss_is_told_with_its_own_reason_and_job(journal: Journal) -> None:
    await journal.intend(batch("b1", ADA, BOB))
    await journal.unsettle("b1", "the connection broke")
    await journal.reopen_unsettled()
    await journal.accepted("b1", JOB)
    await journal.settle("b1", {BOB: EMPTY}, 0)  # and no word of her
    assert await journal.lookup([ADA, BOB]) == {
        ADA: Unsettled("the connection broke"),
        BOB: EMPTY,
    }


async def test_contacts_known_before_the_loss_stay_in_the_file_and_are_told(path: Path) -> None:
    async with opened(path) as journal:
        await journal.intend(batch("b1", ADA))
        await journal.settle("b1", {ADA: FOUND}, 5)
        await journal.intend(batch("b2", ADA))
        await journal.unsettle("b2", "lost")
        told = {ADA: Unsettled("lost", before=FOUND)}
        assert await journal.lookup([ADA]) == told
    async with opened(path) as journal:
        assert await journal.lookup([ADA], newer_than=1e12) == told
    with contextlib.closing(sqlite3.connect(path)) as db:
        statement = "SELECT results FROM batches WHERE state = 'settled'"
        (results,) = db.execute(statement).fetchone()
    assert b"ada@example.com" in results
    assert b"+1 555 0100" in results


async def test_steps_find_their_rows_by_an_index(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_tables, "_FEW", 1)
    statements: list[str] = []
    async with opened(path) as journal:
        await journal._carry_out(lambda db: db.connection.set_trace_callback(statements.append))
        await journal.intend(batch("b1", ADA))
        await journal.withdraw("b1")
        await journal.intend(batch("b2", ADA))
        await journal.unsettle("b2", "lost")
        await journal.intend(batch("b3", ADA, BOB))
        await journal.accepted("b3", JOB)
        await journal.settle("b3", {ADA: EMPTY}, 0)
        await journal.lookup([ADA, BOB])
        await journal.reopen_unsettled()
        await journal.withdraw("b2")
        await journal._carry_out(lambda db: db.connection.set_trace_callback(None))
        plans = await journal._carry_out(
            lambda db: {
                text: [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {text}")]
                for text in statements
                if text.startswith(("SELECT", "UPDATE", "DELETE", "INSERT")) or "INTO" in text
            }
        )
    assert len(plans) >= 12
    # Those with an end are many; the open ones are few, and all of them are wanted.
    scanned = re.compile(r"SCAN (TABLE )?(people|batches)$")
    assert [text for text, plan in plans.items() if any(map(scanned.match, plan))] == []
