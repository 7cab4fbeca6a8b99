"""However `resolve` ends early, nothing is lost by it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pubrio_async._errors import JournalError
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from pubrio_async.scheduler.journal_status import read_status
from pubrio_async.tables import PartFile
from tests.cli.conftest import LOG_REFUSED, LOST, Api, Cli, Redeem, no_links
from tests.cli.resolving import NEVER_CAME, requests

pytestmark = pytest.mark.usefixtures("quick_looks", "warm_starts")


def test_a_deadline_is_one_for_both_runs(
    cli: Cli, api: Api, journal: Path, redeem: Redeem, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = api(faults=(NEVER_CAME,))
    assert redeem().code == 3
    monkeypatch.setattr("pubrio_async.scheduler.logbook._FIRST_LOOK_S", 60.0)
    result = cli("resolve", journal, "--resend", "--deadline", "0.3")

    assert result.code == 3, result.err
    assert "the deadline was reached; nobody is sent again" in result.err
    assert "10 people still unsettled" in result.err
    assert requests(sandbox) == 3


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


_QUICK = (
    "from pubrio_async.scheduler import logbook; logbook._FIRST_LOOK_S = 0.02; "
    "from pubrio_async.cli import main; main()"
)


_ALL_QUICK = (
    f"from pubrio_async.scheduler import logbook; logbook._LATER_LOOKS_S = (0.02, 0.02); {_QUICK}"
)


def test_a_signal_between_both_runs_hides_nothing_of_the_first(
    api: Api, journal: Path, redeem: Redeem
) -> None:
    sandbox = api(faults=(LOST, NEVER_CAME, LOG_REFUSED))
    assert redeem().code == 3
    sandbox.inject("stall", path="/profile")
    with subprocess.Popen(
        [sys.executable, "-c", _ALL_QUICK, "resolve", str(journal), "--resend"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            until(lambda: bool(requests(sandbox, "/profile")))
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=60)
        finally:
            process.kill()

    assert process.returncode == 130
    assert b"interrupted; nobody was sent again" in told
    assert b"nothing was charged" not in told
    assert b"credits charged, as reported" in told
    assert read_status(str(journal)).unsettled == 10


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_good_order(
    api: Api, journal: Path, redeem: Redeem, number: signal.Signals
) -> None:
    sandbox = api(faults=(LOST, LOG_REFUSED))
    assert redeem().code == 3
    sandbox.inject("stall", path="/api_keys/logs")
    sent = sandbox.statistics().requests
    with subprocess.Popen(
        [sys.executable, "-c", _QUICK, "resolve", str(journal), "--resend"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            until(lambda: sandbox.statistics().requests > sent)
            process.send_signal(number)
            _, err = process.communicate(timeout=20)
        finally:
            process.kill()

    assert process.returncode == 130, err
    assert b"once more ends at once" in err
    assert b"Traceback" not in err
    assert b"sending" not in err
    assert read_status(journal).unsettled == 10


def test_a_journal_that_fails_loses_nothing(  # noqa: PLR0917 - fixtures
    cli: Cli, api: Api, tmp_path: Path, journal: Path, redeem: Redeem,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    sandbox = api(faults=(NEVER_CAME,), work_share=1.0)
    assert redeem().code == 3

    async def vanish(opened: SqliteJournal, *args: object) -> None:
        raise JournalError("cannot use the journal: the disk is full")

    monkeypatch.setattr(SqliteJournal, "settle", vanish)
    result = cli("resolve", journal, "--resend")

    assert result.code in {1, 3}, result.err
    assert "The journal failed, and nothing more was sent" in result.err
    kept = Path(f"{journal}.kept")
    assert f"what came in is kept in {kept}" in result.err
    people = {json.loads(line)["person"] for line in kept.read_text().splitlines()}
    assert len(people) == 10
    assert people <= {charge.people_search_id for charge in sandbox.ledger}
    assert not list(tmp_path.glob("*.part"))


def test_a_journal_that_is_gone_at_the_end(  # noqa: PLR0917 - fixtures
    cli: Cli, api: Api, tmp_path: Path, journal: Path, redeem: Redeem,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    api(faults=(LOST, LOG_REFUSED), work_share=1.0)
    assert redeem().code == 3
    settle = SqliteJournal.settle

    async def vanish(opened: SqliteJournal, *args: object) -> None:
        journal.rename(tmp_path / "away")
        await settle(opened, *args)  # type: ignore[arg-type] # as they came

    monkeypatch.setattr(SqliteJournal, "settle", vanish)
    monkeypatch.setattr("pubrio_async.cli._kept.keep", no_links)
    result = cli("resolve", journal)

    assert result.code in {1, 3}, result.err
    assert "The journal failed" in result.err
    assert "what came in could not be kept: [Errno 1]" in result.err
    assert "Traceback" not in result.err
    # It is at least still there.
    assert len(Path(f"{journal}.outcomes.part").read_text().splitlines()) == 10


def test_a_report_that_breaks(  # noqa: PLR0917 - fixtures
    cli: Cli, api: Api, tmp_path: Path, journal: Path, redeem: Redeem,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    api(faults=(LOST, LOG_REFUSED))
    assert redeem().code == 3
    monkeypatch.setattr(PartFile, "publish", no_links)
    result = cli("resolve", journal, "--report", tmp_path / "report")

    assert result.code == 1, result.err
    assert "the report could not be written" in result.err
    assert read_status(journal).unsettled == 0
