"""Real processes, real sockets: the stand-in listens in the loop of the test."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
import pytest

from pubrio_async.sandbox import Sandbox, SandboxConfig, SandboxServer
from tests.process.command import Conditions
from tests.process.proxy import FaultProxy, Hold, Plan, always_pass
from tests.warm import COLD

# What a process may take on a busy machine before a test is lost.
PATIENCE_S = 40.0

SINGLE = "/redeem/people"
BATCH = "/redeem/people/batch"
QUERY = "/redeem/people/batch/query"
LOGS = "/api_keys/logs"
LOG = "/api_keys/logs/lookup"

_COMMAND = Path(__file__).with_name("command.py")


class Ended(NamedTuple):
    code: int
    out: str
    err: str


class Process(NamedTuple):
    """A command line in a process of its own."""

    child: asyncio.subprocess.Process

    async def end(self) -> Ended:
        async with asyncio.timeout(PATIENCE_S):
            out, err = await self.child.communicate()
        assert self.child.returncode is not None
        return Ended(self.child.returncode, (out or b"").decode(), err.decode())


class Api:
    """The stand-in behind the proxy.

    Attributes:
        sandbox: Who answers.
        proxy: What breaks connections.
        direct: The stand-in's own URL.
    """

    def __init__(self, sandbox: Sandbox, proxy: FaultProxy, direct: str) -> None:
        self.sandbox = sandbox
        self.proxy = proxy
        self.direct = direct

    @property
    def url(self) -> str:
        return self.proxy.url

    def charged(self) -> set[str]:
        return {charge.people_search_id for charge in self.sandbox.charges()}


class StartApi(Protocol):
    """What the fixture `api` gives."""

    async def __call__(self, plan: Plan = always_pass, **settings: Any) -> Api: ...


class StartCli(Protocol):
    """What the fixture `cli` gives."""

    async def __call__(
        self,
        *words: str | Path | int,
        url: str = "",
        stdout: int = asyncio.subprocess.PIPE,
        cold: bool = False,
        **conditions: Any,
    ) -> Process: ...


@pytest.fixture
async def api() -> AsyncIterator[StartApi]:
    """Starts a stand-in whose jobs take no time, behind a proxy."""
    async with AsyncExitStack() as stack:

        async def start(plan: Plan = always_pass, **settings: Any) -> Api:
            told: dict[str, Any] = {"time_scale": 0.0, "seed": 7, "limits": "unlimited", **settings}
            sandbox = Sandbox(SandboxConfig(**told))
            server = await stack.enter_async_context(SandboxServer(sandbox))
            proxy = await stack.enter_async_context(FaultProxy(server.url, plan))
            return Api(sandbox, proxy, server.url)

        yield start


@pytest.fixture
def hold() -> Hold:
    """A reply that is held back."""
    return Hold(asyncio.Event(), asyncio.Event())


async def held(hold: Hold, process: Process) -> None:
    """Waits until a reply to this process is there, and held back."""
    async with asyncio.timeout(PATIENCE_S):
        there = asyncio.ensure_future(hold.held.wait())
        over = asyncio.ensure_future(process.child.wait())
        try:
            await asyncio.wait({there, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            there.cancel()
            over.cancel()
    assert hold.held.is_set(), f"it ended before: {await process.end()}"


@pytest.fixture
async def cli(warm_starts: None) -> AsyncIterator[StartCli]:
    """Starts a command line; none outlives its test.

    What is given by name, and is none of `url`, `stdout` and `cold`, makes up its `Conditions`.
    A cold start loads the package: for whom it matters what happens meanwhile.
    """
    children: list[asyncio.subprocess.Process] = []

    async def start(
        *words: str | Path | int,
        url: str = "",
        stdout: int = asyncio.subprocess.PIPE,
        cold: bool = False,
        **conditions: Any,
    ) -> Process:
        # What is changed before the package is loaded cannot be changed after it.
        cold = cold or not conditions.keys() <= {"clock"}
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # the package that is installed, and not what happens to be here
            str(_COMMAND),
            msgspec.json.encode(Conditions(**conditions)).decode(),
            *map(str, words),
            env={
                **os.environ,
                "PUBRIO_API_KEY": "key-of-the-test",
                "PUBRIO_BASE_URL": url,
                **({COLD: "1"} if cold else {}),
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=stdout,
            stderr=asyncio.subprocess.PIPE,
        )
        children.append(child)
        return Process(child)

    yield start
    for child in children:
        if child.returncode is None:
            child.kill()
        # To the end of its pipes, or the transport would be left open.
        await child.communicate()
