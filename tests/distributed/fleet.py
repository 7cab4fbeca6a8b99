"""What tests of many workers have in common: made-up people, runs, and the stand-in behind them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pubrio_async import Outcome
from pubrio_async.distributed import Enqueued, RunSettings, Store, Worker, enqueue, export
from pubrio_async.distributed.results import open_export
from pubrio_async.distributed.store import Connection
from pubrio_async.sandbox import Sandbox, SandboxConfig, SandboxTransport
from pubrio_async.tables import open_rows
from tests.cli.conftest import ids, write_csv

ORIGIN = "http://127.0.0.1:9"
STATES = "SELECT state, count(*)::int FROM chunks GROUP BY state ORDER BY state"
TYPES = ("email-work",)
PATIENCE_S = 30.0

__all__ = ["ORIGIN", "PATIENCE_S", "TYPES", "Api", "ids", "write_csv"]


class Api:
    """The stand-in, in the process of the test, and the workers that speak with it."""

    def __init__(self, url: str, **settings: Any) -> None:
        given = {"limits": "unlimited", "latency": 0.0, "time_scale": 0.0, "seed": 7, **settings}
        self.sandbox = Sandbox(SandboxConfig(**given))
        self._url = url

    def worker(self, **settings: Any) -> Worker:
        given = {"rate_limit": "unlimited", "heartbeat_s": 0.2, "stalled_s": 1.0, **settings}
        return Worker(
            self._url,
            api_key="key-of-the-test",
            base_url=ORIGIN,
            transport=SandboxTransport(self.sandbox),
            **given,
        )

    def charged(self) -> Counter[str]:
        """How often each person was paid for."""
        return Counter(charge.people_search_id for charge in self.sandbox.charges())


def run_of(name: str = "run", **settings: Any) -> RunSettings:
    given = {"contact_types": TYPES, "origin": ORIGIN, "batch_size": 10, **settings}
    return RunSettings(name=name, **given)


async def put(
    store: Store, folder: Path, people: Sequence[str], name: str = "run", **settings: Any
) -> Enqueued:
    """Puts people into the queue."""
    path = write_csv(folder / f"{name}.csv", list(people))
    return await enqueue(store, open_rows(path), run_of(name, **settings))


async def outcomes(store: Store, run: str = "run") -> list[Outcome]:
    return [outcome async for outcome in export(store, await open_export(store, run))]


async def ask(store: Store, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """What the database says."""

    async def work(db: Connection) -> list[tuple[Any, ...]]:
        found = await db.execute(statement.encode(), values)
        return await found.fetchall() if found.description else []

    return await store.transact(work)


async def until(holds: Callable[[], Awaitable[object]]) -> None:
    """Waits until something holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not await holds():  # noqa: ASYNC110 - the database tells of no change
            await asyncio.sleep(0.02)


@asynccontextmanager
async def working(worker: Worker) -> AsyncGenerator[asyncio.Task[Any]]:
    """A worker in the background."""
    task = asyncio.create_task(worker.run())
    try:
        yield task
    finally:
        worker.stop()
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(task, return_exceptions=True)


async def days_pass(store: Store) -> None:
    """Makes everything that was bought two days older."""
    await ask(
        store,
        "UPDATE batches SET intended_at = intended_at - interval '2 days',"
        " ended_at = ended_at - interval '2 days'",
    )
