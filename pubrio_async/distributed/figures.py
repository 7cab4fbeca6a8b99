"""How far the runs are, in numbers: sums over the tables, no people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from pubrio_async._errors import ConfigurationError
from pubrio_async.distributed.leases import in_words
from pubrio_async.distributed.store import Connection, Store
from pubrio_async.distributed.survey import unsettled_by_run
from pubrio_async.distributed.worker import STALLED_S
from pubrio_async.models.redeem import Number

_RUNS = """
SELECT r.name, r.priority, s.origin, s.contact_types, r.rows, r.malformed, r.known, r.is_whole,
    r.stopped, r.max_credits::float8, extract(epoch FROM r.created_at)::float8,
    COALESCE(c.people, 0)::bigint, COALESCE(c.reserved, 0)::float8,
    COALESCE(c.filling, 0) + COALESCE(c.todo, 0), COALESCE(c.doing, 0), COALESCE(c.done, 0),
    COALESCE(c.stopped, 0), c.reason,
    COALESCE(b.found, 0)::bigint, COALESCE(b.empty, 0)::bigint, COALESCE(b.rejected, 0)::bigint,
    COALESCE(b.pending, 0)::bigint, COALESCE(b.under_way, 0)::bigint,
    COALESCE(b.charged, 0)::float8, COALESCE(b.batches, 0),
    COALESCE(f.failed, 0)
FROM runs r
JOIN scopes s ON s.id = r.scope_id
LEFT JOIN (
    SELECT run_id, sum(people) AS people, sum(reserved) AS reserved,
        count(*) FILTER (WHERE state = 'filling' AND people > 0) AS filling,
        count(*) FILTER (WHERE state = 'todo') AS todo,
        count(*) FILTER (WHERE state = 'doing') AS doing,
        count(*) FILTER (WHERE state = 'done') AS done,
        count(*) FILTER (WHERE state = 'stopped') AS stopped,
        (array_agg(reason ORDER BY changed_at DESC)
            FILTER (WHERE state = 'todo' AND reason IS NOT NULL))[1] AS reason
    FROM chunks GROUP BY run_id
) c ON c.run_id = r.id
LEFT JOIN (
    SELECT c.run_id, sum(b.found) AS found, sum(b.empty) AS empty, sum(b.rejected) AS rejected,
        sum(b.people) FILTER (WHERE b.state = 'open' AND b.job IS NOT NULL) AS pending,
        sum(b.people) FILTER (WHERE b.state = 'open' AND b.job IS NULL) AS under_way,
        sum(b.charged) AS charged, count(*) AS batches
    FROM batches b JOIN chunks c ON c.id = b.chunk_id GROUP BY c.run_id
) b ON b.run_id = r.id
LEFT JOIN (
    SELECT c.run_id, count(*) AS failed
    FROM people p JOIN chunks c ON c.id = p.chunk_id
    WHERE p.failure IS NOT NULL GROUP BY c.run_id
) f ON f.run_id = r.id
WHERE %(name)s::text IS NULL OR r.name = %(name)s
ORDER BY r.id
"""

_WORKERS = """
SELECT count(*) FROM procrastinate_workers
WHERE last_heartbeat > clock_timestamp() - make_interval(secs => %s)
"""

_LIMITS = """
SELECT p.name, array_remove(array_agg(l.spec ORDER BY l.period), NULL),
    greatest(0, extract(epoch FROM p.until - clock_timestamp()))::float8, p.refusals,
    COALESCE((SELECT sum(s.held) FROM leases s
        WHERE s.name = p.name AND s.over_at > clock_timestamp()), 0)::bigint
