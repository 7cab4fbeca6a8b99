"""The request log: what `api_keys.logs` and `api_keys.log` give back."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from pubrio_async.sandbox.bodies import Paged
from pubrio_async.sandbox.config import SandboxConfig
from pubrio_async.sandbox.paging import page_of, pagination, plain_time
from pubrio_async.sandbox.people import People, encode, format_id, parse_id
from pubrio_async.sandbox.wire import Answer, Fields, SandboxRequest, bad_request


class LogType(NamedTuple):
    """What kind of work a request was; calls without a price have the first one."""

    number: int
    slug: str | None
    name: str | None


_FREE = LogType(0, None, None)
_PEOPLE_SEARCH = LogType(1, "people_search", "People Search")
_COMPANY_SEARCH = LogType(2, "company_search", "Company Search")
_REDEEM = LogType(3, "people_redeem", "Redeem People")
# Only the slugs of the first three are documented.
_PEOPLE_ENRICHMENT = LogType(4, "people_enrichment", "People Enrichment")
_COMPANY_ENRICHMENT = LogType(5, "company_enrichment", "Company Enrichment")
_MONITOR = LogType(6, "monitor", "Monitor")
_TYPES = {
    "/people/search": _PEOPLE_SEARCH,
    "/people/search/similar": _PEOPLE_SEARCH,
    "/companies/search": _COMPANY_SEARCH,
    "/companies/lookalikes/search": _COMPANY_SEARCH,
    "/companies/jobs/search": _COMPANY_SEARCH,
    "/companies/news/search": _COMPANY_SEARCH,
    "/companies/advertisements/search": _COMPANY_SEARCH,
    "/people/enrichment": _PEOPLE_ENRICHMENT,
    "/people/linkedin/lookup": _PEOPLE_ENRICHMENT,
    "/companies/lookup/enrich": _COMPANY_ENRICHMENT,
    "/companies/linkedin/lookup": _COMPANY_ENRICHMENT,
    "/redeem/people": _REDEEM,
    "/redeem/people/batch": _REDEEM,
    "/redeem/people/contact/lookup": _REDEEM,
    "/redeem/people/contact/lookup/batch": _REDEEM,
    "/monitors/process/try": _MONITOR,
}
_HIDDEN = "***"
_MASKABLE_KEY = 8


class Entry(Struct, frozen=True):
    """One request and its reply."""

    log_id: bytes
    at: float
    method: str
    path: str
    request_headers: tuple[tuple[str, str], ...]
    request_body: bytes
    status: int
    response_body: bytes
    delay: float
    cost: int
    masked_key: str

    def size(self) -> int:
        """Bytes of its bodies."""
        return len(self.request_body) + len(self.response_body)


class LogFilter(Paged, kw_only=True):
    """The body of `api_keys.logs`."""

    order_by: str = "created_at"
    is_ascending_order: bool = False
    search_term: str | None = None
    log_types: tuple[int, ...] | None = None
    log_type_slugs: tuple[str, ...] | None = None
    status_codes: tuple[int, ...] | None = None
    methods: tuple[str, ...] | None = None

    def accepts(self, entry: Entry) -> bool:
        """Whether an entry belongs into the list."""
        kind = log_type(entry.path)
        term = (self.search_term or "").lower()
        return (
            (not self.status_codes or entry.status in self.status_codes)
            and (not self.methods or entry.method in {name.upper() for name in self.methods})
            and (not self.log_type_slugs or kind.slug in self.log_type_slugs)
            and (not self.log_types or kind.number in self.log_types)
            and term in entry.path.lower()
        )


class LogLookup(Struct):
    """The body of `api_keys.log`."""

    query_log_id: str


def log_type(path: str) -> LogType:
    """What kind of work a request to this path is."""
    return _TYPES.get(path, _FREE)


def mask(key: str) -> str:
    """A key as the log shows it: its first character, 16 bullets, its last three."""
    # Of a short key nothing is shown: there would not be much left to hide.
    shown = key if len(key) >= _MASKABLE_KEY else ""
    return f"{shown[:1]}{'•' * 16}{shown[-3:]}"


def visible_headers(request: SandboxRequest) -> tuple[tuple[str, str], ...]:
    """The headers of a request with the key taken out."""
    return tuple(
        (name.lower(), _HIDDEN if name.lower() == "pubrio-api-key" else value)
        for name, value in request.headers.items()
    )


class RequestLog:
    """The newest requests, bounded in number and in bytes."""

    def __init__(
        self,
        config: SandboxConfig,
        people: People,
        user: dict[str, str],
        wall: Callable[[float], float],
    ) -> None:
        self._config = config
        self._people = people
        self._user = user
        self._wall = wall
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._by_id: dict[bytes, Entry] = {}
        self._added = 0

    def add(
        self,
        request: SandboxRequest,
        path: str,
        now: float,
        *,
        status: int,
        body: bytes,
        cost: int,
        delay: float,
    ) -> None:
        """Writes a request down, and drops the oldest if there are too many."""
        entry = Entry(
            log_id=self._people.make_id("log", self._added),
            at=now,
            method=request.method,
            path=path,
            request_headers=visible_headers(request),
            request_body=request.body,
            status=status,
            response_body=body,
            delay=delay,
            cost=cost,
            masked_key=mask(request.header("pubrio-api-key")),
        )
        self._added += 1
        self._entries.append(entry)
        self._by_id[entry.log_id] = entry
        self._bytes += entry.size()
        config = self._config
        while self._entries and (
            len(self._entries) > config.max_log_entries or self._bytes > config.max_log_bytes
        ):
            oldest = self._entries.popleft()
            self._bytes -= oldest.size()
            del self._by_id[oldest.log_id]

    def list(self, fields: Fields, now: float) -> Answer:
        """Answers `api_keys.logs`."""
        wanted = msgspec.convert(fields, LogFilter)
        found = [entry for entry in self.visible(now) if wanted.accepts(entry)]
        if not wanted.is_ascending_order:
            found.reverse()
        rows = [self._row(entry) for entry in page_of(found, wanted)]
        return echoing(fields, {"pagination": pagination(len(found), wanted), "query_logs": rows})

    def lookup(self, fields: Fields, now: float) -> Answer:
        """Answers `api_keys.log`."""
        wanted = msgspec.convert(fields, LogLookup).query_log_id
        raw = parse_id(wanted)
        entry = None if raw is None else self._by_id.get(raw)
        if entry is None or entry.at > now - self._config.log_delay:
            raise bad_request("There is no such log.")
        headers = msgspec.json.encode(dict(entry.request_headers)).decode()
        body = {
            "metadata": {"query_log_id": wanted},
            "data": {
                "query_log_id": wanted,
                "request_body": entry.request_body.decode(errors="replace"),
                "request_headers": headers,
                "response_body": entry.response_body.decode(errors="replace"),
                "response_size": len(entry.response_body),
            },
        }
        return Answer(encode(body))

    def visible(self, now: float) -> Iterator[Entry]:
        """The requests that can be seen by now, oldest first."""
        newest = now - self._config.log_delay
        return (entry for entry in self._entries if entry.at <= newest)

    def _row(self, entry: Entry) -> dict[str, Any]:
        kind = log_type(entry.path)
        return {
            "query_log_id": format_id(entry.log_id),
            "created_at": plain_time(self._wall(entry.at)),
            "profile_id": 1,
            "user_id": self._user["user_id"],
            "method": entry.method,
            "path": entry.path,
            "status_code": entry.status,
            "duration_ms": round(entry.delay * 1000),
            "log_type_id": kind.number,
            "authentication_type": "pubrio-api-key",
            "masked_authentication": entry.masked_key,
            "response_size": len(entry.response_body),
            "ip": "127.0.0.1",
            "email": self._user["email"],
            "nickname": self._user["nickname"],
            "user": self._user,
            "log_type_slug": kind.slug,
            "credits": entry.cost,
            "log_type_name": kind.name,
            "authentication_type_name": "API Key",
        }


def echoing(fields: Fields, data: dict[str, Any]) -> Answer:
    """An answer of `api_keys`, which tells what was asked for beside what there is."""
    filters = {name: value for name, value in fields.items() if name != "profile_id"}
    return Answer(encode({"metadata": {"filters": filters}, "data": data}))
