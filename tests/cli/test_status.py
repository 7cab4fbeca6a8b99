from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pubrio_async.cli import _status
from pubrio_async.scheduler.journal_status import JournalStatus
from tests.cli.conftest import LOG_REFUSED, LOST, Api, Cli, Result, ids, write_csv

# What is started in a process of its own is not about its start.
pytestmark = pytest.mark.usefixtures("warm_starts")


def redeem(cli: Cli, folder: Path, *more: str) -> Result:
    source = write_csv(folder / "in.csv", ids(30))
    return cli(
        "redeem", source, "-o", folder / "out.csv", "--types", "email-work,phone",
        "--batch-size", 10, "--progress", "none", *more,
    )  # fmt: skip


def figures(text: str) -> dict[str, str]:
    """The names and values of lines; of names that come again, the last."""
    found = [re.fullmatch(r"(\S+(?: \S+)*)  +(.*)", line) for line in text.splitlines()]
    assert all(found), text
    return {match[1]: match[2] for match in found if match}


def test_a_journal_of_settled_people(
    cli: Cli, api: Api, tmp_path: Path, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = api()
    assert redeem(cli, tmp_path).code == 0
    monkeypatch.delenv("PUBRIO_API_KEY")
    requests = sandbox.statistics().requests

    result = cli("status", journal)
    assert result.code == 0, result.err
    assert result.err == ""
    told = figures(result.out)
    assert told["journal"] == str(journal)
    assert told["bought at"].startswith("http://127.0.0.1:")
    assert told["contact types"] == "email-work, phone"
    assert told["people"] == "30"
    assert int(told["found"]) + int(told["empty"]) == 30
    assert told["batches"] == "3 settled, 0 withdrawn, 0 unsettled, 0 open"
    charged = sandbox.statistics().credits_charged
    assert told["credits charged"] == f"{charged:,}, as reported"
    assert told["next"] == "nothing: everyone is settled"
    assert sandbox.statistics().requests == requests


def test_as_json(cli: Cli, api: Api, tmp_path: Path, journal: Path) -> None:
    sandbox = api()
    assert redeem(cli, tmp_path).code == 0
    result = cli("status", journal, "--json")

    told: dict[str, Any] = json.loads(result.out)
    assert list(told) == list(JournalStatus.__struct_fields__)
    assert told["credits_charged"] == sandbox.statistics().credits_charged
    assert told["created_at"] <= told["updated_at"]
    assert told["in_use"] is False


@pytest.mark.usefixtures("quick_looks")
def test_what_to_do_about_the_pending_and_the_unsettled(
    cli: Cli, api: Api, tmp_path: Path, journal: Path
) -> None:
    api(faults=(LOST, LOG_REFUSED, "unfinished_forever:/redeem/people/batch$:times=1,after=1"))
    # Long enough for all others, however busy the machine is.
    assert redeem(cli, tmp_path, "--deadline", "3").code == 3

    result = cli("status", journal)
    assert result.code == 0, result.err
    told = figures(result.out)
    assert (told["people"], told["pending"], told["unsettled"]) == ("30", "10", "10")
    assert told["why unsettled"].startswith("10 people: ")
    assert "the server closed the connection" in told["why unsettled"]
    assert re.search(r"^next +run the same redeem command again", result.out, re.MULTILINE)
    assert told["next"].startswith(f"pubrio-async resolve {journal} looks for")
    for person in ids(30):
        assert person not in result.out


def test_on_a_terminal_it_is_a_table(
    cli: Cli, api: Api, tmp_path: Path, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api()
    odd = journal.with_name("[bold]odd[red]\x1b[31m.journal")
    assert redeem(cli, tmp_path, "--journal", str(odd)).code == 0
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    result = cli("status", odd)

    assert result.code == 0, result.err
    assert "[bold]odd[red]?[31m.journal" in result.out
    assert re.search(r"people +(\x1b\S+ *)*30\b", result.out)


@pytest.mark.parametrize("what", ["missing", "folder", "foreign", "damaged"])
def test_what_is_no_journal(cli: Cli, api: Api, tmp_path: Path, journal: Path, what: str) -> None:
    api()
    if what == "folder":
        journal.mkdir()
    elif what == "foreign":
        journal.write_text("people_search_id\n" * 1_000)
    elif what == "damaged":
        assert redeem(cli, tmp_path).code == 0
        with journal.open("r+b") as file:
            file.seek(4_096)
            file.write(os.urandom(8_192))
    before = journal.read_bytes() if journal.is_file() else None
    result = cli("status", journal)

    assert result.code == 2, result.err
    assert result.out == ""
    assert f"cannot use the journal {journal}" in result.err
    assert "Traceback" not in result.err
    assert (journal.read_bytes() if journal.is_file() else None) == before


def test_while_a_run_in_another_process_is_using_it(
    cli: Cli, api: Api, tmp_path: Path, journal: Path
) -> None:
    sandbox = api(time_scale=60.0)
    source = write_csv(tmp_path / "in.csv", ids(30))
    words = ["redeem", source, "-o", str(tmp_path / "out.csv"), "--types", "phone"]
    with subprocess.Popen(
        [sys.executable, "-m", "pubrio_async", *words, "--batch-size", "10"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            deadline = time.monotonic() + 20
            while sandbox.statistics().jobs_submitted < 3:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            result = cli("status", journal)
            told = json.loads(cli("status", journal, "--json").out)
        finally:
            process.kill()

    assert result.code == 0, result.err
    if told["in_use"] is not None:  # where the system tells
        assert told["in_use"] is True
        assert f"{journal} (a run is using it now)" in result.out
        assert figures(result.out)["next"].startswith("wait until the run")
    assert told["people"] == 30
    assert told["found"] == 0


def test_a_reader_that_went_away_is_told(cli: Cli, api: Api, tmp_path: Path, journal: Path) -> None:
    api()
    assert redeem(cli, tmp_path).code == 0
    process = subprocess.run(
        f"{sys.executable} -m pubrio_async status {journal} >/dev/full",
        shell=True,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert process.returncode == 1
    assert b"could not be written: No space left" in process.stderr
    assert b"Traceback" not in process.stderr


def test_a_signal(cli: Cli, journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(path: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_status, "read_status", interrupted)
    result = cli("status", journal)

    assert result.code == 130
    assert result.err == "pubrio-async: interrupted; the journal is as it was\n"
