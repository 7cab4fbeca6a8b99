"""The command `doctor`: what the API does, beside what this package assumes of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from contextlib import AsyncExitStack, ExitStack
from typing import Any, Final

import msgspec

from pubrio_async._config import DEFAULT_RATE_LIMIT, Settings, load_settings
from pubrio_async.cli._ask import confirmed, on_terminal
from pubrio_async.cli._demo_journal import DEMO_KEY
from pubrio_async.cli._doctor_tables import in_tables
from pubrio_async.cli._exit import ExitCode
from pubrio_async.cli._figures import print_out
from pubrio_async.cli._messages import harmless_json, say
from pubrio_async.cli._runs import cancel_at_signal, run_command
from pubrio_async.cli._signals import Signals
from pubrio_async.cli._verbose import observers
from pubrio_async.client import AsyncPubrio
from pubrio_async.doctor import DoctorReport, Probe, examine, most_requests, selected

# Shorter keys would garble what they are struck out of.
_STRIKABLE_KEY: Final = 8


class DoctorOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What `doctor` was asked to do.

    Attributes:
        as_json: Whether a program reads it.
        spend: Most credits paid probes may cost; 0 for none.
        yes: Whether that needs no confirmation.
        rate: Rate limits in words, where they were given.
        timeout: Seconds for one request.
        only: Endpoints or groups of them; empty for all.
        verbose: Whether every request is told of.
        sandbox: Whether the local stand-in takes the place of the API.
    """

    as_json: bool = False
    spend: int = 0
    yes: bool = False
    rate: str | None = None
    timeout: float = 30.0
    only: tuple[str, ...] = ()
    verbose: bool = False
    sandbox: bool = False


def doctor(options: DoctorOptions) -> ExitCode:
    """Runs the command.

    Args:
        options: What was asked for.

    Returns:
        The exit code. What is not the report itself has been said on stderr.
    """

    def command(signals: Signals, stack: ExitStack) -> Coroutine[Any, Any, ExitCode]:
        del stack
        settings = load_settings(
            DEMO_KEY if options.sandbox else None, rate_limit=options.rate, timeout=options.timeout
        )
        return _CheckUp(options, settings, signals).run(selected(options.only))

    return run_command(command, verbose=options.verbose)


class _CheckUp:
    """One check-up, and what is said meanwhile."""

    def __init__(self, options: DoctorOptions, settings: Settings, signals: Signals) -> None:
        self._options = options
        self._settings = settings
        self._signals = signals
        self._calls = 0
        self._paying: int | None = None

    async def run(self, only: frozenset[str] | None) -> ExitCode:
        """Makes the check-up and prints the report; gives the exit code."""
        cancel_at_signal(self._signals)
        options = self._options
        say(
            f"asking with up to {most_requests(only)} free requests, one after the other; nothing "
            "is changed" + ("" if options.spend else ", and nothing is charged")
        )
        try:
            report = await self._examine(only)
        except asyncio.CancelledError:
            self._clear()
            if self._paying is None:
                say(f"interrupted after {self._calls} calls; nothing was charged")
            else:
                say(f"interrupted; up to {self._paying} credits may have been charged")
            return ExitCode.INTERRUPTED
        self._clear()
        if not print_out(self._struck_out(self._text(report))):
            return ExitCode.UNEXPECTED
        return ExitCode.INTERRUPTED if self._signals.received else _exit_code(report)

    async def _examine(self, only: frozenset[str] | None) -> DoctorReport:
        options, settings = self._options, self._settings
        async with AsyncExitStack() as stack:
            if options.sandbox:
                # Only here: a server, seldom run.
                from pubrio_async.cli._demo import demo_sandbox  # noqa: PLC0415

                url = await stack.enter_async_context(demo_sandbox(options.rate, None, ()))
                settings = msgspec.structs.replace(settings, base_url=url)
            client = AsyncPubrio(
                settings.api_key.reveal(),
                base_url=settings.base_url,
                rate_limit=options.rate,
                timeout=options.timeout,
                observers=observers(verbose=options.verbose),
            )
            await stack.enter_async_context(client)
            return await examine(
                client,
                settings,
                limits=options.rate or DEFAULT_RATE_LIMIT,
                only=only,
                spend=options.spend,
                consent=self._agreed,
                step=self._step,
                sandbox=options.sandbox,
            )

    def _agreed(self, probes: list[Probe]) -> bool:
        self._clear()
        worst = sum(probe.worst for probe in probes)
        listed = ", ".join(f"{probe.name} {probe.worst}" for probe in probes)
        what = "made-up credits" if self._options.sandbox else "credits"
        say(f"paid probes, {what} at most, an estimate by the plan's prices: {listed}")
        say(f"in all up to {worst} {what}, of {self._options.spend} allowed")
        asked = on_terminal() and not self._options.yes and not self._options.sandbox
        agreed = not asked or confirmed(self._signals)
        if agreed:
            self._paying = worst
        return agreed

    def _step(self, name: str) -> None:
        self._calls += 1
        if sys.stderr.isatty() and not self._options.verbose:
            print(f"\r\033[K{self._calls:>3} {name}", end="", file=sys.stderr, flush=True)

    def _clear(self) -> None:
        if self._calls and sys.stderr.isatty() and not self._options.verbose:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def _text(self, report: DoctorReport) -> str:
        if self._options.as_json:
            text = msgspec.json.format(msgspec.json.encode(report)).decode()
            return f"{harmless_json(text)}\n"
        return in_tables(report)

    def _struck_out(self, text: str) -> str:
        """The report; whatever the API sent back, the key is not in it."""
        key = self._settings.api_key.reveal()
        return text if len(key) < _STRIKABLE_KEY else text.replace(key, "[key]")


def _exit_code(report: DoctorReport) -> ExitCode:
    if report.key.accepted is False:
        return ExitCode.KEY_REFUSED
    if report.key.status is None:
        return ExitCode.UNEXPECTED
    return ExitCode.DONE if report.well else ExitCode.INCOMPLETE
