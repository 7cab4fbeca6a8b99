"""A database for each test, on one server for all of them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator

import pytest

from pubrio_async.distributed.schema import apply_schema
from pubrio_async.distributed.store import Store
from tests.distributed.cluster import Cluster, programs, running
from tests.needs import lacking

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
