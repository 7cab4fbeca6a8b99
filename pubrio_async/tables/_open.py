"""Opens inputs and outputs by the ending of their names."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from pubrio_async._errors import ConfigurationError
from pubrio_async.tables._parquet import ParquetRows, ParquetWriter, load_pyarrow
from pubrio_async.tables._part import PartFile
from pubrio_async.tables._rows import RowSource, refuse_column
from pubrio_async.tables._sinks import (
    CsvWriter,
    JsonlSink,
    RowWriter,
    Sink,
    StdoutSink,
    TableSink,
)
from pubrio_async.tables._stdin import StdinRows
from pubrio_async.tables._text import CsvRows, JsonRows, LineRows

STDIN = "-"


def open_rows(path: str | os.PathLike[str], column: str | None = None) -> RowSource:
    """Opens an input; a file is read to its end, to see that it can be used.

    Args:
        path: A `.csv`, `.tsv`, `.jsonl`, `.txt` or `.parquet` file, or `-` for stdin.
        column: The column the people are in; by default `people_search_id`, else `linkedin_url`.
            Letter case matters only where two columns differ by nothing else.

    Raises:
        ConfigurationError: The input cannot be used. Nothing has been sent.
    """
    name = os.fspath(path)
    if name == STDIN:
        refuse_column("stdin", column)
        return StdinRows()
    try:
        if not stat.S_ISREG(os.stat(name).st_mode):
            raise ConfigurationError(
                f"The input {name!r} is not a regular file; a pipe can be read with -."
            )
        return _source(name, column)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigurationError(f"Cannot read the input {name!r}: {reason}.") from error


def open_sink(
    path: str | os.PathLike[str] | None, source: RowSource, contact_types: Sequence[str] = ()
) -> Sink:
    """Opens an output, to see that it can be written; nothing appears before it is closed.

    Args:
        path: A `.jsonl`, `.csv`, `.tsv` or `.parquet` file; None writes JSONL to stdout.
        source: The input, whose own columns a table repeats.
        contact_types: What is asked for; places e-mails whose kind is not known.

    Raises:
        ConfigurationError: The output cannot be written, or is the input.
    """
    if path is None:
        return StdoutSink()
    name = os.fspath(path)
    ending = _ending(name)
    if ending not in {".jsonl", ".csv", ".tsv", ".parquet"}:
        raise ConfigurationError(
            f"Cannot tell the format of the output {name!r}: its name must end in "
            ".jsonl, .csv, .tsv or .parquet."
        )
    if os.path.realpath(name) == os.path.realpath(source.name):
        raise ConfigurationError(f"The output {name!r} is the input itself; name another file.")
    if ending == ".jsonl":
        return JsonlSink(name)
    if ending == ".parquet":
        load_pyarrow()
    part = PartFile(name, what="output")
    return TableSink(part, _writer(ending, part, source), source, contact_types)


def _source(name: str, column: str | None) -> RowSource:
    match _ending(name):
        case ".csv":
            return CsvRows(name, column, delimiter=",")
        case ".tsv":
            return CsvRows(name, column, delimiter="\t")
        case ".jsonl":
            return JsonRows(name, column)
        case ".parquet":
            return ParquetRows(name, column)
        case ".txt":
            refuse_column(repr(name), column)
            return LineRows(name)
        case _:
            raise ConfigurationError(
                f"Cannot tell the format of the input {name!r}: its name must end in "
                ".csv, .tsv, .jsonl, .txt or .parquet; use - for stdin."
            )


def _writer(ending: str, part: PartFile, source: RowSource) -> RowWriter:
    if ending == ".parquet":
        schema = source.schema if isinstance(source, ParquetRows) else None
        return ParquetWriter(part, source.columns, schema)
    return CsvWriter(part, source.columns, delimiter="\t" if ending == ".tsv" else ",")


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower()
