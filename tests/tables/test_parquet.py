from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pubrio_async import ConfigurationError
from pubrio_async.models import Contact, ContactType, Outcome
from pubrio_async.tables import OUTCOME_COLUMNS, _parquet, open_rows, open_sink

arrow: Any = pytest.importorskip("pyarrow")
parquet: Any = pytest.importorskip("pyarrow.parquet")


def outcome(row: int) -> Outcome:
    phone = Contact(f"=+1 555 {row:04}", ContactType.PHONE)
    return Outcome(row, f"id-{row}", None, "found", phones=[phone])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.parquet"
    table = arrow.table(
        {
            "status": arrow.array(["a", None, "c"]),
            "people_search_id": arrow.array([" id-0", None, "id-2"]),
            "born": arrow.array([date(2000, 1, 1), None, date(2001, 2, 3)]),
            "tags": arrow.array([["x"], [], None], type=arrow.list_(arrow.string())),
        }
    )
    parquet.write_table(table, path)
    return path


def test_people_and_cells(source: Path) -> None:
    rows = open_rows(source)
    found = rows.people()
    assert isinstance(found, Iterator)

    assert rows.total == 3
    assert list(found) == ["id-0", "", "id-2"]
    cells = rows.cells()
    assert cells is not None
    assert next(cells) == ("a", " id-0", date(2000, 1, 1), ["x"])


def test_columns_keep_their_types_and_rows_their_order(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_parquet, "_WRITE_ROWS", 2)
    sink = open_sink(tmp_path / "out.parquet", open_rows(source))
    for row in (2, 0, 1):
        sink.write(outcome(row))
    sink.close()

    table = parquet.read_table(tmp_path / "out.parquet")
    assert table.column_names == [
        "input_status",
        "people_search_id",
        "born",
        "tags",
        *OUTCOME_COLUMNS,
    ]
    assert table.schema.field("born").type == arrow.date32()
    assert table.column("born").to_pylist() == [date(2000, 1, 1), None, date(2001, 2, 3)]
    # Not a spreadsheet's cell: it is written as it came.
    assert table.column("phone").to_pylist() == ["=+1 555 0000", "=+1 555 0001", "=+1 555 0002"]
    assert table.column("email_work").to_pylist() == [None, None, None]


def test_an_input_that_has_become_shorter_leaves_nulls_of_every_type(
    source: Path, tmp_path: Path
) -> None:
    sink = open_sink(tmp_path / "out.parquet", open_rows(source))
    for row in range(4):
        sink.write(outcome(row))
    sink.close()

    table = parquet.read_table(tmp_path / "out.parquet")
    assert table.column("born").to_pylist()[2:] == [date(2001, 2, 3), None]
    assert table.column("phone").to_pylist()[3] == "=+1 555 0003"


def test_csv_in_parquet_out_has_text_columns_with_names_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("a,a,a_2,people_search_id\n1,2,3,id\n")
    sink = open_sink(tmp_path / "out.parquet", open_rows(tmp_path / "in.csv"))
    sink.write(outcome(0))
    sink.close()

    [row] = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert (row["a"], row["a_3"], row["a_2"]) == ("1", "2", "3")
    assert row["status"] == "found"


def test_parquet_in_csv_out(source: Path, tmp_path: Path) -> None:
    sink = open_sink(tmp_path / "out.csv", open_rows(source))
    sink.write(outcome(0))
    sink.close()

    assert (tmp_path / "out.csv").read_text().splitlines()[1].startswith("a, id-0,2000-01-01,")


@pytest.mark.parametrize("keep", [True, False])
def test_giving_up_leaves_nothing_open(source: Path, tmp_path: Path, *, keep: bool) -> None:
    sink = open_sink(tmp_path / "out.parquet", open_rows(source))
    sink.write(outcome(1))
    sink.discard(keep=keep)

    assert not (tmp_path / "out.parquet").exists()
    part = tmp_path / "out.parquet.part"
    assert part.exists() == keep
    if keep:
        statuses = parquet.read_table(part).column("status").to_pylist()
        assert statuses == ["unsettled", "found"]


def test_an_empty_table_has_its_columns(source: Path, tmp_path: Path) -> None:
    sink = open_sink(tmp_path / "out.parquet", open_rows(source))
    sink.close()

    assert parquet.read_table(tmp_path / "out.parquet").num_rows == 0


def test_what_is_no_parquet_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in.parquet").write_text("people_search_id\n")

    with pytest.raises(ConfigurationError, match="is not a Parquet file"):
        open_rows(tmp_path / "in.parquet")


def test_the_extra_is_named_where_it_is_missing(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in.txt").write_text("id\n")
    lines = open_rows(tmp_path / "in.txt")
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(ConfigurationError, match=r"pubrio-async\[tables\]"):
        open_rows(source)
    with pytest.raises(ConfigurationError, match=r"pubrio-async\[tables\]"):
        open_sink(tmp_path / "out.parquet", lines)
    assert not list(tmp_path.glob("out*"))
