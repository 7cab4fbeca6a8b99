"""What the search of `advertisements` sends back.

The API documents only a part of a row; `pubrio.capture()` has the rest, as it came.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from pubrio_async.models.pagination import Pagination


class AdvertisementRow(Struct, frozen=True, kw_only=True, gc=False):
    """One advertisement of a search; times are text, as the API writes them.

    Attributes:
        advertisement_id: The advertisement's id (UUID).
        advertisement_search_id: The id (UUID) that `advertisements.lookup` takes.
        created_at: When it came to be known.
        last_modified: When what is known of it changed.
        started_at: When it began to run.
        ended_at: When it ended.
        title: Its title.
        source_type: The network, such as `linkedin`.
        advertisement_format: Such as `Single Image Ad`.
        video_url: Where its video is.
        image_url: Where its image is.
        carousel_images: The API documents no shape.
        destination_url: Where it leads.
    """

    advertisement_id: str | None = None
    advertisement_search_id: str | None = None
    created_at: str | None = None
    last_modified: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    title: str | None = None
    source_type: str | None = None
    advertisement_format: str | None = None
    video_url: str | None = None
    image_url: str | None = None
    carousel_images: Any = None
    destination_url: str | None = None


class AdvertisementSearchReply(Struct, frozen=True, kw_only=True):
    """One page of `advertisements.search`."""

    pagination: Pagination | None = None
    advertisements: tuple[AdvertisementRow, ...] | None = None
