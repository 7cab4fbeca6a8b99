"""A command that is started without stdin, stdout or stderr, as some daemons start theirs."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Api, ids, write_csv


def start(folder: Path, words: str) -> subprocess.CompletedProcess[str]:
    """Runs a command in a shell."""
    return subprocess.run(
        ["sh", "-c", f"{shlex.quote(sys.executable)} -m pubrio_async {words}"],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", "2>&-"])
def test_a_run_into_a_file_needs_none_of_them(api: Api, tmp_path: Path, closed: str) -> None:
    api()
    write_csv(tmp_path / "in.csv", ids(3))
    ended = start(tmp_path, f"redeem in.csv -o out.csv --types phone {closed}")

    assert ended.returncode == 0
    assert (tmp_path / "out.csv").read_text().count("\n") == 4


def test_results_that_have_nowhere_to_go_are_not_paid_for(api: Api, tmp_path: Path) -> None:
    sandbox = api()
    write_csv(tmp_path / "in.csv", ids(3))
    ended = start(tmp_path, "redeem in.csv --types phone >&-")

    assert ended.returncode == 2, ended.stderr
    assert "stdout is closed" in ended.stderr
    assert "nothing was charged" in ended.stderr
    assert sandbox.statistics().requests == 0


def test_who_reads_no_further_is_told_what_became_of_the_rest(api: Api, tmp_path: Path) -> None:
    api()
    write_csv(tmp_path / "in.csv", ids(300))
    # A pipe holds less than the outcomes of 300 people.
    ended = start(tmp_path, "redeem in.csv --types phone --progress none | head -c 1")

    assert "output could not be written" in ended.stderr
    assert "No journal was kept" in ended.stderr


def test_messages_that_nobody_reads_any_more_end_no_run(api: Api, tmp_path: Path) -> None:
    sandbox = api()
    write_csv(tmp_path / "in.csv", ids(300))
    words = "redeem in.csv -o out.csv --types phone --batch-size 10 --verbose --report report.json"
    ended = start(tmp_path, f"{words} 2>&1 | head -n 1")

    assert ended.stdout.count("\n") == 1
    assert (tmp_path / "out.csv").read_text().count("\n") == 301
    assert (tmp_path / "report.json").exists()
    assert sandbox.regrets().total == 0


ONLY_WITH_A_FULL_DEVICE = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="only where there is a full device"
)


@ONLY_WITH_A_FULL_DEVICE
def test_a_sandbox_whose_url_nobody_can_read_says_so(tmp_path: Path) -> None:
    ended = start(tmp_path, "sandbox > /dev/full")

    assert ended.returncode == 1, ended.stderr
    assert "the URL could not be written: No space left on device" in ended.stderr


@ONLY_WITH_A_FULL_DEVICE
@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("--help", "the help"),
        ("redeem --help", "the help"),
        ("worker --help", "the help"),
        ("--version", "the version"),
        ("call --list", "the endpoints"),
    ],
)
def test_what_explains_it_may_have_nowhere_to_go(tmp_path: Path, words: str, what: str) -> None:
    for stdout, why in (("> /dev/full", "No space left on device"), (">&-", "Bad file descriptor")):
        ended = start(tmp_path, f"{words} {stdout}")

        assert ended.returncode == 1
        assert ended.stderr == f"pubrio-async: error: {what} could not be written: {why}\n"


def test_who_reads_no_more_of_the_help_is_told_nothing(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as nobody:
        ended = subprocess.run(
            [sys.executable, "-m", "pubrio_async", "redeem", "--help"],
            cwd=tmp_path, stdout=nobody, stderr=subprocess.PIPE, timeout=60, check=False,
        )  # fmt: skip

    assert ended.stderr == b""
