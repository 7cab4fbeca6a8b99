"""What a failing journal may not hold is kept where the next run leaves it alone."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from pubrio_async.cli._kept import Backup, keep
from pubrio_async.models import Outcome
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from pubrio_async.tables import PartFile
from tests.cli.conftest import Api, Cli, ids, no_links, write_csv


@pytest.mark.parametrize("links", [True, False])
def test_nothing_that_is_kept_is_ever_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    out = tmp_path / "out.csv"
    names = []
    for number in range(3):
        out.unlink(missing_ok=True)
        out.write_text(f"run {number}")
        out.chmod(0o600)
        names.append(keep(str(out), str(out)))

    assert names == [f"{out}.kept", f"{out}.kept-2", f"{out}.kept-3"]
    for number, name in enumerate(names):
        assert Path(name).read_text() == f"run {number}"
        assert stat.S_IMODE(Path(name).stat().st_mode) == 0o600
    assert os.path.samefile(out, names[-1]) is links


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("rows")
    link = tmp_path / "out.csv"
    link.symlink_to("real.csv")

    kept = Path(keep(str(link), str(link)))
    assert not kept.is_symlink()
    assert kept.read_text() == "rows"


def test_half_a_copy_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", no_links)
    monkeypatch.setattr(os, "fsync", full)
    out = tmp_path / "out.csv"
    out.write_text("rows")

    with pytest.raises(OSError, match="No space left"):
        keep(str(out), str(out))
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_outcomes_are_kept_or_thrown_away(tmp_path: Path) -> None:
    journal = str(tmp_path / "j")
    outcome = Outcome(0, "x", None, "found")
    with ExitStack() as stack:
        Backup(journal, stack).write(outcome)
    assert list(tmp_path.iterdir()) == []

    with ExitStack() as stack:
        backup = Backup(journal, stack)
        backup.write(outcome)
        backup.write(Outcome(1, "y", None, "unsettled"))
        kept = Path(backup.keep())
    assert list(tmp_path.iterdir()) == [kept]
    assert kept.name == "j.kept"
    assert msgspec.json.decode(kept.read_bytes(), type=Outcome) == outcome
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A journal that is moved away while the run uses it, and the folder it is in."""
    settle, settled = SqliteJournal.settle, []

    async def vanish(journal: SqliteJournal, *args: object) -> None:
        settled.append(args)
        if len(settled) == 2:
            (tmp_path / "out.csv.journal").rename(tmp_path / "away")
        await settle(journal, *args)  # type: ignore[arg-type] # as they came

    monkeypatch.setattr(SqliteJournal, "settle", vanish)
    return tmp_path


def redeem(cli: Cli, folder: Path, *more: str) -> tuple[int, str]:
    source = write_csv(folder / "in.csv", ids(30))
    result = cli(
        "redeem", source, "-o", folder / "out.csv", "--types", "email-work", "--batch-size", "10",
        "--progress", "none", *more,
    )  # fmt: skip
    return result.code, result.err


def test_the_output_of_a_run_whose_journal_failed_is_kept(
    cli: Cli, api: Api, failing: Path
) -> None:
    sandbox = api()
    out, kept = failing / "out.csv", failing / "out.csv.kept"
    code, err = redeem(cli, failing)

    assert code in {1, 3}, err
    assert "The journal failed" in err
    assert f"what was written is also kept in {kept}" in err
    before = kept.read_text()
    assert before == out.read_text()
    charged = {charge.people_search_id for charge in sandbox.ledger}
    assert charged
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600

    (failing / "away").rename(failing / "out.csv.journal")
    redeem(cli, failing)
    assert kept.read_text() == before
    assert not (failing / "out.csv.kept-2").exists()


def test_what_was_written_is_kept_even_if_the_output_failed_too(
    cli: Cli, api: Api, failing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api()
    with monkeypatch.context() as patch:
        patch.setattr(PartFile, "publish", no_links)
        code, err = redeem(cli, failing)

    assert code == 1, err
    kept = failing / "out.csv.kept"
    assert f"what was written of the output is in {kept}\n" in err
    before = kept.read_text()
    assert len(before.splitlines()) == 31

    (failing / "away").rename(failing / "out.csv.journal")
    redeem(cli, failing)
    assert kept.read_text() == before
    assert not os.path.samefile(kept, failing / "out.csv")


def test_an_output_that_cannot_be_kept_is_told(
    cli: Cli, api: Api, failing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api()
    monkeypatch.setattr("pubrio_async.cli._redeem.keep", no_links)
    _, err = redeem(cli, failing)

    assert "could not be kept under another name: [Errno 1]" in err
    assert "Keep a copy of the output before running again, which replaces it" in err


def test_a_run_whose_journal_is_well_keeps_nothing(cli: Cli, api: Api, tmp_path: Path) -> None:
    api()
    code, err = redeem(cli, tmp_path)

    assert code == 0, err
    assert not list(tmp_path.glob("*.kept*"))


def test_what_went_to_stdout_is_for_the_user_to_keep(cli: Cli, api: Api, failing: Path) -> None:
    api()
    source = write_csv(failing / "in.csv", ids(30))
    result = cli(
        "redeem", source, "--types", "email-work", "--batch-size", "10",
        "--journal", failing / "out.csv.journal",
    )  # fmt: skip

    assert result.code in {1, 3}, result.err
    assert "Keep a copy of the output before running again: there" in result.err
    assert not list(failing.glob("*.kept*"))


def test_an_output_with_nothing_in_it_is_not_kept(
    cli: Cli, api: Api, failing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api()
    # As on a full disk, where not one row could be written.
    monkeypatch.setattr("pubrio_async.cli._redeem.os.path.getsize", lambda path: 0)
    _, err = redeem(cli, failing)

    assert "The journal failed" in err
    assert not list(failing.glob("*.kept*"))
    assert "also kept" not in err
