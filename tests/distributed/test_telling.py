"""Which of several replies tells what became of a person: none hides what another has bought."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import structs

from pubrio_async.distributed import journal_steps as steps
from pubrio_async.distributed.store import Connection, Store
from pubrio_async.scheduler.journal import Settled, Unsettled
from tests.distributed.fleet import days_pass
from tests.distributed.purchases import Make, lose, yesterday
from tests.unit.journals import ADA, BOB, EMPTY, EVE, FOUND, JOB, MAIL, batch

LATE = structs.replace(FOUND, emails=(structs.replace(MAIL, value="late@example.com"),))


async def test_contacts_that_come_late_do_not_replace_those_of_a_newer_request(
    store: Store, make: Make
) -> None:
    journal = await make(ADA, BOB, EVE)
    await lose(journal, "b0", ADA, BOB, EVE)
    await journal.intend(batch("b1", ADA, BOB))
    await journal.settle("b1", {ADA: FOUND, BOB: EMPTY}, 5)
    await journal.reopen_unsettled()
    await journal.accepted("b0", JOB)
    await journal.settle("b0", dict.fromkeys([ADA, BOB, EVE], LATE), 15)
    known = {ADA: FOUND, BOB: LATE, EVE: LATE}
    assert await journal.lookup([ADA, BOB, EVE]) == known
    assert await journal.lookup([ADA, BOB, EVE], await yesterday(store)) == known


async def test_contacts_of_the_newer_request_replace_those_that_came_late(make: Make) -> None:
    journal = await make(ADA, BOB)
    await lose(journal, "b0", ADA, BOB)
    await journal.intend(batch("b1", ADA))
    await journal.reopen_unsettled()
    await journal.settle("b0", {ADA: LATE, BOB: LATE}, 10)
    await journal.settle("b1", {ADA: FOUND}, 5)
    assert await journal.lookup([ADA, BOB]) == {ADA: FOUND, BOB: LATE}


@pytest.mark.parametrize("end", [EMPTY, Settled("rejected", error="no such person")])
@pytest.mark.parametrize("max_age", [None, 86_400.0])
async def test_whom_a_request_does_not_find_keeps_what_another_reply_has_brought_since(
    make: Make, max_age: float | None, end: Settled
) -> None:
    other, journal = await make(BOB, max_age=max_age), await make(ADA, EVE, max_age=max_age)
    await other.intend(batch("b0", BOB))
    await journal.intend(batch("b1", ADA, EVE))
    await other.settle("b0", {BOB: EMPTY, ADA: FOUND}, 5)
    await journal.settle("b1", {ADA: end, EVE: end}, 0)
    assert await journal.lookup([ADA, EVE]) == {ADA: FOUND, EVE: end}


async def test_contacts_that_come_late_replace_that_a_later_run_did_not_find_the_person(
    make: Make,
) -> None:
    other, journal = await make(BOB, run="first"), await make(ADA, EVE, run="second")
    await other.intend(batch("b0", BOB))
    await journal.intend(batch("b1", ADA, EVE))
    await journal.settle("b1", {ADA: EMPTY, EVE: EMPTY}, 0)
    await other.settle("b0", {BOB: EMPTY, ADA: FOUND}, 5)
    assert await journal.lookup([ADA, EVE]) == {ADA: FOUND, EVE: EMPTY}


async def test_contacts_are_kept_of_whom_is_sent_while_they_are_being_written(
    store: Store, make: Make
) -> None:
    """Whoever sends the person cannot see them yet, though they came first."""
    other, journal = await make(BOB), await make(ADA, EVE)
    await other.intend(batch("b0", BOB))

    async def work(db: Connection) -> None:
        await steps.settle(db, other._chunk, "b0", {BOB: EMPTY, ADA: FOUND}, 5)
        await journal.intend(batch("b1", ADA, EVE))

    await store.transact(work)
    await journal.settle("b1", {ADA: EMPTY, EVE: EMPTY}, 0)
    assert await journal.lookup([ADA, EVE]) == {ADA: FOUND, EVE: EMPTY}


async def test_whom_a_lost_request_did_not_find_keeps_what_came_since_from_another_run(
    make: Make,
) -> None:
    """The loss is of the later run, and so was told as long as it could not be read."""
    other, journal = await make(BOB, run="first"), await make(ADA, EVE, run="second")
    await lose(journal, "b0", ADA, EVE)
    await other.intend(batch("b1", BOB))
    await other.settle("b1", {BOB: EMPTY, ADA: FOUND}, 5)
    await journal.reopen_unsettled()
    await journal.accepted("b0", JOB)
    await journal.settle("b0", {ADA: EMPTY, EVE: EMPTY}, 0)
    assert await journal.lookup([ADA, EVE]) == {ADA: FOUND, EVE: EMPTY}


async def test_whom_a_lost_request_did_not_find_keeps_what_an_older_one_has_brought_since(
    make: Make,
) -> None:
    other, journal = await make(BOB, run="first"), await make(ADA, EVE, run="second")
    await other.intend(batch("b0", BOB))
    await lose(journal, "b1", ADA, EVE)
    await other.settle("b0", {BOB: EMPTY, ADA: FOUND}, 5)
    assert await journal.lookup([ADA]) == {ADA: Unsettled("lost with b1", before=FOUND)}
    await journal.reopen_unsettled()
    await journal.accepted("b1", JOB)
    await journal.settle("b1", {ADA: EMPTY, EVE: EMPTY}, 0)
    assert await journal.lookup([ADA, EVE]) == {ADA: FOUND, EVE: EMPTY}


async def test_who_is_bought_again_and_not_found_any_more_is_empty(
    store: Store, make: Make
) -> None:
    """Unlike what another reply brings, it is not of the time since the request was sent."""
    first = await make(ADA)
    await first.intend(batch("b0", ADA))
    await first.settle("b0", {ADA: FOUND}, 5)
    await days_pass(store)
    second = await make(ADA, run="second")
    await second.intend(batch("b1", ADA))
    await second.settle("b1", {ADA: EMPTY}, 0)
    assert await second.lookup([ADA]) == {ADA: EMPTY}


async def test_what_is_too_old_by_the_time_it_comes_hides_no_newer_end(
    store: Store, make: Make
) -> None:
    """Else it would not count, and the person be sent once more."""
    first = await make(BOB)
    await first.intend(batch("b0", BOB))
    await days_pass(store)
    second = await make(ADA, run="second")
    await second.intend(batch("b1", ADA))
    await first.settle("b0", {BOB: EMPTY, ADA: FOUND}, 5)
    await second.settle("b1", {ADA: EMPTY}, 0)
    assert await second.lookup([ADA], await yesterday(store)) == {ADA: EMPTY}


async def test_contacts_that_are_being_written_are_waited_for(store: Store, make: Make) -> None:
    other, journal = await make(BOB), await make(ADA, EVE)
    await other.intend(batch("b0", BOB))
    await journal.intend(batch("b1", ADA, EVE))
    settling: asyncio.Task[None] | None = None

    async def work(db: Connection) -> None:
        nonlocal settling
        await steps.settle(db, other._chunk, "b0", {BOB: EMPTY, ADA: FOUND}, 5)
        settling = asyncio.create_task(journal.settle("b1", {ADA: EMPTY, EVE: EMPTY}, 0))
        assert not (await asyncio.wait({settling}, timeout=0.1))[0]

    await store.transact(work)
    assert settling is not None
    await settling
    assert await journal.lookup([ADA, EVE]) == {ADA: FOUND, EVE: EMPTY}


async def test_contacts_that_come_while_a_loss_is_told_anew_are_not_hidden_by_it(
    store: Store, make: Make
) -> None:
    """A batch that was lost ends for a part of its people; the others are unsettled as before."""
    other, journal = await make(BOB), await make(ADA, EVE)
    await other.intend(batch("b0", BOB))
    await lose(journal, "b1", ADA, EVE)
    await journal.reopen_unsettled()
    settling: asyncio.Task[None] | None = None

    async def work(db: Connection) -> None:
        nonlocal settling
        await steps.settle(db, other._chunk, "b0", {BOB: EMPTY, ADA: FOUND}, 5)
        settling = asyncio.create_task(journal.settle("b1", {EVE: EMPTY}, 0))
        assert not (await asyncio.wait({settling}, timeout=0.1))[0]

    await store.transact(work)
    assert settling is not None
    await settling
    assert await journal.lookup([ADA, EVE]) == {ADA: FOUND, EVE: EMPTY}
