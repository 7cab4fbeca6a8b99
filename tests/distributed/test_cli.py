"""The commands for many machines, from the first to the last."""

from __future__ import annotations

import asyncio
import csv
import json
import logging
import os
import re
from pathlib import Path

import pytest

from pubrio_async.cli import _database
from pubrio_async.distributed import SharedLimiter, Store
from tests.cli.conftest import (
    LOG_REFUSED,
    LOST,
    Api,
    Cli,
    api,
    cli,
    ids,
    quick_looks,
    write_csv,
)

__all__ = ["api", "cli", "quick_looks"]

# The stand-in has no limit, and the shared one is tried elsewhere.
WORK = ("worker", "--until-done", "--rate", "unlimited", "--stalled-after", "4")


@pytest.fixture
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api: Api) -> str:
    api(unresolvable_share=0.0, limits="unlimited")
    monkeypatch.chdir(tmp_path)
    return write_csv(tmp_path / "people.csv", [*ids(30), "nobody", ids(1)[0]])


def test_from_a_database_with_nothing_in_it_to_a_table(
    cli: Cli, empty_url: str, people: str, tmp_path: Path
) -> None:
    refused = cli("database", "check", empty_url)
    assert (refused.code, "database upgrade" in refused.err) == (2, True)
    made = cli("database", "upgrade", empty_url)
    assert (made.code, "version 2 now" in made.err) == (0, True)
    assert "already" in cli("database", "upgrade", empty_url).err
    assert cli("database", "check", empty_url).code == 0

    put = cli("enqueue", people, "--types", "email-work", "--to", empty_url, "--batch-size", 10)
    assert put.code == 0, put.err
    assert "run 'people.csv': 32 rows, 1 malformed, 0 known already; 30 people" in put.err

    early = cli("export", "people.csv", "-o", "early.csv", "--from", empty_url)
    assert early.code == 3
    assert "30 people" not in early.err
    assert "31 skipped" in early.err

    work = cli(*WORK, "--to", empty_url)
    assert work.code == 0, work.err
    assert re.search(r"1 chunk done, 0 given back, 0 stopped: \d+ found", work.err)

    done = cli("export", "people.csv", "-o", "out.csv", "--from", empty_url)
    assert done.code == 0, done.err
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [f"name-{row}" for row in range(32)]
    lines = cli("export", "people.csv", "--from", empty_url).out.splitlines()
    assert [json.loads(line)["status"] for line in lines] == [row["status"] for row in rows]

    again = cli("enqueue", people, "--types", "email-work", "--to", empty_url)
    assert "30 people, in 1 chunk at " in put.err
    assert "30 people, in 1 chunk (all done before) at " in again.err

    status = cli("status", empty_url)
    assert status.code == 0
    for words in (r"^workers +0$", r"^run +people.csv$", r"^people +30$", r"^chunks +1 done$"):
        assert re.search(words, status.out, re.MULTILINE), status.out
    (run,) = json.loads(cli("status", empty_url, "--json").out)["runs"]
    assert run["found"] + run["empty"] == 30
    assert run["credits_charged"] == 5 * run["found"]


