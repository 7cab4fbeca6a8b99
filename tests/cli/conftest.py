"""The command line, run in this process against a stand-in that listens in a thread."""

from __future__ import annotations

import csv
import errno
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.main import get_command

from pubrio_async.cli import main
from pubrio_async.testing import PubrioSandbox


class Result(NamedTuple):
    code: int
    out: str
    err: str


Cli = Callable[..., Result]
Redeem = Callable[..., Result]
Api = Callable[..., PubrioSandbox]


def ids(count: int, start: int = 0) -> list[str]:
    return [
        str(uuid.UUID(int=0x4000_8000 << 64 | number)) for number in range(start, start + count)
    ]


def statuses(path: Path) -> Counter[str]:
    """How many rows of an output have which."""
    with path.open(newline="") as file:
        return Counter(row["status"] for row in csv.DictReader(file))


def no_links(*args: object) -> None:
    """`os.link` on a disk that has none."""
    raise OSError(errno.EPERM, "Operation not permitted")


def write_csv(path: Path, people: list[str]) -> str:
    lines = "".join(f"name-{row},{person}\n" for row, person in enumerate(people))
    path.write_text(f"name,people_search_id\n{lines}")
    return str(path)


# typer makes all commands out of their signatures for each call: that takes longer than most calls.
made_once = cache(get_command)


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command line."""
    monkeypatch.setattr("typer.main.get_command", made_once)

    def run(*words: str | Path | int) -> Result:
        monkeypatch.setattr(sys, "argv", ["pubrio-async", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Result(ended.value.code, out, err)

    return run


LOST = "lost_after:/redeem/people/batch$:times=1"
"""A batch that is carried out and whose answer is lost."""

LOG_REFUSED = "400:/api_keys/logs:times=1"
"""A request log that cannot be read, for the whole of the run that asks first."""


@pytest.fixture
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lost requests are looked for at once, and not for long."""
    monkeypatch.setattr("pubrio_async.scheduler.logbook._FIRST_LOOK_S", 0.02)
    monkeypatch.setattr("pubrio_async.scheduler.logbook._LATER_LOOKS_S", (0.02, 0.02))


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """Starts a stand-in whose jobs take no time, and points the environment to it."""
    with ExitStack() as running:

        def start(**settings: Any) -> PubrioSandbox:
            given = {"limits": "300/minute", "seed": 7, **settings}
            sandbox = running.enter_context(PubrioSandbox(**given))
            monkeypatch.setenv("PUBRIO_BASE_URL", sandbox.url)
            monkeypatch.setenv("PUBRIO_API_KEY", "key-of-the-test")
            return sandbox

        yield start


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "out.csv.journal"


@pytest.fixture
def redeem(cli: Cli, tmp_path: Path) -> Redeem:
    """Redeems thirty people in batches of ten."""
    source = write_csv(tmp_path / "in.csv", ids(30))

    def run(*more: str) -> Result:
        return cli(
            "redeem", source, "-o", tmp_path / "out.csv", "--types", "email-work",
            "--batch-size", 10, "--progress", "none", *more,
        )  # fmt: skip

    return run
