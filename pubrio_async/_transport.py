"""Moves bytes: the one module that knows aiohttp's client.

Whether a request may be sent again is decided by how far it got, never by the type of the
exception that ended it: the same TimeoutError means "not sent" before the connection stands and
"fate unknown" after. A connector of our own counts the moment a connection is handed to a
request, which is the last moment before bytes may leave.
"""

from __future__ import annotations

import asyncio
import functools
import urllib.request
from contextlib import AsyncExitStack
from contextvars import ContextVar
from typing import Final, Protocol
from urllib.parse import urlsplit

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError
from aiohttp.tracing import Trace

from pubrio_async._config import Settings, is_host, is_loopback, split_url
from pubrio_async._errors import ConfigurationError, NotSentError, ResponseLostError
from pubrio_async._phase import Phase
from pubrio_async._version import __version__
from pubrio_async._wire import WireReply, WireRequest

MAX_BODY: Final = 64 * 1024 * 1024

_KEY_HEADER: Final = "pubrio-api-key"
_CONNECT_SECONDS: Final = 10.0
# A storm of TLS handshakes stalls the loop: this many connections are opened at once.
_CONNECTS_AT_ONCE: Final = 20
_KEEPALIVE_SECONDS: Final = 15.0
_DNS_SECONDS: Final = 60
# How long closing waits for connections that were aborted to say so.
_CLOSE_SECONDS: Final = 2.0
# Shorter keys would garble messages when they are struck out of them.
_STRIKABLE_KEY: Final = 8

# Everything aiohttp raises for what the network or the server did.
_FAILURES: Final = (aiohttp.ClientError, HttpProcessingError, OSError, EOFError)
# Of these, what can only happen before a connection stands.
_BEFORE_CONNECTED: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ServerFingerprintMismatch,
    aiohttp.ClientHttpProxyError,
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)

_current_phase: ContextVar[Phase] = ContextVar("pubrio_async_phase")


class Transport(Protocol):
    """What carries a request to the API and its reply back."""

    async def send(self, request: WireRequest, *, timeout: float, phase: Phase) -> WireReply:
        """Sends a request and reads its reply to the end.

        Args:
            request: The request.
            timeout: Seconds for all of it.
            phase: `sent` is counted up each time bytes of the request may leave.

        Returns:
            The reply, whatever its status.

        Raises:
            NotSentError: The request surely never left.
            ResponseLostError: It may have been carried out; no whole reply came back.
        """
        ...

    async def aclose(self) -> None:
        """Ends all connections."""
        ...


