"""What monitors, channels and API keys are sent, and how long they may take to answer."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from msgspec import UNSET

from pubrio_async import AsyncPubrio
from pubrio_async._phase import Phase
from pubrio_async._routes import MONITORS_TRY_RUN, ROUTES
from pubrio_async._wire import WireReply, WireRequest
from pubrio_async.models import (
    CompanyFilters,
    ContactLookupInput,
    EmailDestination,
    MonitorCreated,
    MonitorUpdated,
    MonitorWebhookCheck,
    PeopleEnrichmentConfig,
    SequencesDestination,
    SignalFilter,
    WebhookDestination,
)
from tests.catalogue import sample
from tests.endpoints.calls import MONITOR, URL, plain
from tests.memory_wire import MemoryWire, connected
from tests.together import together


async def test_request_structs_are_sent_like_the_mappings_they_stand_for(
    wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    wire.answers(sample("monitors_create.response.PARTIAL.json"))
    reply = await pubrio.monitors.create(
        name="My Monitor",
        detection_mode="signal_first",
        signal_types=("jobs", "news"),
        destination_type="webhook",
        destination_config=WebhookDestination(
            webhook_url=URL, headers={"X-Custom-Auth": "secret"}, body={"pipeline": "mine"}
        ),
        signal_filters=[
            SignalFilter(signal_type="jobs", filters={"locations": ["US"]}),
            {"signal_type": "news", "filters": {}},
        ],
        company_filters=CompanyFilters(locations=["US"], employees=[501, 1000]),
        people_enrichment_configs=[
            PeopleEnrichmentConfig(max_people_to_return=3, people_contact_types=["email-work"]),
            PeopleEnrichmentConfig(filters={"people_locations": ["US"]}),
        ],
    )
    assert isinstance(reply, MonitorCreated)
    assert wire.bodies == [
        {
            "name": "My Monitor",
            "detection_mode": "signal_first",
            "signal_types": ["jobs", "news"],
            "destination_type": "webhook",
            "destination_config": {
                "webhook_url": URL,
                "headers": {"X-Custom-Auth": "secret"},
                "body": {"pipeline": "mine"},
            },
            "signal_filters": [
                {"signal_type": "jobs", "filters": {"locations": ["US"]}},
                {"signal_type": "news", "filters": {}},
            ],
            "company_filters": {"locations": ["US"], "employees": [[501, 1000]]},
            "people_enrichment_configs": [
                {"max_people_to_return": 3, "people_contact_types": ["email-work"]},
                {"filters": {"people_locations": ["US"]}},
            ],
        }
    ]


@together
@pytest.mark.parametrize(
    ("kind", "config", "sent"),
    [
        ("webhook", WebhookDestination(webhook_url=URL), {"webhook_url": URL}),
        ("email", EmailDestination(email="me@example.com"), {"email": "me@example.com"}),
        (
            "sequences",
            SequencesDestination(sequence_identifier="s", record_type="people"),
            {"sequence_identifier": "s", "record_type": "people"},
        ),
    ],
)
async def test_each_kind_of_destination(
    kind: Any, config: Any, sent: Any, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    reply = await pubrio.monitors.validate_webhook(destination_type=kind, destination_config=config)
    assert reply == MonitorWebhookCheck()
    assert wire.bodies == [{"destination_type": kind, "destination_config": sent}]


async def test_one_monitor_is_set_up_like_another(wire: MemoryWire, pubrio: AsyncPubrio) -> None:
    document = sample("monitors_lookup.response.json")
    wire.answers(document)
    model = await pubrio.monitors.get(monitor_id=MONITOR)
    assert model.signal_filters is not None
    assert model.people_enrichment_configs is not None
    wire.answers({"data": {"monitor_id": MONITOR}})
    await pubrio.monitors.update(
        monitor_id=MONITOR,
        signal_filters=model.signal_filters,
        people_enrichment_configs=model.people_enrichment_configs,
        company_filters=model.company_filters or {},
    )
    names = ("signal_filters", "people_enrichment_configs", "company_filters")
    data = document["data"]
    assert wire.bodies[1] == {"monitor_id": MONITOR, **{name: data[name] for name in names}}


async def test_an_update_sends_what_is_set_and_no_more(
    wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    wire.answers({"data": {"monitor_id": MONITOR, "name": "ignored"}})
    reply = await pubrio.monitors.update(
        monitor_id=MONITOR, is_paused=False, description=None, notification_email=None, name=UNSET
    )
    assert reply == MonitorUpdated(monitor_id=MONITOR)
    assert wire.bodies == [
        {
            "monitor_id": MONITOR,
            "is_paused": False,
            "description": None,
            "notification_email": None,
        }
    ]


async def test_dates_and_times_may_be_given_as_such(wire: MemoryWire, pubrio: AsyncPubrio) -> None:
    period: Any = {"start_date": date(2026, 5, 1), "end_date": date(2026, 5, 14)}
    await pubrio.api_keys.daily_usage(**period)
    await pubrio.api_keys.usage_breakdown(**period)
    await pubrio.monitors.chart(monitor_id=MONITOR, **period)
    await pubrio.monitors.try_run(monitor_id=MONITOR, tried_at=datetime(2026, 5, 1, 10, tzinfo=UTC))
    sent = {"start_date": "2026-05-01", "end_date": "2026-05-14"}
    assert wire.bodies == [
        sent,
        sent,
        {"monitor_id": MONITOR, **sent},
        {"monitor_id": MONITOR, "tried_at": "2026-05-01T10:00:00Z"},
    ]


async def test_inputs_of_a_bulk_lookup(wire: MemoryWire, pubrio: AsyncPubrio) -> None:
    document = sample("redeem_people_contact_lookup_batch.response.json")
    wire.answers(document)
    reply = await pubrio.redeem.contact_lookup_batch(
        peoples=[
            ContactLookupInput(email="king.lai@example.com"),
            ContactLookupInput(first_name="John", last_name="Smith", domain="example.com"),
            {"phone": "+15551234567"},
        ],
        is_enable_similarity_search=True,
    )
    assert wire.bodies == [
        {
            "peoples": [
                {"email": "king.lai@example.com"},
                {"first_name": "John", "last_name": "Smith", "domain": "example.com"},
                {"phone": "+15551234567"},
            ],
            "is_enable_similarity_search": True,
        }
    ]
    assert reply.profile is not None
    assert reply.profile.charged == 2
    assert reply.peoples is not None
    king, john = reply.peoples
    assert king.first_name is UNSET
    assert john.match is not None
    assert john.match.input is not None
    assert (john.match.confidence, john.match.input.value) == ("similarity_domain", "example.com")
    assert plain(reply) == document["data"]


class TimedWire(MemoryWire):
    """Remembers how long it was allowed to take."""

    def __init__(self) -> None:
        super().__init__()
        self.timeouts: list[float] = []

    async def send(self, request: WireRequest, *, timeout: float, phase: Phase) -> WireReply:
        self.timeouts.append(timeout)
        return await super().send(request, timeout=timeout, phase=phase)


async def test_a_run_gets_minutes_and_nothing_else_does() -> None:
    wire = TimedWire()
    async with connected(wire) as pubrio:
        await pubrio.monitors.try_run(monitor_id=MONITOR)
        await pubrio.monitors.statistics()
    assert wire.timeouts == [MONITORS_TRY_RUN.timeout, 30.0]
    assert [name for name, route in ROUTES.items() if route.timeout] == ["monitors.try_run"]


async def test_a_run_gets_more_where_the_client_gives_more_to_everything() -> None:
    wire = TimedWire()
    async with AsyncPubrio("pk", timeout=3_600.0, transport=wire) as pubrio:
        await pubrio.monitors.try_run(monitor_id=MONITOR)
    assert wire.timeouts == [3_600.0]
