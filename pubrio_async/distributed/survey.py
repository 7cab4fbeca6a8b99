"""Who is unsettled, and whose job was not fetched: as far as no worker is at it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from pubrio_async._errors import ConfigurationError
from pubrio_async.distributed.journal_steps import whose
from pubrio_async.distributed.queue import queue_of
from pubrio_async.distributed.store import Connection, Store

_MOST = 2_000  # people in one chunk, as `enqueue` has it
_BATCHES_AT_ONCE = 200

# A worker that could not reach the database for a while is not dead, see `rescue`.
_HELD = """
SELECT (j.args ->> 'chunk_id')::bigint FROM procrastinate_jobs j
JOIN procrastinate_workers w ON w.id = j.worker_id
WHERE j.queue_name = %(queue)s AND j.status = 'doing' AND (
    w.last_heartbeat > clock_timestamp() - make_interval(secs => %(after)s)
    OR pg_postmaster_start_time() > clock_timestamp() - make_interval(secs => %(after)s)
)
"""

_RUNS = """
SELECT r.id, r.name, r.scope_id, s.contact_types FROM runs r JOIN scopes s ON s.id = r.scope_id
WHERE s.origin = %(origin)s AND (%(run)s::text IS NULL OR r.name = %(run)s) ORDER BY r.id
"""

# The oldest request first: those of the same moment are looked for together.
_BATCHES = """
SELECT b.id, b.chunk_id, c.run_id, c.state, b.state, b.job IS NULL, b.people, b.keys, b.reason
FROM batches b JOIN chunks c ON c.id = b.chunk_id
WHERE b.state <> 'settled' AND c.run_id = ANY(%s) ORDER BY c.run_id, b.intended_at, b.id
"""


class LostBatch(Struct, frozen=True):
    """A batch whose answer is lost, with somebody in it who has no other.

    Attributes:
        batch_id: Its number.
        people: Those of its people.
    """

    batch_id: int
    people: int


class IdleChunk(Struct):
    """A chunk that is not done, with something open or lost in it, and that no worker is at.

    Attributes:
        chunk_id: Its number.
        was_taken: Whether a worker has had it that was not heard of since.
        has_lost: Whether anybody in it is unsettled, and not looked for any more.
    """

    chunk_id: int
    was_taken: bool
    has_lost: bool = False


class RunSurvey(Struct, kw_only=True):
    """What is not settled of a run.

    Attributes:
        run_id: Its number.
        run: What it is called.
        contact_types: What is asked for.
        unsettled: People whose answer is lost: they may have been charged.
        pending: People whose job was accepted, and not fetched.
        with_workers: People of either kind that a worker is at.
        reasons: Why people are unsettled, and how many.
    """

    run_id: int
    run: str
    contact_types: tuple[str, ...]
    unsettled: int = 0
    pending: int = 0
    with_workers: int = 0
    reasons: dict[str, int] = field(default_factory=dict[str, int])
    lost: list[LostBatch] = field(default_factory=list[LostBatch])
    idle: dict[int, IdleChunk] = field(default_factory=dict[int, IdleChunk])

    def shares(self) -> list[list[int]]:
        """The lost batches of chunks that are done, as many together as make a chunk."""
        shares: list[list[int]] = []
        room = 0
        for batch in self.lost:
            if batch.people > room or not shares:
                shares.append([])
                room = _MOST
            shares[-1].append(batch.batch_id)
            room -= batch.people
        return shares


async def survey(
    store: Store, origin: str, run: str | None, *, stalled_s: float
) -> list[RunSurvey]:
    """Looks for what is not settled, and nobody is at.

    Args:
        store: The database.
        origin: The base URL of the API.
        run: One of its runs; None for all.
        stalled_s: Seconds without a sign of life after which a worker is taken for dead.

    Returns:
        Each run.

    Raises:
        ConfigurationError: There is no run of that name for this API.
        JournalError: The database cannot be used.
    """

    async def work(db: Connection) -> list[RunSurvey]:
        await db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        found = await db.execute(_RUNS, {"origin": origin, "run": run})
        scopes: dict[int, int] = {}
        runs: dict[int, RunSurvey] = {}
        for run_id, name, scope_id, types in await found.fetchall():
            scopes[run_id] = scope_id
            runs[run_id] = RunSurvey(run_id=run_id, run=name, contact_types=tuple(types))
        held = await held_chunks(db, queue_of(origin), stalled_s)
        found = await db.execute(_BATCHES, (list(runs),))
        rows = await found.fetchall()
        unsettled = [row for row in rows if row[4] == "unsettled"]
        people = await _last_words(db, [(scopes[row[2]], row[0], row[7]) for row in unsettled])
        for row in rows:
            _take_in(runs[row[2]], row, held, people)
        return list(runs.values())

    runs = await store.transact(work)
    if run is not None and not runs:
        raise ConfigurationError(
            f"There is no run {run!r} for {origin} in this database; pubrio-async status URL names "
            "those there are."
        )
    return runs


async def held_chunks(db: Connection, queue: str, stalled_s: float) -> set[int]:
    """The chunks that a worker is at, or is about to be.

    Args:
        db: A transaction.
        queue: The queue of the API.
        stalled_s: Seconds without a sign of life after which a worker is taken for dead.
    """
    found = await db.execute(_HELD, {"queue": queue, "after": stalled_s})
    return {chunk for (chunk,) in await found.fetchall()}


async def unsettled_by_run(db: Connection, run: str | None) -> Mapping[str, int]:
    """How many people of each run are unsettled, and in no other batch with an end.

    Args:
        db: A transaction.
        run: One of the runs; None for all.
    """
    found = await db.execute(
        "SELECT r.scope_id, b.id, b.keys, r.name FROM batches b JOIN chunks c ON c.id = b.chunk_id"
        " JOIN runs r ON r.id = c.run_id"
        " WHERE b.state = 'unsettled' AND (%(run)s::text IS NULL OR r.name = %(run)s)",
        {"run": run},
    )
    rows = await found.fetchall()
    people = await _last_words(db, [row[:3] for row in rows])
    counts: Counter[str] = Counter()
    for _, batch_id, _, name in rows:
        counts[name] += people[batch_id]
    return counts


def _take_in(run: RunSurvey, row: Sequence[Any], held: set[int], lost: Mapping[int, int]) -> None:
    batch_id, chunk_id, _, chunk_state, state, has_no_job, people, _, reason = row
    if state == "unsettled":
        people = lost[batch_id]
        if not people:
            return  # they were bought again
    if chunk_id in held:
        run.with_workers += people
        return
    if state == "open" and not has_no_job:
        run.pending += people
    else:
        why = reason or "whoever had it under way was not heard of again"
        run.unsettled += people
        run.reasons[why] = run.reasons.get(why, 0) + people
    if chunk_state in {"done", "stopped"}:
        run.lost.append(LostBatch(batch_id, people))
    else:
        chunk = run.idle.setdefault(chunk_id, IdleChunk(chunk_id, chunk_state == "doing"))
        chunk.has_lost = chunk.has_lost or state == "unsettled"


async def _last_words(db: Connection, batches: Iterable[tuple[int, int, bytes]]) -> dict[int, int]:
    """How many people have no other end than by each of some batches.

    Args:
        db: A transaction.
        batches: The scope, the number and the people of each.
    """
    of_scope: dict[int, dict[int, bytes]] = {}
    for scope_id, batch_id, stored in batches:
        of_scope.setdefault(scope_id, {})[batch_id] = stored
    counts: dict[int, int] = {}
    for scope_id, people_of in of_scope.items():
        rows = list(people_of)
        for first in range(0, len(rows), _BATCHES_AT_ONCE):
            some = {row: people_of[row] for row in rows[first : first + _BATCHES_AT_ONCE]}
            told = await whose(db, scope_id, some)
            counts |= {row: len(people) for row, people in told.items()}
    return counts
