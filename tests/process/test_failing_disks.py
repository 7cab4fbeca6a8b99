"""Files that fail under a run: what was paid for is told, and is not paid for again."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from tests.cli.conftest import ids, write_csv
from tests.process.books import Told, assert_balanced, read
from tests.process.conftest import BATCH, QUERY, Api, Ended, StartApi, StartCli
from tests.process.proxy import Fate, Plan

PEOPLE = ids(60)
TYPES = ("email-work", "phone")


def when(moment: int, action: Callable[[], object], path: str = BATCH) -> Plan:
    """A plan that breaks no connection but does something when a request comes."""

    def plan(asked: str, number: int) -> Fate:
        if asked == path and number == moment:
            action()
        return "pass"

    return plan


def assert_told(api: Api, ended: Ended, told: Told) -> None:
    """The end was orderly, and everyone who was charged is told as such."""
    assert "Traceback" not in ended.err
    assert api.charged() <= told.people("found", "unsettled", "pending")


async def assert_whole(
    api: Api, ended: Ended, folder: Path, people: Sequence[str] = PEOPLE
) -> None:
    """What the failure tore away from the journal has been found again."""
    told = read(folder / "out.csv", people)
    assert ended.code == (3 if told.people("unsettled") else 0), ended.err
    await assert_balanced(api, told, TYPES, folder / "out.csv.journal")


def redeem(folder: Path, source: str) -> list[str | Path | int]:
    return [
        "redeem", source, "-o", folder / "out.csv", "--types", ",".join(TYPES),
        "--batch-size", 5, "--progress", "none", "--rate", "unlimited", "--max-concurrency", 2,
    ]  # fmt: skip


async def test_a_journal_that_is_deleted_ends_the_run(
    cli: StartCli, api: StartApi, tmp_path: Path
) -> None:
    journal = tmp_path / "out.csv.journal"
    served = await api(when(4, journal.unlink))
    words = redeem(tmp_path, write_csv(tmp_path / "in.csv", PEOPLE))
    ended = await (await cli(*words, url=served.url)).end()

    assert ended.code == 3, ended.err
    assert "it was moved or deleted while in use" in ended.err
    # The next run would begin from nothing.
    assert f"The journal {journal} is not there any more. Put it back" in ended.err
    assert "goes on from there" not in ended.err
    told = read(tmp_path / "out.csv", PEOPLE)
    assert_told(served, ended, told)
    # No further batch leaves once the journal cannot be written; one may have been under way.
    assert served.proxy.seen[BATCH] <= 6
    assert served.sandbox.regrets().double_charges == 0


async def test_a_journal_that_misses_the_last_result_only_is_told_all_the_same(
    cli: StartCli, api: StartApi, tmp_path: Path
) -> None:
    journal = tmp_path / "out.csv.journal"
    served = await api(when(len(PEOPLE) // 5 - 1, journal.unlink, QUERY))
    words = redeem(tmp_path, write_csv(tmp_path / "in.csv", PEOPLE))
    ended = await (await cli(*words, url=served.url)).end()

    # Every row is settled, and yet it is not well.
    assert ended.code == 1, ended.err
    assert "The journal failed" in ended.err
    told = read(tmp_path / "out.csv", PEOPLE)
    assert_told(served, ended, told)
    assert told.tally().keys() <= {"found", "empty"}


async def test_a_journal_that_is_moved_and_put_back_goes_on(
    cli: StartCli, api: StartApi, tmp_path: Path
) -> None:
    journal, away = tmp_path / "out.csv.journal", tmp_path / "away"
    served = await api(when(4, lambda: journal.rename(away)))
    words = redeem(tmp_path, write_csv(tmp_path / "in.csv", PEOPLE))
    ended = await (await cli(*words, url=served.url)).end()
    assert ended.code == 3, ended.err
    assert_told(served, ended, read(tmp_path / "out.csv", PEOPLE))

    away.rename(journal)
    ended = await (await cli(*words, url=served.url)).end()

    await assert_whole(served, ended, tmp_path)


async def test_a_journal_made_read_only_is_written_to_its_end_and_then_refused(
    cli: StartCli, api: StartApi, tmp_path: Path
) -> None:
    journal = tmp_path / "out.csv.journal"
    served = await api(when(4, lambda: journal.chmod(0o400)))
    words = redeem(tmp_path, write_csv(tmp_path / "in.csv", PEOPLE))
    ended = await (await cli(*words, url=served.url)).end()

    assert ended.code == 0, ended.err
    told = read(tmp_path / "out.csv", PEOPLE)
    assert_told(served, ended, told)
    requests = served.sandbox.statistics().requests
    ended = await (await cli(*words, url=served.url)).end()
    # The superuser may write it all the same.
    assert ended.code == (0 if os.geteuid() == 0 else 2), ended.err
    assert read(tmp_path / "out.csv", PEOPLE) == told
    assert served.sandbox.statistics().requests == requests


@pytest.mark.parametrize("size", [40_000, 70_000])
async def test_a_journal_that_cannot_be_made_whole_lets_nothing_begin(
    cli: StartCli, api: StartApi, tmp_path: Path, size: int
) -> None:
    served = await api()
    words = redeem(tmp_path, write_csv(tmp_path / "in.csv", PEOPLE))
    ended = await (await cli(*words, url=served.url, bound=("RLIMIT_FSIZE", size))).end()
    assert ended.code == 2, ended.err
    assert "the disk fails to read or write it, or the file is as large as a file may" in ended.err
    assert "nothing was charged" in ended.err
    assert not list(served.sandbox.charges())

    ended = await (await cli(*words, url=served.url)).end()
    await assert_whole(served, ended, tmp_path)


@pytest.mark.parametrize("size", [90_000, 110_000, 150_000])
async def test_a_journal_that_cannot_grow_ends_the_run(
    cli: StartCli, api: StartApi, tmp_path: Path, size: int
) -> None:
    served = await api()
    words = redeem(tmp_path, write_csv(tmp_path / "in.csv", PEOPLE))
    bound = ("RLIMIT_FSIZE", size)
    ended = await (await cli(*words, url=served.url, bound=bound)).end()

    assert ended.code == 3, ended.err
    assert "cannot use the journal" in ended.err
    assert "the disk fails to read or write it" in ended.err
    assert f"also kept in {tmp_path / 'out.csv.kept'}" in ended.err
    first = (tmp_path / "out.csv").read_bytes()
    told = read(tmp_path / "out.csv", PEOPLE)
    assert_told(served, ended, told)
    assert served.sandbox.regrets().double_charges == 0

    ended = await (await cli(*words, url=served.url)).end()
    await assert_whole(served, ended, tmp_path)
    assert (tmp_path / "out.csv.kept").read_bytes() == first


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, which is soon filled up."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=10)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"no small disk can be mounted here: {error}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True, capture_output=True, timeout=10)


def fill(path: Path) -> None:
    """A file that leaves no room for any other."""
    with pytest.raises(OSError, match="No space left"), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@pytest.mark.parametrize("path", [BATCH, QUERY])
async def test_a_disk_that_is_full_ends_the_run_and_room_lets_it_go_on(
    cli: StartCli, api: StartApi, tmp_path: Path, small_disk: Path, path: str
) -> None:
    others, people = small_disk / "others", ids(200)
    served = await api(when(4, lambda: fill(others), path))
    words = redeem(small_disk, write_csv(tmp_path / "in.csv", people))
    ended = await (await cli(*words, url=served.url)).end()

    assert ended.code in {1, 3}, ended.err
    assert "Traceback" not in ended.err
    assert "the disk is full" in ended.err or "No space left" in ended.err
    # Jobs that are open are polled to their end. The journal's log took room for some ten more
    # steps when the journal was made.
    if path == BATCH:
        assert served.proxy.seen[BATCH] <= 14

    others.unlink()
    ended = await (await cli(*words, url=served.url)).end()
    await assert_whole(served, ended, small_disk, people)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is missing here")
async def test_an_output_that_is_full_loses_nothing(
    cli: StartCli, api: StartApi, tmp_path: Path
) -> None:
    served = await api()
    words = [
        "redeem", write_csv(tmp_path / "in.csv", PEOPLE), "--types", ",".join(TYPES),
        "--journal", tmp_path / "run.db", "--batch-size", 5, "--progress", "none",
    ]  # fmt: skip
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        process = await cli(*words, url=served.url, stdout=full)
    finally:
        os.close(full)
    ended = await process.end()
    assert ended.code == 1, ended.err
    assert "the output could not be written: " in ended.err
    assert "No space left on device" in ended.err
    assert "Traceback" not in ended.err

    ended = await (await cli(*words, url=served.url)).end()
    assert ended.code == 0, ended.err
    rows = [msgspec.json.decode(line) for line in ended.out.splitlines()]
    assert sorted(row["row"] for row in rows) == list(range(len(PEOPLE)))
    assert {row["person"] for row in rows if row["status"] == "found"} == served.charged()
    assert served.sandbox.statistics().repeated_people == 0
    assert served.sandbox.regrets().double_charges == 0
