"""The command that looks for what was lost, and sends it again if it is told to."""

from __future__ import annotations

import asyncio
import io
import json
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from pubrio_async.cli import _resolve
from pubrio_async.cli._demo_journal import demo_journal
from pubrio_async.models import RunReport
from pubrio_async.scheduler import Batch
from tests.cli.conftest import LOG_REFUSED, LOST, Api, Cli, Redeem, ids, statuses
from tests.cli.resolving import NEVER_CAME, requests

pytestmark = pytest.mark.usefixtures("quick_looks", "warm_starts")


def test_what_was_lost_is_found_and_the_output_completed_at_no_cost(
    cli: Cli, api: Api, tmp_path: Path, journal: Path, redeem: Redeem
) -> None:
    sandbox = api(faults=(LOST, LOG_REFUSED))
    assert redeem().code == 3
    assert statuses(tmp_path / "out.csv")["unsettled"] == 10
    report = tmp_path / "report.json"
    result = cli("resolve", journal, "--report", report, "--progress", "none")

    assert result.code == 0, result.err
    assert result.out == ""
    assert "10 people unsettled: perhaps charged" in result.err
    assert "- 10 people: POST /redeem/people/batch was sent" in result.err
    found = re.search(r"10 people looked for in the request log: (\d) found, (\d) ", result.err)
    assert found is not None
    assert "still unsettled" not in result.err
    assert "run its redeem command again" in result.err
    figures: dict[str, Any] = json.loads(report.read_text())
    assert list(figures) == list(RunReport.__struct_fields__)
    assert (figures["rows"], figures["unsettled"]) == (10, 0)
    assert (figures["found"], figures["empty"]) == (int(found[1]), int(found[2]))
    assert not list(tmp_path.glob("*.part"))
    assert not list(tmp_path.glob("*.kept"))

    sent = sandbox.statistics().requests
    assert redeem().code == 0
    assert sandbox.statistics().requests == sent
    assert statuses(tmp_path / "out.csv").keys() <= {"found", "empty"}
    assert requests(sandbox) == 3
    assert sandbox.regrets().double_charges == 0


def test_who_was_refused_is_free_again_and_nothing_is_bought(
    cli: Cli, api: Api, tmp_path: Path, journal: Path, redeem: Redeem
) -> None:
    refused = ids(30)[3]
    sandbox = api(faults=("stall:/redeem/people/batch$:times=1",))
    sandbox.add_rejected(refused)
    assert redeem("--deadline", "1").code == 3
    charged = sandbox.credits_charged
    result = cli("resolve", journal, "--progress", "none")

    assert result.code == 0, result.err
    assert sandbox.credits_charged == charged, "it says that it costs nothing"
    assert "10 people looked for in the request log: 0 found, 0 empty, 10 failed" in result.err
    assert "10 people were refused then, and not charged" in result.err
    assert redeem().code == 0
    assert statuses(tmp_path / "out.csv")["rejected"] == 1
    assert sandbox.regrets().double_charges == 0


def test_no_person_no_contact_and_no_key_is_told(
    cli: Cli, api: Api, journal: Path, redeem: Redeem
) -> None:
    sandbox = api(faults=(LOST, LOG_REFUSED))
    told = redeem().err
    told += cli("resolve", journal).err
    told += cli("status", journal).out

    assert "10 people" in told
    assert "key-of-the-test" not in told
    for person in ids(30):
        assert person not in told
        for contact in sandbox.contacts_for(person, ["email-work"]):
            assert contact.value not in told


