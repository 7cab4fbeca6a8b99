"""What a result was measured on: the machine, its load, and the version of everything at play."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from benchmarks.harness import ROOT, Options, Report, load

_PACKAGES = (
    "aiohttp",
    "msgspec",
    "anyio",
    "uvloop",
    "aiolimiter",
    "limits",
    "httpx",
    "requests",
    "orjson",
    "pydantic",
    "typer",
    "rich",
    "pyarrow",
)


class Machine(Struct, frozen=True):
    """Where a result was measured."""

    at: str
    commit: str
    processor: str
    cores: int
    system: str
    python: str
    load_before: float
    load_after: float
    versions: dict[str, str]


class Recorded(Struct, frozen=True):
    """A report with all that is needed to judge it."""

    options: Options
    machine: Machine
    report: Report


def record(report: Report, options: Options, load_before: float) -> Recorded:
    """A report with the machine it comes from, as it is now."""
    machine = Machine(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=_commit(),
        processor=_processor(),
        cores=os.cpu_count() or 0,
        system=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        load_before=round(load_before, 2),
        load_after=round(load(), 2),
        versions=_versions(),
    )
    return Recorded(options, machine, report)


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in ("pubrio-async", *_PACKAGES):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return names[0] if names else platform.machine()


def _commit() -> str:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        changed = "+" if git("status", "--porcelain", "--", "pubrio_async") else ""
        return git("rev-parse", "--short=10", "HEAD") + changed
    except (OSError, subprocess.SubprocessError):
        return "unknown"
