"""Outcomes as columns, which polars, pandas and pyarrow take over without copying them."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterable, AsyncIterator, Collection, Sequence
from typing import Any

from pubrio_async._errors import ConfigurationError
from pubrio_async.models import Outcome
from pubrio_async.scheduler.columns import ArrowData, load_pyarrow
from pubrio_async.tables._parquet_writer import outcome_arrays, text_array
from pubrio_async.tables._record import OUTCOME_COLUMNS, distinct, own_columns, recorder

_CONVERT_ROWS = 4_096
_COLUMNS = ("row", *OUTCOME_COLUMNS)


class OutcomeTable:
    """Collects the outcomes of a run, in any order, and gives them as a table in that of the input.

        outcomes = OutcomeTable()
        async for outcome in run:
            outcomes.add(outcome)
        frame = polars.DataFrame(outcomes)      # or pandas.DataFrame.from_arrow(outcomes)

    The columns are `row` (int64), `person`, and those of a CSV output: `status`, `email_work`,
    ..., `error` (string; several values of a kind are joined by `;`, none is null). Values are as
    the API gave them: nothing is put before what a spreadsheet would take for a formula.

    It holds personal data. A row takes some hundred bytes of memory; `outcome_batches` needs no
    more than those of one batch.
    """

    def __init__(self, contact_types: Collection[str] = ()) -> None:
        """Makes an empty table.

        Args:
            contact_types: What was asked for; places e-mails whose kind is not known.

        Raises:
            ConfigurationError: The extra `tables` is not installed.
        """
        self._arrow = load_pyarrow("Tables of outcomes")
        self._batches = _Batches(self._arrow, contact_types)
        self._done: list[Any] = []
        self._waiting: list[Outcome] = []
        self._count = 0

    def __len__(self) -> int:
        """How many outcomes there are."""
        return self._count

    def __repr__(self) -> str:
        return f"<OutcomeTable of {self._count} outcomes>"

    def add(self, outcome: Outcome) -> None:
        """Takes an outcome."""
        self._waiting.append(outcome)
        self._count += 1
        if len(self._waiting) >= _CONVERT_ROWS:
            self._convert()

    def to_arrow(self, source: ArrowData | None = None) -> Any:
        """The outcomes as a `pyarrow.Table`, in the order of the input.

        Args:
            source: The table whose people were redeemed, from polars, pandas, pyarrow or others.
                Its columns come first, and take the place of `person`; one that is called like
                one of ours gets `input_` in front of its name. A row of it that has no outcome,
                because the run was left early, has nulls in ours.

        Raises:
            ConfigurationError: The outcomes are not those of one run, or not of this table.
        """
        self._convert()
        arrow, compute = self._arrow, importlib.import_module("pyarrow.compute")
        table = arrow.Table.from_batches(self._done, schema=self._batches.schema)
        rows = table.column("row")
        if len(rows.unique()) < len(rows):
            raise ConfigurationError("There are outcomes of more than one run in this table.")
        if source is None:
            return table.sort_by("row")
        own = _as_table(arrow, source)
        last = compute.max(rows).as_py()
        if last is not None and last >= own.num_rows:
            raise ConfigurationError(
                f"There is an outcome for row {last}, but only {own.num_rows} rows are in the "
                "table: it is not the one that was redeemed."
            )
        numbers = arrow.array(range(own.num_rows), type=arrow.int64())
        places = compute.index_in(numbers, value_set=rows)
        ours = table.select(OUTCOME_COLUMNS).take(places)
        names = distinct(own_columns(own.column_names, _COLUMNS))
        return arrow.Table.from_arrays(
            [*own.columns, numbers, *ours.columns], names=[*names, *_COLUMNS]
        )

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Hands the table out to whatever speaks the Arrow C data interface."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def _convert(self) -> None:
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            self._done.append(self._batches.make(waiting))


async def outcomes_table(
    outcomes: AsyncIterable[Outcome],
    source: ArrowData | None = None,
    *,
    contact_types: Collection[str] = (),
) -> Any:
    """Takes all outcomes of a run, and gives them as a `pyarrow.Table` in the input's order.

        async with client.redeem.many(frame["people_search_id"], ...) as run:
            table = await outcomes_table(run, frame)
        result = polars.DataFrame(table)

    If it ends by an error, such as one of the input or a cancellation, it gives nothing: what was
    bought is in the journal, if the run has one. Without one, add them to an `OutcomeTable`.

    Args:
        outcomes: The run. Redeeming spends credits; this does not.
        source: The table whose people were redeemed; its columns come first. See `OutcomeTable`.
        contact_types: What was asked for; places e-mails whose kind is not known.

    Raises:
        ConfigurationError: The extra `tables` is not installed, or `source` is not the input.
    """
    table = OutcomeTable(contact_types)
    if source is not None:  # what cannot be used is told before anything is waited for
        source = _as_table(load_pyarrow("Tables of outcomes"), source)
    async for outcome in outcomes:
        table.add(outcome)
    return table.to_arrow(source)


async def outcome_batches(
    outcomes: AsyncIterable[Outcome],
    *,
    rows: int = _CONVERT_ROWS,
    contact_types: Collection[str] = (),
) -> AsyncIterator[Any]:
    """The outcomes of a run as record batches of pyarrow, as they come; memory stays flat.

    Args:
        outcomes: The run.
        rows: How many outcomes a batch holds; the last may hold fewer.
        contact_types: What was asked for; places e-mails whose kind is not known.

    Yields:
        A `pyarrow.RecordBatch` with the columns of an `OutcomeTable`; `row` says which row of the
        input each outcome belongs to.

    Raises:
        ConfigurationError: The extra `tables` is not installed, or `rows` is below 1.
    """
    if rows < 1:
        raise ConfigurationError(f"rows must be at least 1, not {rows!r}")
    batches = _Batches(load_pyarrow("Tables of outcomes"), contact_types)
    waiting: list[Outcome] = []
    async for outcome in outcomes:
        waiting.append(outcome)
        if len(waiting) >= rows:
            yield batches.make(waiting)
            waiting = []
    if waiting:
        yield batches.make(waiting)


class _Batches:
    """Makes record batches of outcomes."""

    def __init__(self, arrow: Any, contact_types: Collection[str]) -> None:
        self._arrow = arrow
        self._record = recorder(contact_types)
        text = arrow.string()
        ours = [(column, text) for column in OUTCOME_COLUMNS]
        self.schema: Any = arrow.schema([("row", arrow.int64()), ("person", text), *ours])

    def make(self, outcomes: Sequence[Outcome]) -> Any:
        """A batch of these outcomes."""
        arrow = self._arrow
        columns = [
            arrow.array([outcome.row for outcome in outcomes], type=arrow.int64()),
            text_array(arrow, [outcome.person for outcome in outcomes]),
            *outcome_arrays(arrow, list(map(self._record, outcomes))),
        ]
        return arrow.RecordBatch.from_arrays(columns, schema=self.schema)


def _as_table(arrow: Any, source: Any) -> Any:
    """A table in memory; a lone column is a table of one.

    Raises:
        ConfigurationError: It is neither.
    """
    if isinstance(source, arrow.RecordBatchReader):
        raise ConfigurationError(
            "A reader is used up by the run that reads it: give the table it came from."
        )
    try:
        if len(getattr(source, "shape", ())) == 1 or isinstance(
            source, arrow.Array | arrow.ChunkedArray
        ):
            return arrow.table([arrow.chunked_array(_chunks(arrow, source))], names=["person"])
        return arrow.table(source)
    except (arrow.ArrowException, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"The outcomes cannot be put beside this {type(source).__name__}: {error}"
        ) from error


def _chunks(arrow: Any, source: Any) -> Any:
    return source if hasattr(source, "__arrow_c_stream__") else [arrow.array(source)]
