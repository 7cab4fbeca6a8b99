"""The web application on a real socket, before a stand-in for the API that waits to be told."""

from __future__ import annotations

import asyncio
import socket
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from pubrio_async.sandbox import (
    Sandbox,
    SandboxConfig,
    SandboxReply,
    SandboxRequest,
    SandboxServer,
)

if TYPE_CHECKING:
    from examples.webapp.store import Store

#: Jobs take an hour, and their estimates say at once.
HELD = SandboxConfig(
    base_s=3600.0,
    per_person_s=0.0,
    estimate_unit="ms",
    estimate_factor=50 / 3_600_000,
    limits="unlimited",
    unresolvable_share=0.0,
)
PATIENCE_S = 20.0


class HeldSandbox(Sandbox):
    """A stand-in whose jobs are done when the test says so: `release` lets an hour pass."""

    def __init__(self, config: SandboxConfig = HELD) -> None:
        super().__init__(config)
        self._ahead = 0.0

    def release(self) -> None:
        """Finishes the jobs that are open."""
        self._ahead += 3600.0

    def handle(self, request: SandboxRequest, now: float) -> SandboxReply:
        """Carries out a request at the time the test has let it become."""
        return super().handle(request, now + self._ahead)


class Webapp:
    """A running application.

    Attributes:
        url: Where it is.
        folder: Where it keeps its jobs.
        sandbox: The stand-in behind it.
        store: Its jobs.
    """

    def __init__(self, url: str, folder: Path, sandbox: HeldSandbox, store: Store) -> None:
        self.url = url
        self.folder = folder
        self.sandbox = sandbox
        self.store = store


@asynccontextmanager
async def webapp(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, send_buffer: int = 0, **settings: Any
) -> AsyncIterator[Webapp]:
    """Runs the application and its stand-in while the block runs.

    Args:
        folder: Where jobs are kept.
        monkeypatch: Sets the environment.
        send_buffer: Bytes the system takes over for a reader who is slow; 0 lets it choose.
        settings: What else the application is told.
    """
    # Loaded by the first test that runs it, and not by each process that looks for tests.
    import uvicorn  # noqa: PLC0415

    from examples.webapp.__main__ import Server  # noqa: PLC0415
    from examples.webapp.app import create_app  # noqa: PLC0415
    from examples.webapp.settings import Settings  # noqa: PLC0415

    sandbox = HeldSandbox()
    async with SandboxServer(sandbox) as api:
        monkeypatch.setenv("PUBRIO_API_KEY", "sandbox")
        monkeypatch.setenv("PUBRIO_BASE_URL", api.url)
        monkeypatch.setenv("PUBRIO_RATE_LIMIT", "1000/second")
        app = create_app(Settings(folder=folder, batch_size=25, **settings))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            if send_buffer:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
            config = uvicorn.Config(
                app, log_config=None, access_log=False, timeout_graceful_shutdown=5
            )
            server = Server(config, app)
            task = asyncio.create_task(server.serve([listener]))
            try:
                await until(lambda: server.started or task.done())
                url = f"http://127.0.0.1:{listener.getsockname()[1]}"
                yield Webapp(url, folder, sandbox, app.state.store)
            finally:
                server.should_exit = True
                await task


async def until(condition: Callable[[], object]) -> None:
    """Returns once something is so; fails if that takes too long."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        await asyncio.sleep(0.01)


def ids(count: int) -> list[str]:
    """Made-up people, the same ones each time."""
    return [str(uuid.UUID(int=number, version=4)) for number in range(1, count + 1)]


def urls(count: int) -> list[str]:
    """The same by LinkedIn URLs, who are answered at once."""
    return [f"https://www.linkedin.com/in/made-up-person-{number}" for number in range(count)]


def contacts(sandbox: Sandbox, person: str, types: tuple[str, ...]) -> list[str]:
    """What there is to be found of a person."""
    known = sandbox.id_for_linkedin(person) if person.startswith("http") else person
    return [] if known is None else [each.value for each in sandbox.contacts_for(known, types)]


def json(data: bytes) -> Any:
    """Reads JSON."""
    return msgspec.json.decode(data)