def test_who_cannot_be_found_stays_unsettled_until_sent_again(
    cli: Cli, api: Api, tmp_path: Path, journal: Path, redeem: Redeem
) -> None:
    sandbox = api(faults=(NEVER_CAME,))
    assert redeem().code == 3
    result = cli("resolve", journal)

    assert result.code == 3, result.err
    assert "10 people looked for in the request log: 0 found, 0 empty, 10 unsettled" in result.err
    assert "- still unsettled: 10 people: " in result.err
    assert f"are paid for twice: pubrio-async resolve {journal} --resend" in result.err
    assert requests(sandbox, "/profile") == 0
    assert requests(sandbox) == 3

    report = tmp_path / "report.json"
    # Nobody is in front of it: it goes on.
    result = cli("resolve", journal, "--resend", "--report", report)
    assert result.code == 0, result.err
    assert "sending 10 people again costs up to 50 credits, an estimate" in result.err
    assert "10 people sent again: " in result.err
    figures = json.loads(report.read_text())
    assert figures["rows"] == figures["found"] + figures["empty"] == 10
    assert figures["batches"] == 1
    assert redeem().code == 0
    assert statuses(tmp_path / "out.csv").keys() <= {"found", "empty"}
    assert requests(sandbox) == 4
    assert sandbox.regrets().double_charges == 0


def test_the_worst_case_is_by_the_prices_of_the_plan(
    cli: Cli, api: Api, journal: Path, redeem: Redeem
) -> None:
    sandbox = api(faults=(NEVER_CAME,), email_credit=15)
    assert redeem().code == 3
    charged = sandbox.statistics().credits_charged
    result = cli("resolve", journal, "--resend", "--max-credits", 60)

    assert "costs up to 150 credits" in result.err
    assert result.code == 4, result.err
    assert "The budget is used up" in result.err
    assert re.search(r"\d people still unsettled; this goes on: ", result.err)
    assert sandbox.statistics().credits_charged - charged <= 60


def test_nobody_is_unsettled(  # noqa: PLR0917 - fixtures
    cli: Cli, api: Api, tmp_path: Path, journal: Path, redeem: Redeem,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    sandbox = api()
    assert redeem().code == 0
    sent = sandbox.statistics().requests
    monkeypatch.delenv("PUBRIO_API_KEY")
    report = tmp_path / "report.json"
    result = cli("resolve", journal, "--resend", "--report", report)

    assert result.code == 0, result.err
    assert "is unsettled; nothing was sent" in result.err
    assert result.err.count("\n") == 1
    assert json.loads(report.read_text())["rows"] == 0
    assert sandbox.statistics().requests == sent


def test_who_is_pending_only_is_left_to_the_redeem_command(
    cli: Cli, api: Api, journal: Path, redeem: Redeem
) -> None:
    api(faults=("unfinished_forever:/redeem/people/batch$:times=1",))
    assert redeem("--deadline", "2").code == 3
    result = cli("resolve", journal)

    assert result.code == 0, result.err
    assert "nothing was sent" in result.err
    assert "10 people pending: run the redeem command" in result.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--yes"], "--yes confirms --resend"),
        (["--max-credits", "5"], "--max-credits bounds what --resend may cost"),
        (["--deadline", "0"], "--deadline"),
        (["--rate", "lots"], "'lots'"),
    ],
)
def test_options_that_are_wrong(  # noqa: PLR0917 - fixtures
    cli: Cli, api: Api, journal: Path, redeem: Redeem, options: list[str], words: str
) -> None:
    sandbox = api(faults=(NEVER_CAME,))
    assert redeem().code == 3
    sent = sandbox.statistics().requests
    result = cli("resolve", journal, *options)

    assert result.code == 2, result.err
    assert words in result.err
    assert sandbox.statistics().requests == sent


def test_without_a_key(
    cli: Cli, api: Api, journal: Path, redeem: Redeem, monkeypatch: pytest.MonkeyPatch
) -> None:
    api(faults=(NEVER_CAME,))
    assert redeem().code == 3
    monkeypatch.delenv("PUBRIO_API_KEY")
    result = cli("resolve", journal)

    assert result.code == 2, result.err
    assert "PUBRIO_API_KEY" in result.err


