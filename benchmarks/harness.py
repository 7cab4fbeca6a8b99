"""What every benchmark shares: what it is asked, how it measures, what it hands back.

A benchmark is a module `benchmarks/<name>.py` with one function,

    def run(options: Options) -> Report: ...

and its name in `NAMES`. It is run by `python -m benchmarks <name>`, and reports like this:

    report = Report(
        name="decode",                                  # the module's name
        title="Decoding a batch reply",
        method="Each decoder takes turns ...",          # how it was measured, in plain sentences
        columns=("people", "decoder", "µs", "ratio"),
    )
    report.add(1_000, "ours", 163.2, Ratio(...))        # a line: str, int, float, bool, Ratio
    report.goal("1,000 people ÷ bare decoder", ratio, at_most=1.05)
    report.goal("refusals", 0, at_most=0, why="...")    # `why` is shown where a goal is missed
    report.plots.append(Plot(title, x_title, y_title, {"ours": ([1, 2], [3.0, 4.0])}))

Rules that keep figures honest:

- Variants take turns within one run (`interleaved`), and what is reported is the median of the
  ratios of neighbours with its quartiles (`Samples.ratio`), not the ratio of two averages.
- CPU time rather than wall time, unless time is what is measured: the machine may be shared.
- Servers and peers run in processes of their own (`Sandbox`, `Peer`), so that one's heap, imports
  and loop do not weigh on the other's figures.
- `options.quick` is for a smoke test: the same code, sizes and rounds cut down. Whoever wants the
  same figures again uses `options.seeds` and gets the same inputs.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import random
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from msgspec import Struct, field

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"

NAMES = (
    "scheduling",
    "poller",
    "http",
    "decode",
    "limiter",
    "stream",
    "imports",
    "endtoend",
    "peers",
    "journal",
    "distributed",
)
"""Every benchmark, in the order of the report."""


class Options(Struct, frozen=True, kw_only=True):
    """What a benchmark is asked for.

    Attributes:
        quick: A smoke test: small sizes, few rounds.
        target: URL of a server to use instead of one of our own; None starts one.
        seeds: How many seeds where inputs are drawn; None for the benchmark's own choice.
    """

    quick: bool = False
    target: str | None = None
    seeds: int | None = None

    def pick(self, quick: T, full: T) -> T:
        """One of two sizes."""
        return quick if self.quick else full


class Ratio(Struct, frozen=True, tag=True):
    """The median of ratios of neighbours, with its quartiles and how many there were."""

    median: float
    q1: float
    q3: float
    count: int

    def __str__(self) -> str:
        return f"{_figure(self.median)} ({_figure(self.q1)} to {_figure(self.q3)})"


Cell = str | int | float | bool | Ratio | None


class Goal(Struct, frozen=True, kw_only=True):
    """A line of the summary: a goal beside what was measured."""

    what: str
    goal: str
    measured: float
    spread: tuple[float, float] | None = None
    met: bool
    unit: str = ""
    why: str = ""


class Plot(Struct):
    """Lines or bars: for each series its xs and ys. Bars take words as xs."""

    title: str
    x_title: str
    y_title: str
    series: dict[str, tuple[list[Any], list[float]]]
    kind: str = "line"  # or "bar"
    log_x: bool = False
    log_y: bool = False


class Report(Struct, kw_only=True):
    """What a benchmark hands back."""

    name: str
    title: str
    method: str
    columns: tuple[str, ...]
    lines: list[tuple[Cell, ...]] = field(default_factory=list[tuple[Cell, ...]])
    goals: list[Goal] = field(default_factory=list[Goal])
    plots: list[Plot] = field(default_factory=list[Plot])
    notes: list[str] = field(default_factory=list[str])
    seconds: float = 0.0

    def add(self, *cells: Cell) -> None:
        """Adds a line of the table."""
        if len(cells) != len(self.columns):
            msg = f"{self.name}: {len(cells)} cells for {len(self.columns)} columns"
            raise ValueError(msg)
        self.lines.append(cells)

    def goal(
        self,
        what: str,
        measured: float | Ratio,
        *,
        at_most: float | None = None,
        at_least: float | None = None,
        unit: str = "",
        why: str = "",
    ) -> None:
        """Sets a goal beside what was measured.

        Args:
            what: What was measured, and against what.
            measured: The figure.
            at_most: The goal, if less is better.
            at_least: The goal, if more is better.
            unit: The unit of both.
            why: The reason, shown only if the goal is missed.
        """
        spread = (measured.q1, measured.q3) if isinstance(measured, Ratio) else None
        figure = measured.median if isinstance(measured, Ratio) else float(measured)
        met = (at_most is None or figure <= at_most) and (at_least is None or figure >= at_least)
        goal = f"≤ {at_most:g}" if at_most is not None else f"≥ {at_least:g}"
        self.goals.append(
            Goal(
                what=what,
                goal=goal,
                measured=figure,
                spread=spread,
                met=met,
                unit=unit,
                why="" if met else why,
            )
        )


class Samples:
    """Figures of variants that took turns: the i-th of each are neighbours in time."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._of: dict[str, list[float]] = {name: [] for name in names}

    def add(self, name: str, figure: float) -> None:
        self._of.setdefault(name, []).append(figure)

    def __getitem__(self, name: str) -> list[float]:
        return self._of[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._of)

    def median(self, name: str) -> float:
        return statistics.median(self._of[name])

    def ratio(self, name: str, floor: str) -> Ratio:
        """How many times as much as the floor: median and quartiles over the rounds."""
        return ratio_of(
            [a / b for a, b in zip(self._of[name], self._of[floor], strict=True) if b > 0]
        )


