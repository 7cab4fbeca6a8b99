"""The steps of a run: submit, poll, look into the log; and what each reply to them means."""

from __future__ import annotations

import asyncio
import random
from typing import TypeGuard

from pubrio_async._clock import Clock
from pubrio_async._errors import (
    LOOK_IT_UP,
    AuthenticationError,
    BadRequestError,
    InsufficientCreditsError,
    NotFoundError,
    NotSentError,
    PermissionDeniedError,
    PubrioError,
    RateLimitedError,
    ResponseError,
    ResponseLostError,
)
from pubrio_async._phase import Phase
from pubrio_async.models import RedeemJob, RedeemPeopleReply, RedeemQueryReply
from pubrio_async.scheduler import notes
from pubrio_async.scheduler.board import Board, Job, Verbs
from pubrio_async.scheduler.budget import Budget
from pubrio_async.scheduler.ends import Ends
from pubrio_async.scheduler.journal import Batch
from pubrio_async.scheduler.logbook import (
    Finding,
    Lost,
    cost_nothing,
    in_new_order,
    may_have_worked,
)
from pubrio_async.scheduler.outage import Outages
from pubrio_async.scheduler.outbox import Tally
from pubrio_async.scheduler.policy import estimated_seconds, next_wait
from pubrio_async.scheduler.reconcile import Reconciler
from pubrio_async.scheduler.witness import Witness

_UNKNOWN_ID_GRACE_S = 60.0
_POLL_FAILURES = 10
_HOPELESS_REFUSALS = 20
_PAYLOAD_TOO_LARGE = 413
# Refused with 429 so often, and no answer came through in between.
_MOST_REFUSALS = 10
_MOST_LOG_REFUSALS = 3
_NOT_SENT = "It is not sent again here, where nothing is bought; the next run may."
_PERHAPS_ANOTHER = (
    "The request log shows a request for the same people, which may have been another one:"
)


