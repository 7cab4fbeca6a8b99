"""Columns of tables as people: what speaks the Arrow C data interface, read by pyarrow, an extra.

polars, pandas, pyarrow, DuckDB and others hand out their data through `__arrow_c_stream__` or
`__arrow_c_array__`, without copying it.
"""

from __future__ import annotations

import asyncio
import importlib
import math
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from threading import Thread
from typing import Any, ParamSpec, Protocol, TypeAlias, TypeVar

from pubrio_async._errors import ConfigurationError

DEFAULT_COLUMNS = ("people_search_id", "linkedin_url")

_P = ParamSpec("_P")
_T = TypeVar("_T")

_SLICE = 1_024
_MOST_NAMES = 20
_LONGEST_NAME = 60
_INDEX = "__index_level_"  # what pandas adds to the columns
_MISSING = frozenset({"NAType", "NaTType"})  # pandas.NA, which compares to nothing, and NaT


class ArrowStream(Protocol):
    """Hands out a column or a table in chunks, such as polars, pandas and pyarrow do."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


class ArrowArray(Protocol):
    """Hands out a column or a table in one piece."""

    def __arrow_c_array__(
        self, requested_schema: object | None = None
    ) -> tuple[object, object]: ...


ArrowData: TypeAlias = ArrowStream | ArrowArray
"""A column, a table or a reader of one."""


def load_pyarrow(what: str) -> Any:
    """The module `pyarrow`.

    Args:
        what: What needs it, for the message.

    Raises:
        ConfigurationError: The extra is not installed.
    """
    try:
        return importlib.import_module("pyarrow")
    except ImportError as error:
        raise ConfigurationError(
            f'{what} need the extra "tables": pip install "pubrio-async[tables]".'
        ) from error


def as_text(value: object) -> str:
    """A value of a column as text; what stands for no value there (None, NaN, NA) is empty."""
    if isinstance(value, str):
        return str(value)
    as_py = getattr(value, "as_py", None)
    if as_py is not None:  # a scalar of pyarrow
        value = as_py()
    if value is None or type(value).__name__ in _MISSING:
        return ""
    if isinstance(value, float) and math.isnan(value):
        return ""
    return str(value)


def is_table(people: object) -> bool:
    """Whether this is to be read through Arrow; a column of Python objects is iterated instead."""
    if isinstance(people, type):
        return False
    if not (hasattr(people, "__arrow_c_stream__") or hasattr(people, "__arrow_c_array__")):
        if len(getattr(people, "shape", ())) > 1:
            raise ConfigurationError(
                f"people: a {type(people).__name__} of more than one dimension was given; pass "
                'one column of it, such as table["people_search_id"].'
            )
        if hasattr(people, "collect") and not hasattr(people, "__iter__"):
            raise ConfigurationError(
                f"people: a {type(people).__name__} is a query that has not been run; pass what "
                "its collect() gives."
            )
        return False
    return str(getattr(people, "dtype", "")).lower() != "object"


def people_of(
    data: ArrowData, column: str | None = None
) -> Iterator[str] | AsyncGenerator[str, None]:
    """The people of a column, or of one column of a table, as they are asked for.

    A table, which may be a stream that keeps one waiting, is read in a thread.

    Args:
        data: The column or the table.
        column: The column of the table; by default its only one, else `people_search_id`, else
            `linkedin_url`.

    Raises:
        ConfigurationError: Which column is not clear, it holds no text, or pyarrow is missing.
    """
    one_column = len(getattr(data, "shape", ())) == 1
    try:
        arrow = load_pyarrow("people: tables")
    except ConfigurationError:
        if one_column and column is None:
            return map(as_text, iter(data))  # type: ignore[call-overload]  # a Series
        raise
    try:
        opened = _opened(arrow, data, one_column=one_column)
    except (arrow.ArrowException, TypeError, ImportError) as error:
        raise ConfigurationError(
            f"people: this {type(data).__name__} cannot be read through Arrow; pass "
            f"one column of it. The reason: {error}"
        ) from error
    if not isinstance(opened, arrow.RecordBatchReader):
        if column is not None:
            raise ConfigurationError(f"people: there is no column {column!r} in a lone column.")
        check_text(arrow, "people: the column", opened.type)
        return _column_people(opened)
    index = _choose(opened.schema.names, column)
    name = opened.schema.names[index]
    check_text(arrow, f"people: the column {name!r}", opened.schema.types[index])
    return _table_people(batch.column(index) for batch in opened)


def check_text(arrow: Any, what: str, kind: Any) -> None:
    """Sees to it that a column can hold people.

    Raises:
        ConfigurationError: It holds something else.
    """
    if not _is_text(arrow, kind):
        raise ConfigurationError(
            f"{what} holds {kind}, not text. People are ids such as "
            "e37ccf38-ea8f-422e-9874-cb23b15e8fe4, or LinkedIn URLs: choose another column."
        )


def texts(array: Any) -> list[str]:
    """The people of an Arrow array that holds text; no value is an empty person."""
    try:
        return list(map(as_text, _values(array)))
    except UnicodeDecodeError:
        # Nothing checks what a file calls text. The bad bytes cost their row.
        arrow = importlib.import_module("pyarrow")
        if isinstance(array, arrow.DictionaryArray):
            array = array.dictionary_decode()
        return list(map(as_text, _values(array.cast(arrow.large_binary()))))


def find_column(name: str, columns: Sequence[str], candidates: Sequence[str]) -> int | None:
    """The index of the first of the candidates that there is; None if there is none.

    Letter case matters only where two columns differ by nothing else.

    Raises:
        ConfigurationError: There is one twice.
    """
    for candidate in candidates:
        found = [i for i, column in enumerate(columns) if column == candidate]
        if not found:
            folded = candidate.strip().casefold()
            found = [i for i, column in enumerate(columns) if column.strip().casefold() == folded]
        if len(found) > 1:
            raise ConfigurationError(
                f"{name} has more than one column {candidate!r}: rename the others."
            )
        if found:
            return found[0]
    return None


def listed(columns: Sequence[str]) -> str:
    """The names of columns, for a message."""
    names = ", ".join(repr(column[:_LONGEST_NAME]) for column in columns[:_MOST_NAMES])
    if len(columns) > _MOST_NAMES:
        names += f" and {len(columns) - _MOST_NAMES} more"
    return names or "no columns at all"


def _opened(arrow: Any, data: Any, *, one_column: bool) -> Any:
    """A reader of a table, or a column in memory."""
    if not hasattr(data, "__arrow_c_stream__"):
        array = arrow.array(data)
        if not arrow.types.is_struct(array.type):
            return arrow.chunked_array([array])
        data = arrow.RecordBatch.from_struct_array(array)
    elif one_column or isinstance(data, arrow.ChunkedArray):
        return arrow.chunked_array(data)
    try:
        return arrow.RecordBatchReader.from_stream(data)
    except arrow.ArrowInvalid:
        return arrow.chunked_array(data)  # a lone column after all


def _choose(columns: list[str], wanted: str | None) -> int:
    own = [name for name in columns if not name.startswith(_INDEX)]
    if wanted is None and len(own) == 1:
        return columns.index(own[0])
    candidates = DEFAULT_COLUMNS if wanted is None else (wanted,)
    index = find_column("people: the table", columns, candidates)
    if index is not None:
        return index
    if wanted is not None:
        raise ConfigurationError(f"people: there is no column {wanted!r}, but {listed(own)}.")
    raise ConfigurationError(
        f"people: a table of {len(own)} columns was given ({listed(own)}), none of which is "
        'people_search_id or linkedin_url. Pass one column, such as table["id"], or '
        'pubrio_async.tables.people_of(table, column="id").'
    )


def _is_text(arrow: Any, kind: Any) -> bool:
    types = arrow.types
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return _is_text(arrow, kind.value_type)
    if isinstance(kind, arrow.BaseExtensionType):
        is_uuid: bool = kind.extension_name == "arrow.uuid"
        return is_uuid or _is_text(arrow, kind.storage_type)
    # Old files have no name for text: what are bytes there is read as text.
    return any(
        is_kind(kind)
        for is_kind in (
            types.is_string,
            types.is_large_string,
            types.is_string_view,
            types.is_binary,
            types.is_large_binary,
            types.is_binary_view,
            types.is_null,
        )
    )


def _values(array: Any) -> Iterator[object]:
    for value in array.to_pylist():
        yield value.decode(errors="replace") if isinstance(value, bytes) else value


def _slices(array: Any) -> Iterator[Any]:
    for start in range(0, len(array), _SLICE):
        yield array.slice(start, _SLICE)


def _column_people(column: Any) -> Iterator[str]:
    for chunk in column.chunks:
        for part in _slices(chunk):
            yield from texts(part)


async def _table_people(arrays: Iterator[Any]) -> AsyncGenerator[str, None]:
    loop = asyncio.get_running_loop()
    thread = _DaemonThread()
    try:
        while (array := await loop.run_in_executor(thread, next, arrays, None)) is not None:
            for part in _slices(array):
                for person in texts(part):
                    yield person
    finally:
        thread.shutdown(wait=False)


class _DaemonThread(Executor):
    """One thread, which nobody waits for in the end.

    Those of a pool are waited for: a stream that never answers would keep the program from ending.
    """

    def __init__(self) -> None:
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: Thread | None = None

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Calls a function in the thread."""
        future: Future[_T] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except Exception as error:  # noqa: BLE001 - the input's own, raised where it is read
                future.set_exception(error)

        if self._thread is None:
            self._thread = Thread(target=self._run, name="pubrio-async table", daemon=True)
            self._thread.start()
        self._work.put(work)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002 - as the base class has it
        """The thread ends once it has what it is waiting for."""
        self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()
