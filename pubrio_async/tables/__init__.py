"""Files of people in, files of outcomes out: CSV, TSV, JSONL, text, Parquet, stdin and stdout.

Everything here is synchronous and streams; memory does not grow with the number of rows.
"""

from __future__ import annotations

from pubrio_async.tables._open import open_rows, open_sink
from pubrio_async.tables._part import PartFile
from pubrio_async.tables._record import OUTCOME_COLUMNS
from pubrio_async.tables._rows import RowSource
from pubrio_async.tables._sinks import Sink

__all__ = ["OUTCOME_COLUMNS", "PartFile", "RowSource", "Sink", "open_rows", "open_sink"]
