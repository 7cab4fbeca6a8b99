"""Writes people.csv: 300 made-up rows for `pubrio-async redeem --sandbox`.

Nobody in it exists. As in real lists, some people are in it twice, a few are known only by a
LinkedIn URL, and a few cells are no person at all. Every run writes the same file.
"""

from __future__ import annotations

import csv
import random
import uuid
from pathlib import Path

ROWS = 300
URLS = 15
REPEATED = 24
MALFORMED = (
    "",
    "n/a",
    "12345",
    "not-a-uuid",
    "e37ccf38-ea8f-422e-9874",
    "zzzzzzzz-ea8f-422e-9874-cb23b15e8fe4",
    "https://www.linkedin.com/company/example",
    "https://example.org/in/someone",
)

FIRST = ("Ada", "Ben", "Chi", "Dora", "Eli", "Faye", "Gus", "Hana", "Ivo", "June", "Kai", "Lena")
LAST = ("Abel", "Brook", "Cole", "Dunn", "Ellis", "Frost", "Grant", "Hale", "Irwin", "Joyce")
COMPANY = ("Acme Sample Ltd", "Example, Inc.", "Placeholder GmbH", "Test & Sons", "Umbrella Demo")


def main() -> None:
    """Writes the file beside this script."""
    rng = random.Random(2026)
    people = [
        f"https://www.linkedin.com/in/made-up-person-{number:03}"
        if number < URLS
        else str(uuid.UUID(int=rng.getrandbits(128), version=4))
        for number in range(ROWS - REPEATED - len(MALFORMED))
    ]
    rows = [
        (f"{rng.choice(FIRST)} {rng.choice(LAST)}", rng.choice(COMPANY), person)
        for person in people
    ]
    for number, (name, company, person) in enumerate(rng.sample(rows, REPEATED)):
        # Exports differ in letter case; it is the same person all the same.
        rows.append((name, company, person.upper() if number % 2 else person))
    rows += [(f"{rng.choice(FIRST)} Nobody", rng.choice(COMPANY), cell) for cell in MALFORMED]
    rng.shuffle(rows)
    path = Path(__file__).with_name("people.csv")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("name", "company", "people_search_id"))
        writer.writerows(rows)


if __name__ == "__main__":
    main()
