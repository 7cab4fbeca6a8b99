"""No type of a Parquet file is changed on the way through, and every one has a text."""

from __future__ import annotations

import ast
import csv
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pubrio_async import ConfigurationError
from pubrio_async.tables import OUTCOME_COLUMNS, open_rows, open_sink
from tests.tables.arrows import arrow, parquet
from tests.tables.outputs import outcome

TYPES: dict[str, Any] = {
    "people_search_id": arrow.array(["id-0", None, "id-2"]),
    "nanoseconds": arrow.array([1, None, 2**62], arrow.timestamp("ns", "Europe/Berlin")),
    "seconds": arrow.array([253_402_300_800, None, 1], arrow.timestamp("s")),
    "far": arrow.array([10**7, None, 1], arrow.date32()),
    "time": arrow.array([1, None, 2], arrow.time64("ns")),
    "duration": arrow.array([1, None, 2], arrow.duration("ns")),
    "decimal": arrow.array([Decimal("1.10"), None, Decimal("-2.00")], arrow.decimal256(60, 2)),
    "dictionary": arrow.array(["a", None, "a"]).dictionary_encode(),
    "map": arrow.array([[("k", 1)], None, []], arrow.map_(arrow.string(), arrow.int8())),
    "struct": arrow.array(
        [{"l": [1]}, None, {"l": None}],
        arrow.struct([("l", arrow.list_(arrow.timestamp("ns")))]),
    ),
    "large_list": arrow.array([[1], None, []], arrow.large_list(arrow.date32())),
    "extension": arrow.ExtensionArray.from_storage(
        arrow.bool8(), arrow.array([1, None, 0], arrow.int8())
    ),
    "bytes": arrow.array([b"\xff", None, b"text"]),
    "large": arrow.array([2**64 - 1, None, 1], arrow.uint64()),
    "half": arrow.array([1.5, None, float("nan")], arrow.float16()),
    "truth": arrow.array([True, None, False]),
    "uuid": arrow.array([b"x" * 16, None, b"y" * 16], arrow.uuid()),
    "nothing": arrow.nulls(3),
    "never_null": arrow.array([1, 2, 3]),
}


@pytest.fixture
def of_all_types(tmp_path: Path) -> Path:
    path = tmp_path / "types.parquet"
    fields = [
        arrow.field(name, values.type, name != "never_null", {"about": name})
        for name, values in TYPES.items()
    ]
    schema = arrow.schema(fields, {"mine": "yes"})
    table = arrow.Table.from_arrays(list(TYPES.values()), schema=schema)
    parquet.write_table(table, path, row_group_size=2)
    return path


@pytest.mark.parametrize("rows", [3, 5])
def test_no_type_is_changed_on_the_way_through(
    of_all_types: Path, tmp_path: Path, rows: int
) -> None:
    sink = open_sink(tmp_path / "out.parquet", open_rows(of_all_types))
    for row in reversed(range(rows)):
        sink.write(outcome(row))
    sink.close()

    before, after = parquet.read_table(of_all_types), parquet.read_table(tmp_path / "out.parquet")
    assert after.column_names == [*TYPES, *OUTCOME_COLUMNS]
    assert after.schema.metadata == {b"mine": b"yes"}
    for field in before.schema:
        ours = after.schema.field(field.name)
        assert (ours.type, ours.metadata[b"about"]) == (field.type, field.name.encode())
        column = after.column(field.name)
        assert str(column[:3].combine_chunks()) == str(before.column(field.name).combine_chunks())
        assert column[3:].null_count == rows - 3
    assert after.column("phone").to_pylist() == [f"=+1 555 {row:04}" for row in range(rows)]


def test_every_type_has_a_text(of_all_types: Path, tmp_path: Path) -> None:
    sink = open_sink(tmp_path / "out.csv", open_rows(of_all_types))
    for row in range(3):
        sink.write(outcome(row))
    sink.close()

    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        first, empty, last = (dict(row) for row in csv.DictReader(file))
    assert first["nanoseconds"] == "1970-01-01 01:00:00.000000001+0100"
    assert last["nanoseconds"].startswith("2116-02-21 00:53:38.427387904")
    assert first["seconds"].startswith("10000-01-01 00:00:00")
    assert first["far"] == "29349-01-26"
    assert first["time"] == "00:00:00.000000001"
    assert first["duration"] == "1"
    assert (first["decimal"], last["decimal"]) == ("1.10", "-2.00")
    assert first["dictionary"] == "a"
    assert first["map"] == '[["k",1]]'
    assert first["struct"] == '{"l":["1970-01-01 00:00:00.000000001"]}'
    assert last["struct"] == '{"l":null}'
    assert (first["large_list"], last["large_list"]) == ('["1970-01-02"]', "[]")
    assert (first["extension"], last["extension"]) == ("1", "0")
    assert (first["bytes"], last["bytes"]) == ("/w==", "text")
    assert first["large"] == "18446744073709551615"
    assert (first["half"], last["half"]) == ("1.5", "nan")
    assert (first["truth"], last["truth"]) == ("true", "false")
    assert first["uuid"] == "78787878-7878-7878-7878-787878787878"
    assert {value for name, value in empty.items() if name in TYPES} == {"", "2"}


