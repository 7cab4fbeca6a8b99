"""What is written: rows in the order of the input, or outcomes as they come."""

from __future__ import annotations

import csv
import io
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pubrio_async import ConfigurationError
from pubrio_async.models import Contact, Outcome
from pubrio_async.tables import OUTCOME_COLUMNS, open_rows, open_sink
from pubrio_async.tables._record import harmless
from pubrio_async.tables._reorder import ReorderBuffer
from pubrio_async.tables._text import LineRows
from tests.tables.outputs import found, rows_of, table

# -- tables ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("output", "delimiter"), [("out.csv", ","), ("out.TSV", "\t")])
def test_rows_come_in_any_order_and_go_in_that_of_the_input(
    tmp_path: Path, output: str, delimiter: str
) -> None:
    sink, path = table(tmp_path, 50, output)
    order = list(range(50))
    random.Random(1).shuffle(order)
    for row in order:
        sink.write(found(row))
    assert not path.exists()
    sink.close()

    rows = rows_of(path, delimiter)
    assert list(rows[0]) == ["name", "people_search_id", *OUTCOME_COLUMNS]
    assert [row["name"] for row in rows] == [f"name-{row}" for row in range(50)]
    assert [row["email_work"] for row in rows] == [f"row{row}@x.example" for row in range(50)]
    assert not list(tmp_path.glob("*.part"))


def test_what_cannot_be_ordered_in_memory_is_ordered_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ReorderBuffer.__init__, "__kwdefaults__", {"limit": 3})
    sink, path = table(tmp_path, 40)
    for row in [*range(20, 40), *range(19, -1, -1)]:
        sink.write(found(row))
    sink.close()

    assert [row["email_work"] for row in rows_of(path)] == [
        f"row{row}@x.example" for row in range(40)
    ]


@pytest.mark.parametrize("limit", [0, 150, 20_000])
def test_stretches_of_any_length_go_in_the_order_of_the_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(ReorderBuffer.__init__, "__kwdefaults__", {"limit": limit})
    rng = random.Random(limit)
    stretches: list[range] = []
    row = 0
    while row < 3_000:
        length = rng.choice([1, 2, 100, 450])
        stretches.append(range(row, row + length))
        row += length
    rng.shuffle(stretches)
    source = tmp_path / "in.txt"
    source.write_text("".join(f"id-{number}\n" for number in range(row)))
    sink = open_sink(tmp_path / "out.csv", open_rows(source))
    for stretch in stretches:
        for number in stretch:
            sink.write(found(number))
    sink.close()

    assert [
        (line["people_search_id"], line["email_work"]) for line in rows_of(tmp_path / "out.csv")
    ] == [(f"id-{number}", f"row{number}@x.example") for number in range(row)]


@pytest.mark.parametrize(("output", "delimiter"), [("out.csv", ","), ("out.tsv", "\t")])
def test_lines_are_those_that_csv_writes(tmp_path: Path, output: str, delimiter: str) -> None:
    rng = random.Random(2)
    own = [
        ["".join(rng.choices("ab,;\t\"\n\r' \u00e9\ud83d", k=rng.randrange(4))) for _ in range(2)]
        for _ in range(500)
    ]
    errors = ["".join(rng.choices('ab,;\t"\n\r', k=rng.randrange(4))) for _ in own]

    class Rows(LineRows):
        columns = ("name", "people_search_id")

        def cells(self) -> Iterator[list[str]]:  # type: ignore[override]  # it has only people
            return iter(own)

    source = tmp_path / "in.txt"
    source.write_text("x\n")
    sink = open_sink(tmp_path / output, Rows(str(source)))
    for row, error in enumerate(errors):
        sink.write(Outcome(row, "x", None, "failed", error=error))
    sink.close()

    expected = io.StringIO()
    # With this end of a line csv quotes a lone carriage return, which it could not read otherwise.
    lines = csv.writer(expected, delimiter=delimiter, lineterminator="\r\n")
    written = ""
    for row in [
        ["name", "people_search_id", *OUTCOME_COLUMNS],
        *(
            [*cells, "failed", "", "", "", "", "", "", harmless(error)]
            for cells, error in zip(own, errors, strict=True)
        ),
    ]:
        lines.writerow(row)
        written += expected.getvalue().removesuffix("\r\n") + "\n"
        expected.seek(0)
        expected.truncate()
    assert (tmp_path / output).read_bytes() == written.encode(errors="backslashreplace")


def test_rows_without_an_outcome_are_told_apart_from_those_after_the_last(tmp_path: Path) -> None:
    sink, path = table(tmp_path, 5)
    sink.write(found(1))
    sink.write(found(3))
    sink.close()

    rows = rows_of(path)
    assert [row["status"] for row in rows] == ["unsettled", "found", "unsettled", "found"]
    assert "may have been charged" in rows[0]["error"]
    assert [row["name"] for row in rows] == ["name-0", "name-1", "name-2", "name-3"]


