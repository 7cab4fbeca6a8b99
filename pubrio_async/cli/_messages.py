"""What a run says at its end: figures, and what to do about the rows that are not settled.

No message names a person or a contact.
"""

from __future__ import annotations

import os
import sys

from pubrio_async._errors import (
    AuthenticationError,
    BudgetExhaustedError,
    InsufficientCreditsError,
    JournalError,
    PubrioError,
)
from pubrio_async.cli._options import RedeemOptions
from pubrio_async.models import RunReport
from pubrio_async.models.redeem import Number

_PREFIX = "pubrio-async: "


def say(text: str) -> None:
    """Prints one line for the person in front of the terminal."""
    print(one_line(text), file=sys.stderr, flush=True)


def one_line(text: str) -> str:
    """A message as it is printed: one line, and nothing in it that a terminal would obey."""
    line = " ".join(text.split())
    return _PREFIX + "".join(char if char.isprintable() else "?" for char in line)


def summary(report: RunReport, options: RedeemOptions) -> list[str]:
    """The figures of a run and where its files are."""
    statuses = ("found", "empty", "rejected", "failed", "pending", "unsettled", "skipped")
    counts = ", ".join(
        f"{getattr(report, status):,} {status}"
        for status in statuses
        if getattr(report, status) or status in {"found", "empty"}
    )
    balance = (
        "the balance was not reported"
        if report.credit_balance is None
        else f"{_credits(report.credit_balance)} plan credits left"
    )
    requests = (
        f"{report.requests:,} requests ({report.batches:,} batches, {report.polls:,} polls, "
        f"{report.retries:,} retries, {report.rate_limited:,} refused by the rate limit) "
        f"in {report.elapsed_s:.1f} s"
    )
    made_up = "made-up " if options.sandbox else ""
    lines = [
        f"{_rows(report.rows)} ({report.unique:,} distinct people): {counts}",
        f"{_credits(report.credits_charged)} {made_up}credits charged, as reported; {balance}",
        requests,
    ]
    if options.output is not None:
        lines.append(f"output: {options.output}")
    if options.journal_path is not None:
        lines.append(f"journal: {options.journal_path}")
    if options.report is not None:
        lines.append(f"report: {options.report}")
    return lines


def why_stopped(error: PubrioError) -> str:
    """Why nothing more was sent, whether that cost anything, and what helps."""
    cost = (
        "It may have cost credits."
        if error.may_have_charged
        else "The refused request cost nothing."
    )
    match error:
        case AuthenticationError():
            what, advice = "The API refused the key", "Check PUBRIO_API_KEY."
        case InsufficientCreditsError():
            what, advice = "There are not enough credits", "Top up."
        case BudgetExhaustedError():
            what, advice = "The budget is used up", "Raise --max-credits to go on."
            cost = ""
        case JournalError():
            # No request was refused: none is made that cannot be written down.
            what, advice, cost = "The journal failed, and nothing more was sent", "", ""
        case _:
            what, advice = "Nothing more could be sent", ""
    return f"{what}: {_sentence(str(error))} {cost} {advice}"


def what_next(
    report: RunReport,
    options: RedeemOptions,
    *,
    interrupted: bool,
    stopped_by: PubrioError | None = None,
) -> list[str]:
    """What to do about rows that are not settled; nothing where there are none."""
    advice: list[str] = []
    if isinstance(stopped_by, JournalError):
        advice.append(
            "The last results may be missing in the journal. Keep a copy of the output before "
            "running again: there these rows would come out as unsettled."
        )
    if report.unsettled:
        advice.append(
            f"{_rows(report.unsettled)} unsettled: they may have been charged and the answer was "
            "lost, so they are not sent again on their own. Compare them with the request log in "
            "the Pubrio dashboard."
        )
    if report.pending:
        advice.append(
            f"{_rows(report.pending)} pending: accepted and perhaps charged; the result is still "
            "with the API."
        )
    if report.failed or report.skipped:
        advice.append(
            f"{_rows(report.failed + report.skipped)} not redeemed and not charged (failed or "
            "skipped)."
        )
    if not advice and not interrupted:
        return []
    if options.journal_path is None:
        advice.append(
            "No journal was kept: running the command again redeems every row again, and pays "
            "for it again. Keep one with -o or --journal."
        )
    elif isinstance(stopped_by, JournalError) and not os.path.exists(options.journal_path):
        advice.append(
            f"The journal {options.journal_path} is not there any more. Put it back before "
            "running the command again, or every row is redeemed and paid for again."
        )
    elif report.pending or report.failed or report.skipped or interrupted:
        with_input = " (with the same input)" if options.input == "-" else ""
        advice.append(
            f"The journal {options.journal_path} holds what was paid for; this goes on from "
            f"there{with_input}: {options.command()}"
        )
    return advice


def _rows(number: int) -> str:
    return f"{number:,} row{'' if number == 1 else 's'}"


def _credits(number: Number) -> str:
    return f"{number:,g}" if isinstance(number, float) else f"{number:,}"


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
