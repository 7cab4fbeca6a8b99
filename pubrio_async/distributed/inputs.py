"""From an input to chunks of people in the queue: each step a transaction, and done once."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from itertools import islice
from typing import Any, TypeVar, get_args

import msgspec
from msgspec import Struct
from psycopg.types.json import Jsonb

from pubrio_async._errors import ConfigurationError, JournalError
from pubrio_async.distributed.claims import Claims
from pubrio_async.distributed.queue import check_priority, set_priority
from pubrio_async.distributed.store import Connection, Store
from pubrio_async.distributed.values import key_if_any
from pubrio_async.endpoints import ContactTypeName
from pubrio_async.models.redeem import Number
from pubrio_async.scheduler.policy import ORDERS, Order
from pubrio_async.tables import RowSource

_T = TypeVar("_T")

_ROWS = 2_000
_LONGEST_NAME = 200
_TYPES: tuple[str, ...] = get_args(ContactTypeName)
_encode = msgspec.msgpack.Encoder().encode


class RunSettings(Struct, frozen=True, kw_only=True):
    """What a run of many machines is for.

    Attributes:
        name: What it is called; running `enqueue` again with the same name goes on with it.
        contact_types: What is asked for.
        origin: The base URL of the API, as workers have it: without a slash at its end.
        batch_size: Most people in one request.
        order: What goes first, as in `redeem.many`.
        priority: Runs with a higher one go first, from -2,000 to 2,000.
        max_credits: Most credits the run may cost; None for no bound.
        worst_case: Most credits a person can cost; needed with `max_credits`.
        max_age: Seconds from its request after which a result is bought again; None for never.
    """

    name: str
    contact_types: tuple[str, ...]
    origin: str
    batch_size: int = 100
    order: Order = "results"
    priority: int = 0
    max_credits: Number | None = None
    worst_case: Number | None = None
    max_age: float | None = None


class Enqueued(Struct, frozen=True, kw_only=True):
    """What is in the queue for a run.

    Attributes:
        run: What the run is called.
        rows: Rows of the input.
        malformed: Rows that name nobody.
        known: Rows that name somebody another run has bought, or is about to.
        people: Distinct people who are, or were, redeemed for this run.
        chunks: Into how many jobs they were cut.
        chunks_done: How many of these were done before.
        again: People among them who were not bought before, and get another chance.
    """

    run: str
    rows: int
    malformed: int
    known: int
    people: int
    chunks: int
    chunks_done: int
    again: int


async def enqueue(
    store: Store,
    source: RowSource,
    settings: RunSettings,
    *,
    on_rows: Callable[[int], None] | None = None,
) -> Enqueued:
    """Puts the people of an input into the queue. Nothing is sent, no credits are spent.

    Interrupted, it goes on where it was when it is called again with the same name and input.
    Afterwards that puts those back into the queue who were not bought: refused, or not sent
    because the run was stopped.

    Args:
        store: The database.
        source: The input.
        settings: What the run is for.
        on_rows: Called now and then with the number of rows that are in the database.

    Returns:
        What is in the queue for the run, with all that was put there before.

    Raises:
        ConfigurationError: A setting is wrong, or the name stands for another input, or for
            other contact types.
        JournalError: The database cannot be used.
    """
    _check(settings)
    run, number, rows, again = None, 0, 0, 0
    async with aclosing(_blocks(source)) as blocks:
        async for people, cells in blocks:
            if run is None:
                run = await _open_run(store, source, settings, people)
                again = await _claim_again(store, run)
            block = _Block(number, rows, people, cells)
            if number < run.blocks:
                again += await _compare(store, settings, run, block)
            else:
                await _put(store, run, block)
            number, rows = number + 1, rows + len(people)
            if on_rows is not None:
                on_rows(rows)
    run = run or await _open_run(store, source, settings, [])
    if number < run.blocks:
        raise _another(settings)
    return await _finish(store, settings, run, again)


class _Run(Struct):
    run_id: int
    blocks: int
    claims: Claims


class _Block(Struct):
    number: int
    first_row: int
    people: list[str]
    cells: list[Any] | None


def _check(settings: RunSettings) -> None:
    name = settings.name
    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise ConfigurationError(
            f"The name of a run has 1 to {_LONGEST_NAME} printable characters, unlike {name!r:.60}."
        )
    if not check_priority(settings.priority):
        raise ConfigurationError("A priority is a number from -2,000 to 2,000.")
    if not settings.contact_types:
        raise ConfigurationError("A run needs at least one contact type.")
    for word in settings.contact_types:
        if word not in _TYPES:
            raise ConfigurationError(
                f"{word!r:.40} is no contact type; there are {', '.join(_TYPES)}."
            )
    if settings.batch_size < 1 or settings.order not in ORDERS:
        raise ConfigurationError(
            f"batch_size must be above 0, and order one of {', '.join(ORDERS)}."
        )
    for bound in ("max_credits", "worst_case", "max_age"):
        value = getattr(settings, bound)
        if value is not None and not value >= 0:
            raise ConfigurationError(f"{bound} must be at least 0, not {value!r}.")
    if settings.max_credits is not None and settings.worst_case is None:
        raise ConfigurationError("max_credits needs worst_case: what a person costs at most.")


async def _blocks(source: RowSource) -> AsyncGenerator[tuple[list[str], list[Any] | None]]:
    """The input, some rows at a time."""
    people, cells = source.people(), source.cells()
    while True:
        if isinstance(people, Iterator):
            some = await asyncio.to_thread(_take, people, _ROWS)
        else:
            some = [person async for person in _first(people, _ROWS)]
        if not some:
            return
        own = None if cells is None else await asyncio.to_thread(_take, cells, len(some))
        yield some, own


def _take(rows: Iterator[_T], count: int) -> list[_T]:
    return list(islice(rows, count))


async def _first(people: AsyncIterator[str], count: int) -> AsyncIterator[str]:
    for _ in range(count):
        try:
            yield await anext(people)
        except StopAsyncIteration:
            return


async def _open_run(
    store: Store, source: RowSource, settings: RunSettings, people: Sequence[str]
) -> _Run:
    """The run, made if it is not there."""
    types = sorted(set(settings.contact_types))
    form = {"columns": list(source.columns), "cells": source.cells() is not None}
    fingerprint = hashlib.sha256(_encode((source.columns, source.total, people))).hexdigest()

    async def work(db: Connection) -> _Run:
        found = await db.execute(
            "INSERT INTO scopes (origin, contact_types) VALUES (%s, %s)"
            " ON CONFLICT (origin, contact_types) DO UPDATE SET origin = EXCLUDED.origin"
            " RETURNING id",
            (settings.origin, types),
        )
        (scope,) = await found.fetchone() or (0,)
        found = await db.execute(
            "INSERT INTO runs AS r (name, scope_id, fingerprint, form, batch_size, sequence,"
            " priority, max_credits, worst_case, max_age)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            # What was not said again stays as it was, a budget above all.
            " ON CONFLICT (name) DO UPDATE SET stopped = NULL, priority = EXCLUDED.priority,"
            " batch_size = EXCLUDED.batch_size, sequence = EXCLUDED.sequence,"
            " max_credits = COALESCE(EXCLUDED.max_credits, r.max_credits),"
            " worst_case = COALESCE(EXCLUDED.worst_case, r.worst_case),"
            " max_age = COALESCE(EXCLUDED.max_age, r.max_age)"
            " WHERE r.fingerprint = EXCLUDED.fingerprint AND r.scope_id = EXCLUDED.scope_id"
            " RETURNING id, blocks, max_age",
            (
                *(settings.name, scope, fingerprint, Jsonb(form)),
                *(settings.batch_size, settings.order, settings.priority),
                *(settings.max_credits, settings.worst_case, settings.max_age),
            ),
        )
        row = await found.fetchone()
        if row is None:
            raise _another(settings)
        run_id, blocks, max_age = row
        await set_priority(db, run_id, settings.priority)
        claims = Claims(run_id, scope, settings.origin, settings.priority, max_age)
        return _Run(run_id, blocks, claims)

    return await store.transact(work)


async def _put(store: Store, run: _Run, block: _Block) -> None:
    """Stores a block and claims its people: all or nothing."""
    named = list(map(key_if_any, block.people))
    cells = None if block.cells is None else _encode(block.cells)

    async def work(db: Connection) -> None:
        found = await db.execute("SELECT blocks FROM runs WHERE id = %s FOR UPDATE", (run.run_id,))
        (blocks,) = await found.fetchone() or (-1,)
        if blocks > block.number:
            return  # by a transaction that was thought to be lost
        if blocks < block.number:
            raise JournalError("the run is being changed by another process; try once more")
        await db.execute(
            "INSERT INTO blocks (run_id, number, first_row, rows, people, cells)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            (
                *(run.run_id, block.number, block.first_row, len(block.people)),
                *(_encode(block.people), cells),
            ),
        )
        known = await run.claims.claim(db, [key for key in named if key is not None])
        await db.execute(
            "UPDATE runs SET blocks = blocks + 1, rows = rows + %s, malformed = malformed + %s,"
            " known = known + %s WHERE id = %s",
            (
                *(len(named), named.count(None)),
                *(sum(1 for key in named if key in known), run.run_id),
            ),
        )

    await store.transact(work)


async def _claim_again(store: Store, run: _Run) -> int:
    again = 0
    while run.blocks and (some := await store.transact(run.claims.claim_again)):
        again += some
    return again


async def _compare(store: Store, settings: RunSettings, run: _Run, block: _Block) -> int:
    """Sees to it that a block is the one that was stored; claims those who are free by now."""
    named = list(map(key_if_any, block.people))

    async def work(db: Connection) -> int:
        found = await db.execute(
            "SELECT b.people FROM runs r JOIN blocks b ON b.run_id = r.id AND b.number = %s"
            " WHERE r.id = %s FOR UPDATE OF r",
            (block.number, run.run_id),
        )
        if await found.fetchone() != (_encode(block.people),):
            raise _another(settings)
        free = await run.claims.claim_free(db, [key for key in named if key is not None])
        if free:
            await db.execute(
                "UPDATE runs SET known = known - %s WHERE id = %s",
                (sum(1 for key in named if key in free), run.run_id),
            )
        return len(free)

    return await store.transact(work)


async def _finish(store: Store, settings: RunSettings, run: _Run, again: int) -> Enqueued:
    async def work(db: Connection) -> Enqueued:
        found = await db.execute(
            "UPDATE runs SET is_whole = true WHERE id = %s RETURNING rows, malformed, known",
            (run.run_id,),
        )
        rows, malformed, known = await found.fetchone() or (0, 0, 0)
        await run.claims.close(db)
        found = await db.execute(
            "SELECT COALESCE(sum(people), 0), count(*), count(*) FILTER (WHERE state = 'done')"
            " FROM chunks WHERE run_id = %s",
            (run.run_id,),
        )
        people, chunks, chunks_done = await found.fetchone() or (0, 0, 0)
        return Enqueued(
            run=settings.name,
            rows=rows,
            malformed=malformed,
            known=known,
            people=int(people),
            chunks=chunks,
            chunks_done=chunks_done,
            again=again,
        )

    return await store.transact(work)


def _another(settings: RunSettings) -> ConfigurationError:
    return ConfigurationError(
        f"There is a run {settings.name!r} already, for another input, other contact types or "
        "another API. Choose another name; or give that run its own input, unchanged, to go on "
        "with it."
    )
