"""The clients that `http` compares; each runs in a process of its own, see `harness.Peer`."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import cast
from urllib.parse import urlsplit

import aiohttp
import msgspec

from pubrio_async import AsyncPubrio
from pubrio_async.models.redeem import RedeemQueryReply

_ID = "e37ccf38-ea8f-422e-9874-cb23b15e8fe4"
_PATH = "/redeem/people/batch/query"
_HEADERS = {"pubrio-api-key": "benchmark", "Content-Type": "application/json"}

Request = Callable[[], Awaitable[object]]
Close = Callable[[], Awaitable[object]]


class _Envelope(msgspec.Struct):
    data: RedeemQueryReply


_typed = msgspec.json.Decoder(_Envelope).decode
_encode = msgspec.json.Encoder().encode


class _Raw(asyncio.Protocol):
    """The floor: one request at a time, and no question asked about the reply's headers."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._missing = 0
        self.reply: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        if not self._missing:
            head, _, rest = data.partition(b"\r\n\r\n")
            start = head.lower().index(b"content-length:") + 15
            self._missing = int(head[start:].partition(b"\r\n")[0])
            data = rest
        self._parts.append(data)
        self._missing -= len(data)
        if self._missing <= 0:
            body = b"".join(self._parts)
            self._parts.clear()
            self._missing = 0
            if self.reply is not None:
                self.reply.set_result(body)


async def _raw(url: str, concurrency: int) -> tuple[Request, Close]:
    loop = asyncio.get_running_loop()
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    free: deque[_Raw] = deque()
    for _ in range(concurrency):
        free.append((await loop.create_connection(_Raw, host, port))[1])
    everyone = list(free)
    head = (
        f"POST {_PATH} HTTP/1.1\r\nHost: {parts.netloc}\r\npubrio-api-key: benchmark\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    )

    async def request() -> object:
        body = _encode({"redeem_query_id": _ID})
        wire = free.popleft()
        wire.reply = loop.create_future()
        wire.transport.write(f"{head}{len(body)}\r\n\r\n".encode() + body)
        reply = await wire.reply
        free.append(wire)
        return _typed(reply).data

    async def close() -> None:
        for wire in everyone:
            wire.transport.close()

    return request, close


async def _tuned(url: str, _concurrency: int) -> tuple[Request, Close]:
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=30),
    )

    async def request() -> object:
        body = _encode({"redeem_query_id": _ID})
        response = await session.post(url + _PATH, data=body, headers=_HEADERS)
        return _typed(await response.read()).data

    return request, session.close


async def _naive(url: str, _concurrency: int) -> tuple[Request, Close]:
    session = aiohttp.ClientSession(headers={"pubrio-api-key": "benchmark"})

    async def request() -> object:
        async with session.post(url + _PATH, json={"redeem_query_id": _ID}) as response:
            response.raise_for_status()
            return (await response.json())["data"]

    return request, session.close


async def _httpx(url: str, concurrency: int) -> tuple[Request, Close]:
    import httpx  # noqa: PLC0415 - an extra

    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    client = httpx.AsyncClient(headers={"pubrio-api-key": "benchmark"}, limits=limits, timeout=30)

    async def request() -> object:
        response = await client.post(url + _PATH, json={"redeem_query_id": _ID})
        response.raise_for_status()
        return response.json()["data"]

    return request, client.aclose


async def _ours(url: str, concurrency: int) -> tuple[Request, Close]:
    client = AsyncPubrio("benchmark", url, "unlimited", max_concurrency=concurrency)
    await client.__aenter__()

    async def request() -> object:
        return await client.redeem.query(redeem_query_id=_ID)

    async def close() -> None:
        await client.__aexit__(None, None, None)

    return request, close


_KINDS = {"ours": _ours, "tuned": _tuned, "naive": _naive, "httpx": _httpx, "raw": _raw}
_runner: asyncio.Runner | None = None
_open: dict[tuple[str, str, int], tuple[Request, Close]] = {}


def measure(kind: str, url: str, concurrency: int, requests: int) -> float:
    """CPU µs of this process for each of so many requests."""
    global _runner  # noqa: PLW0603 - lives as long as the process
    if _runner is None:
        _runner = asyncio.Runner()
    return _runner.run(_measure(kind, url, concurrency, requests))


async def _measure(kind: str, url: str, concurrency: int, requests: int) -> float:
    key = (kind, url, concurrency)
    if key not in _open:
        for _, close in _open.values():
            await close()
        _open.clear()
        _open[key] = await _KINDS[kind](url, concurrency)
        await _drive(_open[key][0], concurrency, 2 * concurrency)  # connections, caches
    started = time.process_time()
    await _drive(_open[key][0], concurrency, requests)
    return 1e6 * (time.process_time() - started) / requests


async def _drive(request: Request, concurrency: int, requests: int) -> None:
    left = iter(range(requests))

    async def worker() -> None:
        for _ in left:
            await request()

    await asyncio.gather(*(worker() for _ in range(concurrency)))


# -- a finished batch -------------------------------------------------------------------------


def batches(kind: str, url: str, rows: list[str], size: int) -> float:
    """CPU µs of this process for each batch, from its people to its contacts."""
    work = _run if kind == "ours" else _loop
    started = time.process_time()
    found = asyncio.run(work(url, rows, size))
    spent = time.process_time() - started
    assert found == len(rows), found
    return 1e6 * spent * size / len(rows)


async def _run(url: str, rows: list[str], size: int) -> int:
    count = 0
    async with (
        AsyncPubrio("benchmark", url, "unlimited") as pubrio,
        pubrio.redeem.many(
            rows,
            people_contact_types=["email-work", "phone"],
            batch_size=size,
            max_open_jobs=32,
        ) as run,
    ):
        async for outcome in run:
            count += outcome.status in {"found", "empty"}
    return count


async def _loop(url: str, rows: list[str], size: int) -> int:
    """What a user writes: submit, sleep for the estimate, ask until it is there."""
    count = 0
    chunks = iter([rows[at : at + size] for at in range(0, len(rows), size)])
    headers = {"pubrio-api-key": "benchmark"}
    async with aiohttp.ClientSession(headers=headers) as session:

        async def ask(path: str, body: object) -> dict[str, object]:
            async with session.post(url + path, json=body) as response:
                response.raise_for_status()
                found: dict[str, object] = json.loads(await response.read())["data"]
                return found

        async def worker() -> None:
            nonlocal count
            for chunk in chunks:
                fields = {"peoples": chunk, "people_contact_types": ["email-work", "phone"]}
                job = await ask("/redeem/people/batch", fields)
                await asyncio.sleep(float(str(job["estimated_time"])))
                while True:
                    reply = await ask(_PATH, {"redeem_query_id": job["redeem_query_id"]})
                    if reply["query"]["is_completed"]:  # type: ignore[index]
                        break
                    await asyncio.sleep(0.05)
                for person in reply["peoples"]:  # type: ignore[attr-defined]
                    count += len(person["emails"]) + len(person["phones"]) >= 0

        await asyncio.gather(*(worker() for _ in range(32)))
    return count
