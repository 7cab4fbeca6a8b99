"""Columns of polars, pandas and pyarrow as people; readers are read as far as they are needed."""

from __future__ import annotations

import asyncio
import sys
import threading
import uuid
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from pubrio_async import ConfigurationError
from pubrio_async.models import Outcome
from pubrio_async.scheduler.columns import as_text
from pubrio_async.scheduler.source import Source
from pubrio_async.tables import OutcomeTable, people_of
from tests.scheduler.fake_api import Bench, collect
from tests.tables.arrows import FRAME, IDS, WITH_GAPS, arrow, compute, pandas, polars


async def read(people: Any) -> list[str]:
    """All rows, as the scheduler asks for them."""
    source = Source(people, 100)
    rows: list[str] = []
    while (pulled := await source.pull(100, None)) is not None:
        rows.extend(map(as_text, pulled))
    await source.close()
    return rows


# -- people in -------------------------------------------------------------------------------


class InOnePiece:
    """A table that is handed out whole, such as nanoarrow does."""

    def __init__(self, batch: Any) -> None:
        self._array = batch.to_struct_array()

    def __arrow_c_array__(self, requested_schema: object | None = None) -> Any:
        return self._array.__arrow_c_array__(requested_schema)


COLUMNS: dict[str, Any] = {
    "polars": lambda: polars.Series(WITH_GAPS),
    "polars categories": lambda: polars.Series(WITH_GAPS, dtype=polars.Categorical),
    "pandas text": lambda: pandas.Series(WITH_GAPS),
    "pandas objects": lambda: pandas.Series(
        [float("nan") if person is None else uuid.UUID(person) for person in WITH_GAPS],
        dtype=object,
    ),
    "pandas NA": lambda: pandas.Series(
        [pandas.NA if person is None else person for person in WITH_GAPS], dtype=object
    ),
    "pandas categories": lambda: pandas.Series(WITH_GAPS, dtype="category"),
    "numpy": lambda: pandas.Series(WITH_GAPS, dtype=object).to_numpy(),
    "array": lambda: arrow.array(WITH_GAPS),
    "large": lambda: arrow.array(WITH_GAPS, arrow.large_string()),
    "view": lambda: arrow.array(WITH_GAPS, arrow.string_view()),
    "bytes": lambda: arrow.array(WITH_GAPS, arrow.binary()),
    "dictionary": lambda: arrow.array(WITH_GAPS).dictionary_encode(),
    "runs": lambda: compute.run_end_encode(arrow.array(WITH_GAPS)),
    "uuid": lambda: arrow.array(
        [person and uuid.UUID(person).bytes for person in WITH_GAPS], arrow.uuid()
    ),
    "chunked": lambda: arrow.chunked_array([WITH_GAPS[:7], [], WITH_GAPS[7:]]),
    "sliced": lambda: arrow.array(["x", *WITH_GAPS, "y"]).slice(1, len(WITH_GAPS)),
    "scalars": lambda: list(arrow.array(WITH_GAPS)),
    "lone column": lambda: arrow.table({"whoever": WITH_GAPS}),
    "pandas index": lambda: pandas.DataFrame(
        {"whoever": WITH_GAPS}, index=[f"i{n}" for n in range(len(WITH_GAPS))]
    ),
    "table": lambda: arrow.table(FRAME),
    "record batch": lambda: arrow.record_batch(FRAME),
    "in one piece": lambda: InOnePiece(arrow.record_batch(FRAME)),
    "reader": lambda: arrow.table(FRAME).to_reader(max_chunksize=300),
    "polars frame": lambda: polars.DataFrame(FRAME),
    "pandas frame": lambda: pandas.DataFrame(FRAME),
    "chosen": lambda: people_of(polars.DataFrame(FRAME), column="People_Search_ID"),
}


@pytest.mark.parametrize("kind", COLUMNS)
async def test_every_kind_of_column_is_read(kind: str) -> None:
    assert await read(COLUMNS[kind]()) == [person or "" for person in WITH_GAPS]


@pytest.mark.parametrize(
    "empty",
    [
        lambda: polars.Series([], dtype=polars.String),
        lambda: arrow.array([], arrow.string()),
        lambda: arrow.chunked_array([], arrow.string()),
        lambda: arrow.table({"x": arrow.array([], arrow.string())}),
        lambda: pandas.DataFrame({"x": []}, dtype=object),
    ],
)
async def test_an_empty_column_is_an_empty_input(empty: Any) -> None:
    assert await read(empty()) == []


async def test_no_values_at_all_are_empty_people() -> None:
    assert await read(arrow.nulls(3)) == ["", "", ""]


