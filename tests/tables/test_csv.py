"""Whatever a table looks like as text, its people are read and its cells come back unharmed."""

from __future__ import annotations

import csv
import io
import re
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pubrio_async import ConfigurationError
from pubrio_async.models import Contact, ContactStatus, ContactType, Outcome
from pubrio_async.tables import OUTCOME_COLUMNS, RowSource, open_rows, open_sink
from pubrio_async.tables._csv import Dialect
from pubrio_async.tables._csv_writer import CsvWriter
from pubrio_async.tables._record import own_columns, recorder
from tests.tables.inputs import cells, people, write

PERSON = "e37ccf38-ea8f-422e-9874-cb23b15e8fe4"
URL = "https://www.linkedin.com/in/king-lai-605382b7"


def redeem(source: RowSource, output: Path, *, harmless_input: bool = False) -> bytes:
    """The output of a run that found nothing."""
    sink = open_sink(output, source, harmless_input=harmless_input)
    for row, person in enumerate(people(source)):
        sink.write(Outcome(row, person, None, "empty"))
    sink.close()
    return output.read_bytes()


# -- separators ------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["csv", "tsv"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("header", ["people_search_id,name", "name,people_search_id,x;y|z\t"])
def test_the_separator_is_the_one_beside_the_column(
    tmp_path: Path, ending: str, delimiter: str, header: str
) -> None:
    names = header.split(",")
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([names, ["a;b,c|d\te"] * len(names)])
    source = open_rows(write(tmp_path / f"in.{ending}", text.getvalue()))

    assert source.columns == tuple(names)
    assert cells(source) == [["a;b,c|d\te"] * len(names)]


@pytest.mark.parametrize(
    ("text", "column", "columns"),
    [
        ("people_search_id\na;b,c\n", None, ("people_search_id",)),
        ('a,"x;people_search_id;y",linkedin_url\n', None, None),
        ("a;b,c;d\n", "b,c", ("a", "b,c", "d")),
        ("a,b;c,d\n", "b;c", ("a", "b;c", "d")),
        ("linkedin_url;a,b,c,d,e\n", None, ("linkedin_url", "a,b,c,d,e")),
        ("People_Search_Id |a,b,c\n", None, ("People_Search_Id ", "a,b,c")),
        ('"people_search_id";"a\nb"\n', None, ("people_search_id", "a\nb")),
        ("people_search_id\t\n", None, ("people_search_id", "")),
    ],
)
def test_nothing_but_the_name_of_the_column_decides(
    tmp_path: Path, text: str, column: str | None, columns: tuple[str, ...] | None
) -> None:
    source = open_rows(write(tmp_path / "in.csv", text), column)

    assert source.columns == (columns or ("a", "x;people_search_id;y", "linkedin_url"))


def test_any_other_separator_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "in.csv", f"name^people_search_id\nA, B;C^{PERSON}\n")
    with pytest.raises(ConfigurationError, match=r"one cell, 'name\^people_search_id'"):
        open_rows(path)
    source = open_rows(path, delimiter="^")

    assert people(source) == [PERSON]
    assert redeem(source, tmp_path / "out.csv").splitlines()[1] == (
        f"A, B;C^{PERSON}^empty^^^^^^^".encode()
    )


@pytest.mark.parametrize(
    ("header", "column", "beside"),
    [
        ("name^people_search_id", None, "^"),
        ("LinkedIn_URL : name", None, ":"),
        ("a~person~b", "person", "~"),
        ("people_search_ids^name", None, None),
        ("name^company", None, None),
        ("name people_search_id", None, None),
    ],
)
def test_a_separator_nobody_tried_is_told_where_the_column_stands_beside_it(
    tmp_path: Path, header: str, column: str | None, beside: str | None
) -> None:
    path = write(tmp_path / "in.csv", f"{header}\n")
    with pytest.raises(ConfigurationError, match="has no column") as refused:
        open_rows(path, column)
    assert ("--delimiter" in str(refused.value)) == (beside is not None)
    if beside is not None:
        assert f"--delimiter {beside!r}" in str(refused.value)
        with pytest.raises(ConfigurationError, match="has no column 'x'"):
            open_rows(path, "x", delimiter=beside)
        assert len(open_rows(path, column, delimiter=beside).columns) > 1


