from __future__ import annotations

import asyncio
import gzip
import inspect
import logging
import shutil
import socket
import ssl
import subprocess
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.client_exceptions import UnixClientConnectorError
from aiohttp.client_reqrep import ConnectionKey, RequestInfo
from aiohttp.http import HttpProcessingError
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from pubrio_async._config import load_settings
from pubrio_async._errors import (
    ConfigurationError,
    NotSentError,
    PubrioError,
    ResponseLostError,
    TransportError,
)
from pubrio_async._phase import Phase
from pubrio_async._transport import AiohttpTransport, Transport
from pubrio_async._transport.connector import current_phase
from pubrio_async._transport.proxy import proxy_for
from pubrio_async._version import __version__
from pubrio_async._wire import WireReply, WireRequest
from tests.unit.broken_server import BrokenServer, Call, Script, http_reply

KEY = "pk_live_0123456789abcdef"
PAID = WireRequest("POST", "/redeem/people/batch", b'{"peoples":["p1"]}', True)
FREE = WireRequest("POST", "/profile", b"{}", False)
GET = WireRequest("GET", "/user", None, False)

Make = Callable[..., AiohttpTransport]


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    made: list[AiohttpTransport] = []

    def build(url: str, **arguments: Any) -> AiohttpTransport:
        settings = load_settings(KEY, url, environ={})
        made.append(AiohttpTransport(settings, **arguments))
        return made[-1]

    yield build
    for transport in made:
        await transport.aclose()


async def fails(
    transport: Transport, request: WireRequest = PAID, timeout: float = 20.0
) -> tuple[TransportError, Phase]:
    """Sends a request that must fail; checks what every failure has in common."""
    phase = Phase()
    with pytest.raises(TransportError) as caught:
        await transport.send(request, timeout=timeout, phase=phase)
    error = caught.value
    seen: BaseException | None = error
    while seen is not None:
        assert KEY not in repr(seen)
        assert KEY not in str(seen)
        seen = seen.__cause__ or seen.__context__
    assert request.path in str(error)
    assert request.method in str(error)
    if phase.sent == 0:
        assert type(error) is NotSentError
        assert not error.may_have_charged
        assert "safe to send it again" in str(error)
    else:
        assert type(error) is ResponseLostError
        assert error.may_have_charged is request.paid
        assert ("Credits may have been charged" in str(error)) is request.paid
    return error, phase


def lost_status(error: TransportError) -> int | None:
    assert isinstance(error, ResponseLostError)
    return error.status


def answering(*replies: bytes) -> Script:
    """A script that answers every request on a connection; the last reply is repeated."""

    async def script(call: Call) -> None:
        for turn in range(1_000):
            await call.request()
            await call.say(replies[min(turn, len(replies) - 1)])

    return script


def after_request(data: bytes = b"", end: str = "close") -> Script:
    """A script that reads a request, says some bytes, and ends the connection in some way."""

    async def script(call: Call) -> None:
        await call.request()
        if data:
            await call.say(data)
        if end == "reset":
            call.reset()
        elif end == "hang":
            await call.forever()

    return script


# ------------------------------------------------------------------------------------ success


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


# ----------------------------------------------------------------- what surely was not sent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("request_", [PAID, FREE, GET])
async def test_refused(make: Make, request_: WireRequest) -> None:
    error, phase = await fails(make(f"http://127.0.0.1:{_free_port()}"), request_)
    assert phase.sent == 0
    assert "the connection failed" in str(error)
    assert isinstance(error.__cause__, aiohttp.ClientConnectorError)


async def test_no_such_host(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fail)
    error, phase = await fails(make("https://api.example.test"))
    assert phase.sent == 0
    assert "could not be resolved (Name or service not known)" in str(error)
    assert "api.example.test" in str(error)


@pytest.mark.virtual_time
@pytest.mark.parametrize("timeout", [3.0, 60.0])
async def test_connecting_too_long(
    make: Make, monkeypatch: pytest.MonkeyPatch, timeout: float
) -> None:
    async def never(*args: object, **kwargs: object) -> None:
        await asyncio.Event().wait()

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "getaddrinfo", never)
    begun = loop.time()
    error, phase = await fails(make("https://api.example.test"), timeout=timeout)
    assert phase.sent == 0
    assert f"no connection could be made within {min(timeout, 10):g} s" in str(error)
    # aiohttp rounds timers above 5 s up to whole seconds.
    assert min(timeout, 10) <= loop.time() - begun <= min(timeout, 10) + 1


