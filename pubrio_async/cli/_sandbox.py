"""The command `sandbox`: the stand-in for the API as a process of its own."""

from __future__ import annotations

import asyncio
import sys

import msgspec

from pubrio_async._errors import ConfigurationError
from pubrio_async.cli._exit import ExitCode
from pubrio_async.cli._figures import print_out
from pubrio_async.cli._messages import say
from pubrio_async.cli._signals import Signals
from pubrio_async.sandbox import Sandbox, SandboxConfig, SandboxServer


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
            told_where = asyncio.run(_serve(sandbox, options, signals))
        except ConfigurationError as error:
            say(f"error: {error}")
            return ExitCode.USAGE
        except OSError as error:
            reason = error.strerror or error
            say(f"error: cannot listen on {options.host}, port {options.port}: {reason}")
            return ExitCode.USAGE
    if not told_where:
        return ExitCode.UNEXPECTED
    told = {"regrets": sandbox.regrets(), "statistics": sandbox.statistics()}
    print(msgspec.json.format(msgspec.json.encode(told)).decode(), file=sys.stderr)
    return ExitCode.DONE


async def _serve(sandbox: Sandbox, options: SandboxOptions, signals: Signals) -> bool:
    # False if nobody could be told the URL: then nobody will come.
    ended = asyncio.Event()
    signals.listen(first=ended.set)
    async with SandboxServer(sandbox, options.host, options.port) as server:
        if not print_out(f"{server.url}\n", "the URL"):
            return False
        await ended.wait()
    return True
