"""The journal in the database does what every journal does, and stands being torn away."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator

import pytest

from pubrio_async import JournalError
from pubrio_async.distributed.journal import PostgresJournal
from pubrio_async.distributed.store import Connection, Store
from pubrio_async.models import RedeemJob
from pubrio_async.scheduler.journal import Batch, Journal, Settled, Unsettled
from tests.distributed.torn import tear
from tests.unit.journals import ADA, BOB, EMPTY, EVE, FOUND, JOB, REJECTED, TYPES, batch, figures

# The tests of every journal: they run here with the fixture below.
from tests.unit.test_journal import (  # noqa: F401
    test_a_batch_is_intended_once,
    test_a_new_journal_knows_nobody,
    test_a_new_loss_replaces_the_old_one,
    test_a_person_asked_for_again_is_open_until_the_new_end,
    test_a_person_without_a_result_is_free_again,
    test_a_withdrawn_batch_can_be_intended_again,
    test_a_withdrawn_batch_leaves_its_people_free,
    test_an_opened_batch_that_brings_nobody_an_end_leaves_the_old_ones,
    test_an_unsettled_batch_tells_why_and_names_its_job,
    test_closing_twice_does_nothing,
    test_credits_add_up,
    test_more_keys_than_fit_into_one_question,
    test_only_open_batches_are_accepted_and_settled,
    test_other_contact_types_are_refused,
    test_settled_people_are_known,
    test_steps_may_be_taken_all_at_once,
    test_the_old_end_stands_again_where_no_new_one_came,
    test_what_is_not_open_cannot_be_withdrawn_or_lost,
    test_whole_credits_stay_whole,
)

NEVER_AGAIN = r"belongs to another worker by now"


async def make_chunk(store: Store, token: uuid.UUID) -> int:
    """A chunk of a run, in the hands of the holder of a token."""

    async def work(db: Connection) -> int:
        found = await db.execute(
            "INSERT INTO scopes (origin, contact_types) VALUES ('https://api.example', %s)"
            " ON CONFLICT (origin, contact_types) DO UPDATE SET origin = EXCLUDED.origin"
            " RETURNING id",
            (list(TYPES),),
        )
        (scope,) = await found.fetchone() or ()
        found = await db.execute(
            "INSERT INTO runs (name, scope_id, fingerprint, form, batch_size, sequence)"
            " VALUES (%s, %s, 'x', '{}', 100, 'results') RETURNING id",
            (str(token), scope),
        )
        (run,) = await found.fetchone() or ()
        found = await db.execute(
            "INSERT INTO chunks (run_id, number, people, keys, state, token)"
            " VALUES (%s, 0, 0, '\\x00', 'doing', %s) RETURNING id",
            (run, token),
        )
        (chunk,) = await found.fetchone() or ()
        return int(chunk)

    return await store.transact(work)


async def give_away(store: Store, chunk: int, token: uuid.UUID) -> None:
    async def work(db: Connection) -> None:
        await db.execute("UPDATE chunks SET token = %s WHERE id = %s", (token, chunk))

    await store.transact(work)


@pytest.fixture
async def chunk(store: Store) -> tuple[int, uuid.UUID]:
    token = uuid.uuid4()
    return await make_chunk(store, token), token


@pytest.fixture
async def journal(store: Store, chunk: tuple[int, uuid.UUID]) -> AsyncIterator[Journal]:
    journal = PostgresJournal(store, *chunk)
    assert await journal.open(TYPES) is True
    yield journal
    await journal.close()


async def test_open_batches_keep_their_jobs_and_the_time_of_the_database(journal: Journal) -> None:
    before = time.time()
    await journal.intend(batch("b1", ADA, EVE))
    await journal.intend(batch("b2", BOB))
    await journal.accepted("b1", JOB)
    first, second = await journal.open_batches()
    assert (first.batch, first.job) == (batch("b1", ADA, EVE), JOB)
    assert (second.batch, second.job) == (batch("b2", BOB), None)
    for at in (first.intended_at, first.accepted_at, second.intended_at):
        assert at is not None
        assert before - 1 <= at <= time.time() + 1
    assert second.accepted_at is None


async def test_everything_is_there_for_the_next_worker(
    store: Store, chunk: tuple[int, uuid.UUID], journal: Journal
) -> None:
    await journal.intend(batch("b1", ADA, BOB))
    await journal.settle("b1", {ADA: FOUND, BOB: REJECTED}, 5)
    await journal.intend(batch("b2", EVE))
    await journal.accepted("b2", JOB)
    await journal.save_usage(b"seen")
    await journal.close()
    token = uuid.uuid4()
    await give_away(store, chunk[0], token)
    other = PostgresJournal(store, chunk[0], token)
    assert await other.open(TYPES) is False
    assert await other.lookup([BOB, ADA, EVE]) == {BOB: REJECTED, ADA: FOUND}
    assert [entry.job for entry in await other.open_batches()] == [JOB]
    assert await other.load_usage() == b"seen"
    assert await other.summary() == figures(
        found=1, rejected=1, pending=1, open_jobs=1, credits_charged=5
    )
    with pytest.raises(JournalError, match="the batch b2 already"):
        await other.intend(batch("b2", EVE))
    await other.close()


async def test_who_was_taken_for_dead_writes_nothing_more(
    store: Store, chunk: tuple[int, uuid.UUID], journal: Journal
) -> None:
    await journal.intend(batch("b1", ADA))
    await give_away(store, chunk[0], uuid.uuid4())
    with pytest.raises(JournalError, match=NEVER_AGAIN):
        await journal.intend(batch("b2", BOB))
    with pytest.raises(JournalError, match=NEVER_AGAIN):
        await journal.settle("b1", {ADA: FOUND}, 5)
    with pytest.raises(JournalError, match=NEVER_AGAIN):
        await journal.open_batches()


async def test_nobody_takes_a_chunk_in_the_middle_of_a_write(
    store: Store, chunk: tuple[int, uuid.UUID], url: str
) -> None:
    async with Store(url) as other:
        taking: asyncio.Task[None] | None = None

        async def work(db: Connection) -> None:
            nonlocal taking
            await db.execute("SELECT FROM chunks WHERE id = %s FOR SHARE", (chunk[0],))
            taking = asyncio.create_task(give_away(other, chunk[0], uuid.uuid4()))
            await db.execute("SELECT pg_sleep(0)")
            assert not (await asyncio.wait({taking}, timeout=0.05))[0]

        await store.transact(work)
        assert taking is not None
        await taking


async def test_results_that_are_too_old_are_unknown_and_losses_are_not(journal: Journal) -> None:
    await journal.intend(batch("b1", ADA))
    await journal.settle("b1", {ADA: FOUND}, 5)
    await journal.intend(batch("b2", EVE))
    await journal.unsettle("b2", "lost")
    assert set(await journal.lookup([ADA, EVE], newer_than=time.time() - 60)) == {ADA, EVE}
    assert set(await journal.lookup([ADA, EVE], newer_than=time.time() + 60)) == {EVE}


async def test_the_unsettled_are_opened_again(journal: Journal) -> None:
    await journal.intend(batch("b1", ADA, BOB))
    await journal.unsettle("b1", "lost")
    await journal.intend(batch("b2", BOB))
    await journal.settle("b2", {BOB: EMPTY}, 0)
    assert await journal.unsettled_people() == [ADA]
    await journal.reopen_unsettled()
    (entry,) = await journal.open_batches()
    assert (entry.batch, entry.reason) == (batch("b1", ADA, BOB), "lost")
    assert sorted(await journal.unsettled_people()) == sorted([ADA, BOB])
    await journal.settle("b1", {ADA: FOUND, BOB: FOUND}, 9)
    assert await journal.lookup([ADA, BOB]) == {ADA: FOUND, BOB: FOUND}


async def test_a_step_goes_through_when_nobody_waits_for_it(journal: Journal) -> None:
    step = asyncio.ensure_future(journal.intend(batch("b1", ADA)))
    await asyncio.sleep(0)
    step.cancel()
    assert [entry.batch for entry in await journal.open_batches()] == [batch("b1", ADA)]


async def test_steps_at_once_share_transactions(
    store: Store, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    count, transact = 0, store.transact

    async def counted(work: object) -> object:
        nonlocal count
        count += 1
        return await transact(work)  # type: ignore[arg-type]  # as it came

    monkeypatch.setattr(store, "transact", counted)
    await asyncio.gather(*(journal.intend(batch(f"b{n}", str(uuid.uuid4()))) for n in range(50)))
    assert count <= 2


async def test_damage_is_not_taken_for_bought(store: Store, journal: Journal) -> None:
    await journal.intend(batch("b1", ADA))
    await journal.settle("b1", {ADA: FOUND}, 5)

    async def flip(db: Connection) -> None:
        await db.execute(
            "UPDATE batches SET results = set_byte(results, 9, get_byte(results, 9) # 1)"
        )

    await store.transact(flip)
    with pytest.raises(JournalError, match="damaged"):
        await journal.lookup([ADA])


@pytest.mark.parametrize("torn", range(6))
async def test_a_commit_that_nobody_hears_of_is_done_again_and_comes_to_the_same(
    store: Store, journal: Journal, monkeypatch: pytest.MonkeyPatch, torn: int
) -> None:
    numbers = tear(monkeypatch, torn)
    await journal.intend(Batch("b1", "batch", (ADA, BOB)))
    await journal.accepted("b1", RedeemJob("job-1"))
    await journal.settle("b1", {ADA: FOUND, BOB: Settled("empty", BOB)}, 5)
    await journal.intend(batch("b2", EVE))
    await journal.unsettle("b2", "lost")
    await journal.withdraw("b2")
    assert next(numbers) > torn
    assert set(await journal.lookup([ADA, BOB, EVE])) == {ADA, BOB, EVE}
    assert await journal.summary() == figures(found=1, empty=1, unsettled=1, credits_charged=5)


async def test_what_was_opened_again_is_open_when_nobody_heard_of_the_commit(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    await journal.intend(batch("b1", ADA, BOB))
    await journal.unsettle("b1", "lost")
    tear(monkeypatch, 0)
    await journal.reopen_unsettled()
    await journal.accepted("b1", JOB)
    await journal.settle("b1", {ADA: FOUND, BOB: EMPTY}, 5)
    assert await journal.lookup([ADA, BOB]) == {ADA: FOUND, BOB: EMPTY}


async def test_a_job_is_kept_whatever_the_api_calls_it(journal: Journal) -> None:
    """A text in the database cannot hold everything that JSON can."""
    odd = RedeemJob("job\x001")
    await journal.intend(batch("b1", ADA))
    await journal.accepted("b1", odd)
    (entry,) = await journal.open_batches()
    assert entry.job == odd
    await journal.unsettle("b1", f"{odd.redeem_query_id} is not known")
    assert type((await journal.lookup([ADA]))[ADA]) is Unsettled
