"""The web application as people use it, in a real browser."""

from __future__ import annotations

import asyncio
import csv
import io
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from pubrio_async.sandbox import SandboxServer
from tests.browser.conftest import Watch
from tests.browser.serving import HeldSandbox, Webapp, contacts, ids, until, urls, webapp

TYPES = ("email-work", "phone")
ROOT = Path(__file__).parents[2]


@pytest.fixture
async def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Webapp]:
    """The application on a real socket."""
    async with webapp(tmp_path / "kept", monkeypatch) as running:
        yield running


async def paste(page: Page, people: list[str], *, limit: int = 1000, phone: bool = True) -> None:
    """Fills in the form and sends it off."""
    await page.get_by_label("People, one a line").fill("\n".join(people))
    await page.get_by_role("checkbox", name="Phone").set_checked(phone)
    await page.get_by_label("Spend at most").fill(str(limit))
    await page.get_by_role("button", name="Find contacts").click()


def rows(page: Page) -> Locator:
    """The lines of the table."""
    return page.locator("#rows tr")


async def state(page: Page, word: str) -> None:
    """Waits for the job to stand like that."""
    await expect(page.locator("#state")).to_have_text(word)


async def shown(page: Page) -> list[str]:
    """The table as text, by row number."""
    return sorted(await rows(page).all_inner_texts(), key=lambda line: int(line.split()[0]))


async def look_away(page: Page, *, away: bool) -> None:
    """Puts a tab into the background, or back, as far as the page can tell."""
    await page.evaluate(
        "away => { Object.defineProperty(document, 'hidden', {value: away, configurable: true});"
        " document.dispatchEvent(new Event('visibilitychange')); }",
        away,
    )


async def saved(page: Page) -> list[dict[str, str]]:
    """The rows of the CSV behind the button."""
    async with page.expect_download() as started:
        await page.get_by_role("link", name="Download CSV").click()
    text = Path(await (await started.value).path()).read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text, newline="")))


async def test_a_list_fills_survives_a_reload_and_comes_home_as_a_file(
    page: Page, context: BrowserContext, app: Webapp
) -> None:
    """Paste, watch, reload, a second tab, the end, the file: all tell the same."""
    people = [*urls(3), "nobody at all", *ids(40)]
    await page.goto(app.url)
    await expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    await expect(page.locator("#balance")).to_have_text("1,000,000")
    await page.get_by_label("People, one a line").fill("\n".join(people))
    await expect(page.locator("#estimate")).to_have_text("44 people: at most 220 credits.")
    await paste(page, people)

    # URLs are answered at once, the others are being looked for.
    await expect(rows(page)).to_have_count(4)
    await expect(page.get_by_text("Waiting for 40 people…")).to_be_visible()
    await state(page, "Running")
    bar = page.get_by_role("progressbar", name="People settled")
    await expect(bar).to_have_attribute("aria-valuenow", "4")
    await until(lambda: app.sandbox.statistics().jobs_submitted == 2)
    await expect(page.locator("#reserved")).to_have_text("600")

    await page.reload()
    await expect(rows(page)).to_have_count(4)
    await state(page, "Running")
    other = await context.new_page()
    await other.goto(app.url)
    await expect(rows(other)).to_have_count(4)
    assert await shown(other) == await shown(page)

    # A tab nobody looks at gives its connection back, and goes on behind what it has shown.
    await look_away(other, away=True)
    await until(lambda: sum(app.store.streams.values()) == 1)
    app.sandbox.release()
    await state(page, "Done")
    await state(other, "Running")
    await look_away(other, away=False)
    for tab in (page, other):
        await state(tab, "Done")
        await expect(rows(tab)).to_have_count(44)
        charged = app.sandbox.statistics().credits_charged
        await expect(tab.locator("#charged")).to_have_text(f"{charged:,}")
        await expect(tab.locator("#balance")).to_have_text(f"{1_000_000 - charged:,}")
        await expect(tab.locator("#reserved")).to_have_text("0")
    assert await shown(other) == await shown(page)

    file = await saved(page)
    assert [row["people_search_id"] for row in file] == people
    for row, person in zip(file, people, strict=True):
        expected = [] if row["status"] == "rejected" else contacts(app.sandbox, person, TYPES)
        assert list(filter(None, (row["email_work"], row["phone"]))) == expected
    found = sum(row["status"] == "found" for row in file)
    await page.get_by_role("radio", name="Found").check()
    await expect(page.locator("#rows tr:visible")).to_have_count(found)
    await page.get_by_role("radio", name="Problems").check()
    await expect(page.locator("#rows tr:visible")).to_have_count(1)
    assert app.sandbox.regrets().double_charges == 0


