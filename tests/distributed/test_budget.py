"""The budget of a run holds whatever its workers do, die of, and do at once."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from pubrio_async import JournalError
from pubrio_async.distributed.budget import BudgetLease, lease_budget
from pubrio_async.distributed.journal import PostgresJournal
from pubrio_async.distributed.store import Connection, Store
from pubrio_async.distributed.values import pack_person, pack_stored
from pubrio_async.models import RedeemJob
from pubrio_async.scheduler.journal import Batch, Settled
from pubrio_async.scheduler.journal_values import pack_key, pack_keys
from tests.unit.journals import TYPES

PRICE = 5


class Held(Struct):
    """A chunk in the hands of a worker."""

    chunk: int
    token: uuid.UUID
    people: list[str]


async def make_run(
    store: Store, chunks: int, people: int, bound: float | None, price: float | None = PRICE
) -> list[Held]:
    """A run, and all of its chunks in the hands of somebody."""

    async def work(db: Connection) -> list[Held]:
        found = await db.execute(
            "INSERT INTO scopes (origin, contact_types) VALUES (%s, %s) RETURNING id",
            (str(uuid.uuid4()), list(TYPES)),
        )
        (scope,) = await found.fetchone() or (0,)
        found = await db.execute(
            "INSERT INTO runs (name, scope_id, fingerprint, form, batch_size, sequence,"
            " max_credits, worst_case) VALUES (%s, %s, 'x', '{}', 100, 'results', %s, %s)"
            " RETURNING id",
            (str(uuid.uuid4()), scope, bound, price),
        )
        (run,) = await found.fetchone() or (0,)
        made = []
        for number in range(chunks):
            held = Held(0, uuid.uuid4(), [str(uuid.uuid4()) for _ in range(people)])
            keys = pack_keys(tuple(held.people))
            found = await db.execute(
                "INSERT INTO chunks (run_id, number, people, keys, state, token)"
                " VALUES (%s, %s, %s, %s, 'doing', %s) RETURNING id",
                (run, number, people, pack_stored(keys.stored), held.token),
            )
            (held.chunk,) = await found.fetchone() or (0,)
            packed = [pack_person(pack_key(person)) for person in held.people]
            await db.execute(
                "INSERT INTO people (scope_id, key, chunk_id) SELECT %s, unnest(%s::bytea[]), %s",
                (scope, packed, held.chunk),
            )
            made.append(held)
        return made

    return await store.transact(work)


async def change_run(store: Store, held: Held, **columns: float) -> None:
    (column,) = columns

    async def work(db: Connection) -> None:
        await db.execute(
            f"UPDATE runs SET {column} = %s"
            " WHERE id = (SELECT run_id FROM chunks WHERE id = %s)".encode(),
            (columns[column], held.chunk),
        )

    await store.transact(work)


async def take_over(store: Store, held: Held) -> None:
    held.token = uuid.uuid4()

    async def work(db: Connection) -> None:
        await db.execute("UPDATE chunks SET token = %s WHERE id = %s", (held.token, held.chunk))

    await store.transact(work)


async def exposed(store: Store, price: float = PRICE) -> float:
    """What was charged, and what may still be."""

    async def work(db: Connection) -> float:
        found = await db.execute(
            "SELECT COALESCE(sum(CASE state WHEN 'settled' THEN charged ELSE people * %s END), 0)"
            " FROM batches",
            (price,),
        )
        (total,) = await found.fetchone() or (0,)
        return float(total)

    return await store.transact(work)


async def send(store: Store, held: Held, people: Sequence[str], charged: float | None) -> None:
    """A batch: settled for so much; open without."""
    journal = PostgresJournal(store, held.chunk, held.token)
    await journal.open(TYPES)
    batch = Batch(str(uuid.uuid4()), "batch", tuple(people))
    await journal.intend(batch)
    if charged is not None:
        await journal.settle(
            batch.batch_id, {person: Settled("empty", person) for person in people}, charged
        )
    await journal.close()


async def lease(store: Store, held: Held) -> BudgetLease:
    return await lease_budget(store, held.chunk, held.token)


async def give_back(store: Store, held: Held) -> None:
    """What was set aside goes back, as at the end of a chunk, which is not over here."""

    async def work(db: Connection) -> None:
        given_back = "UPDATE chunks SET reserved = 0 WHERE id = %s AND token = %s"
        await db.execute(given_back, (held.chunk, held.token))

    await store.transact(work)


async def test_each_gets_its_worst_case_and_the_last_what_is_left(store: Store) -> None:
    one, two, three = await make_run(store, 3, 10, 120)
    assert await lease(store, one) == BudgetLease("whole", 50)
    assert await lease(store, two) == BudgetLease("whole", 50)
    assert await lease(store, three) == BudgetLease("later", 0)
    await send(store, one, one.people, 20)
    await give_back(store, one)
    # 120 less 20 spent, less 50 set aside: a whole one.
    assert await lease(store, three) == BudgetLease("whole", 50)
    await send(store, two, two.people, 50)
    await give_back(store, two)
    await send(store, three, three.people, 50)
    await give_back(store, three)
    assert await exposed(store) == 120
    assert await lease(store, three) == BudgetLease("whole", 0)  # everybody was bought


async def test_what_is_left_goes_to_some_when_nobody_holds_more(store: Store) -> None:
    one, two = await make_run(store, 2, 10, 63)
    assert await lease(store, one) == BudgetLease("whole", 50)
    await send(store, one, one.people, 50)
    await give_back(store, one)
    assert await lease(store, two) == BudgetLease("part", 13)
    await send(store, two, two.people[:2], 10)
    assert await lease(store, two) == BudgetLease("none", 0)
    await change_run(store, two, max_credits=100)
    assert await lease(store, two) == BudgetLease("whole", 40)


async def test_without_a_bound_there_is_none(store: Store) -> None:
    (one,) = await make_run(store, 1, 10, None)
    assert await lease(store, one) == BudgetLease("whole")


async def test_a_bound_without_a_price_is_refused(store: Store) -> None:
    (one,) = await make_run(store, 1, 10, 100, None)
    with pytest.raises(JournalError, match="no worst_case"):
        await lease(store, one)


async def test_what_is_open_or_lost_counts_with_its_worst_case(store: Store) -> None:
    one, two = await make_run(store, 2, 10, 100)
    await lease(store, one)
    await send(store, one, one.people[:4], None)
    await give_back(store, one)  # it stopped in good order, with a job open
    assert await lease(store, two) == BudgetLease("whole", 50)
    await give_back(store, two)
    # What is open may be fetched with what it can cost, and the other six are sent.
    assert await lease(store, one) == BudgetLease("whole", 50)
    await change_run(store, one, max_credits=49)
    assert await lease(store, one) == BudgetLease("part", 49)
    await change_run(store, one, max_credits=20)
    assert await lease(store, one) == BudgetLease("part", 20)  # it may turn out to cost less
    assert await lease(store, two) == BudgetLease("later", 0)
    journal = PostgresJournal(store, one.chunk, one.token)
    await journal.open(TYPES)
    (entry,) = await journal.open_batches()
    await journal.unsettle(entry.batch.batch_id, "lost")
    assert await lease(store, one) == BudgetLease("none", 0)
    await change_run(store, one, max_credits=100)
    assert await lease(store, one) == BudgetLease("whole", 30)
    assert await lease(store, two) == BudgetLease("whole", 50)


async def test_what_was_bought_at_a_cost_nobody_told_counts_with_its_worst_case(
    store: Store,
) -> None:
    one, two = await make_run(store, 2, 10, 60)
    await lease(store, one)
    journal = PostgresJournal(store, one.chunk, one.token)
    await journal.open(TYPES)
    batch = Batch("b1", "batch", tuple(one.people))
    await journal.intend(batch)
    bought = {person: Settled("found", person) for person in one.people}
    await journal.settle(batch.batch_id, bought, None)
    assert (await journal.summary()).credits_charged == 0
    await journal.close()
    await give_back(store, one)
    assert await lease(store, two) == BudgetLease("part", 10)


async def test_two_that_have_something_open_do_not_wait_for_each_other(store: Store) -> None:
    one, two = await make_run(store, 2, 10, 50)
    for held in (one, two):
        await lease(store, held)
        await send(store, held, held.people[:5], None)
        await give_back(store, held)
    assert await lease(store, one) == BudgetLease("part", 25)
    assert await lease(store, two) == BudgetLease("part", 25)


async def test_the_chunk_of_a_dead_worker_keeps_its_credits_until_it_is_taken(store: Store) -> None:
    one, two = await make_run(store, 2, 10, 60)
    await lease(store, one)
    await send(store, one, one.people[:3], 7)
    await send(store, one, one.people[3:5], None)
    dead = Held(one.chunk, one.token, one.people)
    await take_over(store, one)
    assert await lease(store, two) == BudgetLease("later", 0)
    with pytest.raises(JournalError, match="belongs to another worker"):
        await lease(store, dead)
    await give_back(store, dead)  # changes nothing
    assert await lease(store, two) == BudgetLease("later", 0)
    assert await lease(store, one) == BudgetLease("whole", 35)  # 10 for what is open, 25 more
    await give_back(store, one)
    # 60 less 7, less 10.
    assert await lease(store, two) == BudgetLease("part", 43)


async def test_a_price_that_turns_out_higher_holds_from_then_on(store: Store) -> None:
    one, two = await make_run(store, 2, 10, 1_000)
    await lease(store, one)
    await send(store, one, one.people, 80)
    await give_back(store, one)
    assert await lease(store, two) == BudgetLease("whole", 80)


async def test_a_worker_that_knows_a_higher_price_makes_it_that_of_the_run(store: Store) -> None:
    one, two = await make_run(store, 2, 10, 92)
    dearer = await lease_budget(store, one.chunk, one.token, worst_case=8)
    assert dearer == BudgetLease("whole", 80)
    await send(store, one, one.people, 80)
    await give_back(store, one)
    # 12 are left: two people by the old price, one by the new.
    assert await lease(store, two) == BudgetLease("part", 12)
    await send(store, two, two.people[:1], 5)
    assert await lease(store, two) == BudgetLease("none", 0)
    cheaper = await lease_budget(store, two.chunk, two.token, worst_case=1)
    assert cheaper == BudgetLease("none", 0)


async def test_many_who_ask_at_once_get_no_more_than_there_is(url: str) -> None:
    async with Store(url, connections=8) as store:
        for _ in range(5):
            chunks = await make_run(store, 8, 10, 175)
            leases = await asyncio.gather(*(lease(store, held) for held in chunks))
            assert sorted(got.kind for got in leases) == ["later"] * 5 + ["whole"] * 3


class Plan(Struct, frozen=True):
    """A run, and what is done with it."""

    credits: int
    chunks: int
    people: int
    seed: int


plans = st.builds(
    Plan,
    credits=st.integers(0, 120),
    chunks=st.integers(1, 4),
    people=st.integers(1, 8),
    seed=st.integers(0, 1 << 32),
)


async def work_on(store: Store, held: Held, rng: random.Random, charges: float) -> bool:
    """One worker with a chunk, until it stops or dies; False if there will never be more."""
    got = await lease(store, held)
    journal = PostgresJournal(store, held.chunk, held.token)
    await journal.open(TYPES)
    event(got.kind)
    left = got.credits or 0
    open_batches = [entry.batch for entry in await journal.open_batches()]
    left -= PRICE * sum(len(batch.keys) for batch in open_batches)
    known = await journal.lookup(held.people)
    pending = {person for batch in open_batches for person in batch.keys}
    rest = [person for person in held.people if person not in known and person not in pending]
    while rest or open_batches:
        if charges and rng.random() < 0.08:
            await take_over(store, held)  # it is dead, or taken for it
            return True
        size = min(rng.randint(1, 3), len(rest), int(left // PRICE))
        if size and rng.random() < 0.6:
            batch = Batch(str(uuid.uuid4()), "batch", tuple(rest[:size]))
            await journal.intend(batch)
            rest, left = rest[size:], left - PRICE * size
            open_batches.append(batch)
        elif open_batches:
            batch = open_batches.pop(rng.randrange(len(open_batches)))
            fate = rng.random() if charges else 1.0
            if fate < 0.1:
                await journal.withdraw(batch.batch_id)
                rest, left = [*rest, *batch.keys], left + PRICE * len(batch.keys)
            elif fate < 0.2:
                await journal.unsettle(batch.batch_id, "lost")
            else:
                if fate < 0.5:
                    await journal.accepted(batch.batch_id, RedeemJob("job"))
                cost = round(rng.uniform(0, charges * len(batch.keys)), 1)
                ends = {person: Settled("empty", person) for person in batch.keys}
                await journal.settle(batch.batch_id, ends, cost)
                left += PRICE * len(batch.keys) - cost
        elif not size:
            break
    await journal.close()
    await give_back(store, held)
    return bool(rest) and got.kind != "none"


@given(plans, st.sampled_from([0.0, 2.0, PRICE]))
@settings(
    deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_no_budget_is_overrun_by_any_order_of_events(
    store: Store, plan: Plan, charges: float
) -> None:
    before = await exposed(store)
    rng = random.Random(plan.seed)
    chunks = await make_run(store, plan.chunks, plan.people, plan.credits)

    async def until_done(held: Held) -> None:
        while await work_on(store, held, rng, charges):
            assert round(await exposed(store) - before, 6) <= plan.credits
            await asyncio.sleep(0.001)

    async with asyncio.timeout(30):
        await asyncio.gather(*map(until_done, chunks))
    assert round(await exposed(store) - before, 6) <= plan.credits
    if not charges and plan.credits >= PRICE:
        # Nothing was charged, so what was set aside came back each time, and all were sent.
        for held in chunks:
            assert await lease(store, held) == BudgetLease("whole", 0)
