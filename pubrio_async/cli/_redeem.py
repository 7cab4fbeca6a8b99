"""The command `redeem`: files in, a run, files out."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack
from types import ModuleType
from typing import Protocol

import msgspec

from pubrio_async._config import load_settings
from pubrio_async._errors import (
    AuthenticationError,
    ConfigurationError,
    InsufficientCreditsError,
    JournalError,
    PubrioError,
)
from pubrio_async.cli._exit import ExitCode, exit_code
from pubrio_async.cli._messages import say, summary, what_next, why_stopped
from pubrio_async.cli._options import RedeemOptions
from pubrio_async.cli._progress import Progress, make_progress, watching
from pubrio_async.cli._sandbox import DEMO_KEY, demo
from pubrio_async.cli._signals import Signals
from pubrio_async.client import AsyncPubrio
from pubrio_async.models import Outcome, RunReport, RunStatistics
from pubrio_async.tables import PartFile, RowSource, Sink, open_rows, open_sink

_INTERRUPTED_EARLY = "Interrupted before anything was sent; nothing was charged."


class RunLike(Protocol):
    """What the command needs of a run."""

    @property
    def report(self) -> RunReport:
        """The figures."""
        ...

    @property
    def stopped_by(self) -> PubrioError | None:
        """The error that ended it early."""
        ...

    def statistics(self) -> RunStatistics:
        """The run as it stands."""
        ...

    def stop(self, reason: str) -> None:
        """Ends it early."""
        ...

    def __aiter__(self) -> AsyncIterator[Outcome]:
        """The outcomes."""
        ...


def redeem(options: RedeemOptions) -> ExitCode:
    """Runs the command.

    Args:
        options: What was asked for.

    Returns:
        The exit code. Everything there is to say has been said on stderr.
    """
    with Signals() as signals:
        try:
            return _redeem(options, signals)
        except KeyboardInterrupt:
            say(_INTERRUPTED_EARLY)
            return ExitCode.INTERRUPTED
        except (ConfigurationError, JournalError) as error:
            say(f"error: {error} Nothing was sent.")
            return ExitCode.USAGE
