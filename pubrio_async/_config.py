"""Settings: an explicit argument, else the environment, else a default. Frozen once read."""

from __future__ import annotations

import hmac
import ipaddress
import math
import os
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Final, NoReturn
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

from pubrio_async._clock import in_seconds
from pubrio_async._errors import ConfigurationError

DEFAULT_BASE_URL: Final = "https://api.pubrio.com"
DEFAULT_RATE_LIMIT: Final = "300/minute"

_NOTATION_HERE: Final = (
    "Write `300/minute` or `20 per 2 seconds`; join several with `;`, as in "
    "`300/minute; 2400/hour`. Units: second, minute, hour, day, month, year. "
    "`unlimited` switches the limit off; `free`, `growth` and `business` are the limits of these "
    "plans for one licence"
)
_NOTATION: Final = f"{_NOTATION_HERE}, and `account` asks the API for those of your workspace."
# What the `limits` library takes these words to mean.
_UNIT_SECONDS: Final = {
    "second": 1,
    "minute": 60,
    "hour": 3_600,
    "day": 86_400,
    "month": 30 * 86_400,
    "year": 12 * 30 * 86_400,
}
# Requests an hour, a day and a month, and the days the API's guide gives that month: the windows
# of other plans are no longer than that either.
_PLANS: Final = {
    "free": (60, 1_440, 43_200, 30),
    "growth": (2_400, 57_600, 1_785_600, 31),
    "business": (12_000, 288_000, 8_928_000, 31),
}
_ACCOUNT: Final = "account"
_RATE = re.compile(
    r"\s*([0-9]{1,12})\s*(?:/|\s+per\s+)\s*([0-9]{1,9})?\s*"
    r"(second|minute|hour|day|month|year)s?\s*",
    re.IGNORECASE,
)
_SEPARATOR = re.compile(r"[;,|]")
_URL_PATH = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")
_HIDDEN: Final = "Secret('***')"


class Rate(Struct, frozen=True):
    """At most so many requests in any stretch of so many seconds.

    Attributes:
        limit: Number of requests.
        period: Length of the stretch in seconds.
    """

    limit: int
    period: float


BASE_RATE: Final = Rate(300, 60.0)
"""The limit that holds in every plan."""

LONGEST_MONTH_S: Final = 31 * 86_400.0
"""How long the window of a month may be."""


class Secret:
    """A string that shows itself only when asked to: not in a repr, a log line or a pickle."""

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """The string itself."""
        return self.__value

    def __repr__(self) -> str:
        return _HIDDEN

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(_HIDDEN, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.__value.encode(), other.__value.encode())

    def __hash__(self) -> int:
        return hash(self.__value)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        msg = "A Secret is not pickled: the pickle would hold it in plain text."
        raise TypeError(msg)


class Settings(Struct, frozen=True, kw_only=True):
    """Everything the client needs to know before its first request.

    Attributes:
        api_key: The key; sent in the `pubrio-api-key` header and nowhere else.
        base_url: Where the API is, without a trailing slash.
        rates: The rate limits; empty means none.
        account: Whether the limits of the workspace, as the API tells them, hold as well.
        max_concurrency: Most requests in flight at once.
        timeout: Seconds one request may take, from connecting to the last byte of its reply.
    """

    api_key: Secret
    base_url: str = DEFAULT_BASE_URL
    rates: tuple[Rate, ...] = (BASE_RATE,)
    account: bool = False
    max_concurrency: int = 32
    timeout: float = 30.0


