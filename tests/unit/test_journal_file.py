"""What a journal has written is on the disk, whoever is killed, and nobody else writes to it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pubrio_async import JournalError
from pubrio_async.models import RedeemJob
from pubrio_async.scheduler.journal import OpenBatch, Settled, Unsettled
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from tests.unit.journals import ADA, BOB, EMPTY, EVE, FOUND, JOB, TYPES, Moving, batch, opened

# What is started in a process of its own is not about its start.
pytestmark = pytest.mark.usefixtures("warm_starts")


async def test_a_step_that_returns_is_on_the_disk(path: Path) -> None:
    async with opened(path) as journal:
        settings = [
            await journal._carry_out(lambda db, name=name: db.execute(f"PRAGMA {name}").fetchone())
            for name in ("journal_mode", "synchronous", "locking_mode")
        ]
    assert settings == [("wal",), (2,), ("exclusive",)]


async def test_a_closed_journal_is_one_file_and_goes_on_where_it_was(path: Path) -> None:
    async with opened(path) as journal:
        await journal.intend(batch("b1", ADA))
        await journal.settle("b1", {ADA: FOUND}, 5)
        await journal.intend(batch("b2", BOB))
        await journal.accepted("b2", JOB)
        await journal.intend(batch("b3", EVE))
    assert os.listdir(path.parent) == [path.name]
    async with opened(path) as journal:
        assert await journal.lookup([ADA, BOB, EVE]) == {ADA: FOUND}
        assert list(await journal.open_batches()) == [
            OpenBatch(batch("b2", BOB), JOB, 1_750_000_000.5, 1_750_000_000.5),
            OpenBatch(batch("b3", EVE), None, None, 1_750_000_000.5),
        ]


async def test_the_same_journal_can_be_opened_again(path: Path) -> None:
    journal = SqliteJournal(path)
    for number in range(3):
        await journal.open(TYPES)
        await journal.intend(batch(f"b{number}", ADA))
        await journal.close()
    await journal.open(TYPES)
    assert len(await journal.open_batches()) == 3
    await journal.close()


async def test_without_a_clock_the_times_are_the_machines(path: Path) -> None:
    journal = SqliteJournal(path)
    await journal.open(TYPES)
    await journal.intend(batch("b1", ADA))
    await journal.accepted("b1", JOB)
    (entry,) = await journal.open_batches()
    await journal.close()
    assert abs((entry.accepted_at or 0) - path.stat().st_mtime) < 60


async def test_times_never_go_back_though_the_clock_does(path: Path) -> None:
    clock = Moving()
    async with opened(path, clock=clock) as journal:
        clock.time = start = 1_750_000_100.0
        await journal.intend(batch("b1", ADA))
        clock.time = 1_700_000_000.0
        await journal.accepted("b1", JOB)
        await journal.intend(batch("b2", BOB))
        await journal.settle("b2", {BOB: EMPTY}, 0)
        assert [
            (entry.intended_at, entry.accepted_at) for entry in await journal.open_batches()
        ] == [(start, start)]
        assert await journal.lookup([BOB], newer_than=start) == {BOB: EMPTY}
        clock.time = 1_750_000_200.0
        await journal.settle("b1", {ADA: FOUND}, 0)
        assert await journal.lookup([ADA, BOB], newer_than=1_750_000_200.0) == {ADA: FOUND}


CRASH = f"""
import asyncio, os, sys
from pubrio_async.models import Contact, RedeemJob
from pubrio_async.scheduler.journal import Batch, Settled
from pubrio_async.scheduler.journal_sqlite import SqliteJournal

async def main(path, last):
    journal = SqliteJournal(path)
    await journal.open({TYPES!r})
    steps = [
        journal.intend(Batch("b1", "single", ({ADA!r},))),
        journal.accepted("b1", RedeemJob("job-1")),
        journal.settle("b1", {{{ADA!r}: Settled("found", {ADA!r})}}, 5),
        journal.intend(Batch("b2", "single", ({BOB!r},))),
        journal.unsettle("b2", "lost"),
        journal.intend(Batch("b3", "single", ({EVE!r},))),
    ]
    for number, step in enumerate(steps):
        if number <= last:
            await step
        else:
            step.close()
    os._exit(9)

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


