"""The log beside a journal is read with the file it belongs to, and with no other."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import os
import re
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path

import pytest

from pubrio_async import JournalError
from pubrio_async.scheduler import journal_wal
from pubrio_async.scheduler.journal import Batch, Settled
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from pubrio_async.scheduler.journal_status import read_status
from pubrio_async.scheduler.journal_wal import Wal
from tests.unit.journals import ADA, BOB, TYPES, batch, opened, seen
from tests.unit.test_journal_migration import restored

FOREIGN = "was left by a run that wrote another journal, or this one at another time"
MISSING = "was killed, and the file that it left beside it"


def copy(source: Path, target: Path, *endings: str) -> Path:
    """Copies a journal, or one of its two files."""
    target.parent.mkdir(exist_ok=True)
    for end in endings or ("", "-wal"):
        shutil.copy(source.with_name(source.name + end), target.with_name(target.name + end))
    return target


async def fill(journal: SqliteJournal, names: str) -> None:
    """Buys a hundred people for each letter."""
    for name in names:
        people = tuple(f"{name}-{number}" for number in range(100))
        await journal.intend(Batch(f"b-{name}", "batch", people))
        found = {key: Settled("found", key) for key in people}
        await journal.settle(f"b-{name}", found, 100)


async def bought(path: Path) -> str:
    """The letters for which a journal holds the people."""
    async with opened(path) as journal:
        known = await journal.lookup([f"{one}-{n}" for one in "abcdefgh" for n in range(100)])
    letters = "".join(sorted({key[0] for key in known}))
    assert len(known) == 100 * len(letters)
    return letters


async def refused(path: Path, why: str) -> None:
    """Neither a run nor a look can use it, and nothing has changed."""
    before = seen(path)
    for types in (TYPES, ()):
        with pytest.raises(JournalError, match=why):
            await SqliteJournal(path).open(types)
        assert seen(path) == before
    with pytest.raises(JournalError, match=why):
        read_status(path)
    assert seen(path) == before


async def killed(path: Path, names: str, kept: str = "") -> Path:
    """What a killed run leaves that has bought people, some of them in a run before."""
    with tempfile.TemporaryDirectory() as folder:
        running = Path(folder) / "journal"
        async with opened(running) as journal:
            await fill(journal, kept)
        async with opened(running) as journal:
            await fill(journal, names)
            return copy(running, path)


async def test_another_journal_is_not_mixed_with_what_a_killed_run_left(
    path: Path, tmp_path: Path
) -> None:
    await killed(tmp_path / "left", "cd", kept="ab")
    async with opened(tmp_path / "other") as journal:
        await fill(journal, "efgh")
    copy(tmp_path / "other", path, "")
    copy(tmp_path / "left", path, "-wal")
    await refused(path, FOREIGN)
    copy(tmp_path / "left", path, "")
    assert await bought(path) == "abcd"


async def test_nor_is_one_that_was_all_in_the_log(path: Path, tmp_path: Path) -> None:
    """Its log alone is a whole journal, and would overwrite the other one."""
    await killed(tmp_path / "left", "a")
    async with opened(tmp_path / "other") as journal:
        await fill(journal, "bc")
    copy(tmp_path / "other", path, "")
    copy(tmp_path / "left", path, "-wal")
    await refused(path, FOREIGN)
    Path(f"{path}-wal").unlink()
    assert await bought(path) == "bc"


@pytest.mark.parametrize("number", [1, 3, 4, 5])
async def test_nor_is_one_whose_tables_begin_elsewhere(
    path: Path, tmp_path: Path, number: int
) -> None:
    old = restored(tmp_path / "old", number)
    async with opened(old):
        pass
    await killed(tmp_path / "left", "abcdefgh")
    for mine, other in ((tmp_path / "left", old), (old, tmp_path / "left")):
        async with opened(mine) as journal:
            await journal.intend(batch("b-more", ADA))
            copy(mine, path, "-wal")
        async with opened(other):
            pass
        copy(other, path, "")
        await refused(path, FOREIGN)


async def test_an_older_copy_is_not_mixed_with_what_was_written_since(path: Path) -> None:
    async with opened(path) as journal:
        await fill(journal, "ab")
    copy(path, path.with_name("backup") / "journal", "")
    async with opened(path) as journal:
        await fill(journal, "c")
    async with opened(path) as journal:
        await fill(journal, "d")
        left = copy(path, path.with_name("left") / "journal")
    copy(path.with_name("backup") / "journal", left, "")
    await refused(left, FOREIGN)
    Path(f"{left}-wal").unlink()
    assert await bought(left) == "ab"


async def test_a_file_that_went_on_elsewhere_is_not_mixed_with_what_was_left(path: Path) -> None:
    """Somebody took both to another machine, let the run end there, and brought the file back."""
    left = await killed(path, "ab")
    elsewhere = copy(left, path.parents[1] / "elsewhere" / "journal")
    async with opened(elsewhere) as journal:
        await fill(journal, "c")
    copy(elsewhere, left, "")
    await refused(left, FOREIGN)
    Path(f"{left}-wal").unlink()
    assert await bought(left) == "abc"


async def test_a_journal_whose_log_is_missing_is_not_taken_for_all_there_is(path: Path) -> None:
    left = await killed(path, "ab")
    moved = copy(left, path.with_name("moved") / "journal", "")
    await refused(moved, MISSING)
    Path(f"{moved}-wal").touch()
    assert await bought(moved) == ""
    assert await bought(moved) == ""
    assert await bought(left) == "ab"


async def test_one_that_was_cut_off_before_its_table_was_there_goes_on(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where SQLite leaves pages that are free as they were, another table still stands there."""
    old = restored(path, 5)
    with contextlib.closing(sqlite3.connect(old, isolation_level=None)) as db:
        db.execute("PRAGMA secure_delete = OFF")
        for _ in range(9):
            db.execute("INSERT INTO log (entries) VALUES (zeroblob(3000))")
        db.execute("DELETE FROM log")
    carried: list[Path] = []
    pair = Wal._pair

    def watched(self: Wal, *, has_log: bool) -> None:
        pair(self, has_log=has_log)
        carried.append(copy(path, tmp_path / str(len(carried)) / "journal"))

    with monkeypatch.context() as patch:
        patch.setattr(Wal, "_pair", watched)
        async with opened(path) as journal:
            held = await journal.summary()
    before, after = carried[0].read_bytes(), carried[1].read_bytes()
    size = int.from_bytes(before[16:18], "big")
    # The first page is carried over first.
    carried[0].write_bytes(after[:size] + before[size:])
    async with opened(carried[0]) as journal:
        assert await journal.summary() == held


