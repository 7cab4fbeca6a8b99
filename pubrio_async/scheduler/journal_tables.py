"""The tables of a journal, with what of them is kept in memory so that most steps touch few pages.

Kept in memory: the open batches with their people, the people of the newest batches until they
are many enough to be added to `people`, and a few decoded batches. All of it can be read from the
file again, which is done when the file is opened and after a transaction that failed. A step
changes the tables first and then, when nothing can fail any more, the memory.
"""

from __future__ import annotations

import math
import sqlite3
from collections import deque
from collections.abc import Callable, Collection, Iterable
from itertools import repeat
from typing import Any

import msgspec
from msgspec import Struct

from pubrio_async.scheduler.journal import BatchKind, Unsettled
from pubrio_async.scheduler.journal_values import (
    MARKS,
    Ends,
    Key,
    People,
    join_keys,
    portions,
    split_keys,
    unpack_results,
)

_FEW = 50_000
_DECODED = 64
_IN_PEOPLE = f"SELECT key, batch FROM people WHERE key IN ({MARKS})"  # noqa: S608 - question marks only
# Whose end a batch brought: all its people, but for an unsettled one that left some their result.
_BROUGHT = "SELECT id, COALESCE(held, keys) FROM batches WHERE keys IS NOT NULL"
_MOVE_MARK = "UPDATE meta SET value = ? WHERE name = 'indexed_to'"


class OpenRow(Struct):
    """A batch without an end, as far as it is kept in memory.

    Attributes:
        row: Its id.
        kind: Single or batch.
        created_at: Unix time.
        people: Who is in it.
        accepted_at: Unix time.
        job: The job, as it is stored.
        query: The job's id.
        lost: The ended batch as which it was unsettled before.
        is_shared: Whether others may ask for some of them too.
    """

    row: int
    kind: BatchKind
    created_at: float
    people: People
    accepted_at: float | None = None
    job: bytes | None = None
    query: str | None = None
    lost: int | None = None
    is_shared: bool = False


