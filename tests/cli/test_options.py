from __future__ import annotations

import shlex
import sys

import pytest

from pubrio_async import ConfigurationError
from pubrio_async.cli._options import Order, ProgressStyle, RedeemOptions


def test_the_command_gives_the_options_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/pubrio-async"])
    options = RedeemOptions(
        input="my people.csv",
        output="out.csv",
        types="phone,email-work",
        column="who?",
        batch_size=7,
        rate="300/minute; 2400/hour",
        max_concurrency=4,
        journal="it's.db",
        max_credits=10,
        deadline=2.5,
        report="r.json",
        order=Order.MAKESPAN,
        progress=ProgressStyle.LOG,
        sandbox=True,
    )

    assert shlex.split(options.command()) == [
        "pubrio-async", "redeem", "my people.csv", "-o", "out.csv", "--types", "phone,email-work",
        "--column", "who?", "--batch-size", "7", "--rate", "300/minute; 2400/hour",
        "--max-concurrency", "4", "--journal", "it's.db", "--max-credits", "10",
        "--deadline", "2.5", "--report", "r.json", "--order", "makespan", "--progress", "log",
        "--sandbox",
    ]  # fmt: skip


def test_defaults_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/pubrio_async/__main__.py"])

    command = RedeemOptions(input="-", types="phone", no_journal=True).command()

    assert command == "python -m pubrio_async redeem - --types phone --no-journal"


@pytest.mark.parametrize(
    ("options", "journal"),
    [
        ({}, None),
        ({"output": "out.csv"}, "out.csv.journal"),
        ({"output": "out.csv", "journal": "j"}, "j"),
        ({"journal": "j"}, "j"),
        ({"output": "out.csv", "no_journal": True}, None),
    ],
)
def test_where_the_journal_is(options: dict[str, object], journal: str | None) -> None:
    assert RedeemOptions(input="-", types="phone", **options).journal_path == journal  # type: ignore[arg-type]


def test_types_are_each_once_and_in_their_order() -> None:
    options = RedeemOptions(input="-", types="phone, email-work,phone")

    assert options.contact_types() == ["phone", "email-work"]


def test_a_file_called_like_stdin_is_not_the_output() -> None:
    RedeemOptions(input="-", types="phone", output="x.csv", report="-").check()
    with pytest.raises(ConfigurationError, match="report and the output"):
        RedeemOptions(input="-", types="phone", output="x.csv", report="x.csv").check()