@pytest.mark.parametrize("delimiter", ["", ";;", '"', "\n", "\0"])
def test_what_cannot_separate_is_refused(tmp_path: Path, delimiter: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot separate cells"):
        open_rows(write(tmp_path / "in.csv", "people_search_id\n"), delimiter=delimiter)


def test_only_tables_of_text_have_separators(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no separator to be named"):
        open_rows(write(tmp_path / "in.txt", "x\n"), delimiter=";")


@pytest.mark.parametrize("line", ["sep=;\r\n", '"SEP=;"\n', "\ufeffsep=;\n"])
def test_excels_own_line_is_believed_and_counted(tmp_path: Path, line: str) -> None:
    source = open_rows(write(tmp_path / "in.csv", f"{line}a,b;people_search_id\nx,y;{PERSON}\n"))

    assert cells(source) == [["x,y", PERSON]]
    with pytest.raises(ConfigurationError, match=r"line 3: malformed: .* begins on line 3"):
        open_rows(write(tmp_path / "bad.csv", f'{line}a;people_search_id\n"a"b;c\n'))


def test_a_missing_column_is_told_by_the_likeliest_separator(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="it has 'name', 'company'"):
        open_rows(write(tmp_path / "in.csv", "name;company\n"))
    with pytest.raises(ConfigurationError, match="it has 'name', 'x;y;z'"):
        open_rows(write(tmp_path / "usual.csv", "name,x;y;z\n"))


# -- what text is made of --------------------------------------------------------------------


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_byte_order_mark_is_no_part_of_a_name_and_is_kept(tmp_path: Path, mark: str) -> None:
    # Without it Excel does not see that it is UTF-8.
    text = f"{mark}people_search_id\tnaïve\r\n{PERSON}\tÄ✓\r\n"
    source = open_rows(write(tmp_path / "in.csv", text))

    assert cells(source) == [[PERSON, "Ä✓"]]
    header = "\t".join(["people_search_id", "naïve", *OUTCOME_COLUMNS])
    output = redeem(source, tmp_path / "out.csv").decode()
    assert output.startswith(f"{mark}{header}\r\n")
    assert output.count("\ufeff") == len(mark)


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        ("utf-16", "not UTF-8: line 1 begins with the mark of UTF-16"),
        ("utf-32", "not UTF-8: line 1 begins with the mark of UTF-32"),
        ("utf-16-le", "has NUL characters in line 1: it is no text, or UTF-16"),
        ("utf-16-be", "has NUL characters in line 1: it is no text, or UTF-16"),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "jsonl", "txt"])
