"""Whatever a user may see has a section that says what happened, what it cost and what to do."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import get_args

import pytest

import pubrio_async
from pubrio_async import OutcomeStatus, PubrioError, _errors
from pubrio_async.cli._exit import ExitCode

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "troubleshooting.md").read_text("utf-8")
ERRORS = [
    name
    for name in pubrio_async.__all__
    if inspect.isclass(value := getattr(pubrio_async, name)) and issubclass(value, PubrioError)
]
STATUSES = [*get_args(OutcomeStatus)]
CODES = [f"Exit code {code}" for code in ExitCode]


def sections(part: str) -> dict[str, str]:
    """The sections of a part of the page, by their headings."""
    text = re.search(rf"(?ms)^## {part}$(.+?)(?=^## |\Z)", TEXT)
    assert text is not None, part
    return dict(re.findall(r"(?ms)^### ([^\n]+)$(.+?)(?=^### |\Z)", text[1]))


@pytest.mark.parametrize(
    ("part", "names"), [("Statuses", STATUSES), ("Exit codes", CODES), ("Errors", ERRORS)]
)
def test_everything_has_its_section(part: str, names: list[str]) -> None:
    there = sections(part)
    assert sorted(there) == sorted(names)
    for name, text in there.items():
        for question in ("What happened:", "Did it cost money?", "What next:"):
            answer = re.search(rf"(?s)- \*\*{re.escape(question)}\*\*\s+(\S.{{3,}})", text)
            assert answer is not None, f"{name} does not answer: {question}"


def test_the_tree_of_errors_is_that_of_the_package() -> None:
    told = inspect.getdoc(_errors)
    page = (DOCS / "reference" / "errors.md").read_text("utf-8")
    tree = re.search(r"(?s)```text\n(.+?)\n```", page)
    assert told is not None
    assert tree is not None
    assert tree[1] == told[told.index("PubrioError\n") :].rstrip()
    shown = re.findall(r"(?m)^::: pubrio_async\.(\w+)$", page)
    assert shown == re.findall(r"(?m)^[│├└─ ]*(\w+Error)\b", tree[1])
