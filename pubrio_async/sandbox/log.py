"""The request log: what `api_keys.logs` and `api_keys.log` give back."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from pubrio_async.sandbox.config import SandboxConfig
from pubrio_async.sandbox.people import People, encode, format_id, parse_id
from pubrio_async.sandbox.wire import Answer, SandboxRequest, bad_request

_LOG_TYPES = {"people_search": 1, "company_search": 2, "people_redeem": 3}
_NAMES = {
    "people_search": "People Search",
    "company_search": "Company Search",
    "people_redeem": "Redeem People",
}
_SLUGS = {
    "/people/search": "people_search",
    "/companies/search": "company_search",
    "/redeem/people": "people_redeem",
    "/redeem/people/batch": "people_redeem",
    "/redeem/people/contact/lookup": "people_redeem",
    "/redeem/people/contact/lookup/batch": "people_redeem",
}
_MAX_DISPLAY_PAGES = 250
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


class LogFilter(Struct, kw_only=True):
    """The body of `api_keys.logs`."""

    order_by: str = "created_at"
    is_ascending_order: bool = False
    search_term: str | None = None
    log_types: tuple[int, ...] | None = None
    log_type_slugs: tuple[str, ...] | None = None
    status_codes: tuple[int, ...] | None = None
    methods: tuple[str, ...] | None = None
    page: Annotated[int, Meta(ge=1)] = 1
    per_page: Annotated[int, Meta(ge=1, le=25)] = 25

    def accepts(self, entry: Entry) -> bool:
        """Whether an entry belongs into the list."""
        slug = _SLUGS.get(entry.path)
        term = (self.search_term or "").lower()
        return (
            (not self.status_codes or entry.status in self.status_codes)
            and (not self.methods or entry.method in {name.upper() for name in self.methods})
            and (not self.log_type_slugs or slug in self.log_type_slugs)
            and (not self.log_types or _LOG_TYPES.get(slug or "", 0) in self.log_types)
            and term in entry.path.lower()
        )


class LogLookup(Struct):
    """The body of `api_keys.log`."""

    query_log_id: str


_decode_filter = msgspec.json.Decoder(LogFilter).decode
_decode_lookup = msgspec.json.Decoder(LogLookup).decode


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

    def __init__(self, config: SandboxConfig, people: People, user: dict[str, str]) -> None:
        self._config = config
        self._people = people
        self._user = user
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
        """Write a request down, and drop the oldest if there are too many."""
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

    def list(self, request: SandboxRequest, now: float, wall: Callable[[float], float]) -> Answer:
        """Answer `api_keys.logs`."""
        wanted = _decode_filter(request.body or b"{}")
        found = [entry for entry in self._visible(now) if wanted.accepts(entry)]
        if not wanted.is_ascending_order:
            found.reverse()
        size = wanted.per_page
        pages = -(-len(found) // size)
        first = (wanted.page - 1) * size
        filters: dict[str, Any] = msgspec.json.decode(request.body or b"{}")
        filters.pop("profile_id", None)
        body = {
            "metadata": {"filters": filters},
            "data": {
                "pagination": {
                    "page": wanted.page,
                    "per_page": size,
                    "total_entries": len(found),
                    "total_pages": pages,
                    "total_display_pages": min(pages, _MAX_DISPLAY_PAGES),
                    "is_timeout": False,
                },
                "query_logs": [self._row(entry, wall) for entry in found[first : first + size]],
            },
        }
        return Answer(encode(body))

    def lookup(self, request: SandboxRequest, now: float) -> Answer:
        """Answer `api_keys.log`."""
        wanted = _decode_lookup(request.body).query_log_id
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

    def _visible(self, now: float) -> Iterator[Entry]:
        newest = now - self._config.log_delay
        return (entry for entry in self._entries if entry.at <= newest)

    def _row(self, entry: Entry, wall: Callable[[float], float]) -> dict[str, Any]:
        slug = _SLUGS.get(entry.path)
        created = datetime.fromtimestamp(wall(entry.at), UTC)
        return {
            "query_log_id": format_id(entry.log_id),
            "created_at": f"{created:%Y-%m-%d %H:%M:%S}.{created.microsecond // 1000:03d}",
            "profile_id": 1,
            "user_id": self._user["user_id"],
            "method": entry.method,
            "path": entry.path,
            "status_code": entry.status,
            "duration_ms": round(entry.delay * 1000),
            "log_type_id": _LOG_TYPES.get(slug or "", 0),
            "authentication_type": "pubrio-api-key",
            "masked_authentication": entry.masked_key,
            "response_size": len(entry.response_body),
            "ip": "127.0.0.1",
            "email": self._user["email"],
            "nickname": self._user["nickname"],
            "user": self._user,
            "log_type_slug": slug,
            "credits": entry.cost,
            "log_type_name": None if slug is None else _NAMES[slug],
            "authentication_type_name": "API Key",
        }
