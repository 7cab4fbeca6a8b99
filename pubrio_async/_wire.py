"""What a request and a reply mean, as pure functions: no I/O, no loop, no clock.

A request becomes bytes; a status, headers and a body become a Struct or an error.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final, Generic, NamedTuple, TypeVar, cast, overload

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from pubrio_async._errors import (
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    DecodeError,
    InsufficientCreditsError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ResponseError,
    ServerError,
)
from pubrio_async.models import RedeemCharge, RedeemedPerson, RedeemJob, RedeemQueryReply

T = TypeVar("T")

_MESSAGE_CHARS: Final = 200
_BODY_CHARS: Final = 2_000
# An error body above this is not worth reading as JSON.
_ERROR_JSON_BYTES: Final = 256 * 1024
_SECONDS = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")
# All that msgspec raises for bad input: its own errors and UnicodeDecodeError are ValueErrors.
_BAD_INPUT: Final = (ValueError, RecursionError)


class WireRequest(NamedTuple):
    """A request, ready to be sent.

    Attributes:
        method: The HTTP verb.
        path: The path below the base URL, such as `/redeem/people/batch`.
        body: The body as JSON; None for a request without one.
        paid: True if carrying it out may spend credits.
    """

    method: str
    path: str
    body: bytes | None
    paid: bool

    def __repr__(self) -> str:
        # The body may hold personal data.
        return f"<WireRequest {self.method} {self.path}, {len(self.body or b'')} bytes>"


class WireReply(NamedTuple):
    """A reply, read to its end.

    Attributes:
        status: The HTTP status.
        headers: The headers; `get` ignores case.
        body: The body, decompressed.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"<WireReply {self.status}, {len(self.body)} bytes>"


# ---------------------------------------------------------------------------------- requests


def encode_body(fields: Mapping[str, Any]) -> bytes:
    """The JSON body of a request.

    Args:
        fields: The fields by name; those that are `msgspec.UNSET` are left out.

    Returns:
        The body; `{}` if there are no fields.

    Raises:
        ConfigurationError: A value cannot be written as JSON.
    """
    present = {name: value for name, value in fields.items() if value is not UNSET}
    try:
        return msgspec.json.encode(present)
    except UnicodeEncodeError as error:
        reason = error.reason  # alone: the error itself carries the text, perhaps personal data
    except (TypeError, ValueError, RecursionError) as error:
        reason = str(error)
    msg = f"The request cannot be written as JSON: {reason}. Nothing was sent."
    raise ConfigurationError(msg)


# ---------------------------------------------------------------------------------- decoders


class _Envelope(Struct, Generic[T]):
    data: T | UnsetType = UNSET


class _DataDecoder(Generic[T]):
    """Reads `{"data": T}`, or T itself where the body has no `data` member."""

    __slots__ = ("_envelope", "_known", "_whole")

    def __init__(self, kind: Any) -> None:
        self._envelope: msgspec.json.Decoder[_Envelope[T]] = msgspec.json.Decoder(
            cast("type[_Envelope[T]]", _Envelope[kind])
        )
        self._whole: msgspec.json.Decoder[T] = msgspec.json.Decoder(kind)
        self._known = (
            frozenset(field.encode_name for field in msgspec.structs.fields(kind))
            if isinstance(kind, type) and issubclass(kind, Struct)
            else None
        )

    def __call__(self, body: bytes) -> T:
        problem = ""
        try:
            data = self._envelope.decode(body).data
        except _BAD_INPUT as error:
            problem = _problem(error)
        else:
            if data is not UNSET:
                return data
        return self._without_envelope(body, problem)

    def _without_envelope(self, body: bytes, problem: str) -> T:
        members = _members(body)
        if members is not None:
            if "data" in members:
                raise _undecodable(problem, body)
            # Every field may be absent, so any object at all would pass for an empty reply.
            if self._known is not None and not self._known & members.keys():
                raise _undecodable("neither `data` nor a documented field is in it", body)
        try:
            return self._whole.decode(body)
        except _BAD_INPUT as error:
            problem = _problem(error)
        raise _undecodable(problem, body)


@overload
def data_decoder(kind: type[T]) -> Callable[[bytes], T]: ...
@overload
def data_decoder(kind: Any) -> Callable[[bytes], Any]: ...
def data_decoder(kind: Any) -> Callable[[bytes], Any]:
    """A decoder of `{"data": kind}`; without a `data` member the whole body is taken.

    Args:
        kind: A Struct, `Any`, or any other type msgspec knows; `X | None` where `data` may be
            null.

    Returns:
        A function from the body to the value; it raises DecodeError and nothing else.
    """
    decoder: _DataDecoder[Any] = _DataDecoder(kind)
    return decoder


