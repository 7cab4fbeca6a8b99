"""Monitors, channels, API keys and contact lookups, where they are more than their description."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from pubrio_async import AsyncPubrio, ConfigurationError, DecodeError
from pubrio_async._phase import Phase
from pubrio_async._routes import MONITORS_TRY_RUN, ROUTES
from pubrio_async._wire import WireReply, WireRequest
from pubrio_async.models import (
    ChannelTemplateVersion,
    ChannelType,
    CompanyFilters,
    ContactLookupInput,
    ContactLookupReply,
    DailyUsage,
    EmailDestination,
    Monitor,
    MonitorCreated,
    MonitorLogDetails,
    MonitorRow,
    MonitorSignature,
    MonitorUpdated,
    MonitorWebhookCheck,
    PeopleEnrichmentConfig,
    QueryLogDetails,
    SequencesDestination,
    SignalFilter,
    UsageBreakdown,
    WebhookDestination,
)
from tests.memory_wire import MemoryWire, connected
from tests.together import together

SAMPLES = Path(__file__).parents[1] / "samples"
MONITOR = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
URL = "https://example.com/hook"


def sample(name: str) -> Any:
    return json.loads((SAMPLES / name).read_bytes())


def plain(value: Any) -> Any:
    return json.loads(msgspec.json.encode(value))


def new_monitor(**changes: Any) -> dict[str, Any]:
    return {
        "name": "My Monitor",
        "detection_mode": "signal_first",
        "signal_types": ["jobs"],
        "destination_type": "webhook",
        "destination_config": {"webhook_url": URL},
        **changes,
    }


# ----------------------------------------------------------------------------- bodies as sent


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


# ------------------------------------------------------------------------------ wrong arguments

Call = Callable[[AsyncPubrio], Awaitable[Any]]


def _any(value: Any) -> Any:
    return value


def creating(**changes: Any) -> Call:
    return lambda p: p.monitors.create(**new_monitor(**changes))


def enriching(config: Any) -> Call:
    return creating(people_enrichment_configs=[config])


WRONG: dict[str, tuple[Call, str]] = {
    "a filter without filters": (
        creating(signal_filters=[{"signal_type": "jobs"}]),
        r"signal_filters\[\]\.filters",
    ),
    "a filter for nothing": (
        creating(signal_filters=[{"filters": {}}]),
        r"signal_filters\[\]\.signal_type: choose from",
    ),
    "a filter for a word of its own": (
        creating(signal_filters=[SignalFilter(signal_type=_any("rumours"), filters={})]),
        "'rumours'",
    ),
    "the second filter": (
        creating(signal_filters=[SignalFilter(signal_type="jobs", filters={}), {}]),
        r"signal_filters\[\]",
    ),
    "no signals": (creating(signal_types=[]), "needs signal_types"),
    "signals as a text": (creating(signal_types="jobs"), "list"),
    "an unknown signal": (creating(signal_types=["jobs", "rumours"]), "'rumours'"),
    "a list of modes": (creating(detection_mode=["signal_first"]), "detection_mode"),
    "nowhere to deliver": (creating(destination_config=None), "needs destination_config"),
    "too many people": (
        enriching(PeopleEnrichmentConfig(max_people_to_return=26)),
        "from 1 to 25",
    ),
    "nobody": (enriching({"max_people_to_return": 0}), "from 1 to 25"),
    "an unknown contact": (
        enriching(PeopleEnrichmentConfig(people_contact_types=_any(["fax"]))),
        "'fax'",
    ),
    "contacts as a text": (enriching({"people_contact_types": "phone"}), "list"),
    "more than a week": (creating(frequency_minute=10_081), "frequency_minute.*0 to 10080"),
    "before now": (creating(frequency_minute=-1), "frequency_minute"),
    "more records than there may be": (creating(max_records_per_trigger=101), "at most 100"),
    "true as a number": (creating(max_retry_per_trigger=True), "max_retry_per_trigger"),
    "companies as a text": (creating(companies=MONITOR), "companies takes a list"),
    "half a range": (creating(company_filters={"founded_dates": [2018]}), "both ends"),
    "ranges of text": (creating(company_filters={"employees": [["1", "10"]]}), "whole numbers"),
    "an operator of one's own": (
        creating(company_filters={"filter_conditions": [{"key": "places", "operator": "xor"}]}),
        "'xor'",
    ),
    "an update of nothing": (lambda p: p.monitors.update(monitor_id=" "), "needs monitor_id"),
    "an update out of range": (
        lambda p: p.monitors.update(monitor_id=MONITOR, retry_delay_second=6),
        "from 1 to 5",
    ),
    "a check of an unknown destination": (
        lambda p: p.monitors.validate_webhook(
            destination_type=_any("pigeon"), destination_config={"email": "x"}
        ),
        "'pigeon'",
    ),
    "a retry of nothing": (
        lambda p: p.monitors.retry(monitor_id=MONITOR, monitor_log_id=""),
        "needs monitor_log_id",
    ),
    "a destination to list by, as a text": (
        lambda p: p.monitors.list(destination_type=_any("webhook")),
        "list",
    ),
    "an unknown mode to list by": (
        lambda p: p.monitors.list(detection_mode=_any(["both"])),
        "'both'",
    ),
    "a period without an end": (
        lambda p: p.api_keys.daily_usage(start_date="2026-05-01", end_date=""),
        "needs end_date",
    ),
    "a key as a text": (
        lambda p: p.api_keys.usage_breakdown(
            start_date="2026-05-01", end_date="2026-05-02", keys="0•••f39"
        ),
        "keys takes a list",
    ),
    "page 0": (lambda p: p.api_keys.logs(page=0), "at least 1"),
    "a template without a name": (
        lambda p: p.channels.create_template(
            channel_template_name="", channel_node_id=MONITOR, parameters={}
        ),
        "needs channel_template_name",
    ),
    "a version of nothing": (
        lambda p: p.channels.update_template(
            channel_template_identifier=MONITOR, channel_template_id=_any(None)
        ),
        "needs channel_template_id",
    ),
    "nothing to look for": (
        lambda p: p.redeem.contact_lookup(is_enable_similarity_search=True),
        "at least one of: email, phone, first_name",
    ),
    "a name alone": (
        lambda p: p.redeem.contact_lookup(
            first_name="King", last_name="Lai", is_enable_similarity_search=True
        ),
        "last_name . company",
    ),
    "a name that may not be matched": (
        lambda p: p.redeem.contact_lookup(
            first_name="King", last_name="Lai", domain="x.com", is_enable_similarity_search=False
        ),
        "is_enable_similarity_search",
    ),
    "nobody to look for": (lambda p: p.redeem.contact_lookup_batch(peoples=[]), "needs peoples"),
    "one person, not in a list": (
        lambda p: p.redeem.contact_lookup_batch(peoples=_any({"email": "x@example.com"})),
        "list",
    ),
}


@together
@pytest.mark.parametrize("name", WRONG)
async def test_wrong_arguments_never_leave(
    name: str, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    call, words = WRONG[name]
    with pytest.raises(ConfigurationError, match=words) as caught:
        await call(pubrio)
    assert "Nothing was sent" in str(caught.value)
    assert wire.sent == []


@together
@pytest.mark.parametrize(
    "found_by",
    [
        {"email": "x@example.com"},
        {"phone": "+15551234567"},
        {"first_name": "K", "last_name": "L", "domain": "x.com"},
        {"first_name": "K", "last_name": "L", "company": "X"},
        {"email": "x@example.com", "first_name": "K", "last_name": "L", "company": "X"},
    ],
)
async def test_ways_to_find_somebody(
    found_by: dict[str, str], wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    wire.answers(sample("redeem_people_contact_lookup.response.json"))
    body: Any = {**found_by, "is_enable_similarity_search": True}
    await pubrio.redeem.contact_lookup(**body)
    assert wire.bodies == [body]


# ------------------------------------------------------------------------------------- replies

NULLS: dict[str, tuple[Call, Any]] = {
    "redeem.contact_lookup": (
        lambda p: p.redeem.contact_lookup(email="x@example.com"),
        ContactLookupReply(),
    ),
    "redeem.contact_lookup_batch": (
        lambda p: p.redeem.contact_lookup_batch(peoples=[{"email": "x@example.com"}]),
        ContactLookupReply(),
    ),
    "monitors.update": (lambda p: p.monitors.update(monitor_id=MONITOR), MonitorUpdated()),
    "monitors.delete": (lambda p: p.monitors.delete(monitor_id=MONITOR), None),
    "channels.template": (
        lambda p: p.channels.template(channel_template_identifier=MONITOR),
        (),
    ),
    "channels.template_types": (lambda p: p.channels.template_types(), ()),
    "api_keys.daily_usage": (
        lambda p: p.api_keys.daily_usage(start_date="2026-05-01", end_date="2026-05-02"),
        DailyUsage(),
    ),
    "api_keys.usage_breakdown": (
        lambda p: p.api_keys.usage_breakdown(start_date="2026-05-01", end_date="2026-05-02"),
        UsageBreakdown(),
    ),
}


@together
@pytest.mark.parametrize("name", NULLS)
async def test_null_means_nothing_where_that_makes_sense(
    name: str, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    call, nothing = NULLS[name]
    wire.answers({"data": None})
    assert await call(pubrio) == nothing


@together
@pytest.mark.parametrize("name", [name for name in NULLS if name != "monitors.delete"])
async def test_an_error_with_the_status_of_a_success_is_not_an_empty_reply(
    name: str, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    call, _ = NULLS[name]
    wire.answers({"error": "An unexpected error occurred."})
    with pytest.raises(DecodeError):
        await call(pubrio)


@together
@pytest.mark.parametrize(
    "call",
    [
        creating(),
        lambda p: p.monitors.duplicate(monitor_id=MONITOR),
        lambda p: p.monitors.get(monitor_id=MONITOR),
        lambda p: p.monitors.log(monitor_log_id=MONITOR),
        lambda p: p.monitors.reveal_signature(monitor_id=MONITOR),
        lambda p: p.api_keys.log(query_log_id=MONITOR),
    ],
)
async def test_null_is_an_error_where_there_must_be_something(
    call: Call, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    wire.answers({"data": None})
    with pytest.raises(DecodeError, match="null"):
        await call(pubrio)


SAMPLED: dict[str, Call] = {
    "api_keys_logs.response.json": lambda p: p.api_keys.logs(status_codes=[200]),
    "api_keys_logs_lookup.response.json": lambda p: p.api_keys.log(query_log_id=MONITOR),
    "api_keys_usage_breakdown.response.json": lambda p: p.api_keys.usage_breakdown(
        start_date="2026-04-01", end_date="2026-05-14"
    ),
    "channels_templates.response.json": lambda p: p.channels.templates(channel_types=[1]),
    "channels_templates_create_version.response.json": lambda p: p.channels.create_template_version(
        channel_template_identifier=MONITOR, is_default=True
    ),
    "channels_templates_lookup.response.json": lambda p: p.channels.template(
        channel_template_identifier=MONITOR
    ),
    "channels_templates_update.response.json": lambda p: p.channels.update_template(
        channel_template_identifier=MONITOR, channel_template_id=251
    ),
    "channels_types_templates.response.PARTIAL.json": lambda p: p.channels.template_types(),
    "developer_guide_create_monitor.response.json": creating(),
    "monitors.response.PARTIAL.json": lambda p: p.monitors.list(is_active=True),
    "monitors_create.response.PARTIAL.json": creating(),
    "monitors_duplicate.response.json": lambda p: p.monitors.duplicate(monitor_id=MONITOR),
    "monitors_lookup.response.json": lambda p: p.monitors.get(monitor_id=MONITOR),
    "monitors_statistics_logs.response.json": lambda p: p.monitors.logs(monitor_id=MONITOR),
    "monitors_statistics_logs_lookup.response.json": lambda p: p.monitors.log(
        monitor_log_id=MONITOR
    ),
    "redeem_people_contact_lookup.response.json": lambda p: p.redeem.contact_lookup(
        email="king.lai@example.com"
    ),
}


@together
@pytest.mark.parametrize("name", SAMPLED)
async def test_samples_come_back_without_loss(
    name: str, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    document = sample(name)
    wire.answers(document)
    assert plain(await SAMPLED[name](pubrio)) == document["data"]


@together
@pytest.mark.parametrize(
    ("name", "rows"),
    [
        (
            "api_keys_logs.response.json",
            lambda p: p.api_keys.logs_iter(methods=["POST"], max_pages=1),
        ),
        ("channels_templates.response.json", lambda p: p.channels.templates_iter(max_pages=1)),
        (
            "monitors.response.PARTIAL.json",
            lambda p: p.monitors.list_iter(order_by="name", max_pages=1),
        ),
    ],
)
async def test_rows_of_a_sample(
    name: str, rows: Any, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    document = sample(name)
    wire.answers(document)
    (row,) = [row async for row in rows(pubrio)]
    (key,) = document["data"].keys() - {"pagination"}
    assert plain(row) == document["data"][key][0]


async def test_bare_lists_are_tuples_of_structs(wire: MemoryWire, pubrio: AsyncPubrio) -> None:
    wire.answers(sample("channels_templates_lookup.response.json"))
    (version,) = await pubrio.channels.template(channel_template_identifier=MONITOR)
    assert isinstance(version, ChannelTemplateVersion)
    assert version.parameters is not None
    assert version.parameters["subject"] == "Hello World"
    wire.answers(sample("channels_types_templates.response.PARTIAL.json"))
    (kind,) = await pubrio.channels.template_types()
    assert isinstance(kind, ChannelType)
    assert kind.channel_nodes is not None
    parameters = kind.channel_nodes[0].parameter_properties
    assert parameters is not None
    assert [parameter.is_hide_from_control_panel for parameter in parameters] == [
        UNSET,
        UNSET,
        True,
    ]


async def test_the_sum_of_a_run_is_what_it_cost(wire: MemoryWire, pubrio: AsyncPubrio) -> None:
    wire.answers(sample("monitors_statistics_logs.response.json"))
    (log,) = [row async for row in pubrio.monitors.logs_iter(monitor_id=MONITOR, max_items=1)]
    parts = (
        log.trigger_credit,
        log.total_company_credit,
        log.total_people_credit,
        log.redeem_email_credit,
        log.redeem_phone_credit,
    )
    assert sum(part or 0 for part in parts) == log.total_credit == 59
    assert log.signal_type == ("jobs", "news", "advertisements")


async def test_signatures_are_in_the_reply_and_in_no_repr(
    wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    wire.answers(
        sample("developer_guide_create_monitor.response.json"),
        sample("monitors_duplicate.response.json"),
        sample("monitors_lookup.response.json"),
        sample("monitors_signature_reveal.response.json"),
    )
    replies: list[MonitorCreated | Monitor | MonitorSignature] = [
        await pubrio.monitors.create(**new_monitor()),
        await pubrio.monitors.duplicate(monitor_id=MONITOR),
        await pubrio.monitors.get(monitor_id=MONITOR, is_signature_reveal=True),
        await pubrio.monitors.reveal_signature(monitor_id=MONITOR),
    ]
    for reply in replies:
        assert isinstance(reply.signature, str)
        assert len(reply.signature) == 36
        assert reply.signature not in repr(reply)
        assert str(reply.monitor_id) in repr(reply)
    assert "your-token" not in repr(replies)


def test_what_may_hold_secrets_or_personal_data_is_in_no_repr() -> None:
    row = sample("monitors.response.PARTIAL.json")["data"]["monitors"][0]
    held = [
        WebhookDestination(webhook_url="https://example.com/x", headers={"X-Auth": "x"}),
        MonitorWebhookCheck(destination_config={"headers": {"X-Auth": "x"}}),
        QueryLogDetails(query_log_id="q", response_body="x@example.com"),
        MonitorLogDetails(monitor_log_id="l", request_payload={"email": "x@example.com"}),
        msgspec.convert(row, MonitorRow),
    ]
    shown = repr(held)
    assert "example.com" not in shown
    assert "X-" not in shown
    assert "Company First Monitor" in shown


# ---------------------------------------------------------------------------- how long it takes


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
