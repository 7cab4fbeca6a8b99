"""Those who read pages share them; one that is cancelled or late takes none from another."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from pubrio_async import AsyncPubrio
from pubrio_async._errors import NotSentError, ResponseLostError
from pubrio_async._routes import Route
from pubrio_async._wire import data_decoder
from pubrio_async.endpoints._pages import Pages
from tests.endpoints.paging import Script, names, page, scripted
from tests.memory_wire import KEY


async def test_two_readers_share_the_pages() -> None:
    script = Script(page("a", "b", total_pages=2), page("c", "d", total_pages=2), gated=True)
    async with scripted(script) as pubrio:
        pages = pubrio.companies.search_iter()
        readers = [asyncio.create_task(names(pages)) for _ in range(2)]
        await script.started.wait()
        script.gate.set()
        first, second = await asyncio.gather(*readers)
    assert sorted(str(name) for name in [*first, *second]) == ["a", "b", "c", "d"]
    assert script.pages == [None, 2]
    assert script.most_in_flight == 1


async def test_two_readers_do_not_exceed_a_bound() -> None:
    script = Script(page("a", "b", "c", total_pages=2), gated=True)
    async with scripted(script) as pubrio:
        pages = pubrio.companies.search_iter(max_items=1)
        readers = [asyncio.create_task(names(pages)) for _ in range(2)]
        await script.started.wait()
        script.gate.set()
        got = await asyncio.gather(*readers)
    assert sorted(got) == [[], ["a"]]
    assert pages.items_yielded == 1


async def test_a_cancelled_reader_leaves_the_page_to_the_next() -> None:
    script = Script(page("a", total_pages=2), page("b", total_pages=2))
    async with scripted(script) as pubrio:
        pages = pubrio.companies.search_iter()
        assert (await anext(pages)).company_name == "a"
        script.gate.clear()
        script.started.clear()
        reader = asyncio.ensure_future(anext(pages))
        await script.started.wait()
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        script.gate.set()
        assert await names(pages) == ["b"]
        assert not pubrio.abandoned  # it had a reader in the end
    assert script.pages == [None, 2]  # paid for once


async def test_a_page_nobody_waits_for_any_more_is_not_sent() -> None:
    script = Script(page("a"), page("b"))
    async with AsyncPubrio(KEY, transport=script, rate_limit="1/hour", max_wait=1e6) as pubrio:
        pages = pubrio.companies.search_iter()
        first = asyncio.create_task(anext(pages))
        await first
        waiting = [asyncio.create_task(anext(pages)) for _ in range(2)]
        await asyncio.sleep(0)
        for task in waiting:
            for _ in range(5):
                await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for _ in range(5):
            await asyncio.sleep(0)
        assert pubrio.statistics().limiter.waiting == 0
    assert len(script.pages) == 1


async def test_a_reader_out_of_time_goes_on_later() -> None:
    script = Script(page("a", total_pages=1), gated=True)
    async with scripted(script) as pubrio:
        pages = pubrio.companies.search_iter()
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await anext(pages)
        script.gate.set()
        assert await names(pages) == ["a"]
    assert script.pages == [None]


async def test_an_error_nobody_comes_back_for_is_not_shouted_about() -> None:
    shouted: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: shouted.append(context))
    script = Script(NotSentError("no way"), gated=True)
    async with scripted(script) as pubrio:
        pages = pubrio.companies.search_iter()
        reader = asyncio.ensure_future(anext(pages))
        await script.started.wait()
        reader.cancel()
        await asyncio.wait((reader,))
        script.gate.set()
    del pages, reader
    gc.collect()
    await asyncio.sleep(0)
    assert shouted == []


@pytest.mark.virtual_time
@pytest.mark.parametrize("paid", [True, False])
async def test_closing_the_client_is_no_cancellation_of_the_reader(paid: bool) -> None:
    route: Route[Any] = Route(
        name="things.list",
        path="/things",
        decode=data_decoder(Any),
        spends_credits=paid,
        safe_to_resend=True,
        paginated=True,
    )
    script = Script(page("never"), gated=True)
    async with scripted(script) as pubrio:
        pages: Pages[Any] = Pages(pubrio._dispatcher, route, {}, max_items=None, max_pages=None)
        readers = [asyncio.ensure_future(anext(pages)) for _ in range(2)]
        await script.started.wait()
    for reader in readers:
        with pytest.raises(ResponseLostError, match=r"POST /things \(page 1\) was sent") as caught:
            await reader
        assert caught.value.may_have_charged is paid
        assert ("charged" in str(caught.value)) is paid
    assert script.pages == [None]


@pytest.mark.virtual_time
async def test_a_page_still_waiting_when_the_client_closes_was_not_sent() -> None:
    script = Script(page("a", total_pages=2))
    async with scripted(script, rate_limit="1/hour", max_wait=7_200.0) as pubrio:
        pages = pubrio.companies.search_iter()
        await anext(pages)
        reader = asyncio.ensure_future(anext(pages))
        await asyncio.sleep(1)
    with pytest.raises(NotSentError, match=r"\(page 2\) was not sent") as caught:
        await reader
    assert not caught.value.may_have_charged
    assert script.pages == [None]
