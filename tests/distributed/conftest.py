"""A database for each test, on one server for all of them."""

from __future__ import annotations

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


@pytest.fixture
async def url(empty_url: str) -> str:
    """A database with our tables in it."""
    await apply_schema(empty_url)
    return empty_url


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    async with Store(url) as store:
        yield store
