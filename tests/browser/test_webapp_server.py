"""What the server of the web application allows, asked for over a plain socket."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import aiohttp
import pytest

from examples.webapp.demo_api import demo_api
from examples.webapp.intake import harmless
from examples.webapp.job import Job, ShownRow
from examples.webapp.records import sole_user
from pubrio_async import AsyncPubrio, ConfigurationError
from pubrio_async.sandbox import SandboxConfig
from tests.browser.serving import Webapp, ids, json, until, urls, webapp
from tests.together import together

OWN = {"Sec-Fetch-Site": "same-origin"}
LIMITS = {"max_rows": 60, "max_rows_kept": 100, "max_running": 2, "max_jobs": 3, "max_streams": 2}


@pytest.fixture
async def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Webapp]:
    """The application, with little room."""
    async with webapp(tmp_path / "kept", monkeypatch, max_upload=20_000, **LIMITS) as running:
        yield running


@pytest.fixture
async def visitor(app: Webapp) -> AsyncIterator[Visitor]:
    """Somebody with a cookie."""
    async with Visitor(app) as somebody:
        yield somebody


class Visitor:
    """A browser without a window."""

    def __init__(self, app: Webapp) -> None:
        self.app = app
        # An address and not a name: such cookies are kept only if one says so.
        self.session = aiohttp.ClientSession(
            app.url, cookie_jar=aiohttp.CookieJar(unsafe=True), headers=OWN
        )

    async def __aenter__(self) -> Self:
        async with self.session.get("/") as page:
            self.cookie = page.headers["set-cookie"]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """A request: the status, and what came back."""
        async with self.session.request(method, path, **options) as reply:
            body = await reply.read()
        return reply.status, json(body) if body[:1] in b"{[" and body else body

    async def order(self, people: list[str], limit: object = 1000) -> tuple[int, Any]:
        """A new job."""
        form = {"people": "\n".join(people), "types": "email-work", "max_credits": str(limit)}
        return await self.ask("POST", "/api/jobs", data=form)

    async def events(
        self, job: str, last: str = "", *, rows: int = 1
    ) -> list[tuple[str, str, Any]]:
        """Events up to so many rows: name, id and data."""
        heard: list[tuple[str, str, Any]] = []
        headers = {"Last-Event-ID": last} if last else {}
        async with self.session.get(f"/api/events?job={job}", headers=headers) as stream:
            assert stream.content_type == "text/event-stream"
            event = {}
            async for line in stream.content:
                name, _, value = line.decode().strip().partition(": ")
                if name:
                    event[name] = value
                    continue
                if "event" in event:
                    heard.append(
                        (event["event"], event.get("id", ""), json(event["data"].encode()))
                    )
                event = {}
                if sum(len(data) for name, _, data in heard if name == "rows") >= rows:
                    break
        return heard


async def ended(app: Webapp) -> None:
    """Waits for all jobs to end, letting time pass for them."""
    while any(job.is_running for job in app.store.all()):
        app.sandbox.release()
        await asyncio.sleep(0.02)


async def test_visitors_are_strangers_to_each_other(app: Webapp, visitor: Visitor) -> None:
    """Another browser sees none of it, and cannot tell a job of others from one that is not."""
    assert re.fullmatch(
        r"visitor=[\w-]{43}; HttpOnly; Max-Age=\d+; Path=/; SameSite=strict", visitor.cookie
    )
    _, job = await visitor.order([*urls(2), *ids(2)])
    await ended(app)
    assert (await visitor.ask("GET", f"/api/jobs/{job['id']}/results.csv"))[0] == 200
    async with Visitor(app) as stranger:
        requests = [
            ("GET", f"/api/jobs/{job['id']}/results.csv"),
            ("POST", f"/api/jobs/{job['id']}/cancel"),
            ("POST", f"/api/jobs/{job['id']}/resume"),
            ("DELETE", f"/api/jobs/{job['id']}"),
        ]
        for method, path in requests:
            theirs = await stranger.ask(method, path, data={"max_credits": "5"})
            nobodys = await stranger.ask(
                method, path.replace(job["id"], "0" * 16), data={"max_credits": "5"}
            )
            assert theirs == nobodys
            assert theirs[0] == 404
        async with stranger.session.get(f"/api/events?job={job['id']}") as stream:
            await stream.content.readuntil(b"\n\n")
            assert await stream.content.readuntil(b"\n\n") == b"event: jobs\ndata: []\n\n"
    token = visitor.cookie.partition(";")[0].partition("=")[2].encode()
    files = [path for path in app.folder.rglob("*") if path.is_file()]
    assert files
    assert not any(token in path.read_bytes() for path in files)


async def test_requests_of_other_pages_are_refused(app: Webapp, visitor: Visitor) -> None:
    """Another site, another port of this machine, another name of the server: none may ask."""
    form = {"people": ids(1)[0], "types": "phone", "max_credits": "5"}
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": app.url},
        {"Sec-Fetch-Site": "none"},
    ):
        refused = await visitor.ask("POST", "/api/jobs", data=form, headers=headers)
        assert refused[0] == 403
    cookie = {"Cookie": visitor.cookie.partition(";")[0]}
    async with aiohttp.ClientSession(app.url, headers=cookie) as old:
        for origin, status in (("http://evil.example", 403), ("null", 403), (app.url, 201)):
            async with old.post("/api/jobs", data=form, headers={"Origin": origin}) as reply:
                assert reply.status == status
        async with old.post("/api/jobs", data=form) as reply:
            assert reply.status == 403
    for host in ("evil.example", "127.0.0.1.evil.example", ""):
        assert (await visitor.ask("GET", "/", headers={"Host": host}))[0] == 421
    assert app.sandbox.statistics().jobs_submitted == 0
    async with visitor.session.get("/") as page:
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        text = await page.text()
    assert not re.search(
        r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|https?://(?!www\.linked)", text
    )


async def test_orders_that_cannot_be_carried_out_cost_a_sentence(
    app: Webapp, visitor: Visitor
) -> None:
    """Nothing is sent, and nothing is left behind on the disk."""
    csv = {"types": "phone", "max_credits": "5"}

    def upload(name: str, data: bytes) -> aiohttp.FormData:
        form = aiohttp.FormData(csv)
        form.add_field("file", data, filename=name)
        return form

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 1000

    person = ids(1)
    cases: list[tuple[int, str, Any]] = [
        (422, "people", {"people": " \n ", **csv}),
        (422, "type", {"people": person[0], "max_credits": "5"}),
        (422, "type", {"people": person[0], "types": "password", "max_credits": "5"}),
        *(
            (422, "number", {"people": person[0], "types": "phone", "max_credits": bad})
            for bad in ("", "0", "-1", "nan", "inf", "1e9", "many")
        ),
        (422, "one of", upload("people.xlsx", b"PK")),
        (422, "empty", upload("people.csv", b"")),
        (422, "UTF-8", upload("people.csv", b"linkedin_url\n\xff\xfe")),
        (422, "no rows", upload("people.csv", b"linkedin_url\n")),
        (422, "no column", upload("people.csv", b"a;b\n1;2\n")),
        (413, "60", {"people": "\n".join(ids(61)), **csv}),
        (413, "KiB", {"people": "x" * 20_001, **csv}),
        (413, "KiB", chunks()),
    ]
    for status, word, data in cases:
        is_stream = hasattr(data, "__aiter__")
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if is_stream else {}
        got, answer = await visitor.ask("POST", "/api/jobs", data=data, headers=headers)
        assert (got, word in answer["message"]) == (status, True), (data, answer)
        assert str(app.folder) not in answer["message"]
    assert list((app.folder / "jobs").iterdir()) == []
    assert app.sandbox.statistics().requests == 0


async def test_there_is_an_end_to_everything(app: Webapp, visitor: Visitor) -> None:
    """Jobs at once, jobs in all, rows in all, streams: each has a bound, and says so."""
    for _ in range(2):
        assert (await visitor.order(ids(30)))[0] == 201
    status, answer = await visitor.order(ids(1))
    assert (status, "running" in answer["message"]) == (429, True)
    await ended(app)
    status, answer = await visitor.order(ids(41))
    assert (status, "as many rows" in answer["message"]) == (429, True)
    assert (await visitor.order(urls(1)))[0] == 201
    await ended(app)
    status, answer = await visitor.order(urls(1))
    assert (status, "too many jobs" in answer["message"]) == (429, True)
    assert len(list((app.folder / "jobs").iterdir())) == 3

    streams = [await visitor.session.get("/api/events") for _ in range(2)]
    assert (await visitor.ask("GET", "/api/events"))[0] == 429
    for stream in streams:
        stream.close()
    app.store.bell.ring()
    await until(lambda: not app.store.streams)

    # A minute before its time a job is there, a minute after it is gone, files and all.
    for seconds, job in zip((60, 60, -60), app.store.all(), strict=True):
        assert job.record.ended_at is not None
        job.record.ended_at -= app.store.settings.keep_s + seconds
    await app.store.forget()
    assert len(list((app.folder / "jobs").iterdir())) == 1


async def test_a_stream_goes_on_behind_the_last_event(app: Webapp, visitor: Visitor) -> None:
    """No row twice, none left out; after another run of the job it begins anew."""
    from examples.webapp.feed import Cursor  # noqa: PLC0415 - loads a server

    _, job = await visitor.order([*urls(5), *ids(30)])
    first = await visitor.events(job["id"], rows=5)
    names = [name for name, _, _ in first]
    assert names[:2] == ["jobs", "reset"]
    seen = [row["row"] for name, _, data in first if name == "rows" for row in data]
    assert sorted(seen) == [0, 1, 2, 3, 4]
    await ended(app)
    rest = await visitor.events(job["id"], last=first[-1][1], rows=30)
    assert "reset" not in [name for name, _, _ in rest]
    seen += [row["row"] for name, _, data in rest if name == "rows" for row in data]
    assert sorted(seen) == list(range(35))
    for last in ("7.3", "1.36", "nonsense", "1.²", "9" * 400 + ".0"):
        again = await visitor.events(job["id"], last=last, rows=35)
        assert [name for name, _, _ in again][:2] == ["jobs", "reset"]
    assert Cursor.parse("3.14") == Cursor(3, 14)


async def test_who_does_not_read_holds_up_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream nobody reads from: the run ends all the same, and the reader gets it all later."""
    rows, row = 2000, "nobody " * 40
    made: list[int] = []
    shown = Job.shown

    def noted(job: Job, start: int, count: int) -> list[ShownRow]:
        made.append(start)
        return shown(job, start, count)

    monkeypatch.setattr(Job, "shown", noted)
    async with (
        webapp(tmp_path / "kept", monkeypatch, send_buffer=4096) as app,
        Visitor(app) as visitor,
    ):
        _, job = await visitor.order([row] * rows)
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", int(app.url.rpartition(":")[2])))
        reader, writer = await asyncio.open_connection(sock=connection, limit=1 << 16)
        writer.write(
            f"GET /api/events?job={job['id']} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Cookie: {visitor.cookie.partition(';')[0]}\r\n\r\n".encode()
        )
        try:
            await until(lambda: app.store.streams)
            await ended(app)
            (kept,) = app.store.all()
            assert kept.summary().settled == rows
            await until(lambda: made)
            # What is not taken is not made, however often the server has its turn.
            for _ in range(20):
                await visitor.ask("GET", "/")
            assert max(made) < rows / 2
            text = b""
            while text.count(b'"row":') < rows:
                text += await reader.read(1 << 16)
        finally:
            writer.close()
            await writer.wait_closed()


