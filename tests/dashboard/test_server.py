"""The page on a real socket: who gets it, what it brings along, and viewers that misbehave."""

from __future__ import annotations

import asyncio
import logging
import logging.config
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import msgspec
import pytest

from pubrio_async._clock import SystemClock
from pubrio_async.dashboard import _server
from pubrio_async.dashboard._feed import Feed
from pubrio_async.dashboard._figures import Facts
from pubrio_async.dashboard._history import NAMES, Sample
from pubrio_async.dashboard._sampler import Sampler
from pubrio_async.dashboard._server import PageServer
from pubrio_async.dashboard._socket import listen, url_of

TOKEN = "the-token-of-the-test"
FILES = ["", "app.js", "app.css", "uplot.js", "uplot.css", "icon.svg"]


class Site:
    """A page whose run is moved on by hand."""

    def __init__(self) -> None:
        self.sampler = Sampler(SystemClock())
        facts = Facts("1.0", "A run", NAMES, 1.0, 100, None, [])
        self.feed = Feed(self.sampler, facts)
        self.server = PageServer(self.feed, TOKEN, "127.0.0.1")
        self.listener = listen("127.0.0.1", 0)
        self.url = url_of(self.listener, TOKEN)
        self.port: int = self.listener.getsockname()[1]
        self.seconds = 0

    def step(self, count: int = 1) -> None:
        for _ in range(count):
            self.seconds += 1
            rest = dict.fromkeys(NAMES, 0)
            self.sampler.history.add(Sample(**{**rest, "t": self.seconds}))  # type: ignore[arg-type]
        self.feed.tick()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    await site.server.start(site.listener)
    yield site
    await site.server.aclose()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def event(reply: aiohttp.ClientResponse) -> dict[str, Any]:
    """The next message of a stream."""
    async with asyncio.timeout(10):
        line = await reply.content.readuntil(b"\n\n")
    assert line.startswith(b"data: "), line
    message: dict[str, Any] = msgspec.json.decode(line[6:])
    return message


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("name", FILES)
async def test_every_file_comes_with_headers_that_keep_it_to_itself(
    site: Site, session: aiohttp.ClientSession, name: str
) -> None:
    async with session.get(site.url + name) as reply:
        assert reply.status == 200
        assert len(await reply.read()) > 100
        policy = reply.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert reply.headers["Cache-Control"] == "no-store"
        assert reply.headers["Referrer-Policy"] == "no-referrer"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_page_names_no_other_place(site: Site, session: aiohttp.ClientSession) -> None:
    text = ""
    for name in FILES:
        async with session.get(site.url + name) as reply:
            text += await reply.text()

    places = set(re.findall(r"https?://[\w./-]+", text))
    # The home of the plots is named in their licence line; the other is a name, not a place.
    assert places == {"https://github.com/leeoniya/uPlot", "http://www.w3.org/2000/svg"}
    async with session.get(site.url) as reply:
        page = await reply.text()
    assert not re.search(r"<script(?! src)|<style|\son\w+=|style=", page)


@pytest.mark.parametrize(
    "path", ["/", "/events", "/another-token/", f"/{TOKEN}x/", f"/{TOKEN[:-1]}/", "/%ff/", "//"]
)
async def test_without_the_token_there_is_nothing(
    site: Site, session: aiohttp.ClientSession, path: str
) -> None:
    async with session.get(f"http://127.0.0.1:{site.port}{path}") as reply:
        assert reply.status == 404
        assert TOKEN not in await reply.text()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "192.168.0.7"])
async def test_a_name_that_points_here_is_not_enough(
    site: Site, session: aiohttp.ClientSession, host: str
) -> None:
    for path in ("", "events"):
        async with session.get(site.url + path, headers={"Host": host}) as reply:
            assert reply.status == 403


