"""Requests and credits by day, key and endpoint."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.desk import Desk, person
from tests.together import together

DAILY, BREAKDOWN = "/api_keys/usage/daily", "/api_keys/usage/breakdown"
DAYS = {"start_date": "2025-01-01", "end_date": "2025-01-02"}
OTHER_KEY = "ffffffffffffffff"
MASKED, OTHER_MASKED = "0••••••••••••••••def", "f••••••••••••••••fff"


def busy() -> Desk:
    desk = Desk(phone_share=1.0, world_people=50)
    desk.send("/people/search")
    desk.send("/companies/search", key=OTHER_KEY)
    desk.now = 86_400.0
    desk.send("/people/search")
    desk.single(person(1), "phone")
    desk.send("/profile")
    return desk


def usage(desk: Desk, path: str, **fields: Any) -> Any:
    status, body = desk.ask(path, {**DAYS, **fields})
    assert status == 200, body
    return body["data"]


def test_days() -> None:
    body = busy().ask(DAILY, {**DAYS, "profile_id": 1})[1]
    assert body["metadata"] == {"filters": DAYS}
    data = body["data"]
    assert data["series"] == [
        {"date": "2025-01-01", "requests": 2, "credits": 4},
        {"date": "2025-01-02", "requests": 3, "credits": 13},
    ]
    assert data["totals"] == {"requests": 5, "credits": 17}
    assert [(row["slug"], row["name"], row["credits"]) for row in data["by_log_type"]] == [
        ("people_redeem", "Redeem People", 10),
        ("people_search", "People Search", 6),
        ("company_search", "Company Search", 1),
        (None, None, 0),
    ]


def test_breakdown() -> None:
    data = usage(busy(), BREAKDOWN)
    assert data["totals"] == {"requests": 5, "credits": 17}
    assert data["by_key"] == [
        {
            "name": MASKED,
            "requests": 4,
            "credits": 16,
            "last_used": "2025-01-02 00:00:00.000",
            "percent_of_requests": 80.0,
            "percent_of_credits": 94.118,
        },
        {
            "name": OTHER_MASKED,
            "requests": 1,
            "credits": 1,
            "last_used": "2025-01-01 00:00:00.000",
            "percent_of_requests": 20.0,
            "percent_of_credits": 5.882,
        },
    ]
    assert [row["slug"] for row in data["by_endpoint"]] == [
        "people_redeem", "people_search", "company_search",
    ]  # fmt: skip
    assert data["by_endpoint"][1] == {
        "slug": "people_search",
        "name": "People Search",
        "requests": 2,
        "credits": 6,
        "cost_per_call": 3.0,
        "percent_of_requests": 40.0,
        "percent_of_credits": 35.29,
    }


@pytest.mark.parametrize("path", [DAILY, BREAKDOWN])
def test_filters(path: str) -> None:
    desk = busy()
    assert usage(desk, path, keys=[OTHER_MASKED])["totals"] == {"requests": 1, "credits": 1}
    slugs = ["people_search", "company_search"]
    assert usage(desk, path, log_type_slugs=slugs)["totals"] == {"requests": 3, "credits": 7}
    first = usage(desk, path, end_date="2025-01-01")["totals"]
    assert first == {"requests": 2, "credits": 4}
    later = usage(desk, path, start_date="2025-02-01", end_date="2025-02-01")
    assert later["totals"] == {"requests": 0, "credits": 0}


@together
@pytest.mark.parametrize("path", [DAILY, BREAKDOWN])
@pytest.mark.parametrize(
    "wrong",
    [{"end_date": "2024-12-31"}, {"end_date": "2027-01-01"}, {"start_date": "today"}, {"keys": 1}],
)
def test_refusals(path: str, wrong: dict[str, Any]) -> None:
    desk = Desk()
    assert desk.ask(path, {**DAYS, **wrong})[0] == 400
    assert desk.ask(path)[0] == 400


def test_free_calls_have_no_share_of_credits() -> None:
    desk = Desk()
    desk.send("/profile")
    (row,) = usage(desk, BREAKDOWN)["by_key"]
    assert (row["percent_of_requests"], row["percent_of_credits"]) == (100.0, 0.0)


def test_other_paid_calls_have_types_of_their_own() -> None:
    desk = Desk(world_people=50)
    row = desk.ask("/people/search", {"per_page": 1})[1]["data"]["peoples"][0]
    desk.send("/people/enrichment", {"people_search_id": row["people_search_id"]})
    desk.send("/companies/lookup/enrich", {"domain": row["domain"]})
    slugs = [row["slug"] for row in usage(desk, BREAKDOWN)["by_endpoint"]]
    assert set(slugs) == {"people_search", "people_enrichment", "company_enrichment"}
