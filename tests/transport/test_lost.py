"""A reply that is lost after its request was sent has an unknown fate, and says so."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest

from pubrio_async._phase import Phase
from pubrio_async._wire import WireRequest
from tests.transport.broken_server import BrokenServer, Call, Script, http_reply
from tests.transport.sending import FREE, PAID, Make, after_request, answering, fails, lost_status


@pytest.mark.parametrize(
    ("script", "reason", "status"),
    [
        (after_request(), "the server closed the connection", None),
        (after_request(b"HTTP/1.1 2"), "the server closed the connection", None),
        (after_request(end="reset"), "the connection broke", None),
        (after_request(b"nonsense\r\n\r\n"), "not HTTP that can be read", None),
        (after_request(b"HTTP/1.1 200 OK\r\nBad Header: x\r\n\r\n"), "not HTTP", None),
        (after_request(http_reply(b"12345")[:-1]), "the reply broke off", 200),
        (after_request(http_reply(b"12345")[:-1], end="reset"), "the reply broke off", 200),
        (
            after_request(http_reply(b"not gzip", "200 OK", "Content-Encoding: gzip")),
            "the reply broke off or was malformed",
            200,
        ),
        (
            after_request(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
            "the reply broke off",
            200,
        ),
        (
            after_request(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab"),
            "not HTTP that can be read",
            None,
        ),
        (
            after_request(
                http_reply(gzip.compress(b"x" * 99), "200 OK", "Content-Encoding: gzip")[:-9]
            ),
            "the reply broke off",
            200,
        ),
    ],
)
@pytest.mark.parametrize("request_", [PAID, FREE])
async def test_lost_replies(
    make: Make, script: Script, reason: str, status: int | None, request_: WireRequest
) -> None:
    async with BrokenServer(script) as server:
        error, phase = await fails(make(server.url), request_)
    assert phase.sent == 1
    assert reason in str(error)
    assert lost_status(error) == status
    assert server.connections == 1


async def test_a_server_that_closes_on_accept(make: Make) -> None:
    async def script(call: Call) -> None:
        return

    async with BrokenServer(script) as server:
        _, phase = await fails(make(server.url))
    assert phase.sent == 1
    assert server.connections == 1


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("said", "status"), [(b"", None), (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", 200)]
)
async def test_a_server_that_hangs(make: Make, said: bytes, status: int | None) -> None:
    async with BrokenServer(after_request(said, end="hang")) as server:
        error, phase = await fails(make(server.url), timeout=3.0)
    assert phase.sent == 1
    assert lost_status(error) == status
    assert "no complete reply came within 3 s" in str(error)


async def test_a_reply_announced_too_large_is_not_read(make: Make) -> None:
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 5000000000\r\n\r\nxxx"
    async with BrokenServer(after_request(said, end="hang")) as server:
        error, phase = await fails(make(server.url))
    assert phase.sent == 1
    assert lost_status(error) == 200
    assert "larger than 67,108,864 bytes" in str(error)


async def test_a_reply_that_turns_out_too_large_is_cut_off(make: Make) -> None:
    async def script(call: Call) -> None:
        await call.request()
        await call.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await call.say(b"400\r\n" + b"x" * 1_024 + b"\r\n")

    async with BrokenServer(script) as server:
        error, _ = await fails(make(server.url, max_body=10_000))
        exact = http_reply(b"x" * 10_000)
        async with BrokenServer(answering(exact)) as other:
            reply = await make(other.url, max_body=10_000).send(FREE, timeout=5.0, phase=Phase())
    assert lost_status(error) == 200
    assert "larger than 10,000 bytes" in str(error)
    assert len(reply.body) == 10_000


async def test_a_reply_too_large_that_is_there_at_once_is_not_kept(make: Make) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
    async with BrokenServer(answering(chunked % (101, b"x" * 101))) as server:
        error, _ = await fails(make(server.url, max_body=100))
        assert lost_status(error) == 200
        assert "larger than 100 bytes" in str(error)
    async with BrokenServer(answering(chunked % (100, b"x" * 100))) as server:
        reply = await make(server.url, max_body=100).send(FREE, timeout=5.0, phase=Phase())
    assert reply.body == b"x" * 100


async def test_a_gzip_bomb_does_not_fill_the_memory(make: Make) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(b"\0" * 1_000_000) for _ in range(300)) + packer.flush()
    assert len(bomb) < 400_000  # 300 MB once it is unpacked
    reply = http_reply(bomb, "200 OK", "Content-Encoding: gzip")
    async with BrokenServer(after_request(reply)) as server:
        transport = make(server.url, max_body=4_000_000)
        tracemalloc.start()
        try:
            error, _ = await fails(transport)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert lost_status(error) == 200
    assert "larger than 4,000,000 bytes" in str(error)
    assert peak < 40_000_000
