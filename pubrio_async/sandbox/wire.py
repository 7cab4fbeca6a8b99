"""What goes into the stand-in and what comes out, free of any HTTP library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import Struct

from pubrio_async.sandbox.jobs import Receipt

Cut = Literal["before_headers", "reset", "mid_body", "stall", "stall_body"]
"""How a reply is broken off.

`before_headers`: the connection is closed without a byte. `reset`: the same, with a reset.
`mid_body`: half of the announced body, then a close. `stall`: nothing comes, ever.
`stall_body`: half of the body comes, then nothing.
"""

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_JSON_HEADERS: Mapping[str, str] = MappingProxyType({"content-type": "application/json"})


class SandboxRequest(NamedTuple):
    """One request. `path` may carry a query, which is ignored; header names in any case."""

    method: str
    path: str
    headers: Mapping[str, str] = _NO_HEADERS
    body: bytes = b""

    def header(self, name: str) -> str:
        """The value of a header, empty where it is missing; `name` in lower case."""
        value = self.headers.get(name)
        if value is None:
            for key, candidate in self.headers.items():
                if key.lower() == name:
                    return candidate
        return value or ""


class SandboxReply(Struct, frozen=True, kw_only=True):
    """One reply, and how it is to be broken.

    Attributes:
        status: HTTP status.
        headers: Header names in lower case.
        body: The whole body; how much of it gets out is up to `cut`.
        delay: Seconds until the reply starts.
        cut: How the reply is broken off; None if it is not.
        receipt: What the client learns about a job from this reply; see `Sandbox.undelivered`.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    delay: float = 0.0
    cut: Cut | None = None
    receipt: Receipt | None = None


class Answer(NamedTuple):
    """What a handler found out: the body of a 200, and what it means for the books."""

    body: bytes
    cost: int = 0
    receipt: Receipt | None = None


Fields: TypeAlias = dict[str, Any]
"""The body of a request, decoded."""

Handler: TypeAlias = Callable[[Fields, float], Answer]
"""Answers an endpoint from the fields of its body, at a time."""


class RefusedError(Exception):
    """A handler refuses the request; becomes the reply with this status and body."""

    def __init__(
        self, status: int, body: bytes, headers: Mapping[str, str] = _JSON_HEADERS
    ) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = headers


def json_headers(**more: str) -> Mapping[str, str]:
    """The headers of a JSON reply; underscores in the names of further ones become hyphens."""
    if not more:
        return _JSON_HEADERS
    named = {name.replace("_", "-"): value for name, value in more.items()}
    return {"content-type": "application/json", **named}


def bad_request(message: str, details: dict[str, Any] | None = None) -> RefusedError:
    """A 400 in the documented form."""
    body = {"code": 40001, "message": message, "details": details or {}}
    return RefusedError(400, msgspec.json.encode(body))


def error(status: int, message: str) -> RefusedError:
    """An error in the short form, `{"error": ...}`."""
    return RefusedError(status, msgspec.json.encode({"error": message}))
