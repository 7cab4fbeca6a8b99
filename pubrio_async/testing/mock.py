"""A transport that is one function: for the odd reply that no stand-in gives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable
from socket import gaierror
from typing import Any, ClassVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from pubrio_async._errors import NotSentError, ResponseLostError, never_left, reply_lost
from pubrio_async._phase import Phase
from pubrio_async._wire import WireReply, WireRequest
from pubrio_async.sandbox.memory import Headers

# No byte of a request has left when one of these comes from a real connection.
_NOT_SENT = (NotSentError, ConnectionRefusedError, gaierror)
_LOST = (ResponseLostError, ConnectionError, TimeoutError)


class Request(Struct, frozen=True, kw_only=True):
    """A request as the handler of a `MockTransport` gets it; the key is not in it.

    Attributes:
        method: Such as `POST`.
        path: Such as `/redeem/people/batch`.
        raw: The body as it would be sent.
    """

    method: str
    path: str
    raw: bytes

    __rich_repr__: ClassVar[Any] = None  # it would show all fields

    def __repr__(self) -> str:
        # The body may hold personal data.
        return f"<Request {self.method} {self.path}, {len(self.raw)} bytes>"

    @property
    def body(self) -> Any:
        """The body decoded from JSON, anew each time; None if there was none."""
        return msgspec.json.decode(self.raw) if self.raw else None


class Reply(Struct, frozen=True):
    """What the handler of a `MockTransport` answers.

    Attributes:
        status: The HTTP status.
        json: The body, to be written as JSON. The API puts what it says into `{"data": ...}`.
        headers: The headers, such as `{"Retry-After": "5"}`.
        raw: The body as it is, in the place of `json`: for what is no JSON, or a broken one.
    """

    status: int = 200
    json: Any = UNSET
    headers: Mapping[str, str] = {}
    raw: bytes | UnsetType = UNSET

    __rich_repr__: ClassVar[Any] = None  # it would show all fields

    def __repr__(self) -> str:
        # The body may hold personal data.
        return f"<Reply {self.status}>"


class MockTransport:
    """Carries no request anywhere: a function answers it.

        def handler(request: Request) -> Reply:
            return Reply(503, json={"error": "down for maintenance"})

        async with AsyncPubrio("key", transport=MockTransport(handler)) as pubrio:
            ...

    What the function raises decides how far the request got:

    - `NotSentError`, `ConnectionRefusedError` or `socket.gaierror`: it was not sent. The client
      sends it again, as it always does.
    - `ResponseLostError`, any other `ConnectionError`, or `TimeoutError`: it was sent, and its
      reply is lost. The client does not send it again if it may have cost credits. That is also
      what becomes of a function that takes longer than the `timeout` of the client.
    - Anything else, such as an `AssertionError`, is no failure of a connection: it reaches
      whoever made the call.

    Args:
        handler: Is given each request, and returns the reply; plain or `async`.
    """

    def __init__(self, handler: Callable[[Request], Reply | Awaitable[Reply]]) -> None:
        self._handler = handler

    async def send(self, request: WireRequest, *, timeout: float, phase: Phase) -> WireReply:
        """Has the handler answer a request.

        Raises:
            NotSentError: The handler says that it did not leave.
            ResponseLostError: The handler says that the reply was lost, or took too long.
            TypeError: The handler returned something else than a reply.
        """
        phase.sent += 1
        what = f"{request.method} {request.path}"
        late = asyncio.timeout(timeout)
        try:
            async with late:
                given = Request(method=request.method, path=request.path, raw=request.body or b"")
                reply = self._handler(given)
                if isawaitable(reply):
                    reply = await reply
        except _NOT_SENT as error:
            phase.sent -= 1
            raise never_left(what, str(error) or "the connection was refused") from error
        except _LOST as error:
            why = str(error) or "the connection broke"
            if late.expired():
                why = f"no complete reply came within {timeout:g} s"
            raise reply_lost(what, why, paid=request.paid) from error
        return _on_the_wire(reply)

    async def aclose(self) -> None:
        """Does nothing: there is nothing to let go of."""


def _on_the_wire(reply: object) -> WireReply:
    if not isinstance(reply, Reply):
        msg = f"The handler of a MockTransport returns a Reply, not {type(reply).__name__}."
        raise TypeError(msg)
    body = reply.raw
    if isinstance(body, UnsetType):
        body = b"" if reply.json is UNSET else msgspec.json.encode(reply.json)
    return WireReply(reply.status, Headers(reply.headers), body)
