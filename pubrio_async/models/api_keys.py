"""What the `api_keys` endpoints send back: past requests and what they cost.

Times are written `2026-05-14 12:04:32.243`, without a zone.
"""

from __future__ import annotations

from typing import Any, ClassVar

from msgspec import Struct

from pubrio_async.models.pagination import Pagination
from pubrio_async.models.redeem import Number


class QueryLogUser(Struct, frozen=True, kw_only=True, gc=False):
    """Whose key a request was made with."""

    user_id: str | None = None
    nickname: str | None = None
    email: str | None = None


class QueryLog(Struct, frozen=True, kw_only=True, gc=False):
    """One request that was made with a key of the workspace.

    Attributes:
        query_log_id: Its id (a UUID as text), good for `api_keys.log`.
        duration_ms: Milliseconds it took.
        masked_authentication: The key, masked.
        response_size: Bytes of the reply.
        log_type_slug: What was done, such as `people_redeem`; None for calls without a price.
        credits: What it cost.
    """

    query_log_id: str | None = None
    created_at: str | None = None
    profile_id: int | None = None
    user_id: str | None = None
    method: str | None = None
    path: str | None = None
    status_code: int | None = None
    duration_ms: Number | None = None
    log_type_id: int | None = None
    authentication_type: str | None = None
    masked_authentication: str | None = None
    response_size: int | None = None
    ip: str | None = None
    email: str | None = None
    nickname: str | None = None
    user: QueryLogUser | None = None
    log_type_slug: str | None = None
    credits: Number | None = None
    log_type_name: str | None = None
    authentication_type_name: str | None = None


class QueryLogsReply(Struct, frozen=True, kw_only=True):
    """One page of `api_keys.logs`."""

    pagination: Pagination | None = None
    query_logs: tuple[QueryLog, ...] | None = None


class QueryLogDetails(Struct, frozen=True, kw_only=True):
    """One past request with its reply; headers and bodies are JSON as text.

    Attributes:
        query_log_id: Its id (a UUID as text).
        request_body: What was sent. May hold personal data.
        request_headers: The headers it was sent with; the key is masked.
        response_body: What came back. May hold personal data.
        response_size: Bytes of the reply.
    """

    query_log_id: str
    request_body: str | None = None
    request_headers: str | None = None
    response_body: str | None = None
    response_size: int | None = None

    __rich_repr__: ClassVar[Any] = None  # it would show all fields

    def __repr__(self) -> str:
        return f"<QueryLogDetails {self.query_log_id}, {self.response_size} bytes>"


class UsageTotals(Struct, frozen=True, kw_only=True):
    """Credits and requests in all."""

    credits: Number | None = None
    requests: int | None = None


class DailyUsage(Struct, frozen=True, kw_only=True):
    """The reply of `api_keys.daily_usage`.

    Attributes:
        series: An element for each day; no shape is documented.
        by_log_type: An element for each kind of call; no shape is documented.
        totals: Their sum.
    """

    series: tuple[Any, ...] | None = None
    by_log_type: tuple[Any, ...] | None = None
    totals: UsageTotals | None = None


class KeyUsage(Struct, frozen=True, kw_only=True):
    """What one key was used for.

    Attributes:
        name: The key, masked.
    """

    name: str | None = None
    requests: int | None = None
    credits: Number | None = None
    last_used: str | None = None
    percent_of_requests: Number | None = None
    percent_of_credits: Number | None = None


class EndpointUsage(Struct, frozen=True, kw_only=True):
    """What one endpoint was used for.

    Attributes:
        slug: Such as `people_redeem`.
        cost_per_call: Credits for one call, on average.
    """

    slug: str | None = None
    name: str | None = None
    requests: int | None = None
    credits: Number | None = None
    cost_per_call: Number | None = None
    percent_of_requests: Number | None = None
    percent_of_credits: Number | None = None


class UsageBreakdown(Struct, frozen=True, kw_only=True):
    """The reply of `api_keys.usage_breakdown`."""

    by_key: tuple[KeyUsage, ...] | None = None
    by_endpoint: tuple[EndpointUsage, ...] | None = None
    totals: UsageTotals | None = None
