"""Parquet files of outcomes, beside the input's own columns, which keep their types."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pubrio_async._errors import ConfigurationError
from pubrio_async.tables._cells import RowCells
from pubrio_async.tables._parquet import ParquetRows, load_parquet
from pubrio_async.tables._part import PartFile
from pubrio_async.tables._record import OUTCOME_COLUMNS, Record, distinct, own_columns
from pubrio_async.tables._rows import RowSource

_CONVERT_ROWS = 4_096
_GROUP_ROWS = 1 << 16
_GROUP_BYTES = 1 << 24


class ArrowCells:
    """The columns of a Parquet file, never seen by Python: what it cannot hold is not lost.

    Attributes:
        schema: What they are. Any may be null, as all are where the input could not be read.
        unreadable: Why the input could not be read to its end, if so.
        needs_people: Whether it is told who the people are.
    """

    needs_people: bool = False

    def __init__(self, arrow: Any, source: ParquetRows) -> None:
        self._arrow = arrow
        self.unreadable: OSError | ConfigurationError | None = None
        names = distinct(own_columns(source.columns))
        fields = [
            field.with_name(name).with_nullable(nullable=True)
            for field, name in zip(source.schema, names, strict=True)
        ]
        # What pandas says of columns would not be true of those with another name.
        is_same = names == list(source.columns)
        self.schema: Any = arrow.schema(fields, source.schema.metadata if is_same else None)
        self._batches: Iterator[Any] = source.batches()
        self._batch: Any = None
        self._at = 0

    def take(self, people: Sequence[str]) -> Any:
        """The columns of the next rows, as a table of pyarrow."""
        wanted = len(people)
        parts: list[list[Any]] = []
        while wanted and self._has_more():
            part = self._batch.slice(self._at, wanted)
            self._at += part.num_rows
            wanted -= part.num_rows
            parts.append(part.columns)
        if wanted:
            parts.append([self._arrow.nulls(wanted, field.type) for field in self.schema])
        return self._arrow.Table.from_batches(
            [self._arrow.RecordBatch.from_arrays(columns, schema=self.schema) for columns in parts]
        )

    def _has_more(self) -> bool:
        while self._batch is None or self._at >= self._batch.num_rows:
            try:
                self._batch = next(self._batches, None)
            except (OSError, ConfigurationError) as error:
                self.unreadable = error
                self._batch = None
            self._at = 0
            if self._batch is None:
                return False
        return True


class TextCells:
    """The cells of any other input, as columns of text."""

    def __init__(self, arrow: Any, source: RowSource) -> None:
        self._arrow = arrow
        self._cells = RowCells(source)
        self.needs_people: bool = self._cells.needs_people
        names = distinct(own_columns(source.columns))
        self.schema: Any = arrow.schema([(name, arrow.string()) for name in names])

    @property
    def unreadable(self) -> OSError | ConfigurationError | None:
        """Why the input could not be read to its end, if so."""
        return self._cells.unreadable

    def take(self, people: Sequence[str]) -> Any:
        """The columns of the next rows, as a table of pyarrow."""
        columns = zip(*self._cells.take(people), strict=True)
        arrays = [text_array(self._arrow, column) for column in columns]
        return self._arrow.Table.from_arrays(arrays, schema=self.schema)


class ParquetWriter:
    """Rows of a Parquet file, in groups that are small enough to be held in memory."""

    is_spreadsheet: bool = False

    def __init__(self, part: PartFile, source: RowSource) -> None:
        self._arrow, parquet = load_parquet()
        self.own: ArrowCells | TextCells = (
            ArrowCells(self._arrow, source)
            if isinstance(source, ParquetRows)
            else TextCells(self._arrow, source)
        )
        self._schema = outcome_schema(self._arrow, self.own.schema)
        self._writer = parquet.ParquetWriter(part.file, self._schema)
        self._people: list[str] = []
        self._records: list[Record] = []
        self._group: list[Any] = []
        self._group_rows = 0
        self._group_bytes = 0

    def write(self, people: Sequence[str], records: Sequence[Record]) -> None:
        """Takes rows; empty cells of the outcome are nulls."""
        self._people += people
        self._records += records
        if len(self._records) >= _CONVERT_ROWS:
            self._convert()
            if self._group_rows >= _GROUP_ROWS or self._group_bytes >= _GROUP_BYTES:
                self._write_group()

    def finish(self) -> None:
        """Writes what is held back and the end of the file."""
        self._convert()
        self._write_group()
        self._writer.close()

    def _convert(self) -> None:
        if not self._records:
            return
        own = self.own.take(self._people)
        ours = outcome_arrays(self._arrow, self._records)
        table = self._arrow.Table.from_arrays([*own.columns, *ours], schema=self._schema)
        self._people, self._records = [], []
        self._group.append(table)
        self._group_rows += table.num_rows
        self._group_bytes += table.nbytes

    def _write_group(self) -> None:
        if self._group:
            table = self._arrow.concat_tables(self._group)
            self._group, self._group_rows, self._group_bytes = [], 0, 0
            self._writer.write_table(table, row_group_size=table.num_rows)


def outcome_schema(arrow: Any, own: Any) -> Any:
    """The columns of a schema followed by those of the outcomes."""
    text = arrow.string()
    ours = [arrow.field(column, text) for column in OUTCOME_COLUMNS]
    return arrow.schema([*own, *ours], own.metadata)


def outcome_arrays(arrow: Any, records: Sequence[Record]) -> list[Any]:
    """The cells of outcomes as columns; empty ones are nulls."""
    if not records:
        return [arrow.nulls(0, arrow.string()) for _ in OUTCOME_COLUMNS]
    return [
        text_array(arrow, [cell or None for cell in column])
        for column in zip(*records, strict=True)
    ]


def text_array(arrow: Any, cells: Sequence[object]) -> Any:
    """A column of text."""
    try:
        return arrow.array(cells, type=arrow.string())
    except UnicodeEncodeError:  # halves of characters, which some JSON has
        return arrow.array(
            [
                cell.encode(errors="backslashreplace").decode() if isinstance(cell, str) else cell
                for cell in cells
            ],
            type=arrow.string(),
        )
