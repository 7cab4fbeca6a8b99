"""What docs/guarantees.md names as trying to break a promise is there, under that name."""

from __future__ import annotations

import re

import pytest

from tests.docs.programs import ROOT

PAGE = (ROOT / "docs" / "guarantees.md").read_text("utf-8")
PATHS = sorted({*re.findall(r"`(tests/[^`]+)`", PAGE)})
NAMES = sorted({*re.findall(r"`(test_\w+)`", PAGE)})


def test_every_promise_names_what_tries_to_break_it() -> None:
    promises = re.findall(r"(?ms)^## (\d+\. .*?)$(.*?)(?=^## |\Z)", PAGE)
    assert len(promises) == 9
    for title, text in promises:
        (told,) = re.findall(r"(?s)\*Tried by:\*(.+)", text)
        assert re.search(r"`test\w*", told), title


@pytest.mark.parametrize("path", PATHS)
def test_a_path_leads_to_tests(path: str) -> None:
    assert [*ROOT.glob(path)], "correct the page"


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_that_of_one_test(name: str) -> None:
    test = re.compile(rf"(?m)^(async )?def {name}\(")
    holders = [
        path for path in (ROOT / "tests").rglob("test_*.py") if test.search(path.read_text("utf-8"))
    ]
    assert len(holders) == 1, "correct the page"
