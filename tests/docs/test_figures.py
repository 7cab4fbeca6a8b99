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
BULLETS = " ".join(README.partition("## Measured")[2].partition("## ")[0].split())
SUMMARY = rows(PERFORMANCE, "Summary")
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


def goals(benchmark: str, pattern: str) -> list[str]:
    """What was measured for the goals of a benchmark whose text matches."""
    return [
        row["measured"]
        for row in SUMMARY
        if row["benchmark"].startswith(f"[{benchmark}]") and re.search(pattern, row["what"])
    ]


def line(heading: str, **cells_: str) -> dict[str, str]:
    """The one line of a table with these cells."""
    (found,) = (row for row in rows(PERFORMANCE, heading) if cells_.items() <= row.items())
    return found


def number(cell: str) -> float:
    """The first number in a cell: the median, where quartiles follow."""
    return float(cell.split(maxsplit=1)[0].replace(",", ""))


def measured_figures() -> dict[str, list[float]]:
    """For the words of the README, with a place for each figure: what was measured."""
    command, script = "pubrio-async redeem", "÷ aiohttp script"
    million = line("From a CSV to a CSV", rows="1,000,000", what=command)
    costs = {
        size: number(line("From a CSV to a CSV", rows=size, what=command)[script])
        for size in ("10,000", "100,000")
    }
    same = "The same job under the same limit"
    ours, theirs = line(same, client="pubrio-async"), line(same, client="httpx + gather")
    calls = [number(cell) for cell in goals("http", "÷ tuned aiohttp")]
    journal = [100 * (number(cell) - 1) for cell in goals("endtoend", "with the journal ÷")]
    bare = [100 * (number(cell) - 1) for cell in goals("journal", "in a file ÷ in memory")]
    return {
        "without a limit: # rows a second, # MB at most": [
            number(million["rows/s"]),
            max(
                number(row["peak MB"])
                for row in rows(PERFORMANCE, "From a CSV to a CSV")
                if row["what"] == command
            ),
        ],
        "time: # s and no request refused. httpx and `gather` take # s, and are refused #": [
            number(ours["seconds"]),
            number(theirs["seconds"]),
            number(theirs["refused (429)"]),
        ],
        "A call costs # to # times the CPU": [min(calls), max(calls)],
        "A row of a long file costs # times the CPU": [costs["100,000"]],
        "the start of the command weighs more, # times": [costs["10,000"]],
        "The journal costs the command # to # % of CPU": [min(journal), max(journal)],
        "reads and writes no tables, # to # %": [min(bare), max(bare)],
        "workers on one key take # times": [
            max(map(number, goals("distributed", "time ÷ bound, . workers")))
        ],
        "`import pubrio_async` takes # times": [number(goals("imports", "import ÷")[0])],
    }


@pytest.mark.parametrize("words", measured_figures())
def test_the_readme_rounds_what_was_measured(words: str) -> None:
    pattern = r"([\d,]*\.?\d+)".join(map(re.escape, words.split("#")))
    told = re.search(pattern, BULLETS)
    assert told is not None, f"the README does not say: {words}"
    for figure, measured in zip(told.groups(), measured_figures()[words], strict=True):
        digits = figure.replace(",", "")
        ends = len(digits) - len(digits.rstrip("0")) if "." not in digits else 0
        unit = 10.0 ** (-len(digits.partition(".")[2]) if "." in digits else ends)
        assert abs(float(digits) - measured) <= unit / 2 + 1e-9, f"{words}: correct the README"