async def test_on_a_phone_in_the_dark_a_list_is_cancelled_and_resumed(
    browser: Browser, watch: Watch, app: Webapp
) -> None:
    """Nobody is paid for twice, all of it fits in 375 pixels, and removing removes the files."""
    visitor = await browser.new_context(
        viewport={"width": 375, "height": 812}, has_touch=True, is_mobile=True, color_scheme="dark"
    )
    watch.over(visitor)
    page = await visitor.new_page()

    async def fits() -> None:
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= 375, f"{width} pixels wide"

    await page.goto(app.url)
    await fits()
    light = "e => getComputedStyle(e).backgroundColor.match(/\\d+/g).every(part => part < 60)"
    assert await page.locator("body").evaluate(light)
    await paste(page, [*urls(2), f"https://example.org/{'long' * 60}", *ids(60)])
    await until(lambda: app.sandbox.statistics().jobs_submitted == 3)
    await expect(rows(page)).to_have_count(3)
    await expect(page.locator("#detail-title")).to_be_in_viewport()
    await fits()
    await page.get_by_role("button", name="Cancel").tap()
    await state(page, "Cancelled")
    await expect(rows(page)).to_have_count(63)
    await expect(page.get_by_text("Not fetched yet").first).to_be_visible()
    await expect(page.get_by_role("button", name="Cancel")).to_be_hidden()
    await fits()
    assert [row["status"] for row in await saved(page)][2:] == ["rejected", *["pending"] * 60]

    app.sandbox.release()
    await page.get_by_label("Go on with up to").fill("2000")
    await page.get_by_role("button", name="Resume").tap()
    await state(page, "Done")
    await expect(rows(page)).to_have_count(63)
    await fits()
    statistics = app.sandbox.statistics()
    await expect(page.locator("#charged")).to_have_text(f"{statistics.credits_charged:,}")
    assert (statistics.people, statistics.repeated_people) == (62, 0)

    (folder,) = (app.folder / "jobs").iterdir()
    assert {path.stat().st_mode & 0o77 for path in (folder, *folder.iterdir())} == {0}
    await page.get_by_role("button", name="Remove").tap()
    await expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    await until(lambda: not folder.exists())
    await visitor.close()


async def test_a_hostile_file_stays_text(
    page: Page, watch: Watch, app: Webapp, tmp_path: Path
) -> None:
    """Markup is shown and not run; formulas are written so that no spreadsheet runs them."""
    attack = "<img src=x onerror=\"document.title='owned'\">"
    names = [attack, '=HYPERLINK("https://evil.example","x")', "=cmd()|' /C calc'!A0", " +1+1"]
    people = [*ids(2), "javascript:alert(1)", "@SUM(A1)"]
    upload = tmp_path / "<b>people<b>.csv"
    with upload.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "linkedin_url", "=now()"])
        writer.writerows(
            [name, person, "x;=1+1"] for name, person in zip(names, people, strict=True)
        )
    await page.goto(app.url)
    await page.get_by_label("Or a file").set_input_files(upload)
    await expect(page.get_by_label("People, one a line")).to_be_disabled()
    await page.get_by_role("button", name="Find contacts").click()
    await until(lambda: app.sandbox.statistics().jobs_submitted == 1)
    app.sandbox.release()
    await state(page, "Done")

    await expect(page.locator("#detail-title")).to_have_text("<b>people<b>.csv")
    assert sorted(await page.locator("#rows .name").all_inner_texts()) == sorted(
        name.strip() for name in names
    )
    assert await page.locator("#rows img, #rows a, main b:not([data-of])").count() == 0
    assert await page.title() == "Done · <b>people<b>.csv"
    file_rows = await saved(page)
    assert [row["name"] for row in file_rows] == [attack, *(f"'{name}" for name in names[1:])]
    assert [row["linkedin_url"] for row in file_rows] == [*people[:3], "'@SUM(A1)"]
    assert {row["'=now()"] for row in file_rows} == {"x;'=1+1"}

    # A file that cannot be used costs a sentence, which tells nothing of this machine.
    upload.write_text("a;b\n1;2\n", encoding="utf-8")
    await page.get_by_label("Or a file").set_input_files(upload)
    await page.get_by_role("button", name="Find contacts").click()
    problem = page.locator("#problem")
    await expect(problem).to_contain_text("no column people_search_id or linkedin_url")
    assert str(app.folder) not in await problem.inner_text()
    assert "--" not in await problem.inner_text()
    # A browser says on the console that something was refused.
    (line,) = watch.complaints
    assert "422" in line
    watch.complaints.clear()


