"""Parquet in and out: people, cells and columns, damaged files, and what was changed meanwhile."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from pubrio_async import ConfigurationError
from pubrio_async.models import Outcome
from pubrio_async.tables import OUTCOME_COLUMNS, _parquet_writer, open_rows, open_sink
from tests.tables.arrows import arrow, parquet
from tests.tables.outputs import outcome


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
    assert next(cells) == ("a", " id-0", "2000-01-01", '["x"]')


def test_columns_keep_their_types_and_rows_their_order(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_parquet_writer, "_CONVERT_ROWS", 2)
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


def test_rows_are_written_in_groups_that_fit_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_parquet_writer, "_CONVERT_ROWS", 100)
    monkeypatch.setattr(_parquet_writer, "_GROUP_ROWS", 400)
    monkeypatch.setattr(_parquet_writer, "_GROUP_BYTES", 200_000)
    thin, wide = ["x"] * 1_000, ["x" * 1_000] * 1_000
    groups: list[list[int]] = []
    for name, values in (("thin", thin), ("wide", wide)):
        path = tmp_path / f"{name}.parquet"
        parquet.write_table(arrow.table({"people_search_id": values}), path)
        sink = open_sink(tmp_path / "out.parquet", open_rows(path))
        for row in range(1_000):
            sink.write(outcome(row))
        sink.close()
        metadata = parquet.ParquetFile(tmp_path / "out.parquet").metadata
        groups.append([metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)])

    assert groups[0] == [400, 400, 200]
    assert max(groups[1]) <= 200
    assert sum(groups[1]) == 1_000


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_file_that_may_not_be_read_is_not_called_damaged(source: Path) -> None:
    source.chmod(0)

    with pytest.raises(ConfigurationError, match="Permission denied"):
        open_rows(source)


def test_a_column_is_not_taken_for_a_part_of_another(tmp_path: Path) -> None:
    table = arrow.table({"a": [{"id": "no"}], "a.id": ["yes"], "people_search_id": ["x"]})
    parquet.write_table(table, tmp_path / "in.parquet")
    found = open_rows(tmp_path / "in.parquet", "a.id").people()
    assert isinstance(found, Iterator)

    assert list(found) == ["yes"]


def test_a_damaged_file_is_refused_or_read_and_nothing_else(tmp_path: Path) -> None:
    rng = random.Random(4)
    ids = [str(rng.random()) for _ in range(3_000)]
    tags = arrow.array([f"t{n % 40}" for n in range(3_000)]).dictionary_encode()
    path = tmp_path / "in.parquet"
    parquet.write_table(
        arrow.table({"people_search_id": ids, "tags": tags, "n": list(range(3_000))}),
        path,
        row_group_size=1_500,
    )
    whole = path.read_bytes()
    messages: set[str] = set()
    for _ in range(60):
        data = bytearray(whole)
        at = rng.randrange(len(data))
        data[at : at + 8] = rng.randbytes(8)
        path.write_bytes(data[: rng.choice([len(data), len(data), at])])
        try:
            source = open_rows(path)
        except ConfigurationError as error:
            messages.add(str(error).removeprefix(str(path))[:18])
        else:  # what was not refused before anything was sent is read to its end
            assert len(list(source.people())) == 3_000  # type: ignore[arg-type]  # not async
            assert len(list(source.cells() or ())) == 3_000

    assert messages == {" is not a Parquet ", " is damaged: it ca"}


def test_a_file_that_is_changed_meanwhile_is_not_read_on(source: Path, tmp_path: Path) -> None:
    rows = open_rows(source)
    sink = open_sink(tmp_path / "out.parquet", rows)
    os.utime(source, ns=(1, 1))
    found = rows.people()
    assert isinstance(found, Iterator)

    with pytest.raises(ConfigurationError, match="was changed"):
        next(found)
    sink.write(outcome(0))
    with pytest.raises(ConfigurationError, match="was changed"):
        sink.close()
    sink.discard(keep=True)
    kept = parquet.read_table(tmp_path / "out.parquet.part")
    assert kept.column("phone").to_pylist() == ["=+1 555 0000"]
    assert kept.column("born").to_pylist() == [None]


def test_half_characters_are_written_so_that_they_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("x\n")
    sink = open_sink(tmp_path / "out.parquet", open_rows(tmp_path / "in.txt"))
    sink.write(Outcome(0, "x", None, "failed", error="half \ud83d"))
    sink.close()

    [row] = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert (row["people_search_id"], row["error"]) == ("x", "half \\ud83d")


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
