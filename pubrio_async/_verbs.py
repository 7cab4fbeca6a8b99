"""The scheduler's verbs in terms of requests: each sends one, on a permit that is held."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar, cast
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from pubrio_async._dispatch import Dispatcher
from pubrio_async._errors import LOOK_IT_UP, DecodeError, PubrioError, at_endpoint
from pubrio_async._phase import Phase
from pubrio_async._routes import (
    API_KEYS_LOG,
    API_KEYS_LOGS,
    REDEEM_BATCH,
    REDEEM_PEOPLE,
    REDEEM_QUERY,
    Route,
)
from pubrio_async._routes.replies import page_decoder
from pubrio_async._wire import WireReply, data_decoder, encode_body, interpret, server_time
from pubrio_async.models import (
    QueryLogDetails,
    RedeemJob,
    RedeemPeopleReply,
    RedeemQueryReply,
)
from pubrio_async.models.redeem import Number
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
        self._contact_types = contact_types

    async def submit(
        self, kind: BatchKind, keys: Sequence[str], ticket: int, phase: Phase
    ) -> RedeemJob | RedeemPeopleReply:
        """Redeems people: a job for a batch, the contacts at once for a single person."""
        if kind == "batch":
            fields: dict[str, Any] = {"peoples": keys, "people_contact_types": self._contact_types}
            return await self._ask(REDEEM_BATCH, fields, ticket, phase)
        name = "linkedin_url" if is_url(keys[0]) else "people_search_id"
        fields = {name: keys[0], "people_contact_types": self._contact_types}
        reply = await self._ask(REDEEM_PEOPLE, fields, ticket, phase)
        if _lacks_people(reply):
            raise _without_people(REDEEM_PEOPLE, paid=True)
        return reply

    async def query(self, redeem_query_id: str, ticket: int, phase: Phase) -> RedeemQueryReply:
        """The state of a job."""
        fields = {"redeem_query_id": redeem_query_id}
        reply = await self._ask(REDEEM_QUERY, fields, ticket, phase)
        if reply.is_completed and _lacks_people(reply):
            raise _without_people(REDEEM_QUERY, paid=False)
        if reply.is_completed and _tells_nothing(reply):
            msg = f"{REDEEM_QUERY.what} succeeded (200), but a finished job has no result in it."
            raise at_endpoint(REDEEM_QUERY.name, DecodeError(msg, status=200))
        return reply

    async def log_page(self, page: int, ticket: int, phase: Phase) -> LogPage:
        """A page of the request log, newest requests first."""
        fields = {
            "page": page,
            "per_page": PER_PAGE,
            "order_by": "created_at",
            "is_ascending_order": False,
        }
        reply = await self._ask(_LINES, fields, ticket, phase)
        rows = [_row(line) for line in reply.query_logs or ()]
        if page == 1 and rows and all(row.at == -math.inf for row in rows):
            msg = f"{_LINES.what}: no line of the request log tells which request it was, and when"
            raise at_endpoint(_LINES.name, DecodeError(msg, status=200))
        sent_at = server_time(phase.reply) if isinstance(phase.reply, WireReply) else None
        told = _Told.of(reply.pagination)
        rows += [_UNTOLD] * told.missing(page, len(rows))
        total, pages = told.size()
        return LogPage(rows, total, pages, sent_at)

    async def log_entry(self, row: LogRow, ticket: int, phase: Phase) -> LogEntry:
        """A past request with its reply."""
        shown = await self._ask(_SHOWN, {"query_log_id": row.log_id}, ticket, phase)
        request, response = _text(shown.request_body), _text(shown.response_body)
        logged = QueryLogDetails(
            query_log_id=row.log_id, request_body=request, response_body=response
        )
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


class _Lines(Struct):
    """A page of the log. A field that is not needed may be anything, and so may one line."""

    pagination: Any = None
    query_logs: tuple[Any, ...] | None = None


class _Shown(Struct):
    """A past request, likewise."""

    query_log_id: Any
    request_body: Any = None
    response_body: Any = None


_LINES: Route[_Lines] = Route(
    name=API_KEYS_LOGS.name,
    path=API_KEYS_LOGS.path,
    decode=page_decoder(_Lines, tuple[Any, ...], "query_logs"),
    spends_credits=False,
    safe_to_resend=True,
)
_SHOWN: Route[_Shown] = Route(
    name=API_KEYS_LOG.name,
    path=API_KEYS_LOG.path,
    decode=data_decoder(_Shown),
    spends_credits=False,
    safe_to_resend=True,
)
# There is a line, and it may be anything: it has its place in the list, and no time.
_UNTOLD = LogRow("", None, -math.inf)


def _lacks_people(reply: RedeemPeopleReply | RedeemQueryReply) -> bool:
    """Whether a reply tells a cost, and of nobody: what was bought is not in it."""
    return not reply.peoples and reply.profile is not None and bool(reply.profile.charged)


def _tells_nothing(reply: RedeemQueryReply) -> bool:
    """Whether the result of a job has neither a list of people, empty or not, nor a cost."""
    return reply.peoples is None and (reply.profile is None or reply.profile.charged is None)


def _without_people(route: Route[Any], *, paid: bool) -> PubrioError:
    what = f"{route.what} succeeded (200), but its reply tells a cost and names nobody"
    msg = f"{what}. {LOOK_IT_UP}" if paid else f"{what}."
    return at_endpoint(route.name, DecodeError(msg, status=200, may_have_charged=paid))


def _row(line: Any) -> LogRow:
    """A line of the log; `_UNTOLD` if it does not tell which request it was, and when."""
    told = _members(line)
    log_id, at, path = told.get("query_log_id"), _seconds(told.get("created_at")), told.get("path")
    if isinstance(log_id, int):
        log_id = str(log_id)
    if not log_id or not isinstance(log_id, str) or at is None:
        return _UNTOLD
    if not isinstance(path, str | None):
        return _UNTOLD
    took_ms = _number(told.get("duration_ms")) or 0
    took_s = min(took_ms, _LONGEST_MS) / 1000  # JSON may hold what no float does
    status, cost = _whole(told.get("status_code")), _number(told.get("credits"))
    if cost is None and told.get("credits") is not None:
        cost = math.nan  # it cost something, perhaps: not nothing
    return LogRow(log_id, _kind(path), at, took_s, status, cost)


def _kind(path: str | None) -> BatchKind | None:
    try:
        plain = urlsplit(path or "").path
    except ValueError:
        return None
    return _KINDS.get("/" + plain.strip("/").lower())


def _members(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _seconds(time: object) -> float | None:
    """A time as the log writes it, in seconds as if it were UTC."""
    if not isinstance(time, str):
        return None
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return None
    return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).timestamp()


def _number(value: object) -> Number | None:
    """A number, written as one or as text."""
    try:
        number = msgspec.convert(value, Number | None, strict=False)
    except msgspec.ValidationError:
        return None
    return None if isinstance(number, float) and not math.isfinite(number) else number


def _whole(value: object) -> int | None:
    try:
        return msgspec.convert(value, int | None, strict=False)
    except msgspec.ValidationError:
        return None


def _text(value: object) -> str | None:
    """A body, which is text; what is not is what the text would say."""
    return value if isinstance(value, str | None) else msgspec.json.encode(value).decode()


class _Told(NamedTuple):
    """What a page tells of the list, as far as it does."""

    per_page: int | None
    total: int | None
    pages: int | None
    reachable: int | None

    @classmethod
    def of(cls, pagination: object) -> _Told:
        told = _members(pagination)
        names = ("per_page", "total_entries", "total_pages", "total_display_pages")
        return cls(*(_whole(told.get(name)) for name in names))

    def size(self) -> tuple[int, int]:
        """How many lines the log has, and how many pages of it can be reached."""
        told = [pages for pages in (self.pages, self.reachable) if pages is not None]
        pages = max(1, min(told, default=1))
        return (pages * PER_PAGE if self.total is None else self.total), pages

    def missing(self, page: int, shown: int) -> int:
        """How many lines a page has that it does not show: it may have left out others' lines."""
        if not shown or not self.per_page or self.per_page < 0 or self.total is None:
            return 0
        if -(-self.total // self.per_page) != self.pages:
            return 0  # its pages are not as large as it says
        held = min(self.per_page, self.total - (page - 1) * self.per_page)
        return max(0, min(held, PER_PAGE) - shown)


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
    msg = f"{what}: the request log does not show the whole reply"
    unread = DecodeError(msg, status=row.status or 200, may_have_charged=True)
    if body is None or row.status is None:
        return at_endpoint(route.name, unread)
    reply = WireReply(row.status, {}, body.encode(errors="replace"))
    try:
        answer = interpret(reply, route.decode, method_path=what, paid=True, wall=0.0)
        is_withheld = isinstance(answer, RedeemPeopleReply) and (
            _lacks_people(answer) or (row.credits and not answer.peoples)
        )
        return at_endpoint(route.name, unread) if is_withheld else answer
    except PubrioError as error:
        # Gateways log codes of their own, such as 499 for a client that did not wait.
        if row.status not in _REFUSALS:
            error.may_have_charged = True
        return at_endpoint(route.name, error)
