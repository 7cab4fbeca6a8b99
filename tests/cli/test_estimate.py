from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from pubrio_async._quota import Quota
from pubrio_async.cli import _estimate
from pubrio_async.models import Profile, RedeemJob
from pubrio_async.models.profile import Subscription
from pubrio_async.scheduler import Batch
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from tests.cli.conftest import LOG_REFUSED, LOST, Api, Cli, ids, write_csv

URLS = [f"https://www.linkedin.com/in/person-{number}" for number in range(3)]


@pytest.fixture
def source(tmp_path: Path) -> str:
    """35 rows: 31 people, 3 of them by URL, 3 again, and one that is malformed."""
    people = ids(28)
    return write_csv(
        tmp_path / "in.csv", [*people, *URLS, people[0].upper(), people[1], URLS[0], "?"]
    )


def told(cli: Cli, *words: str | Path | int) -> dict[str, Any]:
    result = cli("estimate", *words, "--json")
    assert result.code == 0, result.err
    estimate: dict[str, Any] = json.loads(result.out)
    return estimate


def test_an_estimate_by_the_plan(cli: Cli, api: Api, source: str) -> None:
    sandbox = api(email_credit=15, phone_credit=30, credit=1_000, topup_credit=70)
    estimate = told(cli, source, "--types", "email-work,phone", "--batch-size", 9)

    expected = {
        "input": source, "rows": 35, "people": 31, "ids": 28, "linkedin_urls": 3, "duplicates": 3,
        "malformed": 1, "known": 0, "pending": 0, "unsettled": 0, "to_redeem": 31, "batches": 3,
        "single": 4, "requests": 10, "worst_case_credits": 31 * 45,
        "worst_case_credits_per_person": 45, "email_credit": 15, "phone_credit": 30,
        "prices_from": "plan", "plan_credits": 1_000, "topup_credits": 70,
        "covered_by_plan_credits": False, "rate_limit": "300/minute", "least_time_s": 0.0,
    }  # fmt: skip
    assert {name: estimate[name] for name in expected} == expected
    assert sandbox.statistics().requests_by_path == {"/profile": 1}
    assert sandbox.statistics().credits_charged == 0


def test_it_is_what_the_run_then_needs(cli: Cli, api: Api, source: str, tmp_path: Path) -> None:
    sandbox = api(unresolvable_share=0.0)
    types = ("--types", "email-work,email-personal,phone", "--batch-size", "9")
    estimate = told(cli, source, *types)
    report = tmp_path / "report.json"
    result = cli(
        "redeem", source, *types, "--report", report, "-o", tmp_path / "out.csv",
        "--max-credits", estimate["worst_case_credits"],
    )  # fmt: skip

    assert result.code == 0, result.err
    figures = json.loads(report.read_text())
    assert figures["requests"] == estimate["requests"]
    assert figures["batches"] == estimate["batches"]
    assert 0 < sandbox.statistics().credits_charged <= estimate["worst_case_credits"]
    # With one credit less, somebody is not sent.
    less = estimate["worst_case_credits"] - 1
    result = cli("redeem", source, *types, "-o", tmp_path / "2.csv", "--max-credits", less)
    assert result.code in {0, 4}, result.err


