"""Results that are too old are bought again: what is known of their people meanwhile."""

from __future__ import annotations

import pytest

from pubrio_async.distributed.adopting import Adopter
from pubrio_async.distributed.budget import left_to_send
from pubrio_async.distributed.redeeming import ChunkJournal
from pubrio_async.distributed.schema import apply_schema
from pubrio_async.distributed.store import Store
from pubrio_async.scheduler.journal import Journal, Settled, Unsettled
from tests.distributed.fleet import ask, days_pass
from tests.distributed.purchases import DAY, PEOPLE, Make, lose, yesterday
from tests.unit.journals import ADA, BOB, EMPTY, EVE, FOUND, JOB, REJECTED, TYPES, batch


async def test_a_loss_replaces_the_old_result_that_was_to_be_replaced(
    store: Store, make: Make
) -> None:
    journal = await make(ADA, BOB)
    await journal.intend(batch("b1", ADA, BOB))
    await journal.settle("b1", {ADA: FOUND, BOB: EMPTY}, 5)
    await days_pass(store)
    await lose(journal, "b2", ADA)
    lost = {ADA: Unsettled("lost with b2", before=FOUND)}
    assert await journal.lookup([ADA, BOB], await yesterday(store)) == lost
    assert await journal.lookup([ADA, BOB]) == lost | {BOB: EMPTY}
    assert await journal.unsettled_people() == [ADA]


async def test_who_is_refused_when_bought_again_keeps_what_was_bought(
    store: Store, make: Make
) -> None:
    journal = await make(ADA, BOB)
    await journal.intend(batch("b1", ADA, BOB))
    await journal.settle("b1", {ADA: FOUND, BOB: EMPTY}, 5)
    await days_pass(store)
    later = await make(ADA, EVE, run="later")
    for number, key in enumerate((ADA, EVE)):
        await later.intend(batch(f"c{number}", key))
        await later.settle(f"c{number}", {key: REJECTED}, 0)
    assert await later.lookup([ADA, EVE]) == {ADA: FOUND, EVE: REJECTED}
    assert await later.lookup([ADA], await yesterday(store)) == {}  # to be tried again


async def test_an_open_request_tells_when_its_people_were_bought_before(
    store: Store, make: Make
) -> None:
    journal = await make(ADA, BOB)
    await journal.intend(batch("b1", ADA, BOB))
    await journal.settle("b1", {ADA: FOUND, BOB: EMPTY}, 5)
    await days_pass(store)
    await journal.intend(batch("b2", ADA, EVE))
    await journal.intend(batch("b3", EVE))
    for _ in range(2):  # lost and open again, too
        first, second = await journal.open_batches()
        assert first.intended_at is not None
        assert first.bought_at is not None
        assert first.intended_at - first.bought_at > DAY
        assert second.bought_at is None
        await journal.unsettle("b2", "lost")
        await journal.unsettle("b3", "lost")
        await journal.reopen_unsettled()


async def test_what_was_bought_before_is_known_again_once_the_requests_since_were_refused(
    store: Store, make: Make
) -> None:
    early = await make(ADA, EVE)
    await lose(early, "b0", ADA, EVE)  # before the result, which goes before it
    first = await make(ADA, BOB, run="first", max_age=None)
    for number, (person, end) in enumerate([(ADA, EMPTY), (ADA, FOUND), (BOB, EMPTY)], 1):
        await first.intend(batch(f"b{number}", person))
        await first.settle(f"b{number}", {person: end}, 5)
    await days_pass(store)
    again = await make(ADA, BOB)
    await lose(again, "b4", ADA)
    await lose(again, "b5", ADA, BOB)
    await again.reopen_unsettled()
    await again.withdraw("b5")
    assert await again.lookup([ADA, BOB]) == {
        ADA: Unsettled("lost with b4", before=FOUND),
        BOB: EMPTY,
    }
    await again.reopen_unsettled()
    await again.withdraw("b4")
    assert await again.lookup([ADA, BOB]) == {ADA: FOUND, BOB: EMPTY}
    assert await again.lookup([ADA, BOB], await yesterday(store)) == {}


async def test_what_others_have_bought_is_not_read_for_that(store: Store, make: Make) -> None:
    journal = await make(ADA, BOB)
    for number, person in enumerate((ADA, BOB, EVE)):
        await journal.intend(batch(f"b{number}", person))
        await journal.settle(f"b{number}", {person: FOUND}, 5)
    await days_pass(store)
    await lose(journal, "b4", ADA, BOB)
    await journal.reopen_unsettled()
    await ask(store, "UPDATE batches SET keys = 'unreadable' WHERE state = 'settled'")
    await journal.withdraw("b4")
    told = await ask(
        store, "SELECT b.batch_id FROM people p JOIN batches b ON b.id = p.batch_id ORDER BY b.id"
    )
    assert told == [("b0",), ("b1",), ("b2",)]