def ratio_of(ratios: Sequence[float]) -> Ratio:
    """Median and quartiles."""
    if len(ratios) < 2:
        only = ratios[0] if ratios else float("nan")
        return Ratio(only, only, only, len(ratios))
    q1, median, q3 = statistics.quantiles(ratios, n=4, method="inclusive")
    return Ratio(median, q1, q3, len(ratios))


def interleaved(variants: Mapping[str, Callable[[], float]], rounds: int) -> Samples:
    """Lets variants take turns, in an order that changes with each round.

    Args:
        variants: By name, what measures one round and returns its figure.
        rounds: How many.
    """
    samples = Samples(variants)
    names = list(variants)
    rng = random.Random(0)
    for _ in range(rounds):
        rng.shuffle(names)
        for name in names:
            gc.collect()
            samples.add(name, variants[name]())
    return samples


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU time of this process for a piece of work."""
    started = time.process_time()
    work()
    return time.process_time() - started


def people(count: int, seed: int = 0) -> list[str]:
    """Made-up ids of people, the same for the same seed."""
    rng = random.Random(seed)
    return [str(uuid.UUID(int=rng.getrandbits(128), version=4)) for _ in range(count)]


class _Beside:
    """A Python process beside this one, from the start of a block to its end.

    Args:
        arguments: What follows `python -m`.
        stderr: Where what it says goes; None for where our own goes.
    """

    def __init__(self, *arguments: str, stderr: int | None = None) -> None:
        self._arguments = arguments
        self._stderr = stderr
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            cwd=ROOT,
        )
        return self

    def __exit__(self, *failure: object) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            with contextlib.suppress(OSError):  # a line that it did not live to read
                stream.close()

    def say(self, line: str) -> None:
        """Sends it a line."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def hear(self) -> str:
        """The next line it prints."""
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            msg = f"it ended before its time: {' '.join(self._arguments)}"
            raise RuntimeError(msg)
        return line.strip()


class Sandbox(_Beside):
    """The stand-in for the API in a process of its own; a context manager with a `url`.

    Args:
        arguments: Of `pubrio-async sandbox`, for example `("--limits", "unlimited")`.
        target: A server that is there already, used instead.
    """

    def __init__(self, *arguments: str, target: str | None = None) -> None:
        super().__init__("pubrio_async", "sandbox", *arguments, stderr=subprocess.DEVNULL)
        self._is_ours = target is None
        self.url = target or ""

    def __enter__(self) -> Self:
        if self._is_ours:
            super().__enter__()
            self.url = self.hear()
        return self


class Peer(_Beside):
    """A variant in a process of its own, that takes its turn when asked; a context manager.

    The other end is a function `measure(**fields)` of a module, kept loaded between rounds: what
    it sets up at its first round (imports, connections) is there in the next.

    Args:
        function: Such as `benchmarks.http:measure`.
        uvloop: Whether asyncio shall use uvloop in that process.
    """

    def __init__(self, function: str, *, uvloop: bool = False) -> None:
        super().__init__("benchmarks.peer", function, *["uvloop"] * uvloop)

    def ask(self, **fields: Any) -> Any:
        """One round: what the function returned for these fields."""
        self.say(json.dumps(fields))
        return json.loads(self.hear())


def alone(function: str, *, uvloop: bool = False, **fields: Any) -> Any:
    """One call of a function in a fresh process."""
    with Peer(function, uvloop=uvloop) as peer:
        return peer.ask(**fields)


def resident(process: int | str = "self") -> int:
    """Bytes of memory that a process occupies now; 0 once it is gone."""
    try:
        pages = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def compiling_into(cache: str) -> dict[str, str]:
    """An environment in which modules are compiled once, as those of an installed package are."""
    kept = {name: word for name, word in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": cache}


def load() -> float:
    """Load of the machine over the last minute; 0 where it is not told."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def run(name: str, options: Options) -> Report:
    """Runs a benchmark by its name."""
    module = importlib.import_module(f"benchmarks.{name}")
    started = time.perf_counter()
    report: Report = module.run(options)
    report.seconds = round(time.perf_counter() - started, 1)
    return report


def _figure(number: float) -> str:
    magnitude = abs(number)
    if magnitude >= 100:
        return f"{number:,.0f}"
    return f"{number:.1f}" if magnitude >= 10 else f"{number:.3g}"


def show(cell: Cell) -> str:
    """A cell as text."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return _figure(cell)
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
