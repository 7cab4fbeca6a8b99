"""A file that is no journal, is damaged or may not be used is refused, and left as it is."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pubrio_async import JournalError
from pubrio_async.models import Contact
from pubrio_async.scheduler.journal import Settled
from pubrio_async.scheduler.journal_schema import FORMAT
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from pubrio_async.scheduler.journal_values import seal
from tests.unit.journals import (
    ADA,
    BOB,
    EMPTY,
    EVE,
    FOUND,
    JOB,
    TYPES,
    batch,
    figures,
    found,
    no_thread_is_left,
    opened,
)


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
    assert "there is no such file, or it is not a regular one" in await refused(path, ())
    assert not path.exists()
    path.touch()
    assert "it is empty" in await refused(path, ())
    async with opened(path) as journal:
        await journal.intend(batch("b1", ADA))
    async with opened(path, ()) as journal:
        assert await journal.summary() == figures(unsettled=1, open_jobs=1)


async def left_by_a_kill(path: Path) -> tuple[Path, Path]:
    """The two files that a killed run leaves, in which somebody has been bought."""
    async with opened(path.with_name("running")) as journal:
        await journal.intend(batch("b1", ADA))
        await journal.settle("b1", {ADA: found(ADA)}, 5)
        for end in ("", "-wal"):
            shutil.copy(path.with_name(f"running{end}"), path.with_name(path.name + end))
    return path, path.with_name(f"{path.name}-wal")


async def test_a_log_is_not_thrown_away_because_its_file_was_moved(path: Path) -> None:
    file, log = await left_by_a_kill(path)
    link = path.with_name("link")
    link.symlink_to(file)
    elsewhere = file.rename(path.with_name("elsewhere"))
    what = log.read_bytes()
    for types in (TYPES, ()):
        assert "the file that belongs to it is" in await refused(path, types)
        assert "the file that belongs to it is" in await refused(link, types)
    for content in (b"", b"x"):
        path.write_bytes(content)
        assert "the file that belongs to it is" in await refused(path)
    assert log.read_bytes() == what
    elsewhere.rename(path)
    async with opened(path) as journal:
        assert await journal.lookup([ADA]) == {ADA: found(ADA)}


async def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "it is a folder" in await refused(tmp_path)


async def test_a_device_is_refused() -> None:
    assert "there is no such file, or it is not a regular one" in await refused(Path(os.devnull))


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert "its folder does not exist" in await refused(tmp_path / "nowhere" / "journal")


async def test_a_name_no_file_can_have_is_refused(tmp_path: Path) -> None:
    assert "it cannot be made" in await refused(tmp_path / ("n" * 300))


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
