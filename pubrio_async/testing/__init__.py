"""What the tests of code that uses this package need.

from pubrio_async.testing import VirtualClock, run_virtual

def test_an_hour_of_polling() -> None:
    outcomes = run_virtual(redeem_everybody(clock=VirtualClock()))  # takes no time
"""

from __future__ import annotations

from pubrio_async.testing.virtual_time import (
    DeadlockError,
    VirtualClock,
    VirtualTimeLoop,
    run_virtual,
)

__all__ = ["DeadlockError", "VirtualClock", "VirtualTimeLoop", "run_virtual"]
