"""Searches find what their filters say, page by page, and cost what the plan says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.sandbox.desk import Desk, person
from tests.together import together

Row = dict[str, Any]
KEYS = {
    "/people/search": "peoples",
    "/people/search/similar": "peoples",
    "/companies/search": "companies",
    "/companies/lookalikes/search": "companies",
    "/companies/jobs/search": "jobs",
    "/companies/news/search": "news",
    "/companies/advertisements/search": "advertisements",
}
PEOPLE, COMPANIES = "/people/search", "/companies/search"
JOBS, NEWS, ADVERTISEMENTS = (
    f"/companies/{kind}/search" for kind in ("jobs", "news", "advertisements")
)


@pytest.fixture(scope="module")
def desk() -> Desk:
    return Desk(world_people=1_000)


def rows(desk: Desk, path: str, **filters: Any) -> list[Row]:
    """All pages; the totals must be right on each."""
    found: list[Row] = []
    for page in range(1, 1_000):
        status, body = desk.ask(path, {**filters, "page": page})
        assert status == 200, body
        listed = body["data"][KEYS[path]]
        found += listed
        if not listed:
            total = body["data"]["pagination"]["total_entries"]
            assert total == len(found)
            assert body["data"]["pagination"]["total_pages"] == -(-total // 25) == page - 1
            return found
    raise AssertionError("no end")


def employers(desk: Desk) -> dict[str, Row]:
    return {row["domain_search_id"]: row for row in rows(desk, COMPANIES)}


# ------------------------------------------------------------------------------------ people


def test_pages_hold_everybody_once(desk: Desk) -> None:
    found = [row["people_search_id"] for row in rows(desk, PEOPLE)]
    assert len(found) == len(set(found)) == 1_000
    small = desk.ask(PEOPLE, {"page": 4, "per_page": 7})[1]["data"]
    assert [row["people_search_id"] for row in small["peoples"]] == found[21:28]
    assert small["pagination"] == {
        "page": 4,
        "per_page": 7,
        "total_entries": 1_000,
        "total_pages": 100,  # the documented cap; all of them would be 143
        "is_timeout": False,
    }
    last = desk.ask(PEOPLE, {"page": 100, "per_page": 7})[1]["data"]["peoples"]
    assert len(last) == 7
    assert desk.ask(PEOPLE, {"page": 101, "per_page": 7})[1]["data"]["peoples"] == []


@pytest.mark.parametrize(
    ("filters", "holds"),
    [
        ({"people_titles": ["CTO"]}, lambda row: row["title"] == "Chief Technology Officer"),
        (
            {"people_titles": ["sales_manager", "vice president of engineering"]},
            lambda row: row["title"] in {"Sales Manager", "VP of Engineering"},
        ),
        ({"management_levels": ["head", "vp"]}, lambda row: row["seniority"] in {"head", "vp"}),
        (
            {"departments": ["master_human_resources"], "management_levels": ["entry"]},
            lambda row: row["departments"] == ["human_resources"] and row["seniority"] == "entry",
        ),
        ({"departments": ["c_suite"]}, lambda row: row["departments"] == ["c_suite"]),
        ({"department_functions": ["compliance"]}, lambda row: "compliance" in row["functions"]),
        ({"people_locations": ["us", "SG"]}, lambda row: row["country"] in {"US", "SG"}),
        ({"people_name": "ada"}, lambda row: row["first_name"] == "Ada"),
        ({"people_name": "Ada Cole"}, lambda row: row["name"] == "Ada Cole"),
        ({"search_term": "recruiter"}, lambda row: "Recruiter" in row["title"]),
        ({"search_term": "open source"}, lambda row: "open source" in row["keywords"]),
    ],
)
def test_filters_of_people(
    desk: Desk, filters: dict[str, Any], holds: Callable[[Row], bool]
) -> None:
    everybody = rows(desk, PEOPLE)
    assert rows(desk, PEOPLE, **filters) == [row for row in everybody if holds(row)] != []


def test_people_by_id_and_profile(desk: Desk) -> None:
    known = [row for row in rows(desk, PEOPLE)[10:30] if row["linkedin_url"]][:3]
    ids = [row["people_search_id"].upper() for row in known]
    assert rows(desk, PEOPLE, peoples=[*ids, person(5)]) == known
    urls = [row["linkedin_url"].replace("www.", "uk.") + "/" for row in known]
    assert rows(desk, PEOPLE, linkedin_urls=urls) == known
    assert rows(desk, PEOPLE, linkedin_urls=urls[:1], peoples=ids[1:]) == []
    assert rows(desk, PEOPLE, people_groups=[5]) == []


@pytest.mark.parametrize(
    ("filters", "holds"),
    [
        ({"employees": [[1, 10], [10001]]}, lambda row: not 10 < row["employees"] < 10_001),
        ({"locations": ["DE"]}, lambda row: row["country"] == "DE"),
        ({"exclude_locations": ["de", "US"]}, lambda row: row["country"] not in {"DE", "US"}),
        ({"places": ["bavaria", "London"]}, lambda row: row["city"] in {"Munich", "London"}),
        ({"exclude_places": ["Bavaria"]}, lambda row: row["city"] != "Munich"),
        ({"technologies": ["docker"]}, lambda row: "Docker" in row["technologies"]),
        ({"founded_dates": [2000, 2010]}, lambda row: 2000 <= row["founded_year"] <= 2010),
        ({"revenues": [0, 1e6]}, lambda row: row["revenue"] <= 1e6),
        ({"keywords": ["B2B"]}, lambda row: "b2b" in row["keywords"]),
        ({"company_name": "labs"}, lambda row: "Labs" in row["company_name"]),
        ({"verticals": ["Payments"]}, lambda row: row["specialties"] == ["Payments"]),
        ({"vertical_sub_categories": [1]}, lambda row: row["industry"] == "Software Development"),
        ({}, lambda row: True),
    ],
)
def test_filters_of_companies_alone_inside_and_beside_people(
    desk: Desk, filters: dict[str, Any], holds: Callable[[Row], bool]
) -> None:
    companies = employers(desk)
    wanted = [row for row in companies.values() if holds(row)]
    assert rows(desk, COMPANIES, **filters) == wanted != []
    everybody = rows(desk, PEOPLE)
    theirs = [row for row in everybody if holds(companies[row["domain_search_id"]])]
    assert rows(desk, PEOPLE, company_filters=filters) == theirs
    places = {"locations", "exclude_locations", "places", "exclude_places"}
    beside = {f"company_{key}" if key in places else key: each for key, each in filters.items()}
    assert rows(desk, PEOPLE, **beside) == theirs


def test_companies_by_their_keys(desk: Desk) -> None:
    one, other, *_ = everyone = list(employers(desk).values())
    assert rows(desk, COMPANIES, companies=[other["domain_search_id"], person(5)]) == [other]
    assert rows(desk, COMPANIES, domains=[one["domain"].upper(), "pubrio.com"]) == [one]
    assert rows(desk, COMPANIES, domains=["pubrio.com"]) == []
    assert rows(desk, COMPANIES, linkedin_urls=[one["linkedin_url"]]) == [one]
    staff = [
        row for row in rows(desk, PEOPLE) if row["domain_search_id"] == one["domain_search_id"]
    ]
    assert rows(desk, PEOPLE, company_linkedin_urls=[one["linkedin_url"]]) == staff
    assert rows(desk, PEOPLE, domains=[one["domain"]]) == staff
    short = rows(desk, COMPANIES, exclude_fields=["emails", "domain"])
    assert [row.keys() for row in short] == [row.keys() - {"emails", "domain"} for row in everyone]


def test_all_values_or_any(desk: Desk) -> None:
    companies = employers(desk).values()
    both = {"Docker", "Redis"}
    for operator, fits in (("and", both.issubset), ("OR", lambda used: not both.isdisjoint(used))):
        conditions = [{"key": "technologies", "operator": operator}, {"operator": "and"}]
        filters = {"technologies": ["Docker", "Redis"], "filter_conditions": conditions}
        wanted = [row for row in companies if fits(row["technologies"])]
        assert rows(desk, COMPANIES, **filters) == wanted != []
        ids = {row["domain_search_id"] for row in wanted}
        for staff in (rows(desk, PEOPLE, **filters), rows(desk, PEOPLE, company_filters=filters)):
            assert {row["domain_search_id"] for row in staff} <= ids
    places = {"exclude_places": ["Munich", "Bavaria"]}
    conditions = [{"key": "exclude_places", "operator": "and"}]
    kept = rows(desk, COMPANIES, **places, filter_conditions=conditions)
    assert {row["city"] for row in companies} - {row["city"] for row in kept} == {"Munich"}
    beside = {"company_exclude_places": ["Berlin", "Bavaria"]}
    conditions = [{"key": "company_exclude_places", "operator": "and"}]
    assert len(rows(desk, PEOPLE, **beside, filter_conditions=conditions)) == 1_000
    assert len(rows(desk, PEOPLE, **beside)) < 1_000


def test_names_alike(desk: Desk) -> None:
    exact = rows(desk, COMPANIES, technologies=["Kubernetes"])
    assert exact
    assert rows(desk, COMPANIES, technologies=["Kubernets"]) == []
    alike = {"technologies": ["Kubernets"], "is_enable_similarity_search": True}
    assert rows(desk, COMPANIES, **alike) == exact
    assert rows(desk, COMPANIES, **alike, similarity_score=0.99) == []


def test_companies_by_what_happens_there(desk: Desk) -> None:
    def of(found: list[Row]) -> set[str]:
        return {row["domain_search_id"] for row in found}

    days = ["2024-11-01", "2024-12-31"]
    jobs = rows(desk, JOBS, titles=["manager"], exclude_locations=["US"], posted_dates=days)
    wanted = {
        "job_titles": ["manager"], "job_exclude_locations": ["US"], "job_posted_dates": days
    }  # fmt: skip
    assert of(rows(desk, COMPANIES, **wanted)) == of(jobs) != set()
    news = rows(desk, NEWS, categories=["launches"], news_galleries=["tech-harbour"])
    wanted = {"news_categories": ["launches"], "news_galleries": ["tech-harbour"]}
    assert of(rows(desk, COMPANIES, **wanted)) == of(news) != set()
    ads = rows(desk, ADVERTISEMENTS, search_terms=["guide"], target_locations=["FR"])
    wanted = {"advertisement_search_terms": ["guide"], "advertisement_target_locations": ["FR"]}
    assert of(rows(desk, COMPANIES, **wanted)) == of(ads) != set()
    assert rows(desk, COMPANIES, job_titles=["astronaut"]) == []


# ----------------------------------------------------------------------------------- signals


@pytest.mark.parametrize(
    ("path", "filters", "holds"),
    [
        (JOBS, {"locations": ["JP"]}, lambda row: row["country"] == "JP"),
        (JOBS, {"exclude_locations": ["JP"]}, lambda row: row["country"] != "JP"),
        (JOBS, {"search_term": "counsel"}, lambda row: "Counsel" in row["title"]),
        (
            JOBS,
            {"search_terms": ["labs recruiter", "head product"]},
            lambda row: (
                ("Labs" in row["company_name"] and "Recruiter" in row["title"])
                or row["title"] == "Head of Product"
            ),
        ),
        (
            JOBS,
            {"posted_dates": ["2024-12-01", "2024-12-31"]},
            lambda row: row["posted_at"].startswith("2024-12"),
        ),
        (NEWS, {"categories": ["hires"]}, lambda row: row["category"] == "hires"),
        (NEWS, {"news_languages": ["EN"]}, lambda row: row["language"] == "en"),
        (NEWS, {"locations": ["us"]}, lambda row: row["country"] == "US"),
        (
            NEWS,
            {"published_dates": ["2024-12-31", "2025-01-01"]},
            lambda row: row["published_at"] >= "2024-12-31",
        ),
        (
            ADVERTISEMENTS,
            {"exclude_target_locations": ["US", "FR"]},
            lambda row: not {"US", "FR"} & set(row["target_locations"]),
        ),
        (
            ADVERTISEMENTS,
            {
                "exclude_target_locations": ["US", "FR"],
                "filter_conditions": [{"key": "exclude_target_locations", "operator": "and"}],
            },
            lambda row: not {"US", "FR"} <= set(row["target_locations"]),
        ),
        (ADVERTISEMENTS, {"headlines": ["free trial"]}, lambda row: "Free trial" in row["title"]),
        (
            ADVERTISEMENTS,
            {"source_types": ["linkedin"], "enrichment_mode": "latest"},
            lambda row: row["source_type"] == "linkedin",
        ),
        (
            ADVERTISEMENTS,
            {
                "start_dates": ["2024-12-01", "2024-12-31"],
                "end_dates": ["2024-12-01", "2025-01-15"],
            },
            lambda row: "2024-12" < row["started_at"] < "2025" and row["ended_at"] < "2025-01-16",
        ),
    ],
)
def test_filters_of_signals(
    desk: Desk, path: str, filters: dict[str, Any], holds: Callable[[Row], bool]
) -> None:
    everything = rows(desk, path)
    assert rows(desk, path, **filters) == [row for row in everything if holds(row)] != []


@pytest.mark.parametrize("path", [JOBS, NEWS, ADVERTISEMENTS])
def test_signals_of_companies_newest_first(desk: Desk, path: str) -> None:
    companies = employers(desk)
    one = next(iter(companies.values()))
    everything = rows(desk, path)
    when = {JOBS: "posted_at", NEWS: "published_at", ADVERTISEMENTS: "started_at"}[path]
    days = [row[when] for row in everything]
    assert days == sorted(days, reverse=True)
    own = [row for row in everything if row["domain_search_id"] == one["domain_search_id"]]
    assert rows(desk, path, companies=[one["domain_search_id"]]) == own != []
    assert rows(desk, path, domains=[one["domain"]]) == own
    assert rows(desk, path, linkedin_urls=[one["linkedin_url"]]) == own
    german = rows(desk, path, company_locations=["DE"])
    assert {companies[row["domain_search_id"]]["country"] for row in german} == {"DE"}


# ------------------------------------------------------------------------------------- alike


def test_people_alike(desk: Desk) -> None:
    model, *_ = rows(desk, PEOPLE, management_levels=["manager"])
    path = "/people/search/similar"
    found = rows(desk, path, people_search_id=model["people_search_id"])
    scores = [row["similarity_score"] for row in found]
    assert scores == sorted(scores, reverse=True)
    assert 1.0 >= scores[0] > 0.6 > scores[-1] > 0.0
    assert model["people_search_id"] not in {row["people_search_id"] for row in found}
    assert found[0]["title"] == model["title"]
    assert rows(desk, path, peoples=[model["people_search_id"]]) == found
    if model["linkedin_url"]:
        assert rows(desk, path, linkedin_url=model["linkedin_url"]) == found
        assert rows(desk, path, linkedin_urls=[model["linkedin_url"]]) == found
    here = rows(desk, path, people_search_id=model["people_search_id"], people_locations=["US"])
    assert here == [row for row in found if row["country"] == "US"] != []
    titles = rows(desk, path, people_titles=["Sales Manager"])
    assert {row["title"] for row in titles if row["similarity_score"] == 1.0} == {"Sales Manager"}
    assert rows(desk, path, people_search_id=person(5)) == []
    assert desk.ask(path, {"people_locations": ["US"]})[0] == 400


def test_companies_alike(desk: Desk) -> None:
    model, *_ = employers(desk).values()
    path = "/companies/lookalikes/search"
    found = rows(desk, path, domain=model["domain"])
    scores = [row["similarity_score"] for row in found]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) >= 0.5
    assert model["domain"] not in {row["domain"] for row in found}
    more = rows(desk, path, linkedin_url=model["linkedin_url"], similarity_score=0.1)
    assert len(more) > len(found)
    less = rows(desk, path, domain_id=model["domain_id"], exclude_locations=[model["country"]])
    assert less == [row for row in found if row["country"] != model["country"]]
    assert rows(desk, path, domain="pubrio.com") == []
    told = desk.ask("/companies/lookalikes/lookup", {"domain": model["domain"]})[1]["data"]
    assert told.pop("lookalikes") == more[:10]
    assert told == model


# ---------------------------------------------------------------------------------- refusals


@together
@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (PEOPLE, {"peoples": ["x"]}),
        (PEOPLE, {"peoples": person(1)}),
        (PEOPLE, {"linkedin_urls": ["https://linkedin.com/company/x"]}),
        (PEOPLE, {"people_titles": "CTO"}),
        (PEOPLE, {"people_locations": ["USA"]}),
        (PEOPLE, {"employees": [[]]}),
        (PEOPLE, {"employees": [[1, 2, 3]]}),
        (PEOPLE, {"employees": [1, 2]}),
        (PEOPLE, {"company_filters": {"founded_dates": [2000]}}),
        (PEOPLE, {"company_filters": []}),
        (PEOPLE, {"company_linkedin_urls": ["https://linkedin.com/in/x"]}),
        (PEOPLE, {"filter_conditions": [{"key": "technologies", "operator": "xor"}]}),
        (PEOPLE, {"company_filters": {"filter_conditions": [{"key": "x", "operator": "no"}]}}),
        (COMPANIES, {"revenues": [1, 2, 3]}),
        (COMPANIES, {"job_posted_dates": ["2025-01-01", None]}),
        (COMPANIES, {"job_posted_dates": ["2025-01-01", "2025-02-30"]}),
        (COMPANIES, {"categories": ["1"]}),
        (COMPANIES, {"similarity_score": 1.1}),
        (COMPANIES, {"companies": [1]}),
        (JOBS, {"posted_dates": "2025-01-01"}),
        (NEWS, {"news_gallery_ids": ["daily-ledger"]}),
        (ADVERTISEMENTS, {"target_locations": [""]}),
    ],
)
def test_malformed_filters_are_refused_and_free(path: str, wrong: dict[str, Any]) -> None:
    desk = Desk(world_people=10)
    status, body = desk.ask(path, wrong)
    assert (status, body["code"]) == (400, 40001)
    assert desk.ask(path, wrong)[0] == 400  # nothing of it was kept
    assert desk.sandbox.statistics().credits_charged == 0


def test_each_page_is_paid_and_in_the_log() -> None:
    desk = Desk(world_people=100, credit=10, topup_credit=1, people_search_credit=4)
    for page in (1, 2):
        desk.ask(PEOPLE, {"page": page})
    desk.ask(JOBS)
    assert desk.sandbox.statistics().credits_charged == 9
    assert [(row["log_type_slug"], row["credits"]) for row in desk.logs()] == [
        ("company_search", 1),
        ("people_search", 4),
        ("people_search", 4),
    ]
    assert desk.ask(PEOPLE)[0] == 402
    assert desk.ask(COMPANIES)[0] == 200
    profile = desk.ask("/profile")[1]["data"]
    assert (profile["credit"], profile["topup_credit"]) == (0, 1)
    assert profile["subscription"]["people_search_credit"] == 4
    assert profile["subscription"]["company_search_credit"] == 1
    assert list(desk.sandbox.charges()) == []


def test_results_are_kept_for_a_while_and_forgotten_then(desk: Desk) -> None:
    first = desk.ask(PEOPLE, {"people_name": "ada"})
    for name in range(40):
        desk.ask(PEOPLE, {"people_name": f"nobody {name}"})
    assert desk.ask(PEOPLE, {"people_name": "ada"}) == first
