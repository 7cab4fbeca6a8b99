"""A proxy between the client and the stand-in that breaks connections on the wire."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Literal, NamedTuple, Self
from urllib.parse import urlsplit

Mode = Literal[
    "pass",
    "reset",
    "half_open",
    "reset_after",
    "stall",
    "truncate",
    "delay",
    "drip",
    "slow_loris",
]

NOT_FORWARDED: frozenset[Mode] = frozenset({"reset", "half_open"})
FORWARDED: frozenset[Mode] = frozenset({"reset_after", "stall", "truncate", "slow_loris"})
LOST = NOT_FORWARDED | FORWARDED
HARMLESS: frozenset[Mode] = frozenset({"delay", "drip"})

# Far above what a reply of the stand-in takes on a loopback, far below any timeout.
_DELAY_S = 0.05


class Raw(NamedTuple):
    """Bytes that are sent in the place of the reply; the request is carried out all the same."""

    data: bytes


class Hold(NamedTuple):
    """The whole reply, but not before the second event; the first tells that it is being held."""

    held: asyncio.Event
    released: asyncio.Event


Fate = Mode | Raw | Hold
Plan = Callable[[str, int], Fate]
"""Path and number of the request on this path, from 0, to what happens to it."""


def always_pass(path: str, number: int) -> Fate:
    return "pass"


def at(path: str, numbers: set[int], fate: Fate) -> Plan:
    """A plan that strikes some requests to one path."""
    return lambda asked, number: fate if asked == path and number in numbers else "pass"


class FaultProxy:
    """Carries requests to `url`, or does to them what the plan says.

    | mode | forwarded? | what the client sees |
    |---|---|---|
    | `reset` | no | the request is read, then the connection is reset |
    | `half_open` | no | nothing, ever |
    | `reset_after` | yes | a reset in the place of the reply |
    | `stall` | yes | half of the reply, then nothing |
    | `truncate` | yes | half of the reply, then the end of the connection |
    | `delay` | yes | the whole reply, late |
    | `drip` | yes | the whole reply, byte by byte |
    | `slow_loris` | yes | a byte now and then: never the whole reply in time |

    Attributes:
        plan: What happens to which request.
        seen: Requests by path.
        fates: How often each mode struck.
    """

    def __init__(self, url: str, plan: Plan = always_pass) -> None:
        self.forward_to(url)
        self._tasks: set[asyncio.Task[None]] = set()
        self.plan = plan
        self.seen: Counter[str] = Counter()
        self.fates: Counter[str] = Counter()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def forward_to(self, url: str) -> None:
        split = urlsplit(url)
        self._host, self._upstream_port = split.hostname, split.port

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self._port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, EOFError):
            pass  # the client has gone
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Handles one request; False if the connection has ended with it."""
        request = await _message(reader)
        path = request.split(b" ", 2)[1].decode()
        number = self.seen[path]
        self.seen[path] += 1
        fate = self.plan(path, number)
        self.fates[fate if isinstance(fate, str) else type(fate).__name__.lower()] += 1
        if fate == "half_open":
            await reader.read()  # until the client gives up
            return False
        if fate == "reset":
            _reset(writer)
            return False
        if fate == "delay":
            await asyncio.sleep(_DELAY_S)
        reply = await self._forward(request)
        if isinstance(fate, Hold):
            fate.held.set()
            await fate.released.wait()
        return await self._answer(reply, fate, reader, writer)

    async def _answer(
        self,
        reply: bytes,
        fate: Fate,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        if fate == "reset_after":
            _reset(writer)
            return False
        if fate in {"drip", "slow_loris"}:
            pause = 0.0 if fate == "drip" else _DELAY_S
            for byte in reply:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(pause)
            return True
        middle = (reply.index(b"\r\n\r\n") + len(reply)) // 2 + 2
        whole = fate in {"pass", "delay"} or isinstance(fate, Hold)
        if isinstance(fate, Raw):
            writer.write(fate.data)
        else:
            writer.write(reply if whole else reply[:middle])
        await writer.drain()
        if fate == "stall":
            await reader.read()
        return whole

    async def _forward(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(self._host, self._upstream_port)
        try:
            writer.write(request)
            await writer.drain()
            return await _message(reader)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return head + await reader.readexactly(length)


def _reset(writer: asyncio.StreamWriter) -> None:
    # Without lingering a close becomes a reset.
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
