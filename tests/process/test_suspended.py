"""A process that stands still for a while, as on a laptop that sleeps: it notices, and goes on."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import msgspec

from pubrio_async.models import RunReport
from pubrio_async.sandbox import Sandbox, SandboxConfig
from pubrio_async.sandbox.server import ServerReport
from pubrio_async.scheduler.journal_status import read_status
from tests.cli.conftest import ids, write_csv
from tests.process.books import read, statistics
from tests.process.conftest import LOGS, PATIENCE_S, Process, StartCli

BATCHES = 22
SIZE = 5
PEOPLE = ids(BATCHES * SIZE)
TYPES = ("email-work", "phone")
SEED = 7
WINDOW_S = 1.0
LIMITS = "20/second"
TIMEOUT_S = 2.0
# So that replies are under way when it stops.
LATENCY_S = 0.3
AT_ONCE = 4
STILL_S = 1.25 * (WINDOW_S + TIMEOUT_S)
# While submits alone are under way, and among polls.
MOMENTS = (2, 25)


async def first_line(process: Process) -> str:
    assert process.child.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        return (await process.child.stdout.readline()).decode().strip()


async def until_requests(url: str, least: int) -> int:
    """Waits for so many requests; returns how many there are."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            made: int = (await statistics(url))["statistics"]["requests"]
            if made >= least:
                return made
            await asyncio.sleep(0.01)


async def test_who_stands_still_for_longer_than_all_patience_loses_nothing(
    cli: StartCli, tmp_path: Path
) -> None:
    server = await cli(
        "sandbox", "--seed", SEED, "--limits", LIMITS, "--latency", str(LATENCY_S),
        "--time-scale", "0.1",
    )  # fmt: skip
    url = await first_line(server)
    out, report = tmp_path / "out.csv", tmp_path / "report.json"
    process = await cli(
        "redeem", write_csv(tmp_path / "in.csv", PEOPLE), "-o", out, "--report", report,
        "--types", ",".join(TYPES), "--batch-size", SIZE, "--rate", LIMITS, "--progress", "none",
        "--max-concurrency", AT_ONCE, url=url, timeout=TIMEOUT_S,
    )  # fmt: skip
    for moment in MOMENTS:
        await until_requests(url, moment)
        process.child.send_signal(signal.SIGSTOP)
        await asyncio.sleep(STILL_S / 2)
        made = await until_requests(url, moment)
        await asyncio.sleep(STILL_S / 2)
        assert await until_requests(url, moment) == made
        process.child.send_signal(signal.SIGCONT)
    ended = await process.end()

    assert ended.code == 0, ended.err
    told = read(out, PEOPLE)
    assert told.tally().keys() == {"found", "empty"}
    server.child.send_signal(signal.SIGINT)
    books = msgspec.json.decode((await server.end()).err, type=ServerReport)
    assert books.regrets.double_charges == books.statistics.repeated_people == 0
    assert books.regrets.refused_429 == 0
    assert books.statistics.jobs_submitted == BATCHES
    assert books.statistics.people == len(PEOPLE)
    # The replies had come meanwhile: none was thrown away, and none had to be looked for.
    assert LOGS not in books.statistics.requests_by_path
    twin = Sandbox(SandboxConfig(seed=SEED))
    for person in PEOPLE:
        held = {contact.value for contact in twin.contacts_for(person, TYPES)}
        assert told.contacts[person] == held
        assert told.statuses[person] == ("found" if held else "empty")
    charged = books.statistics.credits_charged
    assert msgspec.json.decode(report.read_bytes(), type=RunReport).credits_charged == charged
    assert read_status(Path(f"{out}.journal")).credits_charged == charged
