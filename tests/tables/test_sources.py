from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pubrio_async import ConfigurationError
from pubrio_async.tables import _text as text_module
from pubrio_async.tables import open_rows
from tests.tables.inputs import cells, people, write

# -- which column ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "column", "expected"),
    [
        ("linkedin_url,people_search_id,x", None, "b"),
        ("x,linkedin_url,y", None, "b"),
        ("x,People_Search_ID ,y", None, "b"),
        ("x,y,who", "who", "c"),
        ("x,y,Who", "who", "c"),
        ("who,Who,y", "Who", "b"),
    ],
)
def test_the_column_is_the_named_one_else_the_id_else_the_url(
    tmp_path: Path, header: str, column: str | None, expected: str
) -> None:
    source = open_rows(write(tmp_path / "in.csv", f"{header}\na,b,c\n"), column)

    assert people(source) == [expected]


def test_a_missing_column_names_those_there_are(tmp_path: Path) -> None:
    path = write(tmp_path / "in.csv", "name,company\nx,y\n")

    with pytest.raises(ConfigurationError, match=r"people_search_id.*'name', 'company'.*--column"):
        open_rows(path)
    with pytest.raises(ConfigurationError, match="no column 'id'; it has 'name', 'company'"):
        open_rows(path, "id")


def test_many_columns_are_not_all_named(tmp_path: Path) -> None:
    header = ",".join(f"c{number}" for number in range(30))

    with pytest.raises(ConfigurationError, match=r"'c19' and 10 more"):
        open_rows(write(tmp_path / "in.csv", f"{header}\n"))


def test_a_column_there_is_twice_is_refused_unless_one_fits_exactly(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="more than one column 'a'"):
        open_rows(write(tmp_path / "same.csv", "a,a\nx,y\n"), "a")
    with pytest.raises(ConfigurationError, match="more than one column 'id'"):
        open_rows(write(tmp_path / "case.csv", "Id,iD\nx,y\n"), "id")

    assert people(open_rows(write(tmp_path / "fits.csv", "A,a\nx,y\n"), "a")) == ["y"]


# -- CSV and TSV -----------------------------------------------------------------------------


def test_csv_people_and_cells_stay_together(tmp_path: Path) -> None:
    source = open_rows(
        write(
            tmp_path / "in.csv",
            '\ufeffname,people_search_id\n"A, Ltd", id-1 \n\n,\n"two\nlines",id-2\n',
        )
    )

    assert source.columns == ("name", "people_search_id")
    assert source.total == 3
    assert people(source) == ["id-1", "", "id-2"]
    assert cells(source) == [["A, Ltd", " id-1 "], ["", ""], ["two\nlines", "id-2"]]
    assert people(source) == ["id-1", "", "id-2"]


def test_tsv(tmp_path: Path) -> None:
    source = open_rows(write(tmp_path / "in.TSV", "name\tpeople_search_id\nA, B\tid\n"))

    assert cells(source) == [["A, B", "id"]]
    assert people(source) == ["id"]


def test_ragged_rows_are_filled_up_or_cut_and_told(tmp_path: Path) -> None:
    source = open_rows(
        write(tmp_path / "in.csv", "name,people_search_id\nx\nx,id-1,more\nx,id-2\n,,,\n")
    )

    assert people(source) == ["", "id-1", "id-2", ""]
    assert cells(source) == [["x", ""], ["x", "id-1"], ["x", "id-2"], ["", ""]]
    assert len(source.warnings) == 1
    assert "2 rows have more cells" in source.warnings[0]
    assert "(the first ends on line 3)" in source.warnings[0]


def test_a_header_without_rows_is_no_error(tmp_path: Path) -> None:
    source = open_rows(write(tmp_path / "in.csv", "people_search_id\n"))

    assert source.total == 0
    assert people(source) == []
    assert not source.warnings


def test_an_open_quote_is_refused_instead_of_swallowing_rows(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"in\.csv, line 4: malformed: unexpected end"):
        open_rows(write(tmp_path / "in.csv", 'people_search_id\nid-1\n"id-2\nid-3\n'))


def test_a_huge_cell_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="line 2: malformed: field larger"):
        open_rows(write(tmp_path / "in.csv", "people_search_id\n" + "x" * 200_000))


# -- JSONL and text --------------------------------------------------------------------------


