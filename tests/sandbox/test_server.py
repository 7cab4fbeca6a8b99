"""The stand-in on real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any

import aiohttp
import pytest

from pubrio_async.sandbox import Sandbox, SandboxConfig, SandboxServer
from tests.sandbox.desk import person, persons

KEY = {"pubrio-api-key": "some-key"}
BODY = {"people_search_id": person(1), "people_contact_types": ["phone"]}
PATIENCE = aiohttp.ClientTimeout(total=10.0)
IMPATIENCE = aiohttp.ClientTimeout(total=0.05)


@asynccontextmanager
async def serving(
    *faults: str, **config: Any
) -> AsyncIterator[tuple[SandboxServer, aiohttp.ClientSession]]:
    config.setdefault("limits", "unlimited")
    sandbox = Sandbox(SandboxConfig(phone_share=1.0, faults=faults, **config))
    async with (
        SandboxServer(sandbox) as server,
        aiohttp.ClientSession(server.url, headers=KEY, timeout=PATIENCE) as session,
    ):
        yield server, session


async def post(
    session: aiohttp.ClientSession, path: str, body: object = None, **more: Any
) -> tuple[int, Any]:
    async with session.post(path, json=body or {}, **more) as reply:
        return reply.status, await reply.json(content_type=None)


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until something has happened that sends no event."""
    async with asyncio.timeout(5.0):
        while not condition():  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0)


async def test_a_conversation() -> None:
    async with serving(time_scale=0.0) as (server, session):
        status, body = await post(session, "/redeem/people", BODY)
        assert status == 200
        contacts = server.sandbox.contacts_for(person(1), ["phone"])
        assert body["data"]["peoples"][0]["phones"][0]["value"] == contacts[0].value
        _, body = await post(
            session,
            "/redeem/people/batch",
            {"peoples": persons(30), "people_contact_types": ["phone"]},
        )
        job = {"redeem_query_id": body["data"]["redeem_query_id"]}
        _, body = await post(session, "/redeem/people/batch/query", job)
        assert len(body["data"]["peoples"]) == 30
        assert (await post(session, "/nowhere"))[0] == 404


async def test_a_large_batch_passes() -> None:
    async with serving() as (_, session):
        batch = {"peoples": persons(30_000), "people_contact_types": ["phone"]}
        body = BytesIO(json.dumps(batch).encode())
        async with session.post("/redeem/people/batch", data=body) as reply:
            assert reply.status == 200


async def test_statistics_need_no_key_and_no_permit() -> None:
    async with serving(limits="1/hour") as (server, session):
        assert (await post(session, "/profile"))[0] == 200
        assert (await post(session, "/profile"))[0] == 429
        async with (
            aiohttp.ClientSession() as stranger,
            stranger.get(f"{server.url}/_sandbox/statistics") as reply,
        ):
            told = await reply.json()
        assert told["regrets"]["refused_429"] == 1
        assert told["statistics"]["requests_by_path"] == {"/profile": 2}


async def test_dates_are_of_today_unless_an_epoch_is_given() -> None:
    async with serving() as (server, _):
        now = asyncio.get_running_loop().time()
        assert abs(server.sandbox.wall(now) - time.time()) < 5.0
    async with serving(epoch=0.0) as (server, _):
        assert server.sandbox.wall(7.0) == 7.0


@pytest.mark.parametrize(
    ("fault", "failure", "charged"),
    [
        ("lost_before", aiohttp.ServerDisconnectedError, 0),
        ("lost_before::cut=reset", ConnectionResetError, 0),
        ("lost_after", aiohttp.ServerDisconnectedError, 10),
        ("lost_after::cut=reset", ConnectionResetError, 10),
        ("truncated", aiohttp.ClientPayloadError, 10),
    ],
)
async def test_connections_break(fault: str, failure: type[Exception], charged: int) -> None:
    async with serving(f"{fault},times=1" if "::" in fault else f"{fault}::times=1") as (
        server,
        session,
    ):
        with pytest.raises((failure, aiohttp.ClientOSError)) as caught:
            await post(session, "/redeem/people", BODY)
        if failure is ConnectionResetError:
            assert isinstance(caught.value, OSError)
            assert caught.value.errno == 104
        else:
            assert isinstance(caught.value, failure)
        assert server.sandbox.statistics().credits_charged == charged
        assert (await post(session, "/redeem/people", BODY))[0] == 200


@pytest.mark.parametrize("fault", ["stall", "truncated::cut=stall_body", "lost_before::cut=stall"])
async def test_stalled_replies_never_come_and_do_not_hold_up_the_end(fault: str) -> None:
    started = time.monotonic()
    async with serving(fault) as (server, session):
        with pytest.raises(TimeoutError):
            await post(session, "/redeem/people", BODY, timeout=IMPATIENCE)
        loop = asyncio.get_running_loop()
        waiting = [loop.create_task(post(session, "/redeem/people", BODY)) for _ in range(5)]
        await until(lambda: server.sandbox.statistics().requests == 6)
        await server.aclose()
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(end, aiohttp.ClientError) for end in ends)
    assert time.monotonic() - started < 2.0


async def test_slow_replies_are_late() -> None:
    async with serving("slow::delay=0.05") as (_, session):
        started = time.monotonic()
        assert (await post(session, "/profile"))[0] == 200
        assert time.monotonic() - started >= 0.045


async def test_a_client_that_left_did_not_get_its_result() -> None:
    async with serving("slow:/redeem/people/batch/query:delay=30,times=1", time_scale=0.0) as (
        server,
        session,
    ):
        _, body = await post(
            session,
            "/redeem/people/batch",
            {"peoples": persons(3), "people_contact_types": ["phone"]},
        )
        job = {"redeem_query_id": body["data"]["redeem_query_id"]}
        with pytest.raises(TimeoutError):
            await post(session, "/redeem/people/batch/query", job, timeout=IMPATIENCE)
        await until(lambda: server.sandbox.statistics().jobs_delivered == 0)
        assert (await post(session, "/redeem/people/batch/query", job))[0] == 200
        assert server.sandbox.regrets().polls_after_completion == 0


async def test_redirects_are_told_not_followed() -> None:
    async with (
        serving("redirect") as (_, session),
        session.post("/redeem/people", json=BODY, allow_redirects=False) as reply,
    ):
        assert reply.status == 302
        assert reply.headers["Location"] == "http://127.0.0.1:9/elsewhere"


async def test_a_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = SandboxServer(Sandbox(), port=taken.getsockname()[1])
        with pytest.raises(OSError):  # noqa: PT011 - its text is the system's
            await server.start()
        await server.aclose()


async def test_the_url_of_an_ipv6_host() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    server = SandboxServer(Sandbox(), host="::1")
    try:
        await server.start()
    except OSError:
        pytest.skip("no IPv6 here")
    assert server.url.startswith("http://[::1]:")
    await server.aclose()


async def test_a_server_can_start_again() -> None:
    server = SandboxServer(Sandbox())
    for _ in range(2):
        async with server, aiohttp.ClientSession(headers=KEY) as session:
            assert (await post(session, f"{server.url}/profile"))[0] == 200