class AiohttpTransport:
    """Carries requests with aiohttp.

    Free requests share kept-alive connections. A paid one always has a connection of its own,
    because one that was left idle may be dead, and what was written to it has an unknown fate.

    Args:
        settings: Key and base URL.
        session: A session to use instead; it is never closed here. With it the finer points are
            its owner's: connection reuse, proxies, cookies. What it cannot tell apart counts as
            sent, and its middlewares are left out, since one that sends again would pay again.
        max_body: Most bytes of a reply that are kept, decompressed.
        user_agent: The `User-Agent` header.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        session: aiohttp.ClientSession | None = None,
        max_body: int = MAX_BODY,
        user_agent: str = f"pubrio-async/{__version__}",
    ) -> None:
        self._base_url = settings.base_url
        self._host = urlsplit(settings.base_url).netloc
        self._key = settings.api_key
        self._given = session
        self._max_body = max_body
        self._headers = {
            _KEY_HEADER: settings.api_key.reveal(),
            "Accept": "application/json",
            "User-Agent": user_agent,
        }
        self._json_headers = {**self._headers, "Content-Type": "application/json"}
        self._proxy = None if session is not None else _proxy_for(settings.base_url)
        self._shared: aiohttp.ClientSession | None = None
        self._single_use: aiohttp.ClientSession | None = None
        self._connectors: list[_CountingConnector] = []
        self._closed = False

    async def send(self, request: WireRequest, *, timeout: float, phase: Phase) -> WireReply:
        """Sends a request and reads its reply to the end, as `Transport.send` says.

        Args:
            request: The request.
            timeout: Seconds for all of it.
            phase: Counted up each time bytes of the request may leave.

        Returns:
            The reply, whatever its status.

        Raises:
            NotSentError: The request surely never left.
            ResponseLostError: It may have been carried out; no whole reply came back.
            ConfigurationError: The client, or the session it was given, is closed.
        """
        session = self._session_for(request)
        # Left set: a reset would fail where a forgotten coroutine is closed by the collector.
        _current_phase.set(phase)
        status: int | None = None
        failure: BaseException
        try:
            response = await self._start(session, request, timeout, phase)
            status = response.status
            body = None
            try:
                body = await self._read(response)
            finally:
                if body is None:  # else aiohttp has let go of the connection by itself
                    response.close()
        except _FAILURES as error:
            failure = error
        except asyncio.CancelledError as error:
            # Closing a connector cancels look-ups under way, which looks like a cancellation.
            if not self._closed or _being_cancelled():
                raise
            failure = error
        else:
            if body is not None:
                return WireReply(status, response.headers, self._struck_out(status, body))
            failure = _TooLargeError(self._max_body)
        # Raised out here so that no __context__ leads to aiohttp's exception: some of them
        # hold the request's headers, and with them the key.
        raise self._failed(request, failure, timeout=timeout, status=status, sent=phase.sent)

    async def aclose(self) -> None:
        """Ends all connections of its own; requests under way fail."""
        self._closed = True
        async with AsyncExitStack() as stack:  # the rest is closed even if one is interrupted
            for connector in self._connectors:
                stack.push_async_callback(connector.close_now)

    def _session_for(self, request: WireRequest) -> aiohttp.ClientSession:
        if self._closed:
            msg = "The client is closed. Use it inside `async with AsyncPubrio(...)`."
            raise ConfigurationError(msg)
        if self._given is not None:
            if self._given.closed:
                msg = "The aiohttp session given to the client is closed."
                raise ConfigurationError(msg)
            return self._given
        if request.paid:
            if self._single_use is None:
                self._single_use = self._open_session(reuse=False)
            return self._single_use
        if self._shared is None:
            self._shared = self._open_session(reuse=True)
        return self._shared

    def _open_session(self, *, reuse: bool) -> aiohttp.ClientSession:
        connector = _CountingConnector(reuse=reuse)
        self._connectors.append(connector)
        # Kept as plain as can be: each convenience of a session costs time or leaks something.
        return aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
        )

    async def _start(
        self, session: aiohttp.ClientSession, request: WireRequest, timeout: float, phase: Phase
    ) -> aiohttp.ClientResponse:
        if session is self._given:
            # No connector of ours counts here: taken as sent unless the contrary is sure.
            phase.sent += 1
        try:
            return await session.request(
                request.method,
                self._base_url + request.path,
                data=request.body,
                headers=self._headers if request.body is None else self._json_headers,
                allow_redirects=False,
                raise_for_status=False,
                middlewares=(),
                proxy=self._proxy,
                timeout=_client_timeout(timeout),
            )
        except _BEFORE_CONNECTED:
            if session is self._given:
                phase.sent -= 1
            raise

    async def _read(self, response: aiohttp.ClientResponse) -> bytes | None:
        """The body; None if it is larger than allowed."""
        announced = response.content_length
        if announced is not None and announced > self._max_body:
            return None
        headers = response.headers
        if (
            announced is not None
            and "Content-Encoding" not in headers
            and "Transfer-Encoding" not in headers
        ):
            return await response.read()
        # In pieces: the length is not known, or not that of what comes out in the end.
        pieces: list[bytes] = []
        size = 0
        while piece := await response.content.readany():
            size += len(piece)
            if size > self._max_body:
                return None
            pieces.append(piece)
        return b"".join(pieces)

    def _struck_out(self, status: int, body: bytes) -> bytes:
        """The body; the key is struck out of an error's, which ends up in messages and logs."""
        key = self._key.reveal()
        if 200 <= status < 300 or len(key) < _STRIKABLE_KEY:
            return body
        return body.replace(key.encode(), b"[key]")

    def _failed(
        self,
        request: WireRequest,
        failure: BaseException,
        *,
        timeout: float,
        status: int | None,
        sent: int,
    ) -> NotSentError | ResponseLostError:
        if self._closed:
            reason = "the client was closed meanwhile"
        else:
            reason = _reason(failure, timeout, connected=sent > 0)
        key = self._key.reveal()
        if len(key) >= _STRIKABLE_KEY:
            reason = reason.replace(key, "[key]")
        error: NotSentError | ResponseLostError
        if sent == 0:
            error = NotSentError(
                f"{request.method} {request.path} was not sent to {self._host}: {reason}. Nothing "
                "was carried out or charged; it is safe to send it again."
            )
        else:
            answered = "" if status is None else f" (it had answered with status {status})"
            fate = (
                "Credits may have been charged, so it is not sent again on its own: look for it "
                "in the API's request log (api_keys.logs)."
                if request.paid
                else "It may have been carried out; it spends no credits."
            )
            error = ResponseLostError(
                f"{request.method} {request.path} was sent to {self._host}, but its reply was "
                f"lost{answered}: {reason}. {fate}",
                status=status,
                may_have_charged=request.paid,
            )
        if not _shows(failure, key):
            error.__cause__ = failure
        return error


class _TooLargeError(aiohttp.ClientError):
    def __init__(self, limit: int) -> None:
        super().__init__(f"the reply is larger than {limit:,} bytes")


