"""What a journal has written lately: one row for each group of steps, until it moves to the tables.

Each call of SQLite hands the interpreter from thread to thread and back, which costs more than
most of what it does. So the steps of a group are written as one value, by one statement that is a
transaction in itself, and move to the tables many at a time: when somebody wants to read the
tables, or when there are enough of them. Most batches are then over, and never were in `open`.
Only what a batch has brought goes to its table at once: it is too long to be written twice.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Literal, NamedTuple

import msgspec

from pubrio_async.models.redeem import Number
from pubrio_async.scheduler.journal import BatchKind
from pubrio_async.scheduler.journal_values import Key, seal

Kind = Literal[0, 1, 3]
Entry = tuple[Kind, Sequence[Any]]
"""A step: what it is, and the values of the row it makes or changes."""

# The numbers are part of the format, and so is the order of the values.
INTENDED: Kind = 0
ACCEPTED: Kind = 1
CLOSED: Kind = 3

_OPEN = ("id", "batch_id", "kind", "created_at", "keys", "seal", "job", "accepted_at")
_JOB = ("id", "batch_id", "job", "accepted_at", "seal")


class EndRow(NamedTuple):
    """The row of a batch that has ended, but for its number and its seal.

    `journal_schema` tells what each value is.
    """

    state: str
    batch_id: str
    kind: BatchKind
    created_at: float
    accepted_at: float | None
    ended_at: float
    redeem_query_id: str | None
    request: int
    charged: Number | None = None
    found: int | None = None
    empty: int | None = None
    rejected: int | None = None
    reason: str | None = None
    job: bytes | None = None
    held: Key | None = None
    keys: Key | None = None
    results: bytes | None = None


_END = ("id", *EndRow._fields, "seal")

_INSERT_OPEN = f"INSERT INTO open ({', '.join(_OPEN)}) VALUES ({', '.join('?' * len(_OPEN))})"  # noqa: S608 - constants
_UPDATE_OPEN = "UPDATE open SET job = ?, accepted_at = ?, seal = ? WHERE id = ?"
_DELETE_OPEN = "DELETE FROM open WHERE id = ?"
_INSERT_ENDS = f"INSERT INTO batches ({', '.join(_END)}) VALUES "  # noqa: S608 - constants
_ONE_END = f"({', '.join('?' * len(_END))})"
# Of one statement. Each has its own text for every number of them, compiled once.
_MOST_ENDS = 16

_MOST = 200

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[Kind, tuple[Any, ...]]]).decode


class Log:
    """Writes steps, and reads tables in which all of them are.

    Args:
        connection: The database.

    Attributes:
        connection: The database.
        entries: What is in the log, and not in the tables.
        writes: How many writes were asked for so far.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.entries: list[Entry] = []
        self.writes: int = 0
        self._waiting: list[Entry] = []
        self._ended: list[Sequence[Any]] = []
        self._is_folded = False

    def read_log(self) -> bool:
        """Reads what the log holds.

        Returns:
            Whether it is what was written.
        """
        found = self.connection.execute("SELECT entries FROM log ORDER BY id")
        self.entries = [entry for (packed,) in found for entry in _decode(packed)]
        return all(map(_is_sealed, self.entries))

    @property
    def is_long(self) -> bool:
        """Whether it is time to fold it into the tables."""
        return len(self.entries) >= _MOST

    def note(self, kind: Kind, *values: object) -> None:
        """Writes down a step, before the next read or when `commit` is called."""
        self.writes += 1
        self._waiting.append((kind, values))

    def close(self, number: int, row: EndRow) -> None:
        """Writes down the end of a batch, as `note` does.

        Args:
            number: Counts the ends.
            row: Its row among those with an end.
        """
        self._ended.append((number, *row, seal(row.keys, row.results or row.job)))
        self.note(CLOSED, row.request, row.batch_id, _seal_of_closed(row.request, row.batch_id))

    def execute(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        """Reads the tables, with all that was written before."""
        if self._waiting or (self.entries and not self._is_folded):
            self.begin()
        return self.connection.execute(statement, values)

    def write(self, statement: str, *values: object) -> None:
        """Changes the tables."""
        self.writes += 1
        self.begin()
        self.connection.execute(statement, values)

    def write_many(self, statement: str, every: Iterable[Sequence[object]]) -> None:
        """Changes many rows of the tables."""
        self.writes += 1
        self.begin()
        self.connection.executemany(statement, every)

    def commit(self) -> None:
        """Makes everything that was written last."""
        if self.connection.in_transaction:
            self.begin()
            self.connection.execute("COMMIT")
            self.entries.clear()
            self._is_folded = False
        elif self._waiting:
            run, ends = self.connection.execute, self._ended
            if ends:
                run("BEGIN")
                self._put_ends()
            run("INSERT INTO log (entries) VALUES (?)", (_encode(self._waiting),))
            if ends:
                run("COMMIT")
            self.entries += self._waiting
            self._waiting = []

    def rollback(self) -> None:
        """Forgets everything that was written since the last commit."""
        self._waiting = []
        self._ended = []
        self._is_folded = False
        self.connection.rollback()

    def fold(self) -> None:
        """Moves what the log holds to the tables."""
        if self.entries:
            self.begin()
            self.commit()

    def begin(self) -> None:
        """Writes whatever comes into the tables, and all that was written before."""
        if not self.connection.in_transaction:
            self.connection.execute("BEGIN")
        if not self._is_folded:
            if self.entries:
                self._apply(self.entries)
                self.connection.execute("DELETE FROM log")
            self._is_folded = True
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            self._apply(waiting)
            self._put_ends()

    def _put_ends(self) -> None:
        ended, self._ended = self._ended, []
        for start in range(0, len(ended), _MOST_ENDS):
            rows = ended[start : start + _MOST_ENDS]
            statement = _INSERT_ENDS + ", ".join([_ONE_END] * len(rows))
            self.connection.execute(statement, [*chain.from_iterable(rows)])

    def _apply(self, entries: Iterable[Entry]) -> None:
        opened: dict[int, list[Any]] = {}
        accepted: list[tuple[Any, ...]] = []
        gone: list[tuple[int]] = []
        for kind, values in entries:
            if kind == INTENDED:
                opened[values[0]] = [*values, None, None]
            elif kind == ACCEPTED:
                row, _, job, accepted_at, mark = values
                if row in opened:
                    opened[row][-3:] = [mark, job, accepted_at]
                else:
                    accepted.append((job, accepted_at, mark, row))
            elif opened.pop(values[0], None) is None:
                gone.append((values[0],))
        many = self.connection.executemany
        for statement, rows in (
            (_UPDATE_OPEN, accepted),
            (_DELETE_OPEN, gone),
            (_INSERT_OPEN, list(opened.values())),
        ):
            if rows:
                many(statement, rows)


def _is_sealed(entry: Entry) -> bool:
    kind, values = entry
    if kind == INTENDED:
        *_, keys, mark = values
        return bool(mark == seal(keys, None))
    if kind == CLOSED:
        row, batch_id, mark = values
        return bool(mark == _seal_of_closed(row, batch_id))
    return True


def _seal_of_closed(row: int, batch_id: str) -> int:
    return seal(batch_id, str(row).encode())
