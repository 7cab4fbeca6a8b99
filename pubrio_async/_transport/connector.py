"""How connections are made, counted and ended.

The connector counts the moment a connection is handed to a request, which is the last moment
before bytes may leave.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from contextvars import ContextVar
from typing import Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from pubrio_async._phase import Phase

CONNECT_SECONDS: Final = 10.0
# All of a request together is bounded elsewhere.
TIMEOUT: Final = aiohttp.ClientTimeout(
    total=None, connect=CONNECT_SECONDS, sock_connect=CONNECT_SECONDS
)
# A storm of TLS handshakes stalls the loop: this many connections are opened at once.
_CONNECTS_AT_ONCE: Final = 20
_KEEPALIVE_SECONDS: Final = 15.0
_DNS_SECONDS: Final = 60
# How long closing waits for connections that were aborted to say so.
_CLOSE_SECONDS: Final = 2.0

# The phase of the request a task is sending.
current_phase: ContextVar[Phase] = ContextVar("pubrio_async_phase")


class CountingConnector(aiohttp.TCPConnector):
    """Counts a request as sent when a connection is handed to it, and closes without remains."""

    def __init__(self, *, reuse: bool) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType] - a bare tuple of aiohttp's
            limit=0,  # admission is decided before a request comes here
            ttl_dns_cache=_DNS_SECONDS,
            force_close=not reuse,
            keepalive_timeout=_KEEPALIVE_SECONDS if reuse else None,
        )
        self._gate = asyncio.Semaphore(_CONNECTS_AT_ONCE)
        self._alive: dict[asyncio.Future[None], asyncio.Transport] = {}

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,
    ) -> Connection:
        if self.closed:
            # aiohttp would open a connection first and look afterwards.
            msg = "The connector is closed"
            raise aiohttp.ClientConnectionError(msg)
        connection = await super().connect(req, traces, timeout)
        # Nothing is awaited between here and the first byte, so no cancellation comes between.
        current_phase.get().sent += 1
        return connection

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,
    ) -> ResponseHandler:
        async with self._gate:
            handler = await super()._create_connection(req, traces, timeout)
        # aiohttp forgets a connection it has let go of, though its socket may linger.
        lost, transport = handler.closed, handler.transport
        if lost is not None and transport is not None:
            self._alive[lost] = transport
            lost.add_done_callback(self._forget)
        return handler

    def _forget(self, lost: asyncio.Future[None]) -> None:
        self._alive.pop(lost, None)
        if not lost.cancelled():
            lost.exception()  # or asyncio would report it as never looked at

    async def forget(self) -> None:
        """Lets go of every connection, where the event loop is closed in which they could end."""
        self._alive.clear()
        with suppress(RuntimeError):  # what is under way in there cannot be cancelled
            await self.close()

    async def close_now(self) -> None:
        """Aborts every connection and waits until all are gone."""
        alive = dict(self._alive)
        for transport in alive.values():
            transport.abort()
        await self.close()
        if alive:
            await asyncio.wait(alive, timeout=_CLOSE_SECONDS)