def test_offline_nothing_is_sent_and_no_key_needed(
    cli: Cli, api: Api, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = api()
    monkeypatch.delenv("PUBRIO_API_KEY")
    estimate = told(cli, source, "--types", "email-work,phone", "--offline")

    assert sandbox.statistics().requests == 0
    assert estimate["worst_case_credits"] == 31 * 15
    assert estimate["prices_from"] == "guide"
    for unknown in ("plan_credits", "topup_credits", "covered_by_plan_credits", "plan_quotas"):
        assert estimate[unknown] is None

    text = cli("estimate", source, "--types", "phone", "--offline").out
    assert "310 credits, an estimate" in text
    assert "those of the API's guide; the plan's may differ" in text
    assert "plan credits" not in text


def test_for_people_it_is_told_in_lines(cli: Cli, api: Api, source: str) -> None:
    api(credit=100, topup_credit=5_000, limits="unlimited")
    result = cli(
        "estimate", source, "--types", "email-work,phone", "--batch-size", 2,
        "--rate", "10/minute; 20/hour; 30 per 2 days",
    )  # fmt: skip

    assert result.code == 0, result.err
    assert result.err == ""
    lines = dict(line.split("  ", 1) for line in result.out.splitlines() if line[0] != " ")
    figures = {name: value.strip() for name, value in lines.items()}
    assert figures["distinct people"] == "31 (28 ids, 3 LinkedIn URLs)"
    assert figures["malformed"] == "1 (never sent)"
    assert figures["requests"] == "31 at least (14 batches, 3 alone)"
    assert figures["worst case"].startswith("465 credits, an estimate: 15 for each person")
    assert figures["prices"] == "e-mail 5, phone 10: the plan's own"
    assert figures["plan credits"] == "100 (365 short of the worst case)"
    assert figures["top-up credits"] == "5,000"
    under = "10/minute; 20/hour; 30 per 2 days"
    assert figures["least time"] == f"2 d 0:00:00 under {under}"
    assert "for one licence" in result.out


def test_the_quotas_of_the_plan_are_told(cli: Cli, api: Api, tmp_path: Path) -> None:
    api(limits="300/minute; 60/hour")
    source = write_csv(tmp_path / "in.csv", ids(200))
    estimate = told(cli, source, "--types", "phone", "--batch-size", 1)

    assert estimate["plan_quotas"].startswith("60/hour; ")
    assert estimate["least_time_by_plan_quotas_s"] == 3 * 3_600
    assert estimate["least_time_s"] == 0


def test_the_limits_of_the_account_and_what_is_used_of_them(
    cli: Cli, api: Api, tmp_path: Path
) -> None:
    sandbox = api(limits="300/minute; 10/hour; 1000 per 86400 seconds")
    source = write_csv(tmp_path / "in.csv", ids(8))
    for _ in range(3):
        assert cli("call", "profile.get").code == 0
    command = (source, "--types", "phone", "--batch-size", 1, "--rate", "account")
    estimate = told(cli, *command)

    assert sandbox.statistics().requests_by_path == {"/profile": 4, "/profile/usage": 1}
    assert estimate["rate_limit"] == "300/minute; 10/hour; 1000/day; 8928000 per 31 days"
    assert estimate["used_requests"] == {"10/hour": 4, "1000/day": 4, "8928000 per 31 days": 4}
    assert estimate["least_time_s"] == 3_600
    assert told(cli, *command[:-2], "--rate", "10/hour")["least_time_s"] == 0

    text = cli("estimate", *command).out
    assert "1:00:00 under 300/minute; 10/hour" in text
    assert "already used: 7 of 10/hour; 7 of 1000/day" in text


def test_the_quotas_of_a_named_plan(cli: Cli, source: str) -> None:
    estimate = told(
        cli, source, "--types", "phone", "--offline", "--batch-size", 1, "--rate", "free; 10/hour"
    )
    assert estimate["rate_limit"] == "300/minute; 60/hour; 1440/day; 43200/month; 10/hour"
    assert estimate["least_time_s"] == 3 * 3_600
    assert estimate["used_requests"] == {}


def test_an_account_without_access(cli: Cli, api: Api, source: str) -> None:
    api(api_key="another")
    result = cli("estimate", source, "--types", "phone", "--rate", "account")
    assert result.code == 5, result.err


def test_a_refused_key(cli: Cli, api: Api, source: str) -> None:
    api(api_key="another")
    result = cli("estimate", source, "--types", "phone")

    assert result.code == 5, result.err
    assert result.out == ""
    assert "Nothing was charged" in result.err
    assert "--offline makes an estimate without a key" in result.err


def test_an_api_that_cannot_be_reached(
    cli: Cli, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBRIO_API_KEY", "key")
    monkeypatch.setenv("PUBRIO_BASE_URL", "http://127.0.0.1:9")
    result = cli("estimate", source, "--types", "phone")

    assert result.code == 1, result.err
    assert result.err.count("charged") == 1
    assert "Nothing was carried out or charged; it is safe to send it again.\n" in result.err
    assert "--offline makes an estimate without a key" in result.err


def test_one_of_something_is_not_many(cli: Cli, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "in.csv", ids(2))
    result = cli("estimate", source, "--types", "phone", "--offline")
    assert "2 (2 ids, 0 LinkedIn URLs)" in result.out
    assert "(1 batch, 0 alone)" in result.out

    source = write_csv(tmp_path / "in.csv", ids(1))
    result = cli("estimate", source, "--types", "phone", "--offline")
    assert "1 (1 id, 0 LinkedIn URLs)" in result.out


def test_without_a_key_the_way_without_one_is_named(cli: Cli, source: str) -> None:
    result = cli("estimate", source, "--types", "phone")

    assert result.code == 2, result.err
    assert "PUBRIO_API_KEY" in result.err
    assert "--offline" in result.err


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--types", "fax"], "'fax'"),
        (["--types", "phone", "--rate", "lots"], "'lots'"),
        (["--types", "phone", "--offline", "--sandbox"], "contradict"),
        (["--types", "phone", "--offline", "--rate", "account"], "asks nobody"),
        (["--types", "phone", "--max-age", "30d"], "--max-age"),
        (["--types", "phone", "--journal", "j", "--max-age", "old"], "'old'"),
        (["--types", "phone", "--column", "nix"], "'nix'"),
    ],
)
def test_options_that_are_wrong(
    cli: Cli, api: Api, source: str, options: list[str], word: str
) -> None:
    sandbox = api()
    result = cli("estimate", source, *options)

    assert result.code == 2, result.err
    assert word in result.err
    assert "Traceback" not in result.err
    assert sandbox.statistics().requests == 0


