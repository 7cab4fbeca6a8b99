from __future__ import annotations

import csv
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from pubrio_async.cli import _demo
from pubrio_async.models import RunReport
from tests.cli.conftest import LOG_REFUSED, Api, Cli, ids, write_csv

REPORT_KEYS = [
    *("rows", "unique", "found", "empty", "rejected", "failed", "pending", "unsettled", "skipped"),
    *("batches", "requests", "polls", "retries", "rate_limited", "credits_charged"),
    *("credit_balance", "elapsed_s", "polls_per_batch"),
]


# Jobs take four seconds at least, and nobody asks for them earlier: not before the deadlines.
_SLOW = 3.0


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_table_comes_out_complete_in_order_and_with_what_was_bought(
    tmp_path: Path, cli: Cli, api: Api
) -> None:
    sandbox = api(unresolvable_share=0.0)
    people = ids(30)
    people += [people[3].upper(), "no id", "https://www.linkedin.com/in/made-up"]
    source = write_csv(tmp_path / "in.csv", people)
    out = tmp_path / "out.csv"

    result = cli("redeem", source, "-o", out, "--types", "email-work,phone", "--batch-size", 10)

    assert result.code == 0, result.err
    assert result.out == ""
    rows = rows_of(out)
    assert [row["name"] for row in rows] == [f"name-{row}" for row in range(33)]
    for person, row in zip(people[:30], rows, strict=False):
        contacts = sandbox.contacts_for(person, ["email-work", "phone"])
        emails = [contact.value for contact in contacts if contact.type == "email-work"]
        phones = [contact.value for contact in contacts if contact.type == "phone"]
        assert row["email_work"] == ";".join(emails)
        assert row["phone"] == ";".join(phones)
        assert row["status"] == ("found" if contacts else "empty")
    assert rows[30]["email_work"] == rows[3]["email_work"]
    assert rows[31]["status"] == "rejected"
    assert sandbox.regrets().total == 0
    assert sandbox.statistics().people == 31
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert (tmp_path / "out.csv.journal").exists()


def test_how_cells_are_read_and_written_can_be_said(tmp_path: Path, cli: Cli, api: Api) -> None:
    api()
    (person,) = ids(1)
    source = tmp_path / "in.csv"
    source.write_text(f"note^people_search_id\n=cmd()^{person}\n")
    words = ("redeem", source, "--types", "phone", "--delimiter", "^")

    for name, flags, note in (("a.csv", (), "=cmd()"), ("b.csv", ("--harmless-input",), "'=cmd()")):
        result = cli(*words, "-o", tmp_path / name, *flags)
        assert result.code == 0, result.err
        with (tmp_path / name).open(newline="") as file:
            head, row = csv.reader(file, delimiter="^")
        assert head[:3] == ["note", "people_search_id", "status"]
        assert row[0] == note

    refused = cli("estimate", source, "--types", "phone", "--offline", "--delimiter", "ab")
    assert refused.code == 2
    assert "one character" in refused.err


def test_the_end_is_told_on_stderr(tmp_path: Path, cli: Cli, api: Api) -> None:
    sandbox = api()
    source = write_csv(tmp_path / "in.csv", [*ids(20), "", "?"])
    out, report = tmp_path / "out.csv", tmp_path / "report.json"

    result = cli(
        "redeem", source, "-o", out, "--types", "email-work", "--report", report, "--progress=none"
    )

    charged = sandbox.statistics().credits_charged
    assert "22 rows (20 distinct people)" in result.err
    assert "2 rejected" in result.err
    assert f"{charged:,} credits charged" in result.err
    assert f"{1_000_000 - charged:,} plan credits left" in result.err
    assert f"output: {out}" in result.err
    assert f"journal: {out}.journal" in result.err
    assert f"report: {report}" in result.err
    assert "again" not in result.err


