"""OpenTelemetry: spans where they belong, attributes by the conventions, metrics that add up."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from pubrio_async import AsyncPubrio, ConfigurationError, MemoryJournal
from pubrio_async.otel import OpenTelemetryObserver
from pubrio_async.sandbox import Sandbox, SandboxConfig, SandboxServer, SandboxTransport
from pubrio_async.testing import VirtualClock
from tests.ledger import Ledger
from tests.observability.conftest import KEY, PEOPLE, Story


class Backend:
    """What OpenTelemetry has collected."""

    def __init__(self, **arguments: Any) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.observer = OpenTelemetryObserver(
            self.tracers, MeterProvider([self._reader]), **arguments
        )
        self.tracer = self.tracers.get_tracer("test")

    def spans(self, kind: SpanKind) -> list[ReadableSpan]:
        found = self._exporter.get_finished_spans()
        return [span for span in found if span.kind == kind]

    @property
    def requests(self) -> list[ReadableSpan]:
        return self.spans(SpanKind.CLIENT)

    @property
    def batches(self) -> list[ReadableSpan]:
        return [span for span in self.spans(SpanKind.INTERNAL) if span.name == "redeem batch"]

    def metrics(self) -> dict[str, list[Any]]:
        data = self._reader.get_metrics_data()
        assert data is not None
        return {
            metric.name: list(metric.data.data_points)
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def parents(spans: list[ReadableSpan]) -> set[int | None]:
    return {span.parent.span_id if span.parent else None for span in spans}


def test_a_run_as_spans_and_metrics(story: Story) -> None:
    backend, ledger = Backend(), Ledger()
    story.play(backend.observer, ledger)
    assert len(backend.requests) == len(ledger.requests)
    assert len(backend.batches) == sum(ledger.ends.values())
    assert Counter(attributes(span)["pubrio.batch.end"] for span in backend.batches) == ledger.ends
    metrics = backend.metrics()
    durations = metrics["http.client.request.duration"]
    assert sum(point.count for point in durations) == len(ledger.requests)
    outcomes = {
        point.attributes["pubrio.outcome"]: point.value for point in metrics["pubrio.redeem.people"]
    }
    assert outcomes == {
        "found": story.count("found"),
        "empty": story.count("empty"),
        "rejected": story.count("rejected"),
        "unsettled": story.count("unsettled"),
    }
    assert metrics["pubrio.redeem.credits"][0].value == story.report.credits_charged
    assert metrics["pubrio.redeem.batches.open"][0].value == 0
    batches = metrics["pubrio.redeem.batch.duration"]
    assert sum(point.count for point in batches) == len(backend.batches)
    settled = next(
        span for span in backend.batches if attributes(span).get("pubrio.batch.found", 0) > 5
    )
    first, *others = (event.name for event in settled.events)
    assert first == "accepted"
    assert set(others) == {"polled"}
    assert settled.status.status_code is StatusCode.UNSET
    lost = next(s for s in backend.batches if attributes(s)["pubrio.batch.end"] == "unsettled")
    assert lost.status.status_code is StatusCode.ERROR


def test_spans_follow_the_conventions_for_http_clients(story: Story) -> None:
    backend = Backend(base_url="http://127.0.0.1:8080/v1")
    story.play(backend.observer)
    good = next(span for span in backend.requests if span.status.is_ok or span.status.is_unset)
    assert good.name == "POST /redeem/people/batch"
    told = attributes(good)
    assert told["http.request.method"] == "POST"
    assert told["server.address"] == "127.0.0.1"
    assert told["server.port"] == 8080
    assert told["url.path"] == told["url.template"] == "/redeem/people/batch"
    assert told["url.full"] == "http://127.0.0.1:8080/v1/redeem/people/batch"
    assert told["http.response.status_code"] == 200
    assert "error.type" not in told
    assert good.start_time is not None
    assert good.end_time is not None
    assert good.end_time > good.start_time
    errors = {
        (attributes(span).get("http.response.status_code"), attributes(span)["error.type"])
        for span in backend.requests
        if span.status.status_code is StatusCode.ERROR
    }
    assert errors == {
        (429, "429"),
        (400, "400"),
        (None, "ResponseLostError"),
        (200, "DecodeError"),
    }


def test_nothing_personal_is_in_a_span(story: Story) -> None:
    backend = Backend()
    story.play(backend.observer)
    text = " ".join(
        f"{span.name} {attributes(span)} {span.status.description} "
        f"{[(event.name, dict(event.attributes or {})) for event in span.events]}"
        for span in (*backend.requests, *backend.batches)
    )
    assert len(text) > 5_000
    secrets = {KEY, *PEOPLE, *(c.value for o in story.outcomes for c in (*o.emails, *o.phones))}
    assert not [secret for secret in secrets if secret in text]


async def test_requests_are_children_of_the_span_they_were_made_in() -> None:
    """Over a real socket: free calls, paid ones in tasks of their own, and those of a run."""
    backend = Backend()
    async with (
        SandboxServer(Sandbox()) as server,
        AsyncPubrio("key", server.url, observers=[backend.observer]) as pubrio,
    ):
        with backend.tracer.start_as_current_span("mine") as mine:
            await pubrio.profile.get()
            await pubrio.redeem.people(
                people_search_id=PEOPLE[0], people_contact_types=["email-work"]
            )
            rows = [row async for row in pubrio.people.search_iter(per_page=10)][:3]
        assert rows is not None
        await pubrio.profile.get()
    *inside, outside = backend.requests
    assert len(inside) >= 3
    assert parents(inside) == {mine.get_span_context().span_id}
    assert outside.parent is None


@pytest.mark.virtual_time
async def test_a_run_belongs_to_the_span_it_was_opened_in_whoever_wakes_it() -> None:
    backend = Backend()
    async with AsyncPubrio(
        "key",
        transport=SandboxTransport(Sandbox()),
        clock=VirtualClock(),
        rate_limit="30/minute",
        observers=[backend.observer],
    ) as pubrio:
        with backend.tracer.start_as_current_span("opened") as opened:
            run = pubrio.redeem.many(
                [f"{number:08d}-0000-4000-8000-000000000000" for number in range(3_000)],
                people_contact_types=["phone"],
                batch_size=20,
            )
            await run.__aenter__()
        async for outcome in run:  # a slow consumer, whose reading wakes the workers
            if outcome.row % 50 == 0:
                with backend.tracer.start_as_current_span("consuming"):
                    await asyncio.sleep(0.5)
        await run.aclose()
    parent = {opened.get_span_context().span_id}
    assert parents(backend.requests) == parent
    assert parents(backend.batches) == parent
    assert len(backend.batches) == 150


@pytest.mark.virtual_time
async def test_a_batch_of_an_earlier_run_has_its_whole_length() -> None:
    backend = Backend()
    clock, journal = VirtualClock(), MemoryJournal(VirtualClock())
    sandbox = Sandbox(SandboxConfig(base_s=300.0))
    for seconds in (60.0, 5_000.0):
        async with AsyncPubrio(
            "key", transport=SandboxTransport(sandbox), clock=clock, observers=[backend.observer]
        ) as pubrio:
            run = pubrio.redeem.many(
                PEOPLE[:5], people_contact_types=["phone"], journal=journal, deadline=seconds
            )
            async with run:
                assert len([outcome async for outcome in run]) == 5
    given_up, settled = backend.batches
    assert attributes(given_up)["pubrio.batch.end"] == "given_up"
    assert attributes(settled)["pubrio.batch.end"] == "settled"
    assert attributes(settled)["pubrio.batch.resumed"] is True
    assert settled.start_time == pytest.approx(given_up.start_time, abs=1e9)
    assert settled.end_time is not None
    assert settled.start_time is not None
    assert settled.end_time - settled.start_time > 300e9


def test_a_bad_base_url_is_refused() -> None:
    for bad in ("nowhere", "https://", "https://user:password@host"):
        with pytest.raises(ConfigurationError) as caught:
            OpenTelemetryObserver(base_url=bad)
        assert "password" not in str(caught.value)


def test_without_providers_it_costs_nothing_and_works(story: Story) -> None:
    story.play(OpenTelemetryObserver())
    assert trace.get_current_span().is_recording() is False
    assert story.count("found") > 20


@pytest.mark.parametrize(
    ("module", "needs"), [("otel", "opentelemetry"), ("prometheus", "prometheus_client")]
)
def test_without_the_extra_it_says_what_to_install(module: str, needs: str) -> None:
    program = f"import sys; sys.modules[{needs!r}] = None; import pubrio_async.{module}"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 1
    last = run.stderr.strip().splitlines()[-1]
    assert last == (
        f'ImportError: pubrio_async.{module} needs the extra "{module}": '
        f'pip install "pubrio-async[{module}]"'
    )
