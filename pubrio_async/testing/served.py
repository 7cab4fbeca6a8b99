"""The sandbox on a real socket, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from concurrent.futures import Future
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self

from pubrio_async.client import AsyncPubrio
from pubrio_async.sandbox.core import Sandbox
from pubrio_async.testing.controls import SandboxControls, environment

# Real time passes here, so nothing is waited for that a test does not ask for.
_DEFAULTS: Final = {"limits": "unlimited", "time_scale": 0.0}
_START_S: Final = 30.0
_STOP_S: Final = 10.0


class PubrioSandbox(SandboxControls):
    """A sandbox that listens on a port of this machine while the context is open.

        with PubrioSandbox() as sandbox, sandbox.installed():
            ada = sandbox.add_found(work_email="ada@example.com")
            asyncio.run(code_under_test([ada]))  # makes its own AsyncPubrio()
        assert sandbox.credits_charged == 5

    It runs in a thread, so the code under test may run on any event loop, in many of them, or in
    another process. Jobs take no time and there is no rate limit, unless settings say otherwise.
    What was seen can still be read when the context is closed.

    Args:
        **settings: Fields of `pubrio_async.sandbox.SandboxConfig`.

    Raises:
        ConfigurationError: A setting is malformed.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(_DEFAULTS, settings)
        self._thread: _ServerThread | None = None

    @property
    def url(self) -> str:
        """Its base URL, `http://127.0.0.1:` and a port.

        Raises:
            RuntimeError: It does not listen.
        """
        if self._thread is None:
            raise RuntimeError("The sandbox listens inside `with PubrioSandbox() as ...` only.")
        return self._thread.url

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which a client, of this or another process, talks to it."""
        return {
            "PUBRIO_API_KEY": self.api_key,
            "PUBRIO_BASE_URL": self.url,
            "PUBRIO_RATE_LIMIT": self.config.limits,
        }

    def client(self, **arguments: Any) -> AsyncPubrio:
        """A client that talks to it, to be used in `async with`.

        Args:
            **arguments: Arguments of `AsyncPubrio`. Without `rate_limit`, it keeps the limits of
                the sandbox.

        Raises:
            ConfigurationError: An argument is malformed.
        """
        chosen: dict[str, Any] = {
            "api_key": self.api_key,
            "base_url": self.url,
            "rate_limit": self.config.limits,
            **arguments,
        }
        return AsyncPubrio(**chosen)

    @contextmanager
    def installed(self) -> Generator[Self]:
        """While the block runs, `AsyncPubrio()` without arguments talks to it.

        The environment variables are set, for child processes too, and put back at the end.
        """
        with environment(self.environment):
            yield self

    def __enter__(self) -> Self:
        if self._thread is not None:
            raise RuntimeError("This sandbox listens already.")
        self._thread = _ServerThread(self._sandbox)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.stop()


class _ServerThread:
    """A server and the thread whose event loop it runs on; it listens once this is made."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._started: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(sandbox,), name="pubrio-sandbox", daemon=True
        )
        self._thread.start()
        self.url, self._loop, self._end = self._started.result(_START_S)

    def stop(self) -> None:
        """Stops listening, breaks off what is under way, and waits for the thread."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(_STOP_S)
        if self._thread.is_alive():
            raise RuntimeError(f"The sandbox did not stop within {_STOP_S:g} s.")

    def _run(self, sandbox: Sandbox) -> None:
        # Not asyncio.run: it would ask the policy for a loop, which may be that of the tests.
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(self._serve(sandbox))

    async def _serve(self, sandbox: Sandbox) -> None:
        end = asyncio.Event()
        try:
            # A tenth of a second to import, which only those pay who listen.
            from pubrio_async.sandbox.server import SandboxServer  # noqa: PLC0415

            server = SandboxServer(sandbox)
            await server.start()
        except Exception as error:  # noqa: BLE001 - raised where the thread was started
            self._started.set_exception(error)
            return
        try:
            self._started.set_result((server.url, asyncio.get_running_loop(), end))
            await end.wait()
        finally:
            await server.aclose()
