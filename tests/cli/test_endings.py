"""How a run can end, the exit code of each, and what the person in front of it is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pubrio_async import (
    AuthenticationError,
    ConfigurationError,
    InsufficientCreditsError,
    NotSentError,
    PubrioError,
    ServerError,
)
from pubrio_async._errors import BudgetExhaustedError, JournalError
from pubrio_async.cli._exit import ExitCode, exit_code, exit_code_of
from pubrio_async.models import Outcome, RunReport
from pubrio_async.tables import PartFile, Sink, open_rows
from pubrio_async.tables._sinks import JsonlSink
from tests.cli.conftest import LOG_REFUSED, LOST, Api, Cli, ids, statuses, write_csv
from tests.together import together

REFUSED = AuthenticationError("no", status=401)
POOR = InsufficientCreditsError("no", status=402)


@together
@pytest.mark.parametrize(
    ("report", "stopped_by", "code"),
    [
        (RunReport(rows=3, found=1, empty=1, rejected=1), None, ExitCode.DONE),
        (RunReport(), None, ExitCode.DONE),
        (RunReport(failed=1), None, ExitCode.INCOMPLETE),
        (RunReport(pending=1), None, ExitCode.INCOMPLETE),
        (RunReport(unsettled=1), None, ExitCode.INCOMPLETE),
        (RunReport(skipped=1), None, ExitCode.INCOMPLETE),
        (RunReport(skipped=1), REFUSED, ExitCode.KEY_REFUSED),
        (RunReport(skipped=1), POOR, ExitCode.NO_CREDITS),
        (RunReport(skipped=1), BudgetExhaustedError("no"), ExitCode.NO_CREDITS),
        (RunReport(skipped=1), NotSentError("no"), ExitCode.INCOMPLETE),
        (RunReport(skipped=1), JournalError("no"), ExitCode.INCOMPLETE),
        (RunReport(found=1), NotSentError("no"), ExitCode.DONE),
    ],
)
def test_exit_codes_of_runs(
    report: RunReport, stopped_by: PubrioError | None, code: ExitCode
) -> None:
    assert exit_code(report, stopped_by, interrupted=False) is code
    assert exit_code(report, stopped_by, interrupted=True) == 130


@together
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("x"), 2),
        (JournalError("x"), 2),
        (REFUSED, 5),
        (POOR, 4),
        (BudgetExhaustedError("x"), 4),
        (ServerError("x", status=500), 1),
    ],
)
def test_exit_codes_of_errors(error: PubrioError, code: int) -> None:
    assert exit_code_of(error) == code


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.csv"


@pytest.fixture
def command(tmp_path: Path, out: Path) -> list[str]:
    source = write_csv(tmp_path / "in.csv", ids(30))
    return [
        "redeem", source, "-o", str(out), "--types", "email-work",
        "--batch-size", "10", "--progress", "none",
    ]  # fmt: skip


def test_a_refused_key(cli: Cli, api: Api, out: Path, command: list[str]) -> None:
    sandbox = api(api_key="another")
    result = cli(*command)

    assert result.code == 5, result.err
    assert "refused the key" in result.err
    assert "Check PUBRIO_API_KEY" in result.err
    assert "Nothing was charged" in result.err
    assert "Traceback" not in result.err
    assert sum(statuses(out).values()) == 30
    assert set(statuses(out)) <= {"failed", "skipped"}
    assert sandbox.statistics().credits_charged == 0


def test_a_refused_key_at_the_question_for_prices(
    cli: Cli, api: Api, out: Path, command: list[str]
) -> None:
    api(api_key="another")
    result = cli(*command, "--max-credits", "100")

    assert result.code == 5, result.err
    assert result.err.count("\n") == 1
    assert "Nothing was charged" in result.err
    assert not out.exists()
    assert not list(out.parent.glob("*.part"))


def test_missing_credits(cli: Cli, api: Api, out: Path, command: list[str]) -> None:
    sandbox = api(faults=("402:/redeem/people/batch$:after=1",))
    result = cli(*command, "--max-concurrency", "1")

    assert result.code == 4, result.err
    assert "not enough credits" in result.err
    assert "Top up" in result.err
    assert "goes on from there: pubrio-async redeem" in result.err
    counted = statuses(out)
    assert counted["found"] + counted["empty"] == 10
    assert sandbox.regrets().double_charges == 0


def test_the_budget(cli: Cli, api: Api, out: Path, command: list[str]) -> None:
    sandbox = api()
    result = cli(*command, "--max-credits", "60")

    assert result.code == 4, result.err
    assert "budget is used up" in result.err
    assert "Raise --max-credits" in result.err
    assert statuses(out)["skipped"] > 0
    assert sandbox.statistics().credits_charged <= 60


@pytest.mark.usefixtures("quick_looks")
def test_lost_answers_are_unsettled_and_not_sent_again(
    cli: Cli, api: Api, out: Path, command: list[str]
) -> None:
    sandbox = api(faults=(LOST, LOG_REFUSED))
    result = cli(*command)

    assert result.code == 3, result.err
    assert statuses(out)["unsettled"] == 10
    assert "10 rows unsettled: they may have been charged" in result.err
    assert f"costs no credits: pubrio-async resolve {out}.journal" in result.err
    assert "dashboard" not in result.err
    requests = sandbox.statistics().requests

    assert cli(*command).code == 3
    assert sandbox.statistics().requests == requests


def test_a_deadline_leaves_rows_pending(cli: Cli, api: Api, out: Path, command: list[str]) -> None:
    api(faults=("unfinished_forever:/redeem/people/batch$:times=1",))
    result = cli(*command, "--deadline", "2")  # by which all others are done

    assert result.code == 3, result.err
    assert statuses(out)["pending"] == 10
    assert "10 rows pending: accepted and perhaps charged" in result.err
    assert "--deadline 2" in result.err


def test_without_a_journal_a_repetition_costs(cli: Cli, api: Api, command: list[str]) -> None:
    api(faults=("unfinished_forever:/redeem/people/batch$:times=1",))
    result = cli(*command, "--deadline", "0.2", "--no-journal")

    assert result.code == 3, result.err
    assert "pays for it again" in result.err
    assert "journal:" not in result.err


def test_an_output_that_breaks_ends_the_run_and_keeps_what_was_written(
    cli: Cli, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api()
    source = write_csv(tmp_path / "in.csv", ids(30))
    out = tmp_path / "out.jsonl"
    out.write_text("before")
    write, written = JsonlSink.write, []

    def break_at_the_third(sink: JsonlSink, outcome: Outcome) -> None:
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        written.append(outcome)
        write(sink, outcome)

    monkeypatch.setattr(JsonlSink, "write", break_at_the_third)
    result = cli("redeem", source, "-o", out, "--types", "phone", "--batch-size", "10")

    assert result.code == 1, result.err
    assert "Traceback" not in result.err
    assert "the output could not be written: [Errno 28] No space left on device" in result.err
    assert f"is in {out}.part" in result.err
    assert out.read_text() == "before"
    assert len((tmp_path / "out.jsonl.part").read_text().splitlines()) == 2

    monkeypatch.undo()


def test_an_output_that_breaks_at_its_end(
    cli: Cli, api: Api, out: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    api()
    target = out.parent / "elsewhere.csv"
    target.touch()
    out.symlink_to(target)

    def refuse(part: PartFile) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(PartFile, "publish", refuse)
    result = cli(*command)

    assert result.code == 1, result.err
    assert "the output could not be written" in result.err
    assert f"is in {target}.part" in result.err
    assert statuses(Path(f"{target}.part")).total() == 30


def test_a_report_that_breaks(
    cli: Cli, api: Api, out: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    api()
    publish = PartFile.publish

    def refuse_the_report(part: PartFile) -> None:
        if part.path.endswith("report"):
            raise OSError(1, "Operation not permitted")
        publish(part)

    monkeypatch.setattr(PartFile, "publish", refuse_the_report)
    result = cli(*command, "--report", out.parent / "report")

    assert result.code == 1, result.err
    assert "the report could not be written" in result.err
    assert statuses(out).total() == 30


def test_without_an_output_a_broken_stdout_is_told(
    cli: Cli, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api()

    class Broken:
        def write(self, outcome: Outcome) -> None:
            raise BrokenPipeError(32, "Broken pipe")

        def discard(self, *, keep: bool = False) -> None:
            pass

    def broken_sink(*args: object, **rest: object) -> Sink:
        return Broken()  # type: ignore[return-value]

    monkeypatch.setattr("pubrio_async.cli._redeem.open_sink", broken_sink)
    result = cli("redeem", write_csv(tmp_path / "in.csv", ids(3)), "--types", "phone")

    assert result.code == 1, result.err
    assert "Broken pipe" in result.err
    assert ".part" not in result.err


def test_an_input_that_is_changed_meanwhile(
    cli: Cli, api: Api, out: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    api()
    rows = open_rows(command[1])

    def people() -> object:
        yield from ids(3)
        raise ConfigurationError("in.csv was changed while it was being read.")

    monkeypatch.setattr(rows, "people", people)
    monkeypatch.setattr("pubrio_async.cli._redeem.open_rows", lambda *args, **rest: rows)
    result = cli(*command)

    assert result.code == 1, result.err
    assert "could not be read to its end: in.csv was changed" in result.err
    assert statuses(Path(f"{out}.part")).total() == 3


def test_what_nobody_expected_keeps_what_was_written(
    cli: Cli, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api()
    write = JsonlSink.write

    def trip(sink: JsonlSink, outcome: Outcome) -> None:
        write(sink, outcome)
        raise ZeroDivisionError

    monkeypatch.setattr(JsonlSink, "write", trip)
    out = tmp_path / "out.jsonl"
    source = write_csv(tmp_path / "in.csv", ids(3))

    with pytest.raises(ZeroDivisionError):
        cli("redeem", source, "-o", out, "--types", "phone")
    [line] = (tmp_path / "out.jsonl.part").read_text().splitlines()
    assert json.loads(line)["status"] in {"found", "empty"}