async def test_an_open_stream_does_not_keep_the_server_from_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told to end, and the server does not wait out its patience with it."""
    async with aiohttp.ClientSession() as outlives:
        async with webapp(tmp_path / "kept", monkeypatch) as app:
            async with Visitor(app) as visitor:
                cookie = {"Cookie": visitor.cookie.partition(";")[0]}
            stream = await outlives.get(f"{app.url}/api/events", headers=cookie)
            await until(lambda: app.store.streams)
            began = time.monotonic()
        assert time.monotonic() - began < 4
        assert b"event: jobs" in await stream.read()


async def test_the_limit_of_credits_ends_a_job_and_more_let_it_go_on(
    app: Webapp, visitor: Visitor
) -> None:
    """Ten people at five credits, and 25 of them: half of the list at most is looked for."""
    _, job = await visitor.order(ids(10), limit=25)
    await until(lambda: app.sandbox.statistics().jobs_submitted == 1)
    (kept,) = app.store.all()
    await ended(app)
    summary = kept.summary()
    assert (summary.state, summary.resumable) == ("limited", True)
    assert summary.charged <= 25
    assert summary.counts["skipped"] > 0
    again = ("POST", f"/api/jobs/{job['id']}/resume")
    assert (await visitor.ask(*again, data={"max_credits": "100"}))[0] == 200
    assert (await visitor.ask(*again, data={"max_credits": "100"}))[0] == 409
    await until(lambda: app.sandbox.statistics().people == 10)
    await ended(app)
    summary = kept.summary()
    assert (summary.state, summary.resumable) == ("done", False)
    assert (await visitor.ask(*again, data={"max_credits": "100"}))[0] == 409
    assert summary.charged == app.sandbox.statistics().credits_charged
    assert app.sandbox.statistics().repeated_people == 0


async def test_a_folder_has_one_server(app: Webapp) -> None:
    """Another one with the same folder does not start, and says why."""
    with (
        pytest.raises(ConfigurationError, match="Another server is using"),
        sole_user(app.folder),
    ):
        pass


async def test_the_stand_in_remembers_its_jobs(tmp_path: Path) -> None:
    """The same port, the same jobs and the same balance after a restart of the demonstration."""
    config = SandboxConfig(base_s=0.0, per_person_s=0.0)
    async with demo_api(tmp_path, config) as url, AsyncPubrio("sandbox", url) as pubrio:
        job = await pubrio.redeem.batch(peoples=ids(20), people_contact_types=["email-work"])
    async with demo_api(tmp_path, config) as again, AsyncPubrio("sandbox", again) as pubrio:
        assert again == url
        reply = await pubrio.redeem.query(redeem_query_id=job.redeem_query_id)
        assert reply.is_completed
        assert reply.profile is not None
        charged = reply.profile.charged
        assert charged
    async with demo_api(tmp_path, config) as again, AsyncPubrio("sandbox", again) as pubrio:
        assert (await pubrio.profile.get()).credit == 1_000_000 - charged
    assert (tmp_path / "sandbox.log").stat().st_mode & 0o77 == 0


@together
@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("plain", "plain"),
        ("=1", "'=1"),
        ("  @x", "'  @x"),
        ("a;-b;+c", "a;'-b;'+c"),
        ("\uff1d1", "'\uff1d1"),
        ("\t=1", "'\t=1"),
        ("1-2", "1-2"),
        ("", ""),
    ],
)
def test_cells_are_harmless(cell: str, expected: str) -> None:
    """What begins like a formula begins with an apostrophe instead."""
    assert harmless(cell) == expected
