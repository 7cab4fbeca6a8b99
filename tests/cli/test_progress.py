from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import Callable

import msgspec
import pytest

from pubrio_async.cli._messages import harmless_json, one_line
from pubrio_async.cli._options import ProgressStyle
from pubrio_async.cli._progress import (
    BarProgress,
    LogProgress,
    Pace,
    Progress,
    bar_text,
    make_progress,
    watching,
)
from pubrio_async.models import RunReport, RunStatistics
from tests.together import together

STATISTICS = RunStatistics(
    rows_read=600,
    rows_settled=500,
    rows_waiting=100,
    outcomes_queued=0,
    batches_open=2,
    batches_ready=1,
    requests_in_flight=3,
    requests_left=290,
    paused_s=0.0,
    credits_reserved=100,
    stopped_by=None,
    report=RunReport(credits_charged=1_234),
)


def clock(*times: float) -> Callable[[], float]:
    return iter(times).__next__


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_pace_is_that_of_late() -> None:
    pace = Pace(1_000)

    assert pace.seconds_left(0.0, 0) is None
    assert pace.seconds_left(10.0, 0) is None
    assert pace.seconds_left(10.0, 100) == 90.0
    assert pace.seconds_left(140.0, 100) is None
    assert pace.seconds_left(150.0, 600) == 8.0
    assert pace.seconds_left(151.0, 1_200) == 0.0


def test_an_endless_input_has_no_end_to_tell() -> None:
    pace = Pace(None)

    pace.seconds_left(0.0, 0)
    assert pace.seconds_left(10.0, 100) is None


@together
@pytest.mark.parametrize(
    ("changes", "total", "eta", "start", "end"),
    [
        ({}, 1_000, 62.0, "500/1,000 rows · 2 batches · 290 requests left", " · ETA 0:01:02"),
        ({}, 1_000, None, "500/1,000 rows · 2 batches · 290 requests left", ""),
        ({"requests_left": None}, None, None, "500 rows · 2 batches", ""),
        (
            {"paused_s": 12.3},
            None,
            5.0,
            "500 rows · 2 batches · 290 requests left",
            " · paused 12 s",
        ),
        ({"stopped_by": "x"}, None, 5.0, "500 rows · 2 batches · 290 requests left", " · stopping"),
    ],
)
def test_the_text_of_the_bar(
    changes: dict[str, object], total: int | None, eta: float | None, start: str, end: str
) -> None:
    text = bar_text(msgspec.structs.replace(STATISTICS, **changes), total, eta)

    assert text == f"{start} · 1,234 credits{end}"


def test_the_log_is_a_json_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    progress = LogProgress(1_000, now=clock(0.0, 1.0, 6.0))
    progress.update(msgspec.structs.replace(STATISTICS, rows_settled=0))
    progress.update(STATISTICS)
    progress.note("by the way")
    progress.close()

    first, second, note = capsys.readouterr().err.splitlines()
    assert json.loads(first)["eta_s"] is None
    assert json.loads(second) == {
        "elapsed_s": 6.0,
        "rows_settled": 500,
        "rows_total": 1_000,
        "eta_s": 5.0,
        "batches_open": 2,
        "requests_in_flight": 3,
        "requests_left": 290,
        "paused_s": 0.0,
        "credits_charged": 1_234,
        "stopped_by": None,
    }
    assert note == "pubrio-async: by the way"


@pytest.mark.parametrize("total", [1_000, None])
def test_the_bar_gives_the_cursor_back(monkeypatch: pytest.MonkeyPatch, total: int | None) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    progress = BarProgress(total, now=clock(0.0, 1.0))
    progress.update(STATISTICS)
    progress.note("[by] the way")
    progress.close()
    progress.close()

    shown = terminal.getvalue()
    assert "500" in shown
    assert "290 requests left" in shown
    assert "pubrio-async: [by] the way" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


@pytest.mark.parametrize(
    ("style", "terminal", "kind"),
    [
        (ProgressStyle.AUTO, True, BarProgress),
        (ProgressStyle.AUTO, False, LogProgress),
        (ProgressStyle.BAR, False, BarProgress),
        (ProgressStyle.LOG, True, LogProgress),
        (ProgressStyle.NONE, True, Progress),
    ],
)
def test_styles(
    monkeypatch: pytest.MonkeyPatch, style: ProgressStyle, *, terminal: bool, kind: type[Progress]
) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal() if terminal else io.StringIO())
    progress = make_progress(style, 10)
    progress.close()

    assert type(progress) is kind


class FakeRun:
    def statistics(self) -> RunStatistics:
        return STATISTICS


class Counting(Progress):
    def __init__(self, interval_s: float | None) -> None:
        self.interval_s = interval_s
        self.updates = 0
        self.closed = 0

    def update(self, statistics: RunStatistics) -> None:
        self.updates += 1

    def close(self) -> None:
        self.closed += 1


@pytest.mark.virtual_time
@pytest.mark.parametrize(("interval_s", "updates"), [(2.0, 5), (None, 1)])
async def test_a_run_is_watched_to_its_end(interval_s: float | None, updates: int) -> None:
    progress = Counting(interval_s)

    async with watching(FakeRun(), progress):
        await asyncio.sleep(9.0)
        assert progress.updates == updates - 1
        assert progress.closed == 0

    assert progress.updates == updates
    assert progress.closed == 1
    assert len(asyncio.all_tasks()) == 1


def test_a_message_is_one_line_that_no_terminal_obeys() -> None:
    assert one_line("a\n  b\x1b[2J\x00c") == "pubrio-async: a b?[2J?c"


@together
@pytest.mark.parametrize(
    ("width", "text"),
    [
        (80, "500/1,000 rows · 2 batches · 290 requests left · 1,234 credits · ETA 0:01:02"),
        (70, "500/1,000 rows · 2 batches · 1,234 credits · ETA 0:01:02"),
        (50, "500/1,000 rows · 1,234 credits · ETA 0:01:02"),
        (40, "500/1,000 rows · ETA 0:01:02"),
        (20, "500/1,000 rows"),
        (3, "500/1,000 rows"),
        (-5, "500/1,000 rows"),
    ],
)
def test_what_is_of_least_use_is_left_out_where_there_is_no_room(width: int, text: str) -> None:
    assert bar_text(STATISTICS, 1_000, 62.0, width=width) == text


def test_a_run_without_limits_leaves_out_what_it_does_not_have() -> None:
    unlimited = msgspec.structs.replace(STATISTICS, requests_left=None)

    assert bar_text(unlimited, None, None, width=30, separator=", ") == "500 rows, 1,234 credits"


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_terminal_that_cannot_go_back_gets_lines(
    monkeypatch: pytest.MonkeyPatch, term: str
) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", term)

    assert isinstance(make_progress(ProgressStyle.AUTO, 10), LogProgress)


def test_json_holds_nothing_that_a_terminal_obeys() -> None:
    hostile = "a\x1b[2J\x9b31m\x7f\u202e\u2028é\U0001f600"
    text = harmless_json(msgspec.json.encode(hostile).decode())

    assert json.loads(text) == hostile
    assert text.isprintable()
    assert "é\U0001f600" in text