async def test_no_file_is_made_where_both_were_moved_away(path: Path) -> None:
    moved = path.with_name("moved")
    async with opened(path) as journal:
        await fill(journal, "a")
        for end in ("", "-wal"):
            Path(f"{path}{end}").rename(f"{moved}{end}")
    assert not path.exists()
    assert await bought(moved) == "a"


@pytest.mark.parametrize("content", [b"people_search_id\n" * 1_000, b"xy", bytes(9_000), None])
async def test_what_cannot_be_read_does_not_get_what_is_in_the_log(
    path: Path, tmp_path: Path, content: bytes | None
) -> None:
    """Neither another file is written over, nor is what was left lost to the beginning of one."""
    await killed(tmp_path / "left", "cd", kept="ab")
    copy(tmp_path / "left", path, "-wal")
    whole = (tmp_path / "left").read_bytes()
    path.write_bytes(whole[:40_000] if content is None else content)
    await refused(path, "it is damaged")
    copy(tmp_path / "left", path, "")
    assert await bought(path) == "abcd"


async def amid_it(path: Path, monkeypatch: pytest.MonkeyPatch, names: str) -> list[Path]:
    """A journal with a log that tells all, before and after it is carried over for the last time.

    Without names, for the first time.
    """
    moments: list[Path] = []
    carry_over = Wal._carry_over

    def watched(self: Wal) -> None:
        moments.append(copy(path, path.parents[1] / str(len(moments)) / "journal"))
        carry_over(self)
        moments.append(copy(path, path.parents[1] / str(len(moments)) / "journal"))

    with monkeypatch.context() as patch:
        patch.setattr(journal_wal, "_PAGES", 4)
        patch.setattr(Wal, "_carry_over", watched)
        async with opened(path) as journal:
            await fill(journal, names)
    return moments[-2:] if names else moments[:2]