def test_what_is_utf16_is_said_to_be(
    tmp_path: Path, encoding: str, message: str, ending: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        open_rows(write(tmp_path / f"in.{ending}", "people_search_id\nx\n".encode(encoding)))


def test_a_nul_in_a_cell_costs_at_most_its_row(tmp_path: Path) -> None:
    source = open_rows(
        write(tmp_path / "in.csv", f"name,people_search_id\na\0b,{PERSON}\nc,i\0d\n")
    )

    assert people(source) == [PERSON, "i\0d"]
    assert redeem(source, tmp_path / "out.csv").splitlines()[1].startswith(b"a\0b,")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_end_of_a_line_is_one(tmp_path: Path, end: str) -> None:
    text = f'name,people_search_id\n\n"a\nb",{PERSON}\nc\n'.replace("\n", end)
    source = open_rows(write(tmp_path / "in.csv", text))

    assert cells(source) == [[f"a{end}b", PERSON], ["c", ""]]
    output = redeem(source, tmp_path / "out.csv").decode()
    assert output.endswith("\r\n" if end == "\r\n" else "\n")
    assert list(csv.reader(io.StringIO(output, newline="")))[1][0] == f"a{end}b"


def test_headers_that_are_there_twice_stay(tmp_path: Path) -> None:
    source = open_rows(
        write(tmp_path / "in.csv", f"a,a,,,status,people_search_id\n1,2,3,4,5,{PERSON}\n")
    )
    header, row = redeem(source, tmp_path / "out.csv").decode().splitlines()

    assert header.startswith("a,a,,,input_status,people_search_id,status,")
    assert row.startswith(f"1,2,3,4,5,{PERSON},empty,")


@pytest.mark.parametrize(
    ("first", "column"),
    [
        (PERSON, None),
        (f"Jane,{URL}", None),
        (f"{PERSON};Jane", None),
        ("jane@x.example,Jane", None),
        (f"{PERSON},Jane", "id"),
    ],
)
def test_a_file_without_a_header_is_refused_and_names_nobody(
    tmp_path: Path, first: str, column: str | None
) -> None:
    with pytest.raises(ConfigurationError, match="has no header") as refused:
        open_rows(write(tmp_path / "in.csv", f"{first}\n{first}\n"), column)

    assert PERSON not in str(refused.value)
    assert "jane" not in str(refused.value).lower()


def test_a_row_that_never_ends_is_told_by_its_beginning(tmp_path: Path) -> None:
    text = "people_search_id\nx\n\n" + '"y\n' + "z\n" * 50

    with pytest.raises(ConfigurationError, match=r"line 54: malformed: .* begins on line 4"):
        open_rows(write(tmp_path / "in.csv", text))


def test_a_dialect_is_kept_only_where_the_ending_is(tmp_path: Path) -> None:
    source = open_rows(write(tmp_path / "in.csv", f"a;people_search_id\r\nx;{PERSON}\r\n"))

    assert redeem(source, tmp_path / "out.csv").startswith(b"a;people_search_id;status;")
    assert redeem(source, tmp_path / "out.tsv").startswith(b"a\tpeople_search_id\tstatus\t")
    assert b"\r" not in redeem(source, tmp_path / "out.tsv")


# -- any table whatever ----------------------------------------------------------------------

CELL = st.text(st.characters(codec="utf-8"), max_size=8) | st.text(
    "ab,;\t|\"'\r\n =+-@\0\ufeff", max_size=8
)
PERSON_CELL = st.sampled_from([PERSON, URL, "", " x ", "a,b;c", 'say "x"', "two\nlines", "cr\rcr"])


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[list[str]], int]:
    """A header and rows, some too short, and where the people are."""
    width = draw(st.integers(1, 4))
    place = draw(st.integers(0, width - 1))
    header = draw(st.lists(CELL, min_size=width, max_size=width))
    named = {"people_search_id", "linkedin_url"}
    header = [f"{cell}?" if cell.strip().casefold() in named else cell for cell in header]
    header[place] = "people_search_id"
    # Characters that cannot stand in the first line of a text.
    header = [cell.replace("\0", "").replace("\ufeff", "") for cell in header]
    rows = draw(
        st.lists(st.lists(CELL, min_size=width, max_size=width), max_size=5),
    )
    for row in rows:
        row[place] = draw(PERSON_CELL)
    return [header, *rows], place


@settings(max_examples=80, deadline=None)
@given(
    tables(),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["utf-8", "utf-8-sig"]),
    st.sampled_from(["\r\n", "\n"]),
)
@example(([["people_search_id", ","]], 0), "\t", csv.QUOTE_MINIMAL, "utf-8", "\n")
def test_any_table_that_csv_writes_is_read_and_written_again(
    table: tuple[list[list[str]], int], delimiter: str, quoting: int, encoding: str, end: str
) -> None:
    rows, place = table
    if len(rows[0]) == 1:
        delimiter = ","  # a lone column has none that could be seen
    text = io.StringIO(newline="")
    # Only with this end of a line every Python quotes a lone carriage return.
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator="\r\n")
    written = ""
    for row in rows:
        writer.writerow(row)
        written += text.getvalue().removesuffix("\r\n") + end
        text.seek(0)
        text.truncate()
    with tempfile.TemporaryDirectory() as directory:
        path = write(Path(directory, "in.csv"), written.encode(encoding))
        source = open_rows(path)
        assert source.columns == tuple(rows[0])
        assert source.total == len(rows) - 1
        assert people(source) == [row[place].strip() for row in rows[1:]]
        assert cells(source) == rows[1:]

        data = redeem(source, Path(directory, "out.csv"))
    output = list(
        csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=delimiter)
    )
    assert output[0] == [*own_columns(rows[0]), *OUTCOME_COLUMNS]
    assert [row[: len(rows[0])] for row in output[1:]] == rows[1:]
    assert all(row[len(rows[0]) :] == ["empty", *[""] * 7] for row in output[1:])


