"""What a journal holds, read beside the run that is using it."""

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
from pubrio_async.scheduler.journal_schema import FORMAT
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from pubrio_async.scheduler.journal_status import JournalStatus, read_status
from pubrio_async.scheduler.journal_values import seal
from tests.unit.journals import (
    ADA,
    BOB,
    EMPTY,
    EVE,
    FOUND,
    JOB,
    REJECTED,
    TYPES,
    Moving,
    batch,
    opened,
)

# What is started in a process of its own is not about its start.
pytestmark = pytest.mark.usefixtures("warm_starts")

FORMAT_1 = Path(__file__).parents[1] / "data" / "journal_format_1.sql"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "here").mkdir()
    return tmp_path / "here" / "run.journal"


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of temporary files, in which nothing may be left."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def seen(path: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Everything about the files of a journal."""
    return {
        file.name: (state.st_ino, state.st_mtime_ns, state.st_mode, file.read_bytes())
        for file in sorted(path.parent.iterdir())
        for state in [file.stat()]
    }


# -- what it tells ---------------------------------------------------------------------------


async def test_it_tells_what_the_journal_holds(path: Path) -> None:
    clock = Moving()
    start = clock.time
    journal = SqliteJournal(path, clock, origin="https://api.pubrio.com")
    await journal.open(TYPES)
    await journal.intend(batch("b1", ADA, BOB, EVE))
    await journal.accepted("b1", JOB)
    await journal.settle("b1", {ADA: FOUND, BOB: EMPTY, EVE: REJECTED}, 7.5)
    await journal.intend(batch("b2", "lost 1", "lost 2"))
    await journal.unsettle("b2", "the connection broke")
    await journal.intend(batch("b3", "free"))
    await journal.withdraw("b3")
    await journal.intend(batch("b4", "lost 3"))
    await journal.unsettle("b4", "the job was lost")
    await journal.intend(batch("b5", ADA, "new 1"))
    clock.time += 60
    await journal.accepted("b5", JOB)
    await journal.intend(batch("b6", "new 2", "new 3", "new 4"))
    await journal.close()
    before = seen(path)
    assert read_status(path) == JournalStatus(
        path=str(path),
        in_use=False,
        format=FORMAT,
        origin="https://api.pubrio.com",
        contact_types=TYPES,
        created_at=start,
        updated_at=start + 60,
        people=10,
        found=0,
        empty=1,
        rejected=1,
        pending=2,
        unsettled=6,
        open_jobs=2,
        batches={"settled": 1, "withdrawn": 1, "unsettled": 2, "open": 2},
        credits_charged=7.5,
        reasons={
            "no answer to their request was written down": 3,
            "the connection broke": 2,
            "the job was lost": 1,
        },
    )
    assert seen(path) == before


async def test_of_many_reasons_the_most_frequent_are_told(path: Path) -> None:
    async with opened(path) as journal:
        for number in range(12):
            people = [f"{number}-{one}" for one in range(number + 1)]
            await journal.intend(batch(f"b{number}", *people))
            await journal.unsettle(f"b{number}", f"reason {number}")
    status = read_status(path)
    assert list(status.reasons.items()) == [(f"reason {n}", n + 1) for n in range(11, 1, -1)]
    assert status.unsettled == 78


async def test_why_people_were_unsettled_is_known_while_they_are_looked_for_again(
    path: Path,
) -> None:
    async with opened(path) as journal:
        await journal.intend(batch("b1", "ada", "bob"))
        await journal.unsettle("b1", "the connection broke")
        await journal.reopen_unsettled()
    assert read_status(path).reasons == {"the connection broke": 2}


async def test_a_journal_without_any_batch(path: Path) -> None:
    async with opened(path):
        pass
    status = read_status(str(path))
    assert (status.people, status.batches["open"], status.reasons) == (0, 0, {})
    assert status.updated_at == status.created_at == Moving.time
    assert status.origin is None


def test_an_old_format_is_read_and_left_as_it_is(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(FORMAT_1.read_text())
    before = seen(path)
    status = read_status(path)
    assert seen(path) == before
    assert status.format == 1
    assert (status.found, status.empty, status.rejected) == (1, 2, 1)
    assert (status.pending, status.unsettled, status.people) == (2, 4, 10)
    assert status.reasons == {
        "the connection broke": 2,
        "no answer to their request was written down": 1,
        "the job was lost": 1,
    }
    assert status.updated_at == 1_750_000_009.5


async def test_a_link_leads_to_the_log_too(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(path)
    with used_elsewhere(path) as said:
        status = read_status(link)
    assert status.open_jobs >= len(said)
    assert status.path == str(link)


# -- beside a run ----------------------------------------------------------------------------

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


# -- what is refused -------------------------------------------------------------------------


def refused(path: Path) -> str:
    with pytest.raises(JournalError) as caught:
        read_status(path)
    assert str(caught.value).startswith(f"cannot use the journal {path}: ")
    return str(caught.value)


def test_what_is_no_file_is_refused(path: Path) -> None:
    assert "there is no such file, or it is not a regular one" in refused(path)
    assert "it is a folder" in refused(path.parent)
    assert "there is no such file, or it is not a regular one" in refused(Path(os.devnull))
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "trouble"),
    [
        (b"", "it is empty"),
        (b"id\n" + ADA.encode(), "it is not a journal"),
        (b"x" * 5_000, "it is not"),
    ],
)
def test_a_file_of_another_kind_is_refused(path: Path, content: bytes, trouble: str) -> None:
    path.write_bytes(content)
    assert trouble in refused(path)
    assert path.read_bytes() == content
    assert os.listdir(path.parent) == [path.name]


def test_the_database_of_another_program_is_refused(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE customers (name)")
        db.commit()
    assert "the database of another program" in refused(path)


async def test_a_newer_format_is_refused(path: Path) -> None:
    async with opened(path):
        pass
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {FORMAT + 1}")
    assert f"its format is {FORMAT + 1}" in refused(path)


async def test_damage_is_found(path: Path) -> None:
    async with opened(path) as journal:
        await journal.intend(batch("b1", ADA))
    content = path.read_bytes()
    path.write_bytes(content[:4_096] + b"\xa5" * (len(content) - 4_096))
    assert "it is damaged" in refused(path)


async def test_damage_inside_a_value_is_told(path: Path) -> None:
    async with opened(path) as journal:
        await journal.intend(batch("b1", ADA))
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.create_function("seal", 2, seal)  # as if it had been written like that
        db.execute("UPDATE open SET keys = x'c1', seal = seal(x'c1', job)")
        db.commit()
    assert "a value cannot be stored or read" in refused(path)


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (PermissionError(13, "Permission denied"), "check the permissions of the file"),
        (OSError(28, "No space left on device"), "No space left on device.*room in"),
    ],
)
async def test_a_copy_that_fails_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, trouble: str
) -> None:
    async with opened(path):
        pass

    def fails(source: Path, target: Path) -> bool | None:
        raise error

    monkeypatch.setattr(journal_status, "_copy", fails)
    with pytest.raises(JournalError, match=trouble):
        read_status(path)
