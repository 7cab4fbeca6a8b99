"""A database that goes away, falls silent, or gives its place to another: workers go on."""

from __future__ import annotations

import asyncio
import signal
import socket
from pathlib import Path

import psycopg
import pytest
from procrastinate.exceptions import ConnectorException

from pubrio_async import JournalError
from pubrio_async.distributed import Store, apply_schema, claims, inputs, queue
from pubrio_async.distributed import store as connection_store
from pubrio_async.distributed.chunks import take
from pubrio_async.distributed.journal_steps import Chunk, fence
from pubrio_async.distributed.patience import PatientConnector
from pubrio_async.distributed.store import Connection, connection_settings, is_passing
from tests.distributed.cluster import programs, running
from tests.distributed.fleet import Api, ask, ids, outcomes, put, until, working
from tests.distributed.silent import way_to
from tests.needs import lacking

SOON_S = 5.0


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "_ROWS", 20)
    monkeypatch.setattr(claims, "_FULL", 20)
    monkeypatch.setattr(queue, "_LOOK_FOR_JOBS_S", 0.1)


@pytest.mark.timeout(60)
async def test_another_server_takes_the_place_of_one_that_crashes(tmp_path: Path) -> None:
    """With synchronous replication nothing is forgotten, and nobody is taken for dead."""
    home = programs()
    if home is None:
        lacking("PostgreSQL is not installed: no initdb on the PATH (apt: postgresql)")
    with running(home, durable=True) as first:
        await apply_schema(first.make_database("fleet"))
        with running(home, durable=True, copy_of=first) as second:
            url = first.or_else(second, "fleet")
            api = Api(url, latency=0.02, time_scale=0.2)
            async with Store(url) as db:
                await put(db, tmp_path, ids(160))
                await _replicate_synchronously(first.url("fleet"))
                await _write_where_it_can_only_be_read(second.url("fleet"), first.url("fleet"))
                workers = [api.worker(concurrency=2) for _ in range(2)]
                async with working(workers[0]), working(workers[1]):
                    await until(lambda: ask(db, "SELECT 1 FROM batches WHERE state = 'settled'"))
                    first.stop(signal.SIGQUIT)
                    # So long that a worker of which nobody has heard would be taken for dead.
                    await asyncio.sleep(1.5)
                    second.promote()
                    await until(lambda: _all_done(db))
                rows = await outcomes(db)
                taken = await ask(db, "SELECT DISTINCT attempts FROM chunks")
    assert set(api.charged().values()) == {1}
    assert len(rows) == 160
    assert {row.status for row in rows} == {"found", "empty"}
    assert {row.person for row in rows if row.status == "found"} == api.charged().keys()
    assert taken == [(1,)]


