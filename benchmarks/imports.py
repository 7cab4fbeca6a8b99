"""Start-up: what importing the package and starting its command cost, in fresh interpreters."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import partial

from benchmarks.harness import ROOT, Options, Plot, Report, compiling_into, interleaved

_OURS, _FLOOR = "import pubrio_async", "import aiohttp, msgspec"
_EXTRAS = ("typer", "rich", "pyarrow", "uvloop", "procrastinate", "opentelemetry")
_CODE = {
    "nothing (the interpreter)": "pass",
    _FLOOR: "import aiohttp, msgspec",
    "import aiohttp, msgspec, anyio": "import aiohttp, msgspec, anyio",
    _OURS: "import pubrio_async",
    "import pubrio_async.cli": "import pubrio_async.cli",
}
_PEERS = {"import httpx": "import httpx", "import requests": "import requests"}


def _cpu(command: list[str], environment: Mapping[str, str]) -> float:
    """CPU seconds of a process, from its birth to its end."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return usage.ru_utime + usage.ru_stime


def _inside(code: str, environment: Mapping[str, str]) -> float:
    """CPU seconds of a statement alone, in a fresh interpreter."""
    timed = f"import time; t = time.process_time()\n{code}\nprint(time.process_time() - t)"
    command = [sys.executable, "-c", timed]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    return float(done.stdout)


def _exists(code: str) -> bool:
    return importlib.util.find_spec(code.removeprefix("import ")) is not None


def run(options: Options) -> Report:
    with tempfile.TemporaryDirectory() as cache:
        return _run(options, compiling_into(cache))


def _run(options: Options, environment: Mapping[str, str]) -> Report:
    report = Report(
        name="imports",
        title="Start-up",
        method=(
            "Each line runs in a fresh interpreter, taking turns; everything was compiled by a "
            "first round that does not count, as it is by an installation. Imports: CPU time of "
            "the statement alone. Commands: CPU time of the process from its birth to its end."
        ),
        columns=("what", "ms", "÷ aiohttp and msgspec"),
    )
    rounds = options.pick(2, 21)
    code = _CODE | {name: code for name, code in _PEERS.items() if _exists(code)}
    imports = {name: partial(_inside, code[name], environment) for name in code}
    for variant in imports.values():
        variant()
    samples = interleaved(imports, rounds)
    for name in samples:
        report.add(name, 1000 * samples.median(name), samples.ratio(name, _FLOOR))
    package = [sys.executable, "-m", "pubrio_async"]
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "pubrio-async --help": [*package, "--help"],
        "pubrio-async redeem --help": [*package, "redeem", "--help"],
    }
    runs = {name: partial(_cpu, line, environment) for name, line in commands.items()}
    for variant in runs.values():
        variant()
    whole = interleaved(runs, rounds)
    for name in whole:
        report.add(name, 1000 * whole.median(name), None)
    report.goal("import ÷ aiohttp and msgspec", samples.ratio(_OURS, _FLOOR), at_most=1.3)
    listing = f"import sys, pubrio_async; print(*({_EXTRAS!r} & sys.modules.keys()))"
    listing = listing.replace(repr(_EXTRAS), repr(set(_EXTRAS)))
    out = subprocess.run(
        [sys.executable, "-c", listing], cwd=ROOT, capture_output=True, text=True, check=True
    )
    report.goal("extras that the import pulls in", len(out.stdout.split()), at_most=0)
    report.plots.append(
        Plot(
            title="Start-up",
            x_title="",
            y_title="ms of CPU",
            series={"import": (list(samples), [1000 * samples.median(n) for n in samples])},
            kind="bar",
        )
    )
    return report
