"""The stand-in without sockets: a transport that calls it directly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from email.utils import formatdate

from pubrio_async._clock import Clock
from pubrio_async._errors import ConfigurationError, ResponseLostError, never_left, reply_lost
from pubrio_async._phase import Phase
from pubrio_async._wire import WireReply, WireRequest
from pubrio_async.sandbox.core import Sandbox
from pubrio_async.sandbox.wire import SandboxReply, SandboxRequest

_ANSWERED = frozenset({"mid_body", "stall_body"})


class Headers(Mapping[str, str]):
    """Headers whose names match in any case."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = {name.lower(): value for name, value in headers.items()}

    def __getitem__(self, name: str) -> str:
        return self._headers[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers)

    def __len__(self) -> int:
        return len(self._headers)


class SandboxTransport:
    """Carries requests to a `Sandbox` in the same process, in the time of the running loop.

    All waiting is `asyncio.sleep`, so under a loop with virtual time nothing really waits. A
    request that is cancelled or times out on its way is carried out nevertheless: that is the
    worst that can happen, and so the case worth testing.

    Attributes:
        connect_refused: How many of the next requests find nobody listening, or a function of
            the loop's time that says whether one does. May be changed at any time.
        in_flight: Requests under way.
        max_in_flight: The most there have been at a time.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        *,
        latency: float = 0.05,
        connect_refused: int | Callable[[float], bool] = 0,
        api_key: str = "sandbox-key",
        clock: Clock | None = None,
    ) -> None:
        """Makes a transport.

        Args:
            sandbox: Who answers.
            latency: Seconds for the way there and back, without the sandbox's own delays.
            connect_refused: See the attribute.
            api_key: The key that is sent.
            clock: Where the sandbox's dates come from, unless it was given an epoch.
        """
        self._sandbox = sandbox
        self._half = latency / 2
        self._headers = {"pubrio-api-key": api_key, "content-type": "application/json"}
        self._clock = clock if sandbox.config.epoch is None else None
        self._closed = False
        self.connect_refused = connect_refused
        self.in_flight: int = 0
        self.max_in_flight: int = 0

    async def send(self, request: WireRequest, *, timeout: float, phase: Phase) -> WireReply:
        """Sends a request and waits for its reply, as `Transport.send` says.

        Raises:
            NotSentError: The connection was refused.
            ResponseLostError: The reply was cut, or did not come within `timeout` seconds.
            ConfigurationError: The transport is closed.
        """
        if self._closed:
            raise ConfigurationError("The transport is closed.")
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            return await self._send(request, timeout, phase)
        finally:
            self.in_flight -= 1

    async def aclose(self) -> None:
        """Takes no more requests."""
        self._closed = True

    async def _send(self, request: WireRequest, timeout: float, phase: Phase) -> WireReply:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        if self._clock is not None:
            self._sandbox.epoch = self._clock.wall() - loop.time()
        if self._refuses(loop.time()):
            await asyncio.sleep(min(self._half, timeout))
            raise never_left(_what(request), "the connection was refused")
        phase.sent += 1
        reply: SandboxReply | None = None
        arrived = False
        try:
            try:
                await asyncio.sleep(min(self._half, timeout))
            finally:
                # What has left arrives, whatever becomes of the one who sent it.
                sent = SandboxRequest(
                    request.method, request.path, self._headers, request.body or b""
                )
                reply = self._sandbox.handle(sent, loop.time())
            if reply.cut in {"stall", "stall_body"}:
                await asyncio.sleep(max(0.0, deadline - loop.time()))
                raise _lost(request, reply, f"no complete reply came within {timeout:g} s")
            wait = reply.delay + self._half
            if loop.time() + wait > deadline:
                await asyncio.sleep(max(0.0, deadline - loop.time()))
                raise _lost(request, None, f"no complete reply came within {timeout:g} s")
            await asyncio.sleep(wait)
            if reply.cut is not None:
                raise _lost(request, reply, "the connection broke")
            arrived = True
            date = formatdate(self._sandbox.wall(loop.time()), usegmt=True)
            return WireReply(reply.status, Headers({**reply.headers, "date": date}), reply.body)
        finally:
            if not arrived and reply is not None:
                self._sandbox.undelivered(reply)

    def _refuses(self, now: float) -> bool:
        refused = self.connect_refused
        if callable(refused):
            return refused(now)
        if refused > 0:
            self.connect_refused = refused - 1
            return True
        return False


def _lost(request: WireRequest, reply: SandboxReply | None, why: str) -> ResponseLostError:
    status = reply.status if reply is not None and reply.cut in _ANSWERED else None
    return reply_lost(_what(request), why, paid=request.paid, status=status)


def _what(request: WireRequest) -> str:
    return f"{request.method} {request.path}"
