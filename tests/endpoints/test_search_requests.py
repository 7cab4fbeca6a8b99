"""What searches and lookups are asked: sent as it is meant, or refused before it leaves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from pubrio_async import AsyncPubrio
from pubrio_async._errors import ConfigurationError
from pubrio_async._routes import Rules, check
from pubrio_async._routes.rules import with_range_lists
from pubrio_async.models import CompanyFilters, FilterCondition
from tests.catalogue import sample
from tests.endpoints.calls import Call, of_any_type
from tests.memory_wire import MemoryWire
from tests.together import together


async def _refused(call: Call, pubrio: AsyncPubrio, wire: MemoryWire, *words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await call(pubrio)
    for word in words:
        assert word in str(caught.value)
    assert "Nothing was sent" in str(caught.value)
    assert wire.sent == []


async def test_only_what_is_set_is_sent(wire: MemoryWire, pubrio: AsyncPubrio) -> None:
    await pubrio.people.search()
    await pubrio.companies.search(locations=[], is_enable_similarity_search=False, page=1)
    await pubrio.advertisements.search(enrichment_mode=of_any_type(None))
    await pubrio.lookalikes.search(domain_id=0)
    assert wire.bodies == [
        {},
        {"locations": [], "is_enable_similarity_search": False, "page": 1},
        {"enrichment_mode": None},
        {"domain_id": 0},
    ]


FLAT: list[tuple[Any, Any]] = [
    ([1, 10], [[1, 10]]),
    ((1, 10), [[1, 10]]),
    ([10_001], [[10_001]]),
    ([[1, 10], (11, 20), [10_001]], [[1, 10], [11, 20], [10_001]]),
    ([], []),
    (None, None),
]


@together
@pytest.mark.parametrize(("given", "sent"), FLAT, ids=str)
async def test_employees_are_a_list_of_ranges(
    given: Any, sent: Any, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    mapping = {"employees": given, "domains": ["pubrio.com"]}
    struct = CompanyFilters(employees=given, domains=["pubrio.com"])
    await pubrio.companies.search(employees=given)
    await pubrio.lookalikes.search(domain="pubrio.com", employees=given)
    await pubrio.people.search(employees=given)
    await pubrio.people.search(company_filters=mapping)
    await pubrio.people.search(company_filters=struct)
    await anext(pubrio.people.search_iter(company_filters=struct), None)
    nested = {"company_filters": {"employees": sent, "domains": ["pubrio.com"]}}
    assert wire.bodies == [
        {"employees": sent},
        {"domain": "pubrio.com", "employees": sent},
        {"employees": sent},
        nested,
        nested,
        nested,
    ]
    assert mapping == {"employees": given, "domains": ["pubrio.com"]}  # still the caller's
    assert struct.employees is given


@together
@pytest.mark.parametrize(
    "given",
    [[1, 10, 20], [[1, 10, 20]], [[]], ["1-10"], [1, "10"], [[1, None]], [True, 5], [[1, 10], 5]],
    ids=str,
)
async def test_employees_that_are_no_ranges(
    given: Any, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    for call in (
        lambda p: p.companies.search(employees=given),
        lambda p: p.people.search(company_filters={"employees": given}),
        lambda p: p.people.search(company_filters=CompanyFilters(employees=given)),
    ):
        await _refused(call, pubrio, wire, "employees", "[[1, 10], [10001]]")


async def test_employees_that_are_no_list(wire: MemoryWire, pubrio: AsyncPubrio) -> None:
    for given, word in (("1-10", "text"), ({1: 10}, "dict"), (5, "int")):
        call: Call = lambda p, e=given: p.companies.search(employees=of_any_type(e))  # noqa: E731
        await _refused(call, pubrio, wire, "companies.search: employees takes a list", word)


async def test_filters_that_are_no_object_are_left_to_the_api(
    wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    await pubrio.people.search(company_filters=of_any_type(["US"]))
    assert wire.bodies == [{"company_filters": ["US"]}]


def test_what_stands_for_no_request_is_refused_rather_than_changed() -> None:
    rules = Rules(range_lists=("filters.employees",), ranges={"age": (None, 9)})
    fields = {"filters": SimpleNamespace(employees=[1, 10])}
    assert with_range_lists(rules, fields) is fields
    with pytest.raises(ConfigurationError, match=r"filters\.employees takes ranges"):
        check("things.list", rules, fields)
    with pytest.raises(ConfigurationError, match="age takes a number at most 9, not 10"):
        check("things.list", rules, {"age": 10})


PAIRS: dict[str, Callable[[AsyncPubrio, Any], Awaitable[Any]]] = {
    "founded_dates": lambda p, v: p.companies.search(founded_dates=v),
    "revenues": lambda p, v: p.lookalikes.search(domain="x.com", revenues=v),
    "job_posted_dates": lambda p, v: p.companies.search(job_posted_dates=v),
    "news_published_dates": lambda p, v: p.lookalikes.search(domain_id=1, news_published_dates=v),
    "advertisement_start_dates": lambda p, v: p.companies.search(advertisement_start_dates=v),
    "advertisement_end_dates": lambda p, v: p.companies.search(advertisement_end_dates=v),
    "posted_dates": lambda p, v: p.jobs.search(posted_dates=v),
    "published_dates": lambda p, v: p.news.search(published_dates=v),
    "start_dates": lambda p, v: p.advertisements.search(start_dates=v),
    "end_dates": lambda p, v: p.advertisements.search(end_dates=v),
    "company_filters.revenues": lambda p, v: p.people.search(company_filters={"revenues": v}),
    "company_filters.job_posted_dates": lambda p, v: p.people.search_similar(
        people_titles=["CTO"], company_filters=CompanyFilters(job_posted_dates=v)
    ),
}


@together
@pytest.mark.parametrize("field", PAIRS)
async def test_a_range_needs_both_ends(field: str, wire: MemoryWire, pubrio: AsyncPubrio) -> None:
    for value in (
        [],
        ["2025-01-01"],
        ["2025-01-01", None],
        [None, 5],
        ["", "2025-01-01"],
        [1, 2, 3],
        "2025-01-01",
        2025,
        {1, 2},
    ):
        await _refused(lambda p, v=value: PAIRS[field](p, v), pubrio, wire, f"{field} takes both")
    for value in (["2025-01-01", "2025-01-10"], (0, 2024), [date(2025, 1, 1), date(2025, 1, 10)]):
        await PAIRS[field](pubrio, value)
    sent = [body for body in wire.bodies if body]
    for name in field.split("."):
        sent = [body[name] for body in sent]
    assert sent == [["2025-01-01", "2025-01-10"], [0, 2024], ["2025-01-01", "2025-01-10"]]


CONDITIONED: dict[str, Callable[[AsyncPubrio, Any], Awaitable[Any]]] = {
    "people": lambda p, c: p.people.search(filter_conditions=c),
    "similar": lambda p, c: p.people.search_similar(peoples=["x"], filter_conditions=c),
    "companies": lambda p, c: p.companies.search(filter_conditions=c),
    "advertisements": lambda p, c: p.advertisements.search(filter_conditions=c),
    "nested": lambda p, c: p.people.search(company_filters={"filter_conditions": c}),
    "nested struct": lambda p, c: p.people.search(
        company_filters=CompanyFilters(filter_conditions=c)
    ),
}
each_conditioned = pytest.mark.parametrize("name", CONDITIONED)


@together
@each_conditioned
async def test_conditions_are_sent(name: str, wire: MemoryWire, pubrio: AsyncPubrio) -> None:
    conditions = sample("filter_conditions.request.json")["filter_conditions"]
    structs = [FilterCondition(**condition) for condition in conditions]
    for given in (conditions, structs, [*structs[:1], *conditions[1:]]):
        await CONDITIONED[name](pubrio, given)
    for body in wire.bodies:
        assert body.get("company_filters", body)["filter_conditions"] == conditions
    await CONDITIONED[name](pubrio, [{"key": "places", "operator": "AND", "later": 1}])
    assert len(wire.sent) == 4


BAD_CONDITIONS: dict[str, tuple[Any, str]] = {
    "no key": ([{"operator": "and"}], "needs {}filter_conditions[].key"),
    "blank key": ([{"key": " ", "operator": "and"}], "needs {}filter_conditions[].key"),
    "no operator": ([{"key": "places"}], "needs {}filter_conditions[].operator"),
    "unknown operator": (
        [FilterCondition(key="places", operator=of_any_type("xor"))],
        "{}filter_conditions[].operator cannot be 'xor'",
    ),
    "the second is bad": (
        [FilterCondition(key="places", operator="or"), {"key": None, "operator": "or"}],
        "needs {}filter_conditions[].key",
    ),
    "words": (["technologies"], "needs {}filter_conditions[].key"),
    "one alone": ({"key": "places", "operator": "or"}, "{}filter_conditions takes a list"),
    "one struct": (
        FilterCondition(key="places", operator="or"),
        "{}filter_conditions takes a list",
    ),
    "text": ("technologies", "{}filter_conditions takes a list"),
}


@together
@each_conditioned
@pytest.mark.parametrize("bad", BAD_CONDITIONS)
async def test_conditions_are_checked(
    name: str, bad: str, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    conditions, words = BAD_CONDITIONS[bad]
    prefix = "company_filters." if name.startswith("nested") else ""
    await _refused(lambda p: CONDITIONED[name](p, conditions), pubrio, wire, words.format(prefix))


BAD_CALLS: dict[str, tuple[Call, str]] = {
    "a text for a list": (lambda p: p.companies.search(technologies="Kubernetes"), "technologies"),
    "bytes for a list": (
        lambda p: p.jobs.search(titles=of_any_type(b"cto")),
        "titles takes a list",
    ),
    "a number for a list": (
        lambda p: p.companies.search(categories=of_any_type(5)),
        "categories takes a list, not a int",
    ),
    "a generator for a list": (
        lambda p: p.news.search(domains=of_any_type(d for d in ["x.com"])),
        "domains takes a list, not a generator",
    ),
    "a text in the filters of a company": (
        lambda p: p.people.search(company_filters=CompanyFilters(technologies="Kubernetes")),
        "company_filters.technologies takes a list",
    ),
    "page 0": (lambda p: p.people.search(page=0), "page takes a number at least 1"),
    "no page number": (lambda p: p.people.search(page=of_any_type("2")), "page takes a number"),
    "too large a page": (lambda p: p.news.search(per_page=26), "per_page takes a number from 1"),
    "too similar": (
        lambda p: p.companies.search(similarity_score=1.1),
        "similarity_score takes a number from 0 to 1",
    ),
    "too similar inside": (
        lambda p: p.people.search(company_filters={"similarity_score": 70}),
        "company_filters.similarity_score takes",
    ),
    "nobody": (lambda p: p.people.lookup(), "exactly one"),
    "two names for one person": (
        lambda p: p.people.lookup(people_search_id="x", linkedin_url="y"),
        "exactly one",
    ),
    "two names for one person to enrich": (
        lambda p: p.people.enrich(people_search_id="x", linkedin_url="y"),
        "exactly one",
    ),
    "nobody to be like": (
        lambda p: p.people.search_similar(people_titles=[], people_name="Ada"),
        "at least one of: people_titles",
    ),
    "no company": (lambda p: p.companies.enrich(domain=" "), "at least one of: domain"),
    "no company to be like": (lambda p: p.lookalikes.search(locations=["US"]), "at least one"),
    "no company to look into": (lambda p: p.technologies.lookup(), "at least one of: domain"),
    "a blank id": (lambda p: p.jobs.lookup(job_search_id=""), "needs job_search_id"),
    "a blank url": (
        lambda p: p.people.linkedin_lookup(people_linkedin_url=""),
        "needs people_linkedin_url",
    ),
}


@together
@pytest.mark.parametrize("name", BAD_CALLS)
async def test_wrong_arguments_never_leave(
    name: str, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    call, words = BAD_CALLS[name]
    await _refused(call, pubrio, wire, words)
    assert pubrio.statistics().limiter.granted == 0


async def test_several_names_of_a_company_are_allowed(
    wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    await pubrio.companies.lookup(domain="x.com", domain_id=3)
    await pubrio.technologies.lookup(domain="x.com", domain_search_id="y")
    await pubrio.people.search_similar(people_search_id="x", people_titles=["CTO"])
    assert len(wire.sent) == 3


LOOKUPS: dict[str, tuple[Call, dict[str, Any]]] = {
    "/people/enrichment": (lambda p: p.people.enrich(linkedin_url="x"), {"linkedin_url": "x"}),
    "/people/linkedin/lookup": (
        lambda p: p.people.linkedin_lookup(people_linkedin_url="x"),
        {"people_linkedin_url": "x"},
    ),
    "/companies/linkedin/lookup": (
        lambda p: p.companies.linkedin_lookup(linkedin_url="x"),
        {"linkedin_url": "x"},
    ),
    "/companies/lookup/enrich": (lambda p: p.companies.enrich(domain_id=1), {"domain_id": 1}),
    "/companies/lookalikes/lookup": (
        lambda p: p.lookalikes.lookup(domain="x.com", profile_id=7),
        {"domain": "x.com", "profile_id": 7},
    ),
    "/companies/jobs/lookup": (lambda p: p.jobs.lookup(job_search_id="j"), {"job_search_id": "j"}),
    "/companies/news/lookup": (
        lambda p: p.news.lookup(news_search_id="n"),
        {"news_search_id": "n"},
    ),
    "/companies/advertisements/lookup": (
        lambda p: p.advertisements.lookup(advertisement_search_id="a"),
        {"advertisement_search_id": "a"},
    ),
}


@together
@pytest.mark.parametrize("path", LOOKUPS)
async def test_a_lookup_goes_where_it_should(
    path: str, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    call, body = LOOKUPS[path]
    await call(pubrio)
    (sent,) = wire.sent
    assert (sent.method, sent.path, sent.paid) == ("POST", path, True)
    assert wire.bodies == [body]


TWINS: dict[str, Callable[[AsyncPubrio], Any]] = {
    "/people/search/similar": lambda p: p.people.search_similar_iter(peoples=["x"], per_page=1),
    "/companies/lookalikes/search": lambda p: p.lookalikes.search_iter(domain="x", per_page=1),
    "/companies/jobs/search": lambda p: p.jobs.search_iter(per_page=1),
    "/companies/news/search": lambda p: p.news.search_iter(per_page=1),
    "/companies/advertisements/search": lambda p: p.advertisements.search_iter(per_page=1),
}


@together
@pytest.mark.parametrize("path", TWINS)
async def test_a_twin_asks_its_own_endpoint_for_every_page(
    path: str, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    key = {"similar": "peoples", "advertisements": "advertisements"}
    name = next((key[part] for part in path.split("/") if part in key), "rows")
    wire.answers({"data": {"pagination": {"page": 1, "total_pages": 2}, name: [{}]}})
    assert len([row async for row in TWINS[path](pubrio)]) == 2
    assert [sent.path for sent in wire.sent] == [path, path]
    assert [(body.get("page"), body["per_page"]) for body in wire.bodies] == [(None, 1), (2, 1)]