def load_settings(
    api_key: str | Secret | None = None,
    base_url: str | None = None,
    rate_limit: str | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    max_concurrency: int = 32,
    timeout: float | timedelta = 30.0,
) -> Settings:
    """Reads and checks the settings.

    Args:
        api_key: The key, else `PUBRIO_API_KEY`.
        base_url: Where the API is, else `PUBRIO_BASE_URL`, else https://api.pubrio.com.
        rate_limit: The limits in words, see `parse_rates`, else `PUBRIO_RATE_LIMIT`, else
            `300/minute`.
        environ: The environment; the process's own by default. A variable that is set to
            nothing counts as not set.
        max_concurrency: Most requests in flight at once, at least 1.
        timeout: How long one request may take, in seconds or as a timedelta.

    Returns:
        The settings.

    Raises:
        ConfigurationError: A setting is missing or malformed.
    """
    if environ is None:
        environ = os.environ
    if isinstance(api_key, Secret):
        api_key = api_key.reveal()
    if api_key is None and not (api_key := environ.get("PUBRIO_API_KEY") or None):
        msg = (
            "No API key: set the environment variable PUBRIO_API_KEY or pass api_key=. "
            "Keys are made in the settings of the Pubrio dashboard."
        )
        raise ConfigurationError(msg)
    said_by = "base_url"
    if base_url is None:
        said_by = "PUBRIO_BASE_URL"
        base_url = environ.get(said_by, "").strip() or DEFAULT_BASE_URL
    if rate_limit is None:
        rate_limit = environ.get("PUBRIO_RATE_LIMIT", "").strip() or DEFAULT_RATE_LIMIT
    return Settings(
        api_key=_checked_key(api_key),
        base_url=_checked_url(base_url, said_by),
        rates=parse_rates(rate_limit),
        account=names_account(rate_limit),
        max_concurrency=_checked_concurrency(max_concurrency),
        timeout=_checked_timeout(timeout),
    )


def parse_rates(text: object, *, asks: bool = True) -> tuple[Rate, ...]:
    """Reads rate limits: in the notation of the `limits` library, or the name of a plan.

    Args:
        text: Such as `300/minute`, `20 per 2 seconds` or `300/minute; 2400/hour`; `unlimited`
            for none. As in that library a month has 30 days and a year 12 months. `free`,
            `growth` or `business` is `300/minute` and the quotas of that plan for one licence;
            `account` is `300/minute`, and what the API tells of the workspace comes on top.
        asks: Whether there is an API to ask; else `account` is refused.

    Returns:
        The limits in the order they were written; empty for `unlimited`.

    Raises:
        ConfigurationError: The text is not in that notation.
    """
    notation = _NOTATION if asks else f"{_NOTATION_HERE}."
    if not isinstance(text, str):
        msg = f"A rate limit is a text, not {type(text).__name__}. {notation}"
        raise ConfigurationError(msg)
    if text.strip().lower() == "unlimited":
        return ()
    if not asks and names_account(text):
        msg = f"'account' asks the API for its limits, and here there is none to ask. {notation}"
        raise ConfigurationError(msg)
    return tuple(rate for part in _SEPARATOR.split(text) for rate in _rates(part, notation))


def rates_in_words(rates: Iterable[Rate]) -> str:
    """Writes rate limits as `parse_rates` reads them.

    Args:
        rates: The limits.

    Returns:
        Such as `300/minute; 10 per 2 seconds`; `unlimited` for none.
    """
    return "; ".join(map(_in_words, rates)) or "unlimited"


def _in_words(rate: Rate) -> str:
    for unit, seconds in reversed(_UNIT_SECONDS.items()):
        count, rest = divmod(rate.period, seconds)
        if count and not rest:
            each = f"/{unit}" if count == 1 else f" per {count:.0f} {unit}s"
            return f"{rate.limit}{each}"
    return f"{rate.limit} per {rate.period:.15g} seconds"  # of a program's own; no text means it


def names_account(text: str) -> bool:
    """Whether rate limits in words ask for those of the workspace."""
    return any(part.strip().lower() == _ACCOUNT for part in _SEPARATOR.split(text))


def _rates(text: str, notation: str) -> tuple[Rate, ...]:
    word = text.strip().lower()
    if word == _ACCOUNT:
        return (BASE_RATE,)
    plan = _PLANS.get(word)
    if plan is None:
        return (_rate(text, notation),)
    hour, day, month, days = plan
    return (
        BASE_RATE,
        Rate(hour, 3_600.0),
        Rate(day, 86_400.0),
        Rate(month, days * 86_400.0),
    )


