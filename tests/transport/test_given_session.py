"""A session of the caller's is used as it is, never closed, and sends nothing twice."""

from __future__ import annotations

import aiohttp
import pytest

from pubrio_async._errors import ConfigurationError
from pubrio_async._phase import Phase
from tests.transport.broken_server import BrokenServer, http_reply
from tests.transport.sending import PAID, Make, after_request, answering, fails, free_port


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
        _, phase = await fails(make(f"http://127.0.0.1:{free_port()}", session=session))
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
