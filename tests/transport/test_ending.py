"""Cancelled or closed, a transport tells what was sent and leaves nothing behind."""

from __future__ import annotations

import asyncio

import pytest

from pubrio_async._errors import ConfigurationError
from pubrio_async._phase import Phase
from pubrio_async._wire import WireRequest
from tests.transport.broken_server import BrokenServer, Call, http_reply
from tests.transport.sending import FREE, GET, PAID, Make, after_request, fails

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
