"""Results as text for the terminal, as a page of HTML with plots, and as docs/performance.md."""

from __future__ import annotations

import html as markup
import io
from collections.abc import Sequence

import msgspec

from benchmarks.harness import NAMES, RESULTS, ROOT, Cell, Goal, Plot, Report, show
from benchmarks.machine import Machine, Recorded

DOCS = ROOT / "docs" / "performance.md"
_HEAD = """\
# Performance

Goals beside what was measured. Every figure comes from `benchmarks/results/`, and this page from
them by `python -m benchmarks --docs`. To measure again: `make bench`, or the command under each
heading.

How it is measured: variants take turns within one run, and a ratio is the median of the ratios of
neighbours; in brackets its quartiles. Where nothing else is said a time is CPU time of the client's
process. The API is the stand-in of this package (`pubrio-async sandbox`) or a bare server, in a
process of its own: a real API adds its own latency, which no client can shorten. Virtual time means
that the clock jumps instead of waiting. Each result names the machine, its load and the versions.
"""


def measured(goal: Goal) -> str:
    """The figure of a goal, with its spread and unit."""
    figure = show(goal.measured)
    if goal.spread is not None:
        figure += f" ({show(goal.spread[0])} to {show(goal.spread[1])})"
    return f"{figure} {goal.unit}".rstrip()


def text(report: Report) -> str:
    """A report for the terminal."""
    out = [f"\n== {report.title} ({report.name}, {report.seconds:g} s)", "", report.method, ""]
    if report.lines:
        out += _aligned([report.columns, *([show(c) for c in line] for line in report.lines)])
    if report.goals:
        head = ("goal", "at", "measured", "met")
        rows = [(g.what, f"{g.goal} {g.unit}", measured(g), show(g.met)) for g in report.goals]
        out += ["", *_aligned([head, *rows])]
        out += [f"  {g.what}: {g.why}" for g in report.goals if g.why]
    out += ["", *report.notes] if report.notes else []
    return "\n".join(out)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  "
        + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


# -- docs ------------------------------------------------------------------------------------


def kept() -> list[Recorded]:
    """The results in benchmarks/results."""
    found: list[Recorded] = []
    for name in NAMES:
        path = RESULTS / f"{name}.json"
        if path.exists():
            found.append(msgspec.json.decode(path.read_bytes(), type=Recorded))
    return found


def write_docs() -> None:
    """Writes docs/performance.md from the results that are kept."""
    DOCS.write_text(markdown(kept()), encoding="utf-8")


def markdown(runs: Sequence[Recorded]) -> str:
    """The page: the summary first, then each benchmark with its table."""
    out = [_HEAD, "## Summary\n"]
    out += ["| benchmark | what | goal | measured | met |", "|---|---|---|---|---|"]
    for run in runs:
        for goal in run.report.goals:
            met = "yes" if goal.met else "**no**"
            wanted = f"{goal.goal} {goal.unit}".rstrip()
            link = f"[{run.report.name}](#{run.report.name})"
            out.append(f"| {link} | {goal.what} | {wanted} | {measured(goal)} | {met} |")
    out.append("\n## What falls short, and why\n")
    out += [line for run in runs for line in _short(run.report)] or ["Nothing."]
    for run in runs:
        out += _section(run)
    return "\n".join(out) + "\n"


def _short(report: Report) -> list[str]:
    """What is missed, in one line for all that is missed for the same reason."""
    together: dict[tuple[str, str], list[Goal]] = {}
    for goal in report.goals:
        if not goal.met:
            together.setdefault((goal.goal, goal.why), []).append(goal)
    out: list[str] = []
    for (limit, why), goals in together.items():
        what, found = goals[0].what, measured(goals[0])
        if len(goals) > 1:
            ordered = sorted(goal.measured for goal in goals)
            what = f"{len(goals)} lines such as {what}"
            found = f"{show(ordered[0])} to {show(ordered[-1])} {goals[0].unit}".rstrip()
        wanted = f"{limit} {goals[0].unit}".rstrip()
        reason = why[:1].upper() + why[1:]
        stop = "" if reason.endswith(".") or not reason else "."
        out.append(
            f"- {report.name}, {what}: {found}, the goal is {wanted}. {reason}{stop}".rstrip()
        )
    return out


