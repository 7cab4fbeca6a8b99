"""What a journal knows of the people of an input, before a run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack

from pubrio_async.cli._demo_journal import demo_journal
from pubrio_async.cli._forecast import Ends, Known
from pubrio_async.endpoints import ContactTypeName


async def known_to(
    path: str,
    contact_types: Sequence[ContactTypeName],
    stack: AsyncExitStack,
    *,
    origin: str | None,
    max_age_s: float | None,
    sandbox: bool = False,
) -> Known:
    """What a journal that exists knows, as long as the stack stands.

    Args:
        path: The journal.
        contact_types: What is asked for.
        stack: Closes it.
        origin: The API it must have been written against; None for any.
        max_age_s: How old a result may be, in seconds.
        sandbox: Whether it belongs to the local stand-in.

    Raises:
        JournalError: It cannot be used for such a run.
    """
    # Only here: sqlite3 is a tenth of a second nobody else should pay for.
    from pubrio_async.scheduler.journal_sqlite import SqliteJournal  # noqa: PLC0415

    journal = (demo_journal(path) if sandbox else None) or SqliteJournal(path, origin=origin)
    # As it is; only then with the types, which would also make one that is not there.
    await journal.open(())
    stack.push_async_callback(journal.close)
    await journal.open(contact_types)
    batches = await journal.open_batches()
    newer_than = None if max_age_s is None else time.time() - max_age_s

    async def lookup(keys: Sequence[str]) -> Ends:
        return await journal.lookup(keys, newer_than)

    return Known(
        lookup,
        pending=frozenset(key for one in batches if one.job for key in one.batch.keys),
        unsettled=frozenset(key for one in batches if not one.job for key in one.batch.keys),
        open_jobs=sum(1 for one in batches if one.job),
    )
