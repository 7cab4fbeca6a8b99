"""What the windows of hours and days have seen is in the journal, and a later run counts it."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from pubrio_async import JournalError, MemoryJournal
from pubrio_async.scheduler.journal import Journal
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from pubrio_async.testing import run_virtual
from tests.scheduler.fake_api import Bench, collect, people

HOURLY = "30/hour"


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_a_later_run_counts_what_an_earlier_one_sent(tmp_path: Path, kind: str) -> None:
    async def main() -> None:
        kept = MemoryJournal()

        def journal() -> Journal:
            return kept if kind == "memory" else SqliteJournal(tmp_path / "run.journal")

        rows = people(250)
        first = Bench(HOURLY)
        await collect(first.run(rows[:100], journal=journal()))
        assert first.limiter.available() == 10
        second = Bench(HOURLY)
        assert second.limiter.available() == 30
        started = second.now()
        outcomes = await collect(second.run(rows, journal=journal()))
        assert Counter(outcome.status for outcome in outcomes.values()) == {"found": 250}
        # 15 batches take 30 requests: 10 of them now, and the others an hour after the first run.
        assert second.now() - started > 3_000

    run_virtual(main())


def test_it_is_written_while_the_run_lasts() -> None:
    async def main() -> None:
        bench, journal = Bench(HOURLY), MemoryJournal()
        async with bench.run(people(100), journal=journal, batch_size=10) as run:
            asyncio.get_running_loop().call_later(20, run.stop, "enough")
            await asyncio.sleep(19)
            kept = await journal.load_usage()
            assert kept
            after = Bench(HOURLY)
            after.limiter.restore(kept)
            assert after.limiter.available() == bench.limiter.available()
            async for _ in run:
                pass

    run_virtual(main())


def test_without_such_a_window_nothing_is_written() -> None:
    async def main() -> None:
        journal = MemoryJournal()
        await collect(Bench("300/minute").run(people(100), journal=journal))
        assert await journal.load_usage() is None

    run_virtual(main())


def test_a_journal_that_does_not_take_it_ends_the_run() -> None:
    class Failing(MemoryJournal):
        async def save_usage(self, usage: bytes) -> None:
            msg = f"the disk is full, {len(usage)} bytes"
            raise JournalError(msg)

    async def main() -> None:
        bench = Bench(HOURLY)
        run = bench.run(people(1_000), journal=Failing(), batch_size=10)
        outcomes = await collect(run)
        assert isinstance(run.stopped_by, JournalError)
        ends = Counter(outcome.status for outcome in outcomes.values())
        assert set(ends) == {"found", "skipped"}
        assert ends["skipped"] > 0

    run_virtual(main())
