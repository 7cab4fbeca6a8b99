"""pytest-randomly, without what it would seed for tests that need it: here none does.

It loads the libraries it finds, which takes each process of a test run the better part of a
second, and seeds each of them three times for every test.
"""

from __future__ import annotations

import importlib
import sys

_NOT_DRAWN_FROM = ("faker", "numpy", "polyfactory")


def _load() -> None:
    hidden = [name for name in _NOT_DRAWN_FROM if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # as if it was not installed
    try:
        importlib.import_module("pytest_randomly")
    except ImportError:
        pass  # then there is nothing that would load them
    finally:
        for name in hidden:
            del sys.modules[name]


_load()
