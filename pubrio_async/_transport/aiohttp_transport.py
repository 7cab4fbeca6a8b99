"""Carries requests with aiohttp.

Whether a request may be sent again is decided by how far it got, never by the type of the
exception that ended it: the same TimeoutError means "not sent" before the connection stands and
"fate unknown" after.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Final, TypeAlias
from urllib.parse import urlsplit

import aiohttp

from pubrio_async._clock import is_over
from pubrio_async._config import Settings
from pubrio_async._errors import (
    CLIENT_CLOSED,
    ConfigurationError,
    NotSentError,
    ResponseLostError,
    never_left,
    reply_lost,
)
from pubrio_async._phase import Phase
from pubrio_async._transport.connector import TIMEOUT, CountingConnector, current_phase
from pubrio_async._transport.deadlines import Deadline, Deadlines
from pubrio_async._transport.proxy import proxy_for
from pubrio_async._transport.reasons import (
    BEFORE_CONNECTED,
    FAILURES,
    TooLargeError,
    reason_of,
    shows,
)
from pubrio_async._version import __version__
from pubrio_async._wire import WireReply, WireRequest

Session: TypeAlias = aiohttp.ClientSession
"""What a user may hand in to send through."""

MAX_BODY: Final = 64 * 1024 * 1024

_SESSION_ELSEWHERE: Final = (
    "The aiohttp session given to the client belongs to another event loop than the one that is "
    "running: make the session, and the client with it, in the event loop they are used in. "
    "Nothing was sent."
)
_KEY_HEADER: Final = "pubrio-api-key"
# Shorter keys would garble messages when they are struck out of them.
_STRIKABLE_KEY: Final = 8


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
        self._proxy = None if session is not None else proxy_for(settings.base_url)
        self._shared: aiohttp.ClientSession | None = None
        self._single_use: aiohttp.ClientSession | None = None
        self._connectors: list[CountingConnector] = []
        self._deadlines = Deadlines()
        # Where its connections live; a session that was given tells where it does.
        self._home: asyncio.AbstractEventLoop | None = getattr(session, "_loop", None)
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
            ConfigurationError: The client, or the session it was given, is closed, or lives in
                another event loop.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._home:
            await self._move_to(loop)
        session = self._session_for(request)
        given = session is self._given
        if given:
            # No connector of ours counts here: taken as sent unless the contrary is sure.
            phase.sent += 1
        # Left set: a reset would fail where a forgotten coroutine is closed by the collector.
        current_phase.set(phase)
        began = time.perf_counter()
        status: int | None = None
        failure: BaseException
        try:
            with Deadline(self._deadlines, timeout):
                response = await session.request(
                    request.method,
                    self._base_url + request.path,
                    data=request.body,
                    # Not the session's own headers: those a proxy would see as well.
                    headers=self._headers if request.body is None else self._json_headers,
                    allow_redirects=False,
                    raise_for_status=False,
                    middlewares=(),
                    proxy=self._proxy,
                    timeout=TIMEOUT,
                )
                status = response.status
                head_s = time.perf_counter() - began
                body = await self._read(response)
        except FAILURES as error:
            if given and status is None and isinstance(error, BEFORE_CONNECTED):
                phase.sent -= 1
            failure = error
        except asyncio.CancelledError as error:
            # Closing a connector cancels look-ups under way, which looks like a cancellation.
            if not self._closed or _being_cancelled():
                raise
            failure = error
        else:
            if body is not None:
                body = self._struck_out(status, body)
                return WireReply(status, response.headers, body, head_s, response.version)
            failure = TooLargeError(self._max_body)
        # Raised out here so that no __context__ leads to aiohttp's exception: some of them
        # hold the request's headers, and with them the key.
        raise self._failed(request, failure, timeout=timeout, status=status, sent=phase.sent)

    async def aclose(self) -> None:
        """Ends all connections of its own; requests under way fail.

        Raises:
            ConfigurationError: They live in another event loop, and have to be ended there.
        """
        if self._connectors and self._home is not None and is_over(self._home):
            await self._forget()
        self._closed = True
        self._deadlines.rest()
        async with AsyncExitStack() as stack:  # the rest is closed even if one is interrupted
            for connector in self._connectors:
                stack.push_async_callback(connector.close_now)

    async def _move_to(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on requests are sent from this event loop: it is the first, or comes next."""
        if self._given is not None and self._home is not None:
            raise ConfigurationError(_SESSION_ELSEWHERE)
        if self._connectors and self._home is not None and is_over(self._home):
            await self._forget()
        self._home = loop

    async def _forget(self) -> None:
        """Lets go of connections that have gone with their event loop."""
        for connector in self._connectors:
            await connector.forget()
        self._connectors.clear()
        self._shared = self._single_use = None

    def _session_for(self, request: WireRequest) -> aiohttp.ClientSession:
        if self._closed:
            raise ConfigurationError(CLIENT_CLOSED)
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
        connector = CountingConnector(reuse=reuse)
        self._connectors.append(connector)
        # Kept as plain as can be: each convenience of a session costs time or leaks something.
        return aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
        )

    async def _read(self, response: aiohttp.ClientResponse) -> bytes | None:
        """The body; None if it is larger than allowed."""
        body: bytes | None = None
        try:
            if response.content.is_eof():  # it came together with its head, as small ones do
                body = response.content.read_nowait()
                return body if len(body) <= self._max_body else None
            headers = response.headers
            announced = response.content_length
            if (
                announced is None or "Content-Encoding" in headers or "Transfer-Encoding" in headers
            ):  # the length is not known, or not that of what comes out in the end
                body = await self._read_in_pieces(response.content)
            elif announced <= self._max_body:
                body = await response.read()
            return body
        finally:
            if body is None:  # else aiohttp has let go of the connection by itself
                response.close()

    async def _read_in_pieces(self, content: aiohttp.StreamReader) -> bytes | None:
        pieces: list[bytes] = []
        size = 0
        while piece := await content.readany():
            size += len(piece)
            if size > self._max_body:
                return None
            pieces.append(piece)
        return b"".join(pieces)

    def _struck_out(self, status: int, body: bytes) -> bytes:
        """The body; the key is struck out of an error's, which ends up in messages and logs."""
        if 200 <= status < 300:
            return body
        key = self._key.reveal()
        return body if len(key) < _STRIKABLE_KEY else body.replace(key.encode(), b"[key]")

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
            reason = reason_of(failure, timeout, connected=sent > 0)
        key = self._key.reveal()
        if len(key) >= _STRIKABLE_KEY:
            reason = reason.replace(key, "[key]")
        what = f"{request.method} {request.path}"
        error: NotSentError | ResponseLostError = (
            reply_lost(what, reason, paid=request.paid, to=self._host, status=status)
            if sent
            else never_left(what, reason, to=self._host)
        )
        if not shows(failure, key):
            error.__cause__ = failure
        return error


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
