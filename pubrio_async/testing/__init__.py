"""What the tests of code that uses this package need: no network, no key, no credits, no waiting.

    def test_people_are_redeemed(pubrio_sandbox: PubrioSandbox) -> None:
        ada = pubrio_sandbox.add_found(work_email="ada@example.com")
        assert asyncio.run(code_under_test([ada])) == ["ada@example.com"]
        assert pubrio_sandbox.credits_charged == 5

For a single odd reply there is `MockTransport`, whose replies a function gives.

The fixtures `pubrio_sandbox` and `pubrio_memory`, and the markers `pubrio_sandbox` and
`pubrio_virtual_time`, are there for pytest wherever this package is installed; without pytest,
use the classes themselves.
"""

from __future__ import annotations

from pubrio_async.testing.controls import FaultOptions, SandboxControls
from pubrio_async.testing.memory import PubrioMemory
from pubrio_async.testing.mock import MockTransport, Reply, Request
from pubrio_async.testing.recorder import SeenRequest
from pubrio_async.testing.served import PubrioSandbox
from pubrio_async.testing.virtual_time import (
    DeadlockError,
    VirtualClock,
    VirtualTimeLoop,
    run_virtual,
)

__all__ = [
    "DeadlockError",
    "FaultOptions",
    "MockTransport",
    "PubrioMemory",
    "PubrioSandbox",
    "Reply",
    "Request",
    "SandboxControls",
    "SeenRequest",
    "VirtualClock",
    "VirtualTimeLoop",
    "run_virtual",
]
