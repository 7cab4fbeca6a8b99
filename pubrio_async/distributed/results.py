"""What became of a run: its rows in the order of the input, while it goes on or afterwards."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from pubrio_async._errors import ConfigurationError, JournalError
from pubrio_async.distributed.earlier import with_bought
from pubrio_async.distributed.store import Connection, Store
from pubrio_async.distributed.values import (
    key_if_any,
    pack_person,
    unpack_checked,
    unpack_person,
    unpack_stored,
)
from pubrio_async.models import Outcome, OutcomeStatus
from pubrio_async.models.outcome import RunReport
from pubrio_async.scheduler.journal import Settled, Unsettled
from pubrio_async.scheduler.journal_values import (
    Key,
    pack_keys,
    split_keys,
    unpack_results,
)
from pubrio_async.scheduler.outbox import failed, settled
from pubrio_async.scheduler.persons import NotAPersonError, person_key

_decode_people = msgspec.msgpack.Decoder(list[str]).decode
_decode_cells = msgspec.msgpack.Decoder(list[list[Any]]).decode

_WAITING = "not sent yet: it waits in the queue"
_UNDER_WAY = (
    "about to be sent, or sent: a worker is at it, or has died, and another takes it up. It may "
    "have been charged; its result is looked for"
)
_ACCEPTED = "accepted as job {}, which has not finished; a worker fetches the result"

_BLOCK = "SELECT people, cells, first_row FROM blocks WHERE run_id = %s AND number = %s"

_PEOPLE = """
SELECT p.key, p.chunk_id, p.batch_id, p.failure FROM people p
WHERE p.scope_id = %s AND p.key = ANY(%s)
"""

_ENDS = """
SELECT id, state, keys, results, job, seal, reason, redeem_query_id FROM batches
WHERE id = ANY(%s)
"""

_OPEN = """
SELECT chunk_id, keys, redeem_query_id FROM batches
WHERE state = 'open' AND chunk_id = ANY(%s)
"""


class StoredRows:
    """The input of a run as it was given, read again from the database.

    It is fed block by block, ahead of the outcomes of these rows.
    """

    def __init__(self, run: str, columns: Sequence[str], total: int, *, has_cells: bool) -> None:
        self.name: str = f"the run {run}"
        self.columns: tuple[str, ...] = tuple(columns)
        self.total: int | None = total
        self.warnings: tuple[str, ...] = ()
        self._has_cells = has_cells
        self._cells: deque[Sequence[object]] = deque()

    def feed(self, cells: Sequence[Sequence[object]]) -> None:
        """Takes in the cells of the next rows."""
        self._cells.extend(cells)

    def people(self) -> Iterator[str]:
        """Nobody: the outcomes name them."""
        return iter(())

    def cells(self) -> Iterator[Sequence[object]] | None:
        """The cells of each row, as far as it was fed."""
        return self._fed() if self._has_cells else None

    def _fed(self) -> Iterator[Sequence[object]]:
        while self._cells:
            yield self._cells.popleft()


class Export(Struct, kw_only=True):
    """A run that is read.

    Attributes:
        run: What it is called.
        contact_types: What was asked for.
        source: The input's own columns.
        is_whole: Whether the input was read to its end.
        report: How many rows ended how, of those that were read.
    """

    run: str
    contact_types: tuple[str, ...]
    source: StoredRows
    is_whole: bool
    report: RunReport
    run_id: int
    scope_id: int
    blocks: int


async def open_export(store: Store, run: str) -> Export:
    """Finds a run.

    Args:
        store: The database.
        run: What it is called.

    Raises:
        ConfigurationError: There is none of that name.
        JournalError: The database cannot be used.
    """

    async def work(db: Connection) -> Any:
        found = await db.execute(
            "SELECT r.id, r.scope_id, r.form, r.rows, r.blocks, r.is_whole, s.contact_types"
            " FROM runs r JOIN scopes s ON s.id = r.scope_id WHERE r.name = %s",
            (run,),
        )
        return await found.fetchone()

    row = await store.transact(work)
    if row is None:
        raise ConfigurationError(
            f"There is no run {run!r} in this database; pubrio-async status URL names those there "
            "are."
        )
    run_id, scope_id, form, rows, blocks, is_whole, types = row
    return Export(
        run=run,
        contact_types=tuple(types),
        source=StoredRows(run, form["columns"], rows, has_cells=form["cells"]),
        is_whole=is_whole,
        report=RunReport(),
        run_id=run_id,
        scope_id=scope_id,
        blocks=blocks,
    )


async def export(store: Store, opened: Export) -> AsyncGenerator[Outcome]:
    """The outcomes of a run, one for each row, in the order of the input.

    Rows that have no end yet are `pending` if they were sent, and `skipped` if not.

    Args:
        store: The database.
        opened: The run, as `open_export` found it; its `source` and `report` go along.

    Raises:
        JournalError: The database cannot be used, or is damaged.
    """
    for number in range(opened.blocks):
        for outcome in await _block(store, opened, number):
            opened.report.rows += 1
            count = getattr(opened.report, outcome.status)
            setattr(opened.report, outcome.status, count + 1)
            yield outcome


async def _block(store: Store, opened: Export, number: int) -> list[Outcome]:
    async def work(db: Connection) -> tuple[list[str], int, bytes | None, _Known]:
        # All at one moment: what is settled meanwhile would else be neither open nor settled.
        await db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        found = await db.execute(_BLOCK, (opened.run_id, number))
        row = await found.fetchone()
        if row is None:
            raise JournalError("a part of the input is missing in the database")
        packed, cells, first = row
        people = _decode_people(packed)
        return people, first, cells, await _known(db, opened.scope_id, people)

    people, first, cells, known = await store.transact(work)
    if cells is not None:
        opened.source.feed(_decode_cells(cells))
    return [known.outcome((row, person)) for row, person in enumerate(people, first)]


class _Person(Struct):
    chunk_id: int
    batch_id: int | None
    failure: str | None


class _Known(Struct):
    """What is known of the people of a block.

    Attributes:
        people: Who they are claimed by.
        ends: The ends of those whose batch has one.
        open: The job of each that is under way; None where it is not known.
    """

    people: dict[str, _Person]
    ends: dict[str, Settled | Unsettled]
    open: dict[str, str | None]

    def outcome(self, row: tuple[int, str]) -> Outcome:
        """What is known of a row."""
        try:
            key = person_key(row[1])
        except NotAPersonError as reason:
            return failed(row, "rejected", f"{reason}; it was not sent and nothing was charged")
        if key in self.open:
            job = self.open[key]
            return failed(row, "pending", _ACCEPTED.format(job) if job else _UNDER_WAY, job)
        end = self.ends.get(key)
        if end is not None:
            return settled(row, end)
        person = self.people.get(key)
        if person is None or person.failure is None:
            return failed(row, "skipped", _WAITING)
        status, _, why = person.failure.partition(": ")
        told: OutcomeStatus = "failed" if status == "failed" else "skipped"
        return failed(row, told, why)


async def _known(db: Connection, scope_id: int, given: Sequence[str]) -> _Known:
    texts: dict[bytes, str] = {}
    wanted = tuple(dict.fromkeys(filter(None, map(key_if_any, given))))
    for text, key in zip(wanted, pack_keys(wanted).each, strict=True):
        texts[pack_person(key)] = text
    found = await db.execute(_PEOPLE, (scope_id, list(texts)))
    people = {texts[key]: _Person(*rest) for key, *rest in await found.fetchall()}
    packed = {text: unpack_person(key) for key, text in texts.items()}
    return _Known(
        people=people,
        ends=await _ends(db, scope_id, people, packed),
        open=await _open(db, people, packed),
    )


async def _ends(
    db: Connection, scope_id: int, people: Mapping[str, _Person], packed: Mapping[str, Key]
) -> dict[str, Settled | Unsettled]:
    of_batch: dict[int, list[str]] = {}
    for text, person in people.items():
        if person.batch_id is not None:
            of_batch.setdefault(person.batch_id, []).append(text)
    ends: dict[str, Settled | Unsettled] = {}
    lost: dict[str, tuple[bytes, Unsettled]] = {}
    found = await db.execute(_ENDS, (list(of_batch),))
    for batch_id, state, stored, results, job, mark, reason, query_id in await found.fetchall():
        texts = of_batch[batch_id]
        keys = unpack_checked(stored, results or job, mark)
        if state == "settled":
            known = unpack_results(keys, results)
            ends |= {text: known.of(packed[text], text) for text in texts}
        elif state == "unsettled":
            end = Unsettled(reason, query_id)
            lost |= {text: (pack_person(packed[text]), end) for text in texts}
    return ends | await with_bought(db, scope_id, lost)


async def _open(
    db: Connection, people: Mapping[str, _Person], packed: Mapping[str, Key]
) -> dict[str, str | None]:
    chunks = list({person.chunk_id for person in people.values()})
    found = await db.execute(_OPEN, (chunks,))
    under_way: dict[Key, str | None] = {}
    for _, stored, query_id in await found.fetchall():
        under_way |= dict.fromkeys(split_keys(unpack_stored(stored)), query_id)
    return {text: under_way[packed[text]] for text in people if packed[text] in under_way}
