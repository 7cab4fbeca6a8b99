"""Text files of people: CSV and TSV, JSONL, one person a line.

A file is read to its end when it is opened, so that one that cannot be used is refused while
nothing has been sent, and again, lazily, by each iterator.
"""

from __future__ import annotations

import codecs
import csv
import os
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, TextIO

import msgspec

from pubrio_async._errors import ConfigurationError
from pubrio_async.tables._rows import DEFAULT_COLUMNS, person_column

_CHUNK = 1 << 20
_MOST_KEYS = 1_000


class _CsvReader(Protocol):
    line_num: int

    def __iter__(self) -> Iterator[list[str]]: ...
    def __next__(self) -> list[str]: ...


class _TextFile:
    """A file that is read as UTF-8, several times, and must stay the same meanwhile."""

    def __init__(self, path: str, *, newline: str | None) -> None:
        self.name = path
        self.warnings: tuple[str, ...] = ()
        self._newline = newline
        self._stamp = _stamp(os.stat(path))
        if self._stamp[1] == 0:
            raise ConfigurationError(f"{path} is empty.")

    def _open(self) -> TextIO:
        file = open(self.name, encoding="utf-8-sig", newline=self._newline)  # noqa: SIM115
        if _stamp(os.fstat(file.fileno())) != self._stamp:
            file.close()
            raise ConfigurationError(f"{self.name} was changed while it was being read.")
        return file

    def _not_utf8(self) -> ConfigurationError:
        line, offset = _bad_byte(self.name)
        return ConfigurationError(
            f"{self.name} is not UTF-8: line {line} has a bad byte at offset {offset}. "
            "Save it as UTF-8 (Excel: 'CSV UTF-8') and run again."
        )


class CsvRows(_TextFile):
    """A CSV or TSV file whose first row names the columns.

    A row with too few cells is filled up with empty ones; cells beyond the last column are left
    out, which a warning tells.
    """

    def __init__(self, path: str, column: str | None, *, delimiter: str) -> None:
        super().__init__(path, newline="")
        self._delimiter = delimiter
        rows, long_rows, first_long = 0, 0, 0
        with self._open() as file:
            reader = self._reader(file)
            try:
                self.columns = self._header(reader)
                width = len(self.columns)
                for row in filter(None, reader):
                    rows += 1
                    if len(row) > width:
                        long_rows += 1
                        first_long = first_long or reader.line_num
            except csv.Error as error:
                raise ConfigurationError(
                    f"{path}, line {reader.line_num}: malformed: {error}."
                ) from error
            except UnicodeDecodeError as error:
                raise self._not_utf8() from error
        self._index = person_column(path, self.columns, column)
        self.total: int | None = rows
        if long_rows:
            warning = (
                f"{path}: {long_rows} rows have more cells than there are columns (the first ends "
                f"on line {first_long}); the cells beyond the last column are left out."
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

    def _reader(self, file: TextIO) -> _CsvReader:
        # Without `strict` a quote that is never closed silently swallows the rows after it.
        return csv.reader(file, delimiter=self._delimiter, strict=True)

    def _header(self, reader: _CsvReader) -> tuple[str, ...]:
        for row in reader:
            if row:
                return tuple(row)
        raise ConfigurationError(f"{self.name} is empty.")


class JsonRows(_TextFile):
    """A file of JSON objects, one a line; the columns are all keys in the order they appear."""

    def __init__(self, path: str, column: str | None) -> None:
        super().__init__(path, newline="\n")
        keys: dict[str, None] = {}
        rows = 0
        for row in self._rows():
            rows += 1
            keys.update(dict.fromkeys(row))
            if len(keys) > _MOST_KEYS:
                raise ConfigurationError(f"{path} has more than {_MOST_KEYS} different keys.")
        if not rows:
            raise ConfigurationError(f"{path} is empty.")
        self.columns = tuple(keys)
        self._key = self.columns[person_column(path, self.columns, column)]
        self.total: int | None = rows

    def people(self) -> Iterator[str]:
        """The person of each row."""
        key = self._key
        for row in self._rows():
            yield _text(row.get(key)).strip()

    def cells(self) -> Iterator[Sequence[object]]:
        """The values of each row as text; what is no text is written as JSON."""
        for row in self._rows():
            yield [_text(row.get(column)) for column in self.columns]

    def _rows(self) -> Iterator[dict[str, Any]]:
        decoder = msgspec.json.Decoder()
        with self._open() as file:
            number = 0
            try:
                for number, line in enumerate(file, 1):
                    if line.isspace():
                        continue
                    row = decoder.decode(line)
                    if not isinstance(row, dict):
                        raise ConfigurationError(
                            f"{self.name}, line {number}: each line must be a JSON object."
                        )
                    yield row
            except msgspec.DecodeError as error:
                raise ConfigurationError(
                    f"{self.name}, line {number}: malformed JSON: {error}."
                ) from error
            except UnicodeDecodeError as error:
                raise self._not_utf8() from error


class LineRows(_TextFile):
    """A file with a person on each line."""

    columns: tuple[str, ...] = DEFAULT_COLUMNS[:1]

    def __init__(self, path: str) -> None:
        super().__init__(path, newline=None)
        try:
            self.total: int | None = sum(1 for _ in self.people())
        except UnicodeDecodeError as error:
            raise self._not_utf8() from error
        if not self.total:
            raise ConfigurationError(f"{path} is empty.")

    def people(self) -> Iterator[str]:
        """The person of each row."""
        with self._open() as file:
            for line in file:
                person = line.strip()
                if person:
                    yield person

    def cells(self) -> None:
        """The person is all there is."""


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()


def _bad_byte(path: str) -> tuple[int, int]:
    """The line (from 1) and the offset (from 0) of the first byte that is not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    line, start = 1, 0
    with open(path, "rb") as file:
        while True:
            chunk = file.read(_CHUNK)
            held = len(decoder.getstate()[0])
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                before = error.object[: error.start]
                return line + before.count(b"\n"), start - held + error.start
            if not chunk:
                return line, start  # changed since: it is UTF-8 now
            line += text.count("\n")
            start += len(chunk)
