"""What every request and reply must keep to: host, origin, size, headers.

Plain ASGI, so that streams pass through it piece by piece.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# The last two are a second line behind the escaping: no script, not even ours, can turn text into
# markup.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_SAFE = {"GET", "HEAD", "OPTIONS"}


class RefusedError(Exception):
    """The request goes no further."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Guard:
    """Refuses what has no business here before any route sees it."""

    def __init__(self, app: ASGIApp, *, hosts: tuple[str, ...], max_upload: int) -> None:
        self._app = app
        self._hosts = hosts
        self._max_upload = max_upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        dress = _Dresser(send)
        try:
            self._check(scope["method"], Headers(scope=scope))
            await self._app(scope, self._counted(receive), dress)
        except RefusedError as error:
            if dress.has_begun:
                raise
            reply = JSONResponse({"message": str(error)}, error.status)
            await reply(scope, receive, dress)

    def _check(self, method: str, headers: Headers) -> None:
        host = headers.get("host", "")
        if not {host, host.rpartition(":")[0]} & set(self._hosts):
            raise RefusedError(421, "This server is not called by that name.")
        if method not in _SAFE and not _is_own(headers, host):
            raise RefusedError(403, "Only the page of this server may ask for this.")
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._max_upload:
            raise self._too_large()

    def _counted(self, receive: Receive) -> Receive:
        """The body as it comes, up to the bound: a chunked one announces no length."""
        taken = 0

        async def count() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._max_upload:
                raise self._too_large()
            return message

        return count

    def _too_large(self) -> RefusedError:
        return RefusedError(413, f"That is more than {self._max_upload // 1024} KiB: send less.")


class _Dresser:
    """Gives every reply its headers."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            headers = MutableHeaders(scope=message)
            headers.update(_HEADERS)
            headers.setdefault("cache-control", "no-store")
        await self._send(message)


def _is_own(headers: Headers, host: str) -> bool:
    """True for requests of the server's own page: browsers do not let others say so.

    The cookie is `SameSite=Strict`, but another port of this machine is the same site.
    """
    if (site := headers.get("sec-fetch-site")) is not None:
        return site == "same-origin"
    return bool(host) and urlsplit(headers.get("origin", "")).netloc == host
