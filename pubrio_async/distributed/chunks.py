"""The chunks of a run: taken by one worker at a time, done, or given back.

Every function is one transaction, and comes to the same when it is done twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal
from uuid import UUID, uuid4

from msgspec import Struct, field

from pubrio_async._errors import JournalError
from pubrio_async.distributed.journal_steps import taken_over
from pubrio_async.distributed.queue import Held, still_has
from pubrio_async.distributed.store import Connection, Store
from pubrio_async.distributed.values import pack_person, unpack_stored
from pubrio_async.scheduler.journal_values import Key, pack_key, split_keys, unpack_key
from pubrio_async.scheduler.policy import Order

End = Literal["done", "stopped"]

_FREED = "skipped: never sent: an earlier request with them was refused meanwhile"

_CHUNK = """
SELECT c.state, c.keys, c.attempts, c.token, r.id, r.name, r.stopped, r.batch_size, r.sequence,
    extract(epoch FROM c.made_at)::float8 - r.max_age, r.max_credits IS NOT NULL, s.contact_types
FROM chunks c JOIN runs r ON r.id = c.run_id JOIN scopes s ON s.id = r.scope_id
WHERE c.id = %s FOR UPDATE OF c
"""


class Taken(Struct, frozen=True, kw_only=True):
    """A chunk in the hands of this worker.

    Attributes:
        chunk_id: Its number.
        token: What proves whose it is.
        run_id: The number of its run.
        run: What its run is called.
        people: The people, each once.
        contact_types: What is asked for.
        batch_size: Most people in one request.
        order: What goes first.
        newer_than: By the clock of the database: results from before are bought again.
        attempts: How often it was taken, this time included.
        has_budget: Whether its run may cost no more than some bound.
        stopped: Why the run was stopped, so that only what was bought before is to be fetched;
            None if it goes on.
    """

    chunk_id: int
    token: UUID
    run_id: int
    run: str
    people: tuple[str, ...]
    contact_types: tuple[str, ...]
    batch_size: int
    order: Order
    newer_than: float | None
    attempts: int
    has_budget: bool = False
    stopped: str | None = None


class LeftOut(Struct, frozen=True):
    """Who was not bought for a chunk; all others have a result.

    Attributes:
        failures: Who was refused, or not sent, and why; they are free to be asked for again.
        unsettled: Who was told that an earlier request with them is lost, or open elsewhere: if it
            was refused meanwhile, they are free, too.
    """

    failures: dict[str, str] = field(default_factory=dict[str, str])
    unsettled: list[str] = field(default_factory=list[str])


class Row(Struct, frozen=True):
    """A chunk as it stands in the database, with what its run says."""

    state: str
    keys: bytes
    attempts: int
    token: UUID | None
    run_id: int
    run: str
    stopped: str | None
    batch_size: int
    order: Order
    newer_than: float | None
    has_budget: bool
    contact_types: Sequence[str]


async def take(store: Store, chunk_id: int, job: Held | None = None) -> Taken | None:
    """Takes a chunk, from whoever had it: that one writes nothing more.

    Args:
        store: The database.
        chunk_id: The chunk.
        job: The job for it that this worker was given; None if it needs none.

    Returns:
        The chunk; None if there is nothing to be done for it, or the job was given to another.

    Raises:
        JournalError: The database cannot be used.
    """
    token = uuid4()

    async def work(db: Connection) -> Taken | None:
        row = await look_at(db, chunk_id)
        if row is None or row.state not in {"todo", "doing"}:
            return None
        # Else it would be taken from one who lives, with requests under way.
        if job is not None and not await still_has(db, job):
            return None
        if row.stopped is not None and not await _has_open(db, chunk_id):
            keys = split_keys(unpack_stored(row.keys))
            await _note(db, chunk_id, row.run_id, keys, f"skipped: never sent: {row.stopped}")
            await _end(db, chunk_id, "stopped", row.stopped)
            return None
        return await seize(db, chunk_id, row, token)

    return await store.transact(work)


async def look_at(db: Connection, chunk_id: int) -> Row | None:
    """A chunk as it stands, which nobody else changes before this transaction ends."""
    found = await db.execute(_CHUNK, (chunk_id,))
    row = await found.fetchone()
    return None if row is None else Row(*row)


async def seize(db: Connection, chunk_id: int, row: Row, token: UUID) -> Taken:
    """Puts a token on a chunk that `look_at` has seen: whoever had it writes nothing more."""
    # Else a transaction that was thought to be lost has taken it.
    attempts = row.attempts + (row.token != token)
    await db.execute(
        "UPDATE chunks SET state = 'doing', token = %s, attempts = %s, reason = NULL,"
        " changed_at = clock_timestamp() WHERE id = %s",
        (token, attempts, chunk_id),
    )
    return Taken(
        chunk_id=chunk_id,
        token=token,
        run_id=row.run_id,
        run=row.run,
        people=tuple(map(unpack_key, split_keys(unpack_stored(row.keys)))),
        contact_types=tuple(row.contact_types),
        batch_size=row.batch_size,
        order=row.order,
        newer_than=row.newer_than,
        attempts=attempts,
        has_budget=row.has_budget,
        stopped=row.stopped,
    )


async def finish(
    store: Store, chunk: Taken, left: LeftOut, end: End, reason: str | None = None
) -> bool:
    """The chunk is done, unless what was bought for it is still to be fetched.

    Args:
        store: The database.
        chunk: The chunk.
        left: Who was not bought for it.
        end: Whether its run goes on.
        reason: Why not, for people who look.

    Returns:
        Whether it is; if not, it is still this worker's.

    Raises:
        JournalError: It belongs to somebody else by now, or the database cannot be used.
    """

    async def work(db: Connection) -> bool:
        state = await _own_state(db, chunk)
        if state == end:
            return True  # by a transaction that was thought to be lost
        if state != "doing":
            raise JournalError(f"the chunk {chunk.chunk_id} belongs to nobody by now")
        if await _has_open(db, chunk.chunk_id):
            return False
        by_reason: dict[str, list[Key]] = {}
        for person, why in left.failures.items():
            by_reason.setdefault(why, []).append(pack_key(person))
        by_reason[_FREED] = [pack_key(person) for person in left.unsettled]
        for why, keys in by_reason.items():
            await _note(db, chunk.chunk_id, chunk.run_id, keys, why)
        await _end(db, chunk.chunk_id, end, reason)
        return True

    return await store.transact(work)


async def give_back(store: Store, chunk: Taken, reason: str) -> bool:
    """The chunk is not done, and goes to whoever takes it next.

    Args:
        store: The database.
        chunk: The chunk.
        reason: Why, for people who look.

    Returns:
        Whether it was this worker's.

    Raises:
        JournalError: The database cannot be used.
    """

    async def work(db: Connection) -> bool:
        state = await _own_state(db, chunk, missing_ok=True)
        if state == "doing":
            await db.execute(
                "UPDATE chunks SET state = 'todo', reserved = 0, reason = %s,"
                " changed_at = clock_timestamp() WHERE id = %s",
                (reason, chunk.chunk_id),
            )
        return state in {"doing", "todo"}

    return await store.transact(work)


async def stop_run(store: Store, run_id: int, reason: str) -> None:
    """Nothing more is sent for a run, by nobody; `enqueue` goes on with it.

    Args:
        store: The database.
        run_id: The run.
        reason: Why.

    Raises:
        JournalError: The database cannot be used.
    """

    async def work(db: Connection) -> None:
        await db.execute(
            "UPDATE runs SET stopped = %s WHERE id = %s AND stopped IS NULL", (reason, run_id)
        )

    await store.transact(work)


async def unfinished(store: Store, origin: str) -> int:
    """How many chunks of an API are not done.

    Raises:
        JournalError: The database cannot be used.
    """

    async def work(db: Connection) -> int:
        found = await db.execute(
            "SELECT count(*) FROM chunks c JOIN runs r ON r.id = c.run_id"
            " JOIN scopes s ON s.id = r.scope_id"
            " WHERE s.origin = %s AND c.state IN ('filling', 'todo', 'doing')",
            (origin,),
        )
        (count,) = await found.fetchone() or (0,)
        return int(count)

    return await store.transact(work)


async def _own_state(db: Connection, chunk: Taken, *, missing_ok: bool = False) -> str | None:
    found = await db.execute(
        "SELECT state FROM chunks WHERE id = %s AND token = %s FOR UPDATE",
        (chunk.chunk_id, chunk.token),
    )
    row = await found.fetchone()
    if row is None and not missing_ok:
        raise taken_over(chunk.chunk_id)
    return None if row is None else str(row[0])


async def _has_open(db: Connection, chunk_id: int) -> bool:
    found = await db.execute(
        "SELECT FROM batches WHERE chunk_id = %s AND state = 'open' LIMIT 1", (chunk_id,)
    )
    return found.rowcount > 0


async def _end(db: Connection, chunk_id: int, state: End, reason: str | None) -> None:
    await db.execute(
        "UPDATE chunks SET state = %s, reserved = 0, reason = %s, changed_at = clock_timestamp()"
        " WHERE id = %s",
        (state, reason, chunk_id),
    )


async def _note(
    db: Connection, chunk_id: int, run_id: int, keys: Iterable[Key], reason: str
) -> None:
    """Writes down why people of a chunk were not bought. No batch with them is open.

    Nobody else is looked at: to look at a whole chunk takes longer than all else at its end.
    """
    packed = [pack_person(key) for key in keys]
    if not packed:
        return
    await db.execute(
        "UPDATE people p SET failure = %s FROM chunks c JOIN runs r ON r.id = c.run_id"
        " WHERE p.key = ANY(%s) AND p.chunk_id = c.id AND c.id = %s AND p.scope_id = r.scope_id"
        # Or not bought again: an old result is no reason never to try once more.
        " AND r.id = %s AND (p.batch_id IS NULL OR EXISTS ("
        "SELECT FROM batches b WHERE b.id = p.batch_id AND b.state = 'settled'"
        " AND b.intended_at < c.made_at - make_interval(secs => r.max_age)))",
        (reason, packed, chunk_id, run_id),
    )
