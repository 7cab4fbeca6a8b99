"""What the API tells about its own limits: the counters of the workspace, and headers."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

from pubrio_async._config import LONGEST_MONTH_S, Rate
from pubrio_async._errors import ConfigurationError
from pubrio_async._wire import WireReply, parse_retry_after, server_time
from pubrio_async.models import ProfileUsage

_BY_HAND = (
    "Nothing was charged. If that is wrong, give the limits by hand, such as "
    'rate_limit="growth" or rate_limit="300/minute; 2400/hour".'
)
_NUMBER = re.compile(r"[0-9]{1,15}(?![0-9])")
# The one header of later drafts: `limit=300, remaining=7, reset=30` or `"default";r=7;t=30`.
_MEMBER = re.compile(r"(?:^|[\s,;])(limit|remaining|reset|r|t)\s*=\s*([0-9]{1,15})(?![0-9])")
_SHORT = {"r": "remaining", "t": "reset"}
# One of them there must be, or the rest tells nothing.
_TELLING = (
    "RateLimit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "RateLimit-Remaining",
    "RateLimit-Reset",
)
# Above these a number of seconds is a Unix time, in seconds or in milliseconds.
_UNIX_S = 1e9
_UNIX_MS = 1e12


class Quota(Struct, frozen=True):
    """A limit of the workspace.

    Attributes:
        rate: The limit.
        used: How many requests the API has counted in its present window.
    """

    rate: Rate
    used: int


class ToldLimits(Struct, frozen=True):
    """What the headers of a reply say about a window; None where they say nothing.

    Attributes:
        limit: How many requests it allows.
        remaining: How many of them are left.
        reset: Seconds from the reply until it turns.
    """

    limit: int | None
    remaining: int | None
    reset: float | None


def account_quotas(usage: ProfileUsage) -> tuple[Quota, ...]:
    """The hour's, the day's and the month's quota of a workspace, without those it has not.

    Args:
        usage: The reply of `profile.usage`.

    Raises:
        ConfigurationError: The workspace may make no requests.
    """
    if usage.is_api_access_available is False:
        msg = (
            "The workspace of this API key has no access to the API (profile.usage says "
            f"is_api_access_available: false): check its plan in the Pubrio dashboard. {_BY_HAND}"
        )
        raise ConfigurationError(msg)
    told = (
        ("hour", 3_600.0, usage.total_max_api_hourly_query, usage.api_hourly_usage),
        ("day", 86_400.0, usage.total_max_api_daily_query, usage.api_daily_usage),
        ("month", LONGEST_MONTH_S, usage.total_max_api_monthly_query, usage.api_monthly_usage),
    )
    quotas: list[Quota] = []
    for unit, period, most, used in told:
        if most is None:
            continue
        if most <= 0:
            msg = (
                f"profile.usage says that the workspace of this API key may make {most} requests "
                f"a {unit}, and yet that it has access to the API: check its plan in the Pubrio "
                f"dashboard. {_BY_HAND}"
            )
            raise ConfigurationError(msg)
        quotas.append(Quota(Rate(most, period), max(0, used or 0)))
    return tuple(quotas)


def told_limits(reply: WireReply) -> ToldLimits | None:
    """Reads the `RateLimit` headers of a reply in any of their forms.

    Args:
        reply: The reply.

    Returns:
        What they say; None if there is nothing that could be read.
    """
    headers = reply.headers
    for name in _TELLING:
        if headers.get(name) is not None:
            break
    else:
        return None
    members = {
        _SHORT.get(name, name): int(number)
        for name, number in _MEMBER.findall((headers.get("RateLimit") or "").lower())
    }
    limit, remaining = _count(headers, "Limit"), _count(headers, "Remaining")
    limit = members.get("limit") if limit is None else limit
    remaining = members.get("remaining") if remaining is None else remaining
    reset = _seconds(_header(headers, "Reset"), reply)
    if reset is None and "reset" in members:
        reset = float(members["reset"])
    if remaining is None and reset is None:
        return None
    return ToldLimits(limit, remaining, reset)


def _header(headers: Mapping[str, str], name: str) -> str | None:
    value = headers.get(f"X-RateLimit-{name}")
    return headers.get(f"RateLimit-{name}") if value is None else value


def _count(headers: Mapping[str, str], name: str) -> int | None:
    """The number a header begins with, as in `300, 300;w=60`."""
    match = _NUMBER.match((_header(headers, name) or "").strip())
    return int(match[0]) if match else None


def _seconds(value: str | None, reply: WireReply) -> float | None:
    """Seconds until the time that a header names: as a number of them, a Unix time or a date."""
    if value is None:
        return None
    # This machine's clock may be off by hours; a time is meant by the API's.
    sent_at = server_time(reply)
    seconds = parse_retry_after(value, 0.0)
    if seconds is None or seconds < _UNIX_S:
        return seconds
    if sent_at is None:
        return None
    return max(0.0, (seconds / 1_000 if seconds >= _UNIX_MS else seconds) - sent_at)
