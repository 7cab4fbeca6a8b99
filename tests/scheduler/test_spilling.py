"""The journal of a run that keeps none moves to a file when it grows, and nobody notices."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pubrio_async.models import Contact, RedeemJob
from pubrio_async.scheduler.journal import Batch, Settled, Unsettled
from pubrio_async.scheduler.journal_memory import MemoryJournal
from pubrio_async.scheduler.journal_spill import SpillingJournal
from pubrio_async.testing import VirtualClock
from tests.scheduler.fake_api import Bench, people

FOUND = Settled("found", emails=(Contact("ada@example.com"),))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


async def fill(journal: MemoryJournal | SpillingJournal) -> list[str]:
    """Batches in every state; gives the people in them."""
    keys = people(12)
    await journal.open(("email-work",))
    for number in range(6):
        batch = Batch(f"b{number}", "batch", tuple(keys[2 * number : 2 * number + 2]))
        await journal.intend(batch)
        if number in {0, 1, 3}:
            await journal.accepted(batch.batch_id, RedeemJob(f"job-{number}"))
    await journal.unsettle("b1", "the job is gone")
    await journal.unsettle("b2", "the answer is lost")
    await journal.withdraw("b5")
    await journal.settle("b0", dict.fromkeys(keys[:2], FOUND), 10)
    return keys


async def look(journal: MemoryJournal | SpillingJournal, keys: list[str]) -> object:
    entries = [(e.batch, e.job) for e in await journal.open_batches()]
    return (
        await journal.lookup(keys),
        sorted(entries, key=str),
        sorted(await journal.unsettled_people()),
        await journal.summary(),
    )


async def test_moved_to_a_file_it_knows_what_it_knew(folder: Path) -> None:
    memory, spilling = MemoryJournal(), SpillingJournal(VirtualClock(), most_in_memory=1)
    keys = await fill(memory)
    assert keys == await fill(spilling)
    assert list(folder.glob("pubrio-*/journal"))
    assert await look(spilling, keys) == await look(memory, keys)
    ends = await spilling.lookup(keys)
    assert isinstance(ends[keys[2]], Unsettled)
    await spilling.reopen_unsettled()
    await memory.reopen_unsettled()
    assert await look(spilling, keys) == await look(memory, keys)
    await spilling.close()
    await spilling.close()
    assert not list(folder.iterdir())


async def test_few_people_need_no_file(folder: Path) -> None:
    journal = SpillingJournal(VirtualClock())
    await fill(journal)
    assert not list(folder.iterdir())
    await journal.close()


async def test_many_people_move_to_a_file_unasked(folder: Path) -> None:
    journal, keys = SpillingJournal(VirtualClock()), people(5_001)
    await journal.open(("email-work",))
    for start in range(0, 5_001, 1_000):
        assert not list(folder.iterdir())
        batch = Batch(f"b{start}", "batch", tuple(keys[start : start + 1_000]))
        await journal.intend(batch)
        await journal.settle(batch.batch_id, dict.fromkeys(batch.keys, FOUND), 1)
    assert list(folder.glob("pubrio-*/journal"))
    assert await journal.lookup(keys[:3]) == dict.fromkeys(keys[:3], FOUND)
    await journal.close()
    assert not list(folder.iterdir())


async def test_where_there_is_no_room_it_stays_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    journal = SpillingJournal(VirtualClock(), most_in_memory=1)
    memory = MemoryJournal()
    keys = await fill(journal)
    await fill(memory)
    assert await look(journal, keys) == await look(memory, keys)
    await journal.close()


async def test_steps_that_come_while_it_moves_wait_and_are_not_lost(folder: Path) -> None:
    journal = SpillingJournal(VirtualClock(), most_in_memory=5)
    await journal.open(("email-work",))
    keys = people(40)

    async def redeem(number: int) -> None:
        batch = Batch(f"b{number}", "single", (keys[number],))
        await journal.intend(batch)
        await asyncio.sleep(0)
        await journal.settle(batch.batch_id, {keys[number]: FOUND}, 1)

    await asyncio.gather(*map(redeem, range(40)))
    assert len(await journal.lookup(keys)) == 40
    assert (await journal.summary()).credits_charged == 40
    await journal.close()
    assert not list(folder.iterdir())


async def test_a_run_without_a_journal_serves_duplicates_from_the_file(folder: Path) -> None:
    bench, rows = Bench("unlimited"), people(100)
    bench.api.latency = 0.0
    bench.api.duration = lambda size: 0.0
    all_settled = asyncio.Event()

    async def twice() -> AsyncIterator[str]:
        for row in rows:
            yield row
        await all_settled.wait()
        for row in rows:
            yield row

    run = bench.run(twice(), journal=SpillingJournal(bench.clock, most_in_memory=10))
    statuses: Counter[str] = Counter()
    async with run:
        async for outcome in run:
            statuses[outcome.status] += 1
            if statuses.total() == len(rows):
                assert list(folder.glob("pubrio-*/journal"))
                all_settled.set()
    assert statuses == {"found": 200}
    assert set(bench.api.charged.values()) == {1}
    assert not list(folder.iterdir())
