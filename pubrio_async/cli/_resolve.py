"""The command `resolve`: what became of the people whose answers were lost.

First it looks for the lost requests, which buys nothing. With `--resend` the people of those that
cannot be found are sent again, which may pay for them twice: that is said, and asked for, before.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack, ExitStack
from typing import Any

from msgspec import structs

from pubrio_async._errors import JournalError, PubrioError
from pubrio_async.cli._ask import confirmed as _confirmed
from pubrio_async.cli._ask import on_terminal as _on_terminal
from pubrio_async.cli._database import need_extra
from pubrio_async.cli._exit import ExitCode, exit_code
from pubrio_async.cli._figures import print_json, tell_figures
from pubrio_async.cli._messages import (
    by_status,
    credits_of,
    people_in_words,
    say,
    spent,
    why,
    why_stopped,
)
from pubrio_async.cli._options import ResolveOptions, is_database
from pubrio_async.cli._progress import make_progress
from pubrio_async.cli._runs import ReportFile, cancel_at_signal, run_command, take_outcomes
from pubrio_async.cli._signals import Signals
from pubrio_async.cli._unsettled import InJournal, Place, Standing
from pubrio_async.cli._verbose import observers
from pubrio_async.client import AsyncPubrio
from pubrio_async.models import RunReport
from pubrio_async.scheduler.budget import Prices
from pubrio_async.scheduler.outbox import add_counts


def resolve(options: ResolveOptions) -> ExitCode:
    """Runs the command.

    Args:
        options: What was asked for.

    Returns:
        The exit code. What there is to say has been said on stderr.
    """

    def command(signals: Signals, stack: ExitStack) -> Coroutine[Any, Any, ExitCode]:
        options.check()
        place = _place(options, stack)
        report = ReportFile(options.report, stack)
        return _resolve(options, place, report, signals)

    return run_command(command, verbose=options.verbose)


def _place(options: ResolveOptions, stack: ExitStack) -> Place:
    if not is_database(options.journal):
        return InJournal(options, stack)
    need_extra()
    from pubrio_async.cli._unsettled_fleet import InDatabase  # noqa: PLC0415 - an extra

    return InDatabase(options)


async def _resolve(
    options: ResolveOptions, place: Place, report: ReportFile, signals: Signals
) -> ExitCode:
    async with AsyncExitStack() as stack:
        await place.open(stack)
        before = await place.read()
        if before.with_workers:
            say(f"{people_in_words(before.with_workers)} left to the workers that are at them")
        if not before.unsettled and not (place.fetches_pending and before.pending):
            nobody = "nobody else" if before.with_workers else "nobody"
            say(f"{nobody} in {place.name} is unsettled; nothing was sent")
            _advise(options, place, RunReport(), before)
            code = _write(report, RunReport(), ExitCode.DONE)
            return _print(options, RunReport(), before, None, code)
        if before.unsettled:
            lost = people_in_words(before.unsettled)
            say(f"{lost} unsettled: perhaps charged, the answer was lost")
        for reason in why(before.reasons):
            say(f"- {reason}")
        client = await place.client(stack, observers(verbose=options.verbose))
        cancel_at_signal(signals)
        resolver = _Resolver(options, place, client, signals, before)
        await resolver.look()
        if options.resend:
            await resolver.send_again()
    _tell(resolver)
    if resolver.stopped_by is not None:
        say(why_stopped(resolver.stopped_by))
    resolver.keep_outcomes()
    _advise(options, place, resolver.report, resolver.standing)
    code = exit_code(resolver.report, resolver.stopped_by, interrupted=signals.received)
    code = _write(report, resolver.report, code)
    return _print(options, resolver.report, resolver.standing, resolver.stopped_by, code)


class _Resolver:
    """The runs of the command, added up.

    Attributes:
        standing: Who is not settled, as last read.
        report: The figures; nobody who is still unsettled is counted as skipped.
        stopped_by: The error after which nothing more was sent.
    """

    def __init__(
        self,
        options: ResolveOptions,
        place: Place,
        client: AsyncPubrio,
        signals: Signals,
        before: Standing,
    ) -> None:
        self.standing = before
        self.report: RunReport = RunReport()
        self.stopped_by: PubrioError | None = None
        self._options = options
        self._place = place
        self._client = client
        self._signals = signals
        self._reasons = set(before.reasons)
        self._end = None if options.deadline is None else time.monotonic() + options.deadline

    async def look(self) -> None:
        """Looks for the lost requests, and fetches what they bought."""
        await self._run(resend=False)

    async def send_again(self) -> None:
        """Sends those again who are still unsettled, if that is wanted."""
        if not self.standing.unsettled or self.stopped_by is not None or self._signals.received:
            return
        if self._seconds_left() == 0:
            say("the deadline was reached; nobody is sent again")
            return
        try:
            profile = await self._client.profile.get()
        except PubrioError as error:
            self.stopped_by = error
            return
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or not self._is_interrupted():
                raise
            # What was found before is told of, and was perhaps charged.
            task.uncancel()
            say("interrupted; nobody was sent again")
            return
        worst = self.standing.worst_case(Prices.of_subscription(profile.subscription))
        say(
            f"sending {people_in_words(self.standing.unsettled)} again costs up to "
            f"{credits_of(worst)} credits, an estimate by the plan's prices; those whose lost "
            "request was carried out are paid for twice"
        )
        if self._options.yes or not _on_terminal() or _confirmed(self._signals):
            await self._run(resend=True)
        else:
            say("nobody was sent again")

    def keep_outcomes(self) -> None:
        """Keeps what came in, if the journal failed and may not hold it."""
        if not isinstance(self.stopped_by, JournalError):
            return
        try:
            kept = self._place.keep()
        except OSError as error:
            say(f"error: what came in could not be kept: {error}")
            return
        if kept is not None:
            say(f"The last results may be missing in the journal: what came in is kept in {kept}.")

    async def _run(self, *, resend: bool) -> None:
        options = self._options
        async with self._place.settle(
            self._client,
            resend=resend,
            max_credits=options.max_credits if resend else None,
            deadline=self._seconds_left(),
        ) as run:
            progress = make_progress(options.progress, self.standing.unsettled)
            await take_outcomes(run, progress, self._signals, self._place.take)
        cancel_at_signal(self._signals)
        self.stopped_by = run.stopped_by
        await self._look_again(run.report)
        self._add(run.report)
        what = "sent again" if resend else "looked for in the request log"
        say(f"{people_in_words(run.report.rows)} {what}: {by_status(run.report)}")
        if run.report.failed and not resend and self.stopped_by is None:
            say(
                f"{people_in_words(run.report.failed)} were refused then, and not charged. This "
                f"command sends nobody again without being told to; {self._place.who_sends}"
            )
        reasons = self.standing.reasons
        if reasons and reasons.keys() <= self._reasons:
            say(f"- still unsettled: {people_in_words(sum(reasons.values()))}: as told above")
        else:
            for reason in why(reasons):
                say(f"- still unsettled: {reason}")
        self._reasons |= reasons.keys()

    async def _look_again(self, report: RunReport) -> None:
        """Who is still unsettled: the journal knows, and tells why."""
        try:
            self.standing = await self._place.read()
        except JournalError as error:
            self.stopped_by = self.stopped_by or error
            lost = report.failed + report.unsettled + report.skipped
            self.standing = structs.replace(
                self.standing, by_types={(): lost}, pending=report.pending, reasons={}
            )

    def _add(self, report: RunReport) -> None:
        """Adds a run's figures. Who failed, or was skipped, is as unsettled as before."""
        total = self.report
        add_counts(total, report)
        total.elapsed_s += report.elapsed_s
        total.pending, total.unsettled = self.standing.pending, self.standing.unsettled
        total.unique = total.unique or report.unique
        total.rows = total.found + total.empty + total.rejected + total.pending + total.unsettled
        if report.credit_balance is not None:
            total.credit_balance = report.credit_balance
        total.polls_per_batch = total.polls / total.batches if total.batches else 0.0

    def _is_interrupted(self) -> bool:
        return self._signals.received

    def _seconds_left(self) -> float | None:
        """Until the deadline; None for as long as it takes."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())


def _advise(options: ResolveOptions, place: Place, report: RunReport, standing: Standing) -> None:
    """What to do next."""
    left = people_in_words(standing.unsettled)
    if standing.unsettled and not options.resend:
        say(
            f"{left} still unsettled. This sends them again, at full "
            "price; those whose lost request was carried out are paid for twice: "
            + place.command(resend=True)
        )
    elif standing.unsettled:
        say(f"{left} still unsettled; this goes on: " + place.command(resend=True))
    if standing.pending:
        say(place.advice(pending=people_in_words(standing.pending)))
    elif report.found or report.empty or report.rejected:
        say(place.advice(pending=None))


def _tell(resolver: _Resolver) -> None:
    """What it came to, and what it cost."""
    report = resolver.report
    if not sys.stderr.isatty():
        for line in spent(report):
            say(line)
        return
    cost, requests = spent(report)
    tell_figures(
        [
            ("found", f"{report.found:,}"),
            ("empty", f"{report.empty:,}"),
            ("rejected", f"{report.rejected:,}"),
            ("pending", f"{report.pending:,}"),
            ("still unsettled", f"{report.unsettled:,}"),
            ("cost", cost),
            ("", requests),
        ]
    )


def _print(
    options: ResolveOptions,
    report: RunReport,
    standing: Standing,
    stopped_by: PubrioError | None,
    code: ExitCode,
) -> ExitCode:
    """Prints what came of it, if a program wants it; gives the exit code."""
    if not options.as_json:
        return code
    why_it_stopped = None if stopped_by is None else str(stopped_by)
    told = {"report": report, **standing.told, "stopped_by": why_it_stopped}
    return code if print_json(told) else ExitCode.UNEXPECTED


def _write(file: ReportFile, report: RunReport, code: ExitCode) -> ExitCode:
    """Writes the report, if one is wanted; gives the exit code."""
    try:
        file.write(report)
    except OSError as error:
        say(f"error: the report could not be written: {error}")
        return ExitCode.UNEXPECTED
    return code
