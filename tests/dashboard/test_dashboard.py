"""The dashboard in a program of one's own."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest

from pubrio_async import AsyncPubrio, ConfigurationError
from pubrio_async.dashboard import Dashboard
from pubrio_async.sandbox import Sandbox, SandboxConfig, SandboxServer
from tests.cli.conftest import ids
from tests.together import together


@pytest.fixture
async def api() -> AsyncIterator[str]:
    config = SandboxConfig(
        time_scale=0.0, limits="unlimited", faults=("400:/redeem/people/batch$:times=1",)
    )
    async with SandboxServer(Sandbox(config)) as server:
        yield server.url


async def messages(url: str, opened: asyncio.Event | None = None) -> list[dict[str, Any]]:
    """All a page is told until its end."""
    async with aiohttp.ClientSession() as session, session.get(url + "events") as reply:
        if opened is not None:
            opened.set()
        lines = [line async for line in reply.content]
    return [msgspec.json.decode(line[6:]) for line in lines if line.startswith(b'data: {"')]


async def test_a_run_that_is_open_already(api: str) -> None:
    people = ids(40)
    async with (
        AsyncPubrio("key", base_url=api, rate_limit="unlimited") as pubrio,
        pubrio.redeem.many(people, people_contact_types=["phone"], batch_size=10) as run,
        Dashboard(run, total_rows=40, rate_limit="unlimited", interval=0.1) as dashboard,
    ):
        page = asyncio.create_task(messages(dashboard.url))
        async for _ in run:
            pass
    told = await page

    assert told[-1]["now"]["state"] == "ended"
    assert told[-1]["now"]["end"]["headline"] == "Finished"
    assert told[-1]["now"]["report"]["rows"] == 40
    assert told[-1]["now"]["results"] is None
    assert told[0]["facts"]["limits"] == []


async def test_a_client_that_tells_it_of_requests_and_batches(api: str) -> None:
    dashboard = Dashboard(max_credits=5_000, title="Autumn list", interval=0.1)
    async with dashboard, AsyncPubrio("key", base_url=api, observers=[dashboard]) as pubrio:
        page = asyncio.create_task(messages(dashboard.url))
        async with pubrio.redeem.many(
            ids(40), people_contact_types=["phone"], batch_size=10, max_credits=5_000
        ) as run:
            dashboard.watch(run, total_rows=40)
            async for _ in run:
                pass
    told = await page

    last = told[-1]["now"]
    facts = [message["facts"] for message in told if "facts" in message][-1]
    assert (facts["title"], facts["total"], facts["budget"]) == ("Autumn list", 40, 5_000)
    assert [limit["name"] for limit in facts["limits"]] == ["300 per minute"]
    # The first of four batches was refused: five people are what the API takes, for all it knows.
    assert last["results"]["count"] == 8
    assert sum(count for _, _, count in last["results"]["bins"]) == 8
    assert last["errors"] == {"BadRequestError": 1}
    assert last["replies"]["count"] >= 9


async def test_it_shows_the_end_of_the_run_while_the_program_goes_on(api: str) -> None:
    async with AsyncPubrio("key", base_url=api) as pubrio, Dashboard(interval=0.1) as dashboard:
        async with pubrio.redeem.many(ids(3), people_contact_types=["phone"]) as run:
            dashboard.watch(run)
            async for _ in run:
                pass
        async with aiohttp.ClientSession() as session, asyncio.timeout(10):
            state = ""
            while state != "ended":
                async with session.get(dashboard.url + "events") as reply:
                    line = await reply.content.readuntil(b"\n\n")
                    state = msgspec.json.decode(line[6:])["now"]["state"]


async def test_a_program_that_fails_fails_as_before_and_the_page_says_so() -> None:
    async def program() -> None:
        async with Dashboard(interval=0.1) as dashboard:
            pages.append(asyncio.create_task(messages(dashboard.url, opened)))
            await opened.wait()
            raise KeyError("jane@example.com")

    opened = asyncio.Event()
    pages: list[asyncio.Task[list[dict[str, Any]]]] = []
    with pytest.raises(KeyError, match="jane"):
        await program()
    told = await pages[0]

    assert told[-1]["now"]["end"]["advice"] == ["The program ended with KeyError."]


async def test_it_ends_whatever_is_cancelled() -> None:
    dashboard = Dashboard()

    async def program() -> None:
        async with dashboard:
            entered.set()
            await asyncio.Event().wait()

    entered = asyncio.Event()
    task = asyncio.create_task(program())
    await entered.wait()
    task.cancel()
    await asyncio.wait({task})

    assert task.cancelled()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    port = int(dashboard.url.split(":")[2].split("/")[0])
    with socket.socket() as other:
        assert other.connect_ex(("127.0.0.1", port)) != 0


async def test_it_that_breaks_breaks_nothing_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, api: str
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("ada@example.com")

    dashboard = Dashboard(interval=0.1)
    monkeypatch.setattr(dashboard._sampler, "look", broken)
    caplog.set_level(logging.ERROR)
    async with (
        dashboard,
        AsyncPubrio("key", base_url=api) as pubrio,
        pubrio.redeem.many(ids(3), people_contact_types=["phone"]) as run,
    ):
        dashboard.watch(run)
        assert len([outcome async for outcome in run]) == 3

    assert "dashboard_stands_still error=ZeroDivisionError" in caplog.text
    assert "ada@example.com" not in caplog.text


async def test_it_is_used_once() -> None:
    dashboard = Dashboard()
    with pytest.raises(ConfigurationError, match="no URL yet"):
        _ = dashboard.url
    assert repr(dashboard) == "<Dashboard new>"
    async with dashboard:
        token = dashboard.url.rstrip("/").rsplit("/", 1)[1]
        assert len(token) >= 22
        assert token not in repr(dashboard)
        with pytest.raises(ConfigurationError, match="started once"):
            await dashboard.start()
    await dashboard.aclose()
    assert repr(dashboard) == "<Dashboard closed>"
    with pytest.raises(ConfigurationError, match="started once"):
        await dashboard.start()
    assert Dashboard()._token != Dashboard()._token


async def test_a_port_that_is_taken_is_known_before_anything_else() -> None:
    first = Dashboard()
    first.bind()
    port = int(first.url.split(":")[2].split("/")[0])
    with pytest.raises(ConfigurationError, match="in use"):
        async with Dashboard(port=port):
            raise AssertionError
    first.unbind()
    async with Dashboard(port=port) as second:
        assert f":{port}/" in second.url


@together
@pytest.mark.parametrize("interval", [0.0, -1.0, 61.0, float("nan"), float("inf")])
def test_intervals_that_make_no_sense(interval: float) -> None:
    with pytest.raises(ConfigurationError, match=r"from 0\.1 to 60"):
        Dashboard(interval=interval)


def test_limits_that_are_none() -> None:
    with pytest.raises(ConfigurationError, match="not a rate limit"):
        Dashboard(rate_limit="fast")
