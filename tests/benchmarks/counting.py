"""What a piece of work costs, in figures that are the same on every machine.

Time is not: it depends on the machine and on who else is busy on it. Counted instead are the
bytecodes run inside the package, the functions called anywhere, and the blocks of memory that the
result occupies.

    python -m tests.benchmarks.counting --renew     take today's figures as the new baseline

A baseline holds for one minor version of Python, since each compiles differently.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pubrio_async
from tests.benchmarks.work import WORK, Work

BASELINE = Path(__file__).with_name("baseline.json")
MARGIN = 1.1
# What is done once for a thousand people may take a line more.
SLACK = 0.05
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"

_PACKAGE = str(Path(pubrio_async.__file__).parent)

Figures = dict[str, float]


def figures(work: Work) -> Figures:
    """The cost of one unit of this work: bytecodes, calls, and blocks of memory kept."""
    with work.prepared() as once:
        once()  # what is built on first use is not the cost of each
        gc.collect()
        gc.disable()
        try:
            found = {
                "bytecodes": _bytecodes(once),
                "calls": _calls(once),
                "blocks": _blocks(once),
            }
        finally:
            gc.enable()
    return {name: round(count / work.units, 3) for name, count in found.items()}


def problems(name: str, found: Figures, baseline: Figures) -> list[str]:
    """What has become dearer than the baseline allows."""
    return [
        f"{name}: {found[what]:g} {what} for each, {found[what] / allowed:.2f} times the baseline "
        f"({allowed:g}; allowed {MARGIN:g} times). If that is the price of something worth it, "
        "take it as the new baseline: python -m tests.benchmarks.counting --renew"
        for what, allowed in baseline.items()
        if found[what] > MARGIN * allowed + SLACK
    ]


def baselines() -> dict[str, dict[str, Figures]]:
    """By version of Python, then by work."""
    found: dict[str, dict[str, Figures]] = json.loads(BASELINE.read_text(encoding="utf-8"))
    return found


def _bytecodes(once: Callable[[], object]) -> int:
    count = 0

    def inside(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal count
        count += event == "opcode"
        return inside

    def entered(frame: FrameType, event: str, arg: Any) -> Any:
        if not frame.f_code.co_filename.startswith(_PACKAGE):
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return inside

    before = sys.gettrace()  # a measurement of coverage, perhaps
    sys.settrace(entered)
    try:
        once()
    finally:
        sys.settrace(before)
    return count


def _calls(once: Callable[[], object]) -> int:
    count = 0

    def called(frame: FrameType, event: str, arg: Any) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        once()
    finally:
        sys.setprofile(before)
    return count


def _blocks(once: Callable[[], object]) -> int:
    before = sys.getallocatedblocks()
    kept = once()
    count = sys.getallocatedblocks() - before
    del kept
    return count


def _renew() -> None:
    kept = baselines() if BASELINE.exists() else {}
    kept[VERSION] = {name: figures(work) for name, work in WORK.items()}
    BASELINE.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{BASELINE}: Python {VERSION}")
    for name, found in kept[VERSION].items():
        print(f"  {name}: {found}")


if __name__ == "__main__":
    if sys.argv[1:] != ["--renew"]:
        sys.exit("usage: python -m tests.benchmarks.counting --renew")
    _renew()