@pytest.mark.parametrize("last", range(6))
async def test_killed_after_a_step_the_step_is_there(path: Path, last: int) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CRASH, str(path), str(last)
    )
    assert await process.wait() == 9
    async with opened(path) as journal:
        known = await journal.lookup([ADA, BOB, EVE])
        entries = {entry.batch.batch_id: entry.job for entry in await journal.open_batches()}
        charged = (await journal.summary()).credits_charged
    assert (known, entries, charged) == [
        ({}, {"b1": None}, 0),
        ({}, {"b1": RedeemJob("job-1")}, 0),
        ({ADA: Settled("found", ADA)}, {}, 5),
        ({ADA: Settled("found", ADA)}, {"b2": None}, 5),
        ({ADA: Settled("found", ADA), BOB: Unsettled("lost")}, {}, 5),
        ({ADA: Settled("found", ADA), BOB: Unsettled("lost")}, {"b3": None}, 5),
    ][last]


WRITER = f"""
import asyncio, sys
from pubrio_async.scheduler.journal import Batch
from pubrio_async.scheduler.journal_sqlite import SqliteJournal

async def main(path):
    journal = SqliteJournal(path)
    await journal.open({TYPES!r})

    async def writer(name):
        for number in range(1_000_000):
            batch_id = f"{{name}}-{{number}}"
            await journal.intend(Batch(batch_id, "single", (batch_id,)))
            print(batch_id, flush=True)

    await asyncio.gather(*map(writer, range(5)))

asyncio.run(main(sys.argv[1]))
"""


@contextlib.contextmanager
def another_process(path: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A process that writes to the journal for as long as it lives; and what it said it wrote."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = [process.stdout.readline().strip() for _ in range(50)]
        try:
            yield process, said
        finally:
            process.send_signal(signal.SIGKILL)
            said.extend(process.stdout.read().splitlines())


async def test_two_processes_never_share_a_journal_and_a_kill_frees_it(path: Path) -> None:
    with another_process(path) as (_, said):
        with pytest.raises(
            JournalError, match="it is in use, by another process or by another run of this one"
        ):
            await SqliteJournal(path).open(TYPES)
        with pytest.raises(
            JournalError, match="it is in use, by another process or by another run of this one"
        ):
            await SqliteJournal(path).open(())
    async with opened(path) as journal:
        there = {entry.batch.batch_id for entry in await journal.open_batches()}
    assert len(said) >= 50
    # The last line may have been cut off by the kill.
    assert {line for line in said[:-1] if line} <= there


async def test_nor_do_two_journals_of_one_process(path: Path) -> None:
    async with opened(path) as first:
        await first.intend(batch("b1", ADA))
        with pytest.raises(
            JournalError, match="it is in use, by another process or by another run of this one"
        ):
            await SqliteJournal(path).open(TYPES)
        await first.accepted("b1", JOB)
        with another_process_that_opens(path) as verdict:
            assert "it is in use, by another process or by another run of this one" in verdict


@contextlib.contextmanager
def another_process_that_opens(path: Path) -> Iterator[str]:
    script = (
        "import asyncio, sys\n"
        "from pubrio_async.scheduler.journal_sqlite import SqliteJournal\n"
        f"asyncio.run(SqliteJournal(sys.argv[1]).open({TYPES!r}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    yield done.stderr


async def test_only_the_owner_may_read_it(path: Path) -> None:
    before = os.umask(0)
    try:
        async with opened(path) as journal:
            await journal.intend(batch("b1", ADA))
            files = sorted(path.parent.iterdir())
            assert [file.name for file in files] == [path.name, f"{path.name}-wal"]
            assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    finally:
        os.umask(before)


async def test_what_was_bought_elsewhere_is_not_taken_for_bought_here(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    for origin in ("the sandbox", None, "the sandbox"):
        journal = SqliteJournal(path, origin=origin)
        await journal.open(TYPES)
        await journal.close()
    with pytest.raises(JournalError, match=r"bought at the sandbox, and this run asks https://a"):
        await SqliteJournal(path, origin="https://api.pubrio.com").open(TYPES)
    journal = SqliteJournal(path, origin="the sandbox")
    await journal.open(TYPES)  # the refusal let go of the file
    await journal.close()
