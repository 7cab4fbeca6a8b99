"""What the tests of several requests for the same people share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pubrio_async.distributed.journal import PostgresJournal
from pubrio_async.distributed.store import Store
from pubrio_async.scheduler.journal import Journal
from tests.distributed.fleet import ask
from tests.unit.journals import ADA, BOB, batch

DAY = 86_400.0
PEOPLE = {"ada": ADA, "bob": BOB}
NOW = "SELECT extract(epoch FROM clock_timestamp())::float8"

Make = Callable[..., Awaitable[PostgresJournal]]


async def yesterday(store: Store) -> float:
    ((now,),) = await ask(store, NOW)
    return float(now) - DAY


async def lose(journal: Journal, batch_id: str, *people: str) -> None:
    await journal.intend(batch(batch_id, *people))
    await journal.unsettle(batch_id, f"lost with {batch_id}")
