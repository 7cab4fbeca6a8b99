"""Who and what there is in the world of searches."""

from __future__ import annotations

from typing import Any

import pytest

from pubrio_async._errors import ConfigurationError
from pubrio_async.sandbox import Sandbox, SandboxConfig
from pubrio_async.sandbox.people import People
from pubrio_async.sandbox.signals import Signals
from pubrio_async.sandbox.world import World
from tests.sandbox.desk import ALL_TYPES, Desk, expected, found, person
from tests.together import together


def world(size: int = 400, **config: Any) -> World:
    return World(People(SandboxConfig(**config)), size)


def everybody(desk: Desk, **filters: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    page = 1
    while True:
        status, body = desk.ask("/people/search", {**filters, "page": page})
        assert status == 200, body
        if not body["data"]["peoples"]:
            return rows
        rows += body["data"]["peoples"]
        page += 1


def test_the_world_follows_from_the_seed() -> None:
    first, second, other = world(), world(), world(seed=1)
    second.person(399)  # the order of making does not matter
    assert list(first.people()) == list(second.people())
    assert list(first.companies()) == list(second.companies())
    assert first.person(7) != other.person(7)
    jobs = list(Signals(first).jobs())
    assert jobs == list(Signals(second).jobs())
    assert len(jobs) == 4 * 40


def test_nobody_is_made_before_somebody_asks() -> None:
    desk = Desk(world_people=10**9)
    status, body = desk.ask("/people/search", {"page": 3, "per_page": 2})
    assert status == 200
    assert len(body["data"]["peoples"]) == 2
    assert body["data"]["pagination"]["total_entries"] == 10**9


def test_a_world_without_people() -> None:
    desk = Desk(world_people=0)
    assert everybody(desk) == []
    assert desk.ask("/people/lookup", {"people_search_id": person(1)})[1] == {"data": None}
    with pytest.raises(ConfigurationError, match="world_people"):
        Sandbox(SandboxConfig(world_people=-1))


def test_everybody_is_somebody_else_and_works_somewhere() -> None:
    people = list(world().people())
    assert len({each.people_search_id for each in people}) == 400
    for each in people:
        assert each.history[0].end_date is None
        assert each.history[0].company_name == each.company.name
        for later, earlier in zip(each.history, each.history[1:], strict=False):
            assert earlier.end_date is not None
            assert earlier.start_date < earlier.end_date < later.start_date


def test_companies_are_found_by_all_their_keys() -> None:
    home = world()
    for each in home.companies():
        assert home.company_by_id(each.domain_search_id.upper()) is each
        assert home.company_by_domain_id(each.domain_id) is each
        assert home.company_by_linkedin(each.linkedin_url + "/about/") is each
        for spelling in (each.domain, each.domain.upper(), f"https://www.{each.domain}/x?y"):
            assert home.company_by_domain(spelling) is each
    some = home.company(3)
    for nowhere in (
        "pubrio.com",
        "",
        "x-3.example",
        f"x-{'3' * 5_000}.example",
        some.domain.replace("-3.", "-99999."),
    ):
        assert home.company_by_domain(nowhere) is None
    assert home.company_by_domain(some.slug) is None
    assert home.company_by_linkedin("https://www.linkedin.com/in/x-3") is None
    assert home.company_by_domain_id(1) is None


def test_profiles_lead_to_the_person_whom_a_redeem_finds() -> None:
    desk = Desk(world_people=300)
    rows = everybody(desk)
    with_url = [row for row in rows if row["linkedin_url"]]
    assert 0 < len(rows) - len(with_url) < 70
    for row in with_url:
        assert desk.sandbox.id_for_linkedin(row["linkedin_url"]) == row["people_search_id"]
    url = with_url[0]["linkedin_url"]
    hidden = next(number for number, row in enumerate(rows) if not row["linkedin_url"])
    beginning = url.rpartition("-")[0]
    for nobody in (
        f"{url}0000000",
        f"{url}{'0' * 5_000}",
        url.replace("person-", "person-0"),
        f"{beginning}-{hidden}",
        "http://linkedin.com/in/x",
    ):
        status, body = desk.ask("/people/linkedin/lookup", {"people_linkedin_url": nobody})
        assert (status, body) == (200, {"data": None})


def test_who_is_found_can_be_redeemed() -> None:
    desk = Desk(world_people=60)
    rows = everybody(desk)
    ids = [row["people_search_id"] for row in rows]
    job = desk.submit(ids)
    desk.now = 100.0
    redeemed = {row["people_search_id"]: row for row in desk.finished(job)["peoples"]}
    assert redeemed.keys() == set(ids)
    for row in rows:
        contacts = found(redeemed[row["people_search_id"]])
        assert contacts == expected(desk, row["people_search_id"], *ALL_TYPES)
        for value, kind, _ in contacts:
            if kind != "phone":
                assert value.startswith(row["name"].lower().replace(" ", "."))


def test_lookups_and_enrichments_agree_with_the_search() -> None:
    desk = Desk()
    rows = desk.ask("/people/search", {"per_page": 20})[1]["data"]["peoples"]
    row = next(row for row in rows if row["linkedin_url"])
    by_id = {"people_search_id": row["people_search_id"].upper()}
    by_url = {"linkedin_url": row["linkedin_url"]}
    for body in (by_id, by_url):
        assert desk.ask("/people/lookup", body)[1]["data"] == row
        enriched = desk.ask("/people/enrichment", body)[1]["data"]
        employer = enriched.pop("company")
        assert enriched == row
        assert employer["domain_search_id"] == row["domain_search_id"]
    body = {"people_linkedin_url": row["linkedin_url"]}
    assert desk.ask("/people/linkedin/lookup", body)[1]["data"] == row
    for key in ("domain", "domain_search_id", "linkedin_url", "domain_id"):
        body = {key: employer[key]}
        for path in ("/companies/lookup", "/companies/lookup/enrich"):
            assert desk.ask(path, body)[1]["data"] == employer
        used = desk.ask("/technologies/lookup", body)[1]["data"]
        assert [each["name"] for each in used["technologies"]] == employer["technologies"]
    body = {"linkedin_url": employer["linkedin_url"]}
    assert desk.ask("/companies/linkedin/lookup", body)[1]["data"] == employer


@together
@pytest.mark.parametrize(
    ("path", "unknown"),
    [
        ("/people/lookup", {"people_search_id": person(1)}),
        ("/people/enrichment", {"people_search_id": person(1)}),
        ("/people/enrichment", {"linkedin_url": "https://linkedin.com/in/nobody"}),
        ("/companies/lookup", {"domain": "pubrio.com"}),
        ("/companies/lookup", {"domain_id": 0}),
        ("/companies/lookup/enrich", {"domain_search_id": person(1)}),
        ("/companies/linkedin/lookup", {"linkedin_url": "https://linkedin.com/company/x"}),
        ("/companies/lookalikes/lookup", {"domain": "pubrio.com"}),
        ("/technologies/lookup", {"domain": "pubrio.com"}),
        ("/companies/jobs/lookup", {"job_search_id": "x"}),
        ("/companies/news/lookup", {"news_search_id": "x"}),
        ("/companies/advertisements/lookup", {"advertisement_search_id": person(1)}),
    ],
)
def test_what_is_unknown_is_null_and_free(path: str, unknown: dict[str, Any]) -> None:
    desk = Desk()
    assert desk.ask(path, unknown) == (200, {"data": None})
    assert desk.sandbox.statistics().credits_charged == 0


@together
@pytest.mark.parametrize(
    ("path", "body"),
    [
        *((path, {}) for path in ("/people/lookup", "/people/enrichment", "/companies/lookup")),
        *((path, {}) for path in ("/companies/lookup/enrich", "/companies/lookalikes/lookup")),
        *((path, {}) for path in ("/companies/lookalikes/search", "/technologies/lookup")),
        *((path, {}) for path in ("/people/linkedin/lookup", "/companies/linkedin/lookup")),
        *((f"/companies/{each}/lookup", {}) for each in ("jobs", "news", "advertisements")),
        ("/people/lookup", {"people_search_id": "x"}),
        ("/people/lookup", {"linkedin_url": "https://linkedin.com/company/x"}),
        ("/people/linkedin/lookup", {"linkedin_url": "https://linkedin.com/in/x"}),
        ("/companies/lookup", {"linkedin_url": "https://linkedin.com/in/x"}),
        ("/companies/lookup", {"domain": ""}),
    ],
)
def test_lookups_need_to_know_of_whom(path: str, body: dict[str, Any]) -> None:
    assert Desk().ask(path, body)[0] == 400


def test_signals_are_looked_up() -> None:
    desk = Desk()
    for kind, key in (
        ("jobs", "job_search_id"),
        ("news", "news_search_id"),
        ("advertisements", "advertisement_search_id"),
    ):
        rows = desk.ask(f"/companies/{kind}/search", {"per_page": 25})[1]["data"][kind]
        for row in rows:
            told = desk.ask(f"/companies/{kind}/lookup", {key: row[key]})[1]["data"]
            assert told == row


@together
@pytest.mark.parametrize(
    ("path", "key", "filtered", "field"),
    [
        ("/locations", "code", "/people/search", "people_locations"),
        ("/departments/title", "slug", "/people/search", "departments"),
        ("/departments/function", "slug", "/people/search", "department_functions"),
        ("/management_levels", "slug", "/people/search", "management_levels"),
        ("/company_sizes", "range", "/people/search", "employees"),
        ("/technologies", "technology_id", "/companies/search", "technologies"),
        ("/technologies", "name", "/companies/search", "technologies"),
        ("/technologies/categories", "category_id", "/companies/search", "categories"),
        ("/verticals", "vertical_id", "/companies/search", "verticals"),
        ("/verticals", "name", "/companies/search", "verticals"),
        ("/verticals/categories", "vertical_category_id", "/companies/search",
         "vertical_categories"),
        ("/verticals/sub_categories", "vertical_sub_category_id", "/companies/search",
         "vertical_sub_categories"),
        ("/companies/news/categories", "slug", "/companies/news/search", "categories"),
        ("/companies/news/galleries", "slug", "/companies/news/search", "news_galleries"),
        ("/companies/news/galleries", "news_gallery_id", "/companies/news/search",
         "news_gallery_ids"),
        ("/companies/news/languages", "code", "/companies/news/search", "news_languages"),
    ],
)  # fmt: skip
def test_every_value_of_a_reference_list_finds_something(
    path: str, key: str, filtered: str, field: str
) -> None:
    desk = Desk()
    posted = path.startswith(("/technologies", "/verticals"))
    _, listed = desk.ask(path, {}, method="POST" if posted else "GET")
    everything = desk.ask(filtered)[1]["data"]["pagination"]["total_entries"]
    assert len(listed["data"]) > 1
    for row in listed["data"]:
        _, body = desk.ask(filtered, {field: [row[key]]})
        assert 0 < body["data"]["pagination"]["total_entries"] < everything, row


def test_keywords_narrow_reference_lists_and_all_are_free() -> None:
    desk = Desk()
    _, body = desk.ask("/technologies", {"keyword": " KUBE "})
    assert [row["name"] for row in body["data"]] == ["Kubernetes"]
    assert desk.ask("/verticals/categories", {"keyword": "nothing"})[1]["data"] == []
    assert desk.ask("/verticals", {"keyword": 5})[0] == 400
    assert len(desk.ask("/timezones", method="GET")[1]["data"]) == 12
    assert desk.sandbox.statistics().credits_charged == 0
