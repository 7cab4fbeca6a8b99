"""Shared by all tests."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator

import pytest
from coverage import Coverage

# These repeat many times what others do once, as those do that hypothesis drives, and measuring
# them takes several times as long as running them. What they alone run does not count as covered.
_NOT_MEASURED = (
    "tests/benchmarks/",
    "tests/browser/test_services.py",
    "tests/browser/test_webapp",
    "tests/distributed/test_chaos.py",
    "tests/docs/",
    "tests/endpoints/test_all_fuzz.py",
    "tests/endpoints/test_round_trips.py",
    "tests/integration/",
    "tests/packaging/",
    "tests/process/",
    "tests/sandbox/test_api.py::test_many_people_take_little_memory",
    "tests/scheduler/test_seen.py::test_a_person_costs_a_few_bytes",
    "tests/scheduler/test_seen.py::test_memory_is_flat_with_a_new_journal",
    "tests/simulation/",
    "tests/testing/test_plugin.py",
    "tests/unit/test_journal_status.py::test_every_look_at_a_busy_journal_is_a_whole_one",
    "tests/unit/test_limiter.py::test_large_quotas_take_little_memory_and_keep_the_promise",
    "tests/unit/test_limiter.py::test_rounding_for_large_quotas_wastes_next_to_nothing",
)
# A process that is measured takes twice as long. The processes of these tests are, since some of
# what they do is done in none of pytest's: they are interrupted, or start without an extra.
_PROCESSES_MEASURED = (
    "tests/browser/test_dashboard.py",
    "tests/cli/test_doctor.py",
    "tests/cli/test_signals.py",
    "tests/dashboard/",
    "tests/distributed/",
    "tests/observability/",
)
# These take longest, the first of them most of all.
_FIRST = ("tests/process/", "tests/simulation/", "tests/distributed/test_chaos.py")


def pytest_configure(config: pytest.Config) -> None:
    """Leaves it to one to measure a process of xdist, or no test could be left out.

    It is measured from its start as a process that some test has started, and by pytest-cov once
    more: what does that begins with the session, and the others would go on while it pauses. The
    process that hands out the tests runs none.
    """
    if hasattr(config, "workerinput") or config.getoption("numprocesses", None):
        while (measured := Coverage.current()) is not None:
            measured.stop()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Generator[None, None, None]:
    """Tests marked `virtual_time` never wait: a shorter name for the marker that users have."""
    if metafunc.definition.get_closest_marker("virtual_time") is not None:
        metafunc.definition.add_marker("pubrio_virtual_time")
    return (yield)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Says who is not measured, and puts the longest first, some for each process of xdist."""
    for item in items:
        by_hypothesis = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
        if by_hypothesis or item.nodeid.startswith(_NOT_MEASURED):
            item.add_marker(pytest.mark.no_cover)
    long = [item for place in _FIRST for item in items if item.nodeid.startswith(place)]
    others = [item for item in items if not item.nodeid.startswith(_FIRST)]
    # Each process begins with an equal part of the list, and helps the others when it is done.
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    items[:] = [
        item
        for number in range(processes)
        for item in (
            *long[number::processes],
            *others[number * len(others) // processes : (number + 1) * len(others) // processes],
        )
    ]


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Thousands of collected tests live to the end: the garbage collector need not look at them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_settings_from_outside(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the developer has exported must not reach a test."""
    for name in ("PUBRIO_API_KEY", "PUBRIO_BASE_URL", "PUBRIO_RATE_LIMIT"):
        monkeypatch.delenv(name, raising=False)
    # Whom no test speaks to need not be trusted: reading all those certificates takes a process a
    # fifth of its start.
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    if not request.node.nodeid.startswith(_PROCESSES_MEASURED):
        monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