async def test_a_tunnel_may_have_another_port(site: Site, session: aiohttp.ClientSession) -> None:
    async with session.get(site.url, headers={"Host": "localhost:9999"}) as reply:
        assert reply.status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", f"/{TOKEN}/", 405),
        ("DELETE", f"/{TOKEN}/events", 405),
        ("GET", f"/{TOKEN}/../app.js", 404),
        ("GET", f"/{TOKEN}/_server.py", 404),
        ("GET", f"/{TOKEN}/%2e%2e/_server.py", 404),
        ("GET", f"/{TOKEN}", 308),
        ("HEAD", f"/{TOKEN}/", 200),
        ("HEAD", f"/{TOKEN}/events", 200),
    ],
)
async def test_it_can_only_be_looked_at(site: Site, method: str, path: str, status: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    )
    answer = await reader.read()
    writer.close()

    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


async def test_garbage_is_refused_and_logged_nowhere(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
    with caplog.at_level(logging.DEBUG):
        for garbage in (b"\x00\x01\x02\r\n\r\n", f"GET /{TOKEN}/ HTTP/9.9\r\n\r\n".encode()):
            reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
            writer.write(garbage)
            assert (await reader.read()).split()[1:2] in ([b"400"], [b"403"], [])
            writer.close()
    assert TOKEN not in caplog.text


async def test_who_comes_late_or_again_gets_the_history_and_then_what_is_new(
    site: Site, session: aiohttp.ClientSession
) -> None:
    site.step(700)
    for _ in range(2):
        async with session.get(site.url + "events") as reply:
            assert reply.content_type == "text/event-stream"
            first = await event(reply)
            assert first["facts"]["title"] == "A run"
            assert len(first["news"]["recent"]) == 600
            assert len(first["news"]["whole"]) == 350
            site.step()
            second = await event(reply)
            assert "facts" not in second
            assert [row[0] for row in second["news"]["recent"]] == [site.seconds]
            assert not second["news"]["fresh"]
        await until(lambda: site.server.viewers == 0)


async def test_several_look_at_once(site: Site) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        replies = [await session.get(site.url + "events") for _ in range(_server.MOST_VIEWERS)]
        for reply in replies:
            await event(reply)
        async with session.get(site.url + "events") as one_too_many:
            assert one_too_many.status == 503
        site.step()
        for reply in replies:
            assert len((await event(reply))["news"]["recent"]) == 1
            reply.close()
        await until(lambda: site.server.viewers == 0)


async def test_who_takes_nothing_holds_up_nobody_and_is_let_go(
    site: Site, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_server, "_PATIENCE_S", 0.3)
    site.step(600)
    # Asked for, and never read: its buffers fill up, here and in the kernel.
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port, limit=1024)
    request = f"GET /{TOKEN}/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
    writer.write(request.encode())
    await until(lambda: site.server.viewers == 1)
    sizes = []
    async with session.get(site.url + "events") as quick:
        await event(quick)
        async with asyncio.timeout(20):
            while site.server.viewers == 2:
                site.step(600)  # the whole history again for each of them
                assert (await event(quick))["news"]["fresh"] is False
                sizes.append(site.feed.turn)
        assert site.server.viewers == 1
        site.step()
        await event(quick)
    assert len(sizes) > 3
    writer.close()
    del reader


async def test_the_last_message_says_so(site: Site, session: aiohttp.ClientSession) -> None:
    async with session.get(site.url + "events") as reply:
        await event(reply)
        site.sampler.end(None)
        closing = asyncio.create_task(site.server.aclose())
        last = await event(reply)
        assert last["now"]["state"] == "ended"
        assert await reply.content.read() == b"event: bye\ndata: {}\n\n"
        await closing


async def test_who_takes_nothing_does_not_hold_up_the_end(site: Site) -> None:
    site.step(600)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port, limit=1024)
    writer.write(f"GET /{TOKEN}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    await until(lambda: site.server.viewers == 1)
    for _ in range(60):
        site.step(600)
        await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    began = loop.time()

    await site.server.aclose()

    assert loop.time() - began < 3
    writer.close()
    del reader
