"""The command `status`: what a journal holds. It needs no key and sends nothing."""

from __future__ import annotations

import time

from pubrio_async._errors import JournalError
from pubrio_async.cli._demo_journal import DEMO_ORIGIN
from pubrio_async.cli._exit import ExitCode, exit_code_of
from pubrio_async.cli._figures import Figure, print_figures, print_json
from pubrio_async.cli._messages import credits_of, say, why
from pubrio_async.cli._options import resolve_command
from pubrio_async.scheduler.journal_status import JournalStatus, read_status


def status(path: str, *, as_json: bool) -> ExitCode:
    """Runs the command.

    Args:
        path: The journal, which a run may be using meanwhile.
        as_json: Whether a program reads it.

    Returns:
        The exit code. What is not a figure has been said on stderr.
    """
    try:
        held = read_status(path)
    except JournalError as error:
        say(f"error: {error}")
        return exit_code_of(error)
    except KeyboardInterrupt:
        say("interrupted; the journal is as it was")
        return ExitCode.INTERRUPTED
    written = print_json(held) if as_json else print_figures(_figures(held))
    return ExitCode.DONE if written else ExitCode.UNEXPECTED


def _figures(held: JournalStatus) -> list[Figure]:
    figures = [
        ("journal", held.path + (" (a run is using it now)" if held.in_use else "")),
        ("bought at", held.origin or "not written down"),
        ("contact types", ", ".join(held.contact_types)),
        ("created", _date(held.created_at)),
        ("last written", _date(held.updated_at)),
        ("people", f"{held.people:,}"),
        ("found", f"{held.found:,}"),
        ("empty", f"{held.empty:,}"),
        ("rejected", f"{held.rejected:,}"),
        ("pending", f"{held.pending:,}"),
        ("unsettled", f"{held.unsettled:,}"),
        ("batches", ", ".join(f"{number:,} {end}" for end, number in held.batches.items())),
        ("credits charged", f"{credits_of(held.credits_charged)}, as reported"),
    ]
    figures += [("why unsettled", reason) for reason in why(held.reasons)]
    return figures + [("next", step) for step in _next_steps(held)]


def _next_steps(held: JournalStatus) -> list[str]:
    """What to do about people who are not settled."""
    if held.in_use:
        return ["wait until the run that is using it has ended, then look again"]
    steps: list[str] = []
    if held.pending:
        steps.append(
            "run the same redeem command again: it fetches the pending results, which costs "
            "nothing beyond their jobs"
        )
    if held.unsettled and held.origin == DEMO_ORIGIN:
        steps.append("nothing can be looked up: the stand-in of that demonstration has ended")
    elif held.unsettled:
        steps.append(
            f"{resolve_command(held.path)} looks for the unsettled in the API's request log"
        )
    return steps or ["nothing: everyone is settled"]


def _date(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(moment))
