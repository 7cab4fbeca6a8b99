"""The command `resolve`: what became of the people whose answers were lost.

First it looks for the lost requests, which buys nothing. With `--resend` the people of those that
cannot be found are sent again, which may pay for them twice: that is said, and asked for, before.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Coroutine
from contextlib import ExitStack
from typing import Any

from msgspec import Struct, structs

from pubrio_async._errors import ConfigurationError, JournalError, PubrioError
from pubrio_async.cli._ask import confirmed as _confirmed
from pubrio_async.cli._ask import on_terminal as _on_terminal
from pubrio_async.cli._demo_journal import DEMO_ORIGIN
from pubrio_async.cli._exit import ExitCode, exit_code
from pubrio_async.cli._figures import print_json, tell_figures
from pubrio_async.cli._kept import Backup
from pubrio_async.cli._messages import (
    by_status,
    credits_of,
    people_in_words,
    say,
    spent,
    why,
    why_stopped,
)
from pubrio_async.cli._options import ResolveOptions, resolve_command
from pubrio_async.cli._progress import make_progress
from pubrio_async.cli._runs import ReportFile, cancel_at_signal, run_command, take_outcomes
from pubrio_async.cli._signals import Signals
from pubrio_async.cli._verbose import observers
from pubrio_async.client import AsyncPubrio
from pubrio_async.models import RunReport
from pubrio_async.scheduler.budget import Prices
from pubrio_async.scheduler.journal_status import JournalStatus, read_status
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
        # Before the journal is in use here, and without a key: there may be nothing to do.
        before = read_status(options.journal)
        if before.unsettled and before.origin == DEMO_ORIGIN:
            raise ConfigurationError(
                f"cannot resolve {options.journal}: it is the journal of a demonstration, and the "
                "stand-in its people were sent to has ended, its request log with it"
            )
        report = ReportFile(options.report, stack)
        return _resolve(options, before, report, signals, stack)

    return run_command(command, verbose=options.verbose)


async def _resolve(
    options: ResolveOptions,
    before: JournalStatus,
    report: ReportFile,
    signals: Signals,
    stack: ExitStack,
) -> ExitCode:
    if not before.unsettled:
        say(f"nobody in {options.journal} is unsettled; nothing was sent")
        _advise(options, RunReport(), before)
        code = _write(report, RunReport(), ExitCode.DONE)
        return _print(options, Resolved(report=RunReport(), journal=before), code)
    say(f"{people_in_words(before.unsettled)} unsettled: perhaps charged, the answer was lost")
    for reason in why(before.reasons):
        say(f"- {reason}")
    client = AsyncPubrio(rate_limit=options.rate, observers=observers(verbose=options.verbose))
    cancel_at_signal(signals)
    resolver = _Resolver(options, client, signals, before, stack)
    async with client:
        await resolver.look()
        if options.resend:
            await resolver.send_again()
    _tell(resolver)
    if resolver.stopped_by is not None:
        say(why_stopped(resolver.stopped_by))
    resolver.keep_outcomes()
    _advise(options, resolver.report, resolver.journal)
    code = exit_code(resolver.report, resolver.stopped_by, interrupted=signals.received)
    code = _write(report, resolver.report, code)
    stopped_by = None if resolver.stopped_by is None else str(resolver.stopped_by)
    told = Resolved(report=resolver.report, journal=resolver.journal, stopped_by=stopped_by)
    return _print(options, told, code)


class Resolved(Struct, frozen=True, kw_only=True):
    """What `--json` prints.

    Attributes:
        report: The figures, as in `--report`.
        journal: What the journal holds now, as `status --json` tells it.
        stopped_by: Why nothing more was sent; None if that was not so.
    """

    report: RunReport
    journal: JournalStatus
    stopped_by: str | None = None


class _Resolver:
    """The runs of the command, added up.

    Attributes:
        journal: What the journal holds, as last read.
        report: The figures; nobody who is still unsettled is counted as skipped.
        stopped_by: The error after which nothing more was sent.
    """

    def __init__(
        self,
        options: ResolveOptions,
        client: AsyncPubrio,
        signals: Signals,
        before: JournalStatus,
        stack: ExitStack,
    ) -> None:
        self.journal = before
        self.report: RunReport = RunReport()
        self.stopped_by: PubrioError | None = None
        self._options = options
        self._client = client
        self._signals = signals
        self._reasons = set(before.reasons)
        self._end = None if options.deadline is None else time.monotonic() + options.deadline
        # Results are in the journal. This is for the case that it fails, and else thrown away.
        self._outcomes = Backup(options.journal, stack)

    async def look(self) -> None:
        """Looks for the lost requests, and fetches what they bought."""
        await self._run(resend=False)

    async def send_again(self) -> None:
        """Sends those again who are still unsettled, if that is wanted."""
        if not self.journal.unsettled or self.stopped_by is not None or self._signals.received:
            return
        if self._seconds_left() == 0:
            say("the deadline was reached; nobody is sent again")
            return
        try:
            plan = (await self._client.profile.get()).subscription
        except PubrioError as error:
            self.stopped_by = error
            return
        prices = Prices.of_plan(plan.email_redeem_credit, plan.phone_number_redeem_credit)
        worst = prices.worst_case(self.journal.contact_types) * self.journal.unsettled
        say(
            f"sending {people_in_words(self.journal.unsettled)} again costs up to "
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
            kept = self._outcomes.keep()
        except OSError as error:
            say(f"error: what came in could not be kept: {error}")
        else:
            say(f"The last results may be missing in the journal: what came in is kept in {kept}.")

    async def _run(self, *, resend: bool) -> None:
        options = self._options
        async with self._client.redeem.resolve(
            options.journal,
            resend=resend,
            max_credits=options.max_credits if resend else None,
            deadline=self._seconds_left(),
        ) as run:
            progress = make_progress(options.progress, self.journal.unsettled)
            await take_outcomes(run, progress, self._signals, self._outcomes.write)
        cancel_at_signal(self._signals)
        self.stopped_by = run.stopped_by
        self._look_into_journal(run.report)
        self._add(run.report)
        what = "sent again" if resend else "looked for in the request log"
        say(f"{people_in_words(run.report.rows)} {what}: {by_status(run.report)}")
        reasons = self.journal.reasons
        if reasons and reasons.keys() <= self._reasons:
            say(f"- still unsettled: {people_in_words(sum(reasons.values()))}: as told above")
        else:
            for reason in why(reasons):
                say(f"- still unsettled: {reason}")
        self._reasons |= reasons.keys()

    def _look_into_journal(self, report: RunReport) -> None:
        """Who is still unsettled: the journal knows, and tells why."""
        try:
            self.journal = read_status(self._options.journal)
        except JournalError as error:
            self.stopped_by = self.stopped_by or error
            lost = report.failed + report.unsettled + report.skipped
            self.journal = structs.replace(
                self.journal, unsettled=lost, pending=report.pending, reasons={}
            )

    def _add(self, report: RunReport) -> None:
        """Adds a run's figures. Who failed, or was skipped, is as unsettled as before."""
        total = self.report
        add_counts(total, report)
        total.elapsed_s += report.elapsed_s
        total.pending, total.unsettled = self.journal.pending, self.journal.unsettled
        total.unique = total.unique or report.unique
        total.rows = total.found + total.empty + total.rejected + total.pending + total.unsettled
        if report.credit_balance is not None:
            total.credit_balance = report.credit_balance
        total.polls_per_batch = total.polls / total.batches if total.batches else 0.0

    def _seconds_left(self) -> float | None:
        """Until the deadline; None for as long as it takes."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())


def _advise(options: ResolveOptions, report: RunReport, journal: JournalStatus) -> None:
    """What to do next."""
    if journal.unsettled and not options.resend:
        say(
            f"{people_in_words(journal.unsettled)} still unsettled. This sends them again, at full "
            "price; those whose lost request was carried out are paid for twice: "
            + resolve_command(options.journal, resend=True)
        )
    elif journal.unsettled:
        say(
            f"{people_in_words(journal.unsettled)} still unsettled; this goes on: "
            + resolve_command(options.journal, resend=True)
        )
    if journal.pending:
        say(
            f"{people_in_words(journal.pending)} pending: run the redeem command of this journal "
            "again, it fetches the results at no cost"
        )
    elif report.found or report.empty or report.rejected:
        say(
            "the journal holds what was recovered: run its redeem command again to have it in the "
            "output, at no cost"
        )


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


def _print(options: ResolveOptions, told: Resolved, code: ExitCode) -> ExitCode:
    """Prints what came of it, if a program wants it; gives the exit code."""
    return code if not options.as_json or print_json(told) else ExitCode.UNEXPECTED


def _write(file: ReportFile, report: RunReport, code: ExitCode) -> ExitCode:
    """Writes the report, if one is wanted; gives the exit code."""
    try:
        file.write(report)
    except OSError as error:
        say(f"error: the report could not be written: {error}")
        return ExitCode.UNEXPECTED
    return code
