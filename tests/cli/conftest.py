"""The command line, run in this process against a stand-in that listens in a thread."""

from __future__ import annotations

import asyncio
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pubrio_async.cli import main
from pubrio_async.sandbox import Sandbox, SandboxConfig, SandboxServer


class Result(NamedTuple):
    code: int
    out: str
    err: str


Cli = Callable[..., Result]
Api = Callable[..., Sandbox]


def ids(count: int, start: int = 0) -> list[str]:
    return [
        str(uuid.UUID(int=0x4000_8000 << 64 | number)) for number in range(start, start + count)
    ]


def write_csv(path: Path, people: list[str]) -> str:
    lines = "".join(f"name-{row},{person}\n" for row, person in enumerate(people))
    path.write_text(f"name,people_search_id\n{lines}")
    return str(path)


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command line."""

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


class Served:
    """A server in a thread of its own."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._url: Future[str] = Future()
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> str:
        self._thread.start()
        return self._url.result(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        async with SandboxServer(self._sandbox) as server:
            self._url.set_result(server.url)
            await self._end.wait()


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """Starts a stand-in whose jobs take no time, and points the environment to it."""
    servers: list[Served] = []

    def start(**settings: Any) -> Sandbox:
        sandbox = Sandbox(SandboxConfig(**{"time_scale": 0.0, "seed": 7, **settings}))
        servers.append(Served(sandbox))
        monkeypatch.setenv("PUBRIO_BASE_URL", servers[-1].start())
        monkeypatch.setenv("PUBRIO_API_KEY", "key-of-the-test")
        return sandbox

    yield start
    for server in servers:
        server.stop()
