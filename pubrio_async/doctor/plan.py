"""Which calls are made: reads that are free, and nothing else unless credits may be spent.

`FREE_READS` is the list of what may be called at all. It was gone through by hand: each of them
is free, changes nothing, and may be repeated. What is not in it, or in the paid probes, cannot be
called from this room.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from msgspec import Struct

from pubrio_async._errors import ConfigurationError
from pubrio_async._routes import ROUTES
from pubrio_async.doctor.evidence import Evidence, Purpose

FREE_READS: Final[tuple[str, ...]] = (
    "profile.get",
    "profile.usage",
    "user.get",
    "api_keys.logs",
    "api_keys.log",
    "api_keys.daily_usage",
    "api_keys.usage_breakdown",
    "filters.locations",
    "filters.departments",
    "filters.department_functions",
    "filters.management_levels",
    "filters.company_sizes",
    "filters.timezones",
    "filters.news_categories",
    "filters.news_galleries",
    "filters.news_languages",
    "filters.technologies",
    "filters.technology_categories",
    "filters.verticals",
    "filters.vertical_categories",
    "filters.vertical_sub_categories",
    "channels.template_types",
    "channels.templates",
    "channels.template",
    "monitors.statistics",
    "monitors.list",
    "monitors.get",
    "monitors.chart",
    "monitors.logs",
    "monitors.log",
    "redeem.query",
)
"""Endpoints that are called without asking: free reads."""

ALWAYS: Final = ("profile.get", "profile.usage")
"""Called whatever was asked for: they tell whether the key is taken, and the limits."""

NO_BOUND: Final = "what it costs is not documented, so no bound could be kept"
WRITES: Final = "it changes something, or may"

PAID_PROBES: Final[tuple[str, ...]] = (
    "people.search",
    "companies.search",
    "redeem.people",
    "redeem.batch",
    "redeem.contact_lookup",
    "redeem.contact_lookup_batch",
)
"""Endpoints that are called where credits may be spent: those whose price is known."""

_DAYS: Final = 30
PAGE: Final = 25


class Ask(Struct, frozen=True):
    """A call to be made.

    Attributes:
        name: The endpoint.
        fields: Gives the request from earlier replies, or says in words what is missing for it.
        needs: The endpoint whose reply it takes an id from.
        purpose: Why, if not for the reply alone.
    """

    name: str
    fields: Callable[[Evidence], Mapping[str, Any] | str]
    needs: str | None = None
    purpose: Purpose = ""


def free_calls(only: frozenset[str] | None = None) -> list[Ask]:
    """The free calls, in their order.

    Args:
        only: The endpoints to be looked at; None for all.

    Returns:
        The calls, with those that others take their ids from.
    """
    wanted = set(FREE_READS if only is None else only.intersection(FREE_READS))
    if reads_log(only):
        wanted.add("api_keys.logs")
    for ask in reversed(_CALLS):
        if ask.name in wanted and ask.needs is not None:
            wanted.add(ask.needs)
    return [
        ask for ask in _CALLS if ask.name in wanted or (ask.name in ALWAYS and ask.purpose == "")
    ]


def selected(names: tuple[str, ...]) -> frozenset[str] | None:
    """The endpoints that were named, each by its name or its group.

    Args:
        names: Such as `people.search`, `filters`, or several joined by commas.

    Returns:
        Their names; None if none was named, which means all.

    Raises:
        ConfigurationError: There is no such endpoint.
    """
    words = [word.strip() for name in names for word in name.split(",") if word.strip()]
    if not words:
        return None
    found: set[str] = set()
    for word in words:
        these = {name for name in ROUTES if name == word or name.startswith(f"{word}.")}
        if not these:
            raise ConfigurationError(
                f"--only: {word[:60]!r} is neither an endpoint nor a group of them. "
                "pubrio-async call --list shows them all."
            )
        found |= these
    return frozenset(found)


def why_not_asked(name: str) -> str:
    """Why an endpoint is not called where no credits may be spent."""
    route = ROUTES[name]
    if name in PAID_PROBES:
        return "it costs credits; --spend N allows it"
    if not route.safe_to_resend:
        return "it costs credits" if route.spends_credits else WRITES
    return NO_BOUND if route.spends_credits is None else "it costs credits"


def _nothing(_: Evidence) -> Mapping[str, Any]:
    return {}


def _page(_: Evidence) -> Mapping[str, Any]:
    return {"page": 1, "per_page": PAGE}


def _log_page(_: Evidence) -> Mapping[str, Any]:
    # As the search for lost requests asks for it.
    return {"page": 1, "per_page": PAGE, "order_by": "created_at", "is_ascending_order": False}


def _log_of(term: str) -> Callable[[Evidence], Mapping[str, Any] | str]:
    def fields(evidence: Evidence) -> Mapping[str, Any]:
        return {**_log_page(evidence), "search_term": term}

    return fields


def _beyond(evidence: Evidence) -> Mapping[str, Any] | str:
    page = evidence.good("channels.templates")
    last = None if page is None else page.member("pagination", "total_pages")
    if not isinstance(last, int):
        return "its first page does not tell how many there are"
    return {"page": last + 1, "per_page": PAGE}


def _lately(evidence: Evidence) -> Mapping[str, Any]:
    today = datetime.fromtimestamp(evidence.wall(), UTC).date()
    return {
        "start_date": (today - timedelta(days=_DAYS)).isoformat(),
        "end_date": today.isoformat(),
    }


def _id_of(name: str, rows: str, field: str, what: str) -> Callable[[Evidence], Any]:
    """A request whose only field is an id from a list."""

    def fields(evidence: Evidence) -> Mapping[str, Any] | str:
        found = _first_id(evidence, name, rows, field)
        return {field: found} if found else f"no {what} in this workspace"

    return fields


def _chart(evidence: Evidence) -> Mapping[str, Any] | str:
    found = _first_id(evidence, "monitors.list", "monitors", "monitor_id")
    return {"monitor_id": found, **_lately(evidence)} if found else "no monitor in this workspace"


def _first_id(evidence: Evidence, name: str, rows: str, field: str) -> str | None:
    listed = evidence.good(name)
    for row in listed.rows(rows) if listed else ():
        found = row.get(field)
        if isinstance(found, str) and found.strip():
            return found
    return None


def _own_entry(evidence: Evidence) -> Mapping[str, Any] | str:
    """An entry of the log about a call of ours, or else the newest."""
    for listed in (evidence.good("api_keys.logs", "again"), evidence.good("api_keys.logs")):
        rows = listed.rows("query_logs") if listed else []
        ours = [row for row in rows if str(row.get("path")).rstrip("/").endswith("/profile/usage")]
        for row in (*ours, *rows):
            found = row.get("query_log_id")
            if isinstance(found, str) and found.strip():
                return {"query_log_id": found}
    return "no request in the log of this workspace"


def _known_job(evidence: Evidence) -> Mapping[str, Any] | str:
    for one in evidence:
        if one.name == "redeem.batch":
            found = one.member("redeem_query_id") or one.member("query", "redeem_query_id")
            if isinstance(found, str) and found.strip():
                return {"redeem_query_id": found}
    return "no batch in the newest entries of the request log"


def _unknown_job(_: Evidence) -> Mapping[str, Any]:
    return {"redeem_query_id": str(uuid.uuid4())}


_FIRST = ("profile.get", "profile.usage", "user.get")
_LISTS = tuple(name for name in FREE_READS if name.startswith("filters."))

_CALLS: Final[tuple[Ask, ...]] = (
    *(Ask(name, _nothing) for name in _FIRST),
    # Before the calls of this program fill its first page.
    Ask("api_keys.logs", _log_page),
    *(Ask(name, _nothing) for name in _LISTS),
    Ask("channels.template_types", _nothing),
    Ask("channels.templates", _page),
    Ask("channels.templates", _beyond, purpose="beyond the last page"),
    Ask(
        "channels.template",
        _id_of(
            "channels.templates", "channel_templates", "channel_template_identifier", "template"
        ),
        needs="channels.templates",
    ),
    Ask("monitors.statistics", _nothing),
    Ask("monitors.list", _page),
    Ask(
        "monitors.get",
        _id_of("monitors.list", "monitors", "monitor_id", "monitor"),
        needs="monitors.list",
    ),
    Ask("monitors.chart", _chart, needs="monitors.list"),
    Ask(
        "monitors.logs",
        _id_of("monitors.list", "monitors", "monitor_id", "monitor"),
        needs="monitors.list",
    ),
    Ask(
        "monitors.log",
        _id_of("monitors.logs", "monitor_logs", "monitor_log_id", "run of its first monitor"),
        needs="monitors.logs",
    ),
    Ask("api_keys.daily_usage", _lately),
    Ask("api_keys.usage_breakdown", _lately),
    Ask("redeem.query", _unknown_job, purpose="unknown id"),
    Ask("api_keys.logs", _log_page, purpose="again"),
    Ask("api_keys.log", _own_entry, needs="api_keys.logs"),
    Ask("redeem.query", _known_job, needs="api_keys.logs"),
    Ask("profile.usage", _nothing, purpose="again"),
)
"""All free calls. Those that read past paid calls from the log come between, see `examine`."""

LOG_SEARCHES: Final = (
    Ask("api_keys.logs", _log_of("redeem"), purpose="log search"),
    Ask("api_keys.logs", _log_of("search"), purpose="log search"),
)
"""Pages of the log on which past paid calls are."""

MOST_ENTRIES: Final = 10
"""Most entries of the log that are read for the replies to past calls."""


def most_requests(only: frozenset[str] | None) -> int:
    """How many requests the free calls come to at most, if none has to be sent again."""
    return len(free_calls(only)) + (len(LOG_SEARCHES) + MOST_ENTRIES if reads_log(only) else 0)


def reads_log(only: frozenset[str] | None) -> bool:
    """Whether replies to past calls are wanted: those to endpoints that are not called freely."""
    return only is None or not only.issubset(FREE_READS)