async def test_an_upgrade_finds_out_what_was_bought_before_a_loss(
    store: Store, make: Make, url: str
) -> None:
    web = "linkedin.com/in/a-person"
    first = await make(ADA, BOB, web, run="first", max_age=None)
    for number, people in enumerate([(ADA, BOB), (ADA, web), (BOB, EVE)]):
        await first.intend(batch(f"b{number}", *people))
        await first.settle(f"b{number}", dict.fromkeys(people, FOUND), 5)
    await days_pass(store)
    again = await make(ADA, BOB, web)
    await lose(again, "b4", ADA, web)
    await lose(again, "b5", BOB)
    known = "SELECT key, older_id FROM people ORDER BY key"
    before = await ask(store, known)
    assert sum(older is not None for _, older in before) == 3
    await ask(store, "DROP INDEX batches_without_result")
    await ask(store, "ALTER TABLE people DROP COLUMN older_id")
    await ask(store, "UPDATE layout SET version = 1")
    await ask(store, "UPDATE batches SET intended_at = intended_at - interval '9 days'")
    assert await apply_schema(url) == 1
    assert await ask(store, known) == before
    early = "SELECT 1 FROM chunks c JOIN batches b ON b.chunk_id = c.id AND intended_at < made_at"
    assert await ask(store, early) == []


async def long_ago(store: Store) -> None:
    """All of it: the chunks, too."""
    await days_pass(store)
    await ask(store, "UPDATE chunks SET made_at = made_at - interval '2 days'")


async def find(journal: Journal, batch_id: str, **ends: Settled) -> None:
    """The answer to a lost request turns up."""
    await journal.reopen_unsettled()
    await journal.accepted(batch_id, JOB)
    await journal.settle(batch_id, {PEOPLE[name]: end for name, end in ends.items()}, 5)


async def test_a_result_that_is_found_late_is_as_old_as_its_request(
    store: Store, make: Make
) -> None:
    first = await make(ADA, run="first", max_age=None)
    await lose(first, "b0", ADA)
    await long_ago(store)
    await find(first, "b0", ada=FOUND)
    again = await make(ADA)
    assert await again.lookup([ADA]) == {ADA: FOUND}
    assert await again.lookup([ADA], await yesterday(store)) == {}


async def test_a_result_that_is_too_old_hides_no_later_loss(store: Store, make: Make) -> None:
    first = await make(ADA, BOB)
    await lose(first, "b0", ADA, BOB)
    await long_ago(store)
    second = await make(ADA)
    await lose(second, "b1", ADA)
    await find(first, "b0", ada=FOUND, bob=EMPTY)
    since = await yesterday(store)
    assert await second.lookup([ADA], since) == {ADA: Unsettled("lost with b1", before=FOUND)}
    await second.reopen_unsettled()
    await second.withdraw("b1")
    assert await second.lookup([ADA], since) == {}
    assert await second.lookup([ADA]) == {ADA: FOUND}


async def test_a_result_that_is_too_old_replaces_no_younger_one(store: Store, make: Make) -> None:
    first = await make(ADA, BOB)
    await lose(first, "b0", ADA, BOB)
    await long_ago(store)
    second = await make(ADA)
    await second.intend(batch("b1", ADA))
    await second.settle("b1", {ADA: FOUND}, 5)
    await find(first, "b0", ada=FOUND, bob=EMPTY)
    assert await second.lookup([ADA], await yesterday(store)) == {ADA: FOUND}


@pytest.mark.parametrize("end", ["lost", "refused beside another loss"])
async def test_a_result_that_is_found_while_it_is_bought_again_hides_no_loss(
    store: Store, make: Make, end: str
) -> None:
    first = await make(ADA, BOB)
    await lose(first, "b0", ADA, BOB)
    await long_ago(store)
    second = await make(ADA)
    await second.intend(batch("b1", ADA))
    await find(first, "b0", ada=FOUND, bob=EMPTY)
    await second.unsettle("b1", "lost with b1")
    if end != "lost":
        await lose(second, "b2", ADA)
        await second.reopen_unsettled()
        await second.withdraw("b2")
    told = await second.lookup([ADA], await yesterday(store))
    assert told == {ADA: Unsettled("lost with b1", before=FOUND)}


async def test_what_is_found_in_a_chunk_of_lost_people_is_not_too_old_for_it(
    store: Store, make: Make
) -> None:
    chunk = await make(ADA, BOB)
    await lose(chunk, "b0", ADA)
    await ask(store, "UPDATE chunks SET state = 'done'")
    await long_ago(store)
    ((lost, run),) = await ask(store, "SELECT b.id, r.id FROM batches b, runs r")
    async with Adopter(store, "https://api.example", stalled_s=20) as adopter:
        taken = await adopter.take_lost(run, [lost], reopen=True)
        assert taken is not None
        assert taken.chunk.chunk_id != chunk._chunk.chunk_id
        journal = ChunkJournal(store, taken.chunk)
        await journal.open(TYPES)
        await journal.settle("b0", {ADA: FOUND}, 5)
        assert await journal.lookup([ADA]) == {ADA: FOUND}
        assert await left_to_send(store, taken.chunk.chunk_id, taken.chunk.token) == 0
        await journal.close()
        assert await adopter.let_go(taken)
