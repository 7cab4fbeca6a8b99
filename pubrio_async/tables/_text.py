"""Text files of people: what all have in common, JSONL, one person a line.

A file is read to its end when it is opened, so that one that cannot be used is refused while
nothing has been sent, and again, lazily, by each iterator.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

import msgspec

from pubrio_async._errors import ConfigurationError
from pubrio_async.tables._rows import DEFAULT_COLUMNS, person_column

_CHUNK = 1 << 20
_HEAD = 4_096
_MARKS = (
    # That of UTF-32 begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_ADVICE = "Save it as UTF-8 (Excel: 'CSV UTF-8') and run again."
_MOST_KEYS = 1_000


class TextFile:
    """A file that is read as UTF-8, several times, and must stay the same meanwhile.

    Attributes:
        has_mark: Whether it begins with a byte order mark.
    """

    def __init__(self, path: str, *, newline: str | None) -> None:
        self.name = path
        self.warnings: tuple[str, ...] = ()
        self._newline = newline
        self._stamp = stamp(os.stat(path))
        if self._stamp[1] == 0:
            raise ConfigurationError(f"{path} is empty.")
        with open(path, "rb") as file:
            head = file.read(_HEAD)
        self.has_mark: bool = head.startswith(codecs.BOM_UTF8)
        other = next((name for mark, name in _MARKS if head.startswith(mark)), None)
        if other is not None:
            raise ConfigurationError(
                f"{path} is not UTF-8: line 1 begins with the mark of {other}. {_ADVICE}"
            )
        if b"\0" in head.partition(b"\n")[0]:
            raise ConfigurationError(
                f"{path} has NUL characters in line 1: it is no text, or UTF-16. {_ADVICE}"
            )

    def _open(self) -> TextIO:
        file = open(self.name, encoding="utf-8-sig", newline=self._newline)  # noqa: SIM115
        if stamp(os.fstat(file.fileno())) != self._stamp:
            file.close()
            raise ConfigurationError(f"{self.name} was changed while it was being read.")
        return file

    def _not_utf8(self) -> ConfigurationError:
        line, offset = _bad_byte(self.name)
        return ConfigurationError(
            f"{self.name} is not UTF-8: line {line} has a bad byte at offset {offset}. {_ADVICE}"
        )


class JsonRows(TextFile):
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


class LineRows(TextFile):
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


def stamp(status: os.stat_result) -> tuple[int, int, int]:
    """What changes when a file does."""
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
