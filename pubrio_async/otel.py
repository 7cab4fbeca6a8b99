"""OpenTelemetry: a span for each request and each batch, and metrics. Extra `otel`.

    from pubrio_async import AsyncPubrio
    from pubrio_async.otel import OpenTelemetryObserver

    async with AsyncPubrio(observers=[OpenTelemetryObserver()]) as pubrio:
        ...

Where spans and metrics go is up to the program: this speaks to `opentelemetry-api` alone.
"""

from __future__ import annotations

import os
from typing import Final

try:
    from opentelemetry import metrics, trace
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider
except ImportError as _missing:
    raise ImportError(
        'pubrio_async.otel needs the extra "otel": pip install "pubrio-async[otel]"'
    ) from _missing

from pubrio_async._config import DEFAULT_BASE_URL, split_url
from pubrio_async._errors import ConfigurationError
from pubrio_async._observe import BATCH_ENDS, BatchEvent, Observer, RequestEvent
from pubrio_async._version import __version__

_NAME: Final = "pubrio_async"
_SCHEMA: Final = "https://opentelemetry.io/schemas/1.37.0"
# As the semantic conventions have them.
_REQUEST_S: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_BATCH_S: Final = (1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
_FAILED: Final = frozenset({"failed", "unsettled"})

Value = str | bool | int | float


class OpenTelemetryObserver(Observer):
    """Tells OpenTelemetry of requests and batches.

    Each request is a client span, as the semantic conventions for HTTP have it: a child of the
    span in which the call was made, or the run opened. It is made when the request has ended, so
    that a request nobody waits for does not leave an open span behind. Each batch is a span from
    its submission to its end, with an event for each step between.

    | metric | what | attributes |
    |---|---|---|
    | `http.client.request.duration` | histogram, s | those of the request's span |
    | `pubrio.redeem.people` | counter | `pubrio.outcome`: `found`, `empty`, or the batch's end |
    | `pubrio.redeem.credits` | counter | |
    | `pubrio.redeem.batch.duration` | histogram, s | `pubrio.batch.end` |
    | `pubrio.redeem.batches.open` | up-down counter | |

    Args:
        tracer_provider: Where spans go; the global one by default.
        meter_provider: Where metrics go; the global one by default.
        base_url: The base URL of the client, for `server.address`: else PUBRIO_BASE_URL, else
            https://api.pubrio.com.

    Raises:
        ConfigurationError: `base_url` is not a URL.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        *,
        base_url: str | None = None,
    ) -> None:
        self._server, self._url = _server(base_url)
        self._tracer = trace.get_tracer(_NAME, __version__, tracer_provider, _SCHEMA)
        meter = metrics.get_meter(_NAME, __version__, meter_provider, _SCHEMA)
        self._spans: dict[str, Span] = {}
        self._requests = meter.create_histogram(
            "http.client.request.duration",
            "s",
            "Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=_REQUEST_S,
        )
        self._people = meter.create_counter(
            "pubrio.redeem.people", "{person}", "People whose batch has ended, by how."
        )
        self._credits = meter.create_counter(
            "pubrio.redeem.credits", "{credit}", "Credits the API reported as charged."
        )
        self._batches = meter.create_histogram(
            "pubrio.redeem.batch.duration",
            "s",
            "Time from the submission of a batch to its end.",
            explicit_bucket_boundaries_advisory=_BATCH_S,
        )
        self._open = meter.create_up_down_counter(
            "pubrio.redeem.batches.open", "{batch}", "Batches submitted that have no end yet."
        )

    def on_request(self, event: RequestEvent) -> None:
        """A request has ended: it becomes a span and a measurement."""
        common: dict[str, Value] = {
            "http.request.method": event.method,
            "url.template": event.path,
            **self._server,
        }
        if event.status is not None:
            common["http.response.status_code"] = event.status
        error = _error_type(event)
        if error is not None:
            common["error.type"] = error
        self._requests.record(event.elapsed_s, common)
        span = self._tracer.start_span(
            f"{event.method} {event.path}",
            kind=SpanKind.CLIENT,
            start_time=_ns(event.started_at),
            attributes={
                **common,
                "url.full": self._url + event.path,
                "url.path": event.path,
                "http.request.body.size": event.bytes_out,
                "http.response.body.size": event.bytes_in,
                "pubrio.endpoint": event.name,
                "pubrio.paid": event.paid,
                "pubrio.sent": event.sent,
            },
        )
        if error is not None:
            span.set_status(Status(StatusCode.ERROR, event.error))
        span.end(_ns(event.started_at + event.elapsed_s))

    def on_batch(self, event: BatchEvent) -> None:
        """Something happened to a batch: its span begins, goes on or ends."""
        if event.kind == "submitted":
            self._spans[event.batch_id] = self._tracer.start_span(
                "redeem batch",
                start_time=_ns(event.at - (event.age_s or 0.0)),
                attributes={
                    "pubrio.batch.id": event.batch_id,
                    "pubrio.batch.people": event.people,
                    "pubrio.batch.resumed": event.age_s != 0.0,
                },
            )
            self._open.add(1)
        elif event.kind in BATCH_ENDS:
            self._end(event)
        else:
            span = self._spans.get(event.batch_id)
            if span is not None:
                told = {} if event.estimate_s is None else {"pubrio.estimate_s": event.estimate_s}
                span.add_event(event.kind, told, _ns(event.at))

    def _end(self, event: BatchEvent) -> None:
        span = self._spans.pop(event.batch_id, None)
        if span is None:
            return  # it began before anybody looked
        self._open.add(-1)
        span.set_attribute("pubrio.batch.end", event.kind)
        if event.redeem_query_id is not None:
            span.set_attribute("pubrio.redeem_query_id", event.redeem_query_id)
        if event.kind == "settled":
            span.set_attribute("pubrio.batch.found", event.found)
            span.set_attribute("pubrio.batch.empty", event.empty)
            self._people.add(event.found, {"pubrio.outcome": "found"})
            self._people.add(event.empty, {"pubrio.outcome": "empty"})
        elif event.kind != "split":  # which go on as smaller ones
            self._people.add(event.people, {"pubrio.outcome": event.kind})
        if event.credits is not None:
            span.set_attribute("pubrio.credits", event.credits)
            self._credits.add(max(0, event.credits))
        if event.kind in _FAILED:
            span.set_status(Status(StatusCode.ERROR, event.kind))
        if event.age_s is not None:
            self._batches.record(event.age_s, {"pubrio.batch.end": event.kind})
        span.end(_ns(event.at))


def _error_type(event: RequestEvent) -> str | None:
    """The status where that is what went wrong, else the class of the error."""
    if event.error is None or event.status is None or event.status < 400:
        return event.error
    return str(event.status)


def _server(base_url: str | None) -> tuple[dict[str, Value], str]:
    url = base_url or os.environ.get("PUBRIO_BASE_URL", "").strip() or DEFAULT_BASE_URL
    parts = split_url(url)
    if parts is None or not parts.hostname or "@" in parts.netloc:
        msg = "base_url must be a URL such as https://api.pubrio.com"
        raise ConfigurationError(msg)
    port = parts.port or (80 if parts.scheme == "http" else 443)
    origin = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
    path = parts.path.rstrip("/")
    return {"server.address": parts.hostname, "server.port": port}, origin + path


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