@pytest.mark.parametrize(
    ("people", "message"),
    [
        (lambda: polars.Series([1]), "the column holds int64, not text"),
        (lambda: pandas.Series([1.5]), "the column holds double, not text"),
        (lambda: arrow.array([1, 1]).dictionary_encode(), "holds dictionary<values=int64"),
        (lambda: arrow.array([["x"]]), "holds list<"),
        (lambda: pandas.DataFrame({"n": [1]}), "the column 'n' holds int64"),
        (lambda: polars.DataFrame({"a": ["x"], "b": ["y"]}), r"2 columns .*'a', 'b'.*people_of\("),
        (lambda: polars.DataFrame(), "0 columns was given"),  # noqa: PLW0108 - it is loaded late
        (lambda: pandas.DataFrame({"id": ["x"], "ID": [1]}).to_numpy(), "more than one dimension"),
        (lambda: polars.LazyFrame({"a": ["x"]}), "has not been run"),
        (lambda: arrow.table([["x"], ["y"]], ["linkedin_url"] * 2), "more than one column"),
        (
            lambda: pandas.DataFrame({"people_search_id": ["x", "y"], "mixed": [1, "z"]}),
            "cannot be read through Arrow; pass one column",
        ),
        (lambda: polars.DataFrame, "not type"),
        (lambda: people_of(polars.DataFrame(FRAME), column="id"), "no column 'id', but 'name', "),
        (lambda: people_of(polars.Series(IDS), column="id"), "no column 'id' in a lone column"),
    ],
)
async def test_what_holds_no_people_is_refused(people: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Source(people(), 100)


async def test_what_is_text_by_name_only_costs_its_rows() -> None:
    """Files are not checked for it: a column of text may hold any bytes."""
    bytes_ = arrow.array([IDS[0].encode(), b"caf\xe9", None])
    broken = arrow.Array.from_buffers(arrow.string(), 3, bytes_.buffers())

    assert await read(broken) == [IDS[0], "caf\ufffd", ""]
    dictionary = arrow.DictionaryArray.from_arrays(arrow.array([1, 0, None]), broken)
    assert await read(dictionary) == ["caf\ufffd", IDS[0], ""]


async def test_rows_without_a_person_are_rejected_one_by_one() -> None:
    bench = Bench()
    people = pandas.Series([IDS[0], float("nan"), None, pandas.NA, "nobody"], dtype=object)
    outcomes = await run_on_the_real_loop(bench, people)

    assert [outcomes[row].status for row in range(5)] == ["found", *["rejected"] * 4]
    for row in (1, 2, 3):
        assert outcomes[row].person == ""
        assert (outcomes[row].error or "").startswith("empty: there is no people_search_id")
    assert "malformed" in (outcomes[4].error or "")


async def run_on_the_real_loop(bench: Bench, people: Any) -> dict[int, Outcome]:
    bench.api.latency = 0.0
    bench.api.duration = lambda size: 0.0
    return await collect(bench.run(people))


def test_without_the_extra_a_lone_column_is_iterated(monkeypatch: pytest.MonkeyPatch) -> None:
    series, frame = polars.Series(WITH_GAPS), polars.DataFrame(FRAME)
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    assert asyncio.run(read(series)) == [person or "" for person in WITH_GAPS]
    with pytest.raises(ConfigurationError, match=r"pubrio-async\[tables\]"):
        Source(frame, 100)
    with pytest.raises(ConfigurationError, match=r"pubrio-async\[tables\]"):
        OutcomeTable()


# -- readers ---------------------------------------------------------------------------------


def reader_of(batches: Iterator[Any]) -> Any:
    schema = arrow.schema([("people_search_id", arrow.string())])
    return arrow.RecordBatchReader.from_batches(schema, batches)


def batch_of(people: list[str]) -> Any:
    return arrow.record_batch({"people_search_id": people})


async def test_a_reader_is_read_as_far_as_it_is_needed_and_beside_the_loop() -> None:
    made: list[int] = []
    threads: set[int] = set()

    def batches() -> Iterator[Any]:
        for number in range(20):
            made.append(number)
            threads.add(threading.get_ident())
            yield batch_of(IDS[number * 100 : number * 100 + 100])

    source = Source(reader_of(batches()), 50)
    assert await source.pull(50, None) == IDS[:50]
    assert len(made) <= 2
    await source.close()
    assert threading.get_ident() not in threads


async def test_a_reader_that_does_not_answer_keeps_nobody_waiting() -> None:
    asked, answer, ended = threading.Event(), threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def batches() -> Iterator[Any]:
        threads.append(threading.current_thread())
        yield batch_of(IDS[:2])
        asked.set()
        answer.wait(20)
        ended.set()

    source = Source(reader_of(batches()), 10)
    assert await source.pull(10, None) == IDS[:2]
    await asyncio.to_thread(asked.wait, 20)
    assert await source.pull(10, 0.0) == []
    await source.close()
    assert not ended.is_set()
    [thread] = threads
    assert thread.daemon  # the program could end now

    answer.set()
    await asyncio.to_thread(thread.join, 20)
    assert not thread.is_alive()


async def test_what_a_reader_raises_comes_after_its_rows() -> None:
    def batches() -> Iterator[Any]:
        yield batch_of(IDS[:2])
        raise ValueError("the database went away")

    source = Source(reader_of(batches()), 10)
    assert await source.pull(10, None) == IDS[:2]
    with pytest.raises(ValueError, match="the database went away"):
        await source.pull(10, None)
    await source.close()


async def test_batches_are_let_go_of_once_they_are_read() -> None:
    alive: list[weakref.ref[Any]] = []

    def batches() -> Iterator[Any]:
        for _ in range(50):
            batch = batch_of(IDS)
            alive.append(weakref.ref(batch))
            yield batch
            del batch

    people = people_of(reader_of(batches()))
    assert isinstance(people, AsyncIterator)
    most, count = 0, 0
    async for _ in people:
        count += 1
        if count % len(IDS) == 1:
            most = max(most, sum(each() is not None for each in alive))
    assert count == 50 * len(IDS)
    assert most <= 2
