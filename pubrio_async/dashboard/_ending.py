"""What the page says once a run is over: how it ended, and what to do next. Counts, no names."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from msgspec import Struct

from pubrio_async._errors import (
    AuthenticationError,
    BudgetExhaustedError,
    InsufficientCreditsError,
    JournalError,
    PermissionDeniedError,
    PubrioError,
    RateLimitedError,
)
from pubrio_async.models import RunReport

Mood: TypeAlias = Literal["done", "rest", "stopped", "failed"]
"""`done`: nothing is left to do; `rest`: some rows are; `stopped`: early; `failed`: by an error."""

# Reasons this package gives. Those of a program could name anything.
_REASONS: Final = {
    "interrupted": "It was interrupted.",
    "the deadline was reached": "The deadline was reached.",
    "the output could not be written": "The output could not be written.",
    "the run was left early": "It was left early.",
}


class End(Struct, frozen=True):
    """How a run ended.

    Attributes:
        mood: What kind of end it was.
        headline: The end in a few words.
        advice: Why, and what to do next, a sentence or two each.
    """

    mood: Mood
    headline: str
    advice: list[str]


def ending(
    report: RunReport,
    *,
    stopped_by: PubrioError | None,
    reason: str | None,
    open_rows: int,
    trouble: str | None,
) -> End:
    """Says how a run ended. No text of the API or of the program gets into it.

    Args:
        report: The figures.
        stopped_by: The error after which nothing more was sent, if there was one.
        reason: Why nothing more was sent, in the words of the run.
        open_rows: Rows that were read and have no outcome.
        trouble: What went wrong outside the run, as a sentence of this package.
    """
    rest = _rest(report, open_rows)
    why = [] if trouble is None else [trouble]
    if stopped_by is not None:
        why.append(_why(stopped_by))
    elif reason is not None:
        why.append(_REASONS.get(reason, "The program stopped it."))
    advice = why + rest
    if rest or trouble is not None:
        advice.append("The terminal that started the run shows the exact command, if there is one.")
    if trouble is not None:
        return End("failed", "Ended with an error", advice)
    if stopped_by is not None:
        return End("failed", "Stopped by an error", advice)
    if reason is not None:
        return End("stopped", "Stopped early", advice)
    if open_rows:
        return End("stopped", "Left before the end", advice)
    if rest:
        return End("rest", "Finished, with rows left to do", advice)
    return End("done", "Finished", ["Every row is settled. Nothing is left to do."])


def _rest(report: RunReport, open_rows: int) -> list[str]:
    """What is left to do, and how."""
    advice: list[str] = []
    left = report.failed + report.skipped
    if report.unsettled:
        advice.append(
            f"{_rows(report.unsettled)} unsettled: they may have been charged and the answer was "
            "lost, so they are not sent again on their own. `pubrio-async resolve JOURNAL` looks "
            "for them in the API's request log, which costs no credits."
        )
    if report.pending:
        advice.append(
            f"{_rows(report.pending)} pending: accepted and perhaps charged. The result is still "
            "with the API; running again with the same journal fetches it."
        )
    if open_rows:
        advice.append(
            f"{_rows(open_rows)} without an outcome: the program left before the end. Running "
            "again with the same journal goes on with them."
        )
    if left:
        advice.append(
            f"{_rows(left)} not redeemed and not charged. Running again with the same journal "
            "goes on with them."
        )
    return advice


def _why(error: PubrioError) -> str:
    match error:
        case AuthenticationError():
            return "The API refused the key. Check PUBRIO_API_KEY."
        case PermissionDeniedError():
            return "The key or its plan does not allow this. Check them in the Pubrio dashboard."
        case InsufficientCreditsError():
            return "There are not enough credits. Top up."
        case BudgetExhaustedError():
            return "The budget is used up. Raise it to go on."
        case JournalError():
            return "The journal failed, and nothing more was sent."
        case RateLimitedError():
            return "The API kept refusing requests: a quota is used up. Go on once it has turned."
        case _:
            return f"Nothing more could be sent ({type(error).__name__})."


def _rows(number: int) -> str:
    return f"{number:,} {'row is' if number == 1 else 'rows are'}"
