"""The tables of a journal, with what of them is kept in memory so that most steps touch few pages.

Kept in memory: the open batches with their people, the people of the newest batches, and a few
decoded batches. All of it can be read from the file again, which is done when the file is opened
and after a write that failed.

What a step of the log changes in memory follows from what it writes, so it can be done over again.
People are added to `people` only when somebody has to be looked for there.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any

import msgspec
from msgspec import Struct

from pubrio_async.scheduler.journal import BatchKind, Unsettled
from pubrio_async.scheduler.journal_log import ACCEPTED, INTENDED, EndRow, Kind, Log
from pubrio_async.scheduler.journal_values import (
    MARKS,
    Ends,
    Key,
    People,
    join_keys,
    portions,
    seal,
    split_keys,
    unpack_job,
    unpack_results,
)

# People: in memory, and added to their table at once, sorted.
_FEW = 5_000
_MANY = 20_000
# The batches are read through for so few, so many times, before everyone is added.
_MOST_SCANNED = 32
_MOST_SCANS = 16
_DECODED = 64
_IN_PEOPLE = f"SELECT key, batch FROM people WHERE key IN ({MARKS})"  # noqa: S608 - question marks only
# Whose end a batch brought: all its people, but for an unsettled one that left some their result.
_BROUGHT = "SELECT id, COALESCE(held, keys) FROM batches WHERE keys IS NOT NULL"
_IN_OLDER = f"SELECT key, batch FROM older WHERE key IN ({MARKS})"  # noqa: S608 - likewise
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
        redeem_query_id: Its id.
        reason: Why it was unsettled before.
        lost: The ended batch as which it was unsettled before.
        held: Of whom it is the last to ask; None: all of them.
        texts: Who is in it, as text; empty if it was read from the file.
    """

    row: int
    kind: BatchKind
    created_at: float
    people: People
    accepted_at: float | None = None
    job: bytes | None = None
    redeem_query_id: str | None = None
    reason: str | None = None
    lost: int | None = None
    held: set[Key] | None = None
    texts: tuple[str, ...] = ()

    @property
    def asked(self) -> Collection[Key]:
        """Of whom it is the last to ask: as long as it is open, no end of theirs is known."""
        return self.people.each if self.held is None else self.held


