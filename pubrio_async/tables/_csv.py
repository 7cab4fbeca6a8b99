"""CSV and TSV files of people, whatever separates their cells.

The separator is not guessed from how often a character occurs: it is the one beside the name of
the person's column in the first row. `,`, `;`, a tab and `|` are tried; any other is to be named.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, TextIO

from pubrio_async._errors import ConfigurationError
from pubrio_async.scheduler.columns import find_column, listed
from pubrio_async.scheduler.persons import NotAPersonError, person_key
from pubrio_async.tables._rows import DEFAULT_COLUMNS, person_column
from pubrio_async.tables._text import TextFile

_DELIMITERS = (",", ";", "\t", "|")
_LONGEST_LINE = 1 << 20
# What Excel writes, and understands, as a first line of its own.
_SEP_LINE = re.compile(r'\ufeff?"?sep=(.)"?\s*', re.IGNORECASE)


class Dialect(NamedTuple):
    """How a table is written as text.

    Attributes:
        delimiter: What separates the cells.
        newline: What ends a line.
        has_mark: Whether the file begins with a byte order mark.
    """

    delimiter: str
    newline: str = "\n"
    has_mark: bool = False


class _CsvReader(Protocol):
    line_num: int

    def __iter__(self) -> Iterator[list[str]]: ...
    def __next__(self) -> list[str]: ...


class CsvRows(TextFile):
    """A CSV or TSV file whose first row names the columns.

    A row with too few cells is filled up with empty ones; cells beyond the last column are left
    out, which a warning tells.

    Attributes:
        dialect: How it is written; an output of the same kind is written likewise.
    """

    def __init__(
        self, path: str, column: str | None, *, usual: str, delimiter: str | None = None
    ) -> None:
        """Reads the file to its end.

        Args:
            path: The file.
            column: The column the people are in, where it was named.
            usual: The separator that the ending of the file's name promises.
            delimiter: The separator, where it was named.
        """
        super().__init__(path, newline="")
        self._skipped = 0
        self.dialect = self._dialect(column, usual, delimiter)
        rows, long_rows, first_long, begins = 0, 0, 0, 0
        with self._open() as file:
            reader = self._reader(file)
            try:
                self.columns = self._header(reader)
                width = len(self.columns)
                begins = reader.line_num
                for row in reader:
                    begins = reader.line_num
                    if not row:
                        continue
                    rows += 1
                    if len(row) > width:
                        long_rows += 1
                        first_long = first_long or self._line(reader)
            except csv.Error as error:
                raise ConfigurationError(
                    f"{path}, line {self._line(reader)}: malformed: {error}, in the row that "
                    f"begins on line {begins + 1 + self._skipped}."
                ) from error
            except UnicodeDecodeError as error:
                raise self._not_utf8() from error
        self._refuse_people_as_columns(column)
        self._refuse_other_separator(column)
        self._index = person_column(path, self.columns, column)
        self.total: int | None = rows
        if long_rows:
            rows_have, ends = (
                ("1 row has", "it ends")
                if long_rows == 1
                else (f"{long_rows:,} rows have", "the first ends")
            )
            warning = (
                f"{path}: {rows_have} more cells than there are columns ({ends} on line "
                f"{first_long}); the cells beyond the last column are left out."
            )
            self.warnings = (warning,)

    def people(self) -> Iterator[str]:
        """The person of each row."""
        index = self._index
        for row in self._rows():
            yield row[index].strip() if index < len(row) else ""

    def cells(self) -> Iterator[Sequence[object]]:
        """The cells of each row, as many as there are columns."""
        width = len(self.columns)
        for row in self._rows():
            yield row if len(row) == width else [*row[:width], *[""] * (width - len(row))]

    def _rows(self) -> Iterator[list[str]]:
        with self._open() as file:
            reader = self._reader(file)
            self._header(reader)
            yield from filter(None, reader)

    def _reader(self, file: TextIO, delimiter: str | None = None) -> _CsvReader:
        for _ in range(self._skipped):
            file.readline()
        # Without `strict` a quote that is never closed silently swallows the rows after it.
        return csv.reader(file, delimiter=delimiter or self.dialect.delimiter, strict=True)

    def _line(self, reader: _CsvReader) -> int:
        return reader.line_num + self._skipped

    def _header(self, reader: _CsvReader) -> tuple[str, ...]:
        for row in reader:
            if row:
                return tuple(row)
        raise ConfigurationError(f"{self.name} is empty.")

    def _dialect(self, column: str | None, usual: str, delimiter: str | None) -> Dialect:
        try:
            with self._open() as file:
                line = file.readline(_LONGEST_LINE)
        except UnicodeDecodeError as error:
            raise self._not_utf8() from error
        newline = "\r\n" if line.endswith("\r\n") else "\n"
        said = _SEP_LINE.fullmatch(line)
        if said is not None:
            self._skipped = 1
            delimiter = delimiter or said[1]
        return Dialect(delimiter or self._delimiter(column, usual), newline, self.has_mark)

    def _delimiter(self, column: str | None, usual: str) -> str:
        """The separator with which the first row has the person's column.

        The name of a column has that separator on either side, or the end of the line: but for a
        lone column, one fits at most.
        """
        wanted = DEFAULT_COLUMNS if column is None else (column,)
        headers = {
            delimiter: self._first_row(delimiter)
            for delimiter in sorted(_DELIMITERS, key=lambda each: each != usual)
        }
        fitting = [
            delimiter
            for delimiter, header in headers.items()
            if any(_has(header, candidate) for candidate in wanted)
        ]
        if not fitting and len(headers[usual]) > 1:
            return usual  # what there is, is named in the error
        # A tab beside another separator is not a part of the name.
        exact = [each for each in fitting if not set(wanted).isdisjoint(headers[each])]
        return max(exact or fitting or headers, key=lambda each: len(headers[each]))

    def _first_row(self, delimiter: str) -> tuple[str, ...]:
        with self._open() as file:
            try:
                return self._header(self._reader(file, delimiter))
            except (csv.Error, UnicodeDecodeError):
                return ()  # told when the file is read with the separator that is chosen

    def _refuse_people_as_columns(self, column: str | None) -> None:
        """A file without a header has people in its place, whom no message may name.

        Raises:
            ConfigurationError: It is so.
        """
        wanted = DEFAULT_COLUMNS if column is None else (column,)
        if find_column(self.name, self.columns, wanted) is None and any(
            map(_is_personal, self.columns)
        ):
            raise ConfigurationError(
                f"{self.name} has no header: its first line holds a person, not the names of "
                "columns. Put a line such as people_search_id above it; or save it as .txt, with "
                "one person on each line and nothing else."
            )

    def _refuse_other_separator(self, column: str | None) -> None:
        """The name of the person's column may stand in the first row beside one nobody tried.

        Raises:
            ConfigurationError: It is so.
        """
        wanted = DEFAULT_COLUMNS if column is None else (column,)
        if len(self.columns) != 1 or find_column(self.name, self.columns, wanted) is not None:
            return
        beside = _beside(self.columns[0], wanted)
        if beside is not None:
            raise ConfigurationError(
                f"{self.name} has no column {' or '.join(wanted)}; its first line is one cell, "
                f"{listed(self.columns)}. If {beside!r} separates its cells, say so with "
                f"--delimiter {beside!r}; if that is its name, with --column."
            )


def _beside(header: str, columns: Sequence[str]) -> str | None:
    """What is next to the name of one of these columns."""
    for column in columns:
        name = re.escape(column.strip())
        found = re.search(
            rf"(?<!\w){name}\s*([^\w\s])|([^\w\s])\s*{name}(?!\w)", header, re.IGNORECASE
        )
        if found is not None:
            return found[1] or found[2]
    return None


def _has(header: Sequence[str], column: str) -> bool:
    folded = column.strip().casefold()
    return any(each.strip().casefold() == folded for each in header)


def _is_personal(cell: str) -> bool:
    if "@" in cell:
        return True
    try:
        person_key(cell)
    except NotAPersonError:
        return False
    return True
