"""The scheduler's verbs in terms of requests: each sends one, on a permit that is held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from pubrio_async._dispatch import Dispatcher
from pubrio_async._errors import DecodeError, PubrioError, at_endpoint
from pubrio_async._phase import Phase
from pubrio_async._routes import (
    API_KEYS_LOG,
    API_KEYS_LOGS,
    REDEEM_BATCH,
    REDEEM_PEOPLE,
    REDEEM_QUERY,
    Route,
)
from pubrio_async._wire import WireReply, encode_body, interpret, server_time
from pubrio_async.models import (
    Pagination,
    QueryLog,
    QueryLogDetails,
    RedeemJob,
    RedeemPeopleReply,
    RedeemQueryReply,
)
from pubrio_async.scheduler.journal import BatchKind
from pubrio_async.scheduler.logbook import Answer, LogEntry, LogPage, LogRow
from pubrio_async.scheduler.logpages import PER_PAGE
from pubrio_async.scheduler.persons import NotAPersonError, is_url, person_key

T = TypeVar("T")

_LONGEST_MS = 1e9
# What an API answers with that has not carried a request out.
_REFUSALS = frozenset({400, 401, 402, 403, 404, 405, 413, 415, 422, 429})
_KINDS: Mapping[str, BatchKind] = {REDEEM_BATCH.path: "batch", REDEEM_PEOPLE.path: "single"}


class RedeemVerbs:
    """What a run asks the API.

    Args:
        dispatcher: Sends the requests.
        contact_types: What the run looks for.
    """

    def __init__(self, dispatcher: Dispatcher, contact_types: Sequence[str]) -> None:
        self._dispatcher = dispatcher
        self._types = contact_types

    async def submit(
        self, kind: BatchKind, keys: Sequence[str], ticket: int, phase: Phase
    ) -> RedeemJob | RedeemPeopleReply:
        """Redeems people: a job for a batch, the contacts at once for a single person."""
        if kind == "batch":
            fields: dict[str, Any] = {"peoples": keys, "people_contact_types": self._types}
            return await self._ask(REDEEM_BATCH, fields, ticket, phase)
        name = "linkedin_url" if is_url(keys[0]) else "people_search_id"
        fields = {name: keys[0], "people_contact_types": self._types}
        return await self._ask(REDEEM_PEOPLE, fields, ticket, phase)

    async def query(self, redeem_query_id: str, ticket: int, phase: Phase) -> RedeemQueryReply:
        """The state of a job."""
        return await self._ask(REDEEM_QUERY, {"redeem_query_id": redeem_query_id}, ticket, phase)

    async def log_page(self, page: int, ticket: int, phase: Phase) -> LogPage:
        """A page of the request log, newest requests first."""
        fields = {
            "page": page,
            "per_page": PER_PAGE,
            "order_by": "created_at",
            "is_ascending_order": False,
        }
        reply = await self._ask(API_KEYS_LOGS, fields, ticket, phase)
        rows = [row for row in map(_row, reply.query_logs or ()) if row is not None]
        sent_at = server_time(phase.reply) if isinstance(phase.reply, WireReply) else None
        total, pages = _size(reply.pagination)
        return LogPage(rows, total, pages, sent_at)

    async def log_entry(self, row: LogRow, ticket: int, phase: Phase) -> LogEntry:
        """A past request with its reply."""
        logged = await self._ask(API_KEYS_LOG, {"query_log_id": row.log_id}, ticket, phase)
        return _entry(row, logged)

    async def _ask(
        self, route: Route[T], fields: Mapping[str, Any], ticket: int, phase: Phase
    ) -> T:
        return await self._dispatcher.attempt(route, encode_body(fields), ticket, phase)


class _Asked(Struct):
    """The body of a request as the log shows it; `redeem.batch` or `redeem.people`."""

    people_contact_types: tuple[str, ...] = ()
    peoples: tuple[str, ...] = ()
    people_search_id: str | None = None
    linkedin_url: str | None = None


_decode_asked = msgspec.json.Decoder(_Asked).decode


def _row(logged: QueryLog) -> LogRow | None:
    """A line of the log; None if it does not tell which request it was, and when."""
    at = _seconds(logged.created_at)
    if logged.query_log_id is None or at is None:
        return None
    kind = _KINDS.get((logged.path or "").rstrip("/"))
    took_s = min(logged.duration_ms or 0, _LONGEST_MS) / 1000  # JSON may hold what no float does
    return LogRow(logged.query_log_id, kind, at, took_s, logged.status_code, logged.credits)


def _seconds(time: str | None) -> float | None:
    """A time as the log writes it, in seconds as if it were UTC."""
    if not time:
        return None
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return None
    return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).timestamp()


def _size(pagination: Pagination | None) -> tuple[int, int]:
    """How many lines the log has, and how many pages of it can be reached, as far as it tells."""
    if pagination is None:
        return PER_PAGE, 1
    told = (pagination.total_pages, pagination.total_display_pages)
    pages = max(1, min((pages for pages in told if isinstance(pages, int)), default=1))
    total = pagination.total_entries
    return (total if isinstance(total, int) else pages * PER_PAGE), pages


def _entry(row: LogRow, logged: QueryLogDetails) -> LogEntry:
    try:
        asked = _decode_asked((logged.request_body or "").encode())
    except (msgspec.MsgspecError, UnicodeError):
        asked = _Asked()
    single = asked.people_search_id or asked.linkedin_url
    people = asked.peoples if row.kind == "batch" else (single,) if single else ()
    keys: list[str] = []
    for person in people:
        try:
            keys.append(person_key(person))
        except NotAPersonError:
            keys.append(person)
    return LogEntry(tuple(keys), frozenset(asked.people_contact_types), _answer(row, logged))


def _answer(row: LogRow, logged: QueryLogDetails) -> Answer:
    """What a reply in the log means: the same as if it had arrived."""
    if row.kind == "batch":
        return _interpret(REDEEM_BATCH, row, logged)
    return _interpret(REDEEM_PEOPLE, row, logged)


def _interpret(route: Route[T], row: LogRow, logged: QueryLogDetails) -> T | PubrioError:
    body = logged.response_body
    what = f"{route.method} {route.path}"
    if body is None or row.status is None:
        msg = f"{what}: the request log does not show the whole reply"
        unread = DecodeError(msg, status=row.status or 200, may_have_charged=True)
        return at_endpoint(route.name, unread)
    reply = WireReply(row.status, {}, body.encode(errors="replace"))
    try:
        return interpret(reply, route.decode, method_path=what, paid=True, wall=0.0)
    except PubrioError as error:
        # Gateways log codes of their own, such as 499 for a client that did not wait.
        if row.status not in _REFUSALS:
            error.may_have_charged = True
        return at_endpoint(route.name, error)
