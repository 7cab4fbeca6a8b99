"""What was bought of people earlier: the loss of a later request hides it from nobody."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import structs

from pubrio_async.distributed.store import Connection
from pubrio_async.distributed.values import unpack_checked, unpack_person
from pubrio_async.scheduler.journal import Unsettled
from pubrio_async.scheduler.journal_values import unpack_results

# The last result: also of those whom another chunk is buying again, and has not sent yet.
_BOUGHT = """
SELECT o.keys, o.results, o.seal, array_agg(p.key)
FROM people p JOIN batches o ON o.id IN (p.batch_id, p.older_id)
WHERE p.scope_id = %s AND p.key = ANY(%s) AND o.state = 'settled' AND o.found > 0
AND o.id = (SELECT max(b.id) FROM batches b
    WHERE b.id IN (p.batch_id, p.older_id) AND b.state = 'settled')
GROUP BY o.id
"""


async def with_bought(
    db: Connection, scope_id: int, lost: Mapping[str, tuple[bytes, Unsettled]]
) -> dict[str, Unsettled]:
    """Losses with what was bought of these people before.

    Args:
        db: A transaction.
        scope_id: Where they are bought.
        lost: How each was lost, and the person as the table of people has it.

    Returns:
        All of them.

    Raises:
        JournalError: The database is damaged.
    """
    ends = {text: end for text, (_, end) in lost.items()}
    if not ends:
        return ends
    texts = {packed: text for text, (packed, _) in lost.items()}
    found = await db.execute(_BOUGHT, (scope_id, list(texts)))
    for stored, results, mark, people in await found.fetchall():
        known = unpack_results(unpack_checked(stored, results, mark), results)
        for packed in people:
            key, text = unpack_person(packed), texts[packed]
            if known.status(key) == "found":
                ends[text] = structs.replace(ends[text], before=known.of(key, text))
    return ends
