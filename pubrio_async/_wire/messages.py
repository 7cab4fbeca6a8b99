"""A request and a reply as they travel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from msgspec import Struct


class WireRequest(NamedTuple):
    """A request, ready to be sent.

    Attributes:
        method: The HTTP verb.
        path: The path below the base URL, such as `/redeem/people/batch`.
        body: The body as JSON; None for a request without one.
        paid: True if carrying it out may spend credits.
    """

    method: str
    path: str
    body: bytes | None
    paid: bool

    def __repr__(self) -> str:
        # The body may hold personal data.
        return f"<WireRequest {self.method} {self.path}, {len(self.body or b'')} bytes>"


class WireReply(Struct, frozen=True, gc=False):
    """A reply, read to its end.

    Attributes:
        status: The HTTP status.
        headers: The headers; `get` ignores case.
        body: The body, decompressed.
        head_s: Seconds from the start of the request, connecting included, until its head was
            there; None where the transport does not tell.
        version: The version of HTTP it came in, such as (1, 1); None likewise.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    head_s: float | None = None
    version: tuple[int, int] | None = None

    __rich_repr__: ClassVar[Any] = None  # it would show all fields

    def __repr__(self) -> str:
        return f"<WireReply {self.status}, {len(self.body)} bytes>"
