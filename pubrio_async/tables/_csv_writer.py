"""CSV and TSV files of outcomes, beside the input's own cells."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import BinaryIO

from pubrio_async.tables._cells import RowCells
from pubrio_async.tables._csv import Dialect
from pubrio_async.tables._part import PartFile
from pubrio_async.tables._record import OUTCOME_COLUMNS, Record, harmless, own_columns

_WRITE_CHARS = 1 << 16
_MARK = "\ufeff"


class CsvWriter:
    """Rows of a CSV or TSV file, UTF-8.

    The outcome's cells are harmless. The input's own stay as they are, so that the output can be
    an input again, unless it is asked otherwise.
    """

    is_spreadsheet: bool = True

    def __init__(
        self, part: PartFile, own: RowCells, dialect: Dialect, *, harmless_input: bool = False
    ) -> None:
        self.own: RowCells = own
        self._file: BinaryIO = part.file
        self._delimiter = dialect.delimiter
        self._newline = dialect.newline
        self._harmless_input = harmless_input
        self._text = io.StringIO(_MARK if dialect.has_mark else "", newline="")
        self._text.seek(0, io.SEEK_END)
        columns = own_columns(own.columns)
        if harmless_input:
            columns = list(map(harmless, columns))
        self._text.write(self._line([*columns, *OUTCOME_COLUMNS]))

    def write(self, people: Sequence[str], records: Sequence[Record]) -> None:
        """Writes rows."""
        add, make_line = self._text.write, self._line
        for own, ours in zip(self.own.take(people), records, strict=True):
            if self._harmless_input:
                own = [harmless(_as_cell(cell)) for cell in own]  # noqa: PLW2901 - what is written
            add(make_line([*own, *ours]))
        if self._text.tell() >= _WRITE_CHARS:
            self.finish()

    def finish(self) -> None:
        """Writes what is held back."""
        text = self._text.getvalue()
        self._text = io.StringIO(newline="")
        self._file.write(text.encode(errors="backslashreplace"))

    def _line(self, row: list[object]) -> str:
        delimiter = self._delimiter
        try:
            line = delimiter.join(row)  # type: ignore[arg-type]  # other cells than text raise
        except TypeError:
            row = list(map(_as_cell, row))
            line = delimiter.join(row)  # type: ignore[arg-type]  # they are text now
        # Nearly no row has a cell that needs quotes.
        if '"' in line or "\n" in line or "\r" in line or line.count(delimiter) != len(row) - 1:
            line = delimiter.join(_quoted(str(cell), delimiter) for cell in row)
        return f"{line}{self._newline}"


def _as_cell(value: object) -> str:
    return "" if value is None else str(value)


def _quoted(cell: str, delimiter: str) -> str:
    # Not left to csv: up to Python 3.12 it writes a lone carriage return without quotes, and
    # then reads it as the end of a row.
    if '"' in cell or "\n" in cell or "\r" in cell or delimiter in cell:
        return '"' + cell.replace('"', '""') + '"'
    return cell
