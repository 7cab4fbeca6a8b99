"""The tables: made once, by one, and refused where they are not those this version knows."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from pubrio_async import JournalError
from pubrio_async.distributed import schema
from pubrio_async.distributed.store import Connection, Store


async def test_many_who_apply_it_at_once_make_one(empty_url: str) -> None:
    found = await asyncio.gather(*(schema.apply_schema(empty_url) for _ in range(6)))
    assert sorted(found) == [0] + 5 * [schema.VERSION]


async def test_without_tables_nothing_starts_and_the_command_is_named(empty_url: str) -> None:
    with pytest.raises(JournalError, match=r"no tables .* pubrio-async database upgrade"):
        await Store(empty_url).open()


async def test_tables_of_a_newer_version_are_left_alone(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, options=schema.OPTIONS) as connection:
        await connection.execute("INSERT INTO layout VALUES (99)")
    with pytest.raises(JournalError, match="version 99"):
        await schema.apply_schema(url)
    with pytest.raises(JournalError, match="version 99"):
        await Store(url).open()


async def test_everything_is_in_a_schema_of_its_own(store: Store) -> None:
    async def tables(connection: Connection) -> set[str]:
        cursor = await connection.execute(
            "SELECT schemaname FROM pg_tables WHERE tablename ~ '^(procrastinate_|runs|batches)'"
        )
        return {schema for (schema,) in await cursor.fetchall()}

    assert await store.transact(tables) == {schema.SCHEMA}


@pytest.mark.parametrize("address", ["postgresql://me:hush@nowhere.invalid/x", "no address at all"])
async def test_an_address_that_leads_nowhere_is_told_without_its_password(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(JournalError) as caught:
        await schema.apply_schema(address)
    assert "hush" not in str(caught.value)
    assert caught.value.__cause__ is None
