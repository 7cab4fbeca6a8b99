"""The command `redeem`: files in, a run, files out."""

from __future__ import annotations

import errno
import os
from collections.abc import Coroutine
from contextlib import AsyncExitStack, ExitStack
from typing import Any

from pubrio_async._config import Settings, load_settings
from pubrio_async._errors import ConfigurationError, JournalError
from pubrio_async.cli._ask import agreed
from pubrio_async.cli._dashboard import Board
from pubrio_async.cli._demo_journal import DEMO_KEY, demo_journal
from pubrio_async.cli._exit import ExitCode, exit_code
from pubrio_async.cli._kept import keep
from pubrio_async.cli._messages import (
    kept_output,
    not_read,
    say,
    summary,
    what_next,
    why_stopped,
)
from pubrio_async.cli._options import RedeemOptions
from pubrio_async.cli._progress import Progress, make_progress
from pubrio_async.cli._runs import ReportFile, run_command, take_outcomes
from pubrio_async.cli._signals import Signals
from pubrio_async.cli._verbose import observers
from pubrio_async.client import AsyncPubrio
from pubrio_async.models import Outcome, RunReport
from pubrio_async.scheduler import Run
from pubrio_async.tables import open_rows, open_sink


def redeem(options: RedeemOptions) -> ExitCode:
    """Runs the command.

    Args:
        options: What was asked for.

    Returns:
        The exit code. Everything there is to say has been said on stderr.
    """

    def command(signals: Signals, stack: ExitStack) -> Coroutine[Any, Any, ExitCode]:
        options.check()
        # Before the input, which may take a while to read to its end.
        settings = load_settings(
            DEMO_KEY if options.sandbox else None,
            rate_limit=options.rate,
            max_concurrency=options.max_concurrency,
        )
        board = Board(options, stack)
        files = Files(options, stack)
        return _if_agreed(options, files, settings, signals, board)

    return run_command(command, verbose=options.verbose)


class Files:
    """What the command reads and writes. All of it is open before anything is sent.

    Attributes:
        source: The input.
        failure: Why an output is not what it should be, once that is so.
        complete: Whether the output is in its place.
        part: Where the output is until then; None for stdout.
    """

    def __init__(self, options: RedeemOptions, stack: ExitStack) -> None:
        """Opens the files.

        Args:
            options: Names them.
            stack: Removes what is not complete when it is left.

        Raises:
            ConfigurationError: One cannot be read or written.
        """
        if options.output is None:
            _check_stdout()
        self.source = open_rows(options.input, options.column, delimiter=options.delimiter)
        self.failure: str | None = None
        self.complete: bool = False
        self._output = options.output
        self.part: str | None = (
            None if options.output is None else f"{os.path.realpath(options.output)}.part"
        )
        for warning in self.source.warnings:
            say(f"warning: {warning}")
        self._sink = open_sink(
            options.output,
            self.source,
            options.contact_types(),
            harmless_input=options.harmless_input,
        )
        stack.callback(self._sink.discard)
        self._report = ReportFile(options.report, stack)

    def write(self, outcome: Outcome) -> bool:
        """Writes an outcome down; False if that did not work."""
        try:
            self._sink.write(outcome)
        except (OSError, ConfigurationError) as error:
            self._fail("output", error)
        return self.failure is None

    def finish(self, report: RunReport) -> None:
        """Puts the output and the report in their places."""
        if self.failure is not None:
            self._sink.discard(keep=True)
        else:
            try:
                self._sink.close()
                self.complete = True
            except (OSError, ConfigurationError) as error:
                self._fail("output", error)
                self._sink.discard(keep=True)
        try:
            self._report.write(report)
        except OSError as error:
            self._fail("report", error)

    def break_off(self) -> None:
        """Keeps what was written, beside the output, which is left as it was."""
        self._sink.discard(keep=True)

    def keep(self) -> str | None:
        """Gives what was written a name that the next run leaves alone; None if it has none."""
        if self._output is None or self.part is None:
            return None
        path = self._output if self.complete else self.part
        try:
            if not os.path.getsize(path):
                return None  # such as on a full disk: there is nothing to keep
            kept = keep(path, self._output)
            if not self.complete:
                # The next run writes over it, and both names may be those of one file.
                os.unlink(self.part)
                self.part = kept
        except OSError as error:
            say(f"error: the output could not be kept under another name: {error}")
            return None
        return kept

    def _fail(self, what: str, error: Exception) -> None:
        self.failure = self.failure or f"the {what} could not be written: {error}"


