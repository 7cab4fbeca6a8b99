"""The stand-in on a real socket: HTTP in, HTTP out, and connections that really break."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from types import TracebackType
from typing import Any, Self

import msgspec
from aiohttp import web

from pubrio_async.sandbox.core import Regrets, Sandbox, SandboxStatistics
from pubrio_async.sandbox.wire import SandboxReply, SandboxRequest

STATISTICS_PATH = "/_sandbox/statistics"

_MAX_BODY = 64 * 1024 * 1024
_SHUTDOWN_S = 0.2
_NO_LINGER = struct.pack("ii", 1, 0)


class ServerReport(msgspec.Struct, frozen=True):
    """What `GET /_sandbox/statistics` gives back."""

    regrets: Regrets
    statistics: SandboxStatistics


class SandboxServer:
    """Serves a `Sandbox` over HTTP; an async context manager.

        async with SandboxServer(Sandbox()) as server:
            client = AsyncPubrio(api_key="any", base_url=server.url)

    `GET /_sandbox/statistics` shows what has happened, without a key or a rate limit.
    """

    def __init__(self, sandbox: Sandbox, host: str = "127.0.0.1", port: int = 0) -> None:
        """Makes a server; it listens from `start`, or from entering it as a context.

        Args:
            sandbox: Who answers.
            host: Address to listen on.
            port: Port to listen on; 0 lets the system choose.
        """
        self.sandbox = sandbox
        self._host = host
        self._port = port
        self._runner: web.ServerRunner | None = None
        self._closing = asyncio.Event()
        self._url = ""

    @property
    def url(self) -> str:
        """Base URL, once the server listens."""
        return self._url

    async def start(self) -> None:
        """Begins to listen.

        Raises:
            OSError: The address cannot be used.
        """
        loop = asyncio.get_running_loop()
        if self.sandbox.config.epoch is None:
            self.sandbox.epoch = time.time() - loop.time()
        self._closing.clear()
        server = web.Server(
            self._serve,
            request_factory=_make_request,
            handler_cancellation=True,
            access_log=None,
            keepalive_timeout=75.0,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_S)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError:
            await self.aclose()
            raise
        host, port = self._runner.addresses[0][:2]
        self._url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def aclose(self) -> None:
        """Stops listening and breaks off what is under way."""
        self._closing.set()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == STATISTICS_PATH:
            report = ServerReport(self.sandbox.regrets(), self.sandbox.statistics())
            body = msgspec.json.encode(report)
            return web.Response(body=body, content_type="application/json")
        body = await request.read()
        loop = asyncio.get_running_loop()
        reply = self.sandbox.handle(
            SandboxRequest(request.method, request.path, request.headers, body), loop.time()
        )
        sent = False
        try:
            if reply.delay > 0:
                await self._pause(reply.delay)
            if reply.cut is None:
                response = web.Response(status=reply.status, headers=reply.headers, body=reply.body)
                sent = True
                return response
            return await self._break(request, reply)
        finally:
            if not sent:
                self.sandbox.undelivered(reply)

    async def _pause(self, seconds: float | None) -> None:
        """Waits, but not past the closing of the server."""
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return

    async def _break(self, request: web.BaseRequest, reply: SandboxReply) -> web.StreamResponse:
        """Enacts a cut. What is returned never gets out: the connection is gone by then."""
        response = web.StreamResponse(status=reply.status or 200, headers=reply.headers)
        transport = request.transport
        if reply.cut in {"mid_body", "stall_body"}:
            response.content_length = max(len(reply.body), 2)
            await response.prepare(request)
            await response.write(reply.body[: len(reply.body) // 2])
        if reply.cut in {"stall", "stall_body"}:
            await self._pause(None)
        if transport is not None:
            if reply.cut == "reset":
                # Without lingering a close becomes a reset.
                connection = transport.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                transport.abort()
            else:
                transport.close()
        # The loss of the connection cancels this handler.
        await self._pause(None)
        return response


def _make_request(
    message: Any, payload: Any, protocol: Any, writer: Any, task: Any
) -> web.BaseRequest:
    # Large batches are larger than the megabyte that is allowed by default.
    loop = asyncio.get_running_loop()
    return web.BaseRequest(
        message, payload, protocol, writer, task, loop, client_max_size=_MAX_BODY
    )