async def _replicate_synchronously(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as db:
        await db.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        await db.execute("SELECT pg_reload_conf()")
        async with asyncio.timeout(SOON_S):
            while True:
                found = await db.execute("SELECT sync_state FROM pg_stat_replication")
                if await found.fetchall() == [("sync",)]:
                    return
                await asyncio.sleep(0.02)


async def _write_where_it_can_only_be_read(reading: str, writing: str) -> None:
    """An address still leads to the one that only follows, and then no longer."""
    statement = "UPDATE runs SET priority = 1"
    async with way_to(reading) as way, Store(way.url, connections=1) as db:
        connector = PatientConnector(way.url, connections=1, timeout=2.0)
        await connector.open_async()
        writes = (ask(db, statement), connector.execute_query_async(statement))
        tasks = [asyncio.create_task(write) for write in writes]
        done, _ = await asyncio.wait(tasks, timeout=0.2)
        assert not done
        way.lead_to(writing)
        async with asyncio.timeout(SOON_S):
            await asyncio.gather(*tasks)
        await connector.close_async()


async def _all_done(db: Store) -> bool:
    return not await ask(db, "SELECT 1 FROM chunks WHERE state <> 'done'")


async def test_one_that_has_no_connection_left_is_waited_for(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as db:
        await db.execute("CREATE ROLE narrow LOGIN CONNECTION LIMIT 1")
        await db.execute("GRANT USAGE ON SCHEMA pubrio_async TO narrow")
        await db.execute("GRANT SELECT ON ALL TABLES IN SCHEMA pubrio_async TO narrow")
        try:
            narrow = url.replace("tests@", "narrow@")
            other = await psycopg.AsyncConnection.connect(narrow, autocommit=True)
            with pytest.raises(psycopg.OperationalError, match="too many connections"):
                await psycopg.AsyncConnection.connect(narrow)
            opening = asyncio.create_task(_runs(narrow))
            await asyncio.sleep(0.1)
            assert not opening.done()
            await other.close()
            assert await opening == []
        finally:
            await db.execute("DROP OWNED BY narrow")
            await db.execute("DROP ROLE narrow")


async def _runs(url: str) -> list[tuple[object, ...]]:
    async with Store(url, connections=1) as db:
        return await ask(db, "SELECT id FROM runs")


async def test_one_that_falls_silent_is_given_up(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the statement, or an idle connection, and nothing comes back, not even an end."""
    monkeypatch.setattr(connection_store, "_CHECKED_S", 0.2)
    async with way_to(url) as way, Store(way.url, connections=1, longest=0.2) as db:
        assert await ask(db, "SELECT 1") == [(1,)]
        way.fall_silent()  # between two transactions
        async with asyncio.timeout(SOON_S):
            assert await ask(db, "SELECT 2") == [(2,)]

        async def work(connection: Connection) -> int:
            await connection.execute("SELECT 3")
            if way.made == 2:
                way.fall_silent()
            await connection.execute("SELECT 4")
            return way.made

        async with asyncio.timeout(SOON_S):
            assert await db.transact(work) == 3


async def test_in_a_hurry_nobody_waits_for_one_that_is_silent(url: str) -> None:
    async with way_to(url) as way, Store(way.url, connections=1) as db:
        silent = asyncio.Event()

        async def work(connection: Connection) -> None:
            way.fall_silent()
            silent.set()
            await connection.execute("SELECT 1")

        waiting = asyncio.create_task(db.transact(work))
        await silent.wait()
        db.patience = 0.1
        async with asyncio.timeout(SOON_S):
            with pytest.raises(JournalError):
                await waiting


async def test_the_queue_waits_for_one_that_is_not_there_and_in_a_hurry_it_does_not() -> None:
    connector = PatientConnector("postgresql://127.0.0.1:9/nothing", connections=1, timeout=0.1)
    async with asyncio.timeout(SOON_S):
        await connector.open_async()
        asking = asyncio.create_task(connector.execute_query_async("SELECT 1"))
        done, _ = await asyncio.wait({asking}, timeout=0.3)
        assert not done
        connector.hurry(0.1)
        with pytest.raises(ConnectorException):
            await asking
        await connector.close_async()


async def test_what_one_has_locked_who_vanished_is_free_soon(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker is cut off in the middle of a transaction; the database would wait for hours."""
    missed = {**connection_store._MISSED, "idle_in_transaction_session_timeout": 200}
    monkeypatch.setattr(connection_store, "_MISSED", missed)
    await put(store, tmp_path, ids(20))
    ((chunk_id,),) = await ask(store, "SELECT id FROM chunks")
    async with way_to(url) as way, Store(way.url) as far:
        chunk = await take(far, chunk_id)
        assert chunk is not None
        locked = asyncio.Event()

        async def work(connection: Connection) -> None:
            await fence(connection, Chunk(chunk_id, chunk.token))
            way.fall_silent()
            locked.set()
            await asyncio.Event().wait()

        vanished = asyncio.create_task(far.transact(work))
        await locked.wait()
        async with asyncio.timeout(SOON_S):
            assert await take(store, chunk_id) is not None
        far.patience = 0.1
        vanished.cancel()
        await asyncio.gather(vanished, return_exceptions=True)


async def test_who_has_vanished_is_noticed(url: str) -> None:
    """Without this the kernel goes on trying for a quarter of an hour, and for ever to listen."""
    async with way_to(url) as way, Store(way.url) as db:
        listening = await db.connect()
        with socket.fromfd(listening.fileno(), socket.AF_INET, socket.SOCK_STREAM) as wire:
            assert wire.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            idle = wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
            between = wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL)
            count = wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT)
            assert idle + between * count <= 20
            assert 0 < wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 20_000
        await listening.close()
        ((limit,),) = await ask(db, "SHOW idle_in_transaction_session_timeout")
        assert limit == "10s"


def test_what_the_address_says_goes_before(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = connection_settings(
        "postgresql://h/d?connect_timeout=9&tcp_user_timeout=1&keepalives_idle=2"
        "&options=-c%20idle_in_transaction_session_timeout%3D7"
    )
    assert not {"connect_timeout", "tcp_user_timeout", "keepalives_idle"} & settings.keys()
    assert settings["keepalives_interval"] == 5
    ours, theirs, path = settings["options"].rpartition("-c idle_in_transaction_session_timeout=7")
    assert (ours.count("idle_in_transaction"), theirs != "") == (1, True)
    assert "search_path" in path
    assert "connect_timeout" in connection_settings("postgresql://h/d")
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "9")
    assert "connect_timeout" not in connection_settings("postgresql://h/d")


@pytest.mark.parametrize(
    ("passes", "codes"),
    [
        # Lost, stopped, moved, overloaded, in each other's way, or stopped by an administrator.
        (True, "08000 08006 08P01 53300 57P01 57P02 57P03 57P05 25006 25P03 25P04"),
        (True, "40001 40P01 55P03 57014"),
        # It will be no other tomorrow.
        (False, "53100 28000 28P01 42501 42P01 42601 23505 22P02 XX000"),
    ],
)
def test_what_passes_by_itself_is_tried_again(passes: bool, codes: str) -> None:
    assert {code: is_passing(psycopg.errors.lookup(code)()) for code in codes.split()} == (
        dict.fromkeys(codes.split(), passes)
    )


async def test_a_store_that_was_closed_says_so_at_once(url: str) -> None:
    db = Store(url)
    async with db:
        pass
    async with asyncio.timeout(SOON_S):
        with pytest.raises(JournalError, match="closed"):
            await ask(db, "SELECT 1")
