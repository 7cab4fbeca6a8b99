"""Assumptions about usage, the request log, prices and balances."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from msgspec import UNSET

from pubrio_async._routes import ROUTES
from pubrio_async.doctor.account import number_of, whole_of
from pubrio_async.doctor.assumptions import Questions, Verdict, either, names, no, untested, yes
from pubrio_async.doctor.evidence import Evidence, Exchange, decoded
from pubrio_async.doctor.words import is_object, kind_of

ACCOUNT: Final = Questions()

_QUARTER_S = 900
_HOURLY = {"free": 60, "growth": 2_400, "business": 12_000}
_BY_PATH = {route.path: route for route in ROUTES.values()}


@ACCOUNT("usage-counts", "calls made with a key are counted in profile.usage")
def _usage_counts(evidence: Evidence) -> Verdict:
    first, again = evidence.good("profile.usage"), evidence.good("profile.usage", "again")
    if first is None or again is None:
        return untested("profile.usage was not asked twice")
    before, after = (whole_of(one.member("api_hourly_usage")) for one in (first, again))
    if before is None or after is None or after < before:
        return untested("the hour's count is not reported, or has started over")
    calls = evidence.exchanges.index(again) - evidence.exchanges.index(first)
    made = sum(one.attempts for one in evidence.exchanges[-calls:])
    return either(after > before, f"it rose by {after - before} over about {made} requests")


@ACCOUNT("usage-pairs", "total_max_* is the workspace's quota, a multiple of the licence's max_*")
def _usage_pairs(evidence: Evidence) -> Verdict:
    usage = evidence.good("profile.usage")
    seen: dict[str, float] = {}
    for unit in ("hourly", "daily", "monthly"):
        one = whole_of(usage.member(f"max_api_{unit}_query")) if usage else None
        total = whole_of(usage.member(f"total_max_api_{unit}_query")) if usage else None
        if one and total:
            seen[unit] = total / one
    if not seen:
        return untested("no quota is reported")
    told = ", ".join(f"{unit}: {factor:g}" for unit, factor in seen.items())
    return either(all(factor == int(factor) >= 1 for factor in seen.values()), f"times {told}")


@ACCOUNT("no-access", "a quota of 0 comes with is_api_access_available: false, and only with it")
def _no_access(evidence: Evidence) -> Verdict:
    usage = evidence.good("profile.usage")
    quotas = [
        most
        for unit in ("hourly", "daily", "monthly")
        if usage and (most := whole_of(usage.member(f"total_max_api_{unit}_query"))) is not None
    ]
    access = usage.member("is_api_access_available") if usage else None
    if not quotas or not isinstance(access, bool):
        return untested("it is not reported")
    none = quotas.count(0)
    return either(bool(none) != access, f"{none} of {len(quotas)} quotas are 0, access: {access}")


@ACCOUNT("plan-quotas", "an hour has 60 requests (free), 2,400 (growth) or 12,000 (business)")
def _plan_quotas(evidence: Evidence) -> Verdict:
    profile, usage = evidence.good("profile.get"), evidence.good("profile.usage")
    slug = profile.member("subscription", "slug") if profile else None
    told = whole_of(usage.member("max_api_hourly_query")) if usage else None
    plan = slug.partition("-")[0] if isinstance(slug, str) else ""
    if plan not in _HOURLY or told is None:
        return untested("a plan with another name, or none is reported")
    return either(told == _HOURLY[plan], f"{plan}: {told:,} for one licence")


@ACCOUNT("usage-no-credits", "profile.usage counts requests and tells no credits")
def _usage_no_credits(evidence: Evidence) -> Verdict:
    usage = evidence.good("profile.usage")
    if usage is None or not is_object(usage.data):
        return untested("no reply")
    found = [name for name in usage.data if "credit" in name]
    return either(not found, f"{len(found)} fields speak of credits")


@ACCOUNT("balances", "credit and topup_credit are two separate whole numbers")
def _balances(evidence: Evidence) -> Verdict:
    profile = evidence.good("profile.get")
    if profile is None:
        return untested("no reply")
    kinds = {name: profile.member(name) for name in ("credit", "topup_credit")}
    told = ", ".join(f"{name}: {_kind(value)}" for name, value in kinds.items())
    return either(all(type(value) is int for value in kinds.values()), told)


@ACCOUNT("prices", "the plan tells the prices of an e-mail and of a phone record")
def _prices(evidence: Evidence) -> Verdict:
    profile = evidence.good("profile.get")
    if profile is None:
        return untested("no reply")
    told = {
        what: number_of(profile.member("subscription", f"{name}_redeem_credit"))
        for what, name in (("e-mail", "email"), ("phone", "phone_number"))
    }
    seen = ", ".join(
        f"{what}: {'not reported' if price is None else price}" for what, price in told.items()
    )
    return either(None not in told.values(), seen)


@ACCOUNT("page-bound", "the plan allows 25 rows in a page (max_search_per_page)")
def _page_bound(evidence: Evidence) -> Verdict:
    profile = evidence.good("profile.get")
    most = whole_of(profile.member("subscription", "max_search_per_page")) if profile else None
    return untested("the plan does not tell") if most is None else either(most == 25, str(most))


@ACCOUNT("log-lists-calls", "a call is in the request log soon after it was answered")
def _log_lists(evidence: Evidence) -> Verdict:
    before, after = evidence.good("api_keys.logs"), evidence.good("api_keys.logs", "again")
    if before is None or after is None:
        return untested("the log was not read twice")
    new = _new_rows(before, after)
    waited = after.began - before.ended
    return either(bool(new), f"{len(new)} new entries on its first page after {waited:.0f} s")


@ACCOUNT(
    "log-zone", "the log's times are in a zone it does not name, whole quarters of an hour off UTC"
)
def _log_zone(evidence: Evidence) -> Verdict:
    before, after = evidence.good("api_keys.logs"), evidence.good("api_keys.logs", "again")
    if before is None or after is None:
        return untested("the log was not read twice")
    times = [
        time
        for row in _new_rows(before, after)
        if (time := _seconds(row.get("created_at"))) is not None
    ]
    if not times:
        return untested("no entry of ours was seen")
    # The newest is of a call made just before: what is more than a few minutes is the zone.
    off = max(times) - after.began
    zone = round(off / _QUARTER_S) * _QUARTER_S
    rest = off - zone
    told = f"UTC{zone / 3600:+g} h" if zone else "UTC"
    return either(abs(rest) <= 120, f"{told}, {rest:+.0f} s beside it")


@ACCOUNT("log-bodies", "api_keys.log gives back request and reply, whole, as JSON in a text")
def _log_bodies(evidence: Evidence) -> Verdict:
    entries = [one for one in evidence if one.name == "api_keys.log" and one.ok]
    if not entries:
        return untested("no entry was read")
    whole = {"request_body": 0, "response_body": 0, "request_headers": 0}
    for one in entries:
        for field in whole:
            text = one.member(field)
            whole[field] += isinstance(text, str) and bool(text) and _is_json(text)
    told = ", ".join(f"{field} in {count} of {len(entries)}" for field, count in whole.items())
    return either(whole["response_body"] == len(entries), told)


@ACCOUNT("log-size", "response_size is the size of the reply that the log gives back")
def _log_size(evidence: Evidence) -> Verdict:
    told: list[bool] = []
    for one in evidence:
        if one.name == "api_keys.log" and one.ok:
            body, size = one.member("response_body"), whole_of(one.member("response_size"))
            if isinstance(body, str) and size is not None:
                told.append(len(body.encode(errors="replace")) == size)
    if not told:
        return untested("no entry tells")
    # It may count compressed bytes; only a body that is cut would lose something.
    return yes(f"the same in {sum(told)} of {len(told)} entries")


@ACCOUNT("log-masks-key", "the log never shows the key")
def _log_masks_key(evidence: Evidence) -> Verdict:
    replies = [one for one in evidence if one.ok and one.name.startswith("api_keys.")]
    if not replies:
        return untested("the log was not read")
    if evidence.shows_key is None:
        return untested("the key is too short to be looked for")
    shown = [one.name for one in replies if evidence.shows_key(one.raw)]
    return no(f"the whole key is in {names(shown)}") if shown else yes(f"{len(replies)} replies")


@ACCOUNT("free-calls", "what is taken for free costs nothing, by the log")
def _free_calls(evidence: Evidence) -> Verdict:
    count = 0
    dear: list[str] = []
    for row in _log_rows(evidence):
        route = _BY_PATH.get(str(row.get("path")).rstrip("/"))
        cost = number_of(row.get("credits"))
        if route is not None and not route.paid and cost is not None:
            count += 1
            if cost:
                dear.append(f"{route.name} ({cost:g})")
    if not count:
        return untested("the log shows no such call")
    return no(f"charged: {names(dear)}") if dear else yes(f"{count} calls, 0 credits")


@ACCOUNT("free-slug", "a free call has no log_type_slug")
def _free_slug(evidence: Evidence) -> Verdict:
    rows = [
        row
        for row in _log_rows(evidence)
        if (route := _BY_PATH.get(str(row.get("path")).rstrip("/"))) and not route.paid
    ]
    if not rows:
        return untested("the log shows no such call")
    named = sum(1 for row in rows if row.get("log_type_slug"))
    return either(not named, f"{named} of {len(rows)} have one")


def _new_rows(before: Exchange, after: Exchange) -> list[dict[str, Any]]:
    """Entries that have come into the log between two looks at its first page."""
    old = [row.get("query_log_id") for row in before.rows("query_logs")]
    return [row for row in after.rows("query_logs") if row.get("query_log_id") not in old]


def _log_rows(evidence: Evidence) -> list[dict[str, Any]]:
    """All rows of the log that were seen, each once."""
    found: dict[Any, dict[str, Any]] = {}
    for one in evidence:
        if one.name == "api_keys.logs" and one.ok:
            for row in one.rows("query_logs"):
                key = row.get("query_log_id")
                found[key if isinstance(key, str) else len(found)] = row
    return list(found.values())


def _seconds(text: Any) -> float | None:
    """A time of the log, in seconds as if it were UTC."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _is_json(text: str) -> bool:
    return decoded(text.encode(errors="replace")) is not UNSET


def _kind(value: Any) -> str:
    return "missing" if value is None else kind_of(value)
