"""What a test needs of the machine, beside Python."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def lacking(what: str) -> NoReturn:
    """Skips the test; fails it where everything is said to be there.

    Args:
        what: What is missing, and how to get it.
    """
    if os.environ.get("PUBRIO_TESTS_SKIP_NOTHING"):
        pytest.fail(what, pytrace=False)
    pytest.skip(what)
