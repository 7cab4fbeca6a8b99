"""Finds out what became of people whose answer was lost, in the runs of many machines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Self

import anyio
from msgspec import structs

from pubrio_async._clock import in_seconds
from pubrio_async._errors import BudgetExhaustedError, ConfigurationError, JournalError, PubrioError
from pubrio_async.client import AsyncPubrio
from pubrio_async.distributed.adopting import Adopted, Adopter
from pubrio_async.distributed.budget import lease_budget
from pubrio_async.distributed.chunks import Taken
from pubrio_async.distributed.redeeming import ChunkJournal, ResendJournal
from pubrio_async.distributed.store import Store
from pubrio_async.distributed.survey import IdleChunk, RunSurvey, survey
from pubrio_async.distributed.worker import STALLED_S
from pubrio_async.models import Outcome, RunReport, RunStatistics
from pubrio_async.models.redeem import Number
from pubrio_async.scheduler import Run
from pubrio_async.scheduler.budget import Prices
from pubrio_async.scheduler.outbox import add_counts

_NO_ROOM = "max_credits of the run {} leaves no room to send anybody again; {}"
_LATER = "it is set aside for other chunks of it: come again when they are done"
_NEVER = "raise it with the same enqueue command, and resolve again"
_GOODBYE_S = 2.0
_NOTHING = RunStatistics(
    rows_read=0,
    rows_settled=0,
    rows_waiting=0,
    outcomes_queued=0,
    batches_open=0,
    batches_ready=0,
    requests_in_flight=0,
    requests_left=None,
    paused_s=0.0,
    credits_reserved=0,
    stopped_by=None,
    report=RunReport(),
)


def resolve(
    store: Store,
    client: AsyncPubrio,
    *,
    run: str | None = None,
    resend: bool = False,
    max_credits: float | None = None,
    deadline: float | timedelta | None = None,
    stalled_s: float = STALLED_S,
) -> FleetRun:
    """Finds out what became of people whose answer was lost. With `resend`: spends credits.

    Workers do so by themselves, soon after the loss. Later this asks once more: it looks for the
    requests in the API's request log, and fetches the jobs that are found there, and those that
    nobody fetches as no worker is there. What is found is in the database, and so in `export`.

        limits = SharedLimiter(store, name="https://api.pubrio.com", rates="growth")
        async with limits, AsyncPubrio(limiter=limits) as client, resolve(store, client) as run:
            async for outcome in run:
                ...

    What a worker is at is left alone. Killed at any moment, nothing is lost: workers, or the next
    `resolve`, go on with it.

    Args:
        store: The database.
        client: Who sends; give it the limiter that the workers share. Only runs for its API count.
        run: One of the runs; None for all.
        resend: Do not look; redeem those who are still unsettled again, at full price: if the
            lost request was carried out, they are paid for twice.
        max_credits: Bound on what this may cost, with `resend`, beside that of each run.
        deadline: How long it may take, in seconds or as a `datetime.timedelta`.
        stalled_s: Seconds without a sign of life after which a worker is taken for dead; as the
            workers have it.

    Returns:
        Something like a run of `redeem.many`, whose rows are the unsettled people.

    Raises:
        ConfigurationError: An argument is malformed; nothing was sent.
    """
    given = {"deadline": in_seconds(deadline), "stalled_s": stalled_s}
    for name, seconds in given.items():
        if seconds is not None and not seconds > 0:
            raise ConfigurationError(f"{name} must be above 0, not {seconds!r}")
    if max_credits is not None and not max_credits >= 0:
        raise ConfigurationError(f"max_credits must be at least 0, not {max_credits!r}")
    return FleetRun(
        store,
        client,
        run=run,
        resend=resend,
        max_credits=max_credits,
        deadline=in_seconds(deadline),
        stalled_s=stalled_s,
    )


class FleetRun:
    """Settles people in the runs of many machines; made by `resolve`.

    Used like a `Run`, with `async with` and iterated, by one task. To enter it raises a
    `ConfigurationError` where there is no run of the name that was given, and a `JournalError`
    where the database cannot be used; if that happens later, `stopped_by` has it.

    Attributes:
        report: The figures so far.
        stopped_by: The error after which nothing more was sent; None if there was none.
    """

    def __init__(
        self,
        store: Store,
        client: AsyncPubrio,
        *,
        run: str | None,
        resend: bool,
        max_credits: float | None,
        deadline: float | None,
        stalled_s: float,
    ) -> None:
        self._store = store
        self._client = client
        self._run = run
        self._resend = resend
        self._max_credits = max_credits
        self._deadline = deadline
        self._stalled_s = stalled_s
        self._stack = AsyncExitStack()
        self._adopter = Adopter(store, client.base_url, stalled_s=stalled_s)
        self._surveys: list[RunSurvey] = []
        self._outcomes: AsyncGenerator[Outcome] | None = None
        self._inner: Run | None = None
        self._why: str | None = None
        self._stopped = asyncio.Event()
        self._began = 0.0
        self._end: float | None = None
        self._prices: Prices | None = None
        self._spent: Number = 0
        self._is_stopped = False
        self.report: RunReport = RunReport()
        self.stopped_by: PubrioError | None = None

    async def __aenter__(self) -> Self:
        if self._outcomes is not None:
            raise ConfigurationError("a run is used once; call resolve again")
        self._began = asyncio.get_running_loop().time()
        if self._deadline is not None:
            self._end = self._began + self._deadline
        self._surveys = await survey(
            self._store, self._client.base_url, self._run, stalled_s=self._stalled_s
        )
        await self._stack.enter_async_context(self._adopter)
        self._outcomes = self._all()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A cancelled scope would cancel every await below again; all of it is bounded.
        with anyio.CancelScope(shield=True):
            try:
                if self._outcomes is not None:
                    await self._outcomes.aclose()
            finally:
                await self._stack.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome:
        if self._outcomes is None:
            raise ConfigurationError("open it first: `async with resolve(...) as run:`")
        return await anext(self._outcomes)

    def stop(self, reason: str) -> None:
        """Ends it early and in good order: nothing new is sent.

        Args:
            reason: Why, for the error text of the outcomes.
        """
        self._why = self._why or reason
        self._stopped.set()
        if self._inner is not None:
            self._inner.stop(reason)

    def statistics(self) -> RunStatistics:
        """It as it stands now, for a progress display."""
        if self._inner is None:
            return structs.replace(_NOTHING, rows_settled=self.report.rows, report=self.report)
        now = self._inner.statistics()
        report = structs.replace(self.report)
        _add(report, now.report)
        return structs.replace(
            now,
            rows_read=self.report.rows + now.rows_read,
            rows_settled=report.rows,
            report=report,
        )

    async def _all(self) -> AsyncGenerator[Outcome]:
        """The outcomes of one chunk after the other."""
        for take in self._chunks():
            if self._is_over():
                return
            try:
                adopted = await take()
            except JournalError as error:
                self.stopped_by = error
                return
            if adopted is None:
                continue  # a worker was quicker, or somebody else who does this
            trouble: PubrioError | None = None
            journal_of = ResendJournal if self._resend else ChunkJournal
            is_left, refused = True, dict[str, str]()
            try:
                async with self._client.redeem.resolve(
                    journal_of(self._store, adopted.chunk),
                    resend=self._resend,
                    batch_size=adopted.chunk.batch_size,
                    max_credits=await self._bound(adopted.chunk),
                    deadline=self._seconds_left(),
                ) as inner:
                    self._inner = inner
                    async for outcome in inner:
                        if outcome.status == "failed":
                            refused[outcome.person] = f"failed: {outcome.error}"
                        yield structs.replace(outcome, row=self.report.rows + outcome.row)
                is_left, trouble = self._why is not None, inner.stopped_by
            except PubrioError as error:  # before anything was sent, such as asking for prices
                is_left, trouble = False, error
            finally:
                is_ours = await self._let_go(adopted, refused, in_a_hurry=is_left)
            await self._took(adopted.chunk, trouble if is_ours else None)

    def _chunks(self) -> Iterator[Callable[[], Awaitable[Adopted | None]]]:
        """How to get hold of each chunk."""
        adopter = self._adopter
        for run in self._surveys:
            for share in run.shares():
                yield partial(adopter.take_lost, run.run_id, share, reopen=not self._resend)
        for run in self._surveys:
            for chunk in run.idle.values():
                if chunk.has_lost or not self._resend:
                    yield partial(self._take_idle, chunk)

    async def _take_idle(self, chunk: IdleChunk) -> Adopted | None:
        if chunk.was_taken:
            # Its worker may have been cut off until a moment ago, and gets time to be heard of.
            left = self._began + self._stalled_s - asyncio.get_running_loop().time()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, min(left, self._seconds_left() or left))):
                    await self._stopped.wait()
        return None if self._is_over() else await self._adopter.take_idle(chunk.chunk_id)

    async def _bound(self, chunk: Taken) -> Number | None:
        """What may be spent on a chunk, by its run and by whoever asked for it.

        Raises:
            BudgetExhaustedError: Its run has too little left to send anybody again.
        """
        worst_case: Number | None = None
        if self._resend and chunk.has_budget:
            worst_case = await self._worst_case(chunk)
        lease = await lease_budget(
            self._store, chunk.chunk_id, chunk.token, worst_case=worst_case, resend=self._resend
        )
        if not self._resend:
            return lease.credits
        if lease.kind in {"later", "none"}:
            what = _LATER if lease.kind == "later" else _NEVER
            raise BudgetExhaustedError(_NO_ROOM.format(chunk.run, what))
        if self._max_credits is None:
            return lease.credits
        left = max(0, self._max_credits - self._spent)
        return left if lease.credits is None else min(left, lease.credits)

    async def _worst_case(self, chunk: Taken) -> Number:
        if self._prices is None:
            profile = await self._client.profile.get()
            self._prices = Prices.of_subscription(profile.subscription)
        return self._prices.worst_case(chunk.contact_types)

    async def _let_go(
        self, adopted: Adopted, refused: Mapping[str, str], *, in_a_hurry: bool
    ) -> bool:
        """Gives a chunk out of hand; tells whether it was ours until then."""
        is_ours = True  # perhaps, if it cannot be told: then workers take it up in their time
        with anyio.CancelScope(shield=True), suppress(JournalError, TimeoutError):
            async with asyncio.timeout(_GOODBYE_S if in_a_hurry else None):
                is_ours = await self._adopter.let_go(adopted, refused)
        return is_ours

    async def _took(self, chunk: Taken, error: PubrioError | None) -> None:
        """Adds up what came of a chunk, and decides whether to go on."""
        inner, self._inner = self._inner, None
        if inner is not None:
            _add(self.report, inner.report)
            if self._max_credits is not None:
                open_still = inner.report.pending + inner.report.unsettled
                worst = await self._worst_case(chunk) if open_still else 0
                self._spent += inner.report.credits_charged + worst * open_still
        if error is not None:
            self.stopped_by = self.stopped_by or error
            # Another run may have room, and what has none is not the fault of the others.
            self._is_stopped = self._max_credits is not None or not isinstance(
                error, BudgetExhaustedError
            )

    def _is_over(self) -> bool:
        return self._is_stopped or self._why is not None or self._seconds_left() == 0

    def _seconds_left(self) -> float | None:
        """Until the deadline; None for as long as it takes."""
        if self._end is None:
            return None
        return max(0.0, self._end - asyncio.get_running_loop().time())


def _add(total: RunReport, report: RunReport) -> None:
    add_counts(total, report)
    for name in ("rows", "unique", "failed", "pending", "unsettled", "skipped", "elapsed_s"):
        setattr(total, name, getattr(total, name) + getattr(report, name))
    if report.credit_balance is not None:
        total.credit_balance = report.credit_balance
    total.polls_per_batch = total.polls / total.batches if total.batches else 0.0
