"""The two steps of a batch, submit and poll, and what each possible end of them means.

Every step goes through the journal: the intent before the submit, the job's id as soon as it is
read, the result before it is handed over.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine, Sequence
from typing import Any

from pubrio_async._clock import Clock
from pubrio_async._errors import (
    AuthenticationError,
    BadRequestError,
    DecodeError,
    InsufficientCreditsError,
    JournalError,
    NotFoundError,
    NotSentError,
    PermissionDeniedError,
    PubrioError,
    RateLimitedError,
    ResponseError,
    ResponseLostError,
    ServerError,
)
from pubrio_async._phase import Phase
from pubrio_async.models import RedeemedPerson, RedeemJob
from pubrio_async.models.redeem import Number
from pubrio_async.scheduler.board import Board, Job, Verbs
from pubrio_async.scheduler.budget import Budget
from pubrio_async.scheduler.halving import Halving
from pubrio_async.scheduler.intake import Intake
from pubrio_async.scheduler.journal import Batch, Journal, Settled
from pubrio_async.scheduler.outbox import Outbox, Tally
from pubrio_async.scheduler.policy import estimated_seconds, first_wait, next_wait
from pubrio_async.scheduler.settling import settled_people

_UNKNOWN_ID_GRACE_S = 60.0
_POLL_FAILURES = 10
_HOPELESS_REFUSALS = 20
_PAYLOAD_TOO_LARGE = 413


class Steps:
    """Carries out single steps; knows nothing of when."""

    def __init__(
        self,
        *,
        verbs: Verbs,
        journal: Journal,
        budget: Budget,
        intake: Intake,
        outbox: Outbox,
        tally: Tally,
        board: Board,
        clock: Clock,
        job_timeout: float,
        rng: random.Random,
    ) -> None:
        self._verbs = verbs
        self._journal = journal
        self._budget = budget
        self._intake = intake
        self._outbox = outbox
        self._tally = tally
        self._board = board
        self._clock = clock
        self._job_timeout = job_timeout
        self._rng = rng
        self._intended: set[str] = set()
        self._halving = Halving()
        self._accepted_any = False
        self._refused_alone = 0
        self._under_way = 0
        self._proven = False

    async def submit(self, batch: Batch, ticket: int) -> None:
        """Sends a batch whose cost has been reserved.

        Args:
            batch: The people.
            ticket: The limiter's permit; used up, or given back, in any case.
        """
        self._under_way += 1
        try:
            await self._submit(batch, ticket)
        finally:
            self._under_way -= 1

    def may_submit(self) -> bool:
        """False while the first batch is out alone.

        One request is enough to learn that the key is refused or a batch is too large.
        """
        self._proven = self._proven or (self._accepted_any and not self._halving.is_open)
        return self._proven or not self._under_way

    async def _submit(self, batch: Batch, ticket: int) -> None:
        phase = Phase()
        try:
            if not await self._intend(batch, ticket):
                return
            reply = await self._verbs.submit(batch.kind, batch.keys, ticket, phase)
        except asyncio.CancelledError:
            await self._interrupted(batch, phase)
            raise
        except PubrioError as error:
            self._count(phase)
            await self._submit_failed(batch, error)
            return
        self._count(phase)
        self._board.reached()
        if isinstance(reply, RedeemJob):
            await self._accepted(batch, reply)
        else:
            charged = reply.profile.charged if reply.profile else None
            self._tally.charge(reply.profile)
            await self._settle(batch, reply.peoples or (), charged, None)

    async def poll(self, job: Job, ticket: int) -> None:
        """Asks once for the state of a job.

        Args:
            job: The job.
            ticket: The limiter's permit.
        """
        phase = Phase()
        try:
            reply = await self._verbs.query(job.query_id, ticket, phase)
        except asyncio.CancelledError:
            self._board.watch(job, self._clock.now())
            raise
        except PubrioError as error:
            self._count(phase, poll=True)
            await self._poll_failed(job, error)
            return
        self._count(phase, poll=True)
        self._board.reached()
        job.failures = 0
        if not reply.is_completed:
            self._missed(job, reply.query)
            return
        charged = reply.profile.charged if reply.profile else None
        self._tally.charge(reply.profile)
        await self._settle(job.batch, reply.peoples or (), charged, job.query_id)

    def intends(self, batch: Batch) -> bool:
        """True if the journal holds an intent for this batch."""
        return batch.batch_id in self._intended

    async def withdraw(self, batch: Batch) -> None:
        """Gives up a batch that was surely not carried out."""
        if batch.batch_id in self._intended:
            self._intended.discard(batch.batch_id)
            await self._note(self._journal.withdraw(batch.batch_id))

    async def _intend(self, batch: Batch, ticket: int) -> bool:
        """Writes the intent down; without it nothing is sent."""
        if batch.batch_id in self._intended:
            return True
        # Before the write: one that is interrupted may be on the disk all the same.
        self._intended.add(batch.batch_id)
        try:
            await self._journal.intend(batch)
        except BaseException as error:
            self._board.give_back(ticket)
            if not isinstance(error, JournalError):
                raise
            self._intended.discard(batch.batch_id)
            self._budget.release(len(batch.keys))
            self._board.halt(error, keep_polling=True)
            self._board.again(batch)
            return False
        return True

    async def _note(self, step: Coroutine[Any, Any, None]) -> None:
        """A step of the journal after the fact: what is known goes on even if it fails.

        What has happened is written down and dealt with to its end: a cancellation is put off
        until the worker has nothing in hand, see `Crew.dismiss`.
        """
        writing = asyncio.ensure_future(step)
        while not writing.done():
            try:
                await asyncio.wait((writing,))
            except asyncio.CancelledError:
                continue
        try:
            writing.result()
        except JournalError as error:
            self._board.halt(error, keep_polling=True)

    def _count(self, phase: Phase, *, poll: bool = False) -> None:
        self._tally.figures.requests += phase.sent
        if poll:
            self._tally.figures.polls += phase.sent

    async def _accepted(self, batch: Batch, job: RedeemJob) -> None:
        await self._note(self._journal.accepted(batch.batch_id, job))
        self._intended.discard(batch.batch_id)
        self._tally.figures.batches += 1
        self._learn_size(batch)
        now = self._clock.now()
        watched = Job(batch, job, now)
        wait = 0.0 if job.is_completed else first_wait(watched.estimate_s)
        self._board.watch(watched, now + wait)

    async def _settle(
        self,
        batch: Batch,
        peoples: Sequence[RedeemedPerson],
        charged: Number | None,
        query_id: str | None,
    ) -> None:
        ends = settled_people(batch, peoples, query_id)
        await self._note(self._journal.settle(batch.batch_id, ends, charged or 0))
        self._intended.discard(batch.batch_id)
        self._learn_size(batch)
        self._budget.settle(len(batch.keys), charged)
        for key in batch.keys:
            self._outbox.settle(self._intake.take(key), ends[key])

    def _missed(self, job: Job, state: RedeemJob) -> None:
        job.misses += 1
        now = self._clock.now()
        if now - job.accepted_at > self._job_timeout:
            self._board.give_up(job, f"not finished after {self._job_timeout:g} s")
            return
        estimate = estimated_seconds(state)
        if estimate is not None:
            job.estimate_s = estimate
        wait = next_wait(estimate, job.misses, self._board.scarce(), self._rng.random())
        self._board.watch(job, now + wait)

    async def _submit_failed(self, batch: Batch, error: PubrioError) -> None:
        figures = self._tally.figures
        if isinstance(error, RateLimitedError):
            figures.rate_limited += 1
            figures.retries += 1
            self._board.again(batch)
            self._budget.release(len(batch.keys))
            self._board.refused(error)
            return
        if isinstance(error, ResponseError):
            self._board.reached()
        if isinstance(error, NotSentError):
            if self._board.unreachable():
                self._board.halt(error, keep_polling=False)
                await self._fail(batch, str(error))
            else:
                self._budget.release(len(batch.keys))
                self._board.again(batch)
        elif isinstance(error, ResponseLostError | ServerError | DecodeError) or (
            error.may_have_charged
        ):
            await self._unsettle(batch, str(error))
        elif isinstance(error, ResponseError) and self._is_about_people(batch, error):
            await self._refused(batch, error)
        else:
            # First of all, so that nobody sends another one meanwhile.
            if isinstance(error, InsufficientCreditsError):
                self._board.halt(error, keep_polling=True)
            elif isinstance(error, AuthenticationError | PermissionDeniedError) or not isinstance(
                error, ResponseError
            ):
                self._board.halt(error, keep_polling=False)
            await self._fail(batch, str(error))

    def _is_about_people(self, batch: Batch, error: ResponseError) -> bool:
        """Whether the refusal speaks of someone in the batch, or of its size."""
        if isinstance(error, NotFoundError):
            # Unknown person or unknown path? Once anyone was accepted, the path is right.
            return batch.kind == "single" and self._accepted_any
        return isinstance(error, BadRequestError) or error.status == _PAYLOAD_TOO_LARGE

    async def _refused(self, batch: Batch, error: ResponseError) -> None:
        """One bad row costs one row: the batch is halved until the guilty person stands alone."""
        self._budget.release(len(batch.keys))
        if len(batch.keys) > 1:
            await self.withdraw(batch)
            self._tally.figures.retries += 1
            first, second = self._halving.halve(batch)
            self._board.again(second)
            self._board.again(first)
            return
        self._halving.ended(batch)
        self._intended.discard(batch.batch_id)
        key = next(iter(batch.keys))
        end = Settled("rejected", error=str(error))
        await self._note(self._journal.settle(batch.batch_id, {key: end}, 0))
        self._outbox.settle(self._intake.take(key), end)
        self._refused_alone += 1
        if not self._accepted_any and self._refused_alone >= _HOPELESS_REFUSALS:
            # Nobody was ever accepted: the request itself is wrong, not the people.
            self._board.halt(error, keep_polling=True)

    def _learn_size(self, batch: Batch) -> None:
        self._accepted_any = True
        size = self._halving.accepted(batch)
        if size is not None:
            self._intake.batch_size = min(self._intake.batch_size, size)

    async def _poll_failed(self, job: Job, error: PubrioError) -> None:
        now = self._clock.now()
        figures = self._tally.figures
        figures.retries += 1
        if isinstance(error, RateLimitedError):
            figures.rate_limited += 1
            self._board.watch(job, now)
            self._board.refused(error)
            return
        if isinstance(error, ResponseError):
            self._board.reached()
        if isinstance(error, NotSentError):
            hopeless = self._board.unreachable()
            self._board.watch(job, now)
            if hopeless:
                self._board.halt(error, keep_polling=False)
            return
        if isinstance(error, AuthenticationError | PermissionDeniedError) or not isinstance(
            error, ResponseError | ResponseLostError
        ):
            self._board.watch(job, now)
            self._board.halt(error, keep_polling=False)
            return
        unknown = isinstance(error, NotFoundError | BadRequestError)
        if unknown and now - job.accepted_at > _UNKNOWN_ID_GRACE_S:
            reason = (
                f"the API does not know job {job.query_id} any more ({error}); its people may "
                "have been charged, and are not sent again"
            )
            await self._unsettle(job.batch, reason)
            return
        job.failures += 1
        if job.failures >= _POLL_FAILURES and not unknown:
            self._board.give_up(job, f"its state could not be read: {error}")
            return
        wait = next_wait(None, job.failures, self._board.scarce(), self._rng.random())
        self._board.watch(job, now + wait)

    async def _interrupted(self, batch: Batch, phase: Phase) -> None:
        self._count(phase)
        if phase.sent:
            await self._unsettle(
                batch,
                "the run was interrupted while the request was under way; it may have been "
                "charged, and is not sent again",
            )
        else:
            await self.withdraw(batch)
            self._budget.release(len(batch.keys))
            self._board.again(batch)

    async def _unsettle(self, batch: Batch, reason: str) -> None:
        await self._note(self._journal.unsettle(batch.batch_id, reason))
        self._intended.discard(batch.batch_id)
        self._halving.ended(batch)
        self._budget.settle(len(batch.keys), None)
        for key in batch.keys:
            self._outbox.fail(self._intake.take(key), "unsettled", reason)

    async def _fail(self, batch: Batch, reason: str) -> None:
        await self.withdraw(batch)
        self._halving.ended(batch)
        self._budget.release(len(batch.keys))
        for key in batch.keys:
            self._outbox.fail(self._intake.take(key), "failed", reason)
