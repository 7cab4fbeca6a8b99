"""What `PostgresJournal` reads from the tables: parts of a transaction, like its steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from pubrio_async._clock import SystemClock
from pubrio_async._errors import JournalError
from pubrio_async.distributed.earlier import with_bought
from pubrio_async.distributed.journal_steps import IS_KNOWN, Chunk, lost_people, one, whose
from pubrio_async.distributed.store import Connection
from pubrio_async.distributed.values import (
    pack_person,
    unpack_checked,
    unpack_person,
    unpack_stored,
)
from pubrio_async.scheduler.journal import (
    Batch,
    JournalSummary,
    OpenBatch,
    Settled,
    Unsettled,
)
from pubrio_async.scheduler.journal_values import (
    Key,
    pack_key,
    split_keys,
    unpack_job,
    unpack_key,
    unpack_results,
)

_ELSEWHERE = "an earlier request with them is looked for, or fetched, in another chunk of the run"

# Nobody is free here whom another chunk has by now, or is at: it would send them, too.
_KNOWN = f"""
SELECT array_agg(p.key), end_.is_known, b.state, b.keys, b.results, b.job, b.seal, b.reason,
    b.redeem_query_id
FROM people p LEFT JOIN batches b ON b.id = p.batch_id
CROSS JOIN LATERAL (SELECT COALESCE({IS_KNOWN}, false) AS is_known) AS end_
WHERE p.scope_id = %(scope)s AND p.key = ANY(%(keys)s) AND (end_.is_known
    OR p.chunk_id <> %(chunk)s OR (b.state = 'open' AND b.chunk_id <> %(chunk)s))
GROUP BY b.id, end_.is_known
"""  # noqa: S608 - a constant

_OPEN = """
SELECT b.batch_id, b.kind, b.keys, b.job, b.seal,
    extract(epoch FROM clock_timestamp() - b.accepted_at)::float8,
    extract(epoch FROM clock_timestamp() - b.intended_at)::float8, b.reason, b.intended_at
