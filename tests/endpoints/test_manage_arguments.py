"""Wrong arguments about monitors and contact lookups never leave."""

from __future__ import annotations

from typing import Any

import pytest

from pubrio_async import AsyncPubrio, ConfigurationError
from pubrio_async.models import PeopleEnrichmentConfig, SignalFilter
from tests.catalogue import sample
from tests.endpoints.calls import MONITOR, Call, creating, of_any_type
from tests.memory_wire import MemoryWire
from tests.together import together


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
        creating(signal_filters=[SignalFilter(signal_type=of_any_type("rumours"), filters={})]),
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
        enriching(PeopleEnrichmentConfig(people_contact_types=of_any_type(["fax"]))),
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
            destination_type=of_any_type("pigeon"), destination_config={"email": "x"}
        ),
        "'pigeon'",
    ),
    "a retry of nothing": (
        lambda p: p.monitors.retry(monitor_id=MONITOR, monitor_log_id=""),
        "needs monitor_log_id",
    ),
    "a destination to list by, as a text": (
        lambda p: p.monitors.list(destination_type=of_any_type("webhook")),
        "list",
    ),
    "an unknown mode to list by": (
        lambda p: p.monitors.list(detection_mode=of_any_type(["both"])),
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
            channel_template_identifier=MONITOR, channel_template_id=of_any_type(None)
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
        lambda p: p.redeem.contact_lookup_batch(peoples=of_any_type({"email": "x@example.com"})),
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
