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

# Spreadsheets take a cell that starts with one of these for a formula; the wide and small forms
# too, and some look past quotes, blanks and what cannot be seen.
_TRIGGERS = r"[=@+\-\uff1d\uff20\uff0b\uff0d\ufe62\ufe63\ufe66\ufe6b]"
_UNSEEN = r"""\s"\0-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff"""
_FORMULA_START = re.compile(rf"[{_UNSEEN}]*+{_TRIGGERS}")
# Where another separator than the file's is expected, what follows any of these is a cell.
_SEPARATORS = re.compile(r"([;,|\t\r\n])")
# Looked for from the first character of what is unseen, so that a long stretch of it costs no more.
_PERHAPS = re.compile(rf"(?<![{_UNSEEN};,|])[{_UNSEEN};,|]*+{_TRIGGERS}")
_BLANK_START = re.compile(r"(?:^|;)[\t\r\n]")
# Nearly no cell has one of these, but for phones.
_AT_ALL = re.compile(rf"(?:^|[{_UNSEEN};,|]){_TRIGGERS}|(?:^|;)[\t\r\n]")
_BLANK_STARTS = frozenset("\t\r\n")
# Nearly all cells: one word that begins with a letter or a digit, or a number.
_SURELY_HARMLESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._%@+-]*|\+[0-9]+").fullmatch
_PHONE_NUMBER = r"\+?[0-9(][0-9 ()./-]*(?:,? ?(?:x|ext\.?|extension|#)[ =]?[0-9]+)?"
_PLAIN_PHONES = re.compile(rf"(?:{_PHONE_NUMBER})?(?:[;,] ?(?:{_PHONE_NUMBER})?)*", re.IGNORECASE)
_EMAIL_WORK, _EMAIL_PERSONAL, _PHONE = 1, 3, 5
_PLACES: dict[str | None, int] = {
    "email-work": _EMAIL_WORK,
    "email-personal": _EMAIL_PERSONAL,
    "phone": _PHONE,
}


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

    def place(contacts: Iterable[Contact], cells: Record, other: int, taken: int) -> int:
        for contact in contacts:
            at = _PLACES.get(contact.type, other)
            value = contact.value
            if ";" in value:
                value = value.replace(";", ",")
            status = contact.status or ""
            if ";" in status:
                status = status.replace(";", ",")
            if taken & 1 << at:
                value, status = f"{cells[at]};{value}", f"{cells[at + 1]};{status}"
            taken |= 1 << at
            cells[at], cells[at + 1] = value, status
        return taken

    def record(outcome: Outcome) -> Record:
        cells: Record = [outcome.status, "", "", "", "", "", "", outcome.error or ""]
        taken = place(outcome.emails, cells, other_email, 0)
        place(outcome.phones, cells, _PHONE, taken)
        if is_spreadsheet:
            for at, cell in enumerate(cells):
                if cell and not _SURELY_HARMLESS(cell):
                    cells[at] = harmless(cell)
        return cells

    return record


def own_columns(columns: Sequence[str], ours: Collection[str] = OUTCOME_COLUMNS) -> list[str]:
    """The input's columns as the output names them.

    One that is called like one of ours gets `input_` in front of its name.
    """
    taken = {*columns, *ours}
    named: list[str] = []
    for column in columns:
        name = column
        if column in ours:
            while name in taken:
                name = f"input_{name}"
            taken.add(name)
        named.append(name)
    return named


def distinct(names: Sequence[str]) -> list[str]:
    """The names of columns where each may be there only once: the others get a number."""
    taken = set(names)
    seen: set[str] = set()
    different: list[str] = []
    for name in names:
        chosen, number = name, 2
        while chosen in seen or (chosen != name and chosen in taken):
            chosen, number = f"{name}_{number}", number + 1
        seen.add(chosen)
        different.append(chosen)
    return different


def harmless(cell: str) -> str:
    """A cell as a spreadsheet may open it: nothing in it is taken for a formula.

    What would be one gets an apostrophe in front of it. Each part of the cell is looked at:
    where another separator is expected than the file has, each becomes a cell. Plain phone
    numbers stay as they are, a leading `+` included, if there is nothing else in the cell.
    """
    if not _AT_ALL.search(cell) or _PLAIN_PHONES.fullmatch(cell) or not _is_risky(cell):
        return cell
    safe: list[str] = []
    before = ";"  # the last that is not empty
    for part in filter(None, _SEPARATORS.split(cell)):
        is_risky = _FORMULA_START.match(part) or (part in _BLANK_STARTS and before == ";")
        safe.append(f"'{part}" if is_risky else part)
        before = part
    return "".join(safe)


def _is_risky(cell: str) -> bool:
    if _BLANK_START.search(cell):
        return True
    return any(
        found.start() == 0 or _SEPARATORS.search(found[0]) for found in _PERHAPS.finditer(cell)
    )
