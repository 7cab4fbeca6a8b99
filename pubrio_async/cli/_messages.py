"""What a run says at its end: figures, and what to do about the rows that are not settled.

No message names a person or a contact.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping

from pubrio_async._errors import (
    AuthenticationError,
    BudgetExhaustedError,
    InsufficientCreditsError,
    JournalError,
    PubrioError,
)
from pubrio_async.cli._options import RedeemOptions, resolve_command
from pubrio_async.models import RunReport
from pubrio_async.models.redeem import Number

_PREFIX = "pubrio-async: "
_UNPRINTABLE = re.compile(r"[\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def say(text: str) -> None:
    """Prints one line for the person in front of the terminal."""
    print(one_line(text), file=sys.stderr, flush=True)


def one_line(text: str) -> str:
    """A message as it is printed."""
    return _PREFIX + printable(text)


def printable(text: str) -> str:
    """A text as one line, and nothing in it that a terminal would obey."""
    return harmless(" ".join(text.split()))


def harmless(line: str) -> str:
    """A line with nothing in it that a terminal would obey."""
    return "".join(char if char.isprintable() else "?" for char in line)


def harmless_json(text: str) -> str:
    """JSON in which nothing is left that a terminal would obey, or a reader of lines stumble over.

    Such characters are only ever part of a text there, and are written as escapes.
    """
    return _UNPRINTABLE.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def summary(report: RunReport, options: RedeemOptions, *, complete: bool = True) -> list[str]:
    """The figures of a run of `redeem` and where its files are.

    Args:
        report: The figures.
        options: Which files were asked for.
        complete: Whether the output is in its place.
    """
    distinct = _so_many(report.unique, "distinct person", "distinct people")
    lines = [
        f"{rows_in_words(report.rows)} ({distinct}): {by_status(report)}",
        *spent(report, made_up=options.sandbox),
    ]
    if report.rows and not report.unique:
        lines.insert(1, _nobody_named(options))
    elif report.rejected:
        lines.append(
            f"{rows_in_words(report.rejected)} rejected and not charged: malformed, or refused by "
            "the API; the error of each says which"
        )
    if options.output is not None and complete:
        lines.append(f"output: {options.output}")
    if options.journal_path is not None:
        lines.append(f"journal: {options.journal_path}")
    if options.report is not None:
        lines.append(f"report: {options.report}")
    return lines


def _nobody_named(options: RedeemOptions) -> str:
    if options.input == "-":
        where = "stdin is read as one person a line: give a table as a file"
    else:
        where = "is it the right column? --column names another"
    return f"warning: no row holds a people_search_id or the LinkedIn URL of a person; {where}"


def not_read(report: RunReport, total: int | None) -> list[str]:
    """What the output lacks, if the run ended before the input did."""
    rest = (total or 0) - report.rows
    return [f"the last {rows_in_words(rest)} not read, and not in the output"] if rest > 0 else []


def by_status(report: RunReport) -> str:
    """How many ended how."""
    statuses = ("found", "empty", "rejected", "failed", "pending", "unsettled", "skipped")
    return ", ".join(
        f"{getattr(report, status):,} {status}"
        for status in statuses
        if getattr(report, status) or status in {"found", "empty"}
    )


def spent(report: RunReport, *, made_up: bool = False) -> list[str]:
    """What a run has cost: credits, requests and time."""
    balance = (
        "the balance was not reported"
        if report.credit_balance is None
        else f"{credits_of(report.credit_balance)} plan credits left"
    )
    charged = f"{credits_of(report.credits_charged)} {'made-up ' if made_up else ''}credits charged"
    requests = (
        f"{_so_many(report.requests, 'request')} ({_so_many(report.batches, 'batch', 'batches')}, "
        f"{_so_many(report.polls, 'poll')}, {_so_many(report.retries, 'retry', 'retries')}, "
        f"{report.rate_limited:,} refused by the rate limit) in {report.elapsed_s:.1f} s"
    )
    return [f"{charged}, as reported; {balance}", requests]


def why(reasons: Mapping[str, int], most: int = 5) -> list[str]:
    """The reasons people are unsettled for, the most frequent first."""
    ranked = sorted(reasons.items(), key=lambda item: -item[1])
    lines = [f"{people_in_words(number)}: {reason}" for reason, number in ranked[:most]]
    if rest := ranked[most:]:
        lines.append(
            f"{people_in_words(sum(number for _, number in rest))}: {len(rest):,} other reasons"
        )
    return lines


def tells_cost(text: str) -> bool:
    """Whether the text of an error says by itself what became of the money."""
    return any(said in text for said in ("Nothing was c", "have been charged", "no credits"))


def why_stopped(error: PubrioError) -> str:
    """Why nothing more was sent, whether that cost anything, and what helps."""
    text = _sentence(str(error))
    if tells_cost(text):
        cost = ""
    elif error.may_have_charged:
        cost = "It may have cost credits."
    else:
        cost = "The refused request cost nothing."
    match error:
        case AuthenticationError():
            what, advice = "The API refused the key", "Check PUBRIO_API_KEY."
        case InsufficientCreditsError():
            what, advice = "There are not enough credits", "Top up."
        case BudgetExhaustedError():
            what, advice = "The budget is used up, or too small", "Raise --max-credits to go on."
            text, cost = _sentence(str(error).partition(";")[0].replace("max_", "--max-")), ""
        case JournalError():
            # No request was refused: none is made that cannot be written down.
            what, advice, cost = "The journal failed, and nothing more was sent", "", ""
        case _:
            what, advice = "Nothing more could be sent", ""
    if advice.rstrip(".").lower() in text.lower():
        advice = ""
    return " ".join(filter(None, (f"{what}: {text}", cost, advice)))


def what_next(
    report: RunReport,
    options: RedeemOptions,
    *,
    interrupted: bool,
    stopped_by: PubrioError | None = None,
    written: bool = True,
) -> list[str]:
    """What to do about rows that are not settled, or not written; nothing where there are none."""
    advice: list[str] = []
    if report.unsettled:
        advice.append(
            f"{rows_in_words(report.unsettled)} unsettled: they may have been charged and the "
            "answer was lost, so they are not sent again on their own. "
            + _about_the_unsettled(options)
        )
    if report.pending:
        advice.append(
            f"{rows_in_words(report.pending)} pending: accepted and perhaps charged; the result "
            "is still with the API."
        )
    if report.failed or report.skipped:
        advice.append(
            f"{rows_in_words(report.failed + report.skipped)} not redeemed and not charged "
            "(failed or skipped)."
        )
    if advice and options.deadline is not None and report.elapsed_s >= options.deadline:
        advice.append(f"The deadline of {options.deadline:g} s was reached: raise --deadline.")
    journal_failed = isinstance(stopped_by, JournalError)
    if not advice and not interrupted and not journal_failed and written:
        return []
    if options.journal_path is None:
        advice.append(
            "No journal was kept: running the command again redeems every row again, and pays "
            "for it again. Keep one with -o or --journal."
        )
    elif journal_failed and not os.path.exists(options.journal_path):
        advice.append(
            f"The journal {options.journal_path} is not there any more. Put it back before "
            "running the command again, or every row is redeemed and paid for again."
        )
    elif report.pending or report.failed or report.skipped or interrupted or not written:
        with_input = " (with the same input)" if options.input == "-" else ""
        advice.append(
            f"The journal {options.journal_path} holds what was paid for; this goes on from "
            f"there{with_input}: {options.command()}"
        )
    return advice


def kept_output(output: str | None, kept: str | None) -> str:
    """What to know about the output of a run whose journal failed.

    Args:
        output: Where it is; None for stdout.
        kept: Where it is kept as well; None if that did not work.
    """
    missing = "The last results may be missing in the journal"
    lost = "there these rows would come out as unsettled"
    if output is None:
        return f"{missing}. Keep a copy of the output before running again: {lost}."
    if kept is None:
        return (
            f"{missing}. Keep a copy of the output before running again, which replaces it: {lost}."
        )
    return (
        f"{missing}. Running again replaces the output, and {lost}: so what was written is also "
        f"kept in {kept}."
    )


def _about_the_unsettled(options: RedeemOptions) -> str:
    if options.journal_path is None:
        return "Compare them with the request log in the Pubrio dashboard."
    if options.sandbox:
        return "The stand-in they were sent to has ended, and its request log with it."
    return (
        "This looks for them in the API's request log, which costs no credits: "
        f"{resolve_command(options.journal_path)}"
    )


def people_in_words(number: int) -> str:
    """So many people, in words."""
    return _so_many(number, "person", "people")


def rows_in_words(number: int) -> str:
    """So many rows, in words."""
    return _so_many(number, "row")


def _so_many(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def credits_of(number: Number) -> str:
    """A number of credits as people write it."""
    return f"{number:,.10g}" if isinstance(number, float) else f"{number:,}"


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
