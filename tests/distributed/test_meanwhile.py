"""Nobody is sent by a chunk who was bought, or lost, by another one since it was begun."""

from __future__ import annotations

from uuid import uuid4

import pytest

from pubrio_async.distributed.chunks import Taken
from pubrio_async.distributed.journal import PostgresJournal
from pubrio_async.distributed.journal_steps import Chunk, intend
from pubrio_async.distributed.redeeming import ChunkJournal, ResendJournal
from pubrio_async.distributed.store import Connection, Store
from pubrio_async.scheduler.journal import NotFreeError, Unsettled
from tests.distributed.fleet import ask, days_pass
from tests.distributed.purchases import Make, lose, yesterday
from tests.unit.journals import ADA, BOB, EMPTY, EVE, FOUND, TYPES, batch

BATCHES = "SELECT batch_id FROM batches ORDER BY id"


def worker_has(
    store: Store,
    journal: PostgresJournal,
    newer_than: float | None = None,
    kind: type[ChunkJournal] = ChunkJournal,
) -> ChunkJournal:
    """The journal of a worker over the chunk of another one."""
    chunk = Taken(
        chunk_id=journal._chunk.chunk_id,
        token=journal._chunk.token,
        run_id=0,
        run="run",
        people=(),
        contact_types=TYPES,
        batch_size=100,
        order="results",
        newer_than=newer_than,
        attempts=1,
    )
    return kind(store, chunk)


async def test_whom_a_reply_has_named_since_a_chunk_was_begun_it_does_not_send(
    store: Store, make: Make
) -> None:
    other, journal = await make(BOB), worker_has(store, await make(ADA, EVE))
    assert await journal.open(TYPES)
    await other.intend(batch("b0", BOB))
    await other.settle("b0", {BOB: EMPTY, ADA: FOUND}, 5)
    with pytest.raises(NotFreeError) as refused:
        await journal.intend(batch("b1", ADA, EVE))
    assert refused.value.ends == {ADA: FOUND}
    assert await ask(store, BATCHES) == [("b0",)]
    await journal.intend(batch("b2", EVE))
    await journal.close()


async def test_who_was_lost_by_another_chunk_since_a_chunk_was_begun_is_not_sent(
    store: Store, make: Make
) -> None:
    other, journal = await make(BOB), worker_has(store, await make(ADA, EVE))
    assert await journal.open(TYPES)
    await lose(other, "b0", BOB, ADA)
    with pytest.raises(NotFreeError) as refused:
        await journal.intend(batch("b1", ADA, EVE))
    assert refused.value.ends == {ADA: Unsettled("lost with b0")}
    await journal.close()


async def test_whose_result_is_too_old_is_sent_all_the_same(store: Store, make: Make) -> None:
    first = await make(ADA)
    await first.intend(batch("b0", ADA))
    await first.settle("b0", {ADA: FOUND}, 5)
    await days_pass(store)
    mine = await make(ADA, run="second")
    journal = worker_has(store, mine, await yesterday(store))
    assert not await journal.open(TYPES)
    await journal.intend(batch("b1", ADA))
    await journal.settle("b1", {ADA: EMPTY}, 0)
    with pytest.raises(NotFreeError) as refused:
        await journal.intend(batch("b2", ADA))
    assert refused.value.ends == {ADA: EMPTY}
    await journal.close()


@pytest.mark.parametrize("kind", [ChunkJournal, ResendJournal])
async def test_an_intent_that_was_thought_to_be_lost_is_not_left_behind(
    store: Store, make: Make, kind: type[ChunkJournal]
) -> None:
    """It was written, its end was not heard of, and somebody was bought before it is done anew."""
    other, mine = await make(BOB), await make(ADA, EVE)
    journal = worker_has(store, mine, kind=kind)
    await journal.open(TYPES)

    async def unheard(db: Connection) -> None:
        await intend(db, Chunk(mine._chunk.chunk_id, uuid4(), mine._chunk.scope_id), lost)

    lost = batch("b1", ADA, EVE)
    await store.transact(unheard)
    await other.intend(batch("b0", BOB))
    await other.settle("b0", {BOB: EMPTY, ADA: FOUND}, 5)
    with pytest.raises(NotFreeError):
        await journal.intend(lost)
    assert await ask(store, BATCHES) == [("b0",)]
    await journal.close()


async def test_a_batch_that_is_open_is_not_opened_anew(store: Store, make: Make) -> None:
    journal = worker_has(store, await make(ADA))
    await journal.open(TYPES)
    await journal.intend(batch("b1", ADA))
    with pytest.raises(Exception, match="holds the batch b1 already"):
        await journal.intend(batch("b1", ADA))
    assert await ask(store, BATCHES) == [("b1",)]
    await journal.close()
