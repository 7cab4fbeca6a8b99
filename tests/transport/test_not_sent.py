"""What surely was not sent: refused, no such host, no TLS, no connection in time."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest

from pubrio_async._wire import WireRequest
from tests.transport.broken_server import BrokenServer, Call
from tests.transport.sending import FREE, GET, PAID, Make, fails, free_port


@pytest.mark.parametrize("request_", [PAID, FREE, GET])
async def test_refused(make: Make, request_: WireRequest) -> None:
    error, phase = await fails(make(f"http://127.0.0.1:{free_port()}"), request_)
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
