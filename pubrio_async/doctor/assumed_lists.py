"""Assumptions about pages, ids and times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from pubrio_async._routes import ROUTES
from pubrio_async.doctor.account import whole_of
from pubrio_async.doctor.assumptions import Questions, Verdict, either, names, no, untested, yes
from pubrio_async.doctor.evidence import Evidence, Exchange
from pubrio_async.doctor.words import form_of, is_list, is_object, kind_of

LISTS: Final = Questions()

_TOTALS = ("page", "per_page", "total_entries", "total_pages")
_UUIDS = frozenset(
    {
        *("people_search_id", "domain_search_id", "redeem_query_id", "monitor_id"),
        *("monitor_log_id", "query_log_id", "user_id", "advertisement_search_id"),
        "channel_template_identifier",
    }
)
_INTS = frozenset({"profile_id", "currency_id", "log_type_id", "channel_template_id", "domain_id"})


@LISTS("items-key", "the list of a page is where it is documented")
def _items_key(evidence: Evidence) -> Verdict:
    pages = _pages(evidence)
    if not pages:
        return untested("no page")
    other = [
        one.name
        for one in pages
        if (key := ROUTES[one.name].items_key) and not is_list(one.member(key))
    ]
    return no(f"not there: {names(other)}") if other else yes(names(one.name for one in pages))


@LISTS("totals", "a page tells page, per_page, total_entries and total_pages")
def _totals(evidence: Evidence) -> Verdict:
    pages = _pages(evidence)
    if not pages:
        return untested("no page")
    lacking = [
        f"{one.name} without {field}"
        for one in pages
        for field in _TOTALS
        if whole_of(one.member("pagination", field)) is None
    ]
    return no(names(lacking)) if lacking else yes(names(one.name for one in pages))


@LISTS("display-pages", "total_display_pages and is_timeout may be there or not")
def _display_pages(evidence: Evidence) -> Verdict:
    pages = _pages(evidence)
    if not pages:
        return untested("no page")
    seen: list[str] = []
    for field in ("total_display_pages", "is_timeout"):
        holders = [one.name for one in pages if one.member("pagination", field) is not None]
        seen.append(f"{field}: {names(holders) or 'nowhere'}")
    return yes("; ".join(seen))


@LISTS("total-pages", "total_pages is no more than the rows in all make pages")
def _total_pages(evidence: Evidence) -> Verdict:
    told = [(one, *_figures(one)) for one in _pages(evidence)]
    known = [
        (one, total, size, pages)
        for one, total, size, pages in told
        if total is not None and size and pages is not None
    ]
    if not known:
        return untested("no page tells")
    more = [one.name for one, total, size, pages in known if pages > max(1, -(-total // size))]
    if more:
        return no(f"more than that: {names(more)}")
    fewer = [one.name for one, total, size, pages in known if pages < -(-total // size)]
    capped = f"; capped in {names(fewer)}" if fewer else ""
    return yes(f"{len(known)} pages agree{capped}")


@LISTS("full-page", "a page that is not the last is full, as long as per_page asks for it")
def _full_page(evidence: Evidence) -> Verdict:
    told = [
        (one, *_figures(one)) for one in _pages(evidence) if one.member("pagination", "page") == 1
    ]
    known = [(one, total, size) for one, total, size, _ in told if total is not None and size]
    if not known:
        return untested("no page tells")
    other = [
        f"{one.name}: {rows} of {min(size, total)}"
        for one, total, size in known
        if (rows := _rows(one)) != min(size, total)
    ]
    return no(names(other)) if other else yes(f"{len(known)} pages")


@LISTS("per-page", "25 rows can be asked for")
def _per_page(evidence: Evidence) -> Verdict:
    asked = [one for one in evidence.asked() if one.fields.get("per_page") == 25]
    known = [one for one in asked if one.status is not None]
    if not known:
        return untested("not asked")
    refused = [f"{one.name} ({one.status})" for one in known if one.status in {400, 422}]
    other = [
        f"{one.name}: {size}"
        for one in known
        if one.ok and (size := whole_of(one.member("pagination", "per_page"))) not in {None, 25}
    ]
    return either(not refused + other, names(refused + other) or f"{len(known)} calls took it")


@LISTS("beyond-last-page", "a page beyond the last is empty or refused, never full")
def _beyond(evidence: Evidence) -> Verdict:
    one = evidence.first("channels.templates", "beyond the last page")
    if one is None or one.status is None:
        return untested("not asked, or no reply")
    rows = _rows(one)
    return either(not (one.ok and rows), f"{one.status}, {rows} rows")


@LISTS("reference-lists", "filters.* give a list or an object, without any argument")
def _reference(evidence: Evidence) -> Verdict:
    asked = [
        one
        for one in evidence.asked()
        if one.name.startswith("filters.") and one.status is not None
    ]
    if not asked:
        return untested("not asked")
    failed = [f"{one.name} ({one.status})" for one in asked if not one.ok]
    kinds = Counter(kind_of(one.data) for one in asked if one.ok)
    seen = ", ".join(f"{kind}: {count}" for kind, count in sorted(kinds.items()))
    return either(not failed and kinds.keys() <= {"list", "object"}, names(failed) or seen)


@LISTS("ids", "ids are UUIDs or whole numbers, each always the same of the two")
def _ids(evidence: Evidence) -> Verdict:
    wrong: set[str] = set()
    seen: set[str] = set()
    for one in evidence:
        for key, value in _members(one.body, 0) if one.ok else ():
            if key in _UUIDS and isinstance(value, str) and value:
                seen.add(key)
                if form_of(value) != "string (uuid)":
                    wrong.add(f"{key}: {form_of(value)}")
            elif key in _UUIDS | _INTS and value not in {None, ""}:
                seen.add(key)
                if key in _UUIDS or type(value) is not int:
                    wrong.add(f"{key}: {form_of(value)}")
    if not seen:
        return untested("no id")
    return no(names(sorted(wrong))) if wrong else yes(names(sorted(seen)))


@LISTS("times", "times name a zone, but for those of api_keys.* and of template versions")
def _times(evidence: Evidence) -> Verdict:
    forms: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for one in evidence:
        if one.ok and one.name != "channels.templates":
            for key, value in _members(one.body, 0):
                if key in {"created_at", "last_modified"} and isinstance(value, str) and value:
                    forms[one.name.startswith("api_keys.")][form_of(value)] += 1
    if not forms[True] and not forms[False]:
        return untested("no time")
    log, others = (", ".join(sorted(forms[which])) or "none seen" for which in (True, False))
    fine = forms[True].keys() <= {"string (datetime without zone)"}
    fine = fine and forms[False].keys() <= {"string (datetime with zone)"}
    return either(fine, f"api_keys: {log}; others: {others}")


def _pages(evidence: Evidence) -> list[Exchange]:
    """First pages, one for each endpoint, those read from the request log included."""
    found: dict[str, Exchange] = {}
    for one in evidence:
        route = ROUTES[one.name]
        typed = route.items_key is not None or is_object(one.member("pagination"))
        if route.paginated and typed and one.ok and one.purpose in {"", "request log", "paid"}:
            found.setdefault(one.name, one)
    return list(found.values())


def _figures(one: Exchange) -> tuple[int | None, int | None, int | None]:
    """Rows in all, rows in a page, pages."""
    total, size, pages = (
        whole_of(one.member("pagination", name))
        for name in ("total_entries", "per_page", "total_pages")
    )
    return total, size, pages


def _rows(one: Exchange) -> int:
    key = ROUTES[one.name].items_key
    rows = one.data if is_list(one.data) else one.member(key or "")
    return len(rows) if is_list(rows) else 0


def _members(value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """All members of all objects in a reply, with their keys."""
    if depth > 8:
        return
    if is_list(value):
        for element in value:
            yield from _members(element, depth + 1)
    elif is_object(value):
        for key, member in value.items():
            if isinstance(member, list | dict):
                yield from _members(member, depth + 1)
            else:
                yield key, member
