"""People to whom several requests went, from several chunks: what is known of them when."""

from __future__ import annotations

import asyncio

import pytest

from pubrio_async.distributed import journal_steps as steps
from pubrio_async.distributed.adopting import Adopter
from pubrio_async.distributed.budget import left_to_send
from pubrio_async.distributed.chunks import LeftOut, Taken, finish
from pubrio_async.distributed.store import Connection, Store
from pubrio_async.distributed.values import pack_person
from pubrio_async.scheduler.journal import Unsettled
from pubrio_async.scheduler.journal_values import pack_key
from tests.distributed.fleet import ask, days_pass
from tests.distributed.purchases import Make, lose, yesterday
from tests.unit.journals import ADA, BOB, EMPTY, EVE, FOUND, JOB, TYPES, batch

FAY = "0d4b3a60-1111-4c5e-9b1d-000000000009"
FAILED = "SELECT key FROM people WHERE failure IS NOT NULL"


async def test_whom_the_reply_to_another_chunk_has_brought_is_known_to_a_chunk_that_begins(
    store: Store, make: Make
) -> None:
    journal, later = await make(BOB), await make(ADA, EVE)
    assert await later.open(TYPES)
    await journal.intend(batch("b1", BOB))
    await journal.settle("b1", {BOB: EMPTY, ADA: FOUND}, 5)
    assert not await later.open(TYPES)
    assert await later.lookup([ADA, EVE]) == {ADA: FOUND}


async def test_a_result_that_came_since_a_request_was_sent_stands_when_that_is_lost(
    store: Store, make: Make
) -> None:
    journal = await make(ADA)
    await journal.intend(batch("b1", ADA))
    await journal.intend(batch("b2", ADA))
    await journal.settle("b2", {ADA: FOUND}, 5)
    await journal.unsettle("b1", "lost")
    assert await journal.lookup([ADA], await yesterday(store)) == {ADA: FOUND}


async def test_what_an_older_run_brings_is_known_once_the_newer_request_was_refused(
    store: Store, make: Make
) -> None:
    first = await make(ADA, BOB, run="first", max_age=None)
    await lose(first, "b0", ADA, BOB)
    second = await make(ADA, run="second")
    await lose(second, "b1", ADA)
    await lose(second, "b2", ADA)
    await first.reopen_unsettled()
    await first.settle("b0", {ADA: FOUND, BOB: EMPTY}, 5)
    assert await second.lookup([ADA]) == {ADA: Unsettled("lost with b2", before=FOUND)}
    await second.reopen_unsettled()
    await second.withdraw("b2")  # it is young enough: the other loss matters no more
    assert await second.lookup([ADA]) == {ADA: FOUND}


async def test_a_loss_waits_for_the_result_that_is_being_written(store: Store, make: Make) -> None:
    first, second = await make(ADA, max_age=None), await make(ADA, max_age=None)
    await first.intend(batch("b1", ADA))
    await second.intend(batch("b2", ADA))
    losing: asyncio.Task[None] | None = None

    async def work(db: Connection) -> None:
        nonlocal losing
        await steps.settle(db, first._chunk, "b1", {ADA: FOUND}, 5)
        losing = asyncio.create_task(second.unsettle("b2", "lost"))
        assert not (await asyncio.wait({losing}, timeout=0.1))[0]

    await store.transact(work)
    assert losing is not None
    await losing
    assert await second.lookup([ADA]) == {ADA: FOUND}


async def test_a_request_looked_for_again_in_vain_takes_nobody_from_a_newer_one(make: Make) -> None:
    first = await make(ADA, BOB)
    await lose(first, "b1", ADA, BOB)
    second = await make(ADA)
    await lose(second, "b2", ADA)
    await first.reopen_unsettled()
    await first.unsettle("b1", "not in the log")
    assert await second.unsettled_people() == [ADA]
    assert await first.unsettled_people() == [BOB]
    assert await first.lookup([ADA, BOB]) == {
        ADA: Unsettled("lost with b2"),
        BOB: Unsettled("not in the log"),
    }


async def test_whose_lost_request_another_chunk_looks_for_is_not_free(make: Make) -> None:
    other = await make(BOB)
    mine = await make(ADA)
    await lose(other, "b1", ADA, BOB)
    await other.reopen_unsettled()
    assert type((await mine.lookup([ADA]))[ADA]) is Unsettled
    await mine.intend(batch("b2", ADA))
    assert await mine.lookup([ADA]) == {}  # as of everybody who is in an open batch
    await mine.withdraw("b2")
    await other.withdraw("b1")
    assert await mine.lookup([ADA]) == {}


