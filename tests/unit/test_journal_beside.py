"""A journal is read beside the run that is using it, which does not notice."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from pubrio_async import JournalError
from pubrio_async.scheduler import journal_status
from pubrio_async.scheduler.journal_file import JournalFile
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from pubrio_async.scheduler.journal_status import JournalStatus, read_status
from tests.unit.journals import ADA, TYPES, Moving, batch, opened, seen

# What is started in a process of its own is not about its start.
pytestmark = pytest.mark.usefixtures("no_copy_is_left", "warm_starts")

WRITER = f"""
import asyncio, sys
from pubrio_async.models import RedeemJob
from pubrio_async.scheduler.journal import Batch, Settled
from pubrio_async.scheduler.journal_sqlite import SqliteJournal

async def main(path):
    journal = SqliteJournal(path)
    await journal.open({TYPES!r})
    for number in range(1_000_000):
        people = tuple(f"{{number}}-{{one}}" for one in range(100))
        await journal.intend(Batch(f"b{{number}}", "batch", people))
        print(number, flush=True)
        if sys.argv[2] == "settling":
            await journal.settle(f"b{{number}}", dict.fromkeys(people, Settled("empty")), 1)
        elif number == 20:
            await asyncio.Event().wait()

asyncio.run(main(sys.argv[1]))
"""


@contextlib.contextmanager
def used_elsewhere(path: Path, how: str = "intending", lines: int = 21) -> Iterator[list[str]]:
    """Another process uses the journal: it opens 21 batches, or settles one after the other."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), how], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(lines)]
        try:
            yield said
            assert process.poll() is None
        finally:
            process.send_signal(signal.SIGKILL)
            process.stdout.read()


def test_a_run_in_another_process_is_told_and_left_alone(path: Path) -> None:
    with used_elsewhere(path):
        before = seen(path)
        assert set(before) == {path.name, f"{path.name}-wal"}
        status = read_status(path)
        assert seen(path) == before
        # It still holds its lock.
        with (
            contextlib.closing(sqlite3.connect(path, timeout=0)) as db,
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            db.execute("SELECT * FROM meta")
    assert status.in_use is (None if sys.platform not in {"linux", "darwin"} else True)
    assert (status.open_jobs, status.unsettled, status.people) == (21, 2_100, 2_100)
    # What it left behind can be read too, its log not being folded in yet.
    assert read_status(path) == msgspec.structs.replace(status, in_use=False)


def test_every_look_at_a_busy_journal_is_a_whole_one(path: Path) -> None:
    with used_elsewhere(path, "settling", 5):
        counts = []
        for _ in range(40):
            status = read_status(path)
            # Between two commits, and never in the middle of one.
            settled = status.batches["settled"]
            assert status.empty == settled * 100
            assert status.unsettled == status.open_jobs * 100
            assert status.people == status.empty + status.unsettled
            assert status.credits_charged == settled
            counts.append(settled)
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_only_the_owner_may_read_the_copy(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    read = journal_status._read

    def watched(name: str, in_use: bool | None, copy: JournalFile) -> JournalStatus:
        (folder,) = Path(tempfile.gettempdir()).iterdir()
        files = sorted(folder.iterdir())
        assert [file.name for file in files] == ["copy", "copy-wal"]
        modes.extend(stat.S_IMODE(file.stat().st_mode) for file in (folder, *files))
        return read(name, in_use, copy)

    monkeypatch.setattr(journal_status, "_read", watched)
    before = os.umask(0)
    try:
        with used_elsewhere(path):
            read_status(path)
    finally:
        os.umask(before)
    assert modes == [0o700, 0o600, 0o600]


@pytest.mark.parametrize("turns", [3, 100])
async def test_a_log_that_begins_anew_is_copied_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, turns: int
) -> None:
    async with opened(path) as journal:
        await journal.intend(batch("b1", ADA))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE open SET created_at = created_at")
        copy, left = journal_status._copy, [turns]

        def meanwhile(source: Path, target: Path) -> bool | None:
            in_use = copy(source, target)
            if source == path and left[0]:
                left[0] -= 1
                db.execute("PRAGMA wal_checkpoint")
                db.execute("UPDATE open SET created_at = created_at + 1")
            return in_use

        monkeypatch.setattr(journal_status, "_copy", meanwhile)
        if turns == 100:
            with pytest.raises(JournalError, match="written too fast to be read just now"):
                read_status(path)
            assert left == [90]
        else:
            assert read_status(path).updated_at == Moving.time + turns


async def test_without_a_log_a_database_that_changes_is_copied_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(path) as journal:
        await journal.intend(batch("b1", ADA))
    copy, seen = journal_status._copy, [0]

    def meanwhile(source: Path, target: Path) -> bool | None:
        in_use = copy(source, target)
        if source == path:
            seen[0] += 1
            if seen[0] == 1:  # a whole life of another process
                with contextlib.closing(sqlite3.connect(path)) as db:
                    db.execute("UPDATE open SET created_at = 7e9")
                    db.commit()
                os.utime(path)
        return in_use

    monkeypatch.setattr(journal_status, "_copy", meanwhile)
    assert read_status(path).updated_at == 7e9
    assert seen == [2]


async def test_a_journal_in_use_by_this_very_process_is_not_even_opened(path: Path) -> None:
    async with opened(path) as journal:
        await journal.intend(batch("b1", ADA))
        with pytest.raises(JournalError, match="this very process is using it"):
            read_status(path)
        # Another journal on the same file, refused, does not make it free.
        with pytest.raises(JournalError, match="in use"):
            await SqliteJournal(path).open(TYPES)
        with pytest.raises(JournalError, match="this very process is using it"):
            read_status(path)
    assert read_status(path).open_jobs == 1


async def test_a_link_leads_to_the_log_too(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(path)
    with used_elsewhere(path) as said:
        status = read_status(link)
    assert status.open_jobs >= len(said)
    assert status.path == str(link)