def job_decoder() -> Callable[[bytes], RedeemJob]:
    """A decoder of the reply of `redeem.batch`.

    It reads the fields in `data` or in `data.query`, and of a reply that is not quite as
    documented it saves the `redeem_query_id`: the job is paid for, and nothing else leads to it.

    Returns:
        A function from the body to the job; it raises DecodeError and nothing else.
    """
    documented: msgspec.json.Decoder[_Envelope[RedeemJob]] = msgspec.json.Decoder(
        _Envelope[RedeemJob]
    )

    def decode(body: bytes) -> RedeemJob:
        try:
            job = documented.decode(body).data
        except _BAD_INPUT:
            pass
        else:
            if job is not UNSET and job.redeem_query_id:
                return job
        found = _find_job(_document(body))
        if found is None or not found.redeem_query_id:
            raise _undecodable("there is no redeem_query_id in it", body)
        return found

    return decode


def query_decoder() -> Callable[[bytes], RedeemQueryReply]:
    """A decoder of the reply of `redeem.query`.

    The state is read from `data.query` or `data`; the cost and the people may be missing.

    Returns:
        A function from the body to the reply; it raises DecodeError and nothing else.
    """
    documented: msgspec.json.Decoder[_Envelope[RedeemQueryReply]] = msgspec.json.Decoder(
        _Envelope[RedeemQueryReply]
    )

    def decode(body: bytes) -> RedeemQueryReply:
        try:
            reply = documented.decode(body).data
        except _BAD_INPUT:
            pass
        else:
            if reply is not UNSET:
                return reply
        document = _document(body)
        job = _find_job(document)
        if job is None:
            raise _undecodable("the state of the job is not in it", body)
        holder = _child(document, "data") or document
        try:
            peoples = msgspec.convert(holder.get("peoples"), tuple[RedeemedPerson, ...] | None)
        except _BAD_INPUT as error:
            problem = f"its people: {_problem(error)}"
        else:
            return RedeemQueryReply(profile=_charge(holder), query=job, peoples=peoples)
        raise _undecodable(problem, body)

    return decode


def _document(body: bytes) -> dict[str, Any]:
    """The body as plain objects; raises DecodeError unless it is an object."""
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except _BAD_INPUT as error:
        problem = _problem(error)
    raise _undecodable(problem, body)


def _members(body: bytes) -> dict[str, Raw] | None:
    """The members of the body, not looked into; None unless it is an object."""
    try:
        return msgspec.json.decode(body, type=dict[str, Raw])
    except _BAD_INPUT:
        return None


