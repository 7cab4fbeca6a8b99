"""Makes the pictures in docs/images: runs the web application and the dashboard on the stand-in.

    python docs/screenshots.py [webapp] [dashboard]

Takes some three minutes, as the dashboard shows a run under a rate limit. Needs the extra `dev` and
a Chromium (`CHROMIUM=/path/to/chromium`). Everybody in the pictures is made up.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright, expect

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
PEOPLE = ROOT / "examples" / "people.csv"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
MOST_BYTES = 200_000
PATIENCE_MS = 90_000

DESKTOP = {"width": 1280, "height": 860}
PHONE = {"width": 375, "height": 780}

# What goes wrong in the run that the dashboard shows, so that there is something to see.
STAND_IN = ("sandbox", "--fault", "5xx_before:/redeem/people/batch/query:times=5,after=40")
RUN = ("--types", "email-work,phone", "--batch-size", "25", "--max-credits", "135000", "--yes")
ROWS = 9_000


@asynccontextmanager
async def webapp(folder: str) -> AsyncGenerator[str, None]:
    """The web application on the stand-in; gives its URL."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "examples.webapp", "--sandbox", "--port", "0", "--folder", folder),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None  # noqa: S101 - asked for above
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def dashboard(folder: str) -> AsyncGenerator[str, None]:
    """A run under a rate limit, with its dashboard; gives the URL of that."""
    people = Path(folder) / "people.txt"
    people.write_text("".join(f"{uuid.UUID(int=row * 7919)}\n" for row in range(ROWS)))
    words = ("redeem", str(people), "-o", f"{folder}/out.csv", *RUN, "--dashboard")
    command = (sys.executable, "-m", "pubrio_async")
    api = await asyncio.create_subprocess_exec(*command, *STAND_IN, stdout=asyncio.subprocess.PIPE)
    assert api.stdout is not None  # noqa: S101 - asked for above
    base_url = (await api.stdout.readline()).decode().strip()
    run = await asyncio.create_subprocess_exec(
        *(*command, *words, "--rate", "300/minute; 2400/hour", "--progress", "none"),
        env=os.environ | {"PUBRIO_API_KEY": "a-picture", "PUBRIO_BASE_URL": base_url},
        stderr=asyncio.subprocess.PIPE,
    )
    assert run.stderr is not None  # noqa: S101 - asked for above
    try:
        async for line in run.stderr:
            if found := re.search(r"http://127\.0\.0\.1:\d+/[^/\s]+/", line.decode()):
                yield found[0]
                break
    finally:
        for process in (run, api):
            process.terminate()
            await process.wait()


async def picture(page: Page, name: str, *, whole: bool = False) -> None:
    """Writes what is seen, and fails if that is too much to keep."""
    path = IMAGES / f"{name}.png"
    await page.screenshot(path=path, animations="disabled", full_page=whole)
    size = path.stat().st_size
    if size > MOST_BYTES:
        sys.exit(f"{path} is larger than {MOST_BYTES // 1000} kB")


async def new_page(
    browser: Browser, size: dict[str, int], scheme: str, url: str, shows: str = "#balance"
) -> Page:
    """Another visitor, who has the page open, and sees this on it."""
    context = await browser.new_context(
        viewport={"width": size["width"], "height": size["height"]},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
        locale="en-GB",
    )
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    await page.goto(url)
    await expect(page.locator(shows).first).to_be_visible()
    return page


async def upload(page: Page, credits_at_most: int) -> None:
    """Sends the example list off."""
    await page.get_by_label("Or a file").set_input_files(PEOPLE)
    await page.get_by_role("checkbox", name="Phone").check()
    await page.get_by_label("Spend at most").fill(str(credits_at_most))
    await page.get_by_role("button", name="Find contacts").click()


async def settled(page: Page, share: float) -> None:
    """Waits for a part of the list."""
    await page.wait_for_function(
        "share => { const bar = document.getElementById('progress');"
        " return bar.ariaValueMax > 0 && bar.ariaValueNow >= share * bar.ariaValueMax; }",
        arg=share,
    )


async def pictures_of_dashboard(browser: Browser) -> None:
    """Those of the dashboard."""
    with tempfile.TemporaryDirectory() as folder:
        async with dashboard(folder) as url:
            pages = {
                "dashboard": await new_page(browser, DESKTOP, "light", url, "canvas"),
                "dashboard-dark": await new_page(browser, DESKTOP, "dark", url, "canvas"),
                "dashboard-phone": await new_page(browser, PHONE, "light", url, "canvas"),
            }
            await asyncio.sleep(80)  # into the second window
            for name, page in pages.items():
                await picture(page, name, whole=name != "dashboard-phone")


async def pictures_of_webapp(browser: Browser) -> None:
    """Those of the web application."""
    with tempfile.TemporaryDirectory() as folder:
        async with webapp(folder) as url:
            desktop = await new_page(browser, DESKTOP, "light", url)
            await picture(desktop, "webapp-empty")
            await upload(desktop, 3_000)
            await settled(desktop, 0.3)
            await desktop.get_by_role("radio", name="Found").check()
            await picture(desktop, "webapp-running")
            phone = await new_page(browser, PHONE, "light", url)
            await upload(phone, 3_000)
            await settled(phone, 0.2)
            await phone.get_by_role("radio", name="Found").check()
            await phone.locator("#detail").evaluate("card => card.scrollIntoView()")
            await picture(phone, "webapp-phone")
            dark = await new_page(browser, DESKTOP, "dark", url)
            await upload(dark, 1_500)
            for page in (desktop, dark):
                await expect(page.get_by_role("link", name="Download CSV")).to_be_visible()
            await dark.get_by_role("radio", name="Found").check()
            await picture(dark, "webapp-dark")
            await picture(desktop, "webapp-done")


async def main(wanted: set[str]) -> None:
    """Makes those that are wanted."""
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        if "webapp" in wanted:
            await pictures_of_webapp(browser)
        if "dashboard" in wanted:
            await pictures_of_dashboard(browser)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main(set(sys.argv[1:]) or {"webapp", "dashboard"}))