def _section(run: Recorded) -> list[str]:
    report = run.report
    out = [f'\n<a id="{report.name}"></a>\n## {report.title}\n']
    quick = " --quick" if run.options.quick else ""
    out += [f"`python -m benchmarks {report.name}{quick}`\n", report.method + "\n"]
    if report.lines:
        out += ["| " + " | ".join(report.columns) + " |", "|" + "---|" * len(report.columns)]
        out += ["| " + " | ".join(show(cell) for cell in line) + " |" for line in report.lines]
        out.append("")
    out += [f"{note}\n" for note in report.notes]
    out.append(f"*{_where(run.machine)}*")
    return out


def _where(machine: Machine) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    return (
        f"{machine.at}, commit {machine.commit}, {machine.python}, {machine.processor}, "
        f"{machine.cores} cores, load {machine.load_before:g} before and {machine.load_after:g} "
        f"after; {versions}"
    )


# -- HTML ------------------------------------------------------------------------------------

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 } svg { max-width: 100%; height: auto }
td, th { border: 1px solid #ccc; padding: .2rem .6rem; text-align: left }
.no { background: #fdd } .where { color: #666; font-size: 80% }
"""


def html(runs: Sequence[Recorded]) -> str:
    """One page that needs nothing else: plots are drawn into it as SVG."""
    out = ["<!doctype html><meta charset='utf-8'><title>pubrio-async: benchmarks</title>"]
    out += [f"<style>{_STYLE}</style><h1>pubrio-async: benchmarks</h1>"]
    for run in runs:
        report = run.report
        out += [f"<h2>{_safe(report.title)}</h2><p>{_safe(report.method)}</p>"]
        out += [_goals(report.goals)] if report.goals else []
        out += [_table(report.columns, report.lines)] if report.lines else []
        out += [svg(plot) for plot in report.plots]
        out += [f"<p>{_safe(note)}</p>" for note in report.notes]
        out += [f"<p class='where'>{_safe(_where(run.machine))}</p>"]
    return "\n".join(out) + "\n"


def _safe(words: str) -> str:
    return markup.escape(words)


def _goals(goals: Sequence[Goal]) -> str:
    out = ["<table><tr><th>what<th>goal<th>measured<th>met<th>why not"]
    for goal in goals:
        cells = (goal.what, f"{goal.goal} {goal.unit}", measured(goal), show(goal.met), goal.why)
        kind = "" if goal.met else " class='no'"
        out.append(f"<tr{kind}>" + "".join(f"<td>{_safe(cell)}" for cell in cells))
    return "\n".join(out) + "</table>"


def _table(columns: Sequence[str], lines: Sequence[Sequence[Cell]]) -> str:
    out = ["<table><tr>" + "".join(f"<th>{_safe(column)}" for column in columns)]
    out += ["<tr>" + "".join(f"<td>{_safe(show(cell))}" for cell in line) for line in lines]
    return "\n".join(out) + "</table>"


def svg(plot: Plot) -> str:
    """A plot as SVG; a line of text where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - slow, and an extra
    except ImportError:
        return f"<p>{_safe(plot.title)}: install the extra `bench` to see it drawn.</p>"
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    if plot.kind == "bar":
        _bars(axes, plot)
    else:
        for name, (xs, ys) in plot.series.items():
            axes.plot(xs, ys, marker="o" if len(xs) < 30 else None, label=name)
    if plot.log_x:
        axes.set_xscale("log")
    if plot.log_y:
        axes.set_yscale("log")
    axes.set_title(plot.title)
    axes.set_xlabel(plot.x_title)
    axes.set_ylabel(plot.y_title)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    out = io.StringIO()
    figure.savefig(out, format="svg")
    drawn = out.getvalue()
    return drawn[drawn.index("<svg") :]


def _bars(axes: object, plot: Plot) -> None:
    words = list(dict.fromkeys(x for xs, _ in plot.series.values() for x in xs))
    width = 0.8 / max(1, len(plot.series))
    for number, (name, (xs, ys)) in enumerate(plot.series.items()):
        places = [words.index(x) + number * width for x in xs]
        axes.bar(places, ys, width, label=name)  # type: ignore[attr-defined]
    middle = 0.4 - width / 2
    axes.set_xticks([i + middle for i in range(len(words))], words)  # type: ignore[attr-defined]
