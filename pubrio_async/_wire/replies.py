"""From a reply to its value or its error."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar, cast

import msgspec

from pubrio_async._errors import (
    LOOK_IT_UP,
    AuthenticationError,
    BadRequestError,
    DecodeError,
    InsufficientCreditsError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ResponseError,
    ServerError,
)
from pubrio_async._wire.bodies import BAD_INPUT, body_text, one_line
from pubrio_async._wire.messages import WireReply

T = TypeVar("T")

# An error body above this is not worth reading as JSON.
_ERROR_JSON_BYTES: Final = 256 * 1024
_SECONDS = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")


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
    cost = f" {LOOK_IT_UP}" if paid else ""
    msg = f"{method_path} succeeded ({status}), but its reply could not be read: {problem}.{cost}"
    raise DecodeError(msg, status=status, body=body_text(body), may_have_charged=paid)


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
    date = _date(value)
    return None if date is None else max(0.0, date - wall)


def server_time(reply: WireReply) -> float | None:
    """When the API sent a reply, by its own clock.

    Args:
        reply: The reply.

    Returns:
        Seconds since the epoch; None if the reply has no readable `Date`.
    """
    return _date(reply.headers.get("Date") or "")


def _date(value: str) -> float | None:
    try:
        date = parsedate_to_datetime(value)
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        return date.timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _refusal(reply: WireReply, method_path: str, paid: bool, wall: float) -> ResponseError:
    status = reply.status
    text, code, details = _error_parts(reply.body)
    said = f": {text}" if text else ""
    number = f"{status}, code {code}" if code is not None else str(status)
    # A redirect, a time-out or a failure of the server says nothing about what was done before.
    may_have_worked = status < 400 or status == 408 or status >= 500
    charged = paid and may_have_worked
    # This machine's clock may be off by hours; a date is meant by the API's.
    sent_at = server_time(reply)
    wall = wall if sent_at is None else sent_at
    retry_after = parse_retry_after(reply.headers.get("Retry-After"), wall)
    verb, advice = _advice(status, retry_after)
    if charged:
        advice += f" {LOOK_IT_UP}"
    elif may_have_worked:
        advice += " The call spends no credits."
    kind = _ERROR_CLASSES.get(status)
    if kind is None:
        kind = ServerError if status >= 500 else ResponseError
    end = "" if said.endswith((".", "!", "?", "…")) else "."
    message = f"{method_path} {verb} ({number}){said}{end} {advice}".rstrip()
    if issubclass(kind, RateLimitedError | ServerError):
        return kind(
            message,
            status=status,
            body=body_text(reply.body),
            code=code,
            details=details,
            may_have_charged=charged,
            retry_after=retry_after,
        )
    return kind(
        message,
        status=status,
        body=body_text(reply.body),
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
    401: "Nothing was charged. Check PUBRIO_API_KEY (or the api_key argument); keys are made in "
    "the settings of the Pubrio dashboard.",
    402: "Nothing was charged. Top up credits in the Pubrio dashboard, then run it again.",
    403: "Nothing was charged. Check what the key and the plan are allowed to do.",
    404: "Nothing was charged. Check the id in the request, and PUBRIO_BASE_URL if it is set.",
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
    return "was refused", _ADVICE.get(status, "Nothing was charged.")


def _error_parts(body: bytes) -> tuple[str, int | str | None, object]:
    """Message, code and details of an error body; JSON is hoped for, never relied on."""
    members: object = None
    if len(body) <= _ERROR_JSON_BYTES:
        try:
            members = msgspec.json.decode(body)
        except BAD_INPUT:
            members = None
    if not isinstance(members, dict):
        return one_line(body_text(body)), None, None
    fields = cast("dict[str, Any]", members)
    code = fields.get("code")
    if isinstance(code, bool) or not isinstance(code, int | str):
        code = None
    elif isinstance(code, str):
        code = one_line(code) or None
    said = body_text(body)
    for name in ("error", "message"):  # the last one wins
        value = fields.get(name)
        if isinstance(value, str) and value.strip():
            said = value
    return one_line(said), code, fields.get("details")