# -- formulas --------------------------------------------------------------------------------

STARTS = "=+-@\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\ufe66\ufe6b"
HOSTILE = st.text("=+-@\t\r\n;,|\"' \u200b\x00019(x)a\uff1d", max_size=12) | st.sampled_from(
    ["=cmd|' /C calc'!A0", "+14155550100", "+1 (415) 555-0100 ext. 7", "-1", "a@x.example", "+1=1"]
)


def is_formula(cell: str) -> bool:
    """Said another way than the package says it."""
    bare = cell.lstrip(' \t\r\n"\u200b\x00')
    if not bare or bare[0] not in STARTS:
        return False
    plain = re.sub(r",? ?(ext(ension)?\.?|x|#)[ =]?", "", cell.lower())
    numbers = [number.removeprefix(" ") for number in re.split("[;,]", plain)]
    return not all(
        set(number[:1]) <= set("+0123456789(") and set(number[1:]) <= set("0123456789 ()./-")
        for number in numbers
    )


@settings(max_examples=200, deadline=None)
@given(HOSTILE, HOSTILE, HOSTILE, st.sampled_from([",", "\t", ";", "|"]))
@example("+14155550100", "+1 (415) 555-0100 ext. 7", "+14155550100;=1", ";")
@example("\r", "x\r=1", "\n-1", ",")
def test_no_cell_of_ours_is_a_formula_however_it_is_cut(
    value: str, status: str, error: str, delimiter: str
) -> None:
    contact = Contact(value, ContactType.PHONE, ContactStatus(status) if status else None)
    email = Contact(value, ContactType.EMAIL_WORK)
    outcome = Outcome(0, "x", None, "found", [email], [contact, contact], error=error)
    file = io.BytesIO()
    own = SimpleNamespace(columns=["note"], take=lambda people: [["=1"]])
    writer = CsvWriter(SimpleNamespace(file=file), own, Dialect(delimiter))  # type: ignore[arg-type]  # all it needs of them
    writer.write([""], [recorder(is_spreadsheet=True)(outcome)])
    writer.finish()
    text = file.getvalue().decode()
    _, row = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)

    assert row[0] == "=1"
    assert len(row) == 9
    for cell in row[1:]:
        assert not is_formula(cell)
        assert not cell.startswith(("\t", "\r", "\n"))
        for other in ",;|\t":  # a spreadsheet that expects another separator
            for part in cell.replace("\r", "\n").replace("\n", other).split(other):
                assert not is_formula(part)


@pytest.mark.parametrize("phone", ["+14155550100", "+1 (415) 555-0100", "+44 20 7946 0000"])
def test_a_plain_phone_number_is_written_as_it_is(tmp_path: Path, phone: str) -> None:
    source = open_rows(write(tmp_path / "in.csv", "people_search_id\nx\n"))
    sink = open_sink(tmp_path / "out.csv", source)
    sink.write(Outcome(0, "x", None, "found", phones=[Contact(phone, ContactType.PHONE)]))
    sink.close()

    assert f",{phone}," in (tmp_path / "out.csv").read_text()


def test_cells_of_the_input_are_made_harmless_where_it_is_asked_for(tmp_path: Path) -> None:
    source = open_rows(write(tmp_path / "in.csv", f"=a,b,people_search_id\n=1,+1 5,{PERSON}\nx\n"))

    as_they_are = redeem(source, tmp_path / "out.csv").decode().splitlines()
    assert as_they_are[0].startswith("=a,b,people_search_id,")
    assert as_they_are[1].startswith(f"=1,+1 5,{PERSON},")
    made_harmless = redeem(source, tmp_path / "out.csv", harmless_input=True).decode().splitlines()
    assert made_harmless[0].startswith("'=a,b,people_search_id,")
    assert made_harmless[1].startswith(f"'=1,+1 5,{PERSON},")
    assert made_harmless[2].startswith("x,,,empty,")
