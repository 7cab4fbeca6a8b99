"""Replies, as they are kept while the doctor looks at them. They hold personal data."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Struct, field

from pubrio_async._quota import ToldLimits
from pubrio_async.doctor.words import is_list, is_object
from pubrio_async.models.redeem import Number

Purpose = Literal[
    "",
    "again",
    "unknown id",
    "beyond the last page",
    "log search",
    "log entry",
    "request log",
    "paid",
    "early",
]
"""Why a call was made, if not for its reply alone.

`request log`: it was made in the past by somebody of the workspace, and its reply is in the log.
`early`: a poll before the job can be done.
"""

Json = dict[str, Any]


class Exchange(Struct, kw_only=True, eq=False):
    """A call and its last reply.

    Attributes:
        name: The endpoint.
        purpose: Why it was made.
        fields: The request.
        status: The status; None if no reply came.
        headers: The headers of the reply.
        body: The reply, decoded; UNSET if it is not JSON, or none came.
        raw: The reply as it came.
        error: The class of the error the call ended with; None if it did not.
        code: The API's own error code, if it is a number.
        told: What its headers say about a window.
        began: When the call began, in seconds since the epoch.
        ended: When it ended, likewise.
        elapsed_s: Seconds it took.
        head_s: Seconds until the head of the reply.
        version: The version of HTTP of the reply.
        attempts: Requests that were sent for it.
    """

    name: str
    purpose: Purpose = ""
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Any = UNSET
    raw: bytes = b""
    error: str | None = None
    code: int | None = None
    told: ToldLimits | None = None
    began: float = 0.0
    ended: float = 0.0
    elapsed_s: float = 0.0
    head_s: float | None = None
    version: tuple[int, int] | None = None
    attempts: int = 0

    __rich_repr__: ClassVar[Any] = None  # it would show all fields

    def __repr__(self) -> str:
        return f"<Exchange {self.name} {self.status} {self.error}>"

    @property
    def ok(self) -> bool:
        """Whether the API reported success."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def told_something(self) -> bool:
        """Whether that success is JSON, as the API's are."""
        return self.ok and self.body is not UNSET

    @property
    def data(self) -> Any:
        """The `data` of the reply; without one the whole reply."""
        if is_object(self.body) and "data" in self.body:
            return self.body["data"]
        return self.body

    def member(self, *path: str) -> Any:
        """What is at a path below `data`; None if nothing is."""
        value = self.data
        for name in path:
            value = value.get(name) if is_object(value) else None
        return value

    def rows(self, key: str) -> list[Json]:
        """The objects of a list below `data`, or of `data` itself if that is a list."""
        return objects_in(self.data if is_list(self.data) else self.member(key))


class Evidence:
    """All calls, in their order.

    Args:
        base_url: Where was asked.
        wall: The time of day, in seconds since the epoch.
        shows_key: Whether a reply holds the key; None where that is not looked for.

    Attributes:
        search_cost: What a page of `people.search` cost, by the balances around it.
    """

    def __init__(
        self,
        base_url: str = "",
        wall: Callable[[], float] = time.time,
        shows_key: Callable[[bytes], bool] | None = None,
    ) -> None:
        self.base_url = base_url
        self.wall = wall
        self.shows_key = shows_key
        self.search_cost: Number | None = None
        self.exchanges: list[Exchange] = []

    def __iter__(self) -> Iterator[Exchange]:
        return iter(self.exchanges)

    def first(self, name: str, purpose: Purpose = "") -> Exchange | None:
        """The first call of an endpoint; None if there was none."""
        for one in self.exchanges:
            if one.name == name and one.purpose == purpose:
                return one
        return None

    def good(self, name: str, purpose: Purpose = "") -> Exchange | None:
        """The first call of an endpoint that worked; None if there was none."""
        for one in self.exchanges:
            if one.name == name and one.purpose == purpose and one.ok:
                return one
        return None

    def asked(self) -> list[Exchange]:
        """Calls that were made, those read from the request log left out."""
        return [one for one in self.exchanges if one.purpose != "request log"]


def objects_in(value: Any) -> list[Json]:
    """The objects of a list; none of anything else."""
    return [element for element in value if is_object(element)] if is_list(value) else []


def decoded(body: bytes | str) -> Any:
    """A body as JSON; UNSET if it is none."""
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return UNSET
