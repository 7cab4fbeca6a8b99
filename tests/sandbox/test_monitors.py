"""Monitors: settings that stay, runs that cost, logs of both."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.desk import Desk, person
from tests.together import together

WEBHOOK = {"webhook_url": "https://hook.example/x", "headers": {"a": "b"}, "body": {"from": "me"}}
BROKEN = {"webhook_url": "https://hook.invalid/x"}
NEEDED: dict[str, Any] = {
    "name": "Managers wanted",
    "detection_mode": "signal_first",
    "signal_types": ["jobs"],
    "destination_type": "webhook",
    "destination_config": WEBHOOK,
}


class MonitorDesk(Desk):
    def told(self, path: str, **fields: Any) -> Any:
        status, body = self.ask(f"/monitors{path}", fields)
        assert status == 200, body
        return body["data"]

    def refused(self, path: str, **fields: Any) -> bool:
        status, body = self.ask(f"/monitors{path}", fields)
        return status == 400 and body["code"] == 40001

    def make(self, **fields: Any) -> str:
        return str(self.told("/create", **{**NEEDED, **fields})["monitor_id"])

    def settings(self, monitor: str) -> Any:
        return self.told("/lookup", monitor_id=monitor)

    def names(self, **fields: Any) -> list[str]:
        return [row["name"] for row in self.told("", **fields)["monitors"]]

    def run(self, monitor: str, **fields: Any) -> Any:
        return self.told("/process/try", monitor_id=monitor, **fields)


def test_a_new_monitor_has_the_documented_defaults() -> None:
    desk = MonitorDesk()
    desk.now = 1.5
    made = desk.told("/create", **NEEDED)
    assert made["created_at"] == "2025-01-01T00:00:01.500Z"
    signature = made["signature"]
    assert made["masked_signature"] == f"{signature[0]}{'•' * 16}{signature[-3:]}"
    told = desk.settings(made["monitor_id"])
    assert {name: told[name] for name in NEEDED} == NEEDED
    for name, value in {
        "frequency_minute": 0,
        "max_failure_trigger": 5,
        "max_daily_trigger": 500,
        "max_records_per_trigger": 25,
        "max_retry_per_trigger": 1,
        "retry_delay_second": 1,
        "is_active": True,
        "is_paused": False,
        "last_trigger_at": None,
        "description": None,
    }.items():
        assert told[name] == value, name
    assert "signature" not in told
    revealed = desk.told("/lookup", monitor_id=made["monitor_id"], is_signature_reveal=True)
    assert revealed["signature"] == signature
    told = desk.told("/signature/reveal", monitor_id=made["monitor_id"].upper())
    assert told == {"monitor_id": made["monitor_id"], "signature": signature}


@together
@pytest.mark.parametrize("missing", NEEDED)
def test_required_settings(missing: str) -> None:
    desk = MonitorDesk()
    fields = {name: value for name, value in NEEDED.items() if name != missing}
    assert desk.refused("/create", **fields)
    assert desk.told("")["monitors"] == []


WRONG: list[dict[str, Any]] = [
    {"name": ""},
    {"detection_mode": "new"},
    {"signal_types": []},
    {"signal_types": ["job"]},
    {"destination_type": "fax"},
    {"destination_config": {}},
    {"destination_config": {"webhook_url": "http://hook.example"}},
    {"destination_config": {**WEBHOOK, "headers": []}},
    {"destination_type": "email"},
    {"destination_type": "sequences", "destination_config": {"sequence_identifier": "x"}},
    {"signal_filters": [{"signal_type": "jobs"}]},
    {"signal_filters": [{"signal_type": "jobs", "filters": {"titles": "x"}}]},
    {"company_filters": {"locations": ["Germany"]}},
    {"people_enrichment_configs": [{"max_people_to_return": 26}]},
    {"people_enrichment_configs": [{"people_contact_types": ["fax"]}]},
    {"people_enrichment_configs": [{"filters": {"peoples": ["x"]}}]},
    {"frequency_minute": 10_081},
    {"max_failure_trigger": 0},
    {"max_daily_trigger": 86_401},
    {"max_records_per_trigger": 101},
    {"max_retry_per_trigger": 4},
    {"retry_delay_second": 0},
    {"companies": ["x"]},
]


@together
@pytest.mark.parametrize("wrong", WRONG, ids=",".join)
def test_closed_sets_and_bounds(wrong: dict[str, Any]) -> None:
    desk = MonitorDesk()
    assert desk.refused("/create", **{**NEEDED, **wrong})
    monitor = desk.make()
    before = desk.settings(monitor)
    assert desk.refused("/update", monitor_id=monitor, **wrong)
    assert desk.settings(monitor) == before
    assert desk.refused("/webhook/validate", **{**NEEDED, **wrong})


def test_an_update_changes_what_it_names() -> None:
    desk = MonitorDesk()
    monitor = desk.make(description="old", frequency_minute=60)
    before = desk.settings(monitor)
    desk.now = 10.0
    desk.told("/update", monitor_id=monitor, description=None, is_paused=True)
    after = desk.settings(monitor)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"description", "is_paused", "last_modified"}
    config = {"sequence_identifier": "x", "record_type": "people"}
    desk.told(
        "/update", monitor_id=monitor, destination_type="sequences", destination_config=config
    )
    assert desk.settings(monitor)["destination_config"] == config


def test_companies_are_known_by_their_ids() -> None:
    desk = MonitorDesk()
    one, two, three = desk.ask("/companies/search", {"per_page": 3})[1]["data"]["companies"]
    monitor = desk.make(
        companies=[one["domain_search_id"]],
        domains=[two["domain"], one["domain"], "pubrio.com"],
        linkedin_urls=[three["linkedin_url"]],
    )
    told = desk.settings(monitor)
    assert told["companies"] == [each["domain_search_id"] for each in (one, two, three)]
    assert "domains" not in told
    log = desk.run(monitor)
    signals = log["request_payload"]["signals"]
    assert {each["signal"]["domain"] for each in signals} <= {
        each["domain"] for each in (one, two, three)
    }
    assert log["total_signals"] == len(signals) == 12


def test_lists_are_filtered_and_ordered() -> None:
    desk = MonitorDesk()
    for desk.now, name in enumerate(("beta", "alpha", "gamma")):
        desk.make(name=name)
    email = desk.make(
        name="delta",
        description="has GAMMA, too",
        detection_mode="company_first",
        destination_type="email",
        destination_config={"email": "a@b.example"},
    )
    desk.now = 10.0
    desk.told("/update", monitor_id=email, is_paused=True, is_active=False)
    assert desk.names()[0] == "delta"
    assert desk.names(order_by="name", is_ascending_order=True) == [
        "alpha", "beta", "delta", "gamma",
    ]  # fmt: skip
    assert desk.names(order_by="created_at", is_ascending_order=True)[:2] == ["beta", "alpha"]
    assert desk.names(order_by="name", per_page=3, page=2) == ["alpha"]
    assert desk.names(order_by="name", search_term="gamma") == ["gamma", "delta"]
    for wanted in (
        {"destination_type": ["email", "sequences"]},
        {"detection_mode": ["company_first"]},
        {"is_active": False},
        {"is_paused": True},
    ):
        assert desk.names(**wanted) == ["delta"]
    assert len(desk.names(is_paused=False)) == 3
    assert desk.refused("", order_by="colour")
    assert desk.refused("", destination_type="email")


def test_a_copy_is_a_monitor_of_its_own() -> None:
    desk = MonitorDesk()
    monitor = desk.make()
    copy = desk.told("/duplicate", monitor_id=monitor)
    assert copy["name"] == NEEDED["name"]
    assert copy["signature"] != desk.told("/signature/reveal", monitor_id=monitor)["signature"]
    assert desk.told("/duplicate", monitor_id=monitor, name="other")["name"] == "other"
    desk.told("/update", monitor_id=copy["monitor_id"], name="changed", is_paused=True)
    assert desk.settings(monitor)["name"] == NEEDED["name"]
    desk.run(monitor)
    desk.told("/delete", monitor_id=monitor)
    assert desk.refused("/delete", monitor_id=monitor)
    assert sorted(desk.names()) == ["changed", "other"]
    assert desk.told("/statistics")["total_triggers"] == 0


@together
@pytest.mark.parametrize(
    "path",
    ["/update", "/lookup", "/delete", "/duplicate", "/process/try", "/signature/reveal",
     "/statistics/logs"],
)  # fmt: skip
def test_unknown_monitors(path: str) -> None:
    desk = MonitorDesk()
    assert desk.refused(path, monitor_id=person(1))
    assert desk.refused(path, monitor_id="x")
    assert desk.refused(path)


# -------------------------------------------------------------------------------------- runs


def test_a_run_costs_what_its_log_says() -> None:
    desk = MonitorDesk(email_credit=5, phone_credit=10)
    monitor = desk.make(
        signal_types=["jobs", "news", "advertisements"],
        signal_filters=[
            {"signal_type": "jobs", "filters": {"titles": ["manager"]}},
            {"signal_type": "news", "filters": {"categories": ["launches"]}},
        ],
        max_records_per_trigger=40,
        is_company_enrichment=True,
        is_people_enrichment=True,
        people_enrichment_configs=[
            {
                "filters": {"management_levels": ["entry", "senior"]},
                "max_people_to_return": 2,
                "people_contact_types": ["email-work", "phone"],
            }
        ],
    )
    desk.now = 5.0
    log = desk.run(monitor, tried_at="2024-12-31T00:00:00Z")
    payload = log["request_payload"]
    assert payload["from"] == "me"
    assert payload["triggered_at"] == "2024-12-31T00:00:00Z"
    assert payload["monitor"]["monitor_id"] == monitor
    kinds = {each["signal_type"] for each in payload["signals"]}
    assert kinds == {"jobs", "news", "advertisements"}
    for each in payload["signals"]:
        if each["signal_type"] == "jobs":
            assert "Manager" in each["signal"]["title"]
        (company,) = each["companies"]
        assert company["domain"] == each["signal"]["domain"]
    companies = {
        each["companies"][0]["domain"]: each["companies"][0] for each in payload["signals"]
    }
    people = [person for each in companies.values() for person in each.get("people", ())]
    assert all(len(each.get("people", ())) <= 2 for each in companies.values())
    assert {each["seniority"] for each in people} == {"entry", "senior"}
    contacts = [(len(each["emails"]), len(each["phones"])) for each in people]
    assert log["total_signals"] == log["trigger_credit"] == 40
    assert log["total_companies"] == log["total_company_credit"] == len(companies)
    assert log["total_people"] == log["total_people_credit"] == len(people) > 0
    assert log["redeem_email_credit"] == 5 * sum(emails for emails, _ in contacts) > 0
    assert log["redeem_phone_credit"] == 10 * sum(phones for _, phones in contacts) > 0
    parts = ("trigger_credit", "total_company_credit", "total_people_credit",
             "redeem_email_credit", "redeem_phone_credit")  # fmt: skip
    assert log["total_credit"] == sum(log[part] for part in parts)
    assert desk.sandbox.statistics().credits_charged == log["total_credit"]
    assert desk.logs()[0]["credits"] == log["total_credit"]
    told = desk.settings(monitor)
    assert told["last_trigger_at"] == told["last_processed_at"] == log["created_at"]


def test_company_first_delivers_companies() -> None:
    desk = MonitorDesk()
    monitor = desk.make(
        detection_mode="company_first",
        company_filters={"locations": ["US"]},
        is_people_enrichment=True,
        max_records_per_trigger=10,
    )
    log = desk.run(monitor)
    companies = log["request_payload"]["companies"]
    assert sum(len(each["signals"]) for each in companies) == log["total_signals"] == 10
    assert log["total_companies"] == 0  # they were not enriched
    assert all(len(each.get("people", ())) <= 1 for each in companies)
    nothing = desk.make(company_filters={"company_name": "nobody"})
    assert desk.run(nothing)["total_credit"] == 0


def test_runs_need_credits() -> None:
    desk = MonitorDesk(credit=10)
    monitor = desk.make()
    assert desk.ask("/monitors/process/try", {"monitor_id": monitor})[0] == 402
    assert desk.told("/statistics/logs", monitor_id=monitor)["monitor_logs"] == []
    assert desk.settings(monitor)["last_trigger_at"] is None


def test_failures_are_free_and_pause_the_monitor() -> None:
    desk = MonitorDesk()
    monitor = desk.make(destination_config=BROKEN, max_failure_trigger=2)
    log = desk.run(monitor)
    assert (log["status"], log["response_status_code"], log["total_credit"]) == ("failed", 502, 0)
    assert log["total_signals"] == 25
    assert desk.settings(monitor)["is_paused"] is False
    desk.run(monitor)
    told = desk.settings(monitor)
    assert (told["is_paused"], told["repeated_failure_count"]) == (True, 2)
    desk.told("/update", monitor_id=monitor, is_paused=False, destination_config=WEBHOOK)
    assert desk.settings(monitor)["repeated_failure_count"] == 0
    assert desk.run(monitor)["status"] == "success"
    assert desk.told("/statistics") == {
        "total_monitors": 1,
        "active_monitors": 1,
        "paused_monitors": 0,
        "total_triggers": 3,
        "total_success": 1,
        "total_failed": 2,
        "total_credit": 25,
    }


def test_a_retry_delivers_again_for_free() -> None:
    desk = MonitorDesk()
    monitor = desk.make(destination_config=BROKEN)
    log = desk.run(monitor)["monitor_log_id"]
    desk.told("/update", monitor_id=monitor, destination_config=WEBHOOK)
    ask = {"monitor_id": monitor, "monitor_log_id": log}
    again = desk.told("/process/retry", **ask, is_use_original_destination=True)
    assert again["status"] == "failed"
    again = desk.told("/process/retry", **ask)
    assert (again["status"], again["retry_attempt"]) == ("success", 2)
    assert again["parent_monitor_log_id"] == log
    parent = desk.told("/statistics/logs/lookup", monitor_log_id=log)
    assert parent["is_retry_succeed"] is True
    assert [each["status"] for each in parent["retry_logs"]] == ["failed", "success"]
    assert again["request_payload"] == parent["request_payload"]
    assert desk.sandbox.statistics().credits_charged == 0
    assert desk.refused("/process/retry", monitor_id=monitor, monitor_log_id=person(1))
    assert desk.refused("/process/retry", monitor_id=desk.make(), monitor_log_id=log)


def test_logs_come_newest_first_and_are_bounded() -> None:
    desk = MonitorDesk()
    monitor = desk.make(max_records_per_trigger=1)
    oldest = desk.run(monitor)["monitor_log_id"]
    for desk.now in range(1, 201):
        desk.run(monitor)
    data = desk.told("/statistics/logs", monitor_id=monitor, per_page=2)
    assert data["pagination"]["total_entries"] == 200
    assert [row["created_at"][14:19] for row in data["monitor_logs"]] == ["03:20", "03:19"]
    assert "request_payload" not in data["monitor_logs"][0]
    assert desk.refused("/statistics/logs/lookup", monitor_log_id=oldest)


def test_the_chart_counts_by_day() -> None:
    desk = MonitorDesk()
    monitor = desk.make(max_records_per_trigger=2)
    for desk.now in (0.0, 90_000.0, 90_001.0):
        desk.run(monitor)
    dates = {"start_date": "2024-12-31", "end_date": "2025-01-02"}
    data = desk.told("/statistics/chart", monitor_id=monitor, **dates)
    assert [(row["date"], row["total_triggers"], row["total_credit"]) for row in data["chart"]] == [
        ("2024-12-31", 0, 0),
        ("2025-01-01", 1, 2),
        ("2025-01-02", 2, 4),
    ]
    for wrong in ({"end_date": "2024-12-30"}, {"end_date": "2027-01-01"}, {"end_date": "soon"}):
        assert desk.refused("/statistics/chart", monitor_id=monitor, **{**dates, **wrong})


def test_webhooks_are_validated_without_a_network() -> None:
    desk = MonitorDesk()
    told = desk.told("/webhook/validate", destination_type="webhook", destination_config=WEBHOOK)
    assert told["destination_config"] == WEBHOOK
    assert told["is_success"] is True
    told = desk.told("/webhook/validate", destination_type="webhook", destination_config=BROKEN)
    assert (told["is_success"], told["response_status_code"]) == (False, 502)
    email = {"destination_type": "email", "destination_config": {"email": "a@b.invalid"}}
    told = desk.told("/webhook/validate", **email, monitor_id=desk.make())
    assert told["is_success"] is False
    assert desk.refused("/webhook/validate", **email, monitor_id=person(1))
    assert desk.sandbox.statistics().credits_charged == 0