async def test_a_server_that_does_not_speak_tls(make: Make) -> None:
    async def script(call: Call) -> None:
        await call.say(b"220 mail.example ESMTP\r\n")
        await call.forever()

    async with BrokenServer(script) as server:
        error, phase = await fails(make(server.url.replace("http:", "https:")))
    assert phase.sent == 0
    assert "TLS handshake failed" in str(error)


async def test_a_server_that_hangs_up_in_the_tls_handshake(make: Make) -> None:
    async def script(call: Call) -> None:
        await call.reader.read(1)

    async with BrokenServer(script) as server:
        _, phase = await fails(make(server.url.replace("http:", "https:")))
    assert phase.sent == 0


async def test_a_proxy_that_refuses(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    async with BrokenServer(after_request(http_reply(b"", "407 Who?"))) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:hunter2@127.0.0.1:{proxy.port}")
        error, phase = await fails(make("https://api.example.test"))
    assert phase.sent == 0
    assert "the proxy refused the connection (status 407)" in str(error)
    assert "hunter2" not in str(error)
    assert proxy.requests[0].startswith(b"CONNECT api.example.test:443 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic" in proxy.requests[0]
    assert KEY.encode() not in proxy.requests[0]


async def test_a_proxy_that_is_away(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{_free_port()}")
    error, phase = await fails(make("https://api.example.test"))
    assert phase.sent == 0
    assert "the proxy could not be reached" in str(error)


async def test_a_proxy_that_hangs_up(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    # The same exception as for a lost reply, yet the request itself never left.
    async with BrokenServer(after_request()) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        error, phase = await fails(make("https://api.example.test"))
    assert phase.sent == 0
    assert isinstance(error.__cause__, aiohttp.ServerDisconnectedError)


# ------------------------------------------------------------------- what has an unknown fate


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


# ------------------------------------------------------------------------- stale connections


async def test_a_paid_request_never_rides_on_a_used_connection(make: Make) -> None:
    """The server drops each connection as soon as it has answered, without saying so."""
    async with BrokenServer(after_request(http_reply())) as server:
        transport = make(server.url)
        for _ in range(10):
            phase = Phase()
            await transport.send(PAID, timeout=5.0, phase=phase)
            assert phase.sent == 1
    assert server.connections == 10
    assert all(b"Connection: close\r\n" in request for request in server.requests)


async def test_paid_and_free_requests_share_no_connection(make: Make) -> None:
    async with BrokenServer(answering(http_reply())) as server:
        transport = make(server.url)
        for request in (FREE, PAID, FREE, PAID, FREE):
            await transport.send(request, timeout=5.0, phase=Phase())
    assert server.connections == 3  # one shared by the free, one for each that is paid


async def test_a_silent_second_sending_is_counted(make: Make) -> None:
    """aiohttp sends a GET again by itself if a kept-alive connection turns out dead."""

    async def script(call: Call) -> None:
        await call.request()
        await call.say(http_reply())
        if call.number == 0:
            await call.request()  # and hang up without a word
        else:
            await call.forever()

    async with BrokenServer(script) as server:
        transport = make(server.url)
        first, second = Phase(), Phase()
        await transport.send(GET, timeout=5.0, phase=first)
        await transport.send(GET, timeout=5.0, phase=second)
    assert (first.sent, second.sent) == (1, 2)
    assert len(server.requests) == 3


async def test_a_second_sending_that_fails_to_connect_does_not_hide_the_first(make: Make) -> None:
    async def script(call: Call) -> None:
        await call.request()
        await call.say(http_reply())
        await call.request()
        call.server.stop_listening()

    async with BrokenServer(script) as server:
        transport = make(server.url)
        await transport.send(GET, timeout=5.0, phase=Phase())
        error, phase = await fails(transport, GET)
    assert phase.sent == 1
    assert isinstance(error.__cause__, aiohttp.ClientConnectorError)


# ------------------------------------------------------------------------------- cancellation


async def test_cancelled_before_it_was_sent(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = asyncio.Event()

    async def never(*args: object, **kwargs: object) -> None:
        waiting.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never)
    phase = Phase()
    transport = make("https://api.example.test")
    task = asyncio.create_task(transport.send(PAID, timeout=5.0, phase=phase))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert phase.sent == 0


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
@pytest.mark.parametrize("request_", [PAID, FREE])
async def test_cancelled_after_it_was_sent(make: Make, said: bytes, request_: WireRequest) -> None:
    gone = asyncio.Event()

    async def script(call: Call) -> None:
        await after_request(said, end="hang")(call)
        gone.set()

    async with BrokenServer(script) as server:
        phase = Phase()
        transport = make(server.url)
        task = asyncio.create_task(transport.send(request_, timeout=5.0, phase=phase))
        await server.arrived.wait()
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert phase.sent == 1
        await gone.wait()  # the connection was given up, not put back


async def test_no_more_than_so_many_connections_are_opened_at_once(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = most = 0
    original = aiohttp.TCPConnector._create_connection

    async def slow(self: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal opening, most
        opening += 1
        most = max(most, opening)
        await asyncio.sleep(0)
        try:
            return await original(self, *args, **kwargs)
        finally:
            opening -= 1

    monkeypatch.setattr(aiohttp.TCPConnector, "_create_connection", slow)
    async with BrokenServer(answering(http_reply())) as server:
        transport = make(server.url)
        sends = (transport.send(PAID, timeout=20.0, phase=Phase()) for _ in range(60))
        replies = await asyncio.gather(*sends)
    assert len(replies) == 60
    assert 2 <= most <= 20


# ------------------------------------------------------------------------------------ closing


async def test_a_closed_transport_says_so(make: Make) -> None:
    transport = make("http://127.0.0.1:1")
    await transport.aclose()
    await transport.aclose()
    with pytest.raises(ConfigurationError, match="The client is closed"):
        await transport.send(PAID, timeout=5.0, phase=Phase())


@pytest.mark.parametrize("request_", [PAID, FREE, GET])
async def test_closing_ends_requests_under_way(make: Make, request_: WireRequest) -> None:
    async with BrokenServer(after_request(end="hang")) as server:
        transport = make(server.url)
        task = asyncio.create_task(fails(transport, request_))
        await server.arrived.wait()
        await transport.aclose()
        error, phase = await task
    assert phase.sent == 1
    assert "the client was closed meanwhile" in str(error)
    assert server.connections == 1


async def test_closing_while_a_name_is_looked_up(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiohttp cancels the look-up; that must not pass for a cancellation of the task."""
    waiting = asyncio.Event()

    async def never(*args: object, **kwargs: object) -> None:
        waiting.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never)
    transport = make("https://api.example.test")
    task = asyncio.create_task(fails(transport))
    await waiting.wait()
    await transport.aclose()
    error, phase = await task
    assert phase.sent == 0
    assert "the client was closed meanwhile" in str(error)


async def test_cancelling_and_closing_at_once_is_a_cancellation(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = asyncio.Event()

    async def never(*args: object, **kwargs: object) -> None:
        waiting.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never)
    transport = make("https://api.example.test")
    task = asyncio.create_task(transport.send(PAID, timeout=5.0, phase=Phase()))
    await waiting.wait()
    task.cancel()
    await transport.aclose()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_closing_leaves_no_connection_behind(make: Make) -> None:
    gone = asyncio.Semaphore(0)

    async def script(call: Call) -> None:
        await call.request()
        await call.say(http_reply())
        await call.forever()
        gone.release()

    async with BrokenServer(script) as server:
        transport = make(server.url)
        for request in (FREE, PAID, PAID):
            await transport.send(request, timeout=5.0, phase=Phase())
        await transport.aclose()
        assert all(not connector._alive for connector in transport._connectors)
        for _ in range(3):
            await gone.acquire()
    assert server.connections == 3


# -------------------------------------------------------------------------- TLS, for real


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command makes the certificate")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(path), "-out", str(path.with_suffix(".crt"))),
        ],
        check=True,
        capture_output=True,
    )
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


def _server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def test_a_certificate_that_is_not_trusted(make: Make, certificate: Path) -> None:
    async with BrokenServer(answering(http_reply()), _server_context(certificate)) as server:
        error, phase = await fails(make(server.url))
    assert phase.sent == 0
    assert "the TLS certificate was not accepted" in str(error)
    assert server.requests == []


async def test_requests_over_tls_leave_nothing_open(
    make: Make, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusting = ssl.create_default_context(cafile=certificate)
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", trusting)
    async with BrokenServer(answering(http_reply()), _server_context(certificate)) as server:
        transport = make(server.url)
        for request in (FREE, PAID, FREE, PAID):
            reply = await transport.send(request, timeout=5.0, phase=Phase())
            assert reply.status == 200
        await transport.aclose()
        assert all(not connector._alive for connector in transport._connectors)
    assert server.connections == 3


# ------------------------------------------------------------------------------------ proxies


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        ({"https_proxy": "proxy:3128"}, "http://proxy:3128"),
        ({"HTTPS_PROXY": "https://proxy"}, "https://proxy"),
        ({"HTTP_PROXY": "http://proxy"}, None),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "other,api.example.test"}, None),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "*"}, None),
    ],
)
def test_the_proxy_is_what_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], proxy: str | None
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert proxy_for("https://api.example.test/v1") == proxy


def test_there_is_no_proxy_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    for url in ("http://127.0.0.1:1", "http://localhost", "https://[::1]"):
        assert proxy_for(url) is None


@pytest.mark.parametrize(
    "proxy",
    [
        "socks5://me:hunter2@proxy",
        "http://",
        "http://me:hunter2@",
        "http://me:hunter2@proxy:port",
        "http://me:hunter2@a..b",
        "me:hunter2@pro xy",
    ],
)
def test_a_proxy_that_cannot_be_used_is_refused(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY") as caught:
        AiohttpTransport(load_settings(KEY, environ={}))
    assert "hunter2" not in str(caught.value)


# ------------------------------------------------------------------------- a session given


async def test_a_given_session_is_used_and_never_closed(make: Make) -> None:
    async with (
        BrokenServer(answering(http_reply(b"1"))) as server,
        aiohttp.ClientSession(raise_for_status=True, headers={"X-Mine": "yes"}) as session,
    ):
        transport = make(server.url, session=session)
        phase = Phase()
        reply = await transport.send(PAID, timeout=5.0, phase=phase)
        assert (reply.body, phase.sent) == (b"1", 1)
        await transport.aclose()
        assert not session.closed
        with pytest.raises(ConfigurationError, match="client is closed"):
            await transport.send(PAID, timeout=5.0, phase=Phase())
    assert b"X-Mine: yes" in server.requests[0]


async def test_a_given_session_does_not_turn_statuses_into_exceptions(make: Make) -> None:
    async with (
        BrokenServer(answering(http_reply(b"no", "500 No"))) as server,
        aiohttp.ClientSession(raise_for_status=True) as session,
    ):
        reply = await make(server.url, session=session).send(PAID, timeout=5.0, phase=Phase())
    assert reply.body == b"no"


async def test_a_given_session_that_is_closed(make: Make) -> None:
    async with aiohttp.ClientSession() as session:
        pass
    with pytest.raises(ConfigurationError, match="session given to the client is closed"):
        await make("http://127.0.0.1:1", session=session).send(PAID, timeout=5.0, phase=Phase())


async def test_middlewares_of_a_given_session_cannot_send_twice(make: Make) -> None:
    async def twice(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        await handler(request)
        return await handler(request)

    async with (
        BrokenServer(answering(http_reply())) as server,
        aiohttp.ClientSession(middlewares=(twice,)) as session,
    ):
        await make(server.url, session=session).send(PAID, timeout=5.0, phase=Phase())
    assert len(server.requests) == 1


async def test_with_a_given_session_a_refused_connection_was_not_sent(make: Make) -> None:
    async with aiohttp.ClientSession() as session:
        _, phase = await fails(make(f"http://127.0.0.1:{_free_port()}", session=session))
    assert phase.sent == 0


async def test_with_a_given_session_what_is_not_known_counts_as_sent(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with BrokenServer(after_request()) as server, aiohttp.ClientSession() as session:
        transport = make(server.url, session=session)
        _, phase = await fails(transport)
        assert phase.sent == 1

        async def fail(*args: object, **kwargs: object) -> None:
            raise TimeoutError  # the overall limit: aiohttp does not say how far it got

        monkeypatch.setattr(aiohttp.ClientSession, "_request", fail)
        _, phase = await fails(transport)
        assert phase.sent == 1


# -------------------------------------------------------------- every exception of aiohttp


def _subclasses(kind: type[BaseException]) -> set[type[BaseException]]:
    found = {kind}
    for child in kind.__subclasses__():
        if child.__module__.startswith("aiohttp."):
            found |= _subclasses(child)
    return found


def _exception(kind: type[BaseException]) -> BaseException:
    """An instance of an exception of aiohttp, with the key wherever it can hide."""
    url = URL(f"https://api.example.test/{KEY}")
    headers = CIMultiDictProxy(CIMultiDict({"pubrio-api-key": KEY}))
    connection = ConnectionKey("api.example.test", 443, True, True, None, None, None)
    if issubclass(kind, aiohttp.ClientResponseError):
        info = RequestInfo(url, "POST", headers, url)
        return kind(info, (), status=400, message=KEY, headers=headers)
    if issubclass(kind, UnixClientConnectorError):
        return kind("/run/x", connection, OSError(1, "no"))
    if issubclass(kind, aiohttp.ClientConnectorCertificateError):
        return kind(connection, ssl.SSLCertVerificationError(1, f"bad {KEY}"))
    if issubclass(kind, aiohttp.ClientConnectorError):
        return kind(connection, OSError(111, f"refused {KEY}"))
    if issubclass(kind, aiohttp.ServerFingerprintMismatch):
        return kind(b"a", b"b", "api.example.test", 443)
    if issubclass(kind, HttpProcessingError):
        arguments = [KEY] * len(
            [
                parameter
                for parameter in inspect.signature(kind.__init__).parameters.values()
                if parameter.default is parameter.empty
                and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
                and parameter.name != "self"
            ]
        )
        return kind(*arguments)
    return kind(f"oh {KEY}")


EVERY = sorted(
    _subclasses(aiohttp.ClientError)
    | _subclasses(HttpProcessingError)
    | {TimeoutError, OSError, ConnectionResetError, ssl.SSLError, EOFError, BrokenPipeError},
    key=lambda kind: kind.__qualname__,
)


def test_the_walk_over_aiohttps_exceptions_finds_them() -> None:
    public = {
        value
        for value in vars(aiohttp).values()
        if isinstance(value, type)
        and issubclass(value, Exception)
        and not issubclass(value, Warning | asyncio.CancelledError)
    }
    known = set(EVERY)
    # Of the public ones, all but what only web sockets, payloads and servers raise.
    others = {kind.__name__ for kind in public - known}
    assert others <= {
        "WSMessageTypeError",
        "WebSocketError",
        "EofStream",
        "TooManyMembersError",
        "PayloadAccessError",
        "RequestPayloadError",
    }


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("sent", [0, 1])
async def test_every_exception_of_aiohttp_is_mapped(
    make: Make, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException], sent: int
) -> None:
    """By how far the request got, and by nothing else."""

    async def fail(self: Any, *args: Any, **kwargs: Any) -> Any:
        current_phase.get().sent += sent
        raise _exception(kind)

    monkeypatch.setattr(aiohttp.ClientSession, "_request", fail)
    for request in (PAID, FREE):
        error, phase = await fails(make("https://api.example.test"), request)
        assert phase.sent == sent
        assert "\n" not in str(error)
        assert "{}" not in str(error)


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("at_once", [True, False])
async def test_every_exception_of_aiohttp_is_mapped_while_the_reply_is_read(
    make: Make, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException], at_once: bool
) -> None:
    def fail_at_once(self: Any) -> bytes:
        raise _exception(kind)

    async def fail(self: Any) -> bytes:
        raise _exception(kind)

    monkeypatch.setattr(aiohttp.StreamReader, "is_eof", lambda self: at_once)
    monkeypatch.setattr(aiohttp.StreamReader, "read_nowait", fail_at_once)
    monkeypatch.setattr(aiohttp.ClientResponse, "read", fail)
    async with BrokenServer(answering(http_reply())) as server:
        error, phase = await fails(make(server.url))
    assert phase.sent == 1
    assert lost_status(error) == 200


async def test_bugs_are_not_taken_for_failures_of_the_network(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("a bug")

    monkeypatch.setattr(aiohttp.ClientSession, "_request", fail)
    with pytest.raises(TypeError, match="a bug"):
        await make("https://api.example.test").send(PAID, timeout=5.0, phase=Phase())


async def test_nothing_of_it_is_logged(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with BrokenServer(answering(http_reply(b"me@example.com", "401 No"))) as server:
        await make(server.url).send(PAID, timeout=5.0, phase=Phase())
    await fails(make(f"http://127.0.0.1:{_free_port()}"))
    assert KEY not in caplog.text
    assert "me@example.com" not in caplog.text


def test_errors_of_the_transport_are_ours() -> None:
    assert issubclass(NotSentError, PubrioError)
    assert issubclass(ResponseLostError, PubrioError)
