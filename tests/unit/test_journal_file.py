from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pubrio_async import JournalError
from pubrio_async.models import Contact, RedeemJob
from pubrio_async.scheduler import journal_sqlite
from pubrio_async.scheduler.journal import (
    OpenBatch,
    Settled,
    Unsettled,
)
from pubrio_async.scheduler.journal_file import JournalFile
from pubrio_async.scheduler.journal_schema import FORMAT
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from pubrio_async.scheduler.journal_values import seal
from pubrio_async.testing import VirtualClock, run_virtual
from tests.unit.journals import (
    ADA,
    BOB,
    EMPTY,
    EVE,
    FOUND,
    JOB,
    TYPES,
    Moving,
    Stopped,
    batch,
    figures,
    opened,
)

# What is started in a process of its own is not about its start.
pytestmark = pytest.mark.usefixtures("warm_starts")

# -- the file survives -----------------------------------------------------------------------


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


# -- what is refused -------------------------------------------------------------------------


def no_thread_is_left() -> None:
    """Its last job is done: it may need a moment to end, and nothing else."""
    for thread in threading.enumerate():
        if "journal" in thread.name:
            thread.join(30)
            assert not thread.is_alive()


async def refused(path: Path, types: Sequence[str] = TYPES) -> str:
    journal = SqliteJournal(path)
    with pytest.raises(JournalError) as caught:
        await journal.open(types)
    assert str(path) in str(caught.value)
    with pytest.raises(JournalError, match="it is not open"):
        await journal.summary()
    await journal.close()
    no_thread_is_left()
    return str(caught.value)


