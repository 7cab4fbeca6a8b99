"""The command line under conditions that a test sets: `python command.py CONDITIONS WORDS...`.

Everything else is the real command.
"""

from __future__ import annotations

import atexit
import importlib
import sys
import time
from functools import partial
from typing import Any

import msgspec

# What is lost is looked for at once, and not for minutes.
_FIRST_LOOK_S = 0.05
_LATER_LOOKS_S = (0.1, 0.2)
_PAUSE_S = 0.05
_WAIT_WITHOUT_ESTIMATE_S = 0.02


class Conditions(msgspec.Struct, frozen=True):
    """What is different.

    Attributes:
        bound: A resource limit and its size, from before the package is loaded.
        timeout: Seconds for a request.
        clock: A file that says by how many seconds the wall clock is wrong.
    """

    bound: tuple[str, int] | None = None
    timeout: float | None = None
    clock: str | None = None


def _set_bound(name: str, size: int) -> None:
    """A bounded file is as good as a full disk."""
    resource = importlib.import_module("resource")  # not on every system
    limit: int = getattr(resource, name)
    before = resource.getrlimit(limit)
    # Lifted at the end: what measures the process may write its findings down.
    atexit.register(resource.setrlimit, limit, before)
    resource.setrlimit(limit, (size, before[1]))


def _wrong_clock(path: str) -> Any:
    def wall() -> float:
        with open(path) as file:
            return time.time() + float(file.read())

    return staticmethod(wall)


def _main() -> None:
    conditions = msgspec.json.decode(sys.argv.pop(1), type=Conditions)
    if conditions.bound is not None:
        _set_bound(*conditions.bound)

    # Not before: what it takes to load the package is bounded, too.
    load = importlib.import_module
    logbook = load("pubrio_async.scheduler.logbook")
    client = load("pubrio_async.client")
    changes: list[tuple[Any, str, Any]] = [
        (logbook, "_FIRST_LOOK_S", _FIRST_LOOK_S),
        (logbook, "_LATER_LOOKS_S", _LATER_LOOKS_S),
        (load("pubrio_async.scheduler.reconcile"), "_PAUSE_S", _PAUSE_S),
        (
            load("pubrio_async.scheduler.policy"),
            "_WAIT_WITHOUT_ESTIMATE_S",
            _WAIT_WITHOUT_ESTIMATE_S,
        ),
    ]
    if conditions.timeout is not None:
        patient = partial(client.AsyncPubrio, timeout=conditions.timeout)
        changes.append((client, "AsyncPubrio", patient))
    if conditions.clock is not None:
        clock = load("pubrio_async._clock").SystemClock
        changes.append((clock, "wall", _wrong_clock(conditions.clock)))
    for place, name, value in changes:
        assert hasattr(place, name)
        setattr(place, name, value)

    # Loaded last, it sees what was changed.
    load("pubrio_async.cli").main()


if __name__ == "__main__":
    _main()
