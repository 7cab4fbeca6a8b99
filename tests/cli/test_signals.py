from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from pubrio_async.cli._signals import Signals
from tests.cli.conftest import Api, Cli, ids, statuses, write_csv

SIGNALS = [signal.SIGINT, signal.SIGTERM]
# Two seconds are meant; a machine that runs other tests as well needs more.
SOON_S = 6.0


class Ended(BaseException):
    pass


@pytest.mark.parametrize("number", SIGNALS)
def test_before_anything_is_sent_a_signal_raises(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), Signals():
        signal.raise_signal(number)

    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", SIGNALS)
async def test_the_first_asks_and_the_second_ends(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []
    asked = asyncio.Event()

    def end(code: int) -> None:
        calls.append(code)
        raise Ended

    def ask() -> None:
        calls.append("first")
        asked.set()

    monkeypatch.setattr(os, "_exit", end)
    with Signals() as signals:
        signals.listen(first=ask, last=lambda: calls.append("last"))
        assert not signals.received
        signal.raise_signal(number)
        await asked.wait()
        assert signals.received
        assert calls == ["first"]
        with pytest.raises(Ended):
            signal.raise_signal(number)

    assert calls == ["first", "last", 130]


def test_a_signal_while_the_input_is_read(
    cli: Cli, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = api()
    monkeypatch.setattr(
        "pubrio_async.cli._redeem.open_rows",
        lambda *args, **rest: signal.raise_signal(signal.SIGTERM),
    )
    result = cli("redeem", write_csv(tmp_path / "in.csv", ids(1)), "--types", "phone")

    assert result.code == 130, result.err
    assert "nothing was charged" in result.err
    assert sandbox.statistics().requests == 0


Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(warm_starts: None) -> Iterator[Start]:
    """Starts a command line in a process of its own."""
    processes: list[subprocess.Popen[bytes]] = []

    def run(*words: str | Path) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "pubrio_async", *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def stream(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


@pytest.mark.parametrize("number", SIGNALS)
def test_an_interrupted_run_is_whole_and_goes_on(
    number: signal.Signals, start: Start, cli: Cli, api: Api, tmp_path: Path
) -> None:
    sandbox = api(time_scale=1.0, base_s=1.0, per_person_s=0.0)
    source = write_csv(tmp_path / "in.csv", [*ids(30), "bad"])
    out, report = tmp_path / "out.csv", tmp_path / "report.json"
    command = [
        "redeem", source, "-o", str(out), "--types", "email-work", "--batch-size", "10",
        "--report", str(report),
    ]  # fmt: skip
    process = start(*command)
    until(lambda: sandbox.statistics().jobs_submitted == 3)
    began = time.monotonic()
    process.send_signal(number)
    _, err = process.communicate(timeout=20)

    assert time.monotonic() - began < SOON_S
    assert process.returncode == 130
    assert b"Traceback" not in err
    assert b"30 rows pending" in err
    assert f"The journal {out}.journal holds what was paid for" in err.decode()
    resume = f"goes on from there: python -m pubrio_async {' '.join(command)}"
    assert resume in err.decode()
    assert statuses(out) == {"pending": 30, "rejected": 1}
    assert report.exists()

    assert cli(*command).code == 0
    assert statuses(out).keys() <= {"found", "empty", "rejected"}
    assert statuses(out).total() == 31
    assert sandbox.statistics().jobs_submitted == 3
    assert sandbox.regrets().double_charges == 0


def test_a_second_signal_ends_at_once(start: Start, api: Api, tmp_path: Path) -> None:
    sandbox = api(faults=("stall:/redeem/people/batch$",))
    source = write_csv(tmp_path / "in.csv", ids(10))
    process = start("redeem", source, "--types", "phone", "--progress", "none")
    until(lambda: sandbox.statistics().requests == 1)
    process.send_signal(signal.SIGINT)
    assert b"once more ends at once" in stream(process.stderr).readline()
    process.send_signal(signal.SIGINT)

    assert process.wait(20) == 130
    assert stream(process.stderr).read() == b""


def test_stdin_that_never_ends_does_not_hold_it(start: Start, api: Api, tmp_path: Path) -> None:
    sandbox = api()
    out = tmp_path / "out.csv"
    process = start("redeem", "-", "-o", out, "--types", "phone", "--batch-size", "2")
    people = "".join(f"{person}\n" for person in ids(2))
    stream(process.stdin).write(people.encode())
    stream(process.stdin).flush()
    until(lambda: sandbox.statistics().jobs_delivered == 1)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)

    assert process.wait(20) == 130
    assert time.monotonic() - began < SOON_S
    assert statuses(out).total() == 2
    assert b"(with the same input)" in stream(process.stderr).read()


def test_the_sandbox_serves_until_it_is_told_to_end(start: Start) -> None:
    process = start("sandbox", "--limits", "unlimited")
    url = stream(process.stdout).readline().decode()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+\n", url)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)

    assert process.returncode == 0
    assert b'"double_charges": 0' in err
    assert b'"requests": 0' in err


@pytest.mark.skipif(os.name != "posix", reason="signals to another process")
def test_while_the_commands_are_loaded_an_interrupt_shows_no_traceback(tmp_path: Path) -> None:
    # A module of the user's that stands for the loading, which is over too soon to be met.
    stand_in = "import time\nprint('loading', flush=True)\ntime.sleep(60)\n"
    (tmp_path / "typer.py").write_text(stand_in)
    process = subprocess.Popen(
        [sys.executable, "-m", "pubrio_async", "status", "j"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)

    assert process.returncode == -signal.SIGINT
    assert not err
