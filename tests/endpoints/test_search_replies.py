"""What searches and lookups reply: rows without loss, an empty page, or no page at all."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from pubrio_async import AsyncPubrio
from pubrio_async._errors import DecodeError
from pubrio_async._routes import ROUTES
from pubrio_async.models import (
    AdvertisementSearchReply,
    CompanySearchReply,
    PeopleSearchReply,
    SimilarPeopleReply,
)
from tests.catalogue import sample
from tests.endpoints.calls import Call
from tests.memory_wire import MemoryWire
from tests.together import together

SEARCHES: dict[str, tuple[str, Call, type, str]] = {
    "people.search": (
        "people_search.response.PARTIAL.json",
        lambda p: p.people.search(),
        PeopleSearchReply,
        "peoples",
    ),
    "people.search_similar": (
        "people_search.response.PARTIAL.json",
        lambda p: p.people.search_similar(people_titles=["CTO"]),
        SimilarPeopleReply,
        "peoples",
    ),
    "companies.search": (
        "companies_search.response.PARTIAL.json",
        lambda p: p.companies.search(),
        CompanySearchReply,
        "companies",
    ),
    "advertisements.search": (
        "companies_advertisements_search.response.PARTIAL.json",
        lambda p: p.advertisements.search(),
        AdvertisementSearchReply,
        "advertisements",
    ),
}
each_search = pytest.mark.parametrize("name", SEARCHES)


@together
@each_search
async def test_a_sample_comes_back_as_structs_without_loss(
    name: str, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    file, call, kind, _ = SEARCHES[name]
    document = sample(file)
    if name == "people.search_similar":
        document["data"]["peoples"][0]["similarity_score"] = 0.93
    wire.answers(document)
    reply = await call(pubrio)
    assert type(reply) is kind
    assert json.loads(msgspec.json.encode(reply)) == document["data"]


async def test_what_the_rows_say(wire: MemoryWire, pubrio: AsyncPubrio) -> None:
    wire.answers(sample("people_search.response.PARTIAL.json"))
    reply = await pubrio.people.search(search_term="pubrio")
    assert reply.pagination is not None
    assert reply.pagination.total_pages == 100
    assert reply.pagination.is_timeout is msgspec.UNSET
    assert reply.peoples is not None
    (person,) = reply.peoples
    assert person.departments == ("c_suite",)
    assert person.employment_history is not None
    assert person.employment_history[0].current is True
    wire.answers(sample("companies_search.response.PARTIAL.json"))
    companies = (await pubrio.companies.search()).companies
    assert companies is not None
    assert companies[0].founded_year == 2006
    wire.answers({"data": {"peoples": [{"similarity_score": 1}]}})
    similar = (await pubrio.people.search_similar(linkedin_url="https://x")).peoples
    assert similar is not None
    assert (similar[0].similarity_score, similar[0].name) == (1, None)


@together
@each_search
async def test_no_data_is_an_empty_page(name: str, wire: MemoryWire, pubrio: AsyncPubrio) -> None:
    _, call, kind, _ = SEARCHES[name]
    for document in ({"data": None}, {"data": {}}, {"data": {"pagination": None}}, None):
        wire.answers(document)
        assert await call(pubrio) == kind()


@together
@each_search
async def test_a_bare_list_is_its_rows(name: str, wire: MemoryWire, pubrio: AsyncPubrio) -> None:
    file, call, _, key = SEARCHES[name]
    data = sample(file)["data"]
    wire.answers(data)
    documented = getattr(await call(pubrio), key)
    for document in ({"data": data[key]}, data[key]):
        wire.answers(document)
        reply = await call(pubrio)
        assert getattr(reply, key) == documented
        assert reply.pagination is None


@together
@each_search
@pytest.mark.parametrize(
    "document",
    [
        {"error": "An unexpected error occurred."},
        {"data": "text"},
        {"data": {"pagination": {"page": "one"}}},
        {"data": [{"pagination": 1}, 3]},
    ],
    ids=str,
)
async def test_anything_else_is_no_page(
    name: str, document: Any, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    _, call, _, _ = SEARCHES[name]
    wire.answers(document)
    with pytest.raises(DecodeError) as caught:
        await call(pubrio)
    assert caught.value.may_have_charged
    assert caught.value.body == json.dumps(document)
    assert caught.value.__cause__ is None


async def test_a_reply_of_unknown_shape_comes_as_it_is(
    wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    for data in ({"skills": ["x"]}, [{"slug": "vp"}], None, "word"):
        wire.answers({"data": data})
        assert await pubrio.people.lookup(people_search_id="x") == data
        assert await pubrio.filters.management_levels() == data
        assert await pubrio.jobs.search() == data


async def test_reference_lists_are_free_and_read_without_a_body(
    wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    names = [name for name in ROUTES if name.startswith("filters.")]
    assert len(names) == 14
    for name in names:
        await getattr(pubrio.filters, name.partition(".")[2])()
    assert not any(sent.paid for sent in wire.sent)
    assert [sent.method for sent in wire.sent].count("GET") == 9
    for sent in wire.sent:
        assert sent.body == (None if sent.method == "GET" else b"{}")
    await pubrio.filters.technologies(keyword="kube", profile_id=7)
    assert wire.bodies[-1] == {"keyword": "kube", "profile_id": 7}
