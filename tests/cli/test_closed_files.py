"""A command that is started without stdin, stdout or stderr, as some daemons start theirs."""

from __future__ import annotations

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
