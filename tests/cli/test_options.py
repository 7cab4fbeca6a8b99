from __future__ import annotations

import shlex
import sys

import pytest

from pubrio_async import ConfigurationError
from pubrio_async.cli._options import (
    Order,
    ProgressStyle,
    RedeemOptions,
    ResolveOptions,
    parse_age,
    resolve_command,
)
from tests.together import together


def test_the_command_gives_the_options_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/pubrio-async"])
    options = RedeemOptions(
        input="my people.csv",
        output="out.csv",
        types="phone,email-work",
        column="who?",
        delimiter="\t",
        batch_size=7,
        rate="300/minute; 2400/hour",
        max_concurrency=4,
        journal="it's.db",
        max_age="1.5h",
        max_credits=10,
        deadline=2.5,
        report="r.json",
        order=Order.MAKESPAN,
        progress=ProgressStyle.LOG,
        harmless_input=True,
        sandbox=True,
    )

    assert shlex.split(options.command()) == [
        "pubrio-async", "redeem", "my people.csv", "-o", "out.csv", "--types", "phone,email-work",
        "--column", "who?", "--delimiter", "\t",
        "--batch-size", "7", "--rate", "300/minute; 2400/hour", "--max-concurrency", "4",
        "--journal", "it's.db", "--max-age", "1.5h",
        "--max-credits", "10", "--deadline", "2.5", "--report", "r.json",
        "--order", "makespan", "--progress", "log", "--harmless-input", "--sandbox",
    ]  # fmt: skip


def test_the_command_names_what_the_environment_or_a_file_has_a_say_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/pubrio-async"])
    options = RedeemOptions(
        input="in.csv",
        types="phone",
        ask_above=7,
        yes=True,
        verbose=True,
        elsewhere=frozenset({"types", "batch_size", "order"}),
    )

    assert shlex.split(options.command()) == [
        "pubrio-async", "redeem", "in.csv", "--types", "phone", "--batch-size", "100",
        "--ask-above", "7", "--yes", "--order", "results", "--verbose",
    ]  # fmt: skip


def test_a_deadline_is_repeated_to_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/pubrio-async"])

    command = RedeemOptions(input="in.csv", types="phone", deadline=1_234_567.5).command()

    assert command.endswith("--deadline 1234567.5")


def test_defaults_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/pubrio_async/__main__.py"])

    command = RedeemOptions(input="-", types="phone", no_journal=True).command()

    assert command == "python -m pubrio_async redeem - --types phone --no-journal"


@together
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


@together
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("45", 45), ("45s", 45), ("90m", 5_400), ("12h", 43_200), ("30d", 2_592_000),
        ("2w", 1_209_600), ("0.5h", 1_800), (" 1 D ", 86_400), (None, None),
    ],
)  # fmt: skip
def test_ages(text: str | None, seconds: float | None) -> None:
    assert parse_age(text) == seconds


@together
@pytest.mark.parametrize("text", ["", "0", "0d", "-1", "1y", "d", "1d12h", "1e3", "nan", "inf"])
def test_what_is_not_an_age(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--max-age"):
        parse_age(text)


def test_an_age_without_a_journal_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="none is kept"):
        RedeemOptions(input="-", types="phone", max_age="30d").check()
    RedeemOptions(input="-", types="phone", max_age="30d", journal="j").check()


def test_options_of_resolve_that_say_nothing_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="--yes"):
        ResolveOptions(journal="j", yes=True).check()
    with pytest.raises(ConfigurationError, match="--max-credits"):
        ResolveOptions(journal="j", max_credits=5).check()
    with pytest.raises(ConfigurationError, match="report and the journal"):
        ResolveOptions(journal="j", report="j").check()
    ResolveOptions(journal="j", resend=True, yes=True, max_credits=5, report="r").check()


def test_the_command_that_resolves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/pubrio-async"])

    assert resolve_command("a b.journal") == "pubrio-async resolve 'a b.journal'"
    assert resolve_command("j", resend=True) == "pubrio-async resolve j --resend"
