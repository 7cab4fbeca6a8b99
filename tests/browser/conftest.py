"""A real Chromium, headless, driven over its own protocol; skipped where there is none.

Everything is asynchronous and lasts for one test, so that no loop is left behind for the next one:

    async def test_something(page: Page, server: str) -> None:
        await page.goto(server)
        await expect(page.get_by_role("heading")).to_have_text("...")

A page that wrote an error to its console, threw one, or asked another host than this machine for
anything fails its test at the end.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright import async_api as playwright

from tests.needs import lacking

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
#: How long a condition may take to come true, in milliseconds: the machine may be busy.
PATIENCE_MS = 20_000


def chromium() -> str:
    """The browser; skips the test, and says why, where there is none."""
    if Path(CHROMIUM).exists():
        return CHROMIUM
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        lacking(f"no browser: neither {CHROMIUM} nor a chromium on the PATH (apt: chromium)")
    return found


class Watch:
    """What pages did that a good page does not do.

    Attributes:
        complaints: One line each; a test may take out of it what it has provoked.
    """

    def __init__(self) -> None:
        self.complaints: list[str] = []

    def over(self, context: playwright.BrowserContext) -> None:
        """Watches every page of a context, those to come too."""
        context.on("page", self._page)
        context.on("request", self._request)

    def _page(self, page: playwright.Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))

    def _console(self, message: playwright.ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"console {message.type}: {message.text}")

    def _request(self, request: playwright.Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in {"http", "https", "ws", "wss"} and parts.hostname not in LOOPBACK:
            self.complaints.append(f"asked another host: {request.url}")


@pytest.fixture
async def browser() -> AsyncIterator[playwright.Browser]:
    """A browser with no profile and no way to phone home."""
    executable = chromium()
    playwright.expect.set_options(timeout=PATIENCE_MS)
    async with playwright.async_playwright() as driver:
        running = await driver.chromium.launch(executable_path=executable, args=list(FLAGS))
        try:
            yield running
        finally:
            await running.close()


@pytest.fixture
async def watch() -> AsyncIterator[Watch]:
    """Fails the test at its end if a page complained."""
    watching = Watch()
    yield watching
    assert watching.complaints == []


@pytest.fixture
async def context(
    browser: playwright.Browser, watch: Watch
) -> AsyncIterator[playwright.BrowserContext]:
    """A visitor: cookies of their own, a desktop window, no animation to wait for."""
    visitor = await browser.new_context(
        viewport={"width": 1280, "height": 900}, reduced_motion="reduce", locale="en-GB"
    )
    visitor.set_default_timeout(PATIENCE_MS)
    watch.over(visitor)
    yield visitor
    await visitor.close()


@pytest.fixture
async def page(context: playwright.BrowserContext) -> playwright.Page:
    """A tab of that visitor."""
    return await context.new_page()
