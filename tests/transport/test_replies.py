"""A request goes out as it is, once, and its reply is handed back as it came."""

from __future__ import annotations

import gzip
import logging
import zlib

import pytest

from pubrio_async._config import load_settings
from pubrio_async._phase import Phase
from pubrio_async._transport import AiohttpTransport
from pubrio_async._version import __version__
from pubrio_async._wire import WireReply
from tests.transport.broken_server import BrokenServer, http_reply
from tests.transport.sending import (
    FREE,
    GET,
    KEY,
    PAID,
    Make,
    after_request,
    answering,
    fails,
    free_port,
)


async def test_a_request_as_it_goes_out(make: Make) -> None:
    async with BrokenServer(answering(http_reply(b'{"data":1}', "201 Made", "X-A: b"))) as server:
        phase = Phase()
        reply = await make(server.url + "/v2").send(PAID, timeout=5.0, phase=phase)
        await make(server.url).send(GET, timeout=5.0, phase=Phase())
    assert isinstance(reply, WireReply)
    assert (reply.status, reply.body, reply.headers.get("x-A")) == (201, b'{"data":1}', "b")
    assert phase.sent == 1
    head, body = server.requests[0].split(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /v2/redeem/people/batch HTTP/1.1"
    assert f"pubrio-api-key: {KEY}" in lines
    assert f"User-Agent: pubrio-async/{__version__}" in lines
    assert "Content-Type: application/json" in lines
    assert "Accept: application/json" in lines
    assert not any(line.startswith(("Authorization", "Cookie")) for line in lines)
    assert body == PAID.body
    assert head.count(KEY.encode()) == 1
    head, body = server.requests[1].split(b"\r\n\r\n")
    assert head.startswith(b"GET /user HTTP/1.1\r\n")
    assert b"Content-Type" not in head
    assert body == b""


@pytest.mark.parametrize("status", ["301 x", "302 x", "307 x", "308 x"])
async def test_redirects_are_handed_back_and_not_followed(make: Make, status: str) -> None:
    async with BrokenServer(answering(http_reply())) as elsewhere:
        location = f"Location: {elsewhere.url}/steal"
        async with BrokenServer(answering(http_reply(b"", status, location))) as server:
            for request in (PAID, GET):
                reply = await make(server.url).send(request, timeout=5.0, phase=Phase())
                assert reply.status == int(status[:3])
    assert elsewhere.connections == 0


async def test_cookies_are_neither_kept_nor_sent(make: Make) -> None:
    reply = http_reply(b"{}", "200 OK", "Set-Cookie: a=b; Max-Age=99999999999999999999")
    async with BrokenServer(answering(reply)) as server:
        transport = make(server.url)
        for request in (FREE, PAID, FREE, PAID):
            await transport.send(request, timeout=5.0, phase=Phase())
    assert not any(b"ookie" in request for request in server.requests)


async def test_error_statuses_are_replies_like_any_other(make: Make) -> None:
    async with BrokenServer(answering(http_reply(b"busy", "503 Busy", "Retry-After: 7"))) as server:
        reply = await make(server.url).send(PAID, timeout=5.0, phase=Phase())
    assert (reply.status, reply.body, reply.headers.get("retry-after")) == (503, b"busy", "7")


async def test_replies_without_a_body_or_a_length(make: Make) -> None:
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    zipped = gzip.compress(b"x" * 1_000)
    replies = [
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (http_reply(b""), b""),
        (chunked, b"abcde"),
        (http_reply(zipped, "200 OK", "Content-Encoding: gzip"), b"x" * 1_000),
        (
            http_reply(zlib.compress(b"y" * 1_000), "200 OK", "Content-Encoding: deflate"),
            b"y" * 1_000,
        ),
    ]
    async with BrokenServer(answering(*(reply for reply, _ in replies))) as server:
        transport = make(server.url)
        for _, body in replies:
            reply = await transport.send(FREE, timeout=5.0, phase=Phase())
            assert reply.body == body
    assert server.connections == 1  # each was read to its end, so the connection was good again
    async with BrokenServer(after_request(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")) as server:
        reply = await make(server.url).send(FREE, timeout=5.0, phase=Phase())
    assert reply.body == b"until the end"


async def test_the_key_is_struck_out_of_error_bodies_only(make: Make) -> None:
    said = f'{{"message": "bad key {KEY}"}}'.encode()
    async with BrokenServer(answering(http_reply(said, "401 No"), http_reply(said))) as server:
        transport = make(server.url)
        refused = await transport.send(FREE, timeout=5.0, phase=Phase())
        fine = await transport.send(FREE, timeout=5.0, phase=Phase())
    assert refused.body == b'{"message": "bad key [key]"}'
    assert fine.body == said


async def test_a_key_too_short_to_strike_out_leaves_bodies_alone() -> None:
    async with BrokenServer(answering(http_reply(b"a bad day", "401 No"))) as server:
        transport = AiohttpTransport(load_settings("a", server.url, environ={}))
        reply = await transport.send(FREE, timeout=5.0, phase=Phase())
        await transport.aclose()
    assert reply.body == b"a bad day"


def test_nothing_shows_the_key() -> None:
    transport = AiohttpTransport(load_settings(KEY, environ={}))
    assert KEY not in repr(transport)


async def test_nothing_of_it_is_logged(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with BrokenServer(answering(http_reply(b"me@example.com", "401 No"))) as server:
        await make(server.url).send(PAID, timeout=5.0, phase=Phase())
    await fails(make(f"http://127.0.0.1:{free_port()}"))
    assert KEY not in caplog.text
    assert "me@example.com" not in caplog.text
