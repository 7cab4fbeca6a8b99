"""Writes outcomes: as they come (JSONL), or behind the input's own cells in the input's order.

The tables appear whole, when they are closed; see `PartFile`. They can be read by their owner
only, because they hold personal data.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

import msgspec

from pubrio_async._errors import ConfigurationError
from pubrio_async.models import Outcome
from pubrio_async.tables._part import PartFile
from pubrio_async.tables._record import Record, recorder
from pubrio_async.tables._reorder import ReorderBuffer

# Only after a run broke off inside itself: no outcome says what became of these rows.
_NO_OUTCOME: Record = [
    "unsettled",
    "",
    "",
    "",
    "",
    "",
    "",
    "The run broke off before the outcome of this row was known; it may have been charged.",
]

# Longer than most batches, whose rows settle together.
_LONGEST_STRETCH = 200


class Sink(Protocol):
    """Where outcomes go."""

    def write(self, outcome: Outcome) -> None:
        """Takes one outcome.

        Raises:
            OSError: It could not be written.
        """
        ...

    def close(self) -> None:
        """Completes the output and puts it in its place.

        Raises:
            OSError: It could not be written.
        """
        ...

    def discard(self, *, keep: bool = False) -> None:
        """Gives the output up; what stood in its place before is left as it was.

        Does nothing after `close`.

        Args:
            keep: Leave what was written beside the output, in a file that ends in `.part`.
        """
        ...


class OwnCells(Protocol):
    """The input's own cells, as the writer takes them.

    Attributes:
        needs_people: Whether the person is all there is in a row, and is to be told.
        unreadable: Why the input could not be read to its end, if so.
    """

    @property
    def needs_people(self) -> bool: ...
    @property
    def unreadable(self) -> OSError | ConfigurationError | None: ...


class RowWriter(Protocol):
    """Writes complete rows of a table, in order: the input's own cells, and the outcome's.

    Attributes:
        is_spreadsheet: Whether spreadsheets may take a cell for a formula.
    """

    is_spreadsheet: bool

    @property
    def own(self) -> OwnCells:
        """Where it takes the input's own cells from."""
        ...

    def write(self, people: Sequence[str], records: Sequence[Record]) -> None:
        """Writes rows: the person of each, if that is needed, and the cells of its outcome."""
        ...

    def finish(self) -> None:
        """Writes what is still held back."""
        ...


class StdoutSink:
    """One outcome a line, seen by the reader at once; for a terminal, in ASCII.

    What came with the input or from the API could hold what a terminal obeys.
    """

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder()
        self._file = sys.stdout.buffer
        self._is_terminal = sys.stdout.isatty()

    def write(self, outcome: Outcome) -> None:
        """Writes one line."""
        line = self._encoder.encode(outcome)
        if self._is_terminal:
            line = json.dumps(json.loads(line)).encode()
        try:
            self._file.write(line + b"\n")
            self._file.flush()
        except OSError:
            # What is held back would fail again, and loudly, when the process ends.
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), self._file.fileno())
            raise

    def close(self) -> None:
        """Nothing is held back."""

    def discard(self, *, keep: bool = False) -> None:
        """What was written cannot be taken back."""


class JsonlSink:
    """One outcome a line, in the order they come."""

    def __init__(self, path: str) -> None:
        self._encoder = msgspec.json.Encoder()
        self._part = PartFile(path, what="output")

    def write(self, outcome: Outcome) -> None:
        """Writes one line."""
        self._part.file.write(self._encoder.encode(outcome) + b"\n")

    def close(self) -> None:
        """Puts the file in its place."""
        self._part.publish()

    def discard(self, *, keep: bool = False) -> None:
        """Closes the file."""
        self._part.discard(keep=keep)


class TableSink:
    """The input's own cells followed by the outcome's, in the order of the input.

    Outcomes may come in any order; those that come in that of the input are dealt with together,
    a stretch at a time. When it is closed, every row up to the last one that has an outcome is in
    the table.
    """

    def __init__(
        self,
        part: PartFile,
        writer: RowWriter,
        contact_types: Sequence[str],
    ) -> None:
        self._part = part
        self._writer = writer
        self._needs_people = writer.own.needs_people
        self._record = recorder(contact_types, is_spreadsheet=writer.is_spreadsheet)
        # The stretch that is growing: its first row, and its outcomes.
        self._first = 0
        self._stretch: list[Outcome] = []
        # What was written ends before the one, what has come before the other.
        self._next = 0
        self._end = 0
        self._early = ReorderBuffer(os.path.dirname(os.path.abspath(part.path)))

    def write(self, outcome: Outcome) -> None:
        """Takes an outcome; its row is written when its turn comes."""
        stretch, row = self._stretch, outcome.row
        if row == self._first + len(stretch) and len(stretch) < _LONGEST_STRETCH:
            stretch.append(outcome)
            return
        first, self._first = self._first, row
        self._stretch = [outcome]
        if stretch:
            self._take(first, stretch)
            self._check_input()

    def close(self) -> None:
        """Writes what is still held back and puts the file in its place."""
        self._finish()
        self._check_input()
        self._part.publish()

    def discard(self, *, keep: bool = False) -> None:
        """Closes the file."""
        if not self._part.file.closed:
            # What made the caller give up, such as a full disk, may stand in the way again.
            with suppress(OSError):
                self._finish()
        self._early.close()
        self._part.discard(keep=keep)

    def _finish(self) -> None:
        stretch, self._stretch = self._stretch, []
        if stretch:
            self._take(self._first, stretch)
        self._put_early()
        while self._next < self._end:
            self._put([""], [_NO_OUTCOME])
            self._put_early()
        self._early.close()
        self._writer.finish()

    def _take(self, first: int, stretch: list[Outcome]) -> None:
        """Writes a stretch and those that waited for it, or keeps it until its turn comes."""
        count = len(stretch)
        self._end = max(self._end, first + count)
        records = list(map(self._record, stretch))
        people = [outcome.person if self._needs_people else "" for outcome in stretch]
        if first != self._next:
            self._early.put(first, count, msgspec.msgpack.encode((people, records)))
            return
        self._put(people, records)
        self._put_early()

    def _put_early(self) -> None:
        while self._next < self._end:
            data = self._early.pop(self._next)
            if data is None:
                break
            self._put(*_DECODER.decode(data))

    def _put(self, people: list[str], records: list[Record]) -> None:
        self._next += len(records)
        self._writer.write(people, records)

    def _check_input(self) -> None:
        if self._writer.own.unreadable is not None:
            raise self._writer.own.unreadable


_DECODER: msgspec.msgpack.Decoder[tuple[list[str], list[Record]]] = msgspec.msgpack.Decoder(
    tuple[list[str], list[Record]]
)