def test_jsonl_columns_are_all_keys_and_values_are_text(tmp_path: Path) -> None:
    rows = [
        {"people_search_id": " id-1 ", "n": 1.5},
        {"tags": ["a", "b"], "people_search_id": None},
        {"people_search_id": 7, "ok": True},
    ]
    content = "\n".join(map(json.dumps, rows)).replace("\n", "\n \n", 1)
    source = open_rows(write(tmp_path / "in.jsonl", content))

    assert source.columns == ("people_search_id", "n", "tags", "ok")
    assert source.total == 3
    assert people(source) == ["id-1", "", "7"]
    assert cells(source) == [
        [" id-1 ", "1.5", "", ""],
        ["", "", '["a","b"]', ""],
        ["7", "", "", "true"],
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"people_search_id": "x"}\n[1]\n', "line 2: each line must be a JSON object"),
        ('{"people_search_id": "x"}\n{"a": \n', "line 2: malformed JSON"),
        ("\n \n", "is empty"),
        ('{"a": 1}\n', "it has 'a'"),
        (json.dumps({f"k{n}": n for n in range(1_001)}), "more than 1000 different keys"),
    ],
)
def test_unusable_jsonl_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        open_rows(write(tmp_path / "in.jsonl", content))


def test_text_is_a_person_a_line(tmp_path: Path) -> None:
    source = open_rows(write(tmp_path / "in.txt", "\ufeffid-1\r\n\r\n  id-2\nid-3"))

    assert source.total == 3
    assert source.columns == ("people_search_id",)
    assert people(source) == ["id-1", "id-2", "id-3"]
    assert source.cells() is None


def test_text_has_no_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "in.txt", "id\n")

    with pytest.raises(ConfigurationError, match="--column cannot be used"):
        open_rows(path, "id")
    with pytest.raises(ConfigurationError, match="--column cannot be used with stdin"):
        open_rows("-", "id")


# -- files that cannot be used ---------------------------------------------------------------


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".txt"])
@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
def test_an_empty_file_is_refused(tmp_path: Path, ending: str, content: str) -> None:
    with pytest.raises(ConfigurationError, match="is empty"):
        open_rows(write(tmp_path / f"in{ending}", content))


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".txt"])
@pytest.mark.parametrize("bad", [b"caf\xe9\n", b"cut \xc3"])
def test_what_is_not_utf8_is_refused_with_the_place(
    tmp_path: Path, ending: str, bad: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_module, "_CHUNK", 7)
    start = {
        ".csv": "people_search_id\nä\n",
        ".jsonl": '{"people_search_id": "ä"}\n{}\n',
        ".txt": "a\nä\n",
    }[ending].encode()
    offset = len(start) + len(bad.rstrip(b"\n")) - 1

    with pytest.raises(ConfigurationError, match=f"line 3 has a bad byte at offset {offset}"):
        open_rows(write(tmp_path / f"in{ending}", start + bad))


def test_the_place_is_a_guess_where_the_file_was_mended_meanwhile(tmp_path: Path) -> None:
    path = write(tmp_path / "in.txt", "fine\n")

    assert text_module._bad_byte(path) == (2, 5)


@pytest.mark.parametrize("name", ["in", "in.xlsx", "in.csv.gz"])
def test_an_unknown_ending_names_those_there_are(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"\.csv, \.tsv, \.jsonl, \.txt or \.parquet"):
        open_rows(write(tmp_path / name, "x"))


def test_a_missing_file_and_a_directory_are_refused(tmp_path: Path) -> None:
    (tmp_path / "dir.csv").mkdir()

    with pytest.raises(ConfigurationError, match=r"'.*none\.csv': No such file"):
        open_rows(tmp_path / "none.csv")
    with pytest.raises(ConfigurationError, match="not a regular file"):
        open_rows(tmp_path / "dir.csv")


def test_an_unreadable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "in.txt", "id\n")

    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(ConfigurationError, match="Permission denied"):
        open_rows(path)


def test_a_file_that_is_changed_meanwhile_is_not_read_on(tmp_path: Path) -> None:
    path = write(tmp_path / "in.txt", "id-1\n")
    source = open_rows(path)
    os.utime(path, ns=(1, 1))

    with pytest.raises(ConfigurationError, match="was changed"):
        people(source)
