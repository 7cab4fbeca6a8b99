"""What a run tells the log: how it began and ended, what stopped it, and what it lost and found."""

from __future__ import annotations

from logging import ERROR, INFO, WARNING

from msgspec import structs

from pubrio_async._errors import JournalError, PubrioError
from pubrio_async._log import JOURNAL, RUNS, note
from pubrio_async.models import RunReport
from pubrio_async.scheduler.journal import Batch
from pubrio_async.scheduler.options import RunOptions


def began(options: RunOptions) -> None:
    """A run begins."""
    types = ",".join(options.contact_types)
    size, order = options.batch_size, options.order
    note(RUNS, INFO, "run_started", contact_types=types, batch_size=size, order=order)


def ended(report: RunReport, stopped_by: PubrioError | None) -> None:
    """A run is over."""
    note(RUNS, INFO, "run_ended", stopped_by=_name(stopped_by), **structs.asdict(report))


def halted(error: PubrioError, before: PubrioError | None) -> None:
    """Nothing more is submitted.

    Args:
        error: Why.
        before: Why nothing was submitted already.
    """
    if isinstance(error, JournalError):
        if not isinstance(before, JournalError):
            cause = _name(error.__cause__)
            note(JOURNAL, ERROR, "journal_trouble", error=_name(error), cause=cause)
    elif before is None:
        note(RUNS, WARNING, "run_halted", error=_name(error))


def lost(batch: Batch, error: BaseException) -> None:
    """The answer to a request is lost."""
    batch_id, people = batch.batch_id, len(batch.keys)
    note(RUNS, WARNING, "batch_lost", batch_id=batch_id, people=people, error=_name(error))


def found(batch: Batch, answer: object, age_s: float) -> None:
    """The request log has told what the lost answer was."""
    error = _name(answer) if isinstance(answer, PubrioError) else None
    batch_id, people = batch.batch_id, len(batch.keys)
    note(*(RUNS, INFO, "batch_found"), batch_id=batch_id, people=people, age_s=age_s, error=error)


def unsettled(batch: Batch) -> None:
    """It will not be known, in this run, what became of a batch."""
    note(RUNS, WARNING, "batch_unsettled", batch_id=batch.batch_id, people=len(batch.keys))


def _name(error: object) -> str | None:
    return None if error is None else type(error).__name__
