"""Prometheus: what is scraped adds up, and a scrape from a thread harms nothing."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import threading
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.parser import text_string_to_metric_families

from pubrio_async import AsyncPubrio
from pubrio_async.prometheus import PrometheusObserver
from pubrio_async.sandbox import Sandbox, SandboxConfig, SandboxServer, SandboxTransport
from pubrio_async.testing import VirtualClock
from tests.ledger import Ledger
from tests.observability.conftest import KEY, PEOPLE, URLS, Story

DASHBOARD = Path(__file__).parents[2] / "examples" / "grafana" / "dashboard.json"
GAUGES = {
    "pubrio_limiter_in_flight",
    "pubrio_limiter_waiting",
    "pubrio_limiter_available",
    "pubrio_limiter_next_permit_seconds",
    "pubrio_limiter_paused_seconds",
    "pubrio_limiter_granted_total",
    "pubrio_limiter_refused_total",
    "pubrio_runs_open",
    "pubrio_abandoned_replies",
}


def scraped(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def total(samples: dict[Any, float], name: str) -> float:
    return sum(value for (found, _), value in samples.items() if found == name)


def of(registry: CollectorRegistry) -> dict[Any, float]:
    return scraped(generate_latest(registry).decode())


def test_a_run_in_figures(story: Story) -> None:
    registry, ledger = CollectorRegistry(), Ledger()
    story.play(PrometheusObserver(registry), ledger)
    samples = of(registry)
    assert total(samples, "pubrio_requests_total") == len(ledger.requests)
    assert total(samples, "pubrio_request_duration_seconds_count") == len(ledger.requests)
    by_status: dict[str, float] = {}
    for (name, labels), value in samples.items():
        if name == "pubrio_requests_total":
            status = dict(labels)["status"]
            by_status[status] = by_status.get(status, 0) + value
    assert by_status["429"] == 1
    assert by_status["lost"] == 2
    assert set(by_status) == {"200", "400", "429", "lost"}
    errors = sum(event.error is not None for event in ledger.requests)
    assert total(samples, "pubrio_request_errors_total") == errors
    for outcome in ("found", "empty", "rejected", "unsettled"):
        key = ("pubrio_redeem_people_total", (("outcome", outcome),))
        assert samples[key] == story.count(outcome)
    assert total(samples, "pubrio_redeem_credits_total") == story.report.credits_charged
    assert total(samples, "pubrio_redeem_polls_total") == ledger.kinds.count("polled")
    assert total(samples, "pubrio_redeem_batches_open") == 0
    for end, count in ledger.ends.items():
        assert samples["pubrio_redeem_batches_total", (("end", end),)] == count
    assert total(samples, "pubrio_redeem_batch_duration_seconds_count") == len(ledger.ended)


def test_nothing_personal_is_in_a_scrape(story: Story) -> None:
    registry = CollectorRegistry()
    story.play(PrometheusObserver(registry))
    text = generate_latest(registry).decode()
    contacts = {c.value for o in story.outcomes for c in (*o.emails, *o.phones)}
    assert not [secret for secret in {KEY, *PEOPLE, *URLS, *contacts} if secret in text]


@pytest.mark.virtual_time
async def test_open_batches_and_limits_while_a_run_goes_on() -> None:
    registry = CollectorRegistry()
    observer = PrometheusObserver(registry)
    async with AsyncPubrio(
        "key",
        transport=SandboxTransport(Sandbox(SandboxConfig(base_s=60.0))),
        clock=VirtualClock(),
        rate_limit="10/minute",
        observers=[observer],
    ) as pubrio:
        assert not GAUGES & {name for name, _ in of(registry)}
        observer.watch(pubrio)
        async with pubrio.redeem.many(
            [f"{number:08d}-0000-4000-8000-000000000000" for number in range(40)],
            people_contact_types=["phone"],
            batch_size=10,
        ):
            await asyncio.sleep(5.0)
            samples = of(registry)
            assert {name for name, _ in samples} >= GAUGES
            assert total(samples, "pubrio_redeem_batches_open") == 4
            assert total(samples, "pubrio_limiter_granted_total") == 4
            assert total(samples, "pubrio_limiter_available") == 6
            assert total(samples, "pubrio_runs_open") == 1
        samples = of(registry)
        assert total(samples, "pubrio_redeem_batches_open") == 0
        assert samples["pubrio_redeem_people_total", (("outcome", "given_up"),)] == 40


@pytest.mark.virtual_time
async def test_without_a_limit_none_is_shown_as_left() -> None:
    registry = CollectorRegistry()
    async with AsyncPubrio(
        "key", rate_limit="unlimited", transport=SandboxTransport(Sandbox()), clock=VirtualClock()
    ) as pubrio:
        PrometheusObserver(registry, pubrio)
        shown = {name for name, _ in of(registry)}
    assert shown >= GAUGES - {"pubrio_limiter_available"}
    assert "pubrio_limiter_available" not in shown


async def test_scrapes_over_http_while_a_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits are looked at by the loop alone, whatever thread the scrape is in."""
    registry, threads = CollectorRegistry(), set[int]()
    observer = PrometheusObserver(registry)
    server, thread = start_http_server(0, "127.0.0.1", registry)
    url = f"http://127.0.0.1:{server.server_port}/metrics"

    def scrape() -> str:
        with urllib.request.urlopen(url, timeout=10) as reply:
            return str(reply.read().decode())

    try:
        async with (
            SandboxServer(Sandbox(SandboxConfig(time_scale=0.02))) as sandbox,
            AsyncPubrio("key", sandbox.url, observers=[observer]) as pubrio,
        ):
            observer.watch(pubrio)
            looked = pubrio._limiter.statistics

            def noting() -> Any:
                threads.add(threading.get_ident())
                return looked()

            monkeypatch.setattr(pubrio._limiter, "statistics", noting)
            async with pubrio.redeem.many(
                [f"{number:08d}-0000-4000-8000-000000000000" for number in range(500)],
                people_contact_types=["email-work"],
                batch_size=50,
            ) as run:
                during = await asyncio.to_thread(scrape)
                settled = [outcome async for outcome in run]
            after = scraped(await asyncio.to_thread(scrape))
        assert len(settled) == 500
        assert threads == {threading.get_ident()}
        assert "pubrio_limiter_in_flight" in during
        assert total(after, "pubrio_redeem_people_total") == 500
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_loop_that_has_ended_or_hangs_does_not_hold_up_a_scrape(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pubrio_async.prometheus._PATIENCE_S", 0.01)
    registry = CollectorRegistry()
    during: list[dict[Any, float]] = []
    kept: list[AsyncPubrio] = []

    async def scenario() -> None:
        async with AsyncPubrio("key", transport=SandboxTransport(Sandbox())) as pubrio:
            kept.append(pubrio)
            PrometheusObserver(registry, pubrio)
            thread = threading.Thread(target=lambda: during.append(of(registry)))
            thread.start()
            thread.join()  # the loop stands still meanwhile

    asyncio.run(scenario())
    assert kept
    for samples in (*during, of(registry)):
        assert samples
        assert not GAUGES & {name for name, _ in samples}


async def test_a_client_that_has_gone_is_not_kept_alive() -> None:
    registry = CollectorRegistry()
    client = AsyncPubrio("key", transport=SandboxTransport(Sandbox()))
    PrometheusObserver(registry, client)
    assert "pubrio_runs_open" in {name for name, _ in of(registry)}
    await client.aclose()
    del client
    gc.collect()
    assert "pubrio_runs_open" not in {name for name, _ in of(registry)}


def test_two_of_them_in_one_registry_are_refused() -> None:
    registry = CollectorRegistry()
    PrometheusObserver(registry)
    with pytest.raises(ValueError, match="Duplicated"):
        PrometheusObserver(registry)


# ------------------------------------------------------------------------------- the dashboard

_METRIC = re.compile(r"\bpubrio_[a-z_]+")
_LABELS = re.compile(r"\b(pubrio_[a-z_]+)\{([^}]*)\}")


def expressions() -> list[str]:
    board = json.loads(DASHBOARD.read_text("utf-8"))
    return [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]


def exported() -> set[str]:
    """Every name that a scrape of a busy client has."""
    registry = CollectorRegistry()
    names: set[str] = set()

    def watch(pubrio: AsyncPubrio) -> None:
        observer.watch(pubrio)
        names.update(name for name, _ in of(registry))

    observer = PrometheusObserver(registry)
    Story().play(observer, before=watch)
    return names | {name for name, _ in of(registry)}


def test_the_dashboard_and_the_metrics_agree() -> None:
    named = {name for text in expressions() for name in _METRIC.findall(text)}
    known = exported()
    assert named <= known, "the dashboard asks for what is not there"
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in known}
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) for name in named}
    assert families - shown == set(), "a metric is on no panel"


def test_the_dashboard_can_be_imported() -> None:
    board = json.loads(DASHBOARD.read_text("utf-8"))
    assert board["title"]
    assert board["schemaVersion"] >= 36
    assert board["id"] is None  # Grafana gives it one
    (source,) = (one for one in board["templating"]["list"] if one["type"] == "datasource")
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    placed: set[tuple[int, int]] = set()
    for panel in panels:
        assert panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": f"${{{source['name']}}}"}
        assert panel["fieldConfig"]["defaults"]["unit"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & placed, f"{panel['title']} lies on another panel"
        placed |= cells
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    for text in expressions():
        assert text.count("(") == text.count(")")
        assert text.count("{") == text.count("}")
        if "_total" in text or "_bucket" in text:
            assert "rate(" in text or "increase(" in text, "a counter is looked at by its rate"
