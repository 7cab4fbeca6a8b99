"""Shared by all tests."""

from __future__ import annotations

import gc
import importlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.warm import Forge

# These take longest, the first of them most of all.
_FIRST = (
    "tests/process/",
    "tests/distributed/test_hosts.py",
    "tests/distributed/test_skew.py",
    "tests/cli/test_terminal.py",
    "tests/distributed/test_chaos.py",
    "tests/distributed/test_failover.py",
    "tests/distributed/test_outage.py",
    "tests/docs/test_blocks.py",
    "tests/simulation/",
    "tests/browser/",
    "tests/docs/test_site.py",
)

_MEMORY = "/dev/shm"
_ENOUGH = 2 << 30


def pytest_configure() -> None:
    """The same surroundings for each test, wherever it runs."""
    _take_no_settings_from_outside()
    _can_be_interrupted()
    _keep_files_in_memory()
    # How long something takes is the point of no test; the machine may be busy.
    settings.register_profile(
        "tests", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("tests")


def _take_no_settings_from_outside() -> None:
    """What the developer has exported must not reach a test."""
    for name in ("PUBRIO_API_KEY", "PUBRIO_BASE_URL", "PUBRIO_RATE_LIMIT"):
        os.environ.pop(name, None)
    # Whom no test speaks to need not be trusted: reading all those certificates takes a process a
    # fifth of its start.
    os.environ["SSL_CERT_FILE"] = os.devnull


def _can_be_interrupted() -> None:
    """What is started in the background often ignores interrupts, and so does what it starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _keep_files_in_memory() -> None:
    """Thousands of files are made, and waiting for a disk is the point of no test.

    Unless `TMPDIR` says otherwise, or there is no room: a container may have next to none.
    """
    if (
        "TMPDIR" not in os.environ
        and os.access(_MEMORY, os.W_OK | os.X_OK)
        and shutil.disk_usage(_MEMORY).free > _ENOUGH
    ):
        os.environ["TMPDIR"] = _MEMORY
        tempfile.tempdir = None  # it is looked for anew


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Three more than there are cores: many tests wait, for another process or for time to pass."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ or not hasattr(os, "sched_getaffinity"):
        return None
    return len(os.sched_getaffinity(0)) + 3


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Generator[None, None, None]:
    """Tests marked `virtual_time` never wait: a shorter name for the marker that users have."""
    if metafunc.definition.get_closest_marker("virtual_time") is not None:
        metafunc.definition.add_marker("pubrio_virtual_time")
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Each process of xdist begins to load the tests at another place.

    In a new checkout they have to be compiled. All processes at once would do that, and each of
    them all of it; so each finds most of it done by the others.
    """
    config = session.config
    if "PYTEST_XDIST_WORKER" not in os.environ or config.args != config.getini("testpaths"):
        return
    here = Path(__file__).parent
    names = [
        ".".join(path.relative_to(here.parent).with_suffix("").parts)
        for path in sorted(here.rglob("test_*.py"))
    ]
    number = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
    first = number * len(names) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    for name in names[first:] + names[:first]:
        with suppress(Exception, pytest.skip.Exception):  # told where it is collected
            importlib.import_module(name)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest first, some of them for each process of xdist."""
    long = [item for place in _FIRST for item in items if item.nodeid.startswith(place)]
    others = [item for item in items if not item.nodeid.startswith(_FIRST)]
    # Each process begins with an equal part of the list, and helps the others when it is done. Not
    # all of them with those that wait most of the time, which come one after the other.
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    items[:] = [
        item
        for number in range(processes)
        for some in (long, others)
        for item in some[number * len(some) // processes : (number + 1) * len(some) // processes]
    ]


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Thousands of collected tests live to the end: the garbage collector need not look at them."""
    gc.collect()
    gc.freeze()
    # Looking at everything anew is worth it less often than in a program with little to keep.
    gc.set_threshold(5_000, 10, 100)


@pytest.fixture(scope="session")
def forge() -> Iterator[Forge]:
    """What processes with a warm start come from."""
    forge = Forge()
    yield forge
    forge.close()


@pytest.fixture
def warm_starts(forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands this test starts in processes of their own have the package loaded already."""
    if forge.possible():
        monkeypatch.setattr(subprocess, "_fork_exec", forge.fork_exec)
