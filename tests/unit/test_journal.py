"""What every journal does with intents, jobs, ends and losses."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import pytest

from pubrio_async import JournalError
from pubrio_async.models import RedeemJob
from pubrio_async.scheduler import journal_tables
from pubrio_async.scheduler.journal import Journal, OpenBatch, Settled, Unsettled
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from tests.unit.journals import (
    ADA,
    BOB,
    EMPTY,
    EVE,
    FOUND,
    JOB,
    REJECTED,
    TYPES,
    Stopped,
    batch,
    figures,
    opened,
)


async def test_a_new_journal_knows_nobody(journal: Journal) -> None:
    assert await journal.lookup([ADA, EVE]) == {}
    assert list(await journal.open_batches()) == []
    assert await journal.summary() == figures()


async def test_an_intent_is_an_open_batch_without_a_job(journal: Journal) -> None:
    first, second = batch("b1", ADA, BOB), batch("b2", EVE)
    await journal.intend(first)
    await journal.intend(second)
    assert list(await journal.open_batches()) == [
        OpenBatch(first, None, None, Stopped().wall()),
        OpenBatch(second, None, None, Stopped().wall()),
    ]
    assert await journal.lookup([ADA, BOB, EVE]) == {}
    assert await journal.summary() == figures(unsettled=3, open_jobs=2)
    assert sorted(await journal.unsettled_people()) == sorted([ADA, BOB, EVE])


async def test_an_accepted_batch_keeps_its_job_and_its_time(journal: Journal) -> None:
    await journal.intend(batch("b1", ADA, BOB))
    await journal.accepted("b1", JOB)
    assert list(await journal.open_batches()) == [
        OpenBatch(batch("b1", ADA, BOB), JOB, Stopped().wall(), Stopped().wall())
    ]
    assert await journal.summary() == figures(pending=2, open_jobs=1)
    assert await journal.unsettled_people() == []


async def test_settled_people_are_known(journal: Journal) -> None:
    await journal.intend(batch("b1", ADA, BOB, EVE))
    await journal.accepted("b1", JOB)
    ends = {ADA: FOUND, BOB: EMPTY, EVE: REJECTED}
    await journal.settle("b1", ends, 15)
    assert await journal.lookup([EVE, "nobody", ADA, BOB, ADA]) == ends
    assert list(await journal.open_batches()) == []
    assert await journal.summary() == figures(found=1, empty=1, rejected=1, credits_charged=15)


async def test_a_person_without_a_result_is_free_again(journal: Journal) -> None:
    await journal.intend(batch("b1", ADA, BOB))
    await journal.settle("b1", {ADA: FOUND}, 0)
    assert await journal.lookup([ADA, BOB]) == {ADA: FOUND}
    assert await journal.summary() == figures(found=1)


async def test_an_unsettled_batch_tells_why_and_names_its_job(journal: Journal) -> None:
    await journal.intend(batch("b1", ADA))
    await journal.intend(batch("b2", BOB, EVE))
    await journal.accepted("b2", JOB)
    await journal.unsettle("b1", "the connection broke")
    await journal.unsettle("b2", "the job was lost")
    lost = Unsettled("the job was lost", "job-1")
    assert await journal.lookup([ADA, BOB, EVE]) == {
        ADA: Unsettled("the connection broke"),
        BOB: lost,
        EVE: lost,
    }
    assert await journal.summary() == figures(unsettled=3)


async def test_a_withdrawn_batch_leaves_its_people_free(journal: Journal) -> None:
    await journal.intend(batch("b1", ADA))
    await journal.withdraw("b1")
    assert await journal.lookup([ADA]) == {}
    assert list(await journal.open_batches()) == []
    assert await journal.summary() == figures()


async def test_a_withdrawn_batch_can_be_intended_again(journal: Journal) -> None:
    await journal.intend(batch("b1", ADA))
    await journal.withdraw("b1")
    await journal.intend(batch("b1", BOB))
    assert [entry.batch for entry in await journal.open_batches()] == [batch("b1", BOB)]


async def test_a_person_asked_for_again_is_open_until_the_new_end(journal: Journal) -> None:
    await journal.intend(batch("b1", ADA))
    await journal.unsettle("b1", "lost")
    await journal.intend(batch("b2", ADA, BOB))
    assert await journal.lookup([ADA]) == {}
    assert await journal.summary() == figures(unsettled=2, open_jobs=1)
    await journal.settle("b2", {ADA: EMPTY, BOB: EMPTY}, 3)
    assert await journal.lookup([ADA, BOB]) == {ADA: EMPTY, BOB: EMPTY}
    assert await journal.summary() == figures(empty=2, credits_charged=3)


async def test_an_opened_batch_that_brings_nobody_an_end_leaves_the_old_ones(
    journal: Journal,
) -> None:
    await journal.intend(batch("b1", ADA))
    await journal.unsettle("b1", "lost")
    await journal.reopen_unsettled()
    await journal.settle("b1", {}, 0)
    assert await journal.lookup([ADA]) == {ADA: Unsettled("lost")}


@pytest.mark.parametrize("end", ["withdraw", "settle without her"])
async def test_the_old_end_stands_again_where_no_new_one_came(journal: Journal, end: str) -> None:
    await journal.intend(batch("b1", ADA))
    await journal.unsettle("b1", "lost")
    await journal.intend(batch("b2", ADA, BOB))
    if end == "withdraw":
        await journal.withdraw("b2")
    else:
        await journal.settle("b2", {BOB: EMPTY}, 0)
    assert await journal.lookup([ADA]) == {ADA: Unsettled("lost")}


async def test_a_new_loss_replaces_the_old_one(journal: Journal) -> None:
    for batch_id in ("b1", "b2"):
        await journal.intend(batch(batch_id, ADA))
        await journal.unsettle(batch_id, f"lost with {batch_id}")
    assert await journal.lookup([ADA]) == {ADA: Unsettled("lost with b2")}


async def test_credits_add_up(journal: Journal) -> None:
    for number, charged in enumerate((5, 0, 2.5)):
        await journal.intend(batch(f"b{number}", ADA))
        await journal.settle(f"b{number}", {ADA: EMPTY}, charged)
    assert (await journal.summary()).credits_charged == 7.5


async def test_whole_credits_stay_whole(journal: Journal) -> None:
    await journal.intend(batch("b1", ADA))
    await journal.settle("b1", {ADA: EMPTY}, 5)
    assert isinstance((await journal.summary()).credits_charged, int)


async def test_more_keys_than_fit_into_one_question(journal: Journal) -> None:
    keys = [str(uuid.UUID(int=number)) for number in range(1, 251)]
    await journal.intend(batch("b1", *keys))
    await journal.settle("b1", dict.fromkeys(keys, EMPTY), 0)
    assert set(await journal.lookup(keys)) == set(keys)
    await journal.intend(batch("b2", *keys[:201]))
    assert set(await journal.lookup(keys)) == set(keys[201:])


async def test_people_who_are_many_are_moved_into_their_table(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_tables, "_FEW", 250)
    keys = [*(str(uuid.UUID(int=number)) for number in range(1, 600)), EVE, "", ADA.upper()]

    async def moved(journal: SqliteJournal) -> int:
        counted: int = await journal._carry_out(
            lambda db: db.execute("SELECT COUNT(*) FROM people").fetchone()[0]
        )
        return counted

    async with opened(path) as first:
        for number in range(0, len(keys), 100):
            portion = keys[number : number + 100]
            await first.intend(batch(f"b{number}", *portion))
            await first.settle(f"b{number}", dict.fromkeys(portion, EMPTY), 1)
            assert await moved(first) == number // 300 * 300
            assert set(await first.lookup(keys)) == set(keys[: number + 100])
            assert await moved(first) == (number + 100) // 300 * 300
        await first.intend(batch("again", *keys[:50]))
        await first.settle("again", dict.fromkeys(keys[:50], FOUND), 1)
        counts = await first.summary()
    async with opened(path) as second:
        assert await second.summary() == counts == figures(found=50, empty=552, credits_charged=8)
        ends = await second.lookup(keys)
    assert list(ends.values()) == [FOUND] * 50 + [EMPTY] * 552


@pytest.mark.parametrize("scans", [0, 1, 16])
async def test_the_newest_end_counts_however_it_is_found(
    path: Path, monkeypatch: pytest.MonkeyPatch, scans: int
) -> None:
    monkeypatch.setattr(journal_tables, "_FEW", 1)
    monkeypatch.setattr(journal_tables, "_MOST_SCANS", scans)
    async with opened(path) as journal:
        for number, end in enumerate((EMPTY, FOUND, REJECTED, FOUND, EMPTY, FOUND)):
            await journal.intend(batch(f"b{number}", BOB, ADA))
            await journal.settle(f"b{number}", {BOB: FOUND, ADA: end}, 1)
            if number % 2:
                assert await journal.lookup([ADA, EVE, BOB]) == {ADA: FOUND, BOB: FOUND}


async def test_a_batch_is_intended_once(journal: Journal) -> None:
    await journal.intend(batch("b1", ADA))
    await journal.accepted("b1", JOB)
    with pytest.raises(JournalError, match="the batch b1 already"):
        await journal.intend(batch("b1", BOB))
    assert [entry.job for entry in await journal.open_batches()] == [JOB]


async def test_only_open_batches_are_accepted_and_settled(journal: Journal) -> None:
    await journal.intend(batch("b1", ADA))
    await journal.settle("b1", {ADA: FOUND}, 5)
    with pytest.raises(JournalError, match="no open batch b1"):
        await journal.settle("b1", {ADA: EMPTY}, 5)
    with pytest.raises(JournalError, match="no open batch b1"):
        await journal.accepted("b1", JOB)
    assert await journal.lookup([ADA]) == {ADA: FOUND}
    assert (await journal.summary()).credits_charged == 5


async def test_what_is_not_open_cannot_be_withdrawn_or_lost(journal: Journal) -> None:
    await journal.intend(batch("b1", ADA))
    await journal.settle("b1", {ADA: FOUND}, 5)
    for batch_id in ("b1", "never heard of"):
        await journal.withdraw(batch_id)
        await journal.unsettle(batch_id, "lost")
    assert await journal.lookup([ADA]) == {ADA: FOUND}


async def test_other_contact_types_are_refused(journal: Journal) -> None:
    with pytest.raises(JournalError, match="written for email-work,phone and not for phone;"):
        await journal.open(("phone",))
    await journal.open(("phone", "email-work"))  # the order is nobody's business
    await journal.open(())
    assert (await journal.summary()).contact_types == TYPES


async def test_closing_twice_does_nothing(journal: Journal) -> None:
    await journal.close()
    await journal.close()


async def test_steps_may_be_taken_all_at_once(journal: Journal) -> None:
    async def one(number: int) -> None:
        key = str(uuid.UUID(int=number))
        await journal.intend(batch(f"b{number}", key))
        await journal.accepted(f"b{number}", RedeemJob(f"job-{number}"))
        end = Settled("found", people_search_id=key, redeem_query_id=f"job-{number}")
        await journal.settle(f"b{number}", {key: end}, 1)
        assert await journal.lookup([key]) == {key: end}

    await asyncio.gather(*map(one, range(1, 101)))
    assert await journal.summary() == figures(found=100, credits_charged=100)