@pytest.mark.parametrize(
    ("names", "how"), [("ab", "not on the disk"), ("ab", "torn"), ("", "but for the first page")]
)
async def test_one_that_was_cut_off_amid_it_twice_goes_on(
    path: Path, monkeypatch: pytest.MonkeyPatch, names: str, how: str
) -> None:
    """The second time before much of the file had come to the disk."""
    before, after = await amid_it(path, monkeypatch, names)
    left, cut_off = path.parents[1] / "left" / "journal", path.parents[1] / "cut off" / "journal"
    was, now, size = before.read_bytes(), after.read_bytes(), 8_192
    read = {
        "not on the disk": now,
        "torn": now[:100] + bytes(400) + now[500:],
        "but for the first page": was[:size] + now[size:],
    }[how]
    copy(after, left)
    left.write_bytes(read)
    carry_over = Wal._carry_over

    def watched(self: Wal) -> None:
        if not cut_off.exists():
            copy(left, cut_off)
        carry_over(self)

    with monkeypatch.context() as patch:
        patch.setattr(Wal, "_carry_over", watched)
        assert await bought(left) == names
    on_disk = was if how == "not on the disk" else left.read_bytes()[:size] + read[size:]
    cut_off.write_bytes(on_disk)
    assert await bought(cut_off) == names


async def test_what_a_look_left_that_was_cut_off_does_not_stay(path: Path) -> None:
    left = await killed(path, "ab")
    Path(f"{left}-shm").touch()
    assert await bought(left) == "ab"
    assert list(left.parent.iterdir()) == [left]


async def test_a_log_that_cannot_be_opened_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_path: str) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    await killed(path, "ab")
    with monkeypatch.context() as patch:
        patch.setattr(journal_wal, "FileIO", fails)
        with pytest.raises(JournalError, match="it cannot be opened"):
            await SqliteJournal(path).open(TYPES)
    assert await bought(path) == "ab"


async def everything(path: Path) -> tuple[str, list[str]]:
    """Who is known, and the batches that are open."""
    async with opened(path) as journal:
        known = await journal.lookup([f"{one}-0" for one in "abc"])
        batches = [entry.batch.batch_id for entry in await journal.open_batches()]
    return "".join(key[0] for key in known), batches


def is_begun(path: Path) -> bool:
    """Whether anything was written to a log since it was made."""
    log = Path(f"{path}-wal")
    return log.exists() and any(log.read_bytes()[:32])


