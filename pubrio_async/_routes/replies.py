"""How the pages of searches are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pubrio_async._errors import DecodeError
from pubrio_async._routes.misses import or_empty
from pubrio_async._wire import data_decoder

Page = TypeVar("Page")


def page_decoder(kind: type[Page], rows: Any, key: str) -> Callable[[bytes], Page]:
    """A decoder of one page of a search.

    What a search without results looks like is not documented, so null and a bare list of rows
    are read as well as the documented object.

    Args:
        kind: The page, a Struct whose fields may all be absent.
        rows: The type of its list of rows.
        key: The name of that list.

    Returns:
        A function from the body to the page; it raises DecodeError and nothing else.
    """
    documented = or_empty(kind)
    listed: Callable[[bytes], Any] = data_decoder(rows)

    def decode(body: bytes) -> Page:
        try:
            return documented(body)
        except DecodeError as error:
            problem = error
        try:
            return kind(**{key: listed(body)})
        except DecodeError:
            raise problem from None

    return decode
