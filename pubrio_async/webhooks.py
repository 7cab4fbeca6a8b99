"""Receiving what a monitor delivers to a webhook.

    delivery = webhooks.decode(await request.read())
    for entry in delivery.signals:
        ...

Neither a header for the signature nor a scheme of signing is documented. What surely arrives is
what was asked for: put a secret of your own into `destination_config.headers` when making the
monitor, and check it with `verify_header`. There is no id of a delivery either: a failed one is
repeated with the same payload, so `body_hash` tells repeats.

Nothing here does I/O; it works with any web framework.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final, TypeAlias, cast

import msgspec
from msgspec import Struct

from pubrio_async._errors import ConfigurationError, DecodeError
from pubrio_async._wire.bodies import BAD_INPUT, body_text

__all__ = [
    "MAX_BYTES",
    "WebhookDelivery",
    "WebhookMonitor",
    "WebhookSignal",
    "body_hash",
    "decode",
    "verify_header",
    "verify_signature",
]

MAX_BYTES: Final = 10 * 1024 * 1024
"""The largest body that is read, unless the caller says otherwise."""

Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]


class WebhookMonitor(Struct, frozen=True, kw_only=True):
    """The monitor that made a delivery.

    Attributes:
        monitor_id: Its id (a UUID as text).
        name: What it is called.
        detection_mode: `company_first` or `signal_first`.
        signal_types: What it watches, of `jobs`, `news`, `advertisements`.
        is_company_enrichment: Whether companies come with their details.
        is_people_enrichment: Whether people come with the companies.
        payload: All of it, as it came.
    """

    monitor_id: str
    name: str | None
    detection_mode: str | None
    signal_types: tuple[str, ...]
    is_company_enrichment: bool | None
    is_people_enrichment: bool | None
    payload: Mapping[str, Any]

    __rich_repr__: ClassVar[Any] = None  # it would show all fields

    def __repr__(self) -> str:
        return f"<WebhookMonitor {self.monitor_id}>"


class WebhookSignal(Struct, frozen=True, kw_only=True):
    """One signal, with the companies it was seen at.

    Attributes:
        signal_type: Such as `jobs`.
        signal: The signal: a job, a piece of news, an advertisement.
        companies: The companies; with people enrichment, each has `people`.
        payload: All of it, as it came.
    """

    signal_type: str | None
    signal: Mapping[str, Any]
    companies: tuple[Mapping[str, Any], ...]
    payload: Mapping[str, Any]

    __rich_repr__: ClassVar[Any] = None  # it would show all fields

    def __repr__(self) -> str:
        return f"<WebhookSignal {self.signal_type}, {len(self.companies)} companies>"


class WebhookDelivery(Struct, frozen=True, kw_only=True):
    """What a monitor delivered. May hold personal data: no repr shows it.

    Only `monitor.monitor_id` and `signals` are documented, and they are checked. The rest is
    taken where it has the form it is known to have; `payload` has everything in any case.

    Attributes:
        monitor: The monitor.
        signals: What a `signal_first` monitor found; empty for `company_first`.
        companies: What a `company_first` monitor found; empty for `signal_first`.
        triggered_at: When it was detected, as an ISO time.
        extra: The keys of the root that are none of these, such as those that
            `destination_config.body` adds.
        payload: The whole delivery, as it came.
    """

    monitor: WebhookMonitor
    signals: tuple[WebhookSignal, ...]
    companies: tuple[Mapping[str, Any], ...]
    triggered_at: str | None
    extra: Mapping[str, Any]
    payload: Mapping[str, Any]

    __rich_repr__: ClassVar[Any] = None  # it would show all fields

    def __repr__(self) -> str:
        return (
            f"<WebhookDelivery of {self.monitor.monitor_id}, {len(self.signals)} signals, "
            f"{len(self.companies)} companies>"
        )


def decode(body: bytes | bytearray | memoryview, *, max_bytes: int = MAX_BYTES) -> WebhookDelivery:
    """Reads a delivery.

    Args:
        body: The body of the request, as it came.
        max_bytes: The largest body to read. The server should have a limit of its own: by the
            time this one is looked at, the body is in memory.

    Returns:
        The delivery.

    Raises:
        ConfigurationError: `max_bytes` is not above 0.
        DecodeError: The body is too large, is not JSON, or is no delivery. Its `status` is 0,
            for there is no reply of the API behind it; answer such a request with 400.
    """
    if max_bytes <= 0:
        msg = f"max_bytes must be above 0, not {max_bytes!r}"
        raise ConfigurationError(msg)
    size = memoryview(body).nbytes
    if size > max_bytes:
        problem = f"it has {size} bytes, more than the {max_bytes} allowed by max_bytes"
        raise _undecodable(problem, b"")
    raw = bytes(body)
    try:
        payload = msgspec.json.decode(raw, type=dict[str, Any])
    except UnicodeError:
        problem = "it is not valid UTF-8"
    except BAD_INPUT as error:
        problem = str(error)
    else:
        return _delivery(payload, raw)
    # Raised out here: a UnicodeError as its context would hold the whole body.
    raise _undecodable(problem, raw)


def verify_signature(received: str | None, expected: str) -> bool:
    """Compares what came as a monitor's signature with the real one, in constant time.

    Args:
        received: What the request brought, from wherever it brought it; None for nothing.
        expected: The whole `signature` of the monitor, not the masked one.

    Returns:
        True if they are the same.

    Raises:
        ConfigurationError: `expected` is blank: anybody could be taken for Pubrio.
    """
    _check_secret(expected)
    return received is not None and _same(received, expected)


def verify_header(headers: Headers, name: str, expected: str) -> bool:
    """Compares a secret header of one's own with what it must be, in constant time.

    Args:
        headers: The headers of the request: a mapping, or pairs of names and values as text or
            bytes. The case of names does not matter.
        name: The header, as in `destination_config.headers` of the monitor.
        expected: Its value there.

    Returns:
        True if the header is there once, with this value.

    Raises:
        ConfigurationError: `expected` is blank: anybody could be taken for Pubrio.
    """
    _check_secret(expected)
    pairs = cast("Mapping[str, str]", headers).items() if isinstance(headers, Mapping) else headers
    wanted = name.lower()
    values = [_text(value) for key, value in pairs if _text(key).lower() == wanted]
    return len(values) == 1 and _same(values[0], expected)


def body_hash(body: bytes | bytearray | memoryview) -> str:
    """A key to tell repeats of a delivery by: the same payload has the same one.

    Args:
        body: The body of the request, as it came.

    Returns:
        Its SHA-256, in hexadecimal digits.
    """
    return hashlib.sha256(body).hexdigest()


def _delivery(payload: dict[str, Any], raw: bytes) -> WebhookDelivery:
    monitor = _monitor(payload.get("monitor"))
    if monitor is None:
        raise _undecodable("there is no `monitor` with a `monitor_id` in it", raw)
    signals = _objects(payload.get("signals"))
    if signals is None:
        raise _undecodable("its `signals` are not a list of objects", raw)
    # The next two could be keys of the receiver's own, with values of any form.
    companies = _objects(payload.get("companies"))
    triggered_at = payload.get("triggered_at")
    taken = {"monitor", "signals"}
    if companies is not None:
        taken.add("companies")
    if triggered_at is None or isinstance(triggered_at, str):
        taken.add("triggered_at")
    return WebhookDelivery(
        monitor=monitor,
        signals=tuple(map(_signal, signals)),
        companies=tuple(companies or ()),
        triggered_at=_str_or_none(triggered_at),
        extra={key: value for key, value in payload.items() if key not in taken},
        payload=payload,
    )


def _monitor(value: object) -> WebhookMonitor | None:
    if not isinstance(value, dict):
        return None
    members = cast("dict[str, Any]", value)
    monitor_id = members.get("monitor_id")
    if not isinstance(monitor_id, str) or not monitor_id:
        return None
    types = members.get("signal_types")
    words = cast("list[object]", types) if isinstance(types, list) else []
    return WebhookMonitor(
        monitor_id=monitor_id,
        name=_str_or_none(members.get("name")),
        detection_mode=_str_or_none(members.get("detection_mode")),
        signal_types=tuple(word for word in words if isinstance(word, str)),
        is_company_enrichment=_bool_or_none(members.get("is_company_enrichment")),
        is_people_enrichment=_bool_or_none(members.get("is_people_enrichment")),
        payload=members,
    )


def _signal(entry: dict[str, Any]) -> WebhookSignal:
    signal = entry.get("signal")
    return WebhookSignal(
        signal_type=_str_or_none(entry.get("signal_type")),
        signal=cast("dict[str, Any]", signal) if isinstance(signal, dict) else {},
        companies=tuple(_objects(entry.get("companies")) or ()),
        payload=entry,
    )


def _objects(value: object) -> list[dict[str, Any]] | None:
    """A list of objects; empty for null or a missing one, None for anything else."""
    if value is None:
        return []
    if not isinstance(value, list):
        return None
    if not all(isinstance(item, dict) for item in cast("list[object]", value)):
        return None
    return cast("list[dict[str, Any]]", value)


def _str_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _bool_or_none(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _check_secret(expected: str) -> None:
    if not expected.strip():
        msg = "The expected secret is blank: with it, anybody could be taken for Pubrio."
        raise ConfigurationError(msg)


def _same(received: str, expected: str) -> bool:
    # As bytes: of texts, compare_digest takes ASCII only. Servers hand on odd bytes of headers
    # as surrogates.
    return hmac.compare_digest(
        received.encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass")
    )


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _undecodable(problem: str, body: bytes) -> DecodeError:
    msg = f"The delivery could not be read: {problem}."
    return DecodeError(msg, status=0, body=body_text(body))
