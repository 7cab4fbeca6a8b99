"""The dashboard in a real browser, beside a run against the stand-in."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import BrowserContext, Page, expect

from pubrio_async import AsyncPubrio
from pubrio_async.dashboard import Dashboard
from pubrio_async.dashboard._server import PageServer
from pubrio_async.dashboard._socket import listen
from pubrio_async.sandbox import Sandbox, SandboxConfig, SandboxServer
from tests.browser.conftest import Watch
from tests.cli.conftest import ids

TITLE = "<img src=x onerror=alert(1)> list & more"
REFUSED = "400:/redeem/people/batch$:times=1"


class Input:
    """People who come when the test says so."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._given = 0

    def give(self, count: int) -> None:
        for person in ids(count, self._given):
            self._queue.put_nowait(person)
        self._given += count

    def end(self) -> None:
        self._queue.put_nowait(None)

    async def people(self) -> AsyncIterator[str]:
        while (person := await self._queue.get()) is not None:
            yield person


@asynccontextmanager
async def going_on(rows: Input, dashboard: Dashboard) -> AsyncIterator[asyncio.Task[None]]:
    """A run of these people, shown on this dashboard, while the block runs."""
    config = SandboxConfig(time_scale=0.0, limits="unlimited", faults=(REFUSED,))

    async def work() -> None:
        async with (
            SandboxServer(Sandbox(config)) as server,
            dashboard,
            AsyncPubrio("key", base_url=server.url, observers=[dashboard]) as pubrio,
            pubrio.redeem.many(
                rows.people(),
                people_contact_types=["email-work", "phone"],
                batch_size=10,
                linger=0.05,
                max_credits=9_000,
            ) as run,
        ):
            dashboard.watch(run, total_rows=100)
            async for _ in run:
                pass

    dashboard.bind()
    task = asyncio.create_task(work())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})


async def figure(page: Page, label: str) -> str:
    return await page.locator("#tiles > div", has_text=label).locator("dd").first.inner_text()


async def drawn(page: Page, card: str) -> str:
    """A plot as it looks."""
    pixels: str = await page.locator(f"#{card} canvas").evaluate("canvas => canvas.toDataURL()")
    return pixels


async def changes(page: Page, card: str, before: str) -> None:
    async with asyncio.timeout(20):
        while await drawn(page, card) == before:  # noqa: ASYNC110 - a picture has no event
            await asyncio.sleep(0.05)


async def test_a_run_is_watched_from_its_start_to_its_end(
    context: BrowserContext, page: Page
) -> None:
    rows = Input()
    dashboard = Dashboard(max_credits=9_000, title=TITLE, interval=0.1)
    async with going_on(rows, dashboard) as run:
        await page.goto(dashboard.url)
        await expect(page.get_by_role("heading", level=1)).to_have_text(TITLE)
        await expect(page.get_by_role("status")).to_have_text("Running")

        rows.give(40)
        settled = page.locator("#tiles > div", has_text="Rows settled").locator("dd").first
        await expect(settled).to_have_text("40")
        pictures = {card: await drawn(page, card) for card in ("rows", "requests", "credits")}
        rows.give(30)
        await expect(settled).to_have_text("70")
        for card, before in pictures.items():
            await changes(page, card, before)
        await expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "70")
        await expect(page.locator("#rows-said")).to_contain_text("70 of 100 rows (70 %) settled")
        await expect(page.locator("#errors")).to_contain_text("BadRequestError")
        await expect(page.locator("#results-said")).to_contain_text("Half of")
        await expect(page.locator("#limits")).to_contain_text("300 per minute")

        # By keyboard alone: the tables, and back.
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.className") == "skip"
        await page.get_by_role("button", name="Tables").focus()
        await page.keyboard.press("Enter")
        table = page.get_by_role("region", name="Rows settled, table").get_by_role("table")
        await expect(table.get_by_role("columnheader").first).to_have_text("Time")
        await expect(table.locator("tbody tr").first).to_contain_text("70")
        await page.keyboard.press("Enter")
        await expect(table).to_be_hidden()

        # Another viewer, later, on a phone, in the dark: everything is there.
        phone = await context.new_page()
        await phone.set_viewport_size({"width": 390, "height": 844})
        await phone.emulate_media(color_scheme="dark")
        await phone.goto(dashboard.url)
        await expect(phone.locator("#rows-said")).to_contain_text("70 of 100 rows")
        assert len(await drawn(phone, "rows")) > 1_000
        assert await phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
        dark = await phone.evaluate("getComputedStyle(document.body).backgroundColor")
        light = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert dark != light
        before = await drawn(phone, "credits")
        await phone.emulate_media(color_scheme="light")
        await changes(phone, "credits", before)

        await page.reload()
        await expect(page.locator("#rows-said")).to_contain_text("70 of 100 rows")

        # Frozen is frozen, and lets go again.
        await page.get_by_role("button", name="Freeze").click()
        rows.give(10)
        await expect(page).to_have_title(re.compile("80 %"))
        await expect(phone.locator("#rows-said")).to_contain_text("80 of 100 rows")
        assert await figure(page, "Rows settled") == "70"
        await page.get_by_role("button", name="Freeze").click()
        await expect(settled).to_have_text("80")

        rows.give(20)
        rows.end()
        await run
        for viewer in (page, phone):
            await expect(viewer.get_by_role("status")).to_have_text("Finished")
            await expect(viewer.locator("#end")).to_contain_text("Nothing is left to do")
            await expect(viewer.locator("#end dl")).to_contain_text("credits charged")
            await expect(viewer.get_by_role("alert")).to_contain_text("The process has ended")
        await expect(settled).to_have_text("100")
        assert await phone.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_a_process_that_is_gone_and_one_that_comes_back(page: Page, watch: Watch) -> None:
    rows = Input()
    dashboard = Dashboard(interval=0.1)
    async with going_on(rows, dashboard):
        await page.goto(dashboard.url)
        rows.give(20)
        await expect(page.locator("#rows-said")).to_contain_text("20 of 100 rows")

        # As if it had been killed: the connection breaks, and nobody answers any more.
        server = dashboard._server
        assert server._runner is not None
        await server._runner.cleanup()
        await expect(page.get_by_role("status")).to_have_text("Connection lost")
        await expect(page.get_by_role("alert")).to_contain_text("process is gone")
        assert await figure(page, "Rows settled") == "20"

        rows.give(10)
        port = int(re.findall(r":(\d+)/", dashboard.url)[0])
        again = PageServer(dashboard._feed, dashboard._token, "127.0.0.1")
        await again.start(listen("127.0.0.1", port))
        await expect(page.get_by_role("status")).to_have_text("Running")
        await expect(page.get_by_role("alert")).to_be_hidden()
        await expect(page.locator("#rows-said")).to_contain_text("30 of 100 rows")
        await page.goto("about:blank")
        await again.aclose()
    watch.complaints[:] = [
        one
        for one in watch.complaints
        if not re.search("ERR_(CONNECTION_REFUSED|INCOMPLETE_CHUNKED_ENCODING)", one)
    ]