@pytest.mark.usefixtures("quick_looks")
def test_no_person_no_contact_and_no_key_is_told(tmp_path: Path, cli: Cli, api: Api) -> None:
    sandbox = api(faults=("5xx_after:/redeem/people/batch$:times=1", LOG_REFUSED))
    people = ids(40)
    source = write_csv(tmp_path / "in.csv", people)

    result = cli(
        "redeem", source, "-o", tmp_path / "out.csv", "--types", "email-work,phone",
        "--batch-size", 10, "--progress", "log",
    )  # fmt: skip

    assert result.code == 3, result.err
    assert "key-of-the-test" not in result.err
    for person in people:
        assert person not in result.err
        for contact in sandbox.contacts_for(person, ["email-work", "phone"]):
            assert contact.value not in result.err


def test_the_report_has_exactly_the_keys_of_the_contract(
    tmp_path: Path, cli: Cli, api: Api
) -> None:
    api()
    source = write_csv(tmp_path / "in.csv", ids(20))
    path = tmp_path / "report.json"

    result = cli("redeem", source, "--types", "phone", "--report", path, "--batch-size", 10)

    assert result.code == 0, result.err
    decoded = json.loads(path.read_text())
    assert list(decoded) == REPORT_KEYS
    report = msgspec.convert(decoded, RunReport)
    assert report.rows == report.found + report.empty == 20
    assert report.batches == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_without_an_output_outcomes_go_to_stdout(tmp_path: Path, cli: Cli, api: Api) -> None:
    api()
    people = ids(5)
    source = tmp_path / "in.txt"
    source.write_text("\n".join(people))

    result = cli("redeem", source, "--types", "email-work", "--progress", "none")

    outcomes = [json.loads(line) for line in result.out.splitlines()]
    assert sorted(outcome["row"] for outcome in outcomes) == list(range(5))
    assert [people[outcome["row"]] for outcome in outcomes] == [
        outcome["person"] for outcome in outcomes
    ]
    assert not list(tmp_path.glob("*.journal"))


