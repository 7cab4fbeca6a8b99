"""Lists in pages, and dates in the forms the API writes them in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from pubrio_async.sandbox.bodies import Paged

T = TypeVar("T")

MAX_DISPLAY_PAGES = 250


def page_of(found: Sequence[T], wanted: Paged) -> Sequence[T]:
    """The items of the page that is wanted; none beyond the last one."""
    first = (wanted.page - 1) * wanted.per_page
    return found[first : first + wanted.per_page]


def pagination(
    total: int, wanted: Paged, *, display: bool = True, max_pages: int | None = None
) -> dict[str, Any]:
    """The object `pagination` of a reply.

    Args:
        total: How many items there are.
        wanted: Which page is asked for.
        display: Whether the endpoint tells `total_display_pages`.
        max_pages: What `total_pages` is capped at.
    """
    pages = -(-total // wanted.per_page)
    told = {
        "page": wanted.page,
        "per_page": wanted.per_page,
        "total_entries": total,
        "total_pages": pages if max_pages is None else min(pages, max_pages),
    }
    if display:
        told["total_display_pages"] = min(pages, MAX_DISPLAY_PAGES)
    return {**told, "is_timeout": False}


def iso_time(wall: float) -> str:
    """A Unix time as most endpoints write it: `2026-04-05T18:28:05.000Z`."""
    moment = datetime.fromtimestamp(wall, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def plain_time(wall: float) -> str:
    """A Unix time as `api_keys` writes it: `2026-05-14 12:04:32.243`."""
    moment = datetime.fromtimestamp(wall, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}"
