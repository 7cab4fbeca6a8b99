"""Replies to past calls, as the API's request log gives them back: paid ones too, for nothing."""

from __future__ import annotations

from typing import Any, Final

from pubrio_async._routes import ROUTES
from pubrio_async.doctor.account import whole_of
from pubrio_async.doctor.evidence import Evidence, Exchange, decoded
from pubrio_async.doctor.plan import FREE_READS, LOG_SEARCHES, MOST_ENTRIES
from pubrio_async.doctor.visit import Visitor

_BY_PATH: Final = {route.path: route.name for route in ROUTES.values()}


async def read_past_calls(
    visitor: Visitor, evidence: Evidence, only: frozenset[str] | None
) -> None:
    """Reads from the log what cannot be asked for freely: replies of other endpoints, and refusals.

    Args:
        visitor: Makes the calls.
        evidence: The calls; one is added for each reply that was found, as if it had just come.
        only: The endpoints to be looked at; None for all.
    """
    if evidence.good("api_keys.logs") is None:
        return
    for search in LOG_SEARCHES:
        fields = search.fields(evidence)
        if visitor.stop is None and not isinstance(fields, str):
            await visitor.call(search.name, fields, search.purpose)
    for name, status, log_id in _worth_reading(evidence, only):
        if visitor.stop is not None:
            return
        entry = await visitor.call("api_keys.log", {"query_log_id": log_id}, "log entry")
        text = entry.member("response_body")
        if not entry.ok or not isinstance(text, str):
            continue
        raw = text.encode(errors="replace")
        evidence.exchanges.append(
            Exchange(name=name, purpose="request log", status=status, raw=raw, body=decoded(raw))
        )


def _worth_reading(evidence: Evidence, only: frozenset[str] | None) -> list[tuple[str, int, str]]:
    """One entry for each endpoint that is not called freely, and one for each kind of refusal."""
    found: dict[Any, tuple[str, int, str]] = {}
    for page in list(evidence):
        if page.name != "api_keys.logs" or not page.ok:
            continue
        for row in page.rows("query_logs"):
            name = _BY_PATH.get(str(row.get("path")).rstrip("/"))
            status, log_id = whole_of(row.get("status_code")), row.get("query_log_id")
            if name is None or status is None or not isinstance(log_id, str) or not log_id.strip():
                continue
            if only is not None and name not in only:
                continue
            refused = status >= 400
            if refused and any(one.status == status for one in evidence):
                continue  # seen already, and in a reply of one's own
            if refused or (200 <= status < 300 and name not in FREE_READS):
                found.setdefault(status if refused else name, (name, status, log_id))
    return list(found.values())[:MOST_ENTRIES]
