"""Writes outcomes: as they come (JSONL), or behind the input's own cells in the input's order.

The tables appear whole, when they are closed; see `PartFile`. They can be read by their owner
only, because they hold personal data.
"""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import BinaryIO, Protocol

import msgspec

from pubrio_async._errors import ConfigurationError
from pubrio_async.models import Outcome
from pubrio_async.tables._part import PartFile
from pubrio_async.tables._record import OUTCOME_COLUMNS, Record, harmless, own_columns, record
from pubrio_async.tables._reorder import ReorderBuffer
from pubrio_async.tables._rows import RowSource

# Only after a run broke off inside itself: no outcome says what became of these rows.
_NO_OUTCOME: Record = (
    "unsettled",
    "",
    "",
    "",
    "",
    "",
    "",
    "The run broke off before the outcome of this row was known; it may have been charged.",
)


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


class RowWriter(Protocol):
    """Writes complete rows of a table, in order."""

    def write(self, cells: Sequence[object], outcome: Sequence[str]) -> None:
        """Writes a row."""
        ...

    def finish(self) -> None:
        """Writes what is still held back."""
        ...


class StdoutSink:
    """One outcome a line, seen by the reader at once."""

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder()
        self._file = sys.stdout.buffer

    def write(self, outcome: Outcome) -> None:
        """Writes one line."""
        try:
            self._file.write(self._encoder.encode(outcome) + b"\n")
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

    Outcomes may come in any order. When it is closed, every row up to the last one that has an
    outcome is in the table.
    """

    def __init__(
        self,
        part: PartFile,
        writer: RowWriter,
        source: RowSource,
        contact_types: Sequence[str],
    ) -> None:
        self._part = part
        self._writer = writer
        self._width = len(source.columns)
        self._cells = source.cells()
        self._types = frozenset(contact_types)
        self._next = 0
        self._end = 0
        self._early = ReorderBuffer(os.path.dirname(os.path.abspath(part.path)))

    def write(self, outcome: Outcome) -> None:
        """Writes the row, and those that waited for it; or keeps it until its turn comes."""
        self._end = max(self._end, outcome.row + 1)
        cells = record(outcome, self._types)
        if outcome.row != self._next:
            self._early.put(outcome.row, msgspec.msgpack.encode((outcome.person, cells)))
            return
        self._row(outcome.person, cells)
        while self._next < self._end:
            data = self._early.pop(self._next)
            if data is None:
                break
            self._row(*_DECODER.decode(data))

    def close(self) -> None:
        """Writes what is still held back and puts the file in its place."""
        self._finish()
        self._part.publish()

    def discard(self, *, keep: bool = False) -> None:
        """Closes the file."""
        if not self._part.file.closed:
            # What made the caller give up, such as a full disk, may stand in the way again.
            with suppress(OSError, ConfigurationError):
                self._finish()
        self._early.close()
        self._part.discard(keep=keep)

    def _finish(self) -> None:
        while self._next < self._end:
            data = self._early.pop(self._next)
            self._row(*(("", _NO_OUTCOME) if data is None else _DECODER.decode(data)))
        self._early.close()
        self._writer.finish()

    def _row(self, person: str, outcome: Record) -> None:
        self._next += 1
        if self._cells is None:
            cells: Sequence[object] = (person,)
        else:
            cells = next(self._cells, ("",) * self._width)
        self._writer.write(cells, outcome)


class CsvWriter:
    """Rows of a CSV or TSV file, UTF-8, lines ended by a line feed."""

    def __init__(self, part: PartFile, columns: Sequence[str], *, delimiter: str) -> None:
        self._writer = csv.writer(_Encoded(part.file), delimiter=delimiter, lineterminator="\n")
        self._writer.writerow([*own_columns(columns), *OUTCOME_COLUMNS])

    def write(self, cells: Sequence[object], outcome: Sequence[str]) -> None:
        """Writes a row; the outcome's cells cannot act as formulas."""
        self._writer.writerow([*cells, *harmless(outcome)])

    def finish(self) -> None:
        """Nothing is held back."""


class _Encoded:
    """What csv writes to. Unlike TextIOWrapper it holds nothing that must be flushed or closed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        return self._file.write(text.encode(errors="backslashreplace"))


_DECODER: msgspec.msgpack.Decoder[tuple[str, Record]] = msgspec.msgpack.Decoder(tuple[str, Record])
