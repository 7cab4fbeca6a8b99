"""The thread of a journal: steps share commits, and none is lost though its caller is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pubrio_async import JournalError
from pubrio_async.scheduler import journal_sqlite
from pubrio_async.scheduler.journal_file import JournalFile
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from pubrio_async.testing import VirtualClock, run_virtual
from tests.unit.journals import (
    ADA,
    BOB,
    EVE,
    FOUND,
    JOB,
    TYPES,
    batch,
    figures,
    no_thread_is_left,
    opened,
    thick_and_fast,
)


async def test_steps_share_their_commits(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups: list[int] = []
    carry_out = JournalFile.carry_out

    def counted(file: JournalFile, steps: Sequence[Any]) -> list[Any]:
        groups.append(len(steps))
        return carry_out(file, steps)

    monkeypatch.setattr(JournalFile, "carry_out", counted)

    async def one(number: int) -> None:
        await journal.intend(batch(f"b{number}", ADA))
        await journal.accepted(f"b{number}", JOB)

    async with opened(path) as journal:
        await asyncio.gather(*map(one, range(200)))
    assert sum(groups) == 400
    assert len(groups) <= 4


async def test_few_steps_do_not_wait_for_others(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_sqlite, "_SPACING_S", 3_600.0)
    async with opened(path) as journal:
        for number in range(4):
            await journal.intend(batch(f"b{number}", ADA))
            await journal.accepted(f"b{number}", JOB)
            await journal.settle(f"b{number}", {ADA: FOUND}, 5)


async def test_many_steps_do_not_wait_for_more(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    thick_and_fast(monkeypatch)
    async with opened(path) as journal:
        await journal.intend(batch("b", ADA))  # the first goes at once
        many = [asyncio.create_task(journal.intend(batch(f"b{n}", ADA))) for n in range(128)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in many)
        await asyncio.gather(*many)


async def test_nobody_waits_for_others_when_no_more_come(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as in a run with few workers, all of whom wait for the disk."""
    thick_and_fast(monkeypatch)
    monkeypatch.setattr(journal_sqlite, "_PAUSE_S", 0.001)
    async with opened(path) as journal:
        for number in range(4):
            await journal.intend(batch(f"b{number}", ADA))


async def test_a_busy_loop_is_not_taken_for_one_in_which_all_wait(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    thick_and_fast(monkeypatch)
    async with opened(path) as journal:
        await journal.intend(batch("b1", ADA))  # the first goes at once
        second = asyncio.create_task(journal.intend(batch("b2", BOB)))
        await asyncio.sleep(0)
        gathering, now = journal._gathering, asyncio.get_running_loop().time()
        assert gathering is not None
        gathering.cancel()
        journal._gathered(now - 7_200.0, 1)  # nobody came, since the loop was at something else
        assert journal._gathering not in {gathering, None}
        journal._gathering.cancel()
        journal._gathered(now, 1)
        await second


async def test_who_reads_does_not_wait_for_others_to_come(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    thick_and_fast(monkeypatch)
    async with opened(path) as journal:
        await journal.intend(batch("b1", ADA))  # the first goes at once
        second = asyncio.create_task(journal.accepted("b1", JOB))
        third = asyncio.create_task(journal.intend(batch("b2", BOB)))
        await asyncio.sleep(0)
        assert not second.done()
        assert not third.done()
        assert await journal.lookup([ADA]) == {}
        assert second.done()
        assert third.done()
        fourth = asyncio.create_task(journal.intend(batch("b3", EVE)))
        await asyncio.sleep(0)
    assert fourth.done()  # nor does who closes it


async def test_a_step_goes_through_though_its_caller_is_cancelled(path: Path) -> None:
    async with opened(path) as journal:
        first = asyncio.create_task(journal.intend(batch("b1", ADA)))
        second = asyncio.create_task(journal.intend(batch("b1", ADA)))  # will fail, unheard
        await asyncio.sleep(0)
        first.cancel()
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        assert first.cancelled()
        assert [entry.batch.batch_id for entry in await journal.open_batches()] == ["b1"]


async def test_closing_carries_out_what_was_asked_for_before(path: Path) -> None:
    journal = SqliteJournal(path)
    await journal.open(TYPES)
    steps = [asyncio.create_task(journal.intend(batch(f"b{n}", ADA))) for n in range(20)]
    await asyncio.sleep(0)
    closing = [asyncio.create_task(journal.close()) for _ in range(2)]
    await asyncio.gather(*steps, *closing)
    no_thread_is_left()
    async with opened(path) as again:
        assert len(await again.open_batches()) == 20


async def test_closing_goes_through_though_its_caller_is_cancelled(path: Path) -> None:
    journal = SqliteJournal(path)
    await journal.open(TYPES)
    closing = asyncio.create_task(journal.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    assert closing.cancelled()
    with pytest.raises(JournalError, match="it is not open"):
        await journal.summary()
    await journal.open(TYPES)  # waits for the end of the closing
    assert await journal.summary() == figures()
    await journal.close()


async def test_a_cancelled_opening_leaves_nothing_open(path: Path) -> None:
    journal = SqliteJournal(path)
    opening = asyncio.create_task(journal.open(TYPES))
    await asyncio.sleep(0)
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    assert opening.cancelled()
    await journal.close()
    no_thread_is_left()
    async with opened(path):
        pass


async def test_steps_asked_for_while_it_opens_wait_for_it(path: Path) -> None:
    journal = SqliteJournal(path)
    opening = asyncio.create_task(journal.open(TYPES))
    await asyncio.sleep(0)
    await journal.intend(batch("b1", ADA))
    await opening
    await journal.close()


async def test_steps_asked_for_while_the_opening_fails_fail_with_it(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path)
    opening = asyncio.create_task(journal.open(TYPES))
    await asyncio.sleep(0)
    steps = [asyncio.create_task(journal.intend(batch(name, ADA))) for name in ("b1", "b2")]
    await asyncio.sleep(0)
    steps[0].cancel()
    closing = asyncio.create_task(journal.close())
    outcomes = await asyncio.gather(opening, *steps, closing, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [
        JournalError,
        asyncio.CancelledError,
        JournalError,
        type(None),
    ]
    assert "it is a folder" in str(outcomes[2])


def test_in_virtual_time_no_time_passes(path: Path) -> None:
    async def main() -> float:
        clock = VirtualClock()
        journal = SqliteJournal(path, clock)
        async with asyncio.timeout(0.001):
            await journal.open(TYPES)
            for number in range(10):
                await journal.intend(batch(f"b{number}", ADA))
            await journal.close()
        return clock.now()

    assert run_virtual(main()) == 0.0