def test_an_input_of_lines_repeats_the_person(tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_text("a\nb\n")
    sink = open_sink(tmp_path / "out.csv", open_rows(source))
    sink.write(found(1, "b"))
    sink.write(found(0, "a"))
    sink.close()

    assert [row["people_search_id"] for row in rows_of(tmp_path / "out.csv")] == ["a", "b"]


def test_an_input_that_has_become_shorter_leaves_its_cells_empty(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("name,people_search_id\nx,id\n")
    sink = open_sink(tmp_path / "out.csv", open_rows(source))
    sink.write(found(0))
    sink.write(found(1))
    sink.close()

    assert [row["name"] for row in rows_of(tmp_path / "out.csv")] == ["x", ""]


def test_what_was_bought_is_written_even_if_the_input_was_changed_meanwhile(
    tmp_path: Path,
) -> None:
    sink, path = table(tmp_path, 3)
    (tmp_path / "in.csv").write_text("name,people_search_id\nsomebody else,x\n")
    for row in range(3):
        sink.write(found(row))
    with pytest.raises(ConfigurationError, match="was changed"):
        sink.close()
    sink.discard(keep=True)

    assert not path.exists()
    rows = rows_of(tmp_path / "out.csv.part")
    assert [row["email_work"] for row in rows] == [f"row{row}@x.example" for row in range(3)]
    assert [row["name"] for row in rows] == ["", "", ""]


def test_a_changed_input_is_told_while_the_run_goes_on(tmp_path: Path) -> None:
    sink, _ = table(tmp_path, 1_000)
    (tmp_path / "in.csv").write_text("name,people_search_id\nsomebody else,x\n")
    given: list[int] = []

    def write_all() -> None:
        for row in range(1_000):
            given.append(row)
            sink.write(found(row))

    with pytest.raises(ConfigurationError, match="was changed"):
        write_all()
    sink.discard(keep=True)
    assert [row["email_work"] for row in rows_of(tmp_path / "out.csv.part")] == [
        f"row{row}@x.example" for row in given
    ]


def test_only_our_cells_are_made_harmless(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("name,people_search_id\n=1,x\n")
    sink = open_sink(tmp_path / "out.csv", open_rows(source))
    sink.write(Outcome(0, "x", None, "rejected", error="=cmd"))
    sink.close()

    [row] = rows_of(tmp_path / "out.csv")
    assert row["name"] == "=1"
    assert row["error"] == "'=cmd"


def test_contact_types_place_an_email_of_no_kind(tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_text("x\n")
    sink = open_sink(tmp_path / "out.csv", open_rows(source), ["email-personal"])
    sink.write(Outcome(0, "x", None, "found", [Contact("a@x.example")]))
    sink.close()

    assert rows_of(tmp_path / "out.csv")[0]["email_personal"] == "a@x.example"


# -- JSONL -----------------------------------------------------------------------------------


def test_jsonl_holds_whole_outcomes_as_they_come(tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_text("id-0\nid-1\n")
    path = tmp_path / "out.jsonl"
    sink = open_sink(path, open_rows(source))
    sink.write(found(1))
    sink.write(found(0))
    sink.close()

    first, second = map(json.loads, path.read_text().splitlines())
    assert (first["row"], second["row"]) == (1, 0)
    assert first == {
        "row": 1,
        "person": "id-1",
        "people_search_id": "id-1",
        "status": "found",
        "emails": [{"value": "row1@x.example", "type": "email-work", "status": None}],
        "phones": [],
        "redeem_query_id": None,
        "error": None,
    }


def test_stdout_is_written_at_once(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    source = tmp_path / "in.txt"
    source.write_text("id-0\n")
    sink = open_sink(None, open_rows(source))
    sink.write(found(0))

    assert json.loads(capsysbinary.readouterr().out)["row"] == 0
    sink.close()
    sink.discard()


def test_a_terminal_gets_nothing_that_it_would_obey(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "in.txt"
    source.write_text("id-0\n")
    hostile = Outcome(0, "\x1b[2J\x9b31m\u202eé", None, "rejected")
    open_sink(None, open_rows(source)).write(hostile)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    open_sink(None, open_rows(source)).write(hostile)

    piped, shown = capsysbinary.readouterr().out.splitlines()
    assert json.loads(piped) == json.loads(shown)
    assert "é".encode() in piped
    assert all(0x20 <= byte < 0x7F for byte in shown)


def test_a_reader_that_goes_away_is_an_error_once() -> None:
    script = """
import sys
from pubrio_async.models import Outcome
from pubrio_async.tables import open_rows, open_sink

sink = open_sink(None, open_rows("-"))
try:
    while True:
        sink.write(Outcome(0, "x", None, "empty"))
except BrokenPipeError:
    sys.exit(7)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(20) == 7
        assert process.stderr.read() == b""
