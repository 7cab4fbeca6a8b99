"""Rows over many pages: where to stop, what it costs, and who is told of an error."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pubrio_async import AsyncPubrio
from pubrio_async._errors import BadRequestError, ConfigurationError, DecodeError, ResponseLostError
from pubrio_async._routes import Route
from pubrio_async._wire import data_decoder
from pubrio_async.endpoints._pages import Pages
from tests.endpoints.paging import Script, names, page, scripted
from tests.memory_wire import MemoryWire
from tests.together import together

# ----------------------------------------------------------------------------------- stop rule


BEYOND = page("never")
STOPS: dict[str, tuple[list[dict[str, Any]], int]] = {
    "the only page": ([page("a", total_pages=1), BEYOND], 1),
    "the last page": ([page("a", total_pages=2), page("b", total_pages=2), BEYOND], 2),
    "fewer pages can be reached than there are": (
        [
            page("a", total_pages=1_809_388, total_display_pages=2),
            page("b", total_pages=1_809_388, total_display_pages=2),
            BEYOND,
        ],
        2,
    ),
    "more pages can be reached than there are": (
        [page("a", total_pages=1, total_display_pages=250), BEYOND],
        1,
    ),
    "the pages that can be reached are null": (
        [page("a", total_pages=1, total_display_pages=None), BEYOND],
        1,
    ),
    "the totals change on the way": (
        [page("a", total_pages=9), page("b", total_pages=2), BEYOND],
        2,
    ),
    "an empty page before the last": ([page("a", total_pages=9), page(total_pages=9), BEYOND], 2),
    "an empty first page": ([page(total_pages=9), BEYOND], 1),
    "no totals": ([page("a", page=1), page("b", page=2), page(), BEYOND], 3),
    "no pagination": ([page("a"), page("b"), {"data": None}, BEYOND], 3),
}


@pytest.mark.parametrize("case", STOPS)
async def test_where_it_stops(case: str) -> None:
    documents, fetched = STOPS[case]
    script = Script(*documents)
    async with scripted(script) as pubrio:
        pages = pubrio.companies.search_iter()
        expected = [
            row["company_name"]
            for document in documents[:fetched]
            for row in (document["data"] or {"companies": ()})["companies"]
        ]
        assert await names(pages) == expected
        assert await names(pages) == []  # ended for good
        assert pages.pages_fetched == fetched
        assert pages.items_yielded == len(expected)
    assert script.pages == [None, 2, 3][:fetched]


async def test_it_may_begin_anywhere() -> None:
    script = Script(page("c", total_pages=4), page("d", total_pages=4), page("x", total_pages=3))
    async with scripted(script) as pubrio:
        assert await names(pubrio.companies.search_iter(page=3, per_page=1)) == ["c", "d"]
        # Beyond the last page, and the API has rows all the same.
        assert await names(pubrio.companies.search_iter(page=9)) == ["x"]
    assert script.pages == [3, 4, 9]


async def test_a_first_page_of_none_is_sent_as_null_and_counted_from_one() -> None:
    script = Script(page("a", total_pages=2), page("b", total_pages=2))
    async with scripted(script) as pubrio:
        nothing: Any = None
        assert await names(pubrio.companies.search_iter(page=nothing)) == ["a", "b"]
    assert script.pages == [None, 2]


async def test_no_page_is_fetched_ahead() -> None:
    script = Script(page("a", "b", total_pages=9), page("c", total_pages=9))
    async with scripted(script) as pubrio:
        pages = pubrio.companies.search_iter()
        assert script.pages == []
        seen: list[tuple[str | None, int]] = []
        async for row in pages:
            seen.append((row.company_name, len(script.pages)))
            if len(seen) == 3:
                break
        assert seen == [("a", 1), ("b", 1), ("c", 2)]


@pytest.mark.parametrize(
    ("bounds", "expected", "fetched"),
    [
        ({"max_items": 0}, [], 0),
        ({"max_items": 1}, ["a"], 1),
        ({"max_items": 2}, ["a", "b"], 1),
        ({"max_items": 3}, ["a", "b", "c"], 2),
        ({"max_items": 9}, ["a", "b", "c", "d"], 2),
        ({"max_pages": 0}, [], 0),
        ({"max_pages": 1}, ["a", "b"], 1),
        ({"max_pages": 9}, ["a", "b", "c", "d"], 2),
        ({"max_pages": 1, "max_items": 1}, ["a"], 1),
    ],
    ids=str,
)
async def test_bounds_of_the_caller(
    bounds: dict[str, int], expected: list[str], fetched: int
) -> None:
    script = Script(page("a", "b", total_pages=2), page("c", "d", total_pages=2))
    async with scripted(script) as pubrio:
        pages = pubrio.companies.search_iter(**bounds)
        assert await names(pages) == expected
        assert await names(pages) == []
    assert len(script.pages) == fetched


@together
@pytest.mark.parametrize("bound", ["max_items", "max_pages"])
@pytest.mark.parametrize("given", [-1, "5", 2.5])
async def test_a_bound_is_a_whole_number(
    bound: str, given: object, wire: MemoryWire, pubrio: AsyncPubrio
) -> None:
    bounds: dict[str, Any] = {bound: given}
    with pytest.raises(ConfigurationError, match=f"{bound} must be a whole number of at least 0"):
        pubrio.companies.search_iter(**bounds)
    assert wire.sent == []


async def test_what_the_newest_page_said() -> None:
    script = Script(
        page("a", total_pages=3, total_entries=7, is_timeout=True),
        page("b", total_pages=3, is_timeout=False),
        page("c", total_pages=3),
    )
    async with scripted(script) as pubrio:
        pages = pubrio.companies.search_iter()
        assert (pages.pagination, pages.is_timeout) == (None, None)
        await anext(pages)
        assert pages.is_timeout is True
        assert pages.pagination is not None
        assert pages.pagination.total_entries == 7
        await anext(pages)
        assert pages.is_timeout is False
        await anext(pages)
        assert pages.is_timeout is False  # the API need not say


# -------------------------------------------------------------------------------------- errors


async def test_an_error_is_passed_on_and_the_page_asked_for_again() -> None:
    refused = (400, {"code": 40001, "message": "beyond the plan", "details": {}})
    script = Script(page("a", total_pages=3), refused, page("b", total_pages=2))
    async with scripted(script) as pubrio:
        pages = pubrio.companies.search_iter()
        assert (await anext(pages)).company_name == "a"
        with pytest.raises(BadRequestError, match="beyond the plan"):
            await anext(pages)
        assert pages.pages_fetched == 1
        assert await names(pages) == ["b"]
    assert script.pages == [None, 2, 2]


async def test_a_lost_page_is_not_paid_for_again_unasked() -> None:
    script = Script(ResponseLostError("gone", may_have_charged=True), page("a", total_pages=1))
    async with scripted(script) as pubrio:
        pages = pubrio.companies.search_iter()
        with pytest.raises(ResponseLostError):
            await anext(pages)
        assert script.pages == [None]
        assert await names(pages) == ["a"]


async def test_everyone_who_waits_for_a_page_is_told_that_it_failed() -> None:
    lost = ResponseLostError("gone", may_have_charged=True)
    script = Script(lost, page("a", total_pages=1), gated=True)
    async with scripted(script) as pubrio:
        pages = pubrio.companies.search_iter()
        readers = [asyncio.ensure_future(anext(pages)) for _ in range(3)]
        await script.started.wait()
        script.gate.set()
        assert await asyncio.gather(*readers, return_exceptions=True) == [lost] * 3
        assert script.pages == [None]  # nobody asked again behind their backs
        assert await names(pages) == ["a"]


async def test_a_closed_client_fetches_nothing() -> None:
    script = Script(page("a"))
    async with scripted(script) as pubrio:
        pages = pubrio.companies.search_iter()
    with pytest.raises(ConfigurationError, match="closed"):
        await anext(pages)
    assert script.pages == []


# ------------------------------------------------------------------------------ unknown shapes


SHAPES: dict[str, tuple[Any, list[Any]]] = {
    "the only list": ({"pagination": {"total_pages": 1}, "jobs": [1, 2]}, [1, 2]),
    "the only list that holds anything": ({"facets": [], "jobs": [1]}, [1]),
    "only empty lists": ({"facets": [], "jobs": []}, []),
    "no list": ({"pagination": {"total_pages": 5}}, []),
    "a list itself": ([{"id": 1}], [{"id": 1}]),
    "nothing": (None, []),
    "a word": ("none", []),
    "odd pagination": ({"pagination": "first of many", "jobs": [1]}, [1]),
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_rows_of_a_page_whose_shape_is_not_known(shape: str) -> None:
    data, rows = SHAPES[shape]
    async with scripted(Script({"data": data})) as pubrio:
        pages = pubrio.jobs.search_iter(max_pages=1)
        assert [row async for row in pages] == rows


async def test_rows_that_cannot_be_told_from_other_lists_are_not_guessed() -> None:
    script = Script({"data": {"jobs": [1], "facets": [2]}})
    async with scripted(script) as pubrio:
        with pytest.raises(DecodeError, match=r"jobs, facets\. .*single pages with jobs") as caught:
            await anext(pubrio.jobs.search_iter())
    assert caught.value.may_have_charged
    assert caught.value.status == 200
    assert caught.value.endpoint == "jobs.search"


async def test_a_named_list_is_taken_among_others() -> None:
    route: Route[Any] = Route(
        name="things.list",
        path="/things",
        decode=data_decoder(Any),
        spends_credits=False,
        safe_to_resend=True,
        paginated=True,
        items_key="things",
    )
    script = Script(
        {"data": {"facets": [9], "things": [1]}}, {"data": [2]}, {"data": {"things": None}}
    )
    async with scripted(script) as pubrio:
        pages: Pages[Any] = Pages(pubrio._dispatcher, route, {}, max_items=None, max_pages=None)
        assert [row async for row in pages] == [1, 2]
    assert script.pages == [None, 2, 3]