async def moments_of(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Copies of a journal before and after each write, also of those that carry over its log."""
    moments: list[Path] = []

    def snap() -> None:
        moments.append(copy(path, folder / str(len(moments)) / "journal"))

    def watched(self: Wal, *, has_log: bool) -> None:
        snap()
        pair(self, has_log=has_log)
        snap()

    pair = Wal._pair
    with monkeypatch.context() as patch:
        patch.setattr(journal_wal, "_PAGES", 5)
        patch.setattr(Wal, "_pair", watched)
        for names in ("ab", "c"):
            async with opened(path) as journal:
                for name in names:
                    await journal.intend(batch(f"open-{name}", name))
                    await fill(journal, name)
                    snap()
                    await journal.withdraw(f"open-{name}")
    moments.append(copy(path, folder / "closed" / "journal", ""))
    return moments


async def test_of_all_moments_only_those_that_make_a_whole_go_together(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file of each moment of a journal's life with the log of every other one."""
    moments = await moments_of(path, tmp_path, monkeypatch)
    both = tmp_path / "both" / "journal"
    holds = [await everything(copy(moment, both)) for moment in moments[:-1]]
    assert len({str(held) for held in holds}) > 4
    assert [held[0] for held in holds] == sorted(held[0] for held in holds)
    together = 0
    for (file, at), (log, then) in itertools.permutations(enumerate(moments), 2):
        if is_begun(then):
            copy(at, both, "")
            copy(then, both, "-wal")
            try:
                seen_together = await everything(both)
            except JournalError as error:
                assert re.search(f"{FOREIGN}|{MISSING}", str(error))  # noqa: PT017 - or it is read
            else:
                assert seen_together == holds[log], (file, log)
                together += 1
    # Those between which it was not carried over, or not begun anew; and no others.
    assert len(moments) <= together <= len(moments) ** 2 / 3


async def test_one_that_was_cut_off_amid_it_is_not_missing_after_a_refusal(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run for other contact types lets SQLite fold it in, at any moment of its life."""
    both = tmp_path / "both" / "journal"
    for moment in (await moments_of(path, tmp_path, monkeypatch))[1:-1]:
        holds = await everything(copy(moment, both))
        copy(moment, both)
        for _ in range(2):
            with pytest.raises(JournalError, match="not for phone;"):
                await SqliteJournal(both).open(("phone",))
        assert await everything(both) == holds
        assert list(both.parent.iterdir()) == [both]


async def test_it_is_carried_over_before_it_is_much_longer_than_it_should_be(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_wal, "_ROOM", 0)
    monkeypatch.setattr(journal_wal, "_PAGES", 100)
    async with opened(path) as journal:
        room = 100 * 8_216
        longest = 0
        for number in range(100):
            await fill(journal, chr(1_000 + number))
            longest = max(longest, Path(f"{path}-wal").stat().st_size)
    assert room < longest < room * 1.2


async def test_whoever_lets_sqlite_fold_it_in_leaves_a_whole_journal(path: Path) -> None:
    left = await killed(path, "ab")
    with contextlib.closing(sqlite3.connect(left)) as db:
        db.execute("SELECT COUNT(*) FROM batches").fetchone()
    assert not Path(f"{left}-wal").exists()
    assert await bought(left) == "ab"


FORGETFUL = f"""
import asyncio, sys
from pubrio_async.scheduler.journal import Batch, Settled
from pubrio_async.scheduler.journal_sqlite import SqliteJournal

async def main(path):
    global journal
    journal = SqliteJournal(path)
    await journal.open({TYPES!r})
    people = tuple(f"a-{{number}}" for number in range(100))
    await journal.intend(Batch("b", "batch", people))
    await journal.settle("b", {{key: Settled("found", key) for key in people}}, 100)

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.usefixtures("warm_starts")
async def test_a_journal_that_nobody_closed_is_whole(path: Path) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", FORGETFUL, str(path))
    assert await process.wait() == 0
    assert await bought(path) == "a"


async def failing(
    path: Path, monkeypatch: pytest.MonkeyPatch, writes: list[bool], name: str
) -> SqliteJournal:
    """A journal whose log cannot be begun anew, as the disk lets through only some writes."""
    journal = SqliteJournal(path)
    await journal.open(TYPES)
    pair = Wal._pair

    def fails(self: Wal, *, has_log: bool) -> None:
        if not writes or writes.pop(0):
            pair(self, has_log=has_log)
            return
        error = sqlite3.OperationalError("planted")
        error.sqlite_errorname = name
        raise error

    monkeypatch.setattr(journal_wal, "_PAGES", 5)
    monkeypatch.setattr(Wal, "_pair", fails)
    return journal


@pytest.mark.parametrize("failing_at", [(0,), (1,), (1, 2), (1, 2, 3)])
async def test_without_room_to_begin_it_anew_nothing_is_lost(
    path: Path, monkeypatch: pytest.MonkeyPatch, failing_at: tuple[int, ...]
) -> None:
    writes = [number not in failing_at for number in range(4)]
    journal = await failing(path, monkeypatch, writes, "SQLITE_FULL")
    older = copy(path, path.parents[1] / "older" / "journal", "")
    await fill(journal, "a")
    assert await journal.lookup(["a-0"]) == {"a-0": Settled("found", "a-0")}
    with contextlib.suppress(JournalError):
        await journal.intend(batch("b-ada", ADA))
    await journal.intend(batch("b-bob", BOB))
    assert all(writes)
    left = copy(path, path.parents[1] / "left" / "journal")
    await fill(journal, "bc")
    await journal.close()
    assert await bought(path) == "abc"
    assert await bought(copy(left, path.parents[1] / "whole" / "journal")) == "a"
    await refused(copy(older, left, ""), FOREIGN)


@pytest.mark.parametrize("failing_at", [(0,), (1,), (1, 2)])
async def test_on_a_broken_disk_what_was_written_can_be_read(
    path: Path, monkeypatch: pytest.MonkeyPatch, failing_at: tuple[int, ...]
) -> None:
    writes = [number not in failing_at for number in range(3)]
    journal = await failing(path, monkeypatch, writes, "SQLITE_IOERR_WRITE")
    await fill(journal, "a")
    with pytest.raises(JournalError, match="the disk fails to read or write it"):
        await fill(journal, "bcd")
    left = copy(path, path.with_name("left") / "journal")
    await journal.close()
    assert len(writes) < 2
    assert await bought(path) == await bought(left)
    assert "a" in await bought(path)
