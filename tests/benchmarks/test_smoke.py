"""Every benchmark runs, and its report can be kept, read again and shown in every form."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from functools import partial
from pathlib import Path

import msgspec
import pytest

from benchmarks import __main__ as command
from benchmarks import endtoend, harness, machine, peers, render
from benchmarks.harness import NAMES, Options, Plot, Ratio, Report, Samples, interleaved, ratio_of
from tests.distributed.cluster import programs

# The others take a minute each, with nothing to tell that these do not: make bench runs them.
_QUICK = ("decode", "limiter")


@pytest.fixture
def little_to_collect() -> None:
    """The benchmarks collect garbage before each sample: not that of all tests before this one."""
    gc.collect()
    gc.freeze()


@pytest.mark.timeout(120)
@pytest.mark.usefixtures("little_to_collect")
@pytest.mark.parametrize("name", NAMES if os.environ.get("PUBRIO_ALL_BENCHMARKS") else _QUICK)
def test_it_runs_and_reports(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endtoend, "QUICK_ROWS", 300)
    monkeypatch.setattr(peers, "QUICK_BATCHES", 6)
    report = harness.run(name, Options(quick=True, seeds=1))
    assert report.name == name
    if name == "distributed" and programs() is None:
        pytest.skip("PostgreSQL is not installed")
    assert report.lines
    assert report.goals
    assert report.plots
    recorded = machine.record(report, Options(quick=True), 0.0)
    kept = msgspec.json.decode(msgspec.json.encode(recorded), type=machine.Recorded)
    shown = render.markdown([kept])
    for goal in report.goals:
        assert goal.what in shown
        assert goal.what in render.text(report)
    assert report.title in render.html([kept])


def made_up() -> Report:
    report = Report(
        name="decode", title="<Decode> & so on", method="By hand.", columns=("what", "ratio")
    )
    report.add("one", Ratio(1.234, 1.1, 1.3, 9))
    report.goal("a ratio", Ratio(1.234, 1.1, 1.3, 9), at_most=1.2, why="It is slow.")
    report.goal("a count", 7, at_least=5, unit="things", why="Never shown.")
    report.plots.append(Plot("Bars", "x", "y", {"a": (["p", "q"], [1.0, 2.0])}, kind="bar"))
    report.plots.append(Plot("Lines", "x", "y", {"a": ([1, 10], [1.0, 2.0])}, log_x=True))
    return report


def test_a_goal_is_met_or_has_its_reason() -> None:
    missed, met = made_up().goals
    assert (missed.met, missed.why) == (False, "It is slow.")
    assert (met.met, met.why) == (True, "")
    assert render.measured(missed) == "1.23 (1.1 to 1.3)"
    assert render.measured(met) == "7 things"


def test_the_page_names_what_falls_short() -> None:
    page = render.markdown([machine.record(made_up(), Options(), 0.5)])
    assert "| [decode](#decode) | a ratio | ≤ 1.2 | 1.23 (1.1 to 1.3) | **no** |" in page
    assert "- decode, a ratio: 1.23 (1.1 to 1.3), the goal is ≤ 1.2. It is slow." in page
    assert "Never shown" not in page


def test_the_html_needs_nothing_else() -> None:
    pytest.importorskip("matplotlib")
    page = render.html([machine.record(made_up(), Options(), 0.5)])
    assert page.count("<svg") == 2
    assert "<script" not in page
    assert "&lt;Decode&gt; &amp; so on" in page


def test_a_line_has_a_cell_for_each_column() -> None:
    with pytest.raises(ValueError, match="3 cells for 2 columns"):
        made_up().add(1, 2, 3)


def test_ratios_are_those_of_neighbours() -> None:
    samples = Samples()
    for slow, fast in ((2.0, 1.0), (30.0, 10.0), (400.0, 100.0)):
        samples.add("slow", slow)
        samples.add("fast", fast)
    assert samples.ratio("slow", "fast") == Ratio(3.0, 2.5, 3.5, 3)
    assert samples.median("slow") == 30.0
    assert ratio_of([2.0]) == Ratio(2.0, 2.0, 2.0, 1)


@pytest.mark.usefixtures("little_to_collect")
def test_variants_take_turns() -> None:
    turns: list[str] = []

    def turn(name: str) -> float:
        turns.append(name)
        return 1.0

    samples = interleaved({name: partial(turn, name) for name in "abc"}, 4)
    assert list(samples) == ["a", "b", "c"]
    assert [sorted(turns[at : at + 3]) for at in range(0, 12, 3)] == [["a", "b", "c"]] * 4


def test_the_command_keeps_what_it_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(options: Options) -> Report:
        assert options == Options(quick=True, seeds=3)
        return made_up()

    monkeypatch.setattr(importlib.import_module("benchmarks.decode"), "run", run)
    monkeypatch.setattr(harness, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(render, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(render, "DOCS", tmp_path / "performance.md")
    out, page = tmp_path / "out.json", tmp_path / "report.html"
    line = ["benchmarks", "decode", "--quick", "--seeds", "3", "--save"]
    monkeypatch.setattr(sys, "argv", [*line, "--json", str(out), "--html", str(page)])
    assert command.main() == 0
    assert "a ratio" in capsys.readouterr().out
    assert out.exists()
    assert page.exists()
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--docs"])
    assert command.main() == 0
    assert "It is slow." in (tmp_path / "performance.md").read_text(encoding="utf-8")


def test_one_that_fails_does_not_cost_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(options: Options) -> Report:
        raise RuntimeError("no such luck")

    def fine(options: Options) -> Report:
        return made_up()

    monkeypatch.setattr(importlib.import_module("benchmarks.http"), "run", broken)
    monkeypatch.setattr(importlib.import_module("benchmarks.decode"), "run", fine)
    monkeypatch.setattr(sys, "argv", ["benchmarks", "http", "decode"])
    assert command.main() == 1
    told = capsys.readouterr()
    assert "a ratio" in told.out
    assert "failed: http" in told.err


def test_the_page_in_the_repository_is_that_of_the_results() -> None:
    assert render.DOCS.read_text(encoding="utf-8") == render.markdown(render.kept())