def test_stdin_goes_into_a_table(
    tmp_path: Path, cli: Cli, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api()
    people = [*ids(3), "bad"]
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin:
        with os.fdopen(writing, "w") as writer:
            writer.write("\n".join(people))
        monkeypatch.setattr(sys, "stdin", stdin)
        result = cli("redeem", "-", "-o", tmp_path / "out.csv", "--types", "email-work")

    assert result.code == 0, result.err
    rows = rows_of(tmp_path / "out.csv")
    assert [row["people_search_id"] for row in rows] == people
    assert rows[3]["status"] == "rejected"


def test_running_it_again_pays_nothing_and_completes_the_output(
    tmp_path: Path, cli: Cli, api: Api
) -> None:
    sandbox = api()
    source = write_csv(tmp_path / "in.csv", ids(20))
    out = tmp_path / "out.csv"
    command = ("redeem", source, "-o", out, "--types", "email-work", "--batch-size", 5)
    assert cli(*command).code == 0
    before, requests = out.read_text(), sandbox.statistics().requests
    out.unlink()

    assert cli(*command).code == 0
    assert out.read_text() == before
    assert sandbox.statistics().requests == requests


def test_results_that_are_too_old_are_bought_again(tmp_path: Path, cli: Cli, api: Api) -> None:
    sandbox = api()
    source = write_csv(tmp_path / "in.csv", ids(20))
    command = ("redeem", source, "-o", tmp_path / "out.csv", "--types", "email-work")
    assert cli(*command).code == 0
    assert cli(*command, "--max-age", "1h").code == 0
    assert sandbox.statistics().repeated_people == 0

    assert cli(*command, "--max-age", "0.000001").code == 0
    assert sandbox.statistics().repeated_people == 20


def test_a_journal_where_it_was_asked_for_or_none(tmp_path: Path, cli: Cli, api: Api) -> None:
    api()
    source = write_csv(tmp_path / "in.csv", ids(2))
    out = tmp_path / "out.jsonl"

    assert cli("redeem", source, "-o", out, "--types", "phone", "--no-journal").code == 0
    assert not list(tmp_path.glob("*journal*"))
    journal = tmp_path / "kept.db"
    assert cli("redeem", source, "--types", "phone", "--journal", journal).code == 0
    assert journal.exists()


def test_settings_of_the_run_are_handed_on(tmp_path: Path, cli: Cli, api: Api) -> None:
    sandbox = api()
    source = write_csv(tmp_path / "in.csv", ids(12))

    result = cli(
        "redeem", source, "--types", " phone , email-personal,phone", "--batch-size", "6",
        "--rate", "unlimited", "--max-concurrency", "1", "--max-credits", "10000",
        "--deadline", "60", "--order", "makespan", "--column", "PEOPLE_SEARCH_ID",
    )  # fmt: skip

    assert result.code == 0, result.err
    paths = sandbox.statistics().requests_by_path
    assert paths["/profile"] == 1
    assert paths["/redeem/people/batch"] == 2
    types = {
        contact["type"]
        for line in result.out.splitlines()
        for contact in json.loads(line)["emails"] + json.loads(line)["phones"]
    }
    assert types <= {"phone", "email-personal"}
    assert types


def test_warnings_about_the_input_are_told(tmp_path: Path, cli: Cli, api: Api) -> None:
    api()
    source = tmp_path / "in.csv"
    source.write_text(f"people_search_id\n{ids(1)[0]},more\n")

    result = cli("redeem", source, "--types", "phone")

    assert result.code == 0, result.err
    assert "warning: " in result.err
    assert ": 1 row has more cells than there are columns (it ends on line 2); " in result.err


def test_the_sandbox_inside_needs_no_key(tmp_path: Path, cli: Cli) -> None:
    source = write_csv(tmp_path / "in.csv", ids(3))

    result = cli("redeem", source, "--types", "email-work", "--sandbox", "--rate", "100/second")

    assert result.code == 0, result.err
    assert "sandbox at http://127.0.0.1:" in result.err
    assert "nothing is charged" in result.err
    assert "made-up credits" in result.err
    assert len(result.out.splitlines()) == 3


def test_only_a_demonstration_loads_a_server() -> None:
    code = "import sys, pubrio_async.cli._redeem; print('aiohttp.web' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"


def test_a_demonstration_can_be_continued(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.csv"
    source = write_csv(tmp_path / "in.csv", ids(30))
    command = [
        "redeem", source, "-o", out, "--types", "email-work", "--sandbox", "--batch-size", "10",
    ]  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setattr(_demo, "_TIME_SCALE", _SLOW)
        result = cli(*command, "--deadline", "1.5")
    assert result.code == 3, result.err
    pending = {row["status"] for row in rows_of(out)}
    assert pending == {"pending"}

    monkeypatch.setattr(_demo, "_TIME_SCALE", 0.0)
    result = cli(*command)
    assert result.code == 0, result.err
    assert {row["status"] for row in rows_of(out)} == {"found", "empty"}
    assert "(0 batches, 3 polls" in result.err


def test_a_demonstration_in_part_continued_starts_new_jobs_too(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_demo, "_TIME_SCALE", 0.0)
    out = tmp_path / "out.csv"
    words = ("-o", out, "--types", "phone", "--sandbox", "--batch-size", "5")
    short, long = tmp_path / "short.csv", tmp_path / "long.csv"
    write_csv(short, ids(5))
    write_csv(long, ids(15))
    with monkeypatch.context() as patch:
        patch.setattr(_demo, "_TIME_SCALE", _SLOW)
        assert cli("redeem", short, *words, "--deadline", "1.5").code == 3

    result = cli("redeem", long, *words)
    assert result.code == 0, result.err
    assert "(2 batches, 3 polls" in result.err


def test_without_uvloop_it_runs_on_asyncio(
    tmp_path: Path, cli: Cli, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api()
    monkeypatch.setitem(sys.modules, "uvloop", None)

    result = cli("redeem", write_csv(tmp_path / "in.csv", ids(3)), "--types", "phone")

    assert result.code == 0, result.err
