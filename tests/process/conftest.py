"""Real processes, real sockets: the stand-in listens in the loop of the test."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from pubrio_async.sandbox import Sandbox, SandboxConfig, SandboxServer
from tests.process.proxy import FaultProxy, Plan, always_pass

# What a process may take on a busy machine before a test is lost.
PATIENCE_S = 40.0

BATCH = "/redeem/people/batch"
QUERY = "/redeem/people/batch/query"


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

    async def double_charges(self) -> int:
        """By the stand-in's ledger, as it tells it over HTTP."""
        double: int = (await statistics(self.direct))["regrets"]["double_charges"]
        return double

    def charged(self) -> set[str]:
        return {charge.people_search_id for charge in self.sandbox.charges()}


async def statistics(url: str) -> dict[str, Any]:
    """What `GET /_sandbox/statistics` gives back."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /_sandbox/statistics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    reply = await reader.read()
    writer.close()
    await writer.wait_closed()
    told: dict[str, Any] = msgspec.json.decode(reply.partition(b"\r\n\r\n")[2])
    return told


StartApi = Callable[..., Coroutine[Any, Any, Api]]
StartCli = Callable[..., Coroutine[Any, Any, Process]]


@pytest.fixture
async def api() -> AsyncIterator[StartApi]:
    """Starts a stand-in whose jobs take no time, behind a proxy."""
    async with AsyncExitStack() as stack:

        async def start(plan: Plan = always_pass, **settings: Any) -> Api:
            told = {"time_scale": 0.0, "seed": 7, "limits": "unlimited", **settings}
            sandbox = Sandbox(SandboxConfig(**told))
            server = await stack.enter_async_context(SandboxServer(sandbox))
            proxy = await stack.enter_async_context(FaultProxy(server.url, plan))
            return Api(sandbox, proxy, server.url)

        yield start


# Bounds what the process may do before it begins; a bounded file is as good as a full disk.
# Lifted at the end: what measures the process may write its findings down.
_BOUNDED = (
    "import atexit, runpy, sys; from resource import *; "
    "what, size = globals()[sys.argv.pop(1)], int(sys.argv.pop(1)); "
    "before = getrlimit(what); atexit.register(setrlimit, what, before); "
    "setrlimit(what, (size, before[1])); "
    "runpy.run_module('pubrio_async', run_name='__main__', alter_sys=True)"
)


@pytest.fixture
async def cli() -> AsyncIterator[StartCli]:
    """Starts a command line; none outlives its test."""
    children: list[asyncio.subprocess.Process] = []

    async def start(
        *words: str | Path | int,
        url: str = "",
        bound: tuple[str, int] | None = None,
        stdout: int = asyncio.subprocess.PIPE,
    ) -> Process:
        program = ["-m", "pubrio_async"]
        if bound is not None:
            program = ["-c", _BOUNDED, bound[0], str(bound[1])]
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            *program,
            *map(str, words),
            env={**os.environ, "PUBRIO_API_KEY": "key-of-the-test", "PUBRIO_BASE_URL": url},
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
