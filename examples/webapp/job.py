"""One run of `redeem.many`, and what is known of it."""

from __future__ import annotations

import logging
import time
from collections import Counter
from contextlib import suppress
from typing import Literal

from anyio import to_thread
from msgspec import Struct

from examples.webapp.bell import Bell
from examples.webapp.intake import Rows
from examples.webapp.records import JobFolder, Record, State
from pubrio_async import (
    AsyncPubrio,
    BudgetExhaustedError,
    ConfigurationError,
    Contact,
    Outcome,
    PubrioError,
    Run,
)
from pubrio_async.tables import open_sink

logger = logging.getLogger(__name__)

# The rest of a run that is stopped is read and skipped, which takes no time for so few rows.
_DRAIN_S = 1.0
_MOST_SHOWN = 10


class ShownRow(Struct, frozen=True):
    """A row as the page gets it."""

    row: int
    name: str
    person: str
    status: str
    emails: list[Contact]
    phones: list[Contact]
    error: str | None


class Summary(Struct, frozen=True, kw_only=True):
    """A job as it stands now, without its rows.

    Attributes:
        reserved: What is under way costs this at most.
        charged: Credits charged, by all runs of the job.
        spent: Credits charged by the newest run, which is what `max_credits` bounds.
        balance: Plan credits left, as last reported.
        resumable: Whether there is anything left to fetch or to send.
    """

    id: str
    title: str
    state: State
    notice: str
    created_at: float
    types: tuple[str, ...]
    rows: int
    settled: int
    counts: dict[str, int]
    max_credits: float
    charged: float
    spent: float
    reserved: float
    balance: float | None
    resumable: bool
    downloadable: bool


class Job:
    """A list of people on their way.

    Attributes:
        rows: The outcomes in the order they came; only ever appended to within a generation.
        generation: Which run of the job the rows belong to.
    """

    def __init__(self, record: Record, folder: JobFolder, source: Rows, bell: Bell) -> None:
        self.record = record
        self.folder = folder
        self.source = source
        self.rows: list[Outcome] = []
        self.generation = 0
        self._bell = bell
        self._counts: Counter[str] = Counter()
        self._run: Run | None = None
        self._asked: Literal["cancelled", "interrupted"] | None = None
        self._balance: float | None = None

    @property
    def is_running(self) -> bool:
        """True until it has an end."""
        return self.record.state in {"running", "stopping"}

    def restore(self, rows: list[Outcome]) -> None:
        """Takes the rows of a run that ended before the server did."""
        self.rows = rows
        self._counts = Counter(row.status for row in rows)

    def begin(self, max_credits: float) -> None:
        """Says that it runs, before it does: whoever asks from now on is told so."""
        self.rows, self._counts, self._asked = [], Counter(), None
        self.generation += 1
        record = self.record
        record.state, record.notice, record.ended_at = "running", "", None
        record.max_credits, record.spent = max_credits, 0
        self._bell.ring()

    async def run(self, pubrio: AsyncPubrio, batch_size: int) -> None:
        """Redeems the rows, up to the end of the list or of the money. Never raises."""
        record = self.record
        try:
            state, notice = await self._redeem(pubrio, batch_size)
        except PubrioError as error:
            state, notice = "failed", str(error)
        except Exception as error:  # noqa: BLE001 - a job must have an end, whatever happens
            # Its class and not its text, which may hold what nobody but the visitor should see.
            logger.error("job %s failed: %s", record.id, type(error).__name__)  # noqa: TRY400
            state, notice = "failed", "Something went wrong in the server. Resume to go on."
        try:
            await to_thread.run_sync(self._keep)
        except (OSError, ConfigurationError) as error:
            logger.error("job %s cannot be kept: %s", record.id, type(error).__name__)  # noqa: TRY400
            state, notice = "failed", "The results could not be written. Resume to try again."
        record.state, record.notice, record.ended_at = state, notice, time.time()
        with suppress(OSError):
            self.folder.save(record)
        self._bell.ring()

    async def _redeem(self, pubrio: AsyncPubrio, batch_size: int) -> tuple[State, str]:
        record = self.record
        many = pubrio.redeem.many(
            self.source.people(),
            people_contact_types=record.types,
            batch_size=batch_size,
            journal=self.folder.journal,
            max_credits=record.max_credits,
        )
        async with many as run:
            self._run = run
            if self._asked:
                run.stop(self._asked)
            try:
                async for outcome in run:
                    self.rows.append(outcome)
                    self._counts[outcome.status] += 1
                    self._bell.ring()
            finally:
                self._run = None
                record.spent = run.report.credits_charged
                record.charged += record.spent
                self._balance = run.report.credit_balance
            stopped_by = run.stopped_by
        if self._asked:
            return self._asked, ""
        if isinstance(stopped_by, BudgetExhaustedError):
            return "limited", ""
        return ("failed", str(stopped_by)) if stopped_by else ("done", "")

    def stop(self, why: Literal["cancelled", "interrupted"]) -> None:
        """Ends it in good order: what is under way gets a moment, nothing new is sent."""
        if not self.is_running:
            return
        self._asked = self._asked or why
        self.record.state = "stopping"
        if self._run is not None:
            self._run.stop(why, drain_s=_DRAIN_S)
        self._bell.ring()

    def _keep(self) -> None:
        self.folder.save_rows(self.rows)
        sink = open_sink(self.folder.results, self.source, self.record.types)
        try:
            for outcome in self.rows:
                sink.write(outcome)
            sink.close()
        except BaseException:
            sink.discard()
            raise

    def summary(self) -> Summary:
        """The job as it stands now."""
        record, reserved = self.record, 0.0
        charged, spent = record.charged, record.spent
        if self._run is not None:
            statistics = self._run.statistics()
            spent, reserved = statistics.report.credits_charged, statistics.credits_reserved
            charged += spent
            self._balance = statistics.report.credit_balance
        open_ends = sum(self._counts[name] for name in ("pending", "skipped", "failed"))
        return Summary(
            id=record.id,
            title=record.title,
            state=record.state,
            notice=record.notice,
            created_at=record.created_at,
            types=record.types,
            rows=self.source.count,
            settled=len(self.rows),
            counts=dict(self._counts),
            max_credits=record.max_credits,
            charged=charged,
            spent=spent,
            reserved=reserved,
            balance=self._balance,
            resumable=not self.is_running and (open_ends > 0 or record.state == "interrupted"),
            downloadable=not self.is_running and self.folder.results.exists(),
        )

    def shown(self, start: int, count: int) -> list[ShownRow]:
        """Some of the rows, as the page gets them."""
        names = self.source.names
        return [
            ShownRow(
                row=outcome.row,
                name=names[outcome.row] if names else "",
                person=outcome.person,
                status=outcome.status,
                emails=outcome.emails[:_MOST_SHOWN],
                phones=outcome.phones[:_MOST_SHOWN],
                error=outcome.error,
            )
            for outcome in self.rows[start : start + count]
        ]
