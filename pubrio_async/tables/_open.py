"""Opens inputs and outputs by the ending of their names."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from pubrio_async._errors import ConfigurationError
from pubrio_async.tables._cells import RowCells
from pubrio_async.tables._csv import CsvRows, Dialect
from pubrio_async.tables._csv_writer import CsvWriter
from pubrio_async.tables._parquet import ParquetRows, load_parquet
from pubrio_async.tables._parquet_writer import ParquetWriter
from pubrio_async.tables._part import PartFile
from pubrio_async.tables._rows import RowSource, refuse_column
from pubrio_async.tables._sinks import JsonlSink, RowWriter, Sink, StdoutSink, TableSink
from pubrio_async.tables._stdin import StdinRows
from pubrio_async.tables._text import JsonRows, LineRows

STDIN = "-"

_USUAL = {".csv": ",", ".tsv": "\t"}
_WORKBOOKS = frozenset({".xlsx", ".xlsm", ".xls", ".ods", ".numbers"})
_WORKBOOK = ". A spreadsheet is saved as one of them by its own program: in Excel as 'CSV UTF-8'."
_COMPRESSED = frozenset({".gz", ".bz2", ".xz", ".zst", ".zip"})
_UNPACK = ". It is compressed: unpack it into such a file first{}."
_NO_DELIMITERS = frozenset('"\r\n\0')


def open_rows(
    path: str | os.PathLike[str], column: str | None = None, *, delimiter: str | None = None
) -> RowSource:
    """Opens an input; a file is read to its end, to see that it can be used.

    Args:
        path: A `.csv`, `.tsv`, `.jsonl`, `.txt` or `.parquet` file, or `-` for stdin.
        column: The column the people are in; by default `people_search_id`, else `linkedin_url`.
            Letter case matters only where two columns differ by nothing else.
        delimiter: What separates the cells of a `.csv` or `.tsv` file. Without it, `,`, `;`, a
            tab and `|` are recognised: it is the one beside the name of that column.

    Raises:
        ConfigurationError: The input cannot be used. Nothing has been sent.
    """
    name = os.fspath(path)
    if delimiter is not None:
        _check_delimiter(name, delimiter)
    if name == STDIN:
        refuse_column("stdin", column)
        return StdinRows()
    try:
        if not stat.S_ISREG(os.stat(name).st_mode):
            raise ConfigurationError(
                f"The input {name!r} is not a regular file; a pipe with one person a line can be "
                "read with -."
            )
        return _source(name, column, delimiter)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigurationError(f"Cannot read the input {name!r}: {reason}.") from error


def open_sink(
    path: str | os.PathLike[str] | None,
    source: RowSource,
    contact_types: Sequence[str] = (),
    *,
    harmless_input: bool = False,
) -> Sink:
    """Opens an output, to see that it can be written; nothing appears before it is closed.

    A `.csv` or `.tsv` output is written like an input with the same ending: the same separator,
    line ends, and byte order mark or none.

    Args:
        path: A `.jsonl`, `.csv`, `.tsv` or `.parquet` file; None writes JSONL to stdout.
        source: The input, whose own columns a table repeats.
        contact_types: What is asked for; places e-mails whose kind is not known.
        harmless_input: In a `.csv` or `.tsv` output, whether cells of the input that a
            spreadsheet would take for formulas get an apostrophe in front of them, too. Those
            of the outcome always do, but for plain phone numbers.

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
            f".jsonl, .csv, .tsv or .parquet{_WORKBOOK if ending in _WORKBOOKS else '.'}"
        )
    if os.path.realpath(name) == os.path.realpath(source.name):
        raise ConfigurationError(f"The output {name!r} is the input itself; name another file.")
    if ending == ".jsonl":
        return JsonlSink(name)
    if ending == ".parquet":
        load_parquet()
    part = PartFile(name, what="output")
    writer: RowWriter
    if ending == ".parquet":
        writer = ParquetWriter(part, source)
    else:
        dialect = _dialect(ending, source)
        writer = CsvWriter(part, RowCells(source), dialect, harmless_input=harmless_input)
    return TableSink(part, writer, contact_types)


def _source(name: str, column: str | None, delimiter: str | None) -> RowSource:
    match _ending(name):
        case ".csv" | ".tsv" as ending:
            return CsvRows(name, column, usual=_USUAL[ending], delimiter=delimiter)
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
                f".csv, .tsv, .jsonl, .txt or .parquet{_how_to_read(_ending(name))}"
            )


def _how_to_read(ending: str) -> str:
    """What helps with an input whose ending is not known."""
    if ending in _WORKBOOKS:
        return _WORKBOOK
    if ending in _COMPRESSED:
        return _UNPACK.format(", as gunzip -k does" if ending == ".gz" else "")
    return "; - reads stdin, one person a line."


def _dialect(ending: str, source: RowSource) -> Dialect:
    if isinstance(source, CsvRows) and _ending(source.name) == ending:
        return source.dialect
    return Dialect(_USUAL[ending])


def _check_delimiter(name: str, delimiter: str) -> None:
    if _ending(name) not in _USUAL:
        raise ConfigurationError(
            f"The input {name!r} has no separator to be named; only .csv and .tsv files have."
        )
    if len(delimiter) != 1 or delimiter in _NO_DELIMITERS:
        raise ConfigurationError(
            f"{delimiter!r} cannot separate cells: name one character, such as ';'."
        )


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower()
