"""The two small services, started as their first lines say, and asked over a real socket."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from pubrio_async import Outcome
from pubrio_async.models import PersonRow, RedeemPeopleReply
from pubrio_async.sandbox import Sandbox
from tests.browser.serving import ids, until, urls

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def service(script: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Runs a script while the block runs."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", f"examples/{script}", "--sandbox", "--port", str(port)),
        cwd=ROOT,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )

    def listens() -> bool:
        assert process.returncode is None, "it ended at once"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        await until(listens)
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            yield session
        process.terminate()
        await asyncio.wait_for(process.wait(), 10)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def asked(session: aiohttp.ClientSession, method: str, path: str, **more: Any) -> Any:
    """The status and the decoded body."""
    async with session.request(method, path, **more) as reply:
        return reply.status, msgspec.json.decode(await reply.read())


async def test_the_service_for_aiohttp_streams_outcomes() -> None:
    """A line for each row; bad orders are refused; who hangs up ends the run."""
    people = [*urls(3), *ids(30), "nobody"]
    async with service("aiohttp_web.py") as session:
        async with session.post("/redeem", json={"people": people}) as reply:
            assert reply.content_type == "application/x-ndjson"
            outcomes = [msgspec.json.decode(line, type=Outcome) async for line in reply.content]
        assert sorted(outcome.row for outcome in outcomes) == list(range(34))
        sandbox = Sandbox()
        for outcome in outcomes[:10]:
            known = outcome.people_search_id
            expected = sandbox.contacts_for(known, ["email-work"]) if known else ()
            assert tuple(outcome.emails) == expected

        orders: list[dict[str, object]] = [
            {},
            {"x": 1},
            {"people": []},
            {"people": ["x"], "types": ["password"]},
        ]
        for order in orders:
            status, answer = await asked(session, "POST", "/redeem", json=order)
            assert (status, set(answer)) == (400, {"message"})
        status, _ = await asked(session, "POST", "/redeem", data=b'{"people": ["x"]}')
        assert status == 415

        leaving = await session.post("/redeem", json={"people": ["x", *ids(2000)]})
        await leaving.content.readline()
        assert (await asked(session, "GET", "/statistics"))[1]["runs"] == 1
        leaving.close()
        async with asyncio.timeout(10):
            while (await asked(session, "GET", "/statistics"))[1]["runs"]:  # noqa: ASYNC110 - not ours
                await asyncio.sleep(0.02)


async def test_the_service_for_litestar_returns_our_structs() -> None:
    """Rows and contacts as the SDK has them; errors without the API's bodies."""
    async with service("litestar_app.py") as session:
        status, found = await asked(session, "GET", "/people?title=CTO&limit=3")
        rows = msgspec.convert(found, list[PersonRow])
        assert (status, len(rows)) == (200, 3)
        path = f"/people/{rows[0].people_search_id}/contacts"
        status, got = await asked(session, "POST", path)
        reply = msgspec.convert(got, RedeemPeopleReply)
        assert status == 201
        assert reply.profile is not None
        assert reply.peoples is not None
        expected = Sandbox().contacts_for(str(rows[0].people_search_id), ["email-work"])
        assert (reply.peoples[0].emails or ()) == expected
        assert reply.profile.charged == 5 * len(expected)
        assert (await asked(session, "POST", "/people/nobody/contacts"))[0] == 404
        foreign = {"Sec-Fetch-Site": "cross-site"}
        assert (await asked(session, "POST", path, headers=foreign))[0] == 403