FROM pauses p LEFT JOIN limits l ON l.name = p.name GROUP BY p.name ORDER BY p.name
"""


class RunFigures(Struct, frozen=True, kw_only=True):
    """A run in numbers: of people, where nothing else is said.

    Attributes:
        run: What it is called.
        priority: Runs with a higher one go first.
        api: The base URL of the API.
        contact_types: What is asked for.
        created_at: Unix time, by the clock of the database.
        rows: Rows of the input so far.
        is_whole: Whether the input was read to its end.
        malformed_rows: Rows that name nobody.
        known_rows: Rows that name somebody another run has bought, or is about to.
        people: Distinct people to be redeemed for this run.
        found: With contacts.
        empty: Without.
        rejected: Refused by the API on their own.
        pending: Whose job was accepted and has not been fetched.
        under_way: Whose request is about to be sent, or was, without an answer so far.
        unsettled: Whose answer is lost: they may have been charged.
        failed: Not bought: refused, or never sent; `enqueue` gives them another chance.
        waiting: Not sent yet.
        chunks_todo: Chunks nobody is at.
        chunks_doing: Chunks a worker is at.
        chunks_done: Chunks that are done.
        chunks_stopped: Chunks that were left because the run was stopped.
        batches: Requests for people, so far.
        credits_charged: As the API reported it.
        credits_reserved: Credits of the budget that are set aside for chunks under way.
        max_credits: The budget; None for none.
        stopped: Why nothing more is sent; None if the run goes on.
        last_trouble: Why the chunk that was given back last was given back.
    """

    run: str
    priority: int
    api: str
    contact_types: tuple[str, ...]
    created_at: float
    rows: int
    is_whole: bool
    malformed_rows: int
    known_rows: int
    people: int
    found: int
    empty: int
    rejected: int
    pending: int
    under_way: int
    unsettled: int
    failed: int
    waiting: int
    chunks_todo: int
    chunks_doing: int
    chunks_done: int
    chunks_stopped: int
    batches: int
    credits_charged: Number
    credits_reserved: Number
    max_credits: Number | None
    stopped: str | None
    last_trouble: str | None

    @property
    def is_over(self) -> bool:
        """Whether no worker has anything left to do for it."""
        return self.is_whole and not self.chunks_todo and not self.chunks_doing


class LimitFigures(Struct, frozen=True, kw_only=True):
    """A shared limit as it stands.

    Attributes:
        name: What it is called.
        limits: What it allows, such as `300/minute`.
        paused_s: Seconds until a pause asked for by the API ends; 0 when there is none.
        refusals: How often in a row the API has refused with 429 and made everyone wait; 0 once
            a request after that was not refused.
        leased: Permits that workers hold.
    """

    name: str
    limits: tuple[str, ...]
    paused_s: float
    refusals: int
    leased: int


class Figures(Struct, frozen=True, kw_only=True):
    """What is going on in a database.

    Attributes:
        workers: Workers that were heard of in the last 20 seconds.
        runs: The runs, the oldest first.
        limits: The shared limits.
    """

    workers: int
    runs: tuple[RunFigures, ...]
    limits: tuple[LimitFigures, ...]


async def status(store: Store, run: str | None = None) -> Figures:
    """How far the runs are. Sends nothing, and holds nobody up.

    Args:
        store: The database.
        run: One of them; None for all.

    Returns:
        The figures, all of one moment.

    Raises:
        ConfigurationError: There is no run of that name.
        JournalError: The database cannot be used.
    """

    async def work(db: Connection) -> Figures:
        await db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        found = await db.execute(_RUNS, {"name": run})
        rows = await found.fetchall()
        lost = await unsettled_by_run(db, run)
        runs = tuple(_run_figures(row, lost) for row in rows)
        found = await db.execute(_WORKERS, (STALLED_S,))
        (workers,) = await found.fetchone() or (0,)
        found = await db.execute(_LIMITS)
        limits = tuple(
            LimitFigures(
                name=name,
                limits=tuple(in_words((spec,)) for spec in specs),
                paused_s=paused,
                refusals=no,
                leased=held,
            )
            for name, specs, paused, no, held in await found.fetchall()
        )
        return Figures(workers=workers, runs=runs, limits=limits)

    figures = await store.transact(work)
    if run is not None and not figures.runs:
        raise ConfigurationError(
            f"There is no run {run!r} in this database; pubrio-async status URL names those there "
            "are."
        )
    return figures


_COLUMNS = (
    *("run", "priority", "api", "contact_types", "rows", "malformed_rows", "known_rows"),
    *("is_whole", "stopped", "max_credits", "created_at", "people", "credits_reserved"),
    *("chunks_todo", "chunks_doing", "chunks_done", "chunks_stopped", "last_trouble"),
    *("found", "empty", "rejected", "pending", "under_way", "credits_charged"),
    *("batches", "failed"),
)


def _run_figures(row: Sequence[Any], lost: Mapping[str, int]) -> RunFigures:
    values: dict[str, Any] = dict(zip(_COLUMNS, row, strict=True))
    # Not those of a lost batch who were bought again since.
    values["unsettled"] = lost.get(values["run"], 0)
    values["contact_types"] = tuple(values["contact_types"])
    for name in ("credits_charged", "credits_reserved", "max_credits"):
        number = values[name]
        values[name] = int(number) if number is not None and number == int(number) else number
    ended = ("found", "empty", "rejected", "pending", "under_way", "unsettled", "failed")
    # Replies name people beyond their batch now and then, and those bought again count twice.
    waiting = max(0, values["people"] - sum(values[name] for name in ended))
    return RunFigures(waiting=waiting, **values)
