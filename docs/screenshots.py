"""Makes the pictures in docs/images: runs the web application on the stand-in and looks at it.

    python docs/screenshots.py

Needs the extra `dev` and a Chromium (`CHROMIUM=/path/to/chromium`). Everybody in the pictures is
made up.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
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


async def picture(page: Page, name: str) -> None:
    """Writes what is seen, and fails if that is too much to keep."""
    path = IMAGES / f"{name}.png"
    await page.screenshot(path=path, animations="disabled")
    size = path.stat().st_size
    if size > MOST_BYTES:
        sys.exit(f"{path} is larger than {MOST_BYTES // 1000} kB")


async def new_page(browser: Browser, size: dict[str, int], scheme: str, url: str) -> Page:
    """Another visitor, who has the page open."""
    context = await browser.new_context(
        viewport={"width": size["width"], "height": size["height"]},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
        locale="en-GB",
    )
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    await page.goto(url)
    await expect(page.locator("#balance")).to_be_visible()
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


async def main() -> None:
    """Makes all of them."""
    expect.set_options(timeout=PATIENCE_MS)
    with tempfile.TemporaryDirectory() as folder:
        async with webapp(folder) as url, async_playwright() as driver:
            browser = await driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
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
            await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
