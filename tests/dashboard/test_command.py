"""`redeem --dashboard`, as it is typed."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest

from pubrio_async.cli._dashboard import Board, with_port
from pubrio_async.cli._options import RedeemOptions
from pubrio_async.cli._redeem import Files
from pubrio_async.dashboard import Dashboard
from tests.cli.conftest import Cli, ids, write_csv
from tests.together import together

PROGRAM = (sys.executable, "-m", "pubrio_async")


@pytest.fixture(autouse=True)
def _quick_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pubrio_async.cli._demo._TIME_SCALE", 0.0)


@together
@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("in.csv --dashboard", "in.csv --dashboard=0"),
        ("--dashboard in.csv", "--dashboard=0 in.csv"),
        ("--dashboard --types phone", "--dashboard=0 --types phone"),
        ("--dashboard 8080 in.csv", "--dashboard 8080 in.csv"),
        ("--dashboard=8080 in.csv", "--dashboard=8080 in.csv"),
        ("--dashboard ٣ in.csv", "--dashboard=0 ٣ in.csv"),
        ("-- --dashboard in.csv", "-- --dashboard in.csv"),
        ("in.csv", "in.csv"),
    ],
)
def test_the_port_may_be_left_out(words: str, meant: str) -> None:
    assert " ".join(with_port(words.split())) == meant


def test_the_command_that_goes_on_has_it_too() -> None:
    options = RedeemOptions(input="in.csv", types="phone", dashboard=0, dashboard_host="0.0.0.0")

    assert options.command().endswith(" --dashboard=0 --dashboard-host 0.0.0.0")


def test_a_run_with_it_is_as_one_without(tmp_path: Path, cli: Cli) -> None:
    source = write_csv(tmp_path / "in.csv", ids(30))
    common = ("--types", "phone", "--sandbox", "--no-journal", "--progress", "none")

    plain = cli("redeem", source, "-o", tmp_path / "a.csv", *common)
    shown = cli("redeem", "--dashboard", source, "-o", tmp_path / "b.csv", *common)

    assert (plain.code, shown.code) == (0, 0), shown.err
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert re.search(
        r"^pubrio-async: dashboard at http://127\.0\.0\.1:\d+/[\w-]{22,}/$", shown.err, re.MULTILINE
    )
    assert "dashboard" not in plain.err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--dashboard-host", "::1"), "which was not given"),
        (("--dashboard", "--dashboard-host", "192.0.2.1"), "no such address"),
        (("--dashboard", "--dashboard-host", "no.such.host.invalid"), "not the name"),
    ],
)
def test_what_cannot_be_served_is_told_before_anything_is_sent(
    tmp_path: Path, cli: Cli, words: tuple[str, ...], reason: str
) -> None:
    source = write_csv(tmp_path / "in.csv", ids(3))

    result = cli("redeem", source, "--types", "phone", "--sandbox", *words)

    assert result.code == 2
    assert result.out == ""
    assert len(result.err.splitlines()) == 1
    assert reason in result.err
    assert result.err.endswith("; nothing was charged\n")


def test_a_port_in_use_is_one_line_and_two(tmp_path: Path, cli: Cli) -> None:
    source = write_csv(tmp_path / "in.csv", ids(3))
    out = tmp_path / "out.csv"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = cli(
            "redeem", source, "-o", out, "--types", "phone", "--sandbox", "--dashboard", port
        )

    assert result.code == 2
    assert f"port {port}: the port is in use" in result.err
    assert len(result.err.splitlines()) == 1
    assert not [*tmp_path.glob("out*")]


def test_others_may_look_only_if_that_is_asked_for_and_then_it_is_said(
    tmp_path: Path, cli: Cli
) -> None:
    source = write_csv(tmp_path / "in.csv", ids(3))

    result = cli(
        "redeem",
        source,
        "--types",
        "phone",
        "--sandbox",
        "--dashboard",
        "--dashboard-host",
        "0.0.0.0",
    )

    assert result.code == 0
    assert "dashboard at http://127.0.0.1:" in result.err
    assert "not encrypted" in result.err


def test_an_input_that_cannot_be_read_leaves_no_socket_behind(tmp_path: Path, cli: Cli) -> None:
    result = cli("redeem", tmp_path / "none.csv", "--types", "phone", "--sandbox", "--dashboard")

    assert result.code == 2
    assert "dashboard at" not in result.err


@pytest.fixture
def troubles(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """What pages were told of at their end."""
    told: list[str | None] = []
    close = Dashboard.aclose

    async def aclose(self: Dashboard, trouble: str | None = None) -> None:
        told.append(trouble)
        await close(self, trouble)

    monkeypatch.setattr(Dashboard, "aclose", aclose)
    return told


def test_a_journal_that_cannot_be_used_ends_it_as_before(
    tmp_path: Path, cli: Cli, troubles: list[str | None]
) -> None:
    source = write_csv(tmp_path / "in.csv", ids(3))
    journal = tmp_path / "run.db"
    journal.write_bytes(b"no database at all" * 100)
    words = ("redeem", source, "--types", "phone", "--sandbox", "--journal", journal)

    plain, shown = cli(*words), cli(*words, "--dashboard")

    assert plain.code == shown.code == 2
    assert shown.err.splitlines()[-1] == plain.err.splitlines()[-1]
    assert troubles == ["The program ended with JournalError."]


def test_an_output_that_failed_is_no_good_end(
    tmp_path: Path, cli: Cli, troubles: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Files, outcome: object) -> bool:
        self.failure = "the output could not be written: jane.csv: no space"
        return False

    monkeypatch.setattr(Files, "write", full)
    source = write_csv(tmp_path / "in.csv", ids(3))

    result = cli("redeem", source, "--types", "phone", "--sandbox", "--dashboard")

    assert result.code == 1
    assert troubles == ["The input, the output or the report failed. The terminal says which."]


async def test_a_page_that_cannot_be_served_leaves_nothing_undone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def start(self: Dashboard) -> None:
        raise OSError("no")

    async def work() -> None:
        raise AssertionError

    monkeypatch.setattr(Dashboard, "start", start)
    options = RedeemOptions(input="-", types="phone", dashboard=0)
    with ExitStack() as stack, pytest.raises(OSError, match="no"):
        await Board(options, stack).beside(work())


def test_nothing_of_it_is_loaded_unless_it_is_asked_for(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "in.csv", ids(1))
    look = (
        "import sys; from pubrio_async.cli import main\n"
        f"sys.argv = ['pubrio-async', 'redeem', {source!r}, '--types', 'phone', '--sandbox']\n"
        "try: main()\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not [name for name in sys.modules if name.startswith('pubrio_async.dashboard')]\n"
    )
    subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, timeout=60)


@pytest.mark.usefixtures("warm_starts")
@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise there")
def test_an_interrupt_works_as_before_with_somebody_looking(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "in.csv", ids(3_000))
    out = tmp_path / "out.csv"
    words = ("--types", "phone", "--sandbox", "--progress", "none", "--batch-size", "5")
    with subprocess.Popen(
        [*PROGRAM, "redeem", source, "-o", str(out), *words, "--dashboard"],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        url = re.search(r"http://\S+", process.stderr.readline())
        assert url is not None
        with urllib.request.urlopen(url[0] + "events", timeout=30) as stream:
            running = next(line for line in stream if b'"state":"running"' in line)
            assert b"people" not in running
            process.send_signal(signal.SIGINT)
            rest = stream.read()
        process.communicate(timeout=30)

    assert process.returncode == 130
    assert b'"headline":"Stopped early","advice":["It was interrupted."' in rest
    assert rest.endswith(b"event: bye\ndata: {}\n\n")
