"""The page over HTTP: six files and a stream of events, for those who know the token."""

from __future__ import annotations

import asyncio
import hmac
import logging
import socket
from collections.abc import Mapping
from importlib import resources
from typing import Final

from aiohttp import web

from pubrio_async._config import is_loopback
from pubrio_async.dashboard._feed import Feed, Seen
from pubrio_async.dashboard._socket import may_ask, names_of

MOST_VIEWERS: Final = 32

# A viewer that takes nothing for so long is let go of; it may come back.
_PATIENCE_S: Final = 20.0
_LAST_WORDS_S: Final = 1.0
_SHUTDOWN_S: Final = 0.2

# Whoever logs requests logs the token, which is in every path.
# Not from `getLogger`: a `dictConfig` of the application would enable it again.
_SILENCE: Final = logging.Logger("pubrio_async.dashboard.http")  # noqa: LOG001 - as said above
_SILENCE.disabled = True

_FILES: Final = {
    "": ("index.html", "text/html"),
    "app.js": ("app.js", "text/javascript"),
    "app.css": ("app.css", "text/css"),
    "uplot.js": ("uplot.min.js", "text/javascript"),
    "uplot.css": ("uplot.min.css", "text/css"),
    "icon.svg": ("icon.svg", "image/svg+xml"),
}
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class PageServer:
    """Serves the page.

    Args:
        feed: What viewers are told.
        token: What the path has to begin with.
        host: What the socket was bound to.
    """

    def __init__(self, feed: Feed, token: str, host: str) -> None:
        self._feed = feed
        self._token = token.encode()
        self._names = names_of(host)
        self._only_loopback = is_loopback(host)
        self._files: Mapping[str, tuple[bytes, str]] = {}
        self._runner: web.ServerRunner | None = None
        self._viewers: set[asyncio.Task[None]] = set()

    @property
    def viewers(self) -> int:
        """How many are looking."""
        return len(self._viewers)

    async def start(self, listener: socket.socket) -> None:
        """Begins to answer on a socket that listens; it is closed with the server."""
        page = resources.files("pubrio_async.dashboard") / "page"
        self._files = {
            path: ((page / name).read_bytes(), kind) for path, (name, kind) in _FILES.items()
        }
        server = web.Server(
            self._serve, handler_cancellation=True, access_log=None, logger=_SILENCE
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_S)
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()

    async def aclose(self) -> None:
        """Gives viewers a moment to take the last message, and stops."""
        self._feed.close()
        runner, self._runner = self._runner, None
        if runner is None:
            return
        if self._viewers:
            await asyncio.wait(self._viewers, timeout=_LAST_WORDS_S)
        await runner.cleanup()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        if not may_ask(request.headers.get("Host"), self._names, only_loopback=self._only_loopback):
            return _words(403, "Ask for this page by the address it was given with.")
        token, slash, path = request.rel_url.raw_path.removeprefix("/").partition("/")
        if not hmac.compare_digest(token.encode(), self._token):
            return _words(404, "The whole URL, with its token, is where the run was started.")
        if request.method not in {"GET", "HEAD"}:
            return _words(405, "This page can only be looked at.", {"Allow": "GET, HEAD"})
        if not slash:
            return _words(308, "", {"Location": f"/{token}/"})
        if path == "events":
            return await self._stream(request)
        if path not in self._files:
            return _words(404, "There is no such file.")
        body, kind = self._files[path]
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=_HEADERS)

    async def _stream(self, request: web.BaseRequest) -> web.StreamResponse:
        if len(self._viewers) >= MOST_VIEWERS:
            return _words(503, "Too many are looking already.")
        response = web.StreamResponse(
            headers={**_HEADERS, "Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        )
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        viewer = asyncio.ensure_future(self._tell(response))
        self._viewers.add(viewer)
        viewer.add_done_callback(self._viewers.discard)
        try:
            await viewer
        except (ConnectionError, TimeoutError):
            # It has left, or takes nothing: what is on its way to it is dropped.
            if request.transport is not None:
                request.transport.abort()
        finally:
            viewer.cancel()
        return response

    async def _tell(self, response: web.StreamResponse) -> None:
        seen: Seen | None = None
        while True:
            turn, last = self._feed.turn, self._feed.closed
            message, seen = self._feed.message(seen)
            if last:
                message += b"event: bye\ndata: {}\n\n"
            async with asyncio.timeout(_PATIENCE_S):
                await response.write(message)
            if last:
                return
            await turn.wait()


def _words(status: int, text: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=text + "\n", headers={**_HEADERS, **(headers or {})})
