"""From a CSV to a CSV by the real command, against the script one would write instead."""

from __future__ import annotations

import csv
import importlib.util
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from benchmarks.harness import (
    ROOT,
    Options,
    Plot,
    Report,
    Samples,
    Sandbox,
    alone,
    compiling_into,
    people,
    resident,
)

QUICK_ROWS = 10_000
_WARM_ROWS = 100
_TYPES = "email-work,email-personal,phone"
_SERVER = ("--limits", "unlimited", "--latency", "0", "--time-scale", "0.01")
_CREDIT = ("--credit", str(10**9))
_COMMAND, _NO_JOURNAL = "pubrio-async redeem", "pubrio-async redeem --no-journal"
_AIOHTTP, _REQUESTS = "script: aiohttp, 32 at a time", "script: requests in 32 threads"


def _write(path: Path, count: int, seed: int) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["name", "people_search_id"])
        out.writerows((f"Person {row}", person) for row, person in enumerate(people(count, seed)))


def _line(name: str, source: Path, target: Path, url: str) -> list[str]:
    if name in {_AIOHTTP, _REQUESTS}:
        kind = "aiohttp" if name == _AIOHTTP else "requests"
        return [sys.executable, "-m", "benchmarks.scripts", kind, str(source), str(target), url]
    line = [sys.executable, "-m", "pubrio_async", "redeem", str(source), "-o", str(target)]
    line += ["--types", _TYPES, "--rate", "unlimited", "--progress", "none"]
    return line + ["--no-journal"] * (name == _NO_JOURNAL)


class Measured(Struct):
    """A process from its birth to its end: time, CPU, and memory along the way."""

    seconds: float
    cpu: float
    peak_mb: float
    memory: list[tuple[float, float]]


def measure(line: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """Runs a command; called in a small process, because a peak starts at that of the parent."""
    memory: list[tuple[float, float]] = []
    started = time.perf_counter()
    process = subprocess.Popen(
        line, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.1):
            memory.append((time.perf_counter() - started, resident(process.pid) / 1e6))

    watch = threading.Thread(target=look)
    watch.start()
    assert process.stderr is not None
    with process.stderr:
        said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    ended.set()
    watch.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        told = said.decode(errors="replace")
        msg = f"exit code {process.returncode}: {' '.join(line)}\n{told}"
        raise RuntimeError(msg)
    return {
        "seconds": seconds,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024,
        "memory": memory,
    }


def _rows(path: Path) -> int:
    with path.open(newline="", encoding="utf-8") as file:
        return sum(1 for _ in csv.reader(file)) - 1


def run(options: Options) -> Report:
    with tempfile.TemporaryDirectory() as cache:
        return _run(options, partial(_one, options, compiling_into(cache)))


def _run(options: Options, one: Callable[[str, int, int], Measured]) -> Report:
    report = Report(
        name="endtoend",
        title="From a CSV to a CSV",
        method=(
            "The real command, with its journal and without, against `pubrio-async sandbox` "
            "without limits in a process of its own; batches of 100, 32 requests at a time. The "
            "scripts are what one writes without this package: everything in memory, no journal, "
            "no limit, no retry. Processes from birth to end, taking turns; everything was "
            "compiled by a first round that does not count, as it is by an installation. CPU of "
            "the process, peak resident memory. Rows a second are bounded by the stand-in, which "
            "is one process in Python as well."
        ),
        columns=("rows", "what", "rows/s", "CPU µs a row", "÷ aiohttp script", "peak MB"),
    )
    sizes = options.pick({QUICK_ROWS: 1}, {10_000: 9, 100_000: 7, 1_000_000: 1})
    series: dict[str, tuple[list[Any], list[float]]] = {}
    peaks: dict[tuple[str, int], float] = {}
    for size, rounds in sizes.items():
        names = _names(size)
        done = _take_turns(one, names, size, rounds)
        cpu, rate = Samples(), Samples()
        for name, every in done.items():
            peaks[name, size] = max(process.peak_mb for process in every)
            for process in every:
                cpu.add(name, 1e6 * process.cpu / size)
                rate.add(name, size / process.seconds)
            if size == max(sizes):
                memory = every[-1].memory
                series[name] = ([t for t, _ in memory], [mb for _, mb in memory])
        for name in names:
            report.add(
                size,
                name,
                round(rate.median(name)),
                round(cpu.median(name), 1),
                cpu.ratio(name, _AIOHTTP) if _AIOHTTP in names else None,
                round(peaks[name, size]),
            )
        if _AIOHTTP not in names:
            continue
        report.goal(
            f"{size:,} rows: CPU a row, with the journal ÷ without",
            cpu.ratio(_COMMAND, _NO_JOURNAL),
            at_most=1.15,
            why=(
                "a batch of a run that is only just under way shares its writes with few others; "
                "what the journal costs a client that reads and writes no tables is under "
                "*What the journal costs*"
            ),
        )
        report.goal(
            f"{size:,} rows: CPU a row, ÷ aiohttp script",
            cpu.ratio(_COMMAND, _AIOHTTP),
            at_most=1.0,
            why=(
                "every row becomes an Outcome and a row with the input's own columns, in input "
                "order, and the journal keeps its result on disk before it is handed over; the "
                "script makes no more of it than a dict. Starting the command weighs most at the "
                "smallest size"
            ),
        )
    first, last = min(sizes), max(sizes)
    if first != last:
        report.goal(
            f"peak memory, {last:,} rows less {first:,} rows",
            peaks[_COMMAND, last] - peaks[_COMMAND, first],
            at_most=16,
            unit="MB",
            why=(
                "what is under way, what tells who is new, and what the journal keeps of its "
                "newest batches, none of which ten thousand rows fill"
            ),
        )
    report.plots.append(
        Plot(
            title=f"Resident memory, {last:,} rows",
            x_title="seconds",
            y_title="MB",
            series=series,
        )
    )
    return report


def _names(size: int) -> list[str]:
    if size >= 1_000_000:  # the scripts hold everything in memory
        return [_COMMAND]
    others = [_REQUESTS] if importlib.util.find_spec("requests") else []
    return [_COMMAND, _NO_JOURNAL, _AIOHTTP, *others]


def _take_turns(
    one: Callable[[str, int, int], Measured], names: list[str], size: int, rounds: int
) -> dict[str, list[Measured]]:
    for name in names:
        one(name, _WARM_ROWS, 0)
    done: dict[str, list[Measured]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names if number % 2 else reversed(names):
            done[name].append(one(name, size, size + 10 * number + names.index(name)))
    return done


def _one(
    options: Options, environment: dict[str, str], name: str, size: int, seed: int
) -> Measured:
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox(*_SERVER, *_CREDIT, target=options.target) as server,
    ):
        source, target = Path(folder) / "in.csv", Path(folder) / "out.csv"
        _write(source, size, seed)
        settings = {"PUBRIO_BASE_URL": server.url, "PUBRIO_API_KEY": "benchmark-key"}
        line = _line(name, source, target, server.url)
        found = alone("benchmarks.endtoend:measure", line=line, environment=environment | settings)
        assert _rows(target) == size
        return msgspec.convert(found, Measured)
