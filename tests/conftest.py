"""Shared by all tests."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Generator, Iterator

import pytest
from coverage import Coverage
from hypothesis import HealthCheck, settings

from tests.measuring import NOT_MEASURED, Measuring
from tests.warm import Forge

# These repeat many times what others do once, as those do that hypothesis drives, and measuring
# them takes several times as long as running them. What they alone run does not count as covered.
_NOT_MEASURED = (
    "tests/benchmarks/",
    "tests/browser/test_services.py",
    "tests/browser/test_webapp",
    "tests/dashboard/test_history.py::test_days_take_no_more_memory_than_minutes",
    "tests/distributed/test_chaos.py",
    "tests/distributed/test_limiter_rules.py::test_a_very_long_wait_is_obeyed_and_can_be_seen",
    "tests/docs/",
    "tests/doctor/test_examine.py::test_what_no_reply_should_hold_does_not_end_the_check_up",
    "tests/endpoints/test_all_fuzz.py",
    "tests/endpoints/test_all_requests.py::test_a_wrong_value_is_refused_and_named",
    "tests/endpoints/test_all_requests.py::test_none_is_sent_as_null_and_unset_not_at_all",
    "tests/endpoints/test_round_trips.py",
    "tests/integration/",
    "tests/packaging/",
    "tests/process/",
    "tests/sandbox/test_api.py::test_many_people_take_little_memory",
    "tests/sandbox/test_monitors.py::test_logs_come_newest_first_and_are_bounded",
    "tests/sandbox/test_redeem.py::test_a_poll_at_the_estimate_finds_the_job_done",
    "tests/sandbox/test_redeem.py::test_times_keep_their_mean_and_differ",
    "tests/sandbox/test_world.py::test_every_value_of_a_reference_list_finds_something",
    "tests/scheduler/test_logbook.py::test_a_single_loss_in_a_busy_log_costs_a_handful_of_requests",
    "tests/scheduler/test_logbook.py::test_all_that_arrived_are_found_however_many_were_lost",
    "tests/scheduler/test_run.py::test_no_job_is_polled_before_its_estimate_nor_after_its_end",
    "tests/scheduler/test_seen.py::test_a_person_costs_a_few_bytes",
    "tests/scheduler/test_seen.py::test_a_sieve_hardly_holds_a_stranger_for_somebody_else",
    "tests/scheduler/test_seen.py::test_memory_is_flat_with_a_new_journal",
    "tests/simulation/",
    "tests/testing/test_kits.py::test_an_hour_under_a_limit_takes_no_time",
    "tests/testing/test_kits.py::test_it_may_be_looked_at_and_changed_while_it_is_used",
    "tests/testing/test_plugin.py",
    "tests/typing/",
    "tests/unit/test_dispatch.py::test_cancelled_at_any_turn_of_the_loop",
    "tests/unit/test_dispatch.py::test_the_transport_is_called_in_exactly_one_place",
    "tests/unit/test_journal_status.py::test_every_look_at_a_busy_journal_is_a_whole_one",
    "tests/unit/test_limiter.py::test_large_quotas_take_little_memory_and_keep_the_promise",
    "tests/unit/test_limiter.py::test_rounding_for_large_quotas_wastes_next_to_nothing",
    "tests/unit/test_limiter.py::test_ten_thousand_cancelled_waiters_do_not_pile_up",
    "tests/unit/test_transport.py::test_a_gzip_bomb_does_not_fill_the_memory",
)
# A process that is measured takes twice as long. The processes of these tests are, since some of
# what they do is done in none of pytest's: they are interrupted, or start without an extra.
_PROCESSES_MEASURED = (
    "tests/browser/test_dashboard.py",
    "tests/cli/test_doctor.py",
    "tests/cli/test_signals.py",
    "tests/dashboard/",
    "tests/distributed/test_cli.py",
    "tests/distributed/test_failover.py",
    "tests/distributed/test_limiter.py",
    "tests/distributed/test_worker.py",
    "tests/observability/",
)
_MEASURED = "COVERAGE_PROCESS_CONFIG"
"""What tells a process of Python that it is measured."""
# These take longest, the first of them most of all.
_FIRST = (
    "tests/process/",
    "tests/distributed/test_hosts.py",
    "tests/distributed/test_skew.py",
    "tests/cli/test_terminal.py",
    "tests/distributed/test_chaos.py",
    "tests/docs/test_blocks.py",
    "tests/simulation/",
    "tests/browser/",
    "tests/docs/test_site.py",
)

_MEMORY = "/dev/shm"
_ENOUGH = 2 << 30


def pytest_configure(config: pytest.Config) -> None:
    """Leaves it to one to measure a process of xdist, or no test could be left out.

    It is measured from its start as a process that some test has started, and by pytest-cov once
    more: what does that begins with the session, and the others would go on while it pauses. The
    process that hands out the tests runs none.
    """
    if hasattr(config, "workerinput") or config.getoption("numprocesses", None):
        while (measured := Coverage.current()) is not None:
            measured.stop()
    config.pluginmanager.register(Measuring(), Measuring.__name__)
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
    """One more than there are cores: some tests wait, for another process or for time to pass."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ or not hasattr(os, "sched_getaffinity"):
        return None
    return len(os.sched_getaffinity(0)) + 1


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
            item.stash[NOT_MEASURED] = True
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


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Has most processes that tests start run without being measured."""
    measured = None
    if not item.nodeid.startswith(_PROCESSES_MEASURED):
        measured = os.environ.pop(_MEASURED, None)
    try:
        return (yield)
    finally:
        if measured is not None:
            os.environ[_MEASURED] = measured


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