def test_times_that_python_cannot_hold_have_a_text_without_pandas(tmp_path: Path) -> None:
    script = """
import sys

class NoPandas:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "pandas":
            raise ImportError(name)

sys.meta_path.insert(0, NoPandas())
from pubrio_async.tables import open_rows
print(list(open_rows(sys.argv[1]).cells()))
"""
    path = tmp_path / "in.parquet"
    columns = {
        "people_search_id": ["a", "b"],
        "list": arrow.array([[1], None], arrow.list_(arrow.timestamp("ns"))),
        "fixed": arrow.array([[1], None], arrow.list_(arrow.timestamp("ns"), 1)),
        "lists": arrow.array([[[1]], None], arrow.list_(arrow.list_(arrow.timestamp("ns")))),
        "map": arrow.array([[(1, 2)], None], arrow.map_(arrow.int8(), arrow.duration("ns"))),
        "nowhere": arrow.array([1, None], arrow.timestamp("ns", "No/Where")),
    }
    parquet.write_table(arrow.table(columns), path)

    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    first, second = ast.literal_eval(done.stdout)
    assert first == (
        "a",
        '["1970-01-01 00:00:00.000000001"]',
        '["1970-01-01 00:00:00.000000001"]',
        '[["1970-01-01 00:00:00.000000001"]]',
        "[[1,2]]",
        "1970-01-01 00:00:00.000000001Z",
    )
    assert second == ("b", None, None, None, None, None)


def test_what_pandas_kept_of_its_index_survives(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"people_search_id": ["a", "b"]}, index=pandas.Index([7, 8], name="k"))
    frame.to_parquet(tmp_path / "in.parquet")
    sink = open_sink(tmp_path / "out.parquet", open_rows(tmp_path / "in.parquet"))
    sink.write(outcome(0))
    sink.write(outcome(1))
    sink.close()

    result = pandas.read_parquet(tmp_path / "out.parquet")
    assert list(result.index) == [7, 8]
    assert result.loc[8, "phone"] == "=+1 555 0001"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (arrow.array([1]), "'people_search_id' holds int64, not text"),
        (arrow.array([["x"]]), "holds list<"),
        (arrow.array([1.5]), "holds double"),
    ],
)
def test_a_column_that_holds_no_text_is_refused(tmp_path: Path, values: Any, message: str) -> None:
    parquet.write_table(arrow.table({"people_search_id": values}), tmp_path / "in.parquet")

    with pytest.raises(ConfigurationError, match=message):
        open_rows(tmp_path / "in.parquet")


def test_text_of_old_files_is_bytes_and_bad_bytes_cost_a_row(tmp_path: Path) -> None:
    values = arrow.array([b"id-0", b"caf\xe9"])
    parquet.write_table(arrow.table({"people_search_id": values}), tmp_path / "in.parquet")
    found = open_rows(tmp_path / "in.parquet").people()
    assert isinstance(found, Iterator)

    assert list(found) == ["id-0", "caf\ufffd"]


def test_what_is_text_by_name_only_costs_nothing_else(tmp_path: Path) -> None:
    """Files are not checked for it: a column of text may hold any bytes."""
    bytes_ = arrow.array([b"id-0", b"caf\xe9", None])
    broken = arrow.Array.from_buffers(arrow.string(), 3, bytes_.buffers())
    nested = arrow.ListArray.from_arrays(arrow.array([0, 1, 2, 2]), broken.slice(0, 2))
    columns = {"people_search_id": broken, "note": broken, "nested": nested}
    parquet.write_table(arrow.table(columns), tmp_path / "in.parquet")
    rows = open_rows(tmp_path / "in.parquet")
    found = rows.people()
    assert isinstance(found, Iterator)

    assert list(found) == ["id-0", "caf\ufffd", ""]
    texts = list(rows.cells() or ())
    assert [row[:2] for row in texts] == [("id-0",) * 2, ("caf\\xe9",) * 2, (None, None)]
    assert '"id-0"' in str(texts[0][2])
    assert str(texts[1][2]).isprintable()
