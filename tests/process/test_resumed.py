"""What a person does after a crash: look, resolve, and run the command again."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from pubrio_async.models import RunReport
from pubrio_async.scheduler.journal_status import JournalStatus, read_status
from tests.cli.conftest import ids, write_csv
from tests.process.books import assert_balanced, read
from tests.process.conftest import BATCH, QUERY, Api, Ended, StartApi, StartCli, held
from tests.process.proxy import Hold, always_pass

PEOPLE = ids(40)
TYPES = ("email-work", "phone")
SIZE = 5


class Desk:
    """The commands about one journal."""

    def __init__(self, cli: StartCli, api: Api, folder: Path, *, at_once: int) -> None:
        self._cli = cli
        self.api = api
        self.out = folder / "out.csv"
        self.journal = folder / "out.csv.journal"
        self.report = folder / "report.json"
        self.redeem: Sequence[str | Path | int] = [
            "redeem", write_csv(folder / "in.csv", PEOPLE), "-o", self.out,
            "--types", ",".join(TYPES), "--batch-size", SIZE, "--progress", "none",
            "--rate", "unlimited", "--max-concurrency", at_once,
        ]  # fmt: skip
        self.resolve = ["resolve", self.journal, "--progress", "none", "--report", self.report]

    async def run(self, *words: str | Path | int) -> Ended:
        return await (await self._cli(*words, url=self.api.url)).end()

    async def status(self) -> dict[str, Any]:
        # Without a key and without an API.
        ended = await (await self._cli("status", self.journal, "--json")).end()
        assert ended.code == 0, ended.err
        told: dict[str, Any] = msgspec.json.decode(ended.out)
        return told

    async def assert_whole(self) -> None:
        """The output is complete, and the books are balanced."""
        told = read(self.out, PEOPLE)
        assert told.tally().keys() <= {"found", "empty"}
        await assert_balanced(self.api, told, TYPES, self.journal)


async def test_a_run_is_not_disturbed_by_those_who_look(
    cli: StartCli, api: StartApi, tmp_path: Path, hold: Hold
) -> None:
    served = await api(lambda path, number: hold if (path, number) == (BATCH, 4) else "pass")
    desk = Desk(cli, served, tmp_path, at_once=2)
    process = await cli(*desk.redeem, url=served.url)
    await held(hold, process)

    elsewhere = [*desk.redeem, "-o", tmp_path / "other.csv", "--journal", desk.journal]
    first, second, resolve, redeem = await asyncio.gather(
        desk.status(), desk.status(), desk.run(*desk.resolve), desk.run(*elsewhere)
    )
    for status in (first, second):
        assert status["in_use"]
        assert status["people"] >= 5 * SIZE
        # Those of the request that is held, and perhaps those of another one.
        assert status["unsettled"] in {SIZE, 2 * SIZE}
        assert 0 <= status["credits_charged"] <= served.sandbox.statistics().credits_charged
    for refused in (resolve, redeem):
        assert refused.code == 2, refused.err
        assert "by another process or by another run of this one" in refused.err
    assert process.child.returncode is None

    hold.released.set()
    ended = await process.end()
    assert ended.code == 0, ended.err
    status = read_status(desk.journal)
    assert not status.in_use
    assert status.found + status.empty == status.people == len(PEOPLE)
    await desk.assert_whole()
    assert served.proxy.seen[BATCH] == len(PEOPLE) // SIZE


async def test_a_journal_is_read_while_it_is_written(
    cli: StartCli, api: StartApi, tmp_path: Path
) -> None:
    served = await api(latency=0.01)
    desk = Desk(cli, served, tmp_path, at_once=2)
    process = await cli(*desk.redeem, "--batch-size", 2, url=served.url)
    seen: list[JournalStatus] = []

    async def look() -> None:
        while process.child.returncode is None:
            if served.proxy.seen[BATCH]:
                seen.append(await asyncio.to_thread(read_status, desk.journal))
            await asyncio.sleep(0)

    ended, _ = await asyncio.gather(process.end(), look())
    assert ended.code == 0, ended.err
    assert any(status.in_use for status in seen)
    steps = [
        (status.people, status.found + status.empty, status.credits_charged) for status in seen
    ]
    for before, after in itertools.pairwise(steps):
        assert all(now >= then for then, now in zip(before, after, strict=True))
    # Not only the first moment and the last.
    assert len(set(steps)) > 3
    await desk.assert_whole()


async def test_killed_looked_at_resolved_and_run_again(
    cli: StartCli, api: StartApi, tmp_path: Path, hold: Hold
) -> None:
    served = await api(lambda path, number: hold if (path, number) == (BATCH, 4) else "pass")
    desk = Desk(cli, served, tmp_path, at_once=1)
    process = await cli(*desk.redeem, url=served.url)
    await held(hold, process)
    process.child.kill()
    await process.end()

    killed = await desk.status()
    assert not killed["in_use"]
    assert killed["unsettled"] == SIZE
    assert list(killed["reasons"].values()) == [SIZE]
    assert not desk.out.exists()
    submits = served.proxy.seen[BATCH]

    served.proxy.plan = always_pass
    ended = await desk.run(*desk.resolve)
    assert ended.code == 0, ended.err
    assert served.proxy.seen[BATCH] == submits
    report = msgspec.json.decode(desk.report.read_bytes(), type=RunReport)
    resolved = read_status(desk.journal)
    assert (resolved.unsettled, resolved.pending) == (0, 0)
    assert resolved.credits_charged == killed["credits_charged"] + report.credits_charged
    assert resolved.credits_charged == served.sandbox.statistics().credits_charged

    ended = await desk.run(*desk.redeem)
    assert ended.code == 0, ended.err
    assert served.proxy.seen[BATCH] == len(PEOPLE) // SIZE
    await desk.assert_whole()


async def test_killed_with_a_job_open_it_is_pending_until_run_again(
    cli: StartCli, api: StartApi, tmp_path: Path, hold: Hold
) -> None:
    served = await api(lambda path, number: hold if path == QUERY else "pass")
    desk = Desk(cli, served, tmp_path, at_once=1)
    process = await cli(*desk.redeem, url=served.url)
    await held(hold, process)
    process.child.kill()
    await process.end()

    status = read_status(desk.journal)
    assert status.pending >= SIZE
    assert status.credits_charged == 0
    served.proxy.plan = always_pass
    ended = await desk.run(*desk.redeem)
    assert ended.code == 0, ended.err
    assert served.proxy.seen[BATCH] == len(PEOPLE) // SIZE
    await desk.assert_whole()
