"""What is measured of a test run: what tests and their fixtures do, and not what pytest does.

Python runs several times slower while it is watched, and pytest does more for most tests than the
tests themselves do.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from coverage import Coverage

import pubrio_async

NOT_MEASURED = pytest.StashKey[bool]()
"""Set for the tests that are left out."""


def _load_everything() -> None:
    for module in pkgutil.walk_packages(pubrio_async.__path__, "pubrio_async."):
        if not module.name.endswith("__main__"):
            with suppress(ImportError):  # an extra that is not installed
                importlib.import_module(module.name)


class Measuring:
    """Has coverage look on while a test, or a fixture of one, runs; a plugin of pytest.

    A thread that one of them starts is watched for as long as it lives.
    """

    def __init__(self) -> None:
        self._coverage: Coverage | None = None
        self._tracer: Any = None
        self._on = False

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self) -> None:
        """Looks away, for the first time, once it has seen what loading the package runs.

        Of the processes of xdist, one is enough to see that.
        """
        self._coverage = Coverage.current()
        if self._coverage is None:
            return
        self._tracer = sys.gettrace()
        if os.environ.get("PYTEST_XDIST_WORKER", "gw0") == "gw0":
            _load_everything()
        sys.settrace(None)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Leaves out some tests altogether, with all threads they start."""
        self._on = self._coverage is not None and not item.stash.get(NOT_MEASURED, False)
        if self._coverage is not None and self._on is (self._tracer is None):
            if self._on:
                self._coverage.start()
                self._tracer = sys.gettrace()
                sys.settrace(None)
            else:
                self._coverage.stop()
                self._tracer = None
        return (yield)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_fixture_setup(self) -> Generator[None, object, object]:
        with self._watched():
            return (yield)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self) -> Generator[None, object, object]:
        with self._watched():
            return (yield)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_teardown(self) -> Generator[None, object, object]:
        with self._watched():
            return (yield)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        if self._tracer is None:
            yield
            return
        before = sys.gettrace()
        sys.settrace(self._tracer)
        try:
            yield
        finally:
            sys.settrace(before)
