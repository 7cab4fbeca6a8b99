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
from collections.abc import Collection, Iterable, Sequence

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

Record = tuple[str, str, str, str, str, str, str, str]

# Spreadsheets take a cell that starts with one of these for a formula; the wide forms too.
_FORMULA_STARTS = tuple("=@+-\t\r\n\uff1d\uff20\uff0b\uff0d")
_PLAIN_PHONE = re.compile(
    r"\+?[0-9(][0-9 ()./-]*(?:,? ?(?:x|ext\.?|extension|#)[ =]?[0-9]+)?", re.IGNORECASE
)
_KINDS = {"email-work": 0, "email-personal": 1, "phone": 2}


def record(outcome: Outcome, contact_types: Collection[str] = ()) -> Record:
    """The cells of an outcome, in the order of `OUTCOME_COLUMNS`.

    Args:
        outcome: The outcome.
        contact_types: What was asked for.
    """
    only_personal = "email-personal" in contact_types and "email-work" not in contact_types
    kinds: tuple[list[Contact], list[Contact], list[Contact]] = ([], [], [])
    _sort(outcome.emails, kinds, 1 if only_personal else 0)
    _sort(outcome.phones, kinds, 2)
    work, personal, phone = kinds
    return (
        outcome.status,
        *_joined(work),
        *_joined(personal),
        *_joined(phone),
        outcome.error or "",
    )


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


def harmless(cells: Iterable[str]) -> list[str]:
    """The cells as a spreadsheet may open them: none is taken for a formula.

    Each value of a cell is looked at, because where `;` separates columns, each becomes a cell.
    A plain phone number stays as it is, a leading `+` included.
    """
    return [_quoted(cell) if cell else cell for cell in cells]


def _quoted(cell: str) -> str:
    if ";" in cell:
        return ";".join(map(_quoted, cell.split(";")))
    if cell.startswith(_FORMULA_STARTS) and not _PLAIN_PHONE.fullmatch(cell):
        return f"'{cell}"
    return cell


def _sort(contacts: Iterable[Contact], kinds: tuple[list[Contact], ...], otherwise: int) -> None:
    for contact in contacts:
        kinds[_KINDS.get(contact.type or "", otherwise)].append(contact)


def _joined(contacts: list[Contact]) -> tuple[str, str]:
    if not contacts:
        return "", ""
    return (
        ";".join([contact.value.replace(";", ",") for contact in contacts]),
        ";".join([(contact.status or "").replace(";", ",") for contact in contacts]),
    )
