"""Redeeming lists of any length: plan, submit, wait, poll, settle."""

from pubrio_async.scheduler.journal import (
    Batch,
    Journal,
    JournalSummary,
    OpenBatch,
    Settled,
    Unsettled,
)
from pubrio_async.scheduler.journal_memory import MemoryJournal
from pubrio_async.scheduler.policy import Order
from pubrio_async.scheduler.run import Run

__all__ = [
    "Batch",
    "Journal",
    "JournalSummary",
    "MemoryJournal",
    "OpenBatch",
    "Order",
    "Run",
    "Settled",
    "Unsettled",
]
