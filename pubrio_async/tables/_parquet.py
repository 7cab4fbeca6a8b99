"""Parquet in and out, by pyarrow, which is an extra."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from typing import Any

from pubrio_async._errors import ConfigurationError
from pubrio_async.tables._part import PartFile
from pubrio_async.tables._record import OUTCOME_COLUMNS, Record, own_columns
from pubrio_async.tables._rows import person_column

_READ_ROWS = 1_024
_WRITE_ROWS = 4_096


def load_pyarrow() -> tuple[Any, Any]:
    """The modules `pyarrow` and `pyarrow.parquet`.

    Raises:
        ConfigurationError: The extra is not installed.
    """
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise ConfigurationError(
            'Parquet files need the extra "tables": pip install "pubrio-async[tables]".'
        ) from error


class ParquetRows:
    """A Parquet file with a column of people."""

    def __init__(self, path: str, column: str | None) -> None:
        arrow, self._parquet = load_pyarrow()
        self.name = path
        self.warnings: tuple[str, ...] = ()
        try:
            with self._parquet.ParquetFile(path) as file:
                self.schema: Any = file.schema_arrow
                self.total: int | None = file.metadata.num_rows
        except arrow.ArrowException as error:
            reason = str(error).partition("\n")[0]
            raise ConfigurationError(f"{path} is not a Parquet file: {reason}") from error
        self.columns = tuple(self.schema.names)
        self._column = self.columns[person_column(path, self.columns, column)]

    def people(self) -> Iterator[str]:
        """The person of each row."""
        for batch in self._batches([self._column]):
            for value in batch.column(0).to_pylist():
                yield "" if value is None else str(value).strip()

    def cells(self) -> Iterator[Sequence[object]]:
        """The values of each row, as Python has them."""
        for batch in self._batches(None):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def _batches(self, columns: list[str] | None) -> Iterator[Any]:
        with self._parquet.ParquetFile(self.name) as file:
            yield from file.iter_batches(batch_size=_READ_ROWS, columns=columns)


class ParquetWriter:
    """Rows of a Parquet file; columns that come from a Parquet file keep their types."""

    is_spreadsheet: bool = False

    def __init__(self, part: PartFile, columns: Sequence[str], schema: Any = None) -> None:
        arrow, parquet = load_pyarrow()
        text = arrow.string()
        types = list(schema.types) if schema is not None else [text] * len(columns)
        self._arrow = arrow
        self._schema = arrow.schema(
            [
                *zip(_distinct(own_columns(columns)), types, strict=True),
                *((column, text) for column in OUTCOME_COLUMNS),
            ]
        )
        self._writer = parquet.ParquetWriter(part.file, self._schema)
        self._rows: list[Sequence[object]] = []

    def write(self, cells: Sequence[Sequence[object]], records: Sequence[Record]) -> None:
        """Takes rows; empty cells of the outcome are nulls."""
        self._rows.extend(
            [*own, *[cell or None for cell in ours]]
            for own, ours in zip(cells, records, strict=True)
        )
        if len(self._rows) >= _WRITE_ROWS:
            self._write_rows()

    def finish(self) -> None:
        """Writes what is held back and the end of the file."""
        self._write_rows()
        self._writer.close()

    def _write_rows(self) -> None:
        if self._rows:
            columns = [
                self._arrow.array(values, type=field.type)
                for values, field in zip(zip(*self._rows, strict=True), self._schema, strict=True)
            ]
            self._writer.write_batch(
                self._arrow.RecordBatch.from_arrays(columns, schema=self._schema)
            )
            self._rows.clear()


def _distinct(names: Sequence[str]) -> list[str]:
    taken = set(names)
    seen: set[str] = set()
    distinct: list[str] = []
    for name in names:
        chosen, number = name, 2
        while chosen in seen or (chosen != name and chosen in taken):
            chosen, number = f"{name}_{number}", number + 1
        seen.add(chosen)
        distinct.append(chosen)
    return distinct
