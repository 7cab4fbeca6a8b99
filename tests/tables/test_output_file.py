"""An output file appears whole, is private, and is nobody else's."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from pubrio_async import ConfigurationError
from pubrio_async.tables import PartFile
from pubrio_async.tables import _part as part_module
from tests.tables.outputs import found, table


@pytest.mark.parametrize("output", ["out.csv", "out.jsonl"])
def test_the_output_appears_whole_and_is_private(tmp_path: Path, output: str) -> None:
    sink, path = table(tmp_path, 1, output)
    path.write_text("what was there before")
    path.chmod(0o644)
    part = tmp_path / f"{output}.part"
    assert stat.S_IMODE(part.stat().st_mode) == 0o600
    sink.write(found(0))
    assert path.read_text() == "what was there before"
    sink.close()

    assert "row0@x.example" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not part.exists()
    sink.discard()
    assert "row0@x.example" in path.read_text()


@pytest.mark.parametrize("output", ["out.csv", "out.jsonl"])
def test_giving_up_leaves_what_was_there(tmp_path: Path, output: str) -> None:
    sink, path = table(tmp_path, 1, output)
    path.write_text("before")
    sink.write(found(0))
    sink.discard()
    sink.discard()

    assert path.read_text() == "before"
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("output", ["out.csv", "out.jsonl"])
def test_giving_up_can_keep_what_was_written(tmp_path: Path, output: str) -> None:
    sink, path = table(tmp_path, 3, output)
    sink.write(found(2))
    sink.discard(keep=True)

    assert not path.exists()
    assert "row2@x.example" in (tmp_path / f"{output}.part").read_text()


def test_what_an_earlier_process_left_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl.part").write_text("x" * 1_000)
    (tmp_path / "out.jsonl.part").chmod(0o666)
    sink, path = table(tmp_path, 1, "out.jsonl")
    assert stat.S_IMODE((tmp_path / "out.jsonl.part").stat().st_mode) == 0o600
    sink.write(found(0))
    sink.close()

    assert path.read_text().startswith('{"row":0')


def test_a_link_is_followed(tmp_path: Path) -> None:
    target = tmp_path / "target.jsonl"
    target.write_text("before")
    (tmp_path / "out.jsonl").symlink_to(target)
    sink, path = table(tmp_path, 1, "out.jsonl")
    sink.write(found(0))
    sink.close()

    assert path.is_symlink()
    assert target.read_text().startswith('{"row":0')


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("before")
    (tmp_path / "out.csv.part").symlink_to(target)

    with pytest.raises(ConfigurationError, match="Cannot write the output"):
        table(tmp_path, 1)
    assert target.read_text() == "before"


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("none/out.csv", "No such file or directory"),
        ("dir.csv", "it is a directory"),
        ("pipe.csv", "it is not a regular file"),
        ("out", r"must end in \.jsonl, \.csv, \.tsv or \.parquet"),
        ("out.txt", "must end in"),
        ("in.csv", "is the input itself"),
        ("link.csv", "is the input itself"),
    ],
)
def test_an_output_that_cannot_be_is_refused(tmp_path: Path, output: str, reason: str) -> None:
    (tmp_path / "dir.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "link.csv").symlink_to(tmp_path / "in.csv")

    with pytest.raises(ConfigurationError, match=reason):
        table(tmp_path, 1, output)
    assert not list(tmp_path.glob("*.part"))


def test_a_write_protected_output_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out.csv").write_text("before")
    monkeypatch.setattr(part_module.os, "access", lambda path, mode: False)

    with pytest.raises(ConfigurationError, match="write-protected"):
        table(tmp_path, 1)


def test_two_processes_do_not_write_one_output(tmp_path: Path) -> None:
    path = str(tmp_path / "out")
    first = PartFile(path, what="report")
    first.file.write(b"first")

    with pytest.raises(ConfigurationError, match=r"report .* another process is writing it"):
        PartFile(path, what="report")
    first.publish()
    assert Path(path).read_bytes() == b"first"


def test_a_file_that_was_published_meanwhile_is_not_truncated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out"
    first = PartFile(str(path), what="output")
    first.file.write(b"first")
    lock = part_module.fcntl.flock

    def publish_then_lock(fd: int, how: int) -> None:
        first.publish()
        (tmp_path / "out.part").write_bytes(b"")
        lock(fd, how)

    monkeypatch.setattr(part_module.fcntl, "flock", publish_then_lock)
    with pytest.raises(ConfigurationError, match="has just written it"):
        PartFile(str(path), what="output")
    assert path.read_bytes() == b"first"


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there")
def test_what_another_process_has_begun_is_not_thrown_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.csv"
    first = PartFile(str(path), what="output")
    others: list[PartFile] = []
    unlink = os.unlink

    def begin_meanwhile(part: str) -> None:
        with suppress(ConfigurationError):  # the first one has not let go of it yet
            others.append(PartFile(str(path), what="output"))
        unlink(part)

    monkeypatch.setattr(os, "unlink", begin_meanwhile)
    first.discard()
    others += [] if others else [PartFile(str(path), what="output")]
    (other,) = others
    other.file.write(b"rows")
    other.publish()
    assert path.read_bytes() == b"rows"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
@pytest.mark.parametrize("output", ["out.csv", "out.jsonl"])
def test_a_full_disk_is_an_error_and_nothing_more(tmp_path: Path, output: str) -> None:
    sink, path = table(tmp_path, 2_000, output)
    full = os.open("/dev/full", os.O_WRONLY)
    part = sink._part.file  # type: ignore[attr-defined]
    os.dup2(full, part.fileno())
    os.close(full)

    def write_until_the_buffer_is_full() -> None:
        for row in range(2_000):
            sink.write(found(row))

    with pytest.raises(OSError, match="No space left"):
        write_until_the_buffer_is_full()
    sink.discard(keep=True)
    assert not path.exists()