def test_a_key_that_is_refused_at_the_question_for_prices(
    cli: Cli, api: Api, tmp_path: Path, journal: Path, redeem: Redeem
) -> None:
    sandbox = api(faults=(NEVER_CAME, "401:/profile"))
    assert redeem().code == 3
    report = tmp_path / "report.json"
    result = cli("resolve", journal, "--resend", "--report", report)

    assert result.code == 5, result.err
    assert "The API refused the key" in result.err
    assert "10 people still unsettled" in result.err
    assert json.loads(report.read_text())["unsettled"] == 10
    assert requests(sandbox) == 3


def test_a_journal_that_is_none(cli: Cli, api: Api, journal: Path) -> None:
    api()
    result = cli("resolve", journal)

    assert result.code == 2, result.err
    assert "cannot use the journal" in result.err


def test_a_journal_of_another_api(cli: Cli, api: Api, journal: Path, redeem: Redeem) -> None:
    api(faults=(NEVER_CAME,))
    assert redeem().code == 3
    sandbox = api()
    result = cli("resolve", journal)

    assert result.code == 2, result.err
    assert "was bought at http://127.0.0.1" in result.err
    assert sandbox.statistics().requests == 0


def test_a_journal_of_a_demonstration(cli: Cli, journal: Path) -> None:
    async def write() -> None:
        demo = demo_journal(str(journal))
        assert demo is not None
        await demo.open(["phone"])
        await demo.intend(Batch("b", "single", (ids(1)[0],)))
        await demo.close()

    asyncio.run(write())
    result = cli("resolve", journal)

    assert result.code == 2, result.err
    assert "the journal of a demonstration" in result.err
    shown = cli("status", journal)
    assert "unsettled        1" in shown.out
    assert "nothing can be looked up" in shown.out
    assert "everyone is settled" not in shown.out


@pytest.mark.parametrize(
    ("answer", "goes_on"), [("y", True), ("Yes", True), ("", False), ("n", False), ("yo", False)]
)
def test_on_a_terminal_it_asks(  # noqa: PLR0917 - fixtures
    cli: Cli, api: Api, journal: Path, redeem: Redeem, monkeypatch: pytest.MonkeyPatch,
    answer: str, goes_on: bool,
) -> None:  # fmt: skip
    sandbox = api(faults=(NEVER_CAME,))
    assert redeem().code == 3
    monkeypatch.setattr(_resolve, "_on_terminal", lambda: True)
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{answer}\n"))
    result = cli("resolve", journal, "--resend")

    assert result.code == (0 if goes_on else 3), result.err
    assert "go on? [y/N]" in result.err
    assert ("nobody was sent again" in result.err) is not goes_on
    assert requests(sandbox) == (4 if goes_on else 3)


def test_with_yes_it_does_not_ask(
    cli: Cli, api: Api, journal: Path, redeem: Redeem, monkeypatch: pytest.MonkeyPatch
) -> None:
    api(faults=(NEVER_CAME,))
    assert redeem().code == 3
    monkeypatch.setattr(_resolve, "_on_terminal", lambda: True)
    monkeypatch.setattr(sys, "stdin", None)
    result = cli("resolve", journal, "--resend", "--yes")

    assert result.code == 0, result.err
    assert "go on?" not in result.err


def test_a_signal_is_an_answer(
    cli: Cli, api: Api, journal: Path, redeem: Redeem, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = api(faults=(NEVER_CAME,))
    assert redeem().code == 3

    class Asked(io.StringIO):
        def readline(self, size: int | None = -1) -> str:
            signal.raise_signal(signal.SIGINT)
            return "y\n"

    monkeypatch.setattr(_resolve, "_on_terminal", lambda: True)
    monkeypatch.setattr(sys, "stdin", Asked())
    result = cli("resolve", journal, "--resend")

    assert result.code == 130, result.err
    assert "nobody was sent again" in result.err
    assert requests(sandbox) == 3


def test_the_same_reason_is_told_once(cli: Cli, api: Api, journal: Path, redeem: Redeem) -> None:
    api(faults=(NEVER_CAME,))
    assert redeem().code == 3
    told = cli("resolve", journal).err

    assert told.count("was sent to 127.0.0.1") == 1
    assert "- still unsettled: 10 people: as told above" in told
