"""What each end of a batch means: for the journal first, then the budget, then the rows.

The order is the promise: the intent is on the disk before the submit, the job's id as soon as it
is read, the result before it is handed over.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from msgspec import structs

from pubrio_async._clock import Clock
from pubrio_async._errors import JournalError, PubrioError
from pubrio_async._observe import BatchEventKind
from pubrio_async.models import RedeemedPerson, RedeemJob
from pubrio_async.models.redeem import Number
from pubrio_async.scheduler.board import Board, Job
from pubrio_async.scheduler.budget import Budget
from pubrio_async.scheduler.halving import Halving
from pubrio_async.scheduler.intake import Intake, new_batch
from pubrio_async.scheduler.journal import Batch, Journal, NotFreeError, Settled, Unsettled
from pubrio_async.scheduler.notes import unsettled
from pubrio_async.scheduler.outbox import Outbox, Tally
from pubrio_async.scheduler.policy import first_wait
from pubrio_async.scheduler.settling import merged, settled_people
from pubrio_async.scheduler.witness import Witness

_T = TypeVar("_T")

# An intent that took longer is written again: it tells later runs when the request was sent.
_PROMPT_S = 1.0


class Ends:
    """Brings batches to their ends, one step after the other.

    Attributes:
        halving: Which batches are halves of a refused one.
        refusals: How often a batch that is still to be sent was refused with 429.
        accepted_any: True once the API has taken anybody.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        budget: Budget,
        intake: Intake,
        outbox: Outbox,
        tally: Tally,
        board: Board,
        clock: Clock,
        witness: Witness | None = None,
    ) -> None:
        self._journal = journal
        self._budget = budget
        self._intake = intake
        self._outbox = outbox
        self._tally = tally
        self._board = board
        self._clock = clock
        self._witness = witness
        self._intended: set[str] = set()
        self.halving: Halving = Halving()
        self.refusals: Counter[str] = Counter()
        self.accepted_any: bool = False

    def take_up(self, batch: Batch) -> None:
        """The journal holds an intent for this batch, from an earlier run."""
        self._intended.add(batch.batch_id)

    async def split(self, batch: Batch) -> None:
        """Gives up a batch that was surely not carried out: its people go on in others."""
        await self._take_back(batch)
        self._closed(batch)
        self.tell("split", batch)

    async def again(self, batch: Batch) -> None:
        """A batch that was surely not carried out is to be sent once more.

        It may have to wait for that. If this run dies meanwhile, the next one has nothing to look
        for, and cannot mistake the answer to this request for the answer to the next.
        """
        await self._take_back(batch)
        self._budget.release(len(batch.keys))
        self._board.again(batch)

    async def again_if_alone(self, batch: Batch, why_not: str | None = None) -> None:
        """A batch of an earlier run was surely not carried out: its people are sent once more.

        Except those for whom another request is open, or was answered since: an earlier run may
        have sent them twice.

        Args:
            batch: The people.
            why_not: Why this run sends nobody: they are free for the next one. None if it sends.
        """
        await self._take_back(batch)
        self._budget.release(len(batch.keys))
        left = await self._to_its_end(self._intake.keep(batch.keys))
        if why_not is not None:
            self._closed(batch)
            self.tell("failed", batch)
            self._intake.fail(left, why_not)
            return
        if len(left) == len(batch.keys):
            self._board.again(batch)
            return
        self._closed(batch)
        self.tell("split" if left else "withdrawn", batch)
        if left:
            self._board.again(new_batch(left))

    async def _take_back(self, batch: Batch) -> bool:
        if batch.batch_id in self._intended and await self._note(
            self._journal.withdraw(batch.batch_id)
        ):
            self._intended.discard(batch.batch_id)
        return batch.batch_id not in self._intended

    async def intend(self, batch: Batch, ticket: int) -> bool:
        """Writes the intent down; without it nothing is sent.

        Args:
            batch: The people, whose cost has been reserved.
            ticket: The limiter's permit; given back if that does not work.

        Returns:
            Whether the batch may be sent.
        """
        if await self._met(batch, ticket):
            return False
        # Before the write: one that is interrupted may be on the disk all the same.
        self._intended.add(batch.batch_id)
        try:
            began = self._clock.now(), self._clock.wall()
            await self._journal.intend(batch)
            if max(self._clock.now() - began[0], self._clock.wall() - began[1]) > _PROMPT_S:
                # The disk hesitated, or this process stood still: perhaps for so long that others
                # have gone on with its work, which the journal knows. If not, the moment at which
                # the request will be looked for should be the one at which it is sent.
                await self._journal.withdraw(batch.batch_id)
                await self._journal.intend(batch)
        except BaseException as error:
            self._board.give_back(ticket)
            if not isinstance(error, JournalError):
                raise
            self._intended.discard(batch.batch_id)
            self._budget.release(len(batch.keys))
            if isinstance(error, NotFreeError):
                self._part(batch, error.ends)
                return False
            self._board.halt(error, keep_polling=True)
            self._board.again(batch)
            return False
        # Somebody may have come while the intent was written.
        return not await self._met(batch, ticket)

    async def _met(self, batch: Batch, ticket: int) -> bool:
        """Whether something has become known of people in a batch, which then is not sent."""
        known = self._intake.met_meanwhile(batch.keys)
        if known:
            self._board.give_back(ticket)
            await self._take_back(batch)
            self._budget.release(len(batch.keys))
            self._part(batch, known)
        return bool(known)

    def _part(self, batch: Batch, known: Mapping[str, Settled | Unsettled]) -> None:
        """Gives people of whom something is known by now that end, and sends the others."""
        self._closed(batch)
        self.halving.ended(batch)
        self._intake.tell(known)
        left = tuple(key for key in batch.keys if key not in known)
        self.tell("split" if left else "withdrawn", batch)
        if left:
            self._board.again(new_batch(left))

    async def accepted(self, batch: Batch, job: RedeemJob, age_s: float = 0.0) -> None:
        """The API has made a job of the batch.

        Args:
            batch: The people.
            job: The job.
            age_s: Seconds since then.
        """
        await self._note(self._journal.accepted(batch.batch_id, job))
        self._closed(batch)
        self._tally.figures.batches += 1
        self._learn_size(batch)
        now = self._clock.now()
        watched = Job.of(batch, job, now)
        if self._witness is not None:
            self._witness.accepted(watched)
        wait = 0.0 if job.is_completed else first_wait(watched.estimate_s)
        self._board.watch(watched, now + max(0.0, wait - age_s))

    async def settle(
        self,
        batch: Batch,
        peoples: Sequence[RedeemedPerson],
        charged: Number | None,
        redeem_query_id: str | None,
    ) -> None:
        """What was bought came back: on the disk first, then to whoever waits for it."""
        ends = settled_people(batch, peoples, redeem_query_id)
        for key, known in self._intake.met_meanwhile(batch.keys).items():
            if isinstance(known, Settled):
                ends[key] = merged(known, ends[key])
        others = ends.keys() - set(batch.keys) if len(ends) > len(batch.keys) else set[str]()
        if others:
            self._intake.brought(others)
        if not await self._note(self._journal.settle(batch.batch_id, ends, charged)):
            self._intake.remember(ends)
        self._closed(batch)
        self._learn_size(batch)
        self._budget.settle(len(batch.keys), charged)
        if self._witness is not None:
            self._witness.settled(batch, ends, charged)
        self._outbox.settle(self._intake.take(batch.keys), ends)
        if others:
            self._intake.tell_others({key: ends[key] for key in others})

    async def unsettle(self, batch: Batch, reason: str) -> None:
        """Gives up finding out what became of a batch."""
        if not await self._note(self._journal.unsettle(batch.batch_id, reason)):
            self._intake.remember(dict.fromkeys(batch.keys, Unsettled(reason)))
        self._closed(batch)
        self.halving.ended(batch)
        self._budget.settle(len(batch.keys), None)
        self.tell("unsettled", batch)
        unsettled(batch)
        ends = dict.fromkeys(batch.keys, Unsettled(reason)) | await self._bought_before(
            batch, reason
        )
        self._outbox.settle(self._intake.take(batch.keys), ends)

    async def _bought_before(self, batch: Batch, reason: str) -> dict[str, Unsettled]:
        """Of whom in a lost batch something was bought before: the loss hides it from nobody."""
        if not self._intake.may_be_known:
            return {}
        try:
            known = await self._to_its_end(self._journal.lookup(batch.keys))
        except JournalError as trouble:
            self._board.halt(trouble, keep_polling=True)
            return {}
        return {
            key: Unsettled(reason, before=end.before)
            for key, end in known.items()
            if isinstance(end, Unsettled) and end.before is not None
        }

    async def reject(self, batch: Batch, error: PubrioError) -> None:
        """The API refuses this person."""
        self._budget.release(1)
        self.halving.ended(batch)
        (key,) = batch.keys
        lost = self._intake.met_meanwhile(batch.keys).get(key) or self._intake.lost_before(
            key, f"it was refused. {error}"
        )
        end = Settled("rejected", error=str(error))
        if lost or await self._was_bought(batch):
            # That may have been charged, or was: a refusal takes it from nobody.
            await self._take_back(batch)
            is_noted = False
            before = self._intake.bought_before(batch.keys).get(key, end)
            end = structs.replace(before, status="rejected", redeem_query_id=None, error=str(error))
        else:
            is_noted = await self._note(self._journal.settle(batch.batch_id, {key: end}, 0))
        if not is_noted:
            self._intake.remember({key: lost or end})
        self._closed(batch)
        self.tell("rejected", batch)
        self._outbox.settle(self._intake.take(batch.keys), {key: lost or end})

    async def _was_bought(self, batch: Batch) -> bool:
        """Whether this person, who was to be bought again, is known by contacts from before."""
        if not self._intake.buys_again:
            return False
        if not await self._take_back(batch):
            return True  # perhaps: as long as it is open, nothing is known of them
        try:
            known = await self._to_its_end(self._journal.lookup(batch.keys))
        except JournalError as trouble:
            self._board.halt(trouble, keep_polling=True)
            return True
        if any(isinstance(end, Settled) and end.status == "found" for end in known.values()):
            return True
        try:
            await self._to_its_end(self._journal.intend(batch))
        except NotFreeError:
            return True  # meanwhile, by somebody else
        except JournalError as trouble:
            self._board.halt(trouble, keep_polling=True)
        return False

    async def fail(self, batch: Batch, reason: str) -> None:
        """The batch was surely not carried out, and is not tried again in this run."""
        await self._take_back(batch)
        self._closed(batch)
        self.halving.ended(batch)
        self._budget.release(len(batch.keys))
        self.tell("failed", batch)
        self._intake.fail(batch.keys, reason)

    def tell(self, end: BatchEventKind, batch: Batch) -> None:
        """Tells observers, if there are any, how a batch ended."""
        if self._witness is not None:
            self._witness.ended(end, batch)

    def _learn_size(self, batch: Batch) -> None:
        self.accepted_any = True
        size = self.halving.accepted(batch)
        if size is not None:
            self._intake.batch_size = min(self._intake.batch_size, size)

    async def _note(self, step: Coroutine[Any, Any, None]) -> bool:
        """A step of the journal after the fact: what is known goes on even if it fails.

        What has happened is written down and dealt with to its end: a cancellation is put off
        until the worker has nothing in hand, see `Crew.dismiss`.

        Returns:
            Whether it is written down.
        """
        try:
            await self._to_its_end(step)
        except JournalError as error:
            self._board.halt(error, keep_polling=True)
            return False
        return True

    async def _to_its_end(self, step: Coroutine[Any, Any, _T]) -> _T:
        carrying_out = asyncio.ensure_future(step)
        while not carrying_out.done():
            try:
                await asyncio.wait((carrying_out,))
            except asyncio.CancelledError:
                continue
        return carrying_out.result()

    def _closed(self, batch: Batch) -> None:
        self._intended.discard(batch.batch_id)
        if self.refusals:
            self.refusals.pop(batch.batch_id, None)
