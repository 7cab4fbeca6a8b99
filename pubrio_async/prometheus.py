"""Prometheus: counters of requests, people and credits, and the rate limits. Extra `prometheus`.

    from pubrio_async import AsyncPubrio
    from pubrio_async.prometheus import PrometheusObserver

    observer = PrometheusObserver()
    async with AsyncPubrio(observers=[observer]) as pubrio:
        observer.watch(pubrio)
        ...

How they are scraped is up to the program; `prometheus_client.start_http_server` is one way.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Final

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
    from prometheus_client.registry import Collector
except ImportError as _missing:
    raise ImportError(
        'pubrio_async.prometheus needs the extra "prometheus": '
        'pip install "pubrio-async[prometheus]"'
    ) from _missing

from pubrio_async._observe import BATCH_ENDS, BatchEvent, Observer, RequestEvent
from pubrio_async.client import AsyncPubrio, ClientStatistics

_REQUEST_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_BATCH_S: Final = (1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
_PATIENCE_S: Final = 1.0


class PrometheusObserver(Observer):
    """Counts requests, people, batches and credits, and shows the rate limits of a client.

    | metric | kind | labels |
    |---|---|---|
    | `pubrio_requests_total` | counter | `endpoint`; `status`: the HTTP status, `lost`, `unsent` |
    | `pubrio_request_errors_total` | counter | `endpoint`; `error`: the class of the error |
    | `pubrio_request_duration_seconds` | histogram | `endpoint` |
    | `pubrio_redeem_people_total` | counter | `outcome`: `found`, `empty`, or the batch's end |
    | `pubrio_redeem_credits_total` | counter | |
    | `pubrio_redeem_polls_total` | counter | |
    | `pubrio_redeem_batches_total` | counter | `end` |
    | `pubrio_redeem_batches_open` | gauge | |
    | `pubrio_redeem_batch_duration_seconds` | histogram | `end` |

    And of the client that is watched, at the moment of the scrape: `pubrio_limiter_in_flight`,
    `pubrio_limiter_waiting`, `pubrio_limiter_available` (absent without a limit),
    `pubrio_limiter_next_permit_seconds`, `pubrio_limiter_paused_seconds`,
    `pubrio_limiter_granted_total`, `pubrio_limiter_refused_total`, `pubrio_runs_open`,
    `pubrio_abandoned_replies`.

    Args:
        registry: Where the metrics are registered, once for each registry.
        client: The client to watch; or call `watch` later.

    Raises:
        ValueError: The registry has these metrics already.
    """

    def __init__(
        self, registry: CollectorRegistry = REGISTRY, client: AsyncPubrio | None = None
    ) -> None:
        by_endpoint = ("endpoint",)
        self._requests = Counter(
            "pubrio_requests",
            "Requests that have ended, each attempt of a call.",
            ("endpoint", "status"),
            registry=registry,
        )
        self._errors = Counter(
            "pubrio_request_errors",
            "Requests that ended with an error, by its class.",
            ("endpoint", "error"),
            registry=registry,
        )
        self._seconds = Histogram(
            "pubrio_request_duration_seconds",
            "Time from sending a request to its decoded reply; waiting for limits is not in it.",
            by_endpoint,
            buckets=_REQUEST_S,
            registry=registry,
        )
        self._people = Counter(
            "pubrio_redeem_people",
            "People whose batch has ended, by how.",
            ("outcome",),
            registry=registry,
        )
        self._credits = Counter(
            "pubrio_redeem_credits", "Credits the API reported as charged.", registry=registry
        )
        self._polls = Counter(
            "pubrio_redeem_polls", "Replies that told the state of a job.", registry=registry
        )
        self._batches = Counter(
            "pubrio_redeem_batches", "Batches that have ended, by how.", ("end",), registry=registry
        )
        self._open = Gauge(
            "pubrio_redeem_batches_open",
            "Batches that were submitted and have no end yet.",
            registry=registry,
        )
        self._batch_seconds = Histogram(
            "pubrio_redeem_batch_duration_seconds",
            "Time from the submission of a batch to its end.",
            ("end",),
            buckets=_BATCH_S,
            registry=registry,
        )
        self._began: set[str] = set()
        self._watched = _Watched()
        registry.register(self._watched)
        if client is not None:
            self.watch(client)

    def watch(self, client: AsyncPubrio) -> None:
        """Shows the rate limits of this client, instead of another one's.

        Args:
            client: The client; it is not kept alive by this.
        """
        self._watched.watch(client)

    def on_request(self, event: RequestEvent) -> None:
        """A request has ended."""
        self._watched.note_loop()
        if event.status is not None:
            status = str(event.status)
        else:
            status = "lost" if event.sent else "unsent"
        self._requests.labels(event.name, status).inc()
        self._seconds.labels(event.name).observe(event.elapsed_s)
        if event.error is not None:
            self._errors.labels(event.name, event.error).inc()

    def on_batch(self, event: BatchEvent) -> None:
        """Something happened to a batch."""
        if event.kind == "submitted":
            self._began.add(event.batch_id)
            self._open.inc()
        elif event.kind == "polled":
            self._polls.inc()
        elif event.kind in BATCH_ENDS and event.batch_id in self._began:
            self._began.discard(event.batch_id)
            self._open.dec()
            self._batches.labels(event.kind).inc()
            if event.age_s is not None:
                self._batch_seconds.labels(event.kind).observe(event.age_s)
            if event.kind == "settled":
                self._people.labels("found").inc(event.found)
                self._people.labels("empty").inc(event.empty)
            elif event.kind != "split":  # which go on as smaller ones
                self._people.labels(event.kind).inc(event.people)
            self._credits.inc(max(0, event.credits or 0))


class _Watched(Collector):
    """What a client says of itself at the moment of a scrape."""

    def __init__(self) -> None:
        self._client: weakref.ref[AsyncPubrio] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def watch(self, client: AsyncPubrio) -> None:
        """Shows this client."""
        self._client = weakref.ref(client)
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None  # known with the first request

    def note_loop(self) -> None:
        """The client lives on the loop that is running."""
        if self._loop is None or self._loop.is_closed():
            self._loop = asyncio.get_running_loop()

    def describe(self) -> list[Metric]:
        """The names of the metrics, whether there is a client or not."""
        return list(_families(None))

    def collect(self) -> Iterator[Metric]:
        """The metrics as they stand."""
        statistics = self._statistics()
        if statistics is not None:
            yield from _families(statistics)

    def _statistics(self) -> ClientStatistics | None:
        client = None if self._client is None else self._client()
        loop = self._loop
        if client is None or loop is None or loop.is_closed():
            return None
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is loop:
            return client.statistics()
        # Scrapes come from threads, and looking at a limit moves it on: only its loop may.
        told: Future[ClientStatistics] = Future()

        def tell() -> None:
            if told.set_running_or_notify_cancel():
                told.set_result(client.statistics())

        try:
            loop.call_soon_threadsafe(tell)
            return told.result(_PATIENCE_S)
        except (RuntimeError, TimeoutError):
            told.cancel()
            return None  # the loop has ended, or has no time


_GAUGES: Final[tuple[tuple[str, str, Callable[[ClientStatistics], float | None]], ...]] = (
    ("pubrio_limiter_in_flight", "Requests under way.", lambda now: now.limiter.in_flight),
    ("pubrio_limiter_waiting", "Callers waiting for a permit.", lambda now: now.limiter.waiting),
    (
        "pubrio_limiter_available",
        "Requests the rate limits would let leave at once.",
        lambda now: now.limiter.available,
    ),
    (
        "pubrio_limiter_next_permit_seconds",
        "Time until the next request may leave.",
        lambda now: now.limiter.next_permit_s,
    ),
    (
        "pubrio_limiter_paused_seconds",
        "Time until a pause asked for by the API ends.",
        lambda now: now.limiter.paused_s,
    ),
    ("pubrio_runs_open", "Runs of redeem.many that are open.", lambda now: now.runs),
    (
        "pubrio_abandoned_replies",
        "Replies of paid calls whose caller had been cancelled.",
        lambda now: now.abandoned,
    ),
)
_COUNTERS: Final[tuple[tuple[str, str, Callable[[ClientStatistics], float]], ...]] = (
    ("pubrio_limiter_granted", "Permits handed out.", lambda now: now.limiter.granted),
    ("pubrio_limiter_refused", "Requests the API refused.", lambda now: now.limiter.refused),
)


def _families(now: ClientStatistics | None) -> Iterator[Metric]:
    """The metrics of a client, or just their names."""
    for name, text, gauge in _GAUGES:
        value = None if now is None else gauge(now)
        if now is None or value is not None:
            yield GaugeMetricFamily(name, text, value)
    for name, text, counter in _COUNTERS:
        yield CounterMetricFamily(name, text, None if now is None else counter(now))
