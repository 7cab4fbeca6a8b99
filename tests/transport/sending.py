"""What the tests of the transport share: requests, what a server does with them, how they fail."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from pubrio_async._errors import NotSentError, ResponseLostError, TransportError
from pubrio_async._phase import Phase
from pubrio_async._transport import AiohttpTransport, Transport
from pubrio_async._wire import WireRequest
from tests.transport.broken_server import Call, Script

KEY = "pk_live_0123456789abcdef"
PAID = WireRequest("POST", "/redeem/people/batch", b'{"peoples":["p1"]}', True)
FREE = WireRequest("POST", "/profile", b"{}", False)
GET = WireRequest("GET", "/user", None, False)

Make = Callable[..., AiohttpTransport]


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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