class Tables:
    """The tables of a journal.

    Args:
        db: The connection.

    Attributes:
        connection: The connection.
        execute: Carries out a statement.
        open: The batches without an end, by their id.
        last_end: The id of the last batch that ended.
        last_request: The highest id an open batch has had.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self.connection = db
        self.execute: Callable[..., sqlite3.Cursor] = db.execute
        self.open: dict[str, OpenRow] = {}
        self.last_end: int = 0
        self.last_request: int = 0
        self._indexed_to = 0
        # Which batch brought the newest end, for those behind the mark.
        self._recent: dict[Key, int] = {}
        # By which open batch a person is asked for: if an end is known, it is not known until
        # that one ends.
        self._held: dict[Key, int | None] = {}
        self._decoded: dict[int, tuple[float, Ends | Unsettled]] = {}

    def load(self, query_of: Callable[[bytes], str]) -> None:
        """Reads from the file what is kept in memory.

        Args:
            query_of: The id of a job, from the job as it is stored.
        """
        self._recent.clear()
        self._decoded.clear()
        self._indexed_to = one(self, "SELECT value FROM meta WHERE name = 'indexed_to'")
        for row, keys in self.execute(f"{_BROUGHT} AND id > ? ORDER BY id", (self._indexed_to,)):
            self.note_ends(split_keys(keys), row)
        self.last_end = one(self, "SELECT COALESCE(MAX(id), 0) FROM batches")
        self._load_open(query_of)
        requests = [entry.row for entry in self.open.values()]
        lost: int = one(
            self,
            "SELECT COALESCE(MAX(request), 0) FROM batches"
            " WHERE state IN ('unsettled', 'reopened')",
        )
        self.last_request = max([lost, *requests])

    def _load_open(self, query_of: Callable[[bytes], str]) -> None:
        self.open.clear()
        self._held.clear()
        for batch_id, held, *values in self.execute(
            "SELECT batch_id, held, id, kind, created_at, keys, accepted_at, job, lost FROM open"
            " ORDER BY id"
        ):
            row, kind, created_at, keys, accepted_at, job, lost = values
            people = People(keys, split_keys(keys))
            query = None if job is None else query_of(job)
            self.open[batch_id] = OpenRow(
                row, kind, created_at, people, accepted_at, job, query, lost, held is not None
            )
            self._held.update(dict.fromkeys(people.each if held is None else split_keys(held), row))

    # -- ends ------------------------------------------------------------------------------

    def newest(self, keys: Collection[Key]) -> dict[Key, int]:
        """Which batch brought the newest end of each person; who has none is absent."""
        recent = self._recent
        found = {key: recent[key] for key in keys if key in recent}
        if self._indexed_to and len(found) < len(keys):
            missing = [key for key in keys if key not in found]
            for portion in portions(missing):
                found.update(self.execute(_IN_PEOPLE, portion))
        return found

    def end(self, row: int) -> tuple[float, Ends | Unsettled]:
        """When a batch ended, and how."""
        known = self._decoded.get(row)
        if known is None:
            values = self.execute(
                "SELECT ended_at, results, keys, reason, redeem_query_id FROM batches WHERE id = ?",
                (row,),
            ).fetchone()
            if values is None:
                raise msgspec.ValidationError("a batch is missing")
            ended_at, results, keys, reason, query = values
            known = (
                ended_at,
                Unsettled(reason, query) if results is None else unpack_results(keys, results),
            )
            if len(self._decoded) >= _DECODED:
                del self._decoded[next(iter(self._decoded))]
            self._decoded[row] = known
        return known

    def count_ends(self) -> dict[int, int]:
        """Each batch that brought somebody's newest end, and to how many."""
        counts: dict[int, int] = {}
        for (row,) in self.execute("SELECT batch FROM people"):
            counts[row] = counts.get(row, 0) + 1
        for row in self._recent.values():
            counts[row] = counts.get(row, 0) + 1
        if self._indexed_to:
            for portion in portions(self._recent):
                for _, row in self.execute(_IN_PEOPLE, portion):
                    counts[row] -= 1
        return {row: count for row, count in counts.items() if count}

    def note_ends(self, keys: Iterable[Key], row: int) -> None:
        """Keeps in memory that a batch brought the newest end of these people."""
        self.last_end = row
        self._recent.update(dict.fromkeys(keys, row))

    def replace_ends(self, ends: dict[Key, int | None]) -> None:
        """Changes which batch the end of a person is told from; None: they are free again."""
        self._move_to_people()
        self.connection.executemany(
            "DELETE FROM people WHERE key = ?", [(key,) for key, row in ends.items() if row is None]
        )
        self.connection.executemany(
            "UPDATE people SET batch = ? WHERE key = ?",
            [(row, key) for key, row in ends.items() if row is not None],
        )

    def tidy(self) -> None:
        """Moves people from memory into their table if there are many."""
        if len(self._recent) >= _FEW:
            self._move_to_people()

    def _move_to_people(self) -> None:
        # Bytes before texts, as SQLite sorts them: each page is then touched once.
        ends = sorted(self._recent.items(), key=lambda end: (isinstance(end[0], str), end[0]))
        self.connection.executemany("INSERT OR REPLACE INTO people VALUES (?, ?)", ends)
        self.execute(_MOVE_MARK, (self.last_end,))
        self._recent.clear()
        self._indexed_to = self.last_end

    # -- people an open batch asks for ---------------------------------------------------------

    def held_by(self, key: Key) -> int | None:
        """The open batch that asks for a person."""
        return self._held.get(key)

    def is_held(self, key: Key) -> bool:
        """Whether an open batch asks for a person, so that no end of theirs is known."""
        return key in self._held

    def held(self) -> Collection[Key]:
        """Those an open batch asks for, as long as it is the last that did."""
        return self._held.keys()

    def hold(self, keys: Collection[Key], row: int) -> None:
        """Lets an open batch ask for these people; no other one does so any more."""
        others = self._others(keys)
        self._held.update(dict.fromkeys(keys, row))
        if others:
            self._write_held(others)

    def release(self, keys: Collection[Key]) -> None:
        """Nobody asks for these people any more."""
        others = self._others(keys)
        if others:
            for key in keys:
                self._held.pop(key, None)
            self._write_held(others)

    def drop(self, entry: OpenRow) -> None:
        """An open batch does not ask for its people any more."""
        held = self._held
        keys: Iterable[Key] = entry.people.each
        if entry.is_shared:
            keys = [key for key in keys if held.get(key) == entry.row]
        deque(map(held.pop, keys, repeat(None)), maxlen=0)

    def _others(self, keys: Collection[Key]) -> set[int]:
        held = self._held
        if held.keys().isdisjoint(keys):
            return set()
        return {row for row in map(held.get, keys) if row is not None}

    def _write_held(self, rows: Collection[int]) -> None:
        for entry in self.open.values():
            if entry.row in rows:
                entry.is_shared = True
                keys = [key for key in entry.people.each if self._held.get(key) == entry.row]
                self.execute("UPDATE open SET held = ? WHERE id = ?", (join_keys(keys), entry.row))


def one(tables: Tables | sqlite3.Connection, statement: str, *values: object) -> Any:
    """The first value of the first row."""
    return tables.execute(statement, values).fetchone()[0]


NEVER = -math.inf
