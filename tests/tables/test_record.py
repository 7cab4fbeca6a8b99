from __future__ import annotations

import time

import pytest

from pubrio_async.models import Contact, ContactStatus, ContactType, Outcome
from pubrio_async.tables._record import OUTCOME_COLUMNS, harmless, own_columns, recorder
from tests.together import together

VERIFIED = ContactStatus.VERIFIED


def contact(value: str, kind: str | None, status: ContactStatus | None = None) -> Contact:
    return Contact(value, None if kind is None else ContactType(kind), status)


def outcome(*, emails: list[Contact] | None = None, phones: list[Contact] | None = None) -> Outcome:
    return Outcome(0, "id", "id", "found", emails or [], phones or [])


def cells(row: Outcome, *types: str) -> dict[str, str]:
    filled = dict(zip(OUTCOME_COLUMNS, recorder(types)(row), strict=True))
    return {column: cell for column, cell in filled.items() if cell and column != "status"}


def test_each_kind_has_its_column_and_several_are_joined() -> None:
    row = outcome(
        emails=[
            contact("a@x.example", "email-work", VERIFIED),
            contact("b@x.example", "email-personal"),
            contact("c@x.example", "email-work"),
            contact("d@x.example", "email-work", VERIFIED),
        ],
        phones=[contact("+1 555 0100", "phone", VERIFIED), contact("+1 555 0101", "phone")],
    )

    assert recorder()(row)[0] == "found"
    assert cells(row) == {
        "email_work": "a@x.example;c@x.example;d@x.example",
        "email_work_status": "Verified;;Verified",
        "email_personal": "b@x.example",
        "phone": "+1 555 0100;+1 555 0101",
        "phone_status": "Verified;",
    }


@pytest.mark.parametrize(
    ("types", "column"),
    [
        ((), "email_work"),
        (("email-work", "email-personal"), "email_work"),
        (("email-personal", "phone"), "email_personal"),
    ],
)
def test_an_email_of_no_known_kind_goes_where_it_was_asked_for(
    types: tuple[str, ...], column: str
) -> None:
    assert cells(outcome(emails=[contact("a@x", None)]), *types) == {column: "a@x"}
    assert cells(outcome(emails=[contact("a@x", "email-school")]), *types) == {column: "a@x"}


def test_the_kind_counts_and_not_the_list() -> None:
    row = outcome(
        emails=[contact("1", "phone")],
        phones=[contact("2", "mobile"), contact("a@x", "email-personal")],
    )

    assert cells(row) == {"phone": "1;2", "phone_status": ";", "email_personal": "a@x"}


def test_a_semicolon_in_a_value_does_not_make_two_of_it() -> None:
    row = outcome(phones=[contact("+1555;ext=3", "phone", ContactStatus("a;b"))])

    assert cells(row) == {"phone": "+1555,ext=3", "phone_status": "a,b"}


def test_an_error_is_told() -> None:
    assert recorder()(Outcome(3, "x", None, "failed", error="no"))[-1] == "no"


@together
@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "@SUM(A1)",
        "+cmd|' /C calc'!A0",
        "-2+3",
        "\uff1d1+1",
        "+1+cmd",
        "+",
        "-5",
        "+1 (555) 0100=1",
    ],
)
def test_formulas_are_made_harmless(cell: str) -> None:
    assert harmless(cell) == f"'{cell}"
    assert harmless(f"x;{cell}") == f"x;'{cell}"


@together
@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("\t=1", "'\t'=1"),  # the tab starts a cell, too, where tabs separate them
        ("\r=1", "'\r'=1"),
        ("\n=1", "'\n'=1"),
        ("\tx", "'\tx"),
        ("x;\nx", "x;'\nx"),
        ("x,=1", "x,'=1"),
        ("x|@y", "x|'@y"),
        ("x\t-1", "x\t'-1"),
        (" =1", "' =1"),
        ('"=1', "'\"=1"),
        ("\u200b=1", "'\u200b=1"),
        ("\x00=1", "'\x00=1"),
        ("\ufe661", "'\ufe661"),
        ("+1 555 0100, +cmd", "'+1 555 0100,' +cmd"),
        # One cell or two: neither is a formula.
        ("+15550100;cmd|' /C calc'!A0", "'+15550100;cmd|' /C calc'!A0"),
        ("lost; -5", "lost;' -5"),
    ],
)
def test_whatever_could_become_a_cell_is_made_harmless(cell: str, expected: str) -> None:
    assert harmless(cell) == expected
    assert harmless(expected) == expected


@together
@pytest.mark.parametrize(
    "cell",
    [
        "",
        "+1 555 0100, +1 555 0101",
        "one; two, three | four",
        "to resume: pubrio-async redeem in.csv --types phone",
        "a@x.example",
        "+15550100",
        "+44 (0)20 7946-0000",
        "+1.555.0100",
        "(555) 0100",
        "+1 555 0100 ext. 12",
        "+15550100,ext=3",
        "+1 555 0100;+1 555 0101",
        "555-0100",
    ],
)
def test_what_is_no_formula_stays_as_it_is(cell: str) -> None:
    assert harmless(cell) == cell


@together
@pytest.mark.parametrize("piece", ["\t", " ", '"', "=", "+1", "(", "+1,", "1 ;", ", ", "1 x", "a="])
def test_a_long_hostile_value_costs_no_more_than_its_length(piece: str) -> None:
    began = time.process_time()
    harmless(piece * 40_000 + "!")
    harmless("+1" + piece * 40_000 + "!")

    assert time.process_time() - began < 5  # looking again from each character takes far longer


def test_columns_that_are_called_like_ours_are_renamed() -> None:
    assert own_columns(["name", "status", "input_phone", "phone", "status", "Error"]) == [
        "name",
        "input_status",
        "input_phone",
        "input_input_phone",
        "input_input_status",
        "Error",
    ]