class Tables(Log):
    """The tables of a journal, with the log in front of them.

    Args:
        connection: The database.

    Attributes:
        open: The batches without an end, by their id.
        last_end: The id of the last batch that ended.
        last_request: The highest id an open batch has had.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self.open: dict[str, OpenRow] = {}
        self.last_end: int = 0
        self.last_request: int = 0
        self._indexed_to = 0
        # Which batch brought the newest end, for batches behind this mark. Most people are never
        # looked for, so the newest batches are added when somebody is.
        self._recent_from = 0
        self._recent: dict[Key, int] = {}
        self._newest: list[tuple[int, Key]] = []
        self._few = 0
        self._scans = 0
        # Who is asked for by an open batch: if an end is known, it is not known until that one
        # ends. A look at each of them costs more than all that is done with a set of them.
        self._held: set[Key] = set()
        self._decoded: dict[int, tuple[float, Ends | Unsettled]] = {}

    # -- what is in memory -----------------------------------------------------------------

    def load(self) -> None:
        """Reads from the file what is kept in memory, and writes nothing."""
        self._decoded.clear()
        self.open.clear()
        self._held.clear()
        self.last_end = self._one("SELECT COALESCE(MAX(id), 0) FROM batches")
        self._indexed_to = self._one("SELECT value FROM meta WHERE name = 'indexed_to'")
        self._load_recent()
        self._load_open()
        requests = [entry.row for entry in self.open.values()]
        lost: int = self._one(
            "SELECT COALESCE(MAX(request), 0) FROM batches WHERE state IN ('unsettled', 'reopened')"
        )
        self.last_request = max([lost, *requests])
        for kind, values in self.entries:
            self._follow(kind, values)

    def _load_recent(self) -> None:
        self._forget_recent(self._indexed_to)
        newest_first = f"{_BROUGHT} AND id > ? ORDER BY id DESC"
        for row, packed in self.connection.execute(newest_first, (self._indexed_to,)):
            self._newest.append((row, packed))
            self._few += len(split_keys(packed))
            if self._few >= _FEW:
                self._recent_from = row - 1
                break
        self._newest.reverse()

    def _load_open(self) -> None:
        for batch_id, held, *values in self.connection.execute(
            "SELECT batch_id, held, id, kind, created_at, keys, accepted_at, job, reason, lost"
            " FROM open ORDER BY id"
        ):
            row, kind, created_at, keys, accepted_at, job, reason, lost = values
            people = People(keys, split_keys(keys))
            redeem_query_id = None if job is None else unpack_job(job).redeem_query_id
            self.open[batch_id] = OpenRow(
                *(row, kind, created_at, people, accepted_at, job, redeem_query_id, reason, lost),
                held=None if held is None else set(split_keys(held)),
            )
            self._held.update(self.open[batch_id].asked)

    def _one(self, statement: str) -> Any:
        return self.connection.execute(statement).fetchone()[0]

    # -- steps -----------------------------------------------------------------------------

    def intend(self, batch_id: str, kind: BatchKind, now: float, people: People) -> OpenRow:
        """Opens a batch."""
        row = self.last_request + 1
        mark = seal(people.stored, None)
        self.note(INTENDED, row, batch_id, kind, now, people.stored, mark)
        return self._opened(row, batch_id, kind, now, people)

    def accept(self, batch_id: str, job: bytes, now: float) -> None:
        """Adds the job to an open batch."""
        entry = self.open[batch_id]
        mark = seal(entry.people.stored, job)
        self.note(ACCEPTED, entry.row, batch_id, job, now, mark)
        self._accepted(batch_id, job, now)

    def finish(self, row: EndRow, people: People, freed: Collection[Key]) -> None:
        """Closes a batch.

        Args:
            row: Its row among those with an end.
            people: Who got an end by it.
            freed: Whom no other open batch asks for any more, either.
        """
        self.close(self.last_end + 1, row)
        self._closed(row.batch_id, people, freed)

    def _follow(self, kind: Kind, values: Sequence[Any]) -> None:
        """Changes in memory what a step of the log has changed."""
        if kind == INTENDED:
            row, batch_id, batch_kind, now, stored, _ = values
            self._opened(row, batch_id, batch_kind, now, People(stored, split_keys(stored)))
        elif kind == ACCEPTED:
            _, batch_id, job, now, _ = values
            self._accepted(batch_id, job, now)
        else:
            _, batch_id, _ = values
            self._held.difference_update(self.open.pop(batch_id).asked)

    def _opened(
        self, row: int, batch_id: str, kind: BatchKind, now: float, people: People
    ) -> OpenRow:
        self.last_request = row
        entry = self.open[batch_id] = OpenRow(row, kind, now, people)
        self.hold(entry)
        return entry

    def _accepted(self, batch_id: str, job: bytes, now: float) -> None:
        entry = self.open[batch_id]
        entry.job, entry.accepted_at = job, now
        entry.redeem_query_id = unpack_job(job).redeem_query_id

    def _closed(self, batch_id: str, people: People, freed: Collection[Key]) -> None:
        # Ends from before stand again, until others are noted.
        self.last_end += 1
        entry = self.open.pop(batch_id)
        self._held.difference_update(entry.asked)
        if people.each:
            self._newest.append((self.last_end, people.stored))
            self._few += len(people.each)
            if entry.held is not None or people is not entry.people:
                self._release(freed)

    # -- ends ------------------------------------------------------------------------------

    def newest(self, keys: Collection[Key]) -> dict[Key, int]:
        """Which batch brought the newest end of each person; who has none is absent."""
        recent = self._recent_ends()
        found = {key: recent[key] for key in keys if key in recent}
        if len(found) < len(keys):
            missing = [key for key in keys if key not in found]
            lately = self._scan(missing)
            if self._indexed_to:
                for portion in portions(missing):
                    found.update(self.execute(_IN_PEOPLE, portion))
            found.update(lately)
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
            ended_at, results, keys, reason, redeem_query_id = values
            known = (
                ended_at,
                Unsettled(reason, redeem_query_id)
                if results is None
                else unpack_results(keys, results),
            )
            if len(self._decoded) >= _DECODED:
                del self._decoded[next(iter(self._decoded))]
            self._decoded[row] = known
        return known

    def count_ends(self) -> dict[int, int]:
        """Each batch that brought somebody's newest end, and to how many."""
        self._index()
        counts: dict[int, int] = {}
        for (row,) in self.execute("SELECT batch FROM people"):
            counts[row] = counts.get(row, 0) + 1
        recent = self._recent_ends()
        for row in recent.values():
            counts[row] = counts.get(row, 0) + 1
        if self._indexed_to:
            for portion in portions(recent):
                for _, row in self.execute(_IN_PEOPLE, portion):
                    counts[row] -= 1
        return {row: count for row, count in counts.items() if count}

    def replace_ends(self, ends: dict[Key, int | None]) -> None:
        """Changes which batch the end of a person is told from; None: they are free again."""
        self._forget_recent(self.last_end)
        self._index()
        self.write_many(
            "DELETE FROM people WHERE key = ?", [(key,) for key, row in ends.items() if row is None]
        )
        self.write_many(
            "UPDATE people SET batch = ? WHERE key = ?",
            [(row, key) for key, row in ends.items() if row is not None],
        )

    def hide(self, results: Mapping[Key, int]) -> None:
        """Remembers which batch brought the last result of people who are unsettled now."""
        self.write_many("INSERT OR REPLACE INTO older VALUES (?, ?)", list(results.items()))

    def older(self, keys: Collection[Key]) -> dict[Key, int]:
        """Which batch brought the last result of people before they were unsettled, if any."""
        rows: dict[Key, int] = {}
        for portion in portions(keys):
            rows.update(self.execute(_IN_OLDER, portion))
        return rows

    def tidy(self) -> None:
        """Keeps no more people in memory than a few."""
        if self._few >= _FEW:
            self._forget_recent(self.last_end)

    def _forget_recent(self, mark: int) -> None:
        self._recent.clear()
        self._newest.clear()
        self._few, self._recent_from = 0, mark

    def _recent_ends(self) -> dict[Key, int]:
        for row, stored in self._newest:
            self._recent.update(zip(split_keys(stored), repeat(row)))
        self._newest.clear()
        return self._recent

    def _scan(self, keys: Collection[Key]) -> dict[Key, int]:
        """The newest ends of people who are neither in memory nor in `people`.

        Most runs look for hardly anybody: a few who are taken for known, though they are not. To
        read through the batches for them costs a fiftieth of adding everyone to `people`.
        """
        wanted, found = set(keys), dict[Key, int]()
        if self._indexed_to == self._recent_from:
            return found
        if self._scans == _MOST_SCANS or len(keys) > _MOST_SCANNED:
            self._index()
            return found
        self._scans += 1
        for row, packed in self._unindexed():
            found.update(zip(wanted.intersection(split_keys(packed)), repeat(row)))
        return found

    def _unindexed(self) -> Iterable[tuple[int, Key]]:
        """The people of batches who are neither in memory nor in `people`, the oldest first."""
        brought = f"{_BROUGHT} AND id > ? AND id <= ? ORDER BY id"
        return self.execute(brought, (self._indexed_to, self._recent_from))

    def _index(self) -> None:
        """Adds everyone to `people` who is not in memory."""
        if self._indexed_to == self._recent_from:
            return
        ends = dict[Key, int]()
        for row, packed in self._unindexed():
            ends.update(zip(split_keys(packed), repeat(row)))
            if len(ends) >= _MANY:
                self._add_to_people(ends)
        self._add_to_people(ends)
        self.write(_MOVE_MARK, self._recent_from)
        self._indexed_to, self._scans = self._recent_from, 0

    def _add_to_people(self, ends: dict[Key, int]) -> None:
        # Bytes before texts, as SQLite sorts them: each page is then touched once.
        rows = sorted(ends.items(), key=lambda end: (isinstance(end[0], str), end[0]))
        self.write_many("INSERT OR REPLACE INTO people VALUES (?, ?)", rows)
        ends.clear()

    # -- people an open batch asks for ---------------------------------------------------------

    def is_held(self, key: Key) -> bool:
        """Whether an open batch asks for a person, so that no end of theirs is known."""
        return key in self._held

    def held(self) -> Collection[Key]:
        """Those an open batch asks for."""
        return self._held

    def hold(self, entry: OpenRow) -> None:
        """Lets an open batch ask for its people; no other one does so any more."""
        asked = entry.asked
        expected = len(self._held) + len(asked)
        self._held.update(asked)
        if len(self._held) != expected:
            self._take_from_others(asked, entry)

    def _release(self, keys: Collection[Key]) -> None:
        """No batch asks for these people any more."""
        if not self._held.isdisjoint(keys):
            self._held.difference_update(keys)
            self._take_from_others(keys)

    def _take_from_others(self, keys: Collection[Key], one: OpenRow | None = None) -> None:
        taken = set(keys)
        for entry in self.open.values():
            if entry is not one and not taken.isdisjoint(entry.asked):
                entry.held = set(entry.asked) - taken
                asked = [key for key in entry.people.each if key in entry.held]
                self.write("UPDATE open SET held = ? WHERE id = ?", join_keys(asked), entry.row)


def one(tables: Log, statement: str, *values: object) -> Any:
    """The first value of the first row."""
    return tables.execute(statement, values).fetchone()[0]


NEVER = -math.inf
NOBODY = People(b"", ())
