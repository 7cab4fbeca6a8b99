"""One outcome as the eight cells that follow the input's own columns.

| column | holds |
|---|---|
| `email_work`, `email_personal`, `phone` | the values of that kind, joined by `;` |
| `..._status` | the status of each value, in the same order |

An e-mail of another kind than the two goes to `email_work`, or to `email_personal` where only
that one was asked for; every other contact in the list of phones is a `phone`. JSONL output keeps
the API's own words. A `;` inside a value becomes a comma, so that a cell can be split again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import lru_cache

from pubrio_async.models import Contact, Outcome

OUTCOME_COLUMNS = (
    "status",
    "email_work",
    "email_work_status",
    "email_personal",
    "email_personal_status",
    "phone",
    "phone_status",
    "error",
)

Record = list[str]
"""The eight cells."""

# Spreadsheets take a cell that starts with one of these for a formula; the wide forms too.
_FORMULA_STARTS = frozenset("=@+-\t\r\n\uff1d\uff20\uff0b\uff0d")
_PLAIN_PHONE = re.compile(
    r"\+?[0-9(][0-9 ()./-]*(?:,? ?(?:x|ext\.?|extension|#)[ =]?[0-9]+)?", re.IGNORECASE
)
_EMAIL_WORK, _EMAIL_PERSONAL, _PHONE = 1, 3, 5
_PLACES: dict[str | None, int] = {
    "email-work": _EMAIL_WORK,
    "email-personal": _EMAIL_PERSONAL,
    "phone": _PHONE,
}
_STATUSES = 1_000


def recorder(
    contact_types: Collection[str] = (), *, is_spreadsheet: bool = False
) -> Callable[[Outcome], Record]:
    """What makes the cells of an outcome, in the order of `OUTCOME_COLUMNS`.

    Args:
        contact_types: What was asked for.
        is_spreadsheet: Whether the cells are made harmless.
    """
    only_personal = "email-personal" in contact_types and "email-work" not in contact_types
    other_email = _EMAIL_PERSONAL if only_personal else _EMAIL_WORK
    clean: Callable[[str], str] = harmless if is_spreadsheet else str

    # The API has a handful of them.
    @lru_cache(_STATUSES)
    def status_cell(status: str) -> str:
        return clean(status.replace(";", ","))

    def place(contacts: Iterable[Contact], cells: Record, other: int, taken: int) -> int:
        for contact in contacts:
            at = _PLACES.get(contact.type, other)
            value = contact.value
            if ";" in value:
                value = value.replace(";", ",")
            if is_spreadsheet and value and value[0] in _FORMULA_STARTS:
                value = harmless(value)
            status = status_cell(contact.status) if contact.status else ""
            if taken & 1 << at:
                value, status = f"{cells[at]};{value}", f"{cells[at + 1]};{status}"
            taken |= 1 << at
            cells[at], cells[at + 1] = value, status
        return taken

    def record(outcome: Outcome) -> Record:
        error = clean(outcome.error) if outcome.error else ""
        cells: Record = [outcome.status, "", "", "", "", "", "", error]
        taken = place(outcome.emails, cells, other_email, 0)
        place(outcome.phones, cells, _PHONE, taken)
        return cells

    return record


def own_columns(columns: Sequence[str]) -> list[str]:
    """The input's columns as the output names them.

    One that is called like an outcome column gets `input_` in front of its name.
    """
    taken = {*columns, *OUTCOME_COLUMNS}
    named: list[str] = []
    for column in columns:
        name = column
        if column in OUTCOME_COLUMNS:
            while name in taken:
                name = f"input_{name}"
            taken.add(name)
        named.append(name)
    return named


def harmless(cell: str) -> str:
    """A cell as a spreadsheet may open it: it is not taken for a formula.

    Each of its values is looked at, because where `;` separates columns, each becomes a cell.
    A plain phone number stays as it is, a leading `+` included.
    """
    if ";" in cell:
        return ";".join(map(harmless, cell.split(";")))
    if cell and cell[0] in _FORMULA_STARTS and not _PLAIN_PHONE.fullmatch(cell):
        return f"'{cell}"
    return cell