class Steps:
    """Carries out single steps; knows nothing of when."""

    def __init__(
        self,
        *,
        verbs: Verbs,
        ends: Ends,
        budget: Budget,
        tally: Tally,
        board: Board,
        reconciler: Reconciler,
        outages: Outages,
        clock: Clock,
        job_timeout: float,
        rng: random.Random,
        is_first: bool = False,
        may_send: bool = True,
        witness: Witness | None = None,
    ) -> None:
        self._verbs = verbs
        self._ends = ends
        self._budget = budget
        self._tally = tally
        self._board = board
        self._reconciler = reconciler
        self._outages = outages
        self._clock = clock
        self._job_timeout = job_timeout
        self._rng = rng
        self._is_first = is_first
        self._may_send = may_send
        self._witness = witness
        self._worked = False
        self._log_refusals = 0
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
        self._outages.losses.sets_out()
        try:
            await self._submit(batch, ticket)
        finally:
            self._under_way -= 1
            self._outages.losses.is_back()

    @property
    def under_way(self) -> int:
        """Batches that are being sent, each of which may have to be sent again."""
        return self._under_way

    def may_submit(self) -> bool:
        """False while the first batch is out alone.

        One request is enough to learn that the key is refused or a batch is too large.
        """
        self._proven = self._proven or (self._ends.accepted_any and not self._ends.halving.is_open)
        return self._proven or not self._under_way

    async def _submit(self, batch: Batch, ticket: int) -> None:
        sent = in_new_order(batch, self._rng)
        phase = Phase()
        sent_at = 0.0
        try:
            if not await self._ends.intend(sent, ticket):
                return
            if self._witness is not None:
                self._witness.submitted(sent)
            sent_at = self._clock.now()
            self._reconciler.sent(sent, sent_at)
            reply = await self._verbs.submit(sent.kind, sent.keys, ticket, phase)
        except asyncio.CancelledError:
            if phase.sent:
                notes.lost(sent, asyncio.CancelledError())
            await self._interrupted(sent, phase, sent_at)
            raise
        except PubrioError as error:
            self._count(phase)
            if may_have_worked(error):
                if isinstance(error, ResponseError):
                    self._outages.reached()
                notes.lost(sent, error)
                self._lost(sent, str(error), sent_at)
                if self._outages.losses.lost():
                    self._outages.losses.halt(error)
            else:
                await self._submit_failed(batch, error)
            return
        self._count(phase)
        self._worked = True
        self._outages.reached()
        self._outages.losses.answered()
        await self._answered(sent, reply)

    async def _answered(
        self, batch: Batch, reply: RedeemJob | RedeemPeopleReply, age_s: float = 0.0
    ) -> None:
        if isinstance(reply, RedeemJob):
            await self._ends.accepted(batch, reply, age_s)
        else:
            await self._bought(batch, reply, None)

    async def _bought(
        self,
        batch: Batch,
        reply: RedeemPeopleReply | RedeemQueryReply,
        redeem_query_id: str | None,
    ) -> None:
        charged = reply.profile.charged if reply.profile else None
        self._tally.charge(reply.profile)
        await self._ends.settle(batch, reply.peoples or (), charged, redeem_query_id)

    async def poll(self, job: Job, ticket: int) -> None:
        """Asks once for the state of a job.

        Args:
            job: The job.
            ticket: The limiter's permit.
        """
        phase = Phase()
        try:
            reply = await self._verbs.query(job.redeem_query_id, ticket, phase)
        except asyncio.CancelledError:
            self._count(phase, poll=True)
            self._board.watch(job, self._clock.now())
            raise
        except PubrioError as error:
            self._count(phase, poll=True)
            await self._poll_failed(job, error)
            return
        self._count(phase, poll=True)
        self._worked = True
        self._outages.reached()
        job.failures = 0
        if not reply.is_completed:
            self._missed(job, reply.query)
            return
        if self._witness is not None:
            self._witness.polled(job)
        await self._bought(job.batch, reply, job.redeem_query_id)

    def _count(self, phase: Phase, *, poll: bool = False) -> None:
        self._tally.figures.requests += phase.sent
        if poll:
            self._tally.figures.polls += phase.sent

    def _missed(self, job: Job, state: RedeemJob) -> None:
        job.misses += 1
        now = self._clock.now()
        estimate = estimated_seconds(state)
        if estimate is not None:
            job.estimate_s = estimate
        if self._witness is not None:
            self._witness.polled(job)
        if now - job.accepted_at > self._job_timeout:
            self._board.give_up(job, f"not finished after {self._job_timeout:g} s")
            return
        wait = next_wait(estimate, job.misses, self._board.scarce(), self._rng.random())
        self._board.watch(job, now + wait)

    async def _submit_failed(self, batch: Batch, error: PubrioError) -> None:
        if isinstance(error, ResponseError):
            self._outages.losses.answered()
        figures = self._tally.figures
        if isinstance(error, RateLimitedError):
            figures.rate_limited += 1
            figures.retries += 1
            self._ends.refusals[batch.batch_id] += 1
            self._refused_by_limit(error)  # before anything else is sent
            await self._ends.again(batch)
            return
        if isinstance(error, ResponseError):
            self._outages.reached()
        if isinstance(error, NotSentError):
            if self._outages.unreachable():
                self._board.halt(error, keep_polling=False)
                await self._ends.fail(batch, str(error))
            else:
                figures.retries += 1
                await self._ends.again(batch)
        elif self._is_about_people(error, batch):
            await self._refused(batch, error)
        else:
            # First of all, so that nobody sends another one meanwhile.
            if isinstance(error, InsufficientCreditsError):
                self._board.halt(error, keep_polling=True)
            elif isinstance(error, AuthenticationError | PermissionDeniedError) or not isinstance(
                error, ResponseError
            ):
                self._board.halt(error, keep_polling=False)
            await self._ends.fail(batch, str(error))

    def _refused_by_limit(self, error: RateLimitedError) -> None:
        # An hour's quota turns within the hour, a day's not.
        if self._outages.refused():
            self._board.halt(error, keep_polling=False)

    def _is_about_people(self, error: PubrioError, batch: Batch) -> TypeGuard[ResponseError]:
        """Whether the refusal speaks of someone in the batch, or of its size."""
        if not isinstance(error, ResponseError):
            return False
        if isinstance(error, NotFoundError):
            # Unknown person or unknown path? Once anyone was accepted, the path is right.
            return batch.kind == "single" and self._ends.accepted_any
        return isinstance(error, BadRequestError) or error.status == _PAYLOAD_TOO_LARGE

    async def _refused(self, batch: Batch, error: ResponseError) -> None:
        """One bad row costs one row: the batch is halved until the person at fault stands alone."""
        if len(batch.keys) > 1:
            self._budget.release(len(batch.keys))
            await self._ends.split(batch)
            self._tally.figures.retries += 1
            first, second = self._ends.halving.halve(batch)
            self._board.again(second)
            self._board.again(first)
            return
        await self._ends.reject(batch, error)
        self._refused_alone += 1
        if not self._ends.accepted_any and self._refused_alone >= _HOPELESS_REFUSALS:
            # Nobody was ever accepted: the request itself is wrong, not the people.
            self._board.halt(error, keep_polling=True)

    async def _poll_failed(self, job: Job, error: PubrioError) -> None:
        now = self._clock.now()
        figures = self._tally.figures
        figures.retries += 1
        if isinstance(error, RateLimitedError):
            figures.rate_limited += 1
            self._board.watch(job, now)
            self._refused_by_limit(error)
            return
        if isinstance(error, ResponseError):
            self._outages.reached()
        if isinstance(error, NotSentError):
            hopeless = self._outages.unreachable()
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
                f"the API does not know job {job.redeem_query_id} any more ({error}); its "
                "people may have been charged, and are not sent again"
            )
            await self._ends.unsettle(job.batch, reason)
            return
        job.failures += 1
        if job.failures >= _POLL_FAILURES and not unknown:
            self._board.give_up(job, f"its state could not be read: {error}")
            return
        wait = next_wait(None, job.failures, self._board.scarce(), self._rng.random())
        self._board.watch(job, now + wait)

    async def _interrupted(self, batch: Batch, phase: Phase, sent_at: float) -> None:
        self._count(phase)
        if phase.sent:
            self._lost(
                batch,
                f"The run was interrupted while the request was under way. {LOOK_IT_UP}",
                sent_at,
            )
        else:
            await self._ends.again(batch)

    def _lost(self, batch: Batch, reason: str, sent_at: float) -> None:
        is_only = self._is_first and not self._ends.refusals[batch.batch_id]
        self._board.lost(Lost(batch, reason, sent_at, self._clock.now(), is_only))

    async def look(self, ticket: int) -> None:
        """Asks the request log once about lost requests, and deals with what it tells.

        Args:
            ticket: The limiter's permit.
        """
        reconciler = self._reconciler
        refused = reconciler.refused
        phase = Phase()
        try:
            told = await reconciler.ask(ticket, phase)
        except NotSentError as error:
            self._tally.figures.retries += 1
            if self._outages.unreachable():
                self._board.halt(error, keep_polling=False)
            return
        except AuthenticationError as error:
            await self._log_refused(error)
            return
        finally:
            self._count(phase)
        self._tally.figures.rate_limited += reconciler.refused - refused
        if phase.reply is not None:
            self._outages.reached()
        for lost, finding in told:
            if finding is None:
                await self._ends.unsettle(lost.batch, reconciler.why_unsettled(lost))
            else:
                await self._found(lost, finding)

    async def _log_refused(self, error: AuthenticationError) -> None:
        """The key is refused: for everything, or is it the log alone that it may not read?"""
        if self._worked:
            for lost in self._reconciler.close(str(error)):
                await self._ends.unsettle(lost.batch, self._reconciler.why_unsettled(lost))
            return
        self._log_refusals += 1
        if self._log_refusals >= _MOST_LOG_REFUSALS:
            self._board.halt(error, keep_polling=False)

    async def _found(self, lost: Lost, finding: Finding) -> None:
        """What the log shows is taken for the answer that was lost."""
        batch, answer = lost.batch, finding.answer
        notes.found(batch, answer, finding.age_s)
        worked = not isinstance(answer, PubrioError) or not may_have_worked(answer)
        if worked and not lost.is_inherited:
            self._outages.losses.answered()
        if not isinstance(answer, PubrioError):
            await self._answered(batch, answer, finding.age_s)
        elif not cost_nothing(batch, answer, finding):
            reason = f"{lost.reason} The request log shows: {answer}"
            await self._ends.unsettle(batch, reason)
        elif not finding.is_sure:
            reason = f"{lost.reason} {_PERHAPS_ANOTHER} {answer}"
            await self._ends.unsettle(batch, reason)
        elif lost.is_inherited and not self._may_send:
            why = f"{answer} The request log shows that it cost nothing. {_NOT_SENT}"
            await self._ends.again_if_alone(batch, why)
        elif lost.is_inherited:
            # A key, a balance, a server may be other than it was then: sent again, it tells.
            self._tally.figures.retries += 1
            await self._ends.again_if_alone(batch)
        elif may_have_worked(answer) or self._ends.refusals[batch.batch_id] >= _MOST_REFUSALS:
            await self._ends.fail(batch, f"{answer} The request log shows that it cost nothing.")
        else:
            await self._submit_failed(batch, answer)
