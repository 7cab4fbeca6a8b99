"""Limits, plan, prices and balances, as the replies tell them."""

from __future__ import annotations

import re
from typing import Any, Final

from pubrio_async._capture import is_rate_limit_header
from pubrio_async.doctor.evidence import Evidence, Exchange
from pubrio_async.doctor.report import LimitsCheck, PlanCheck, QuotaCheck
from pubrio_async.doctor.words import word
from pubrio_async.models.redeem import Number

_UNITS: Final = (("hour", "hourly"), ("day", "daily"), ("month", "monthly"))
_PRICES: Final = (
    "email_redeem_credit",
    "phone_number_redeem_credit",
    "people_search_credit",
    "company_search_credit",
    "data_export_credit",
    "web_intent_signal_credit",
)
_MOST_HEADER: Final = 100
_LARGEST: Final = 1 << 63
# Numbers, and short words between them: no id and no key, which mix the two.
_LIMIT: Final = re.compile(r"""(?:(?:[0-9]+(?:\.[0-9]+)?|[A-Za-z]{1,12})(?:[ ,;:="-]+|$)|["])*""")


def limits_of(evidence: Evidence, client: str, rate_limited: int) -> LimitsCheck:
    """The limits.

    Args:
        evidence: The calls.
        client: What this client keeps to, in words.
        rate_limited: How often the API answered with 429.
    """
    headers: dict[str, str] = {}
    for one in evidence.asked():
        for name, value in one.headers.items():
            if is_rate_limit_header(name):
                headers[name.lower()] = _harmless(value)
    usage = evidence.good("profile.usage")
    return LimitsCheck(
        client=client,
        headers=headers,
        quotas=() if usage is None else _quotas(usage),
        rate_limited=rate_limited,
    )


def left_in_hour(usage: Exchange | None) -> int | None:
    """Requests left in the hour; None where that is not known."""
    if usage is None:
        return None
    hour = _quotas(usage)[0]
    return None if hour.used is None or not hour.most else hour.most - hour.used


def plan_of(evidence: Evidence) -> PlanCheck:
    """Plan, prices and balances."""
    profile = evidence.good("profile.get")
    check = PlanCheck()
    if profile is not None:
        slug = profile.member("subscription", "slug")
        check.plan = word(slug) if slug else None
        check.credit = number_of(profile.member("credit"))
        check.topup_credit = number_of(profile.member("topup_credit"))
        for name in _PRICES:
            price = number_of(profile.member("subscription", name))
            if price is not None:
                check.prices[name] = price
    breakdown = evidence.good("api_keys.usage_breakdown")
    for row in breakdown.rows("by_endpoint") if breakdown else ():
        cost = number_of(row.get("cost_per_call"))
        if cost is not None and isinstance(row.get("slug"), str):
            check.cost_per_call[word(row["slug"])] = cost
    return check


def number_of(value: Any) -> Number | None:
    """A number; None for anything else."""
    return value if type(value) is float else whole_of(value)


def whole_of(value: Any) -> int | None:
    """A whole number; None for anything else, and for one that no float could hold."""
    return value if type(value) is int and abs(value) <= _LARGEST else None


def _quotas(usage: Exchange) -> tuple[QuotaCheck, ...]:
    return tuple(
        QuotaCheck(
            unit=unit,
            used=whole_of(usage.member(f"api_{word}_usage")),
            most=whole_of(usage.member(f"total_max_api_{word}_query")),
        )
        for unit, word in _UNITS
    )


def _harmless(value: str) -> str:
    """The value of a header, if it has the form of one that speaks of limits."""
    return value if len(value) <= _MOST_HEADER and _LIMIT.fullmatch(value) else "(not shown)"
