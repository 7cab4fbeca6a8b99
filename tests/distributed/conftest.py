"""A database for each test, on one server for all of them."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from pubrio_async.distributed import claims, inputs, queue, redeeming
from pubrio_async.distributed.journal import PostgresJournal
from pubrio_async.distributed.schema import apply_schema
from pubrio_async.distributed.store import Store
from pubrio_async.distributed.values import pack_person, pack_stored
from pubrio_async.scheduler import logbook, reconcile
from pubrio_async.scheduler.journal_values import pack_key, pack_keys
from tests.distributed.cluster import Cluster, programs, running
from tests.distributed.fleet import ask
from tests.distributed.purchases import DAY, Make
from tests.needs import lacking
from tests.unit.journals import TYPES

_numbers = itertools.count()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    home = programs()
    if home is None:
        lacking("PostgreSQL is not installed: no initdb on the PATH (apt: postgresql)")
    with running(home) as server:
        yield server


@pytest.fixture
def empty_url(cluster: Cluster) -> Iterator[str]:
    """A database with nothing in it."""
    name = f"test_{next(_numbers)}"
    yield cluster.make_database(name)
    cluster.drop_database(name)


@pytest.fixture(scope="session")
def template(cluster: Cluster) -> str:
    """What databases with our tables are copies of: making the tables takes longer."""
    asyncio.run(apply_schema(cluster.make_database("with_tables")))
    return "with_tables"


@pytest.fixture
def url(cluster: Cluster, template: str) -> Iterator[str]:
    """A database with our tables in it."""
    name = f"test_{next(_numbers)}"
    yield cluster.make_database(name, template)
    cluster.drop_database(name)


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    async with Store(url) as store:
        yield store


@pytest.fixture
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is lost is looked for at once, and chunks are small."""
    monkeypatch.setattr(claims, "_FULL", 40)
    monkeypatch.setattr(queue, "_LOOK_FOR_JOBS_S", 0.1)
    monkeypatch.setattr(logbook, "_FIRST_LOOK_S", 0.02)
    monkeypatch.setattr(logbook, "_LATER_LOOKS_S", (0.02, 0.02))
    monkeypatch.setattr(reconcile, "_PAUSE_S", 0.02)


@pytest.fixture
async def make(store: Store) -> AsyncIterator[Make]:
    """Makes a chunk of people, and its journal; chunks belong to the same run if none is named."""
    async with AsyncExitStack() as stack:

        async def make(
            *people: str, run: str = "run", max_age: float | None = DAY
        ) -> PostgresJournal:
            await ask(
                store,
                "INSERT INTO scopes (origin, contact_types) VALUES ('https://api.example', %s)"
                " ON CONFLICT DO NOTHING",
                list(TYPES),
            )
            await ask(
                store,
                "INSERT INTO runs (name, scope_id, fingerprint, form, batch_size, sequence,"
                " max_age) SELECT %s, id, 'x', '{}', 100, 'results', %s FROM scopes"
                " ON CONFLICT DO NOTHING",
                *(run, max_age),
            )
            token = uuid.uuid4()
            ((chunk, scope),) = await ask(
                store,
                "INSERT INTO chunks (run_id, number, people, keys, state, token)"
                " SELECT r.id, (SELECT count(*) FROM chunks), %s, %s, 'doing', %s FROM runs r"
                " WHERE r.name = %s"
                " RETURNING id, (SELECT scope_id FROM runs WHERE id = run_id)",
                *(len(people), pack_stored(pack_keys(people).stored), token, run),
            )
            await ask(
                store,
                "INSERT INTO people (scope_id, key, chunk_id)"
                " SELECT %s, key, %s FROM unnest(%s::bytea[]) AS key ON CONFLICT (scope_id, key)"
                " DO UPDATE SET chunk_id = EXCLUDED.chunk_id",
                *(scope, chunk, [pack_person(pack_key(person)) for person in people]),
            )
            journal = PostgresJournal(store, chunk, token)
            stack.push_async_callback(journal.close)
            await journal.open(TYPES)
            return journal

        yield make


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk has 20 people, and jobs are looked for all the time."""
    monkeypatch.setattr(inputs, "_ROWS", 20)
    monkeypatch.setattr(claims, "_FULL", 20)
    monkeypatch.setattr(queue, "_LOOK_FOR_JOBS_S", 0.1)
    monkeypatch.setattr(redeeming, "_BUDGET_S", 0)
