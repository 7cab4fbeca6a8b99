"""Rows of a paginated endpoint, fetched page by page as they are asked for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from numbers import Integral
from typing import Any, Generic, Self, TypeVar, cast

from pubrio_async._dispatch import Dispatcher, Flight, cut_off
from pubrio_async._errors import ConfigurationError, DecodeError, at_endpoint
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
            given = cast("object", bound)  # numpy's count as numbers, too
            if bound is not None and (not isinstance(given, Integral) or bound < 0):
                msg = f"{name} must be a whole number of at least 0, not {bound!r:.40}"
                raise ConfigurationError(msg)
        self._dispatcher = dispatcher
        self._route = route
        self._fields = dict(fields)
        self._max_items = max_items
        self._max_pages = max_pages
        first = self._fields.get("page")
        self._page: int = first if isinstance(first, int) else 1
        self._first_is_default = first is None
        self._rows: deque[Row] = deque()
        self._fetching: asyncio.Task[Any] | None = None
        self._flight = Flight()
        self._readers = 0
        self._last: bool = False
        self.pagination: Pagination | None = None
        self.pages_fetched: int = 0
        self.items_yielded: int = 0

    @property
    def is_timeout(self) -> bool | None:
        """True if the API ran out of time counting, so that its totals may be too low."""
        pagination = self.pagination
        return bool(pagination.is_timeout) if pagination else None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Row:
        while True:
            # Asked again after every page: another reader may have taken the last rows of it.
            if self._max_items is not None and self.items_yielded >= self._max_items:
                raise StopAsyncIteration
            if self._rows:
                self.items_yielded += 1
                return self._rows.popleft()
            if self._last or self._max_pages == self.pages_fetched:
                raise StopAsyncIteration
            await self._turn()

    async def _turn(self) -> None:
        """Fetches the next page; one whose reader was cancelled is taken up by the next.

        Nobody's page is not sent: when the last reader is cancelled before it has left, it stays.
        """
        if self._fetching is None:
            fields = self._fields
            if not (self._page == 1 and self._first_is_default):
                fields = {**fields, "page": self._page}
            self._fetching, self._flight = self._dispatcher.begin(self._route, fields)
            self._fetching.add_done_callback(_seen)
        task, flight = self._fetching, self._flight
        self._readers += 1
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            if self._readers == 1 and not flight.is_sent and not task.done():
                task.cancel()
                self._fetching = None
            raise
        finally:
            self._readers -= 1
        first = self._fetching is task
        if first:
            self._fetching = None
        if task.cancelled():
            raise cut_off(self._route, flight, self._page)
        data = task.result()  # an error is for everyone who waited: nobody asks again unasked
        if not first:
            return  # another reader of this iterator has taken the rows
        rows, pagination = _rows_of(data, self._route)
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


def _rows_of(data: Any, route: Route[Any]) -> tuple[list[Any], Pagination | None]:
    """The rows of a page and what it says of the whole, of a Struct or of plain objects."""
    key = route.items_key
    if isinstance(data, Mapping):
        members = cast("Mapping[str, Any]", data)
        return _rows_among(members, route), Pagination.of(members.get("pagination"))
    if isinstance(data, list | tuple) or key is None:
        return _as_list(cast("Any", data)), None
    return _as_list(getattr(data, key, None)), getattr(data, "pagination", None)


def _rows_among(members: Mapping[str, Any], route: Route[Any]) -> list[Any]:
    """The rows of a page whose shape is not documented."""
    key = route.items_key
    if key is not None and key in members:
        return _as_list(members[key])
    lists: list[list[Any]] = [value for value in members.values() if type(value) is list]
    if len(lists) > 1:
        lists = [value for value in lists if value]
    if len(lists) > 1:
        names = ", ".join(name for name, value in members.items() if type(value) is list)
        msg = (
            f"{route.what} succeeded, but its rows cannot be told from its other "
            f"lists: {names}. Ask for single pages with {route.name} instead."
        )
        raise at_endpoint(route.name, DecodeError(msg, status=200, may_have_charged=route.paid))
    return lists[0] if lists else []


def _as_list(value: Any) -> list[Any]:
    return list(cast("list[Any]", value)) if isinstance(value, list | tuple) else []


def _seen(task: asyncio.Task[Any]) -> None:
    # A reader that was cancelled may never come back for the error.
    if not task.cancelled():
        task.exception()