@pytest.mark.parametrize("rate", [(), ("--rate", "account"), ("--rate", "5/second; account")])
def test_the_sandbox_inside_needs_no_key(cli: Cli, source: str, rate: tuple[str, ...]) -> None:
    estimate = told(cli, source, "--types", "phone", "--sandbox", *rate)

    assert estimate["prices_from"] == "plan"
    assert estimate["plan_credits"] == 1_000_000


def test_stdin_is_counted(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin:
        with os.fdopen(writing, "w") as writer:
            writer.write("\n".join([*ids(4), "?"]))
        monkeypatch.setattr(sys, "stdin", stdin)
        estimate = told(cli, "-", "--types", "phone", "--offline")

    assert (estimate["rows"], estimate["people"], estimate["malformed"]) == (5, 4, 1)


def test_warnings_about_the_input_are_told(cli: Cli, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text(f"people_search_id\n{ids(1)[0]},more\n")
    result = cli("estimate", source, "--types", "phone", "--offline")

    assert result.code == 0, result.err
    assert "warning: " in result.err


@pytest.mark.parametrize(
    ("plan", "email", "phone", "prices_from"),
    [
        ({}, 5, 10, "guide"),
        ({"email_redeem_credit": 0}, 0, 10, "plan and guide"),
        ({"email_redeem_credit": 7, "phone_number_redeem_credit": 8}, 7, 8, "plan"),
    ],
)
def test_where_the_plan_names_no_price_the_guide_does(  # noqa: PLR0917 - fixtures
    cli: Cli, source: str, monkeypatch: pytest.MonkeyPatch,
    plan: dict[str, int], email: int, phone: int, prices_from: str,
) -> None:  # fmt: skip
    async def account(*asked: object) -> tuple[Profile, tuple[Quota, ...]]:
        subscription = Subscription(**plan)  # type: ignore[arg-type] # fields of it
        named = Profile(profile_id=1, credit=9, topup_credit=0, name="", subscription=subscription)
        return named, ()

    monkeypatch.setenv("PUBRIO_API_KEY", "key-of-the-test")
    monkeypatch.setattr(_estimate, "_account", account)
    estimate = told(cli, source, "--types", "phone,email-work")

    assert (estimate["email_credit"], estimate["phone_credit"]) == (email, phone)
    assert estimate["prices_from"] == prices_from
    assert estimate["worst_case_credits"] == 31 * (email + phone)
    assert estimate["plan_quotas"] is None


def test_a_signal_while_it_counts(
    cli: Cli, api: Api, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    api()

    async def interrupted(*args: object) -> None:
        signal.raise_signal(signal.SIGTERM)
        await asyncio.Event().wait()

    monkeypatch.setattr(_estimate, "count", interrupted)
    result = cli("estimate", source, "--types", "phone")

    assert result.code == 130, result.err
    assert "nothing was charged" in result.err


# -------------------------------------------------------------------------------- with a journal


async def write_open_jobs(path: Path, people: list[str]) -> None:
    """A journal with a job of two people that is open, and a lone one's unknown request."""
    async with contextlib.AsyncExitStack() as stack:
        journal = SqliteJournal(path)
        await journal.open(["phone"])
        stack.push_async_callback(journal.close)
        await journal.intend(Batch("b-1", "batch", tuple(people[:2])))
        await journal.accepted("b-1", RedeemJob(redeem_query_id="q-1"))
        await journal.intend(Batch("b-2", "single", (people[2],)))


@pytest.mark.usefixtures("quick_looks")
def test_who_is_known_is_not_paid_for_again(
    cli: Cli, api: Api, source: str, tmp_path: Path
) -> None:
    sandbox = api(faults=(LOST, LOG_REFUSED))
    part = write_csv(tmp_path / "part.csv", ids(10))
    journal = tmp_path / "run.journal"
    command = ("--types", "phone", "--batch-size", 5, "--journal", journal)
    assert cli("redeem", part, *command, "--progress", "none").code == 3
    requests = sandbox.statistics().requests

    estimate = told(cli, source, *command)
    assert (estimate["known"], estimate["unsettled"], estimate["to_redeem"]) == (5, 5, 21)
    assert estimate["worst_case_credits"] == 21 * 10
    assert sandbox.statistics().requests == requests + 1

    text = cli("estimate", source, *command).out
    assert "5 (in the journal, at no cost)" in text
    assert "5 (not sent again)" in text

    # What is too old is bought again; what is unsettled never is.
    estimate = told(cli, source, *command, "--max-age", "0.000001")
    assert (estimate["known"], estimate["unsettled"], estimate["to_redeem"]) == (0, 5, 26)
    estimate = told(cli, source, *command, "--max-age", "1d")
    assert estimate["known"] == 5


def test_open_jobs_are_reserved_for_and_polled(cli: Cli, source: str, tmp_path: Path) -> None:
    journal = tmp_path / "run.journal"
    asyncio.run(write_open_jobs(journal, ids(3)))
    estimate = told(cli, source, "--types", "phone", "--offline", "--journal", journal)

    assert (estimate["pending"], estimate["unsettled"], estimate["to_redeem"]) == (2, 1, 28)
    assert estimate["worst_case_credits"] == 30 * 10
    assert estimate["requests"] == 2 * estimate["batches"] + estimate["single"] + 1


def test_a_journal_that_does_not_exist_yet_is_not_made(
    cli: Cli, source: str, tmp_path: Path
) -> None:
    journal = tmp_path / "run.journal"
    result = cli("estimate", source, "--types", "phone", "--offline", "--journal", journal)

    assert result.code == 0, result.err
    assert "does not exist yet: nobody is known" in result.err
    assert not journal.exists()


def test_a_journal_for_other_types_or_another_api_or_in_use(
    cli: Cli, api: Api, source: str, tmp_path: Path
) -> None:
    sandbox = api()
    journal = tmp_path / "run.journal"
    assert cli("redeem", source, "--types", "phone", "--journal", journal).code == 0
    requests = sandbox.statistics().requests

    result = cli("estimate", source, "--types", "email-work", "--journal", journal)
    assert result.code == 2, result.err
    assert "written for phone" in result.err
    result = cli("estimate", source, "--types", "phone", "--sandbox", "--journal", journal)
    assert result.code == 2, result.err
    assert "was bought at http://127.0.0.1" in result.err

    other = SqliteJournal(journal)
    with asyncio.Runner() as runner:
        runner.run(other.open(["phone"]))
        result = cli("estimate", source, "--types", "phone", "--journal", journal)
        runner.run(other.close())
    assert result.code == 2, result.err
    assert "until that has ended" in result.err
    assert "or estimate without --journal" in result.err
    assert sandbox.statistics().requests == requests