def _child(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = document.get(name)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _find_job(document: dict[str, Any]) -> RedeemJob | None:
    """The state of a job wherever it stands, taking of each field only what it should be."""
    data = _child(document, "data")
    for place in (_child(data, "query"), data, _child(document, "query"), document):
        query_id = place.get("redeem_query_id")
        done = place.get("is_completed")
        if not isinstance(query_id, str) and not isinstance(done, bool):
            continue
        time, unit = place.get("estimated_time"), place.get("estimated_time_type")
        return RedeemJob(
            redeem_query_id=query_id if isinstance(query_id, str) else "",
            is_completed=done is True,
            estimated_time=time if type(time) in {int, float} else None,
            estimated_time_type=unit if isinstance(unit, str) else None,
        )
    return None


def _charge(holder: Mapping[str, Any]) -> RedeemCharge | None:
    # What was found is worth more than what it cost: an odd cost must not lose the people.
    try:
        return msgspec.convert(holder.get("profile"), RedeemCharge | None, strict=False)
    except _BAD_INPUT:
        return None


def _problem(error: BaseException) -> str:
    """What is wrong with a body, without quoting it."""
    return "it is not valid UTF-8" if isinstance(error, UnicodeError) else str(error)


def _undecodable(problem: str, body: bytes) -> DecodeError:
    return DecodeError(problem, status=200, body=_text(body))


# ----------------------------------------------------------------------------------- replies


def interpret(
    reply: WireReply,
    decode: Callable[[bytes], T],
    *,
    method_path: str,
    paid: bool,
    wall: float,
) -> T:
    """What a reply means.

    Args:
        reply: The reply.
        decode: Reads the body of a success.
        method_path: Verb and path, for messages.
        paid: True if the request may spend credits.
        wall: Seconds since the epoch, for a `Retry-After` that is a date.

    Returns:
        The decoded body of a 2xx.

    Raises:
        DecodeError: The status is a success, the body is not.
        ResponseError: Any other status, as the class for it.
    """
    status = reply.status
    if not 200 <= status < 300:
        raise _refusal(reply, method_path, paid, wall)
    body = reply.body
    if status == 204 and not body:
        body = b"null"
    try:
        return decode(body)
    except DecodeError as error:
        problem = str(error)
    cost = (
        " Credits may have been charged, so it is not sent again on its own: look for it in the "
        "API's request log (api_keys.logs)."
        if paid
        else ""
    )
    msg = f"{method_path} succeeded ({status}), but its reply could not be read: {problem}.{cost}"
    raise DecodeError(msg, status=status, body=_text(body), may_have_charged=paid)


def parse_retry_after(value: str | None, wall: float) -> float | None:
    """Reads a `Retry-After` header.

    Args:
        value: The header: seconds (fractions are tolerated) or an HTTP date.
        wall: Seconds since the epoch, now.

    Returns:
        Seconds to wait, 0 for a date that has passed; None for nothing or nonsense.
    """
    if value is None:
        return None
    value = value.strip()
    if _SECONDS.fullmatch(value):
        seconds = float(value)
        return seconds if math.isfinite(seconds) else None
    try:
        date = parsedate_to_datetime(value)
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        return max(0.0, date.timestamp() - wall)
    except (ValueError, TypeError, OverflowError):
        return None


def _refusal(reply: WireReply, method_path: str, paid: bool, wall: float) -> ResponseError:
    status = reply.status
    text, code, details = _error_parts(reply.body)
    said = f": {text}" if text else ""
    number = f"{status}, code {code}" if code is not None else str(status)
    # A redirect, a time-out or a failure of the server says nothing about what was done before.
    charged = paid and (status < 400 or status == 408 or status >= 500)
    retry_after = parse_retry_after(reply.headers.get("Retry-After"), wall)
    verb, advice = _advice(status, retry_after)
    if charged:
        advice += (
            " Credits may have been charged, so it is not sent again on its own: look for it in "
            "the API's request log (api_keys.logs)."
        )
    kind = _ERROR_CLASSES.get(status)
    if kind is None:
        kind = ServerError if status >= 500 else ResponseError
    end = "" if said.endswith((".", "!", "?", "…")) else "."
    message = f"{method_path} {verb} ({number}){said}{end} {advice}".rstrip()
    if kind is RateLimitedError:
        return RateLimitedError(
            message,
            status=status,
            body=_text(reply.body),
            code=code,
            details=details,
            retry_after=retry_after,
        )
    return kind(
        message,
        status=status,
        body=_text(reply.body),
        code=code,
        details=details,
        may_have_charged=charged,
    )


_ERROR_CLASSES: Final[dict[int, type[ResponseError]]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: InsufficientCreditsError,
    403: PermissionDeniedError,
    404: NotFoundError,
    422: BadRequestError,
    429: RateLimitedError,
}

_ADVICE: Final = {
    400: "Nothing was charged; correct the request.",
    401: "Check PUBRIO_API_KEY (or the api_key argument); keys are made in the settings of the "
    "Pubrio dashboard.",
    402: "Top up credits in the Pubrio dashboard, then run it again.",
    403: "Check what the key and the plan are allowed to do.",
    404: "Check the id in the request, and PUBRIO_BASE_URL if it is set.",
    408: "The API gave up waiting for the request.",
    422: "Nothing was charged; correct the request.",
}


def _advice(status: int, retry_after: float | None) -> tuple[str, str]:
    """How the reply is called, and what to do about it."""
    if status >= 500:
        wait = "" if retry_after is None else f" The API asks to wait {retry_after:g} s."
        return "failed at the API", f"The fault is on the API's side.{wait}"
    if status == 429:
        wait = "until its window turns" if retry_after is None else f"{retry_after:g} s"
        return "met a rate limit or a used-up quota", f"Nothing was charged; wait {wait}."
    if 300 <= status < 400:
        return (
            "was answered with a redirect, which is never followed",
            "Check PUBRIO_BASE_URL and any proxy on the way.",
        )
    if status < 300:
        return "was answered in a way HTTP does not allow", "Check any proxy on the way."
    return "was refused", _ADVICE.get(status, "")


def _error_parts(body: bytes) -> tuple[str, int | str | None, object]:
    """Message, code and details of an error body; JSON is hoped for, never relied on."""
    members: object = None
    if len(body) <= _ERROR_JSON_BYTES:
        try:
            members = msgspec.json.decode(body)
        except _BAD_INPUT:
            members = None
    if not isinstance(members, dict):
        return _one_line(_text(body)), None, None
    fields = cast("dict[str, Any]", members)
    code = fields.get("code")
    if isinstance(code, bool) or not isinstance(code, int | str):
        code = None
    elif isinstance(code, str):
        code = _one_line(code) or None
    said = _text(body)
    for name in ("error", "message"):  # the last one wins
        value = fields.get(name)
        if isinstance(value, str) and value.strip():
            said = value
    return _one_line(said), code, fields.get("details")


def _text(body: bytes) -> str:
    # Four bytes at most make a character: no need to decode a long body for its beginning.
    return body[: 4 * _BODY_CHARS].decode("utf-8", "replace")[:_BODY_CHARS]


def _one_line(text: str) -> str:
    """Text fit for a message: one line, nothing a terminal would obey, cut to length."""
    line = " ".join(text[: 4 * _MESSAGE_CHARS].split())
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
    return line if len(line) <= _MESSAGE_CHARS else line[: _MESSAGE_CHARS - 1] + "…"
