"""What every group of endpoints shares: a method is a signature, a docstring and one call."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Literal, TypeVar

from msgspec import UNSET

from pubrio_async._dispatch import Dispatcher
from pubrio_async._routes import Route, check
from pubrio_async._routes.rules import with_range_lists
from pubrio_async.endpoints._pages import Pages

T = TypeVar("T")

ContactTypeName = Literal["email-work", "email-personal", "phone"]
"""The contact types that can be asked for."""


class Endpoints:
    """A group of endpoints."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    def _call(self, route: Route[T], arguments: Mapping[str, Any]) -> Awaitable[T]:
        """Checks a request and sends it.

        Args:
            route: The endpoint.
            arguments: What the method was called with, as `locals()` has it; what is UNSET is
                left out of the body.

        Returns:
            What gives the decoded reply when it is awaited.
        """
        fields = _checked(route, _fields(arguments))
        return self._dispatcher.call(route, None if route.method == "GET" else fields)

    def _pages(self, route: Route[Any], arguments: Mapping[str, Any]) -> Pages[Any]:
        """The rows of a paginated endpoint; `max_items` and `max_pages` are not sent."""
        fields = _fields(arguments)
        max_items = fields.pop("max_items", None)
        max_pages = fields.pop("max_pages", None)
        checked = _checked(route, fields)
        return Pages(self._dispatcher, route, checked, max_items=max_items, max_pages=max_pages)


def _checked(route: Route[Any], fields: Mapping[str, Any]) -> Mapping[str, Any]:
    rules = route.rules
    if rules.range_lists:
        fields = with_range_lists(rules, fields)
    check(route.name, rules, fields)
    return fields


def _fields(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in arguments.items() if value is not UNSET and name != "self"
    }
