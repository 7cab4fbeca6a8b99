"""Rows of a paginated endpoint, fetched page by page as they are asked for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any, Generic, Self, TypeVar, cast

from pubrio_async._dispatch import Dispatcher
from pubrio_async._errors import ConfigurationError
from pubrio_async._routes import Route
from pubrio_async.models import Pagination

Row = TypeVar("Row")


class Pages(Generic[Row]):
    """An async iterator over the rows of all pages.

    A page is fetched when its first row is asked for, never ahead: each page of a paid search is
    a paid call. Iteration ends after an empty page, after the last page the API says can be
    reached, or at a bound of the caller. An error of a page is raised; iterating again asks for
    that page again.

    Attributes:
        pagination: What the newest page said of the whole; None before the first, or where the
            API says nothing.
        pages_fetched: Pages fetched so far.
        items_yielded: Rows handed out so far.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        route: Route[Any],
        fields: Mapping[str, Any],
        *,
        max_items: int | None,
        max_pages: int | None,
    ) -> None:
        for name, bound in (("max_items", max_items), ("max_pages", max_pages)):
            if bound is not None and bound < 0:
                msg = f"{name} must not be negative, not {bound!r}"
                raise ConfigurationError(msg)
        self._dispatcher = dispatcher
        self._route = route
        self._fields = dict(fields)
        self._max_items = max_items
        self._max_pages = max_pages
        first = self._fields.get("page")
        self._page = first if isinstance(first, int) else 1
        self._first_is_default = first is None
        self._rows: deque[Row] = deque()
        self._fetching: asyncio.Task[Any] | None = None
        self._last = False
        self.pagination: Pagination | None = None
        self.pages_fetched = 0
        self.items_yielded = 0

    @property
    def is_timeout(self) -> bool | None:
        """True if the API ran out of time counting, so that its totals may be too low."""
        pagination = self.pagination
        return bool(pagination.is_timeout) if pagination else None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Row:
        if self._max_items is not None and self.items_yielded >= self._max_items:
            raise StopAsyncIteration
        while not self._rows:
            if self._last or self._max_pages == self.pages_fetched:
                raise StopAsyncIteration
            await self._turn()
        self.items_yielded += 1
        return self._rows.popleft()

    async def _turn(self) -> None:
        """Fetches the next page; one whose reader was cancelled is taken up by the next."""
        if self._fetching is None:
            fields = self._fields
            if not (self._page == 1 and self._first_is_default):
                fields = {**fields, "page": self._page}
            self._fetching = self._dispatcher.own(self._dispatcher.call(self._route, fields))
        task = self._fetching
        await asyncio.wait((task,))
        if self._fetching is not task:
            return  # another reader of this iterator has taken it
        self._fetching = None
        rows, pagination = _rows_of(task.result(), self._route.items_key)
        self._rows.extend(rows)
        self.pagination = pagination
        self.pages_fetched += 1
        self._last = not rows or (
            pagination is not None and self._page >= _last_page(pagination, self._page)
        )
        self._page += 1


def _last_page(pagination: Pagination, page: int) -> int:
    totals = (pagination.total_pages, pagination.total_display_pages)
    return min((total for total in totals if isinstance(total, int)), default=page + 1)


def _rows_of(data: Any, key: str | None) -> tuple[list[Any], Pagination | None]:
    """The rows of a page and what it says of the whole, of a Struct or of plain objects."""
    if isinstance(data, Mapping):
        members = cast("Mapping[str, Any]", data)
        pagination = Pagination.of(members.get("pagination"))
        if key is not None and key in members:
            return _as_list(members[key]), pagination
        lists: list[Any] = [value for value in members.values() if type(value) is list]
        return _as_list(lists[0] if len(lists) == 1 else None), pagination
    if isinstance(data, list | tuple) or key is None:
        return _as_list(cast("Any", data)), None
    return _as_list(getattr(data, key, None)), getattr(data, "pagination", None)


def _as_list(value: Any) -> list[Any]:
    return list(cast("list[Any]", value)) if isinstance(value, list | tuple) else []
