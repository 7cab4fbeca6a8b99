"""What commands that run something have in common: the event loop, signals, progress, figures."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import ExitStack
from typing import Any, Protocol

import msgspec

from pubrio_async._errors import PubrioError
from pubrio_async.cli._exit import ExitCode, exit_code_of
from pubrio_async.cli._messages import say, tells_cost
from pubrio_async.cli._progress import Progress, watching
from pubrio_async.cli._signals import Signals
from pubrio_async.cli._verbose import logged, said_through
from pubrio_async.models import Outcome, RunReport, RunStatistics
from pubrio_async.tables import PartFile

Command = Callable[[Signals, ExitStack], Coroutine[Any, Any, ExitCode]]
"""What a command does: prepares what blocks, and gives what is left to do in an event loop.

The stack is unwound at the end, however that comes.
"""


class Settling(Protocol):
    """A run, or what is like one."""

    @property
    def report(self) -> RunReport:
        """The figures."""
        ...

    @property
    def stopped_by(self) -> PubrioError | None:
        """What ended it early."""
        ...

    def __aiter__(self) -> AsyncIterator[Outcome]: ...

    def statistics(self) -> RunStatistics:
        """It as it stands."""
        ...

    def stop(self, reason: str) -> None:
        """Ends it early."""
        ...


def run_command(command: Command, *, verbose: bool = False) -> ExitCode:
    """Runs a command in an event loop of its own.

    Args:
        command: What to do.
        verbose: Whether every request and batch is told of.

    Returns:
        The exit code. What there is to say has been said on stderr.
    """
    with logged(verbose=verbose), Signals() as signals, ExitStack() as stack:
        try:
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                return runner.run(command(signals, stack))
        except (KeyboardInterrupt, asyncio.CancelledError):
            say("interrupted before anything was redeemed; nothing was charged")
            return ExitCode.INTERRUPTED
        except PubrioError as error:
            # What goes wrong with a request is a value: this came before the first of them.
            cost = "it may have cost credits" if error.may_have_charged else "nothing was charged"
            text = str(error).rstrip(".")
            say(f"error: {text}." if tells_cost(text) else f"error: {text}; {cost}")
            return exit_code_of(error)


async def take_outcomes(
    run: Settling, progress: Progress, signals: Signals, take: Callable[[Outcome], object]
) -> None:
    """Hands every outcome of a run on, and shows how far it is.

    The first signal stops the run in good order, the second ends the process.
    """

    def interrupt() -> None:
        progress.note("stopping, which takes a moment; once more ends at once")
        run.stop("interrupted")

    signals.listen(first=interrupt, last=progress.close)
    with said_through(progress.note):
        async with watching(run, progress):
            async for outcome in run:
                take(outcome)


def cancel_at_signal(signals: Signals) -> None:
    """From now on the first signal cancels the command, and the second ends the process."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in one
    signals.listen(first=task.cancel)


class ReportFile:
    """Where the figures of a run go, if they go anywhere.

    Args:
        path: The file; None for none.
        stack: Removes what is not complete when it is left.

    Raises:
        ConfigurationError: The file cannot be written.
    """

    def __init__(self, path: str | None, stack: ExitStack) -> None:
        self._part: PartFile | None = None
        if path is not None:
            self._part = PartFile(path, what="report")
            stack.callback(self._part.discard)

    def write(self, report: RunReport) -> None:
        """Writes the figures and puts the file in its place.

        Raises:
            OSError: That did not work.
        """
        if self._part is not None:
            figures = msgspec.json.format(msgspec.json.encode(report))
            self._part.file.write(figures + b"\n")
            self._part.publish()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The event loop of the extra `speed`, where it is installed."""
    try:
        uvloop = importlib.import_module("uvloop")
    except ModuleNotFoundError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