async def test_whom_another_chunk_has_by_now_is_not_free(store: Store, make: Make) -> None:
    mine = await make(ADA, BOB, EVE)
    await mine.intend(batch("b1", EVE))
    await mine.settle("b1", {EVE: FOUND}, 5)
    await days_pass(store)
    ((chunk_id, token),) = await ask(store, "SELECT id, token FROM chunks")
    assert await left_to_send(store, chunk_id, token) == 3
    other = await make(ADA, EVE)
    assert await left_to_send(store, chunk_id, token) == 1
    ends = await mine.lookup([ADA, BOB, EVE], await yesterday(store))
    assert {key: type(end) for key, end in ends.items()} == {ADA: Unsettled, EVE: Unsettled}
    assert await mine.lookup([EVE]) == {EVE: FOUND}
    assert await other.lookup([ADA, EVE], await yesterday(store)) == {}


async def test_nobody_is_to_be_sent_again_whose_first_request_is_fetched_in_another_chunk(
    make: Make,
) -> None:
    first = await make(ADA, BOB)
    await lose(first, "b1", ADA, BOB)
    second = await make(ADA, EVE)
    await lose(second, "b2", ADA, EVE)
    assert sorted(await second.unsettled_people()) == sorted([ADA, EVE])
    await first.reopen_unsettled()
    await first.accepted("b1", JOB)
    assert await second.unsettled_people() == [EVE]
    await first.unsettle("b1", "the job was lost")
    assert sorted(await second.unsettled_people()) == sorted([ADA, EVE])


async def test_a_refusal_leaves_people_with_the_lost_request_another_chunk_looks_for(
    store: Store, make: Make
) -> None:
    first = await make(ADA, BOB)
    await lose(first, "b1", ADA, BOB)
    second = await make(ADA)
    await lose(second, "b2", ADA)
    await first.reopen_unsettled()
    await second.reopen_unsettled()
    await second.withdraw("b2")
    assert type((await second.lookup([ADA]))[ADA]) is Unsettled
    # That one was refused, too; the second chunk is not done yet, and learns of it by itself.
    await first.withdraw("b1")
    assert await second.lookup([ADA]) == {}
    assert await ask(store, FAILED) == []


@pytest.mark.parametrize("was_bought", [True, False])
async def test_whom_a_chunk_was_done_without_can_be_claimed_once_the_request_was_refused(
    store: Store, make: Make, *, was_bought: bool
) -> None:
    mine = await make(ADA, EVE)
    if was_bought:
        await mine.intend(batch("b0", ADA, EVE))
        await mine.settle("b0", {ADA: FOUND, EVE: EMPTY}, 5)
        await days_pass(store)
    other = await make(BOB)
    await lose(other, "b1", ADA, BOB, EVE)
    await other.reopen_unsettled()
    await ask(store, "UPDATE chunks SET state = 'done' WHERE id <> (SELECT max(id) FROM chunks)")
    await other.intend(batch("b2", EVE))
    await other.withdraw("b1")
    assert await ask(store, FAILED) == [(pack_person(pack_key(ADA)),)]
    await other.settle("b2", {EVE: FOUND}, 5)
    assert (await other.lookup([EVE])) == {EVE: FOUND}
    assert await ask(store, FAILED) == [(pack_person(pack_key(ADA)),)]
    assert (await other.lookup([ADA], await yesterday(store))).keys() == {ADA}


async def test_whoever_is_free_when_a_chunk_is_done_can_be_claimed(
    store: Store, make: Make
) -> None:
    """The worker was told that another chunk was at them, and has not asked again."""
    await make(ADA, BOB)
    ((chunk_id, token, run_id),) = await ask(store, "SELECT id, token, run_id FROM chunks")
    chunk = Taken(
        chunk_id=chunk_id,
        token=token,
        run_id=run_id,
        run="run",
        people=(ADA, BOB),
        contact_types=TYPES,
        batch_size=100,
        order="results",
        newer_than=None,
        attempts=1,
    )
    assert await finish(store, chunk, LeftOut({BOB: "failed: no"}, [ADA]), "done")
    assert sorted(await ask(store, "SELECT failure FROM people")) == [
        ("failed: no",),
        ("skipped: never sent: an earlier request with them was refused meanwhile",),
    ]