class _CountingConnector(aiohttp.TCPConnector):
    """Counts a request as sent when a connection is handed to it, and closes without remains."""

    def __init__(self, *, reuse: bool) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType] - a bare tuple of aiohttp's
            limit=0,  # admission is decided before a request comes here
            ttl_dns_cache=_DNS_SECONDS,
            force_close=not reuse,
            keepalive_timeout=_KEEPALIVE_SECONDS if reuse else None,
        )
        self._gate = asyncio.Semaphore(_CONNECTS_AT_ONCE)
        self._alive: dict[asyncio.Future[None], asyncio.Transport] = {}

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,
    ) -> Connection:
        if self.closed:
            # aiohttp would open a connection first and look afterwards.
            msg = "The connector is closed"
            raise aiohttp.ClientConnectionError(msg)
        connection = await super().connect(req, traces, timeout)
        # Nothing is awaited between here and the first byte, so no cancellation comes between.
        _current_phase.get().sent += 1
        return connection

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,
    ) -> ResponseHandler:
        async with self._gate:
            handler = await super()._create_connection(req, traces, timeout)
        # aiohttp forgets a connection it has let go of, though its socket may linger.
        lost, transport = handler.closed, handler.transport
        if lost is not None and transport is not None:
            self._alive[lost] = transport
            lost.add_done_callback(self._forget)
        return handler

    def _forget(self, lost: asyncio.Future[None]) -> None:
        self._alive.pop(lost, None)
        if not lost.cancelled():
            lost.exception()  # or asyncio would report it as never looked at

    async def close_now(self) -> None:
        """Aborts every connection and waits until all are gone."""
        alive = dict(self._alive)
        for transport in alive.values():
            transport.abort()
        await self.close()
        if alive:
            await asyncio.wait(alive, timeout=_CLOSE_SECONDS)


@functools.lru_cache(maxsize=64)
def _client_timeout(seconds: float) -> aiohttp.ClientTimeout:
    connect = min(seconds, _CONNECT_SECONDS)
    return aiohttp.ClientTimeout(total=seconds, connect=connect, sock_connect=connect)


def _shows(failure: BaseException, key: str) -> bool:
    """True if an exception, or one it stems from, holds the request's headers or the key."""
    error: BaseException | None = failure
    while error is not None:
        if isinstance(error, aiohttp.ClientResponseError) or key in repr(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _proxy_for(base_url: str) -> str | None:
    """The proxy the environment names for this URL, read once; never one for this machine."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    proxy = urllib.request.getproxies().get(parts.scheme)
    if not proxy:
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    named = split_url(proxy)
    if named is None or named.scheme not in {"http", "https"} or not is_host(named.hostname or ""):
        # Not shown: it may hold a password.
        msg = (
            f"The proxy the environment names for {host} cannot be used: HTTPS_PROXY must be "
            "such as http://proxy.example:3128. Or add the host to NO_PROXY."
        )
        raise ConfigurationError(msg)
    return proxy


def _reason(failure: BaseException, timeout: float, *, connected: bool) -> str:
    """What happened, in words."""
    if isinstance(failure, TimeoutError):
        if connected:
            return f"no complete reply came within {timeout:g} s"
        return f"no connection could be made within {min(timeout, _CONNECT_SECONDS):g} s"
    words = next((w for kind, w in _REASONS if isinstance(failure, kind)), type(failure).__name__)
    return words.format(_detail(failure))


# The first that fits; {} is what the system or the server says of it.
_REASONS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (aiohttp.ClientConnectorDNSError, "the host name could not be resolved ({})"),
    (aiohttp.ClientConnectorCertificateError, "the TLS certificate was not accepted ({})"),
    (aiohttp.ServerFingerprintMismatch, "the TLS certificate was not accepted"),
    (aiohttp.ClientConnectorSSLError, "the TLS handshake failed ({})"),
    (aiohttp.ClientProxyConnectionError, "the proxy could not be reached ({})"),
    (aiohttp.ClientHttpProxyError, "the proxy refused the connection (status {})"),
    (aiohttp.ClientConnectorError, "the connection failed ({})"),
    (aiohttp.ServerDisconnectedError, "the server closed the connection"),
    (aiohttp.ClientPayloadError, "the reply broke off or was malformed"),
    (aiohttp.ClientResponseError, "the answer is not HTTP that can be read"),
    (HttpProcessingError, "the answer is not HTTP that can be read"),
    (_TooLargeError, "{}"),
    (OSError, "the connection broke ({})"),
)


def _detail(failure: BaseException) -> str:
    if isinstance(failure, aiohttp.ClientResponseError):
        return str(failure.status)  # its text would name the URL and the server's words
    inner = failure
    if isinstance(failure, aiohttp.ClientConnectorCertificateError):
        inner = failure.certificate_error
    elif isinstance(failure, aiohttp.ClientConnectorError):
        inner = failure.os_error
    told = (isinstance(inner, OSError) and inner.strerror) or str(inner) or type(inner).__name__
    return " ".join(told.split())[:200]
