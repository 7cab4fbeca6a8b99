"""Tables of people in, tables of outcomes out.

Files: CSV, TSV, JSONL, text, Parquet, stdin and stdout. They are read and written synchronously,
as streams: memory does not grow with the number of rows. And tables in memory, of polars, pandas,
pyarrow and others, by the Arrow C data interface.
"""

from __future__ import annotations

from pubrio_async.scheduler.columns import ArrowArray, ArrowData, ArrowStream, people_of
from pubrio_async.tables._open import open_rows, open_sink
from pubrio_async.tables._outcome_table import OutcomeTable, outcome_batches, outcomes_table
from pubrio_async.tables._part import PartFile
from pubrio_async.tables._record import OUTCOME_COLUMNS
from pubrio_async.tables._rows import RowSource
from pubrio_async.tables._sinks import Sink

__all__ = [
    "OUTCOME_COLUMNS",
    "ArrowArray",
    "ArrowData",
    "ArrowStream",
    "OutcomeTable",
    "PartFile",
    "RowSource",
    "Sink",
    "open_rows",
    "open_sink",
    "outcome_batches",
    "outcomes_table",
    "people_of",
]