def _check_stdout() -> None:
    """Sees that stdout was not closed, before anything is paid for that would go there."""
    try:
        os.write(1, b"")
    except OSError as error:
        if error.errno == errno.EBADF:
            raise ConfigurationError("stdout is closed. Name an output with -o.") from error


async def _if_agreed(
    options: RedeemOptions, files: Files, settings: Settings, signals: Signals, board: Board
) -> ExitCode:
    # First of all: while somebody is asked, nothing else goes on.
    if not await agreed(options, files.source, settings, signals):
        say("not agreed to: nothing was sent, nothing was charged")
        return ExitCode.INTERRUPTED
    return await board.beside(_redeem(options, files, signals, board))


async def _redeem(options: RedeemOptions, files: Files, signals: Signals, board: Board) -> ExitCode:
    async with AsyncExitStack() as stack:
        key = base_url = None
        if options.sandbox:
            from pubrio_async.cli._demo import demo_sandbox  # noqa: PLC0415 - a server, seldom run

            key = DEMO_KEY
            base_url = await stack.enter_async_context(
                demo_sandbox(options.rate, options.journal_path, options.contact_types())
            )
            say(f"sandbox at {base_url}: the contacts are made up, nothing is charged")
        client = await stack.enter_async_context(
            AsyncPubrio(
                key,
                base_url=base_url,
                rate_limit=options.rate,
                max_concurrency=options.max_concurrency,
                observers=(*observers(verbose=options.verbose), *board.observers),
            )
        )
        run = await stack.enter_async_context(
            client.redeem.many(
                files.source.people(),
                people_contact_types=options.contact_types(),
                batch_size=options.batch_size,
                journal=(
                    demo_journal(options.journal_path) if options.sandbox else options.journal_path
                ),
                max_credits=options.max_credits,
                order=options.order.value,
                deadline=options.deadline,
                max_age=options.max_age_s(),
            )
        )
        board.watch(run, files.source.total)
        progress = make_progress(options.progress, files.source.total)
        try:
            await _write_outcomes(run, files, progress, signals)
        except BaseException:
            files.break_off()
            raise
    files.finish(run.report)
    board.wrote(files.failure)
    _tell(options, run, files, interrupted=signals.received)
    if files.failure is not None:
        return ExitCode.UNEXPECTED
    return exit_code(run.report, run.stopped_by, interrupted=signals.received)


async def _write_outcomes(run: Run, files: Files, progress: Progress, signals: Signals) -> None:
    """Writes outcomes down until there are no more."""

    def write(outcome: Outcome) -> None:
        if files.failure is None and not files.write(outcome):
            run.stop("the output could not be written")

    try:
        await take_outcomes(run, progress, signals, write)
    except ConfigurationError as error:
        # Such as an input that was changed meanwhile. What was read of it has been redeemed.
        files.failure = f"the input could not be read to its end: {error}"


def _tell(options: RedeemOptions, run: Run, files: Files, *, interrupted: bool) -> None:
    for line in summary(run.report, options, complete=files.complete):
        say(line)
    if files.failure is None:
        for line in not_read(run.report, files.source.total):
            say(line)
    if run.stopped_by is not None:
        say(why_stopped(run.stopped_by))
    is_lost = isinstance(run.stopped_by, JournalError)
    kept = files.keep() if is_lost else None
    if files.failure is not None:
        say(f"error: {files.failure}")
        if files.part is not None and not files.complete:
            say(f"what was written of the output is in {files.part}")
    if is_lost:
        say(kept_output(options.output, kept))
    for line in what_next(
        run.report,
        options,
        interrupted=interrupted,
        stopped_by=run.stopped_by,
        written=files.failure is None,
    ):
        say(line)
