"""Everything around the redeems: key, limits, account, request log, samples."""

from __future__ import annotations

import tracemalloc
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pubrio_async._errors import ConfigurationError
from pubrio_async.models import Profile, ProfileUsage
from pubrio_async.sandbox import Sandbox, SandboxConfig, SandboxRequest
from pubrio_async.sandbox.ledger import FlagTable
from tests.sandbox.desk import BATCH, KEY, PEOPLE, QUERY, Desk, person, persons
from tests.together import together

# ----------------------------------------------------------------------------- key and paths


def test_any_key_but_none() -> None:
    desk = Desk()
    assert desk.ask("/profile", key="x")[0] == 200
    assert desk.ask("/profile", key=None)[0] == 401
    assert desk.ask("/profile", key="")[0] == 401


def test_the_one_key() -> None:
    desk = Desk(api_key=KEY)
    assert desk.ask("/profile")[0] == 200
    assert desk.ask("/profile", key=f"{KEY}0")[0] == 401
    assert desk.sandbox.statistics().replies_by_status == {"200": 1, "401": 1}


def test_header_names_match_in_any_case() -> None:
    sandbox = Sandbox()
    for name in ("pubrio-api-key", "PUBRIO-API-KEY"):
        headers = {"x-other": "1", name: KEY}
        assert sandbox.handle(SandboxRequest("GET", "/user", headers), 0.0).status == 200


def test_unknown_paths_and_wrong_methods() -> None:
    desk = Desk()
    assert desk.ask("/nowhere")[0] == 404
    assert desk.ask("/elsewhere")[0] == 404
    assert desk.ask("/profile", method="GET")[0] == 405
    assert desk.ask("/user", method="POST")[0] == 405
    assert desk.ask("/user?x=1", method="GET")[0] == 200
    assert desk.sandbox.regrets().malformed_requests == 4
    assert desk.sandbox.statistics().requests_by_path == {
        "(unknown)": 2,
        "/profile": 1,
        "/user": 2,
    }


# ------------------------------------------------------------------------------------ limits


def test_windows_are_fixed_and_refusals_do_not_count() -> None:
    desk = Desk(limits="3/minute", window_phase=10.0)
    desk.now = 65.0
    assert [desk.ask("/profile")[0] for _ in range(5)] == [200, 200, 200, 429, 429]
    desk.now = 69.9
    assert desk.ask("/profile")[0] == 429
    desk.now = 70.0
    assert [desk.ask("/profile")[0] for _ in range(4)] == [200, 200, 200, 429]
    regrets = desk.sandbox.regrets()
    assert (regrets.refused_429, regrets.overrun_windows) == (4, 2)


