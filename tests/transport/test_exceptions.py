"""Every exception of aiohttp is one of ours, by how far the request got."""

from __future__ import annotations

import asyncio
import inspect
import ssl
from typing import Any

import aiohttp
import pytest
from aiohttp.client_exceptions import UnixClientConnectorError
from aiohttp.client_reqrep import ConnectionKey, RequestInfo
from aiohttp.http import HttpProcessingError
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from pubrio_async._errors import NotSentError, PubrioError, ResponseLostError
from pubrio_async._phase import Phase
from pubrio_async._transport.connector import current_phase
from tests.transport.broken_server import BrokenServer, http_reply
from tests.transport.sending import FREE, KEY, PAID, Make, answering, fails, lost_status


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


def test_errors_of_the_transport_are_ours() -> None:
    assert issubclass(NotSentError, PubrioError)
    assert issubclass(ResponseLostError, PubrioError)
