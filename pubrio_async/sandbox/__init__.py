"""A local stand-in for the Pubrio API, for tests, demos and measurements.

`Sandbox` is the API as a pure state machine: people, prices, rate limits, jobs that take time,
and faults to switch on. `SandboxServer` puts it on a socket, `SandboxTransport` behind a client
in the same process. All people and contacts are made up.
"""

from __future__ import annotations

from pubrio_async.sandbox.config import SandboxConfig
from pubrio_async.sandbox.core import Regrets, Sandbox, SandboxStatistics
from pubrio_async.sandbox.faults import Fault, FaultKind, parse_fault
from pubrio_async.sandbox.ledger import Charge
from pubrio_async.sandbox.memory import SandboxTransport
from pubrio_async.sandbox.server import SandboxServer
from pubrio_async.sandbox.wire import Cut, SandboxReply, SandboxRequest

__all__ = [
    "Charge",
    "Cut",
    "Fault",
    "FaultKind",
    "Regrets",
    "Sandbox",
    "SandboxConfig",
    "SandboxReply",
    "SandboxRequest",
    "SandboxServer",
    "SandboxStatistics",
    "SandboxTransport",
    "parse_fault",
]
