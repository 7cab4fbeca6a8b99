"""A check-up of a stand-in: as documented it has nothing to tell; else, what is wrong is told."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from pubrio_async._routes import ROUTES
from pubrio_async._wire import WireReply
from pubrio_async.cli._doctor_tables import in_tables
from pubrio_async.doctor import FREE_READS, QUESTIONS, DoctorReport
from pubrio_async.sandbox import Fault, FaultKind
from tests.doctor.patient import Patient, answers, live_in, of, with_data, with_headers, with_status

pytestmark = pytest.mark.virtual_time


async def test_the_stand_in_as_it_is_has_nothing_to_tell() -> None:
    patient = Patient()
    report = await patient.examine()
    assert report.well, (report.warnings, answers(report))
    assert report.key.accepted
    assert report.requests == len(patient.sent) < 40
    assert set(patient.sent) <= {ROUTES[name].path for name in FREE_READS}
    assert patient.sandbox.statistics().credits_charged == report.credits_charged == 0
    monitor = of(report, "monitors.get")
    assert (monitor.state, monitor.why) == ("not asked", "no monitor in this workspace")
    assert of(report, "monitors.delete").why == "it changes something, or may"
    # Each endpoint is in it, called or not.
    assert {one.name for one in report.endpoints} == set(ROUTES)


async def test_a_workspace_in_use_is_looked_at_as_a_whole_past_paid_replies_included() -> None:
    patient = Patient()
    await live_in(patient)
    charged = patient.sandbox.statistics().credits_charged
    report = await patient.examine()
    assert report.well, (report.warnings, answers(report))
    assert patient.sandbox.statistics().credits_charged == charged
    for name in FREE_READS:
        assert of(report, name).state == "fine", name
    for name in ("people.search", "redeem.batch", "redeem.people"):
        assert (of(report, name).state, of(report, name).source) == ("fine", "request log"), name
    settled = answers(report)
    assert settled["job-kept"] == ("yes", "a job of the request log: 200")
    assert settled["poll-place"][0] == settled["cost-of-batch"][0] == "yes"
    assert settled["estimate-unit"] == ("yes", "second")
    assert settled["contact-types"][0] == "yes"
    assert report.plan.cost_per_call.keys() >= {"people_search", "people_redeem"}


@pytest.mark.parametrize("wear", ["extra", "missing", "type", "null"])
async def test_a_changed_reply_is_reported_at_its_path(wear: str) -> None:
    patient = Patient()

    def change(data: Any) -> Any:
        if wear == "extra":
            data["subscription"]["brand_new"] = "jane@example.com"
        elif wear == "missing":
            del data["subscription"]
        elif wear == "type":
            data["profile_id"] = str(data["profile_id"])
        else:
            data["name"] = None
        return data

    patient.changes["/profile"] = with_data(change)
    report = await patient.examine()
    profile = of(report, "profile.get")
    [drift] = profile.drift
    assert (drift.path, drift.kind, drift.seen) == {
        "extra": ("data.subscription.brand_new", "unknown_field", ("string",)),
        "missing": ("data.subscription", "missing_field", ("nothing",)),
        "type": ("data.profile_id", "wrong_type", ("string",)),
        "null": ("data.name", "null", ("null",)),
    }[wear]
    # What cannot be read at all is more than a difference.
    assert profile.state == ("drift" if wear == "extra" else "failed")
    assert not report.well
    assert [one.name for one in report.endpoints if one.drift] == ["profile.get"]
    assert drift.path in in_tables(report)


async def test_what_is_wrong_around_the_replies_is_told() -> None:
    patient = Patient()
    patient.changes["*"] = with_headers(
        Date="Sat, 01 Jan 2000 00:00:00 GMT",
        X_RateLimit_Limit="300",
        X_RateLimit_Remaining="250",
        X_RateLimit_Reset="30",
        X_RateLimit_Policy="for jane@example.com",
    )
    slow = with_headers()
    patient.changes["/user"] = lambda reply: msgspec.structs.replace(slow(reply), head_s=9.0)
    report = await patient.examine(only=frozenset({"user.get"}))
    assert report.clock.skew_s is not None
    assert report.clock.skew_s < -20 * 365 * 86_400
    assert any("ahead of the API's" in warning for warning in report.warnings)
    assert any("slow" in warning for warning in report.warnings)
    assert report.connection.first_byte_s == (9.0, 9.0, 9.0)
    assert report.limits.headers["x-ratelimit-remaining"] == "250"
    assert report.limits.headers["x-ratelimit-policy"] == "(not shown)"
    settled = answers(report)
    assert settled["rate-headers"][0] == settled["window-phase"][0] == "no"


async def test_a_log_that_is_refused_stops_nothing_else() -> None:
    patient = Patient()
    patient.changes["/api_keys/logs"] = with_status(403, {"error": "no log for jane@example.com"})
    report = await patient.examine()
    logs = of(report, "api_keys.logs")
    assert (logs.state, logs.status, logs.why) == ("failed", 403, "403, body {error: string}")
    assert of(report, "api_keys.log").why == "api_keys.logs failed"
    assert of(report, "monitors.list").state == "fine"
    assert not report.well


async def test_a_429_is_waited_out_and_told() -> None:
    patient = Patient()
    patient.sandbox.add_fault(Fault(kind="429", path="/departments", times=2, retry_after=20))
    patient.sandbox.add_fault(Fault(kind="429", path="/timezones"))
    report = await patient.examine()
    assert of(report, "filters.departments").state == "fine"
    zones = of(report, "filters.timezones")
    assert (zones.state, zones.status) == ("failed", 429)
    assert report.limits.rate_limited >= 3
    assert any("429" in warning for warning in report.warnings)
    settled = answers(report)
    assert settled["retry-after"] == ("yes", "none has")
    assert settled["error-short"] == ("yes", "429 {error: string}")


@pytest.mark.parametrize("kind", ["429", "stall"])
async def test_it_gives_up_where_nothing_is_answered(kind: FaultKind) -> None:
    patient = Patient()
    patient.sandbox.add_fault(Fault(kind=kind, after=3))
    report = await patient.examine(spend=50)
    asked = [one.name for one in report.endpoints if one.state != "not asked"]
    assert asked[:3] == ["profile.get", "profile.usage", "user.get"]
    assert len(asked) <= 6
    assert "in a row were answered with 429" in (of(report, "monitors.list").why or "")
    assert "in a row were answered with 429" in (of(report, "people.search").why or "")
    assert report.credits_charged == 0


async def test_a_reply_that_is_no_json_is_a_failure() -> None:
    patient = Patient()
    patient.sandbox.add_fault(Fault(kind="garbage", path="/timezones"))
    patient.changes["/profile/usage"] = lambda reply: msgspec.structs.replace(
        reply, body=msgspec.json.encode(msgspec.json.decode(reply.body)["data"])
    )
    report = await patient.examine()
    zones = of(report, "filters.timezones")
    assert (zones.state, zones.why) == ("failed", "its body is not JSON")
    # Without an envelope it can be read all the same.
    usage = of(report, "profile.usage")
    assert [(one.path, one.kind) for one in usage.drift] == [("data", "missing_field")]
    assert usage.state == "drift"


async def test_other_answers_than_assumed_do_not_hold() -> None:
    patient = Patient(unknown_query_status=400)
    changes = patient.changes
    changes["/user"] = lambda reply: msgspec.structs.replace(reply, body=b'{"id": 1}')
    changes["/locations"] = with_status(405, {"error": "no"})
    changes["/verticals"] = with_status(400, {"error": "needs a keyword"})
    changes["/profile/usage"] = with_data(
        lambda data: {**data, "credit": 5, "total_max_api_hourly_query": 18_001}
    )
    changes["/api_keys/logs"] = with_data(
        lambda data: {
            **data,
            "query_logs": [
                {**row, "credits": 2, "created_at": "2026-05-14T12:04:32Z", "query_log_id": "x7"}
                for row in data["query_logs"]
            ],
        }
    )
    changes["/channels/templates"] = with_data(
        lambda data: {**data, "channel_templates": [{"channel_template_id": 1}] * 3}
    )
    report = await patient.examine()
    settled = answers(report)
    wrong = {name for name, (state, _) in settled.items() if state == "no"}
    assert wrong >= {
        *("envelope", "verbs", "empty-post", "reference-lists", "error-400", "usage-no-credits"),
        *("usage-pairs", "free-calls", "ids", "times", "beyond-last-page", "full-page"),
    }
    assert settled["unknown-id"][0] == "yes"
    assert settled["verbs"] == ("no", "not there: filters.locations (405)")
    assert "no" in {one.settled for one in report.assumptions}
    assert [one.path for one in of(report, "user.get").drift] == ["data"]
    assert of(report, "user.get").undescribed == {"": ["object"], "id": ["int"]}


async def test_the_zone_of_the_log_is_found_out() -> None:
    patient = Patient()

    def eight_hours_on(data: Any) -> Any:
        for row in data["query_logs"]:
            time = datetime.fromisoformat(row["created_at"]) + timedelta(hours=8)
            row["created_at"] = f"{time:%Y-%m-%d %H:%M:%S}.000"
        return data

    patient.changes["/api_keys/logs"] = with_data(eight_hours_on)
    settled = answers(await patient.examine())
    assert settled["log-zone"][0] == "yes"
    assert settled["log-zone"][1].startswith("UTC+8 h")


async def test_a_refused_key_is_the_end_of_it() -> None:
    patient = Patient(api_key="another")
    report = await patient.examine(spend=100)
    assert report.key.accepted is False
    assert patient.sent == ["/profile"]
    assert "refused" in in_tables(report)


@pytest.mark.parametrize("status", [401, 403])
async def test_who_is_turned_away_has_not_seen_what_is_behind(status: int) -> None:
    patient = Patient()
    patient.changes["*"] = with_status(status, {"error": "no entry"})
    settled = answers(await patient.examine(only=frozenset({"user.get", "profile.usage"})))
    for name in ("empty-post", "verbs", "base-url", "envelope", "json"):
        assert settled[name][0] == "not tested", name


async def test_an_api_that_fails_tells_nothing_of_the_key() -> None:
    patient = Patient()
    patient.changes["/profile"] = with_status(500, {"error": "down"})
    report = await patient.examine(only=frozenset({"user.get"}))
    assert report.key.accepted
    assert report.key.status == 500
    patient.changes["*"] = with_status(500, {"error": "down"})
    report = await patient.examine(only=frozenset({"user.get"}))
    assert report.key.accepted is None
    assert not report.well
    patient.sandbox.add_fault(Fault(kind="lost_before"))
    unreachable = await patient.examine()
    assert unreachable.key.status is None
    assert [one.state for one in unreachable.endpoints] == ["failed"]
    assert "could not be reached" in in_tables(unreachable)


async def test_the_page_of_another_server_is_no_api() -> None:
    patient = Patient()
    patient.sandbox.add_fault(Fault(kind="garbage"))
    report = await patient.examine(only=frozenset({"user.get"}))
    assert report.key.accepted is None
    assert {one.why for one in report.endpoints} >= {"its body is not JSON"}
    assert "could not be found out" in in_tables(report)


async def test_the_last_requests_of_an_hour_are_left_to_others() -> None:
    patient = Patient()
    patient.changes["/profile/usage"] = with_data(
        lambda data: {**data, "api_hourly_usage": data["total_max_api_hourly_query"] - 10}
    )
    report = await patient.examine()
    assert len(patient.sent) < 14
    assert of(report, "monitors.list").why == "the quota of the hour is nearly used up"
    assert any("requests of the hour are used" in warning for warning in report.warnings)


HUGE = 10**400
"""JSON may hold it, and no float does."""


def swapped(value: Any, field: str, odd: object) -> Any:
    """A reply whose fields of this name, also those of replies in the log, hold something odd."""
    if isinstance(value, dict):
        return {
            name: odd if name == field else swapped(member, field, odd)
            for name, member in value.items()
        }
    if isinstance(value, list):
        return [swapped(element, field, odd) for element in value]
    if isinstance(value, str) and value.startswith('{"'):
        return json.dumps(swapped(json.loads(value), field, odd))
    return value


@pytest.mark.parametrize(
    ("field", "odd"),
    [
        ("emails", 5),
        ("emails", "jane"),
        ("emails", [5, None, "jane", []]),
        ("people_search_id", 5),
        ("query_log_id", [5]),
        ("estimated_time", HUGE),
        ("credits", HUGE),
        ("total_credit_cost", HUGE),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_what_no_reply_should_hold_does_not_end_the_check_up(field: str, odd: object) -> None:
    patient = Patient()
    await live_in(patient)

    def change(reply: WireReply) -> WireReply:
        body = json.dumps(swapped(json.loads(reply.body), field, odd)).encode()
        return msgspec.structs.replace(reply, body=body)

    patient.changes["*"] = change
    report = await patient.examine(spend=100)
    assert report.requests == len(patient.sent)
    assert in_tables(report)
    assert len(report.assumptions) == len(QUESTIONS)


async def test_every_assumption_can_be_settled() -> None:
    lived = Patient()
    await live_in(lived)
    lived.changes["/redeem/people/contact/lookup"] = with_status(
        200, {"data": {"profile": {"total_credit_cost": 1}, "peoples": [{"people_search_id": "x"}]}}
    )
    odd = Patient(unknown_query_status=400)
    odd.changes["/user"] = with_status(200, {"data": None})
    odd.sandbox.add_fault(Fault(kind="429", path="/locations"))
    settled = {
        one.name
        for report in (await lived.examine(spend=60), await odd.examine())
        for one in report.assumptions
        if one.settled != "not tested"
    }
    assert {question.name for question in QUESTIONS} - settled == {"never-tried"}


async def test_cancelled_it_leaves_nothing_behind() -> None:
    patient = Patient(latency=0.5)
    for after in (0.2, 3.3, 15.1):
        before = asyncio.all_tasks()
        task = asyncio.create_task(patient.examine(spend=60))
        await asyncio.sleep(after)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == before


def test_the_report_can_be_read_back() -> None:
    report = DoctorReport(warnings=["one"])
    assert msgspec.json.decode(msgspec.json.encode(report), type=DoctorReport) == report
