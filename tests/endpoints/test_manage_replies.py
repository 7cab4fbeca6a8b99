"""What monitors, channels, API keys and contact lookups reply: nothing lost, no secret shown."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from pubrio_async import AsyncPubrio, DecodeError
from pubrio_async.models import (
    ChannelTemplateVersion,
    ChannelType,
    ContactLookupReply,
    DailyUsage,
    Monitor,
    MonitorCreated,
    MonitorLogDetails,
    MonitorRow,
    MonitorSignature,
    MonitorUpdated,
    MonitorWebhookCheck,
    QueryLogDetails,
    UsageBreakdown,
    WebhookDestination,
)
from tests.catalogue import sample
from tests.endpoints.calls import MONITOR, Call, creating, new_monitor, plain
from tests.memory_wire import MemoryWire
from tests.together import together

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