async def test_what_an_older_request_did_not_find_replaces_nothing_that_was_bought(
    store: Store, make: Make
) -> None:
    journal = await make(ADA, BOB, max_age=None)
    await lose(journal, "b0", ADA, BOB)
    await journal.intend(batch("b1", ADA))
    await journal.settle("b1", {ADA: FOUND}, 5)
    await journal.reopen_unsettled()
    await journal.accepted("b0", JOB)
    await journal.settle("b0", {ADA: EMPTY, BOB: EMPTY}, 0)
    assert await journal.lookup([ADA, BOB]) == {ADA: FOUND, BOB: EMPTY}


async def test_what_an_older_request_did_not_find_hides_no_newer_loss(
    store: Store, make: Make
) -> None:
    journal = await make(ADA, BOB, max_age=None)
    await lose(journal, "b0", ADA, BOB)
    await lose(journal, "b1", ADA)
    await journal.reopen_unsettled()
    await journal.unsettle("b1", "lost with b1")
    await journal.accepted("b0", JOB)
    await journal.settle("b0", {ADA: EMPTY, BOB: EMPTY}, 0)
    assert await journal.lookup([ADA, BOB]) == {ADA: Unsettled("lost with b1"), BOB: EMPTY}
    await journal.reopen_unsettled()
    await journal.withdraw("b1")
    assert await journal.lookup([ADA]) == {ADA: EMPTY}


async def test_the_answer_to_an_older_run_does_not_hide_the_loss_of_a_newer_one(
    store: Store, make: Make
) -> None:
    first = await make(ADA, BOB, run="first", max_age=None)
    await lose(first, "b0", ADA, BOB)
    await first.intend(batch("b1", ADA))
    await first.settle("b1", {ADA: FOUND}, 5)
    await days_pass(store)
    second = await make(ADA, run="second")
    await lose(second, "b2", ADA)
    await first.reopen_unsettled()
    await first.accepted("b0", JOB)
    await first.settle("b0", {ADA: FOUND, BOB: EMPTY}, 5)
    assert await second.unsettled_people() == [ADA]
    assert await second.lookup([ADA]) == {ADA: Unsettled("lost with b2", before=FOUND)}


async def test_in_a_run_that_buys_nothing_again_a_result_outlives_any_loss(
    store: Store, make: Make
) -> None:
    first = await make(ADA, BOB, max_age=None)
    await lose(first, "b0", ADA, BOB)
    second = await make(ADA, max_age=None)
    await lose(second, "b1", ADA)
    await first.reopen_unsettled()
    await first.accepted("b0", JOB)
    await first.settle("b0", {ADA: FOUND, BOB: EMPTY}, 5)
    await lose(second, "b2", ADA)
    assert await second.lookup([ADA]) == {ADA: FOUND}
    await second.reopen_unsettled()
    await second.withdraw("b2")
    assert await second.lookup([ADA]) == {ADA: FOUND}


async def test_who_has_left_a_chunk_and_comes_back_to_it_is_not_forgotten(
    store: Store, make: Make
) -> None:
    """It is asked for again with others in it, as many as were in it before."""
    other = await make(ADA, EVE, max_age=None)
    await lose(other, "b1", ADA, EVE)
    chunk = await make(ADA, BOB, FAY, max_age=None)
    await lose(chunk, "b2", ADA)
    await lose(chunk, "b3", BOB, FAY)
    third = await make(FAY, max_age=None)
    await lose(third, "b4", FAY)
    await ask(store, "UPDATE chunks SET people = 2 WHERE id = %s", chunk._chunk.chunk_id)
    for journal in (third, other, chunk):
        await journal.reopen_unsettled()
    await third.withdraw("b4")
    await chunk.withdraw("b2")
    await chunk.unsettle("b3", "it is not there")
    ids = [chunk._chunk.chunk_id, third._chunk.chunk_id]
    await ask(store, "UPDATE chunks SET state = 'done' WHERE id = ANY(%s)", ids)
    ((lost, run),) = await ask(
        store, "SELECT b.id, r.id FROM batches b, runs r WHERE batch_id = 'b3'"
    )
    async with Adopter(store, "https://api.example", stalled_s=20) as adopter:
        taken = await adopter.take_lost(run, [lost], reopen=True)
        assert taken is not None
        await other.withdraw("b1")
    # Nobody looks for her any more: enqueue may claim her.
    assert await ask(store, FAILED) == [(pack_person(pack_key(ADA)),)]
