"""A server that does next to nothing, so that what is measured is the client.

It answers every POST with the same reply, or with a job where a batch is submitted; or, with the
argument `jobs`, with the people that were submitted, a second later. Started as a process of its
own; prints its URLs as the first line.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Generator
from functools import cache, partial
from typing import Any, cast

from benchmarks.decode import reply
from benchmarks.harness import ROOT, people

_JOB = {"redeem_query_id": "e37ccf38-ea8f-422e-9874-cb23b15e8fe4", "is_completed": False}


@contextlib.contextmanager
def bare(*what: str) -> Generator[list[str]]:
    """The server in a process of its own, for as long as the context is open.

    Args:
        what: For each port the size of the reply in people, or `jobs`.

    Yields:
        The URLs.
    """
    command = [sys.executable, "-m", "benchmarks.bare_server", *what]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


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
            body = self._buffer[head + 4 : head + 4 + size]
            self._buffer = self._buffer[head + 4 + size :]
            path = line.split(b" ")[1].rpartition(b"/")[2]
            self._transport.write(self._answer(path, body))

    def _answer(self, path: bytes, body: bytes) -> bytes:
        del body
        return self._replies.get(path, b"")


class Jobs(Bare):
    """Remembers who was submitted, and replies with contacts of theirs."""

    def __init__(self, jobs: dict[str, list[str]]) -> None:
        super().__init__({})
        self._jobs = jobs

    def _answer(self, path: bytes, body: bytes) -> bytes:
        asked = json.loads(body)
        if path == b"batch":
            job = people(1, seed=len(self._jobs) + 1)[0]
            self._jobs[job] = asked["peoples"]
            data = {"redeem_query_id": job, "estimated_time": 1, "estimated_time_type": "second"}
            return _packed(json.dumps({"data": {**data, "is_completed": False}}).encode())
        return _packed(_reply_about(asked["redeem_query_id"], self._jobs))


def _reply_about(job: str, jobs: dict[str, list[str]]) -> bytes:
    keys = jobs[job]
    between = _template(len(keys))
    parts = [part for pair in zip(between, [job, *keys], strict=False) for part in pair]
    return "".join([*parts, between[-1]]).encode()


@cache
def _template(count: int) -> list[str]:
    """A reply about so many people, cut where the id of the job and of each of them stands."""
    rest, between = reply(count).decode(), list[str]()
    for key in (*people(1, seed=5), *people(count, seed=4)):
        before, _, rest = rest.partition(key)
        between.append(before)
    return [*between, rest]


async def serve(what: list[str]) -> None:
    """One port for each size of the reply, in people, or for `jobs`."""
    loop = asyncio.get_running_loop()
    urls: list[str] = []
    for size in what:
        make: Callable[[], Bare]
        if size == "jobs":
            make = partial(Jobs, {})
        else:
            make = partial(Bare, {b"query": _packed(reply(int(size))), b"batch": _packed(_job())})
        server = await loop.create_server(make, "127.0.0.1", 0)
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
        runner.run(serve(sys.argv[1:]))
