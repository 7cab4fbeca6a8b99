"""The figures of the README are those of docs/performance.md, which the benchmarks write."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PERFORMANCE = (ROOT / "docs" / "performance.md").read_text("utf-8")
WORLDS = {"lognormal": "lognormal", "one in twenty ten times as long": "stragglers"}


def cells(line: str) -> list[str]:
    return [cell.strip(" `") for cell in line.strip("|").split("|")]


def rows(text: str, heading: str) -> list[dict[str, str]]:
    """The lines of the first table below a heading, by the names of its columns."""
    table = re.search(rf"(?ms)^#+ {heading}$.*?^(\|.+?)\n\n", text)
    assert table is not None, heading
    names, _, *lines = [cells(line) for line in table[1].splitlines()]
    return [dict(zip(names, line, strict=True)) for line in lines]


TOLD = rows(README, "Measured")
MEASURED = {
    (row["batches"], row["world"], row["way"]): row
    for row in rows(PERFORMANCE, "How well a fixed window is used, in virtual time")
    if row["limits"] == "300/minute"
}


@pytest.mark.parametrize("told", TOLD, ids=lambda row: " ".join(list(row.values())[:3]))
def test_the_readme_tells_what_was_measured(told: dict[str, str]) -> None:
    measured = MEASURED[told["batches"], WORLDS[told["jobs"]], told["order"]]
    for here, there in {
        "polls a job": "polls per job",
        "time ÷ bound": "makespan ÷ bound",
        "mean time to a result ÷ bound": "mean time to result ÷ bound",
        "refused": "refusals",
    }.items():
        assert told[here] == measured[there].partition(" (")[0], f"{here}: correct the README"
