"""What the exit code of a command says."""

from __future__ import annotations

from enum import IntEnum

from pubrio_async._errors import (
    AuthenticationError,
    BudgetExhaustedError,
    ConfigurationError,
    InsufficientCreditsError,
    JournalError,
    PubrioError,
)
from pubrio_async.models import RunReport


class ExitCode(IntEnum):
    """The exit codes.

    - `DONE`: every row is settled (found, empty or rejected).
    - `UNEXPECTED`: something broke that should not have.
    - `USAGE`: the command or a setting is wrong; nothing was charged.
    - `INCOMPLETE`: some rows are failed, pending, unsettled or skipped.
    - `NO_CREDITS`: stopped by the budget or by missing credits.
    - `KEY_REFUSED`: the API refused the key.
    - `INTERRUPTED`: ended by a signal.
    """

    DONE = 0
    UNEXPECTED = 1
    USAGE = 2
    INCOMPLETE = 3
    NO_CREDITS = 4
    KEY_REFUSED = 5
    INTERRUPTED = 130


def exit_code(report: RunReport, stopped_by: PubrioError | None, *, interrupted: bool) -> ExitCode:
    """The exit code of a run that ended.

    Args:
        report: Its figures.
        stopped_by: The error that ended it early, if one did.
        interrupted: Whether a signal did.
    """
    if interrupted:
        return ExitCode.INTERRUPTED
    code = ExitCode.UNEXPECTED if stopped_by is None else exit_code_of(stopped_by)
    if code in {ExitCode.KEY_REFUSED, ExitCode.NO_CREDITS}:
        return code
    if report.failed or report.pending or report.unsettled or report.skipped:
        return ExitCode.INCOMPLETE
    # All rows that were read are settled, but the journal does not know, and some may be unread.
    return ExitCode.UNEXPECTED if isinstance(stopped_by, JournalError) else ExitCode.DONE


def exit_code_of(error: PubrioError) -> ExitCode:
    """The exit code of a command that was ended by an error."""
    match error:
        case AuthenticationError():
            return ExitCode.KEY_REFUSED
        case InsufficientCreditsError() | BudgetExhaustedError():
            return ExitCode.NO_CREDITS
        case ConfigurationError() | JournalError():
            return ExitCode.USAGE
        case _:
            return ExitCode.UNEXPECTED
