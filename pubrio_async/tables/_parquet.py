"""Parquet in, by pyarrow, which is an extra."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from pubrio_async._errors import ConfigurationError
from pubrio_async.scheduler.columns import check_text, load_pyarrow, texts
from pubrio_async.tables._arrow_text import cell_texts
from pubrio_async.tables._rows import person_column
from pubrio_async.tables._text import stamp

_T = TypeVar("_T")

_READ_ROWS = 1_024
_READ_BYTES = 1 << 18


def load_parquet() -> tuple[Any, Any]:
    """The modules `pyarrow` and `pyarrow.parquet`.

    Raises:
        ConfigurationError: The extra is not installed.
    """
    return load_pyarrow("Parquet files"), importlib.import_module("pyarrow.parquet")


class ParquetRows:
    """A Parquet file with a column of people."""

    def __init__(self, path: str, column: str | None) -> None:
        self.name = path
        self.warnings: tuple[str, ...] = ()
        self._arrow, self._parquet = load_parquet()
        self._stamp = stamp(os.stat(path))
        try:
            with self._parquet.ParquetFile(path) as file:
                self.schema: Any = file.schema_arrow
                self.total: int | None = file.metadata.num_rows
        except (self._arrow.ArrowException, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # such as a file that may not be read
            raise ConfigurationError(f"{path} is not a Parquet file: {_reason(error)}") from error
        self.columns = tuple(self.schema.names)
        index = person_column(path, self.columns, column)
        self._column = self.columns[index]
        check_text(self._arrow, f"{path}: the column {self._column!r}", self.schema.types[index])
        for _ in self._read(self._check):
            pass  # to see that all of it can be read, while nothing has been sent

    def people(self) -> Iterator[str]:
        """The person of each row."""

        def people_of(batch: Any) -> list[str]:
            return texts(batch.column(batch.schema.get_field_index(self._column)))

        for people in self._read(people_of, [self._column]):
            yield from map(str.strip, people)

    def cells(self) -> Iterator[Sequence[object]]:
        """The values of each row as text; lists and structs are written as JSON."""

        def cells_of(batch: Any) -> list[list[str | None]]:
            return [cell_texts(self._arrow, column) for column in batch.columns]

        for columns in self._read(cells_of):
            yield from zip(*columns, strict=True)

    def batches(self) -> Iterator[Any]:
        """The file as record batches of pyarrow.

        Raises:
            ConfigurationError: The file is damaged, or was changed since it was opened.
        """
        return self._read(lambda batch: batch)

    def _check(self, batch: Any) -> None:
        for column in batch.columns:
            if self._arrow.types.is_dictionary(column.type):
                column.dictionary_decode()  # raises where an index leads nowhere

    def _read(self, convert: Callable[[Any], _T], columns: list[str] | None = None) -> Iterator[_T]:
        """What is made of each record batch; of these columns, or of all."""
        rows = 0
        try:
            # Its stamp is looked at after it was opened: what was put in its place has another.
            with self._parquet.ParquetFile(
                self.name,
                buffer_size=_READ_BYTES,
                pre_buffer=False,  # of a column no more than that is held at a time
                page_checksum_verification=True,
            ) as file:
                if stamp(os.stat(self.name)) != self._stamp:
                    raise ConfigurationError(f"{self.name} was changed while it was being read.")
                # Each thread of Arrow would keep memory of its own.
                for batch in file.iter_batches(_READ_ROWS, columns=columns, use_threads=False):
                    converted = convert(batch)
                    rows += batch.num_rows
                    yield converted
        except (self._arrow.ArrowException, OSError) as error:
            raise ConfigurationError(
                f"{self.name} is damaged: it cannot be read beyond its first {rows} rows: "
                f"{_reason(error)}"
            ) from error


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0]
