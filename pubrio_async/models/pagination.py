"""Where a page stands among all pages."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Struct, UnsetType


class Pagination(Struct, frozen=True, kw_only=True):
    """What a page says of the whole.

    Attributes:
        page: The number of this page, from 1.
        per_page: Rows in a full page.
        total_entries: Rows there are, as far as the API counted.
        total_pages: Pages there are; not always pages that can be reached.
        total_display_pages: Pages that can be reached; UNSET where the API does not say.
        is_timeout: True if the API ran out of time counting: the totals may be too low. UNSET
            where the API does not say.
    """

    page: int | None = None
    per_page: int | None = None
    total_entries: int | None = None
    total_pages: int | None = None
    total_display_pages: int | UnsetType | None = UNSET
    is_timeout: bool | UnsetType | None = UNSET

    @classmethod
    def of(cls, value: object) -> Pagination | None:
        """Reads it from plain objects; None where there is nothing of the kind."""
        try:
            return msgspec.convert(value, cls | None)
        except msgspec.ValidationError:
            return None
