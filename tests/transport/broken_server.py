"""A server on a raw socket that does exactly what a test tells it to, however rude."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

Script = Callable[["Call"], Awaitable[None]]


def http_reply(body: bytes = b"{}", status: str = "200 OK", *headers: str) -> bytes:
    """A whole reply with the length of its body."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


class Call:
    """One connection, seen from the server.

    Attributes:
        number: 0 for the first connection, and so on.
        server: Whose connection it is.
        reader: What the client sends.
        writer: What is sent to the client.
    """

    def __init__(
        self,
        number: int,
        server: BrokenServer,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.number = number
        self.server = server
        self.reader = reader
        self.writer = writer

    async def request(self) -> bytes:
        """Reads one request to its end and notes it down."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        whole = head + await self.reader.readexactly(length)
        self.server.requests.append(whole)
        self.server.arrived.set()
        return whole

    async def say(self, data: bytes) -> None:
        """Sends bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def forever(self) -> None:
        """Says nothing more until the test is over or the client has gone."""
        await self.reader.read()

    def reset(self) -> None:
        """Ends the connection with an RST."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class BrokenServer:
    """Runs a script for each connection.

    Args:
        script: What to do with a connection; it is closed when the script ends.
        start_tls: A server-side TLS context, for https.

    Attributes:
        requests: All requests that were read, whole.
        connections: How many connections were accepted.
        arrived: Set when a request has been read.
    """

    def __init__(self, script: Script, start_tls: object = None) -> None:
        self._script = script
        self._tls = start_tls
        self._tasks: set[asyncio.Task[None]] = set()
        self.requests: list[bytes] = []
        self.connections = 0
        self.arrived = asyncio.Event()
        self.port = 0

    def stop_listening(self) -> None:
        """Refuses connections from now on."""
        self._server.close()

    @property
    def url(self) -> str:
        """The base URL of the server."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._accept,
            "127.0.0.1",
            0,
            ssl=self._tls,  # type: ignore[arg-type]
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        call = Call(self.connections, self, reader, writer)
        self.connections += 1
        task = asyncio.get_running_loop().create_task(self._serve(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, call: Call) -> None:
        try:
            await self._script(call)
        except (OSError, EOFError):
            pass  # the client has gone, as some tests want it to
        finally:
            call.writer.close()
            with contextlib.suppress(OSError):
                await call.writer.wait_closed()