def test_the_database_may_be_named_once(
    cli: Cli, url: str, people: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in (("enqueue", people, "--types", "phone"), ("worker",), ("export", "x")):
        missing = cli(*words)
        assert (missing.code, "PUBRIO_DATABASE" in missing.err) == (2, True)
    monkeypatch.setenv("PUBRIO_DATABASE", url)
    assert cli("enqueue", people, "--types", "phone", "--name", "calls").code == 0
    work = cli(*WORK)
    assert work.code == 0
    assert re.search(r"requests \(1 batch, (1 poll|\d+ polls), 0 refused", work.err)
    waited = cli("enqueue", people, "--types", "phone", "--name", "calls", "--wait")
    assert waited.code == 0, waited.err
    assert re.search(r"^people +30$", waited.out, re.MULTILINE)
    assert cli("export", "calls", "-o", "calls.csv").code == 0
    assert cli("database", "check").code == 0


def test_a_list_is_put_in_whatever_separates_its_cells(
    cli: Cli, url: str, people: str, tmp_path: Path
) -> None:
    other = tmp_path / "other.csv"
    other.write_text((tmp_path / people).read_text().replace(",", "^"))
    words = ("enqueue", other, "--types", "phone", "--to", url)
    refused = cli(*words)
    assert (refused.code, "--delimiter '^'" in refused.err) == (2, True)
    put = cli(*words, "--delimiter", "^")
    assert put.code == 0, put.err
    assert "30 people" in put.err


def test_a_budget_is_asked_for_its_prices_and_stops_the_run(
    cli: Cli, url: str, people: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBRIO_DATABASE", url)
    words = ("enqueue", people, "--types", "email-work", "--batch-size", 10)
    assert cli(*words, "--max-credits", 20).code == 0
    assert cli(*WORK).code == 0
    status = cli("status", url)
    assert re.search(r"credits charged +20 of 20 at most", status.out)
    assert re.search(r"stopped +max_credits leaves no room", status.out)
    assert "the same enqueue with a higher --max-credits goes on with it" in status.out
    assert cli("export", "people.csv", "-o", "out.csv").code == 3
    assert cli(*words, "--max-credits", 2_000).code == 0
    assert cli(*WORK).code == 0
    assert cli("export", "people.csv", "-o", "out.csv").code == 0


def test_a_refused_key_is_told_by_the_exit_code(
    cli: Cli, url: str, people: str, monkeypatch: pytest.MonkeyPatch, api: Api
) -> None:
    api(api_key="another")
    assert cli("enqueue", people, "--types", "phone", "--to", url).code == 0
    work = cli(*WORK, "--to", url)
    assert work.code == 5
    assert "Check PUBRIO_API_KEY" in work.err
    assert "key-of-the-test" not in work.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("enqueue", "-", "--types", "phone"), "--name"),
        (("enqueue", "none.csv", "--types", "phone"), "none.csv"),
        (("enqueue", "people.csv", "--types", "fax"), "'fax' is not a contact type"),
        (("enqueue", "people.csv", "--types", "phone", "--max-age", "soon"), "--max-age"),
        (("worker", "--rate", "account"), "`account` cannot be shared"),
        (("worker", "--rate", "fast"), "fast"),
        (("export", "none"), "There is no run 'none'"),
        (("export", "none", "-o", "out.doc"), "There is no run 'none'"),
        (("database", "drop"), "there are upgrade and check"),
    ],
)
def test_mistakes_are_told(  # noqa: PLR0917 - fixtures come by name
    cli: Cli,
    url: str,
    people: str,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.setenv("PUBRIO_DATABASE", url)
    result = cli(*words)
    assert result.code == 2, result.err
    assert said in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    "words",
    [
        ("worker", "--to"),
        ("enqueue", "people.csv", "--types", "phone", "--to"),
        ("status",),
        ("export", "run", "--from"),
        ("database", "check"),
        ("resolve",),
    ],
)
def test_a_database_that_is_not_there_is_told_without_its_password(
    cli: Cli,
    people: str,
    words: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("pubrio_async.distributed.store._REACHED_S", 0.2)
    logging.getLogger("psycopg.pool").setLevel(logging.NOTSET)  # whatever ran before
    result = cli(*words, "postgresql://me:hush@127.0.0.1:9/pubrio")
    assert result.code == 2
    assert "cannot reach the database pubrio at 127.0.0.1:9" in result.err
    assert "hush" not in result.err + result.out
    assert not [record for record in caplog.records if record.name.startswith("psycopg")]


def test_limits_are_shown_as_they_are_given(cli: Cli, url: str) -> None:
    async def set_limits() -> None:
        rates = "2400/hour; 300/minute; 10 per 2 seconds"
        async with Store(url) as store, SharedLimiter(store, name="acme", rates=rates):
            pass

    asyncio.run(set_limits())
    shown = r"^limits acme +10 per 2 seconds; 300/minute; 2400/hour, 0 permits with workers$"
    assert re.search(shown, cli("status", url).out, re.MULTILINE)
    (limit,) = json.loads(cli("status", url, "--json").out)["limits"]
    assert limit["limits"] == ["10 per 2 seconds", "300/minute", "2400/hour"]


def test_a_missing_extra_is_one_line(
    cli: Cli, url: str, people: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_database, "find_spec", lambda _: None)
    for words in (
        ("worker", "--to", url),
        ("enqueue", people, "--types", "phone", "--to", url),
        ("export", "run", "--from", url),
        ("status", url),
        ("database", "upgrade", url),
    ):
        result = cli(*words)
        assert result.code == 2
        assert 'pip install "pubrio-async[postgres]"' in result.err
        assert len(result.err.splitlines()) == 1


def test_an_output_that_cannot_be_written_is_told(cli: Cli, url: str, people: str) -> None:
    assert cli("enqueue", people, "--types", "phone", "--to", url).code == 0
    os.mkdir("out.csv")
    result = cli("export", "people.csv", "-o", "out.csv", "--from", url)
    assert result.code == 2
    assert "out.csv" in result.err


@pytest.mark.usefixtures("quick_looks")
def test_who_was_lost_is_resolved(  # noqa: PLR0917 - fixtures
    cli: Cli, url: str, people: str, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found in the log, or sent again after saying what that may cost; nobody sees the password."""
    never = "lost_before:/redeem/people/batch$:times=1"
    sandbox = api(faults=(LOST, never, LOG_REFUSED), limits="unlimited", work_share=1.0)
    secret = url.replace("tests@", "tests:sesame@")
    monkeypatch.setenv("PUBRIO_DATABASE", secret)
    assert cli("enqueue", people, "--types", "email-work", "--batch-size", 10).code == 0
    assert cli(*WORK).code == 0
    assert "21 unsettled" in cli("export", "people.csv", "-o", "out.csv").err

    hint = r"^next +pubrio-async resolve URL looks for"
    assert re.search(hint, cli("status", secret).out, re.MULTILINE)
    told = [cli("resolve", secret, "--run", "other")]
    assert (told[0].code, "There is no run 'other'" in told[0].err) == (2, True)
    words = ("resolve", secret, "--progress", "none", "--rate", "unlimited")
    told.append(cli(*words, "--json", "--report", tmp_path / "report.json"))
    assert told[-1].code == 3, told[-1].err
    for said in ("20 people unsettled", "10 found", "10 people still unsettled", "resolve URL --r"):
        assert said in told[-1].err
    looked = json.loads(told[-1].out)
    assert (looked["runs"][0]["unsettled"], looked["report"]["unsettled"]) == (10, 10)
    assert json.loads((tmp_path / "report.json").read_text()) == looked["report"]

    told.append(cli(*words, "--run", "people.csv", "--resend", "--max-credits", 25))
    assert told[-1].code == 4, told[-1].err
    assert "sending 10 people again costs up to 50 credits" in told[-1].err
    told.append(cli(*words, "--resend"))
    assert told[-1].code == 0, told[-1].err
    assert "export has it" in told[-1].err
    told.append(cli(*words))
    assert (told[-1].code, "nobody in test_" in told[-1].err) == (0, True)
    assert not [each for each in told if "sesame" in each.out + each.err]

    assert cli("export", "people.csv", "-o", "out.csv").code == 0
    assert sandbox.regrets().double_charges == 0
    (run,) = json.loads(cli("status", secret, "--json").out)["runs"]
    assert (run["people"], run["unsettled"], run["credits_charged"]) == (30, 0, 5 * run["found"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("none.journal", "--run", "x"), "--run is for a database"),
        (("none.journal", "--limit-name", "x"), "--limit-name is for a database"),
        (("postgresql://a:sesame@127.0.0.1:1/x", "--yes"), "--yes confirms --resend"),
        (("postgresql://a:sesame@127.0.0.1:1/x?sesame", "--progress", "none"), "no address"),
    ],
)
def test_what_resolve_cannot_do(cli: Cli, api: Api, words: tuple[str, ...], said: str) -> None:
    api()
    result = cli("resolve", *words)
    assert (result.code, said in result.err) == (2, True), result.err
    assert "sesame" not in result.out + result.err
