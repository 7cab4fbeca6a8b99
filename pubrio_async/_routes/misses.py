"""Replies in which nothing was found. What they look like is not documented."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pubrio_async._wire import data_decoder

T = TypeVar("T")


def or_empty(kind: type[T]) -> Callable[[bytes], T]:
    """A decoder of a reply in which `data` may be null: that is an empty reply, not an error.

    Args:
        kind: A Struct all of whose fields may be absent.

    Returns:
        A function from the body to the reply; it raises DecodeError and nothing else.
    """
    strictly: Callable[[bytes], T] = data_decoder(kind)
    or_none: Callable[[bytes], T | None] = data_decoder(kind | None)

    def decode(body: bytes) -> T:
        nothing = kind()
        reply = or_none(body)
        if reply is None:
            return nothing
        # Every field may be absent, so what looks empty may be an object that is none of ours.
        return strictly(body) if reply == nothing else reply

    return decode
