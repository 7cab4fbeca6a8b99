"""A server that does next to nothing, so that what is measured is the client.

It answers every POST with the same reply, or with a job where a batch is submitted. Started as a
process of its own; prints its URL as the first line.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from typing import Any, cast

from benchmarks.decode import reply

_JOB = {"redeem_query_id": "e37ccf38-ea8f-422e-9874-cb23b15e8fe4", "is_completed": False}


def _packed(body: bytes) -> bytes:
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
        "Date: Wed, 01 Jan 2025 00:00:00 GMT\r\nServer: bare\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Bare(asyncio.Protocol):
    """Reads a request to its end, whatever it says, and replies."""

    def __init__(self, replies: dict[bytes, bytes]) -> None:
        self._replies = replies
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            head = self._buffer.find(b"\r\n\r\n")
            if head < 0:
                return
            line, _, fields = self._buffer[:head].partition(b"\r\n")
            _, _, after = fields.lower().partition(b"content-length:")
            size = int(after.partition(b"\r\n")[0] or 0)
            if len(self._buffer) < head + 4 + size:
                return
            self._buffer = self._buffer[head + 4 + size :]
            path = line.split(b" ")[1]
            self._transport.write(self._replies.get(path.rpartition(b"/")[2], b""))


async def serve(sizes: list[int]) -> None:
    """One port for each size of the reply, in people."""
    loop = asyncio.get_running_loop()
    urls: list[str] = []
    for size in sizes:
        replies = {b"query": _packed(reply(size)), b"batch": _packed(_job())}
        server = await loop.create_server(lambda r=replies: Bare(r), "127.0.0.1", 0)  # type: ignore[misc]
        urls.append(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    print(json.dumps(urls), flush=True)
    await asyncio.Event().wait()


def _job() -> bytes:
    return json.dumps({"data": _JOB}).encode()


if __name__ == "__main__":
    try:
        import uvloop

        factory: Any = uvloop.new_event_loop
    except ImportError:
        factory = None
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve([int(size) for size in sys.argv[1:]]))