FROM batches b WHERE b.chunk_id = %s AND b.state = 'open' ORDER BY b.id
"""

# Also what is hidden, as it was to be bought again.
_BOUGHT = """
SELECT extract(epoch FROM clock_timestamp() - max(old.ended_at))::float8
FROM people p JOIN batches old ON old.id IN (p.batch_id, p.older_id)
WHERE p.scope_id = %s AND p.key = ANY(%s)
AND old.state = 'settled' AND old.found + old.empty > 0 AND old.ended_at <= %s
"""

_OPEN_ELSEWHERE = """
SELECT b.keys FROM batches b JOIN chunks c ON c.id = b.chunk_id
WHERE b.state = 'open' AND b.chunk_id <> %(chunk)s
AND c.run_id = (SELECT run_id FROM chunks WHERE id = %(chunk)s)
"""


async def lookup(
    db: Connection, chunk: Chunk, texts: Sequence[str], newer_than: float | None
) -> dict[str, Settled | Unsettled]:
    """What is known of people; of those in an open batch of the chunk nothing is, for now."""
    wanted = {pack_person(pack_key(text)): text for text in texts}
    given = {
        "scope": chunk.scope_id,
        "keys": list(wanted),
        "chunk": chunk.chunk_id,
        "since": newer_than,
    }
    found = await db.execute(_KNOWN, given)
    rows = await found.fetchall()
    under_way = await _under_way(db, chunk) if rows else set[bytes]()
    ends: dict[str, Settled | Unsettled] = {}
    lost: dict[str, tuple[bytes, Unsettled]] = {}
    for packed, has_end, state, stored, results, job, mark, reason, query_id in rows:
        people = [key for key in packed if key not in under_way]
        if not has_end:
            lost |= {wanted[key]: (key, Unsettled(_ELSEWHERE, query_id)) for key in people}
            continue
        keys = unpack_checked(stored, results or job, mark)
        if state == "unsettled":
            lost |= {wanted[key]: (key, Unsettled(reason, query_id)) for key in people}
            continue
        known = unpack_results(keys, results)
        for key in people:
            ends[wanted[key]] = known.of(unpack_person(key), wanted[key])
    ends |= await with_bought(db, chunk.scope_id, lost)
    return {text: ends[text] for text in texts if text in ends}


async def open_batches(db: Connection, chunk: Chunk) -> list[OpenBatch]:
    """The batches without an end, oldest first."""
    found = await db.execute(_OPEN, (chunk.chunk_id,))
    # How long ago it was, the database knows; the run reckons by the clock of this machine.
    now = SystemClock().wall()
    entries: list[OpenBatch] = []
    for (
        batch_id,
        kind,
        stored,
        job,
        mark,
        accepted_s,
        intended_s,
        reason,
        at,
    ) in await found.fetchall():
        keys = unpack_checked(stored, job, mark)
        bought_s = None
        if job is None:
            packed = [pack_person(key) for key in split_keys(keys)]
            (bought_s,) = await one(await db.execute(_BOUGHT, (chunk.scope_id, packed, at)))
        entries.append(
            OpenBatch(
                Batch(str(batch_id), kind, _texts(keys)),
                None if job is None else unpack_job(job),
                None if accepted_s is None else now - accepted_s,
                now - intended_s,
                reason,
                None if bought_s is None else now - bought_s,
            )
        )
    return entries


async def unsettled_people(db: Connection, chunk: Chunk) -> list[str]:
    """Everyone whose answer is lost, and to whom no other request is open in another chunk."""
    found = await db.execute(
        "SELECT keys FROM batches WHERE chunk_id = %s AND state = 'open' AND job IS NULL"
        " ORDER BY id",
        (chunk.chunk_id,),
    )
    people = dict.fromkeys(
        text for (stored,) in await found.fetchall() for text in _texts(unpack_stored(stored))
    )
    under_way = await _under_way(db, chunk)
    for keys in (await lost_people(db, chunk)).values():
        people |= dict.fromkeys(
            unpack_key(key) for key in keys if pack_person(key) not in under_way
        )
    if not people:
        return []
    # To be sent again, they would be paid for beside what is being fetched there.
    elsewhere = await _open_elsewhere(db, chunk)
    return [text for text in people if text not in elsewhere]


async def no_longer_lost(
    db: Connection, chunk: Chunk, texts: Sequence[str], newer_than: float | None
) -> dict[str, Settled | Unsettled]:
    """Who of `unsettled_people` is not to be sent again, after all, and what is known of them."""
    known = await lookup(db, chunk, texts, newer_than)
    ends = {
        text: end
        for text, end in known.items()
        if isinstance(end, Settled) or end.reason == _ELSEWHERE
    }
    elsewhere = await _open_elsewhere(db, chunk)
    return {text: Unsettled(_ELSEWHERE) for text in texts if text in elsewhere} | ends


async def load_usage(db: Connection, chunk: Chunk) -> bytes | None:
    """What was written down of the rate limits."""
    found = await db.execute("SELECT usage FROM chunks WHERE id = %s", (chunk.chunk_id,))
    row = await found.fetchone()
    return None if row is None else row[0]


async def summary(db: Connection, chunk: Chunk) -> JournalSummary:
    """The figures of the chunk."""
    found = await db.execute(
        "SELECT COALESCE(sum(people) FILTER (WHERE state = 'open' AND job IS NOT NULL), 0),"
        " COALESCE(sum(people) FILTER (WHERE state = 'open' AND job IS NULL), 0),"
        " count(*) FILTER (WHERE state = 'open'), COALESCE(sum(charged), 0)"
        " FROM batches WHERE chunk_id = %s",
        (chunk.chunk_id,),
    )
    pending, unanswered, jobs, charged = await one(found)
    found = await db.execute(
        "SELECT id, state, keys, results FROM batches WHERE chunk_id = %s AND state <> 'open'"
        " ORDER BY id",
        (chunk.chunk_id,),
    )
    ended = {row: rest for row, *rest in await found.fetchall()}
    people = await whose(db, chunk.scope_id, {row: keys for row, (_, keys, _) in ended.items()})
    under_way = await _under_way(db, chunk)
    counts: Counter[str] = Counter(unsettled=unanswered)
    for row, (state, stored, results) in ended.items():
        mine = [key for key in people[row] if pack_person(key) not in under_way]
        if state == "unsettled":
            counts["unsettled"] += len(mine)
        elif mine:
            counts.update(map(unpack_results(unpack_stored(stored), results).status, mine))
    return JournalSummary(
        contact_types=chunk.contact_types,
        found=counts["found"],
        empty=counts["empty"],
        rejected=counts["rejected"],
        pending=pending,
        unsettled=counts["unsettled"],
        open_jobs=jobs,
        credits_charged=int(charged) if charged == int(charged) else float(charged),
    )


async def _open_elsewhere(db: Connection, chunk: Chunk) -> set[str]:
    """The people of open batches in other chunks of the run."""
    found = await db.execute(_OPEN_ELSEWHERE, {"chunk": chunk.chunk_id})
    return {text for (stored,) in await found.fetchall() for text in _texts(unpack_stored(stored))}


async def _under_way(db: Connection, chunk: Chunk) -> set[bytes]:
    """The people of open batches."""
    if not chunk.open:
        return set()
    found = await db.execute(
        "SELECT keys FROM batches WHERE chunk_id = %s AND state = 'open'", (chunk.chunk_id,)
    )
    return {
        pack_person(key)
        for (stored,) in await found.fetchall()
        for key in split_keys(unpack_stored(stored))
    }


def _texts(keys: Key) -> tuple[str, ...]:
    try:
        return tuple(unpack_key(key) for key in split_keys(keys))
    except msgspec.MsgspecError:
        raise JournalError("the database holds people that cannot be read") from None
