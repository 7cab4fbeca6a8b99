"""The journal of a run that keeps none puts results on a file when it grows; nobody notices."""

from __future__ import annotations

import asyncio
import errno
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pubrio_async.models import Contact, RedeemJob
from pubrio_async.scheduler import shelf
from pubrio_async.scheduler.journal import Batch, Settled, Unsettled
from pubrio_async.scheduler.journal_memory import MemoryJournal
from pubrio_async.scheduler.journal_spill import SpillingJournal
from pubrio_async.scheduler.shelf import Places
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


async def settle(journal: SpillingJournal, batch_id: str, keys: list[str]) -> None:
    await journal.intend(Batch(batch_id, "batch", tuple(keys)))
    await journal.settle(batch_id, dict.fromkeys(keys, FOUND), len(keys))


class Disk:
    """Temporary files, made by the real thing, that may be held up or refuse to be written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files: list[IO[bytes]] = []
        self.written = 0
        self.wrote = threading.Event()
        self.room = sys.maxsize
        self.open = threading.Event()
        self.open.set()
        self._make = tempfile.TemporaryFile
        monkeypatch.setattr(tempfile, "TemporaryFile", self.make)
        monkeypatch.setattr(shelf, "_WRITE_BYTES", 1)

    def make(self, *args: Any, **kwargs: Any) -> Any:
        disk, file = self, self._make(*args, **kwargs)
        write = file.write

        class Watched:
            def write(self, data: bytes) -> int:
                assert disk.open.wait(30)
                if disk.written + len(data) > disk.room:
                    raise OSError(errno.ENOSPC, "No space left on device")
                disk.written += len(data)
                disk.wrote.set()
                return write(data)

            def __getattr__(self, name: str) -> Any:
                return getattr(file, name)

        self.files.append(file)
        return Watched()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


async def test_on_the_shelf_it_knows_what_it_knew(folder: Path, disk: Disk) -> None:
    memory, spilling = MemoryJournal(), SpillingJournal(VirtualClock(), most_in_memory=1)
    keys = await fill(memory)
    assert keys == await fill(spilling)
    assert await look(spilling, keys) == await look(memory, keys)
    ends = await spilling.lookup(keys)
    assert isinstance(ends[keys[2]], Unsettled)
    await spilling.reopen_unsettled()
    await memory.reopen_unsettled()
    assert await look(spilling, keys) == await look(memory, keys)
    assert await asyncio.to_thread(disk.wrote.wait, 30)  # a thread of its own writes
    assert not list(folder.iterdir()), "a kill would leave it behind"
    await spilling.close()
    await spilling.close()
    assert all(file.closed for file in disk.files)


async def test_few_people_need_no_file(disk: Disk) -> None:
    journal = SpillingJournal(VirtualClock())
    await fill(journal)
    await journal.close()
    assert not disk.files


async def test_people_are_found_however_many_and_mixed(disk: Disk) -> None:
    journal = SpillingJournal(VirtualClock(), most_in_memory=20)
    await journal.open(("email-work",))
    keys = people(300)
    keys[7::13] = [f"https://www.linkedin.com/in/somebody-{n}" for n in range(len(keys[7::13]))]
    for start in range(0, 300, 7):
        await settle(journal, f"b{start}", keys[start : start + 7])
        assert await journal.lookup([keys[start], keys[start // 2], "nobody"]) == dict.fromkeys(
            {keys[start], keys[start // 2]}, FOUND
        )
    assert await journal.lookup(keys) == dict.fromkeys(keys, FOUND)
    assert await journal.lookup(keys, newer_than=journal._clock.wall() + 1) == {}
    assert (await journal.summary()).found == 300
    await journal.close()


async def test_where_there_is_no_folder_it_stays_in_memory(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    monkeypatch.setattr(shelf, "_WRITE_BYTES", 1)
    journal, memory = SpillingJournal(VirtualClock(), most_in_memory=1), MemoryJournal()
    keys = await fill(journal)
    await fill(memory)
    assert await look(journal, keys) == await look(memory, keys)
    await settle(journal, "more", people(20, seed=2))
    assert len(await journal.lookup(people(20, seed=2))) == 20
    await journal.close()
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_on_a_full_disk_the_rest_stays_in_memory(
    disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    journal, keys = SpillingJournal(VirtualClock(), most_in_memory=5), people(200)
    disk.room = 3_000
    await journal.open(("email-work",))
    for start in range(0, 200, 10):
        await settle(journal, f"b{start}", keys[start : start + 10])
        assert await asyncio.to_thread(disk.wrote.wait, 30)
        await journal.lookup(keys[:1])  # lets what is being written end
    assert 0 < disk.written <= disk.room
    assert await journal.lookup(keys) == dict.fromkeys(keys, FOUND)
    await journal.close()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "ada@" not in caplog.text


async def test_a_slow_disk_slows_the_run_and_loses_nothing(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "_MOST_WAITING_BYTES", 400)
    journal, keys = SpillingJournal(VirtualClock(), most_in_memory=5), people(100)
    await journal.open(("email-work",))
    disk.open.clear()
    for start in range(0, 40, 10):
        last = asyncio.ensure_future(settle(journal, f"b{start}", keys[start : start + 10]))
        for _ in range(20):
            await asyncio.sleep(0)
        if not last.done():
            break
    else:
        pytest.fail("nobody waits for the disk")
    disk.open.set()
    await last
    assert await journal.lookup(keys[: start + 10]) == dict.fromkeys(keys[: start + 10], FOUND)
    await journal.close()


@pytest.mark.parametrize("waiting", ["room", "close"])
async def test_a_disk_that_fails_while_somebody_waits_for_it_fails_nobody(
    disk: Disk,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    waiting: str,
) -> None:
    monkeypatch.setattr(shelf, "_MOST_WAITING_BYTES", 0 if waiting == "room" else 1 << 20)
    journal, keys = SpillingJournal(VirtualClock(), most_in_memory=5), people(10)
    await journal.open(("email-work",))
    disk.room = 0
    disk.open.clear()
    step = asyncio.ensure_future(settle(journal, "b", keys))
    if waiting == "close":
        await step
        step = asyncio.ensure_future(journal.close())
    for _ in range(20):
        await asyncio.sleep(0)
    assert not step.done()
    disk.open.set()
    await step
    if waiting == "room":
        assert await journal.lookup(keys) == dict.fromkeys(keys, FOUND)
        await journal.close()
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_closed_while_it_writes_it_leaves_nothing_open(disk: Disk) -> None:
    journal = SpillingJournal(VirtualClock(), most_in_memory=5)
    await journal.open(("email-work",))
    disk.open.clear()
    await settle(journal, "b", people(10))
    closing = asyncio.ensure_future(journal.close())
    for _ in range(20):
        await asyncio.sleep(0)
    assert not closing.done()
    disk.open.set()
    await closing
    assert [file.closed for file in disk.files] == [True]


async def test_a_run_without_a_journal_serves_duplicates_from_the_file(disk: Disk) -> None:
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
                all_settled.set()
    assert disk.written > 0
    assert statuses == {"found": 200}
    assert set(bench.api.charged.values()) == {1}
    assert all(file.closed for file in disk.files)


@given(st.lists(st.tuples(st.sampled_from(range(300)), st.integers(0, 2**32 - 1))))
def test_places_are_those_of_a_dictionary(entries: list[tuple[int, int]]) -> None:
    class Hashed(bytes):
        def __hash__(self) -> int:  # all in one bucket, and the parts that are kept look alike
            return (int.from_bytes(self, "big") * 0x0101) << 13

    places, known = Places(), dict[Hashed, int]()
    for person, number in entries:
        key = Hashed(person.to_bytes(2, "big"))
        places.put([key], number)
        known[key] = number
    for person in range(300):
        key = Hashed(person.to_bytes(2, "big"))
        assert places.get(key) == known.get(key)
