"""What the tests of outputs share: outcomes, a table to write, and what is in it."""

from __future__ import annotations

import csv
from pathlib import Path

from pubrio_async.models import Contact, ContactType, Outcome
from pubrio_async.tables import Sink, open_rows, open_sink


def found(row: int, person: str = "") -> Outcome:
    email = Contact(f"row{row}@x.example", ContactType.EMAIL_WORK)
    return Outcome(row, person or f"id-{row}", f"id-{row}", "found", [email])


def rows_of(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def table(tmp_path: Path, rows: int, output: str = "out.csv") -> tuple[Sink, Path]:
    source = tmp_path / "in.csv"
    lines = "".join(f"name-{row},id-{row}\n" for row in range(rows))
    source.write_text(f"name,people_search_id\n{lines}")
    path = tmp_path / output
    return open_sink(path, open_rows(source)), path


def outcome(row: int) -> Outcome:
    phone = Contact(f"=+1 555 {row:04}", ContactType.PHONE)
    return Outcome(row, f"id-{row}", None, "found", phones=[phone])
