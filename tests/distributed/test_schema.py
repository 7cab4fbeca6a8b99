"""The tables: made once, by one, and refused where they are not those this version knows."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
import pytest

from pubrio_async import ConfigurationError, JournalError
from pubrio_async.distributed import Worker, schema, status
from pubrio_async.distributed import store as store_module
from pubrio_async.distributed.store import Connection, Store
from tests.distributed.cluster import Cluster
from tests.distributed.fleet import Api, ask, ids, outcomes, put


async def test_many_who_apply_it_at_once_make_one(empty_url: str) -> None:
    found = await asyncio.gather(*(schema.apply_schema(empty_url) for _ in range(6)))
    assert sorted(found) == [0] + 5 * [schema.VERSION]


async def test_without_tables_nothing_starts_and_the_command_is_named(empty_url: str) -> None:
    with pytest.raises(JournalError, match=r"no tables .* pubrio-async database upgrade"):
        await Store(empty_url).open()


async def test_older_tables_are_brought_up_to_date_beside_a_worker(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(schema, "VERSION", 1)
        before.setattr(schema, "_STEPS", schema._STEPS[:1])
        await schema.apply_schema(empty_url)
    async with await psycopg.AsyncConnection.connect(
        empty_url, options=schema.OPTIONS
    ) as connection:
        # What a worker does when an answer has come, which is under way just then.
        await connection.execute(_ONE_BATCH)
        await connection.commit()
        await connection.execute("SELECT FROM chunks FOR SHARE")
        await connection.execute("UPDATE batches SET state = 'settled'")
        upgrade = asyncio.create_task(schema.apply_schema(empty_url))
        found = await connection.execute(_WAITING)
        while await found.fetchone() is None:
            await asyncio.sleep(0.02)
            found = await connection.execute(_WAITING)
        await connection.execute("UPDATE people SET batch_id = 1")
        await connection.commit()
    async with asyncio.timeout(30):
        assert await upgrade == 1


_WAITING = "SELECT FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"

_ONE_BATCH = """
INSERT INTO scopes (origin, contact_types) VALUES ('https://api.example', '{phone}');
INSERT INTO runs (name, scope_id, fingerprint, form, batch_size, sequence)
SELECT 'run', id, 'x', '{}', 1, 'results' FROM scopes;
INSERT INTO chunks (run_id, number, people, keys) SELECT id, 0, 1, '\\x00' FROM runs;
INSERT INTO batches (batch_id, chunk_id, kind, keys, people, seal)
SELECT 'b1', id, 'single', '\\x00', 1, 0 FROM chunks;
INSERT INTO people (scope_id, key, chunk_id)
SELECT s.id, '\\x01', c.id FROM scopes s, chunks c;
"""


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


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:hush@nowhere.invalid/x",
        "no address at all",
        "postgresql//me:hush@nowhere.invalid/x",
        "host=nowhere.invalid password=no hush",
        "postgresql://me:not@hush@nowhere.invalid/x",
        "postgresql://me:5432/hush@nowhere.invalid/x",
        "postgresql://me:5432?hush@nowhere.invalid/x",
    ],
)
async def test_an_address_that_leads_nowhere_is_told_without_its_password(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_REACHED_S", 0.2)
    for attempt in (schema.apply_schema(address), _opened(address)):
        with pytest.raises(JournalError) as caught:
            await attempt
        assert "hush" not in str(caught.value)
        assert caught.value.__cause__ is None


async def _opened(address: str) -> None:
    await Store(address).open()


async def test_who_is_not_let_in_is_told_why(
    cluster: Cluster, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_REACHED_S", 0.2)
    for address, why in (
        (cluster.url("there_is_none"), 'database "there_is_none" does not exist'),
        (cluster.url(user="nobody_known"), 'role "nobody_known" does not exist'),
    ):
        with pytest.raises(JournalError, match=f"refuses: {why}$"):
            await Store(address).open()


async def test_a_store_is_used_while_it_is_open_and_opened_once(url: str) -> None:
    store = Store(url)
    with pytest.raises(JournalError, match="is not open"):
        await ask(store, "SELECT 1")
    async with store:
        assert await ask(store, "SELECT 1") == [(1,)]
    with pytest.raises(JournalError, match="is not open"):
        await ask(store, "SELECT 1")
    with pytest.raises(ConfigurationError, match="opened once"):
        await store.open()
    worker = Worker(url, api_key="k" * 20)
    await worker.run(until_done=True)
    with pytest.raises(ConfigurationError, match="run once"):
        await worker.run()


def test_where_a_database_is_may_be_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.example")
    monkeypatch.setenv("PGDATABASE", "crm")
    assert repr(Store("")) == "<Store crm at db.example:5432>"
    assert repr(Store("postgresql://a:1/b")) == "<Store b at a:1>"


ROLES = Path(__file__).parents[2] / "examples" / "distributed" / "roles.sql"


async def test_the_roles_of_the_example_are_enough_and_no_more(
    cluster: Cluster, url: str, store: Store, tmp_path: Path
) -> None:
    """Roles belong to the whole server: this is the only test that makes any."""

    async def grant(db: Connection) -> None:
        await db.execute(ROLES.read_text("utf-8").encode())

    await store.transact(grant)
    database = url.partition("@/")[2].partition("?")[0]
    few = cluster.url(database, "pubrio_worker")
    api = Api(few)
    async with Store(few) as worker:
        await put(worker, tmp_path, ids(30))
        limits = "600 per 2 seconds"
        assert (await api.worker(rate_limit=limits).run(until_done=True)).done == 1
        for statement in (b"DROP TABLE runs", b"CREATE TABLE pubrio_async.x ()"):
            with pytest.raises(JournalError, match="42501"):
                await worker.transact(lambda db, text=statement: db.execute(text))
    async with Store(cluster.url(database, "pubrio_reader")) as reader:
        assert {row.status for row in await outcomes(reader)} <= {"found", "empty"}
        assert len((await status(reader)).runs) == 1
        with pytest.raises(JournalError, match="42501"):
            await reader.transact(lambda db: db.execute(b"DELETE FROM people"))
    await ask(store, "DROP OWNED BY pubrio_worker, pubrio_reader")
    await ask(store, "DROP ROLE pubrio_worker, pubrio_reader")