@given(
    times=st.lists(st.floats(0, 500), max_size=200),
    limit=st.integers(1, 5),
    phase=st.floats(0, 60),
)
def test_no_window_sees_more_than_its_limit(times: list[float], limit: int, phase: float) -> None:
    desk = Desk(limits=f"{limit}/minute", window_phase=phase)
    passed: dict[int, int] = {}
    for desk.now in sorted(times):
        if desk.send("/profile").status == 200:
            index = int((desk.now - phase) // 60.0)
            passed[index] = passed.get(index, 0) + 1
    asked: dict[int, int] = {}
    for time in times:
        index = int((time - phase) // 60.0)
        asked[index] = asked.get(index, 0) + 1
    assert passed == {index: min(limit, count) for index, count in asked.items()}


def test_several_limits_hold_at_once() -> None:
    desk = Desk(limits="2/second; 3/minute", window_phase=(0.0, 0.5))
    assert [desk.ask("/profile")[0] for _ in range(3)] == [200, 200, 429]
    desk.now = 1.0  # both windows have turned
    assert [desk.ask("/profile")[0] for _ in range(3)] == [200, 200, 429]
    desk.now = 2.0
    assert [desk.ask("/profile")[0] for _ in range(2)] == [200, 429]
    desk.now = 60.4
    assert desk.ask("/profile")[0] == 429
    desk.now = 60.5
    assert desk.ask("/profile")[0] == 200


def test_a_phase_for_each_limit() -> None:
    with pytest.raises(ConfigurationError, match="window_phase"):
        Desk(limits="2/second; 3/minute", window_phase=(0.0,))


def test_the_faces_of_a_429() -> None:
    body = {"error": "Request rate limit exceeded. Please wait and try again later."}
    for form in ("none", "seconds", "date"):
        desk = Desk(limits="1/minute", retry_after=form, epoch=1_000_000.0)
        desk.now = 20.5
        desk.send("/profile")
        reply = desk.send("/profile")
        assert reply.status == 429
        assert msgspec.json.decode(reply.body) == body
        told = reply.headers.get("retry-after")
        if form == "none":
            assert told is None
        elif form == "seconds":
            assert told == "40"
        else:
            assert told is not None
            assert parsedate_to_datetime(told).timestamp() == 1_000_060


def test_a_wrong_key_does_not_count() -> None:
    desk = Desk(limits="1/minute", api_key=KEY)
    assert desk.ask("/profile", key="wrong-key")[0] == 401
    assert desk.ask("/profile")[0] == 200


# ----------------------------------------------------------------------------------- account


def test_the_profile_shows_live_balances_and_prices() -> None:
    desk = Desk(
        credit=50, topup_credit=3, email_credit=4, phone_credit=9, phone_share=1.0,
        limits="300/minute; 2400/hour",
    )  # fmt: skip
    desk.single(person(1), "phone")
    profile = msgspec.convert(desk.ask("/profile")[1]["data"], Profile)
    assert (profile.credit, profile.topup_credit) == (41, 3)
    plan = profile.subscription
    assert (plan.email_redeem_credit, plan.phone_number_redeem_credit) == (4, 9)
    assert plan.max_api_hourly_query == 2400
    assert plan.is_api_access_available


def test_usage_counts_requests_by_window() -> None:
    desk = Desk(limits="5/minute; 2400/hour; 100/hour")
    for desk.now in (0.0, 10.0, 3600.0):
        desk.send("/profile")
    desk.now = 3601.5
    usage = msgspec.convert(desk.ask("/profile/usage")[1]["data"], ProfileUsage)
    assert (usage.api_hourly_usage, usage.api_daily_usage, usage.api_monthly_usage) == (2, 4, 4)
    assert usage.total_max_api_hourly_query == 100
    assert usage.total_max_api_daily_query == 288_000
    assert usage.api_last_refreshed == "2025-01-01T01:00:01.500Z"
    desk.now = 86_400.0
    usage = msgspec.convert(desk.ask("/profile/usage")[1]["data"], ProfileUsage)
    assert (usage.api_hourly_usage, usage.api_daily_usage, usage.api_monthly_usage) == (1, 1, 5)


def test_the_user() -> None:
    user: dict[str, Any] = Desk().ask("/user", method="GET")[1]["data"]
    assert user["email"] == "user@example.com"


# ------------------------------------------------------------------------------- request log


def test_the_log_shows_what_was_sent_and_answered() -> None:
    desk = Desk(phone_share=1.0)
    desk.now = 3.25
    sent = msgspec.json.encode({"peoples": persons(2), "people_contact_types": ["phone"]})
    answered = desk.send(BATCH, sent)
    (row,) = desk.logs()
    assert row["created_at"] == "2025-01-01 00:00:03.250"
    assert row["masked_authentication"] == "0••••••••••••••••def"
    assert (row["method"], row["path"], row["status_code"]) == ("POST", BATCH, 200)
    assert (row["log_type_slug"], row["credits"]) == ("people_redeem", 20)
    status, body = desk.ask("/api_keys/logs/lookup", {"query_log_id": row["query_log_id"]})
    assert status == 200
    data = body["data"]
    assert data["request_body"] == sent.decode()
    assert data["response_body"] == answered.body.decode()
    assert data["response_size"] == len(answered.body)
    assert msgspec.json.decode(data["request_headers"]) == {"pubrio-api-key": "***"}
    assert KEY not in msgspec.json.encode(body).decode()


def test_short_keys_are_not_shown_at_all() -> None:
    desk = Desk()
    desk.send("/profile", key="abc")
    assert desk.logs()[0]["masked_authentication"] == "•" * 16


def test_the_newest_come_first_page_by_page() -> None:
    desk = Desk()
    for desk.now in range(60):
        desk.send("/profile")
    body = desk.ask("/api_keys/logs", {"per_page": 20, "page": 2, "profile_id": 7})[1]
    assert body["metadata"] == {"filters": {"per_page": 20, "page": 2}}
    assert body["data"]["pagination"] == {
        "page": 2,
        "per_page": 20,
        "total_entries": 60,
        "total_pages": 3,
        "total_display_pages": 3,
        "is_timeout": False,
    }
    times = [row["created_at"] for row in body["data"]["query_logs"]]
    assert times == sorted(times, reverse=True)
    assert times[0] == "2025-01-01 00:00:39.000"
    oldest = desk.logs(is_ascending_order=True, per_page=1)[0]
    assert oldest["created_at"] == "2025-01-01 00:00:00.000"
    assert desk.logs(page=9) == []


def test_filters_of_the_log() -> None:
    desk = Desk()
    desk.single(person(1))
    desk.single("x")
    desk.query(desk.submit(persons(2)))
    desk.send("/people/search")
    desk.send("/user", method="GET")

    def paths(**wanted: Any) -> set[str]:
        return {row["path"] for row in desk.logs(search_term="e", **wanted)}

    redeems = {PEOPLE, BATCH}
    assert paths(log_type_slugs=["people_redeem"]) == redeems
    assert paths(log_types=[3]) == redeems
    assert paths(log_types=[1]) == {"/people/search"}
    assert paths(status_codes=[400]) == {PEOPLE}
    assert paths(methods=["get"]) == {"/user"}
    assert {row["path"] for row in desk.logs(search_term="Batch")} == {BATCH, QUERY}
    assert desk.logs(search_term="nothing has this in its path") == []


def test_refused_requests_are_in_the_log_but_a_wrong_key_is_not() -> None:
    desk = Desk(limits="2/minute", api_key=KEY)
    desk.send("/profile", key="wrong-key")
    for _ in range(4):
        desk.send("/profile")
    desk.now = 60.0
    assert [row["status_code"] for row in desk.logs()] == [429, 429, 200, 200]


def test_the_log_is_bounded_in_number() -> None:
    desk = Desk(max_log_entries=3)
    desk.send("/profile")
    gone = desk.logs()[0]["query_log_id"]
    for _ in range(5):
        desk.send("/user", method="GET")
    assert len(desk.logs()) == 3
    assert desk.ask("/api_keys/logs/lookup", {"query_log_id": gone})[0] == 400


def test_the_log_is_bounded_in_bytes() -> None:
    desk = Desk(max_log_bytes=5_000)
    for number in range(100):
        desk.single(person(number))
    assert 0 < len(desk.logs()) < 25
    desk = Desk(max_log_bytes=0)
    desk.send("/profile")
    assert desk.logs() == []


def test_the_log_may_be_late() -> None:
    desk = Desk(log_delay=30.0)
    desk.send("/profile")
    assert desk.logs() == []
    desk.now = 30.0
    (row, *_) = desk.logs(search_term="profile")
    assert desk.ask("/api_keys/logs/lookup", {"query_log_id": row["query_log_id"]})[0] == 200


# ------------------------------------------------------------------------------------ memory


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 63))))
def test_flags_behave_like_a_dict(marks: list[tuple[int, int]]) -> None:
    table = FlagTable(size=4)
    model: dict[int, int] = {}
    for small, flags in marks:
        key = small * 0x9E37_79B9_7F4A_7C15 % 2**64
        assert table.mark(key, flags) == model.get(key, 0)
        model[key] = model.get(key, 0) | flags
    assert len(table) == len(model)


