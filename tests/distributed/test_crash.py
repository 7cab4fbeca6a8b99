"""A crash of the database forgets nothing that it was told, however it is set up."""

from __future__ import annotations

import signal
import uuid

from pubrio_async.distributed.journal import PostgresJournal
from pubrio_async.distributed.schema import apply_schema
from pubrio_async.distributed.store import Store
from tests.distributed.cluster import programs, running
from tests.distributed.fleet import ask
from tests.distributed.test_journal import make_chunk
from tests.needs import lacking
from tests.unit.journals import ADA, TYPES, batch


async def test_who_was_about_to_be_sent_is_known_though_commits_need_not_be_kept() -> None:
    home = programs()
    if home is None:
        lacking("PostgreSQL is not installed: no initdb on the PATH (apt: postgresql)")
    with running(home, durable=True) as server:
        url = server.make_database("careless")
        await apply_schema(url)
        async with Store(url) as store:
            await ask(store, "ALTER DATABASE careless SET synchronous_commit = off")
        token = uuid.uuid4()
        async with Store(url) as store:
            journal = PostgresJournal(store, await make_chunk(store, token), token)
            await journal.open(TYPES)
            await journal.intend(batch("b1", ADA))
            server.stop(signal.SIGQUIT)
            server.start()
            assert await ask(store, "SELECT batch_id FROM batches") == [("b1",)]
            await journal.close()
