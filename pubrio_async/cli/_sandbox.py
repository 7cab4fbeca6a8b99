"""The stand-in for the API: inside `redeem --sandbox`, and as the command `sandbox`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec

from pubrio_async._config import DEFAULT_RATE_LIMIT
from pubrio_async._errors import ConfigurationError
from pubrio_async.cli._exit import ExitCode
from pubrio_async.cli._messages import say
from pubrio_async.cli._signals import Signals
from pubrio_async.sandbox import Sandbox, SandboxConfig, SandboxServer

DEMO_KEY = "sandbox"

# Quick enough to watch, slow enough to see it wait.
_DEMO_LATENCY_S = 0.05
_DEMO_TIME_SCALE = 0.3


@asynccontextmanager
async def demo_sandbox(rate: str | None) -> AsyncGenerator[str, None]:
    """Runs the stand-in on a port of this machine while the block runs; gives its URL.

    Args:
        rate: The rate limits the client will keep; the stand-in enforces the same.
    """
    limits = rate or os.environ.get("PUBRIO_RATE_LIMIT", "").strip() or DEFAULT_RATE_LIMIT
    config = SandboxConfig(limits=limits, latency=_DEMO_LATENCY_S, time_scale=_DEMO_TIME_SCALE)
    async with SandboxServer(Sandbox(config)) as server:
        yield server.url


class SandboxOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where the stand-in listens, and the settings of `SandboxConfig` that are most of use."""

    host: str
    port: int
    seed: int
    limits: str
    credit: int
    latency: float
    time_scale: float
    max_batch: int | None
    faults: tuple[str, ...]


def serve(options: SandboxOptions) -> ExitCode:
    """Runs the command `sandbox`: serves until a signal, then tells what clients did.

    Args:
        options: What was asked for.

    Returns:
        The exit code.
    """
    with Signals() as signals:
        try:
            sandbox = Sandbox(
                SandboxConfig(
                    seed=options.seed,
                    limits=options.limits,
                    credit=options.credit,
                    latency=options.latency,
                    time_scale=options.time_scale,
                    max_batch=options.max_batch,
                    faults=options.faults,
                )
            )
            asyncio.run(_serve(sandbox, options, signals))
        except ConfigurationError as error:
            say(f"error: {error}")
            return ExitCode.USAGE
        except OSError as error:
            reason = error.strerror or error
            say(f"error: cannot listen on {options.host}, port {options.port}: {reason}")
            return ExitCode.USAGE
    told = {"regrets": sandbox.regrets(), "statistics": sandbox.statistics()}
    print(msgspec.json.format(msgspec.json.encode(told)).decode(), file=sys.stderr)
    return ExitCode.DONE


async def _serve(sandbox: Sandbox, options: SandboxOptions, signals: Signals) -> None:
    ended = asyncio.Event()
    signals.listen(first=ended.set)
    async with SandboxServer(sandbox, options.host, options.port) as server:
        print(server.url, flush=True)
        await ended.wait()