def test_many_people_take_little_memory() -> None:
    sandbox = Sandbox(
        SandboxConfig(limits="unlimited", max_ledger_people=1_000, max_log_entries=50)
    )
    headers = {"pubrio-api-key": KEY}
    encode = msgspec.json.encode
    types = ["email-work"]

    def redeem(start: int, count: int) -> None:
        for first in range(start, start + count, 100):
            now = float(first)
            body = encode({"peoples": persons(100, first), "people_contact_types": types})
            reply = sandbox.handle(SandboxRequest("POST", BATCH, headers, body), now)
            job = msgspec.json.decode(reply.body)["data"]["redeem_query_id"]
            asked = encode({"redeem_query_id": job})
            sandbox.handle(SandboxRequest("POST", QUERY, headers, asked), now + 50.0)

    redeem(0, 5_000)
    tracemalloc.start()
    try:
        redeem(5_000, 15_000)
        grown = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert sandbox.statistics().people == 20_000
    assert grown < 2_000_000
    assert sandbox.regrets().total == 0


def test_the_same_requests_give_the_same_replies() -> None:
    def story() -> list[bytes]:
        desk = Desk("5xx_after:/redeem:probability=0.3", seed=5)
        replies = [
            desk.send(PEOPLE, {"people_search_id": who, "people_contact_types": ["phone"]}).body
            for who in persons(30)
        ]
        job = desk.send(BATCH, {"peoples": persons(9, 50), "people_contact_types": ["phone"]})
        return [*replies, job.body, desk.send("/api_keys/logs").body]

    assert story() == story()


@together
@pytest.mark.parametrize(
    "fields",
    [
        {"credit": -1},
        {"work_share": 1.5},
        {"estimate_quantile": 1.0},
        {"api_key": ""},
    ],
)
def test_nonsense_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))):
        SandboxConfig(**fields)
