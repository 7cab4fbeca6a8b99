"""Every error the package raises.

PubrioError
├── ConfigurationError          also a ValueError: a setting or an argument is wrong
├── TransportError              no readable answer came back
│   ├── NotSentError            the request surely never left: sending it again is safe
│   └── ResponseLostError       it may have been carried out: a paid one is never sent again
├── ResponseError               the API answered, and not as hoped
│   ├── BadRequestError         400, 422
│   ├── AuthenticationError     401
│   ├── InsufficientCreditsError 402
│   ├── PermissionDeniedError   403
│   ├── NotFoundError           404
│   ├── RateLimitedError        429
│   ├── ServerError             5xx
│   └── DecodeError             a success whose body is not what is documented
├── JobError                    a job that cannot be followed to its end
├── BudgetExhaustedError        `max_credits` leaves no room for another person
└── JournalError                the journal cannot be used, or cannot be written
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

LOOK_IT_UP: Final = (
    "Credits may have been charged, so it is not sent again on its own: look for it in the API's "
    "request log (api_keys.logs)."
)
"""What is said of every paid request whose answer is lost."""

CLIENT_CLOSED: Final = "The client is closed. Use it inside `async with AsyncPubrio(...)`."


def _rebuild(cls: type[PubrioError], args: tuple[Any, ...], state: dict[str, Any]) -> PubrioError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class PubrioError(Exception):
    """The root of every error of this package.

    Attributes:
        may_have_charged: True if credits may have been spent by the call that failed.
        endpoint: Which endpoint was called, such as `redeem.batch`; None where it is not about a
            request.
    """

    endpoint: str | None = None

    def __init__(self, message: str, *, may_have_charged: bool = False) -> None:
        super().__init__(message)
        self.may_have_charged = may_have_charged

    def __reduce__(self) -> tuple[Any, ...]:
        # The default would call __init__ with the message alone and lose the keywords.
        return _rebuild, (type(self), self.args, dict(self.__dict__))


_E = TypeVar("_E", bound=PubrioError)


def at_endpoint(name: str, error: _E) -> _E:
    """The error, which now says at which endpoint it came up."""
    error.endpoint = name
    return error


class ConfigurationError(PubrioError, ValueError):
    """A setting or an argument is missing or malformed; nothing was charged."""


class TransportError(PubrioError):
    """The request failed before a readable answer came back."""


class NotSentError(TransportError):
    """The request surely never reached the API; it is safe to send it again."""


class ResponseLostError(TransportError):
    """The request may have been carried out, but its answer was lost.

    Attributes:
        status: The HTTP status, where at least that much of the answer was read.
    """

    def __init__(
        self, message: str, *, status: int | None = None, may_have_charged: bool = False
    ) -> None:
        super().__init__(message, may_have_charged=may_have_charged)
        self.status = status


def never_left(what: str, why: str, *, to: str = "") -> NotSentError:
    """What is raised for a request that surely never left.

    Args:
        what: The request, such as `POST /redeem/people`.
        why: What kept it from leaving.
        to: The host it was meant for.
    """
    return NotSentError(
        f"{what} was not sent{_where(to)}: {why}. Nothing was carried out or charged; it is safe "
        "to send it again."
    )


def reply_lost(
    what: str, why: str, *, paid: bool, to: str = "", status: int | None = None
) -> ResponseLostError:
    """What is raised for a request whose reply is lost.

    Args:
        what: The request, such as `POST /redeem/people`.
        why: How the reply was lost.
        paid: Whether the request may have spent credits.
        to: The host it was sent to.
        status: The HTTP status, where at least that much of the reply was read.
    """
    answered = "" if status is None else f" (it had answered with status {status})"
    fate = LOOK_IT_UP if paid else "It may have been carried out; it spends no credits."
    return ResponseLostError(
        f"{what} was sent{_where(to)}, but its reply was lost{answered}: {why}. {fate}",
        status=status,
        may_have_charged=paid,
    )


def _where(host: str) -> str:
    return f" to {host}" if host else ""


class ResponseError(PubrioError):
    """The API answered with an error.

    Attributes:
        status: The HTTP status.
        body: The body as text, cut to a readable length.
        code: The API's own error code, where the body has one.
        details: The API's `details` object, where the body has one.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        body: str = "",
        code: int | str | None = None,
        details: object = None,
        may_have_charged: bool = False,
    ) -> None:
        super().__init__(message, may_have_charged=may_have_charged)
        self.status = status
        self.body = body
        self.code = code
        self.details = details


class BadRequestError(ResponseError):
    """400 or 422: the API refused the request as malformed; nothing was charged."""


class AuthenticationError(ResponseError):
    """401: the key is missing or wrong."""


class InsufficientCreditsError(ResponseError):
    """402: not enough credits."""


class PermissionDeniedError(ResponseError):
    """403: the key or the plan does not allow this call."""


class NotFoundError(ResponseError):
    """404: the API does not know this path or this id."""


class RateLimitedError(ResponseError):
    """429: a rate limit or a quota is used up, and waiting would take longer than allowed.

    Attributes:
        retry_after: Seconds to wait, where the API said so.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 429,
        body: str = "",
        code: int | str | None = None,
        details: object = None,
        may_have_charged: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(
            message,
            status=status,
            body=body,
            code=code,
            details=details,
            may_have_charged=may_have_charged,
        )
        self.retry_after = retry_after


class ServerError(ResponseError):
    """5xx: the API failed; what it did before is not known.

    Attributes:
        retry_after: Seconds to wait, where the API said so.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        body: str = "",
        code: int | str | None = None,
        details: object = None,
        may_have_charged: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(
            message,
            status=status,
            body=body,
            code=code,
            details=details,
            may_have_charged=may_have_charged,
        )
        self.retry_after = retry_after


class DecodeError(ResponseError):
    """The API reported success, but the body is not what is documented."""


class JobError(PubrioError):
    """A job was accepted but cannot be followed to its end.

    For programs that follow jobs of `redeem.batch` by themselves; a run tells `pending` or
    `unsettled` instead.

    Attributes:
        redeem_query_id: The id of the job; its result may still be had with it.
    """

    def __init__(
        self, message: str, *, redeem_query_id: str, may_have_charged: bool = True
    ) -> None:
        super().__init__(message, may_have_charged=may_have_charged)
        self.redeem_query_id = redeem_query_id


class BudgetExhaustedError(PubrioError):
    """`max_credits` leaves no room for the worst case of another person; nothing more is sent."""


class JournalError(PubrioError):
    """The journal cannot be opened, read or written."""
