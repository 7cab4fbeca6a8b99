"""The command `doctor`, as it is used: over a socket, in a process, on a terminal."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import msgspec
import pytest

from pubrio_async._retry import RetryPolicy
from pubrio_async.doctor import DoctorReport
from pubrio_async.sandbox import Fault
from tests.cli.conftest import Api, Cli
from tests.cli.terminal import InTerminal

# What is started in a process of its own is not about its start.
pytestmark = pytest.mark.usefixtures("warm_starts")

KEY = "key-of-the-test"


def read(text: str) -> DoctorReport:
    return msgspec.json.decode(text, type=DoctorReport)


def test_a_workspace_as_documented_is_well(cli: Cli, api: Api) -> None:
    sandbox = api()
    result = cli("doctor")
    assert result.code == 0, result.out
    assert "All is well" in result.out
    assert "accepted (status 200)" in result.out
    assert "asking with up to 47 free requests" in result.err
    assert "nothing is charged" in result.err
    assert sandbox.statistics().credits_charged == 0
    assert KEY not in result.out + result.err
    assert max(map(len, result.out.splitlines())) <= 120

    told = cli("doctor", "--json")
    report = read(told.out)
    assert told.code == 0
    assert report.well
    assert report.connection.http_versions == ("1.1",)
    assert report.connection.first_byte_s is not None
    assert report.connection.calls == report.requests
    assert report.connection.handshake_s is not None
    assert report.clock.skew_s is not None
    assert abs(report.clock.skew_s) < 2
    assert {quota.unit for quota in report.limits.quotas} == {"hour", "day", "month"}
    assert (report.plan.credit, report.plan.prices["email_redeem_credit"]) == (1_000_000, 5)


def test_drift_is_exit_code_3_and_names_the_path(cli: Cli, api: Api) -> None:
    sandbox = api()
    body = '{"data": {"brand_new": "jane@example.com", "api_hourly_usage": "many"}}'
    sandbox.inject(Fault(kind="garbage", path="/profile/usage", body=body))
    result = cli("doctor", "--only", "profile", "--only", "user.get,filters.timezones")
    assert result.code == 3
    assert "data.brand_new" in result.out
    assert "data.api_hourly_usage" in result.out
    assert "filters.timezones" in result.out
    assert "filters.locations" not in result.out
    assert "jane" not in result.out + result.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--only", "nonsense"), "neither an endpoint nor a group"),
        (("--timeout", "0"), "timeout must be"),
        (("--rate", "often"), "not a rate limit"),
        (("--spend", "-1"), "--spend"),
    ],
)
def test_what_is_wrong_with_the_command_is_said_before_anything_is_sent(
    cli: Cli, api: Api, words: tuple[str, ...], said: str
) -> None:
    sandbox = api()
    result = cli("doctor", *words)
    assert result.code == 2
    assert said in result.err
    assert result.out == ""
    assert sandbox.statistics().requests == 0


def test_without_a_key_or_with_a_wrong_one(cli: Cli, api: Api) -> None:
    missing = cli("doctor")
    assert missing.code == 2
    assert "PUBRIO_API_KEY" in missing.err
    sandbox = api(api_key="another")
    refused = cli("doctor", "--spend", "50", "--json")
    assert refused.code == 5
    assert read(refused.out).key.accepted is False
    assert sandbox.statistics().requests == 1


def test_nobody_answers(cli: Cli, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int) -> None:
    monkeypatch.setattr("pubrio_async._dispatch.RetryPolicy", partial(RetryPolicy, resends=0))
    monkeypatch.setenv("PUBRIO_API_KEY", KEY)
    monkeypatch.setenv("PUBRIO_BASE_URL", f"http://127.0.0.1:{unused_tcp_port}")
    result = cli("doctor")
    assert result.code == 1
    assert "could not be reached" in result.out
    assert "cannot be reached" in result.out


def test_the_stand_in_needs_no_key(cli: Cli) -> None:
    result = cli("doctor", "--sandbox", "--json", "--only", "profile.get", "--spend", "3")
    assert result.code == 0, result.err
    assert read(result.out).sandbox


def test_what_is_bought_is_said_and_agreed_to_on_a_terminal(api: Api, tmp_path: Path) -> None:
    sandbox = api()
    with InTerminal("doctor", "--spend", "9", "--only", "people.search", folder=tmp_path) as shown:
        shown.wait_for(r"people\.search 6")
        shown.wait_for(r"in all up to 6 credits, of 9 allowed")
        shown.wait_for(r"go on\? \[y/N\]")
        assert sandbox.statistics().credits_charged == 0
        shown.type("n\n")
        assert shown.end() == 0
    assert "it was not agreed to" in shown.shown
    assert sandbox.statistics().credits_charged == 0
    with InTerminal("doctor", "--spend", "9", "--only", "people.search", folder=tmp_path) as shown:
        shown.wait_for(r"go on\? \[y/N\]")
        shown.type("\x03")
        assert shown.end() == 130
    assert "it was not agreed to" in shown.shown
    assert sandbox.statistics().credits_charged == 0
    with InTerminal(
        "doctor", "--spend", "9", "--only", "people.search", "--yes", folder=tmp_path
    ) as shown:
        assert shown.end() == 0
    assert "go on?" not in shown.shown
    assert "3 credits charged" in shown.shown
    assert sandbox.statistics().credits_charged == 3


@pytest.mark.parametrize(
    ("words", "stalls", "before", "said"),
    [
        ((), "/user", "profile.usage: POST", "interrupted after 3 calls; nothing was charged"),
        (
            ("--spend", "6", "--yes", "--only", "people.search"),
            "/people/search",
            "in all up to 6",
            "interrupted; up to 6 credits may have been charged",
        ),
    ],
)
def test_ctrl_c_ends_it_cleanly(  # noqa: PLR0917 - fixtures
    api: Api, tmp_path: Path, words: tuple[str, ...], stalls: str, before: str, said: str
) -> None:
    sandbox = api()
    sandbox.inject(Fault(kind="stall", path=stalls))
    with subprocess.Popen(
        [sys.executable, "-m", "pubrio_async", "doctor", "--verbose", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if before in line:
                break
        while not any(request.path == stalls for request in sandbox.requests):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert out == ""
    assert said in err
    assert "Traceback" not in err


def test_a_disk_that_is_full_is_told(api: Api, tmp_path: Path) -> None:
    api()
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "pubrio_async", "doctor", "--only", "user"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            check=False,
        )
    assert ended.returncode == 1
    assert "could not be written: No space left on device" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_where_nothing_could_be_asked_the_reason_is_not_buried(cli: Cli, api: Api) -> None:
    api(api_key="another")
    refused = cli("doctor")

    assert refused.code == 5
    assert "The key was refused" in refused.out
    assert "Not tested" not in refused.out
    assert len(refused.out.splitlines()) < 40
