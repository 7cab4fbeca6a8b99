"""What came back besides the decoded reply: status, headers, timing, and the body as it was."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar

import msgspec
from msgspec import Struct

_captured: ContextVar[list[ResponseInfo] | None] = ContextVar("pubrio_async_captured", default=None)


class ResponseInfo(Struct, frozen=True, kw_only=True):
    """One call and its last reply.

    Attributes:
        name: The endpoint, such as `people.search`.
        status: The HTTP status; None where no reply came back.
        headers: The headers of the reply; `get` ignores case.
        elapsed_s: Seconds from the call to its end, waiting included.
        attempts: How many requests were sent for it.
        body: The body of the reply as it came. May hold personal data.
        head_s: Seconds the last request took from its start, connecting included, until the head
            of its reply was there; None where no reply came or the transport does not tell.
        version: The version of HTTP of the reply, such as (1, 1); None likewise.
    """

    name: str
    status: int | None
    headers: Mapping[str, str]
    elapsed_s: float
    attempts: int
    body: bytes
    head_s: float | None = None
    version: tuple[int, int] | None = None

    __rich_repr__: ClassVar[Any] = None  # it would show all fields

    def __repr__(self) -> str:
        return (
            f"<ResponseInfo {self.name} status={self.status} elapsed_s={self.elapsed_s:.3f} "
            f"attempts={self.attempts}, {len(self.body)} bytes>"
        )

    def json(self) -> Any:
        """The body, decoded: every field the API sent, known to this package or not.

        Raises:
            msgspec.DecodeError: The body is not JSON.
        """
        return msgspec.json.decode(self.body)

    @property
    def rate_limit(self) -> dict[str, str]:
        """The headers that speak of rate limits, by name in lower case."""
        return {
            name.lower(): value
            for name, value in self.headers.items()
            if is_rate_limit_header(name)
        }


def is_rate_limit_header(name: str) -> bool:
    """Whether a header speaks of rate limits, by its name."""
    return "ratelimit" in name.lower().replace("-", "") or name.lower() == "retry-after"


@contextmanager
def capture() -> Generator[list[ResponseInfo]]:
    """Collects what came back for every call made inside the block, also by tasks it starts.

    Yields:
        A list that grows by one entry for each call that ends; blocks may be nested, and the
        inner one then has the entries to itself.
    """
    collected: list[ResponseInfo] = []
    token = _captured.set(collected)
    try:
        yield collected
    finally:
        _captured.reset(token)


def capturing() -> list[ResponseInfo] | None:
    """Where entries go at the moment; None if nobody wants them."""
    return _captured.get()
