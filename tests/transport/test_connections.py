"""Connections: none is used twice for what is paid, nor kept open after its end."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pubrio_async._phase import Phase
from tests.transport.broken_server import BrokenServer, Call, http_reply
from tests.transport.sending import FREE, GET, PAID, Make, after_request, answering, fails


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