@pytest.mark.parametrize(
    "content",
    [b"people_search_id\n" + ADA.encode(), b"x" * 5_000, b"\0\0"],
    ids=["table", "long", "short"],
)
async def test_a_file_of_another_kind_is_left_as_it_is(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert "it is not a journal" in await refused(path)
    assert path.read_bytes() == content


async def test_the_database_of_another_program_is_left_as_it_is(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE customers (name)")
        db.commit()
    before = path.read_bytes()
    assert "the database of another program" in await refused(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


async def test_a_newer_format_is_refused(path: Path) -> None:
    async with opened(path):
        pass
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {FORMAT + 1}")
    assert f"its format is {FORMAT + 1}, and this version of pubrio-async knows those up to" in (
        await refused(path)
    )


async def test_other_contact_types_are_refused_after_reopening(path: Path) -> None:
    async with opened(path):
        pass
    assert "written for email-work,phone and not for phone;" in await refused(path, ("phone",))


async def test_without_contact_types_a_journal_is_opened_as_it_is(path: Path) -> None:
    assert "it is no file" in await refused(path, ())
    assert not path.exists()
    path.touch()
    assert "it is empty" in await refused(path, ())
    async with opened(path) as journal:
        await journal.intend(batch("b1", ADA))
    async with opened(path, ()) as journal:
        assert await journal.summary() == figures(unsettled=1, open_jobs=1)


async def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "it is a folder" in await refused(tmp_path)


async def test_a_device_is_refused() -> None:
    assert "it is no file" in await refused(Path(os.devnull))


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert "its folder does not exist" in await refused(tmp_path / "nowhere" / "journal")


async def test_a_name_no_file_can_have_is_refused(tmp_path: Path) -> None:
    assert "it cannot be made" in await refused(tmp_path / ("n" * 300))


def found(key: str) -> Settled:
    return Settled("found", key, (Contact(f"{key}@example.com"),))


async def test_damage_is_found_when_it_is_opened(path: Path) -> None:
    keys = [str(uuid.uuid5(uuid.NAMESPACE_DNS, str(number))) for number in range(2_000)]
    async with opened(path) as journal:
        for number in range(20):
            people = keys[number * 100 : number * 100 + 100]
            await journal.intend(batch(f"b{number}", *people))
            await journal.settle(f"b{number}", {key: found(key) for key in people}, 0)
    content = path.read_bytes()
    size, found_out = int.from_bytes(content[16:18], "big"), 0
    for page in range(size, len(content), size):
        path.write_bytes(content[:page] + b"\xa5" * size + content[page + size :])
        try:
            async with opened(path) as journal:
                known = await journal.lookup(keys)
        except JournalError as error:
            assert "it is damaged" in str(error)  # noqa: PT017 - either this or that
            found_out += 1
        else:  # nothing was there
            assert known == {key: found(key) for key in keys}
    assert found_out > len(content) / size / 3


@pytest.mark.parametrize(
    "what",
    [b"ada@example.com", uuid.UUID(ADA).bytes, uuid.UUID(BOB).bytes, EVE.encode(), b"job-"],
    ids=["result", "settled", "open", "unsettled", "job"],
)
async def test_a_letter_that_is_another_one_is_found(path: Path, what: bytes) -> None:
    async with opened(path) as journal:
        await journal.intend(batch("b1", ADA))
        await journal.settle("b1", {ADA: Settled("found", ADA, (Contact("ada@example.com"),))}, 0)
        await journal.intend(batch("b2", BOB))
        await journal.accepted("b2", JOB)
        await journal.intend(batch("b3", EVE))
        await journal.unsettle("b3", "lost")
        await journal.intend(batch("b4", "https://www.linkedin.com/in/d"))
    content = path.read_bytes()
    places = [at for at in range(len(content)) if content.startswith(what, at)]
    assert places
    for at in places:
        damaged = bytearray(content)
        damaged[at + 2] ^= 1
        path.write_bytes(damaged)
        assert "it is damaged" in await refused(path)


@pytest.mark.parametrize(
    "damage", ["x'c1'", "x'96a5656d707479909191a04090c0'", "x'9690909090 9090'".replace(" ", "")]
)
async def test_damage_inside_a_value_is_an_error_of_that_step_alone(
    path: Path, damage: str
) -> None:
    async with opened(path) as journal:
        await journal.intend(batch("b1", ADA, BOB))
        await journal.settle("b1", {ADA: FOUND}, 0)
        await journal.intend(batch("b2", BOB))
        await journal.settle("b2", {BOB: EMPTY}, 0)
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.create_function("seal", 2, seal)  # as if it had been written like that
        db.execute(f"UPDATE batches SET results = {damage} WHERE batch_id = 'b1'")
        db.execute("UPDATE batches SET seal = seal(keys, results)")
        db.commit()
    async with opened(path) as journal:
        broken, whole = await asyncio.gather(
            journal.lookup([ADA]), journal.lookup([BOB]), return_exceptions=True
        )
    assert isinstance(broken, JournalError)
    assert "a value cannot be stored or read" in str(broken)
    assert whole == {BOB: EMPTY}


@pytest.fixture
def no_root() -> Iterator[Path]:
    """A folder that may be read and not written, seen by an ordinary user."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        is_root = os.geteuid() == 0
        yield folder
        if is_root:
            os.seteuid(0)
        folder.chmod(0o700)


def become_ordinary(folder: Path) -> None:
    folder.chmod(0o555)
    if os.geteuid() == 0:
        os.seteuid(65_534)


async def test_a_folder_that_cannot_be_written_is_named(no_root: Path) -> None:
    become_ordinary(no_root)
    assert "it cannot be made" in await refused(no_root / "journal")


async def test_a_file_that_cannot_be_written_is_refused(no_root: Path) -> None:
    path = no_root / "journal"
    async with opened(path):
        pass
    path.chmod(0o444)
    become_ordinary(no_root)
    assert "check the permissions of the file" in await refused(path)


async def test_a_file_that_cannot_be_read_is_refused(no_root: Path) -> None:
    path = no_root / "journal"
    async with opened(path):
        pass
    path.chmod(0o000)
    become_ordinary(no_root)
    assert "it cannot be opened" in await refused(path)


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


# -- trouble while it is open ----------------------------------------------------------------


async def test_before_opening_and_after_closing_nothing_goes(path: Path) -> None:
    journal = SqliteJournal(path)
    await journal.close()
    with pytest.raises(JournalError, match="it is not open"):
        await journal.intend(batch("b1", ADA))
    await journal.open(TYPES)
    await journal.close()
    with pytest.raises(JournalError, match="it is not open"):
        await journal.intend(batch("b1", ADA))


async def test_a_full_disk_is_told_and_over_when_there_is_room(path: Path) -> None:
    keys = [str(uuid.UUID(int=number)) for number in range(1, 2_001)]
    async with opened(path) as journal:
        await journal.intend(batch("b1", *keys))
        limit = await journal._carry_out(
            lambda db: db.execute("PRAGMA max_page_count = 1").fetchone()[0]
        )
        outcomes = await asyncio.gather(
            journal.settle("b1", {key: found(key) for key in keys}, 5),
            journal.intend(batch("b2", ADA)),
            return_exceptions=True,
        )
        assert [type(outcome) for outcome in outcomes] == [JournalError, JournalError]
        assert "the disk is full, or the file as large as a file may be here; make room" in str(
            outcomes[0]
        )
        assert [entry.batch.batch_id for entry in await journal.open_batches()] == ["b1"]
        await journal._carry_out(
            lambda db: db.execute(f"PRAGMA max_page_count = {limit + 1_000}").fetchone()
        )
        await journal.settle("b1", {key: found(key) for key in keys}, 5)
        assert (await journal.summary()).found == 2_000


async def test_after_a_failed_write_nothing_more_is_written(path: Path) -> None:
    keys = [str(uuid.UUID(int=number)) for number in range(1, 5_001)]
    journal = SqliteJournal(path, Stopped())
    await journal.open(TYPES)
    await journal.intend(batch("b1", ADA))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(JournalError, match=r"as large as a file may be here \(a quota"):
            await journal.intend(batch("b2", *keys))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pytest.raises(JournalError, match="as large as a file may be here"):
        await journal.accepted("b1", JOB)
    await journal.close()
    async with opened(path) as again:
        assert list(await again.open_batches()) == [
            OpenBatch(batch("b1", ADA), None, None, 1_750_000_000.5)
        ]


class Untrue(sqlite3.Connection):
    """Says that the disk was full when it was not."""

    says: str | None = None

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        done = super().execute(sql, *values)
        if self.says is not None and sql.lstrip().startswith(self.says):
            Untrue.says = None
            error = sqlite3.OperationalError("planted")
            error.sqlite_errorname = "SQLITE_FULL"
            raise error
        return done


def be_untrue(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda *args, **rest: connect(*args, factory=Untrue, **rest)
    )


@pytest.mark.parametrize("says", ["BEGIN", "INSERT INTO log", "COMMIT"])
async def test_an_end_is_written_whole_or_not_at_all(
    path: Path, monkeypatch: pytest.MonkeyPatch, says: str
) -> None:
    """The batch is closed in the log, and its results are in the table, or neither."""
    be_untrue(monkeypatch)
    async with opened(path) as journal:
        await journal.intend(batch("b1", ADA))
        await journal.intend(batch("b2", BOB))
        monkeypatch.setattr(Untrue, "says", says)
        with pytest.raises(JournalError, match="the disk is full"):
            await journal.settle("b1", {ADA: FOUND}, 5)
        is_settled = says == "COMMIT"  # which was carried out, whatever it said
        open_batches = [entry.batch.batch_id for entry in await journal.open_batches()]
        assert open_batches == (["b2"] if is_settled else ["b1", "b2"])
        if not is_settled:
            assert await journal.lookup([ADA]) == {}
            await journal.settle("b1", {ADA: FOUND}, 5)
        assert await journal.lookup([ADA]) == {ADA: FOUND}
    async with opened(path) as journal:
        assert await journal.lookup([ADA, BOB]) == {ADA: FOUND}
        assert (await journal.summary()).credits_charged == 5


@pytest.mark.parametrize("says", ["COMMIT", "INSERT INTO log", "DELETE FROM log"])
async def test_what_was_written_though_it_seemed_to_fail_is_there_once(
    path: Path, monkeypatch: pytest.MonkeyPatch, says: str
) -> None:
    be_untrue(monkeypatch)
    async with opened(path) as journal:
        await journal.intend(batch("b1", ADA))
        await journal.accepted("b1", JOB)
        monkeypatch.setattr(Untrue, "says", says)
        is_step = says.startswith("INSERT")
        # Reading moves what is in the log to the tables, and is done when that is to be kept.
        if says == "COMMIT":
            assert await journal.load_usage() is None
        else:
            with pytest.raises(JournalError, match="the disk is full"):
                await (journal.intend(batch("b2", BOB)) if is_step else journal.load_usage())
        found = {entry.batch.batch_id: entry.job for entry in await journal.open_batches()}
        assert found == ({"b1": JOB, "b2": None} if is_step else {"b1": JOB})
        await journal.settle("b1", {ADA: FOUND}, 5)
        assert await journal.lookup([ADA]) == {ADA: FOUND}
    async with opened(path) as journal:
        assert await journal.lookup([ADA]) == {ADA: FOUND}
        assert (await journal.summary()).credits_charged == 5


async def test_a_file_that_is_moved_away_is_noticed(path: Path) -> None:
    journal = SqliteJournal(path)
    await journal.open(TYPES)
    await journal.intend(batch("b1", ADA))
    path.rename(path.with_name("elsewhere"))
    for _ in range(2):
        with pytest.raises(JournalError, match="it was moved or deleted"):
            await journal.accepted("b1", JOB)
    await journal.close()


async def test_another_working_directory_does_not_matter(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    journal = SqliteJournal(path.name)
    await journal.open(TYPES)
    monkeypatch.chdir("/")
    await journal.intend(batch("b1", ADA))
    await journal.close()
    assert path.exists()


async def test_what_cannot_be_stored_spoils_nothing_else(path: Path) -> None:
    async with opened(path) as journal:
        outcomes = await asyncio.gather(
            journal.intend(batch("b1", ADA)),
            journal.intend(batch("b2", "\ud800")),
            journal.intend(batch("b3", BOB)),
            return_exceptions=True,
        )
        assert [type(outcome) for outcome in outcomes] == [type(None), JournalError, type(None)]
        await journal.intend(batch("b2", EVE))
        with pytest.raises(JournalError, match="OverflowError"):
            await journal.settle("b1", {ADA: FOUND}, 2**70)
        assert [entry.batch.batch_id for entry in await journal.open_batches()] == [
            "b1",
            "b3",
            "b2",
        ]


async def test_an_error_that_sqlite_has_no_name_for_is_told_as_it_is(path: Path) -> None:
    journal = SqliteJournal(path)
    await journal.open(TYPES)
    with pytest.raises(JournalError, match=r"binding.*ProgrammingError"):
        await journal._carry_out(lambda db: db.execute("SELECT ?", ()))
    await journal.close()


def thick_and_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if so many steps had come that the next wait for others; for ever, if nobody hurries."""
    monkeypatch.setattr(journal_sqlite, "_SPACING_S", 3_600.0)
    monkeypatch.setattr(journal_sqlite, "_PAUSE_S", 3_600.0)
    monkeypatch.setattr(journal_sqlite, "_FEW", 0)


async def test_a_mistake_of_ours_is_not_called_trouble_with_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    thick_and_fast(monkeypatch)
    async with opened(path) as journal:
        await journal.summary()  # so that the next group waits, and both are in it
        writing = asyncio.create_task(journal.intend(batch("b1", ADA)))
        await asyncio.sleep(0)
        with pytest.raises(ZeroDivisionError):
            await journal._carry_out(lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):  # its transaction is gone too, and it is told
            await writing
        again = asyncio.create_task(journal.intend(batch("b1", ADA)))
        await asyncio.sleep(0)
        assert len(await journal.open_batches()) == 1
        await again


# -- the thread ------------------------------------------------------------------------------


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
