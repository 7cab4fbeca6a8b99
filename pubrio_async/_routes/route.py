"""What is known of one endpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Generic, TypeVar

from msgspec import Struct

from pubrio_async._routes.rules import Rules

T = TypeVar("T")


class Route(Struct, Generic[T], frozen=True, kw_only=True, dict=True):
    """One endpoint.

    Attributes:
        name: Its name on the client, `group.method`.
        method: The HTTP verb.
        path: The path below the base URL.
        decode: Turns the body of a success into what the method returns.
        spends_credits: True, False, or None where it is not known.
        safe_to_resend: True if a second copy of the request changes nothing.
        rules: What a request must look like.
        items_key: The list a page holds, for a paginated endpoint; None to take the only one.
        paginated: Whether the rows come in pages.
        in_pieces: Does the same for a large body, a piece at each step; what it gives last is the
            result, or None where `decode` shall have a look. None if replies are never large.
        timeout: Seconds one attempt needs at least, whatever the client's own setting; None for
            an endpoint that answers within it.
    """

    name: str
    method: str = "POST"
    path: str
    decode: Callable[[bytes], T]
    spends_credits: bool | None
    safe_to_resend: bool
    rules: Rules = Rules()
    paginated: bool = False
    items_key: str | None = None
    in_pieces: Callable[[bytes], Iterator[T | None]] | None = None
    timeout: float | None = None

    @cached_property
    def paid(self) -> bool:
        """True unless the call is known to be free."""
        return self.spends_credits is not False

    @cached_property
    def repeatable(self) -> bool:
        """True if a second copy changes nothing and costs nothing."""
        return self.safe_to_resend and not self.paid

    @cached_property
    def what(self) -> str:
        """Verb and path, for messages."""
        return f"{self.method} {self.path}"