def _rate(text: str, notation: str) -> Rate:
    match = _RATE.fullmatch(text)
    limit, multiple, unit = match.groups() if match else ("0", None, "second")
    count = 1 if multiple is None else int(multiple)
    if int(limit) == 0 or count == 0:
        shown = ascii(text.strip()[:60])
        msg = f"{shown} is not a rate limit. {notation}"
        raise ConfigurationError(msg)
    return Rate(int(limit), float(count * _UNIT_SECONDS[unit.lower()]))


def _checked_key(key: object) -> Secret:
    """The key, fit for a header. No message here may show any part of it."""
    if not isinstance(key, str):
        msg = f"api_key must be a string, not {type(key).__name__}."
        raise ConfigurationError(msg)
    key = key.strip()
    if not key:
        msg = "The API key is blank: check PUBRIO_API_KEY or the api_key argument."
        raise ConfigurationError(msg)
    if not all("!" <= character <= "~" for character in key):
        msg = (
            "The API key holds blanks, control characters or characters outside ASCII, so it "
            "cannot be a Pubrio key: check PUBRIO_API_KEY or the api_key argument."
        )
        raise ConfigurationError(msg)
    return Secret(key)


def _checked_url(text: object, said_by: str) -> str:
    """The base URL in a normal form. Messages never show what may hold a password.

    Args:
        text: The URL.
        said_by: The argument or variable it comes from, which messages name.
    """
    if not isinstance(text, str):
        msg = f"{said_by} must be a string, not {type(text).__name__}."
        raise ConfigurationError(msg)
    text = text.strip()
    parts = split_url(text)
    if parts is None or not parts.hostname:
        msg = f"{said_by} is not a URL such as https://api.pubrio.com."
        raise ConfigurationError(msg)
    if "@" in parts.netloc or "?" in text or "#" in text:
        msg = f"{said_by} must hold no user name, password, query or fragment."
        raise ConfigurationError(msg)
    host = parts.hostname
    if not is_host(host):
        msg = f"{said_by} names {host[:80]!a}, which is not a host name."
        raise ConfigurationError(msg)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        msg = (
            f"{said_by} must start with https:// (got {parts.scheme[:20]!a}); http:// is "
            "allowed only for this machine itself, such as http://127.0.0.1:8080."
        )
        raise ConfigurationError(msg)
    path = parts.path.rstrip("/")
    if not _URL_PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        msg = f"The path of {said_by} holds characters or segments that a URL path cannot hold."
        raise ConfigurationError(msg)
    return f"{parts.scheme}://{parts.netloc.lower()}{path}"


def split_url(text: str) -> SplitResult | None:
    """The parts of a URL; None if it cannot be one."""
    # urlsplit drops tabs and line breaks silently and does not look at the port by itself.
    if any(character.isspace() or not character.isprintable() for character in text):
        return None
    try:
        parts = urlsplit(text)
        fine = parts.port is None or parts.port > 0
    except ValueError:
        return None
    return parts if fine else None


def is_host(host: str) -> bool:
    """True if a text can be the name or the address of a host."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        try:
            encoded = host.encode("idna").decode()
        except UnicodeError:
            return False
        return re.fullmatch(r"[A-Za-z0-9_.-]+", encoded) is not None
    return "%" not in host


def is_loopback(host: str) -> bool:
    """True if a host name or address surely means this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _checked_concurrency(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        msg = f"max_concurrency must be a whole number of at least 1, not {value!r:.40}."
        raise ConfigurationError(msg)
    return value


def _checked_timeout(value: object) -> float:
    value = in_seconds(value)
    if (
        not isinstance(value, int | float)
        or isinstance(value, bool)
        or not math.isfinite(value)
        or value <= 0
    ):
        msg = f"timeout must be a number of seconds above 0, not {value!r:.40}."
        raise ConfigurationError(msg)
    return float(value)
