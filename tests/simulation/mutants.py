"""Flaws to plant in the package: a simulation that finds none of them finds nothing.

Each is a small change of the source, made while a context is open.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

from msgspec import structs

from pubrio_async._limiter import Limiter
from pubrio_async._limiter.window import Window
from pubrio_async._observe import BatchEventKind
from pubrio_async._phase import Phase
from pubrio_async.models import RedeemJob
from pubrio_async.scheduler import ends, settling
from pubrio_async.scheduler.board import Job
from pubrio_async.scheduler.budget import CreditBudget
from pubrio_async.scheduler.ends import Ends
from pubrio_async.scheduler.engine import Engine
from pubrio_async.scheduler.intake import Intake
from pubrio_async.scheduler.journal import Batch, Settled
from pubrio_async.scheduler.policy import first_wait
from pubrio_async.scheduler.steps import Steps
from tests.simulation import mutants_of_the_machine

Changes = list[tuple[Any, str, Any]]


def resend_what_was_lost() -> Changes:
    """A request whose answer was lost is sent again."""

    def wrong(self: Steps, batch: Batch, *_rest: Any) -> None:
        self._budget.release(len(batch.keys))
        self._board.again(batch)

    return [(Steps, "_lost", wrong)]


def write_no_intent() -> Changes:
    """The intent is written down when the request is answered, not before it is sent."""
    accepted, settle, unsettle = Ends.accepted, Ends.settle, Ends.unsettle

    async def intend(self: Ends, batch: Batch, ticket: int) -> bool:
        return True

    async def late(self: Ends, batch: Batch) -> None:
        if batch.batch_id not in self._intended:
            self._intended.add(batch.batch_id)
            await self._journal.intend(batch)

    async def late_accepted(self: Ends, batch: Batch, *rest: Any) -> None:
        await late(self, batch)
        await accepted(self, batch, *rest)

    async def late_settle(self: Ends, batch: Batch, *rest: Any) -> None:
        if batch.kind == "single":
            await late(self, batch)
        await settle(self, batch, *rest)

    async def late_unsettle(self: Ends, batch: Batch, reason: str) -> None:
        await late(self, batch)
        await unsettle(self, batch, reason)

    return [
        (Ends, "intend", intend),
        (Ends, "accepted", late_accepted),
        (Ends, "settle", late_settle),
        (Ends, "unsettle", late_unsettle),
    ]


def settle_after_the_handover() -> Changes:
    """Outcomes are handed over before they are written down."""
    right = Ends.settle

    async def wrong(self: Ends, batch: Batch, peoples: Any, charged: Any, query_id: Any) -> None:
        ends = settling.settled_people(batch, peoples, query_id)
        self._outbox.settle(self._intake.take(batch.keys), ends)
        await right(self, batch, peoples, charged, query_id)

    return [(Ends, "settle", wrong)]


def reserve_nothing() -> Changes:
    """The budget does not count what is under way."""
    return [(CreditBudget, "reserved", property(lambda self: 0))]


def give_the_permit_back_early() -> Changes:
    """A permit is free again a tenth of its period too early."""
    right = Window.__init__

    def wrong(self: Window, rate: Any) -> None:
        right(self, rate)
        self._hold *= 0.9

    return [(Window, "__init__", wrong)]


def keep_a_permit() -> Changes:
    """A permit that was not used is lost."""
    right = Limiter.release

    def wrong(self: Limiter, ticket: int, sent: int, **rest: Any) -> None:
        if sent:
            right(self, ticket, sent, **rest)

    return [(Limiter, "release", wrong)]


def poll_early() -> Changes:
    """Jobs are polled before their estimate."""
    right = first_wait
    return [(ends, "first_wait", lambda estimate: 0.8 * right(estimate))]


def drop_the_job_id() -> Changes:
    """The id of an accepted job is not written down."""

    async def wrong(self: Ends, batch: Batch, job: RedeemJob, *_rest: Any) -> None:
        self._intended.discard(batch.batch_id)
        self._learn_size(batch)
        watched = Job.of(batch, job, self._clock.now())
        self._board.watch(watched, watched.accepted_at + first_wait(watched.estimate_s))

    return [(Ends, "accepted", wrong)]


def withdraw_what_was_interrupted() -> Changes:
    """Leaving takes requests under way for unsent."""
    right = Steps._interrupted

    async def wrong(self: Steps, batch: Batch, phase: Phase, *rest: Any) -> None:
        await right(self, batch, Phase(), *rest)

    return [(Steps, "_interrupted", wrong)]


def forget_open_jobs() -> Changes:
    """A resumed run does not know whose jobs are open."""
    return [(Intake, "expect", lambda self, keys: None)]


def forget_who_was_given_up() -> Changes:
    """A row that names somebody whose job was given up is taken for new."""

    def wrong(self: Intake, keys: Any, *told: Any) -> None:
        self._outbox.fail(self.take(keys), *told)

    return [(Intake, "give_up", wrong)]


def match_by_position() -> Changes:
    """The people of a reply are taken to be in the order they were sent."""
    right = settling.settled_people

    def wrong(batch: Batch, peoples: Any, query_id: Any) -> Mapping[str, Settled]:
        people = zip(batch.keys, peoples, strict=False)
        placed = [structs.replace(person, people_search_id=key) for key, person in people]
        return right(batch, placed, query_id)

    return [(ends, "settled_people", wrong)]


def never_unsettle_at_the_start() -> Changes:
    """What a crash left without an answer is withdrawn and sent again."""
    right = Engine.start

    async def wrong(self: Engine) -> None:
        for entry in await self._journal.open_batches():
            if entry.job is None:
                await self._journal.withdraw(entry.batch.batch_id)
        await right(self)

    return [(Engine, "start", wrong)]


def keep_an_end_to_itself() -> Changes:
    """Observers are not told that somebody was rejected."""
    right = Ends.tell

    def wrong(self: Ends, end: BatchEventKind, batch: Batch) -> None:
        if end != "rejected":
            right(self, end, batch)

    return [(Ends, "tell", wrong)]


MUTANTS: tuple[Callable[[], Changes], ...] = (
    resend_what_was_lost,
    write_no_intent,
    settle_after_the_handover,
    reserve_nothing,
    give_the_permit_back_early,
    keep_a_permit,
    poll_early,
    drop_the_job_id,
    withdraw_what_was_interrupted,
    forget_open_jobs,
    forget_who_was_given_up,
    match_by_position,
    never_unsettle_at_the_start,
    keep_an_end_to_itself,
    *mutants_of_the_machine.MUTANTS,
)


@contextmanager
def planted(mutant: Callable[[], Changes]) -> Generator[None]:
    """The package with this flaw, while the context is open."""
    changes = mutant()
    before = [(owner, name, vars(owner)[name]) for owner, name, _ in changes]
    try:
        for owner, name, value in changes:
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)