async def test_a_keyboard_is_enough(page: Page, app: Webapp) -> None:
    """From the top of the page to a cancelled list, with every stop in sight and in order."""
    await page.goto(app.url)
    await expect(page.locator("#balance")).to_have_text("1,000,000")
    stops = []
    for _ in range(8):
        await page.keyboard.press("Tab")
        focused = page.locator(":focus")
        stops.append(await focused.evaluate("e => e.value && e.type !== 'number' ? e.value : e.id"))
        # Where the input itself is invisible, the frame is around what stands for it.
        around = await focused.evaluate(
            "e => getComputedStyle(e.matches('.choice input') ? e.nextSibling : e).outlineStyle"
        )
        assert around != "none", stops
        if stops[-1] == "people":
            await page.keyboard.type("\n".join(ids(3)))
        if stops[-1] == "phone":
            await page.keyboard.press("Space")
    assert [stop or "skip" for stop in stops] == [
        "skip", "people", "file", "email-work", "email-personal", "phone", "max-credits", "start",
    ]  # fmt: skip
    await expect(page.locator("#estimate")).to_have_text("3 people: at most 45 credits.")
    await page.keyboard.press("Enter")
    await expect(page.locator("#detail-title")).to_be_focused()
    await until(lambda: app.sandbox.statistics().jobs_submitted == 1)
    await expect(page.get_by_role("status")).to_contain_text("Running: 0 of 3 people settled")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_contain_text("Cancelled: 3 of 3 people settled")


async def test_a_killed_server_goes_on_where_it_was(
    page: Page, watch: Watch, tmp_path: Path
) -> None:
    """SIGKILL in the middle: the page says so, the job is offered, and nobody is paid twice."""
    sandbox = HeldSandbox()
    async with SandboxServer(sandbox) as api:
        environment = {
            **os.environ,
            "PUBRIO_API_KEY": "sandbox",
            "PUBRIO_BASE_URL": api.url,
            "PUBRIO_RATE_LIMIT": "1000/second",
        }

        async def start(port: int) -> tuple[asyncio.subprocess.Process, str]:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "examples.webapp", "--port", str(port)),
                *("--folder", str(tmp_path)),
                cwd=ROOT,
                env=environment,
                stdout=asyncio.subprocess.PIPE,
            )
            assert process.stdout is not None
            return process, (await process.stdout.readline()).decode().strip()

        process, url = await start(0)
        try:
            await page.goto(url)
            await paste(page, [*urls(2), *ids(150)], limit=5000)
            await expect(rows(page)).to_have_count(2)
            await until(lambda: sandbox.statistics().jobs_submitted == 2)
            process.send_signal(signal.SIGKILL)
            await process.wait()
            await expect(page.get_by_text("No connection to the server.")).to_be_visible()

            process, url = await start(int(url.rpartition(":")[2]))
            await state(page, "Interrupted")
            await expect(page.locator("#notice")).to_contain_text("2 people are settled and kept")
            sandbox.release()
            await page.get_by_role("button", name="Resume").click()
            await state(page, "Done")
            await expect(rows(page)).to_have_count(152)
            statistics = sandbox.statistics()
            await expect(page.locator("#charged")).to_have_text(f"{statistics.credits_charged:,}")
            assert (statistics.people, statistics.repeated_people) == (152, 0)

            process.send_signal(signal.SIGTERM)
            # An open stream does not hold it up.
            assert await asyncio.wait_for(process.wait(), 5) == -signal.SIGTERM
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    # A browser says on the console that a server is gone; nothing else was said.
    assert all("ERR_" in line for line in watch.complaints), watch.complaints
    watch.complaints.clear()
