"""Requests and credits summed up from the request log: by day, by key, by endpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

import msgspec
from msgspec import Struct

from pubrio_async.sandbox.log import Entry, LogType, RequestLog, echoing, log_type
from pubrio_async.sandbox.paging import plain_time
from pubrio_async.sandbox.wire import Answer, Fields, bad_request

K = TypeVar("K")

_MAX_DAYS = 366


class UsageBody(Struct, kw_only=True):
    """The body of both endpoints. Days are those of UTC."""

    start_date: date
    end_date: date
    keys: tuple[str, ...] | None = None
    log_type_slugs: tuple[str, ...] | None = None

    def days(self) -> list[date]:
        """All days from the first to the last."""
        count = (self.end_date - self.start_date).days + 1
        if not 1 <= count <= _MAX_DAYS:
            raise bad_request("end_date must follow start_date within a year.")
        return [self.start_date + timedelta(days=day) for day in range(count)]


class UsageDesk:
    """Answers `api_keys.daily_usage` and `api_keys.usage_breakdown`.

    Requests that the log no longer holds do not count.
    """

    def __init__(self, log: RequestLog, wall: Callable[[float], float]) -> None:
        self._log = log
        self._wall = wall

    def daily(self, fields: Fields, now: float) -> Answer:
        """Answers `api_keys.daily_usage`."""
        wanted = msgspec.convert(fields, UsageBody)
        by_day: dict[date, list[Entry]] = {day: [] for day in wanted.days()}
        entries = self._entries(wanted, now)
        for entry in entries:
            by_day[self._day(entry)].append(entry)
        series = [{"date": day.isoformat(), **_sums(found)} for day, found in by_day.items()]
        by_type = [
            {"slug": kind.slug, "name": kind.name, **_sums(found)}
            for kind, found in _grouped(entries, _type)
        ]
        data = {"series": series, "by_log_type": by_type, "totals": _sums(entries)}
        return echoing(fields, data)

    def breakdown(self, fields: Fields, now: float) -> Answer:
        """Answers `api_keys.usage_breakdown`: by endpoint only those that have a price."""
        wanted = msgspec.convert(fields, UsageBody)
        wanted.days()
        entries = self._entries(wanted, now)
        by_key = [
            {
                "name": name,
                **_sums(found),
                "last_used": plain_time(self._wall(max(entry.at for entry in found))),
                **_shares(found, entries, digits=3),
            }
            for name, found in _grouped(entries, _key)
        ]
        by_endpoint = [
            {
                "slug": kind.slug,
                "name": kind.name,
                **_sums(found),
                "cost_per_call": round(sum(each.cost for each in found) / len(found), 2),
                **_shares(found, entries, digits=2),
            }
            for kind, found in _grouped(entries, _type)
            if kind.slug is not None
        ]
        totals = _sums(entries)
        return echoing(fields, {"by_key": by_key, "by_endpoint": by_endpoint, "totals": totals})

    def _entries(self, wanted: UsageBody, now: float) -> list[Entry]:
        keys, slugs = wanted.keys, wanted.log_type_slugs
        return [
            entry
            for entry in self._log.visible(now)
            if wanted.start_date <= self._day(entry) <= wanted.end_date
            and (not keys or entry.masked_key in keys)
            and (not slugs or log_type(entry.path).slug in slugs)
        ]

    def _day(self, entry: Entry) -> date:
        return datetime.fromtimestamp(self._wall(entry.at), UTC).date()


def _type(entry: Entry) -> LogType:
    return log_type(entry.path)


def _key(entry: Entry) -> str:
    return entry.masked_key


def _grouped(entries: Iterable[Entry], of: Callable[[Entry], K]) -> list[tuple[K, list[Entry]]]:
    """Groups, the one with the most credits first, then that with the most requests."""
    groups: dict[K, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(of(entry), []).append(entry)

    def weight(item: tuple[K, list[Entry]]) -> tuple[int, int]:
        return -sum(entry.cost for entry in item[1]), -len(item[1])

    return sorted(groups.items(), key=weight)


def _sums(entries: Sequence[Entry]) -> dict[str, int]:
    return {"requests": len(entries), "credits": sum(entry.cost for entry in entries)}


def _shares(part: Sequence[Entry], whole: Sequence[Entry], *, digits: int) -> dict[str, float]:
    few, many = _sums(part), _sums(whole)
    return {
        f"percent_of_{name}": round(100 * few[name] / many[name], digits) if many[name] else 0.0
        for name in ("requests", "credits")
    }
