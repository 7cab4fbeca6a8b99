"""What must hold when a life has ended, and when the last one has.

A journal that fails promises less, and exactly this:

- An intent that could not be written: nothing was sent.
- Anything that came back and could not be written: the people stay open in the journal, as
  intended or accepted. What came back is handed over all the same, in this life; the next one
  looks at them again and sends nobody.
- The first write that fails ends the submitting: `stopped_by` says so.
- Where a look into the journal fails, too (nothing can be read any more, or it was in one group
  with a write that failed), rows are skipped unless their people are still being waited for,
  even if they were paid for before.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from pubrio_async import InsufficientCreditsError, JournalError
from pubrio_async.scheduler.journal import Settled
from tests.simulation.loop import check
from tests.simulation.model import at_once
from tests.simulation.wire import expected

if TYPE_CHECKING:
    from tests.simulation.life import Life
    from tests.simulation.lives import Simulation


class Figures(NamedTuple):
    """What the server has counted."""

    charged: int
    refused: int
    early: int
    late: int

    @classmethod
    def of(cls, world: Simulation) -> Figures:
        """As they stand."""
        regrets, ledger = world.sandbox.regrets(), world.sandbox.statistics()
        return cls(
            ledger.credits_charged,
            regrets.refused_429,
            regrets.early_polls,
            regrets.polls_after_completion,
        )


def check_life(world: Simulation, life: Life, before: Figures, *, apart: bool) -> None:
    """What must hold after each life.

    Args:
        world: The world.
        life: The life that has ended.
        before: The server's figures when it began.
        apart: Whether the life before it is out of every window.
    """
    plan, now, regrets = life.plan, Figures.of(world), world.sandbox.regrets()
    check(life.wire.broken is None, str(life.wire.broken))
    check(regrets.double_charges == 0, "somebody was paid for twice")
    check(world.sandbox.statistics().repeated_people == 0, "somebody was redeemed twice")
    check(world.sandbox.statistics().credit >= 0, "more was spent than there was")
    check(regrets.malformed_ids == 0, "a malformed id was sent")
    check(regrets.malformed_requests == 0, "a malformed request was sent")
    if apart and world.plan.client_limits == world.plan.config.limits:
        refused = now.refused - before.refused
        # What a fault says of the turn of a window is believed until a refusal contradicts it.
        are_lies = any(
            fault.kind == "429" and fault.retry_after is not None for fault in plan.faults
        )
        lies = life.wire.throttled - refused if are_lies else 0
        check(refused <= lies, "a window was overrun")
    if not world.crashed:
        check(now.late == before.late, "a finished job was polled")
        # By a clock that was set meanwhile, nobody can tell how old a job is.
        aged = life.inherited_jobs and world.clock_was_set
        if _estimates_hold(world) and not before.charged and not aged:
            # What a poll of an earlier life was told of a job is not written down: it may be asked
            # once too early.
            early = now.early - before.early
            unknowing = life.inherited_jobs + life.wire.patient
            check(early <= unknowing, "a job was polled before its estimate")
    if plan.max_credits is not None:
        check(now.charged - before.charged <= plan.max_credits, "max_credits was exceeded")
    if life.run is not None and not world.crashed:
        check(not isinstance(life.run.stopped_by, JournalError), "the journal was misused")
    if life.run is not None:
        lasted = world.loop.time() - life.began_at
        told = life.run.report.elapsed_s
        check(0 <= told <= lasted + 0.001, f"it took {lasted:.3f} s, and the report says {told}")
    charged = {
        world.names[charge.people_search_id]
        for charge in world.sandbox.charges()
        if charge.people_search_id in world.names
    }
    _check_journal(world, charged)
    _check_outcomes(world, life, charged)
    if life.ended_by_itself:
        _check_end(world, life)


def _estimates_hold(world: Simulation) -> bool:
    config = world.plan.config
    return (
        config.estimate_factor >= 1.0
        and config.estimate_unit != "moons"
        and not world.has_endless_jobs
    )


def _check_journal(world: Simulation, charged: set[str]) -> None:
    opened = {key for entry in world.model.opened for key in entry.batch.keys}
    known = at_once(world.model.lookup(list(world.names.values())))
    for key in sorted(charged - opened):
        end = known.get(key)
        check(end is not None, f"paid for, and the journal knows nothing of it: {key}")
        lost = isinstance(end, Settled) and end.status != "found"
        check(not lost, f"paid for, and not found in the journal: {key}")
    for key, end in known.items():
        if isinstance(end, Settled) and end.status != "rejected":
            got = sorted(((c.type, c.value, c.status) for c in (*end.emails, *end.phones)), key=str)
            check(
                got == expected(world.sandbox, key, world.plan.types),
                "the journal holds other contacts than were bought",
            )


def _check_outcomes(world: Simulation, life: Life, charged: set[str]) -> None:
    told = {"found", "pending", "unsettled"} | _not_looked_up(life)
    for row, outcome in life.outcomes.items():
        if world.keys[row] in charged:
            check(outcome.status in told, f"paid for, and reported as {outcome.status}: row {row}")


def _not_looked_up(life: Life) -> set[str]:
    """What rows are told whose people the journal may know and cannot be asked about."""
    return {"skipped"} if life.unwritten.unread else set()


def _check_end(world: Simulation, life: Life) -> None:
    """The run ended by itself: what it says must be all there is to say."""
    run, plan = life.run, life.plan
    assert run is not None
    report = run.report
    told = Counter(outcome.status for outcome in life.outcomes.values())
    check(report.rows == len(life.outcomes), "the report counts other rows")
    check(all(getattr(report, name) == told[name] for name in told), "the report miscounts")
    read = run.statistics().rows_read
    # A journal slower than the grace of a stop keeps what it was writing from being told.
    missing = read - len(life.outcomes)
    check(missing == 0, f"{missing} rows read, and no outcome")
    if plan.stop_at is None and plan.deadline is None:
        rows = len(world.plan.rows) if plan.input_fails_at is None else plan.input_fails_at
        check(
            len(life.outcomes) == rows,
            f"{rows - len(life.outcomes)} rows have no outcome",
        )
        for row, outcome in life.outcomes.items():
            if world.keys[row] in life.wire.delivered:
                check(
                    outcome.status in {"found", "empty"} | _not_looked_up(life),
                    f"the contacts came back, and row {row} is {outcome.status}",
                )
    opened = {key for entry in world.model.opened for key in entry.batch.keys}
    for row, outcome in life.outcomes.items():
        key = world.keys[row]
        if outcome.status == "pending":
            check(key in opened, "pending, and not open in the journal")
        elif outcome.status == "unsettled" and key in world.unanswered:
            continue  # the next run looks for the answer
        elif key not in life.unwritten.people:
            check(key not in opened, f"{outcome.status}, and open in the journal")
    if life.unwritten.steps:
        # Of its very last write a process can be killed before it has said so.
        is_told = run.stopped_by is not None or life.fate.dead or not life.unwritten.must_be_told
        check(is_told, "the disk failed, and the run says nothing of it")
    elif life.wire.poor and not plan.faults and not plan.refused:
        check(
            isinstance(run.stopped_by, InsufficientCreditsError),
            f"the credits do not suffice, and the run was stopped by {run.stopped_by!r}",
        )


def check_last(world: Simulation, life: Life) -> None:
    """The last run met no faults: everybody has an end, as far as the credits go."""
    assert life.run is not None
    check(life.ended_by_itself, "the last run did not end by itself")
    told = {outcome.status for outcome in life.outcomes.values()}
    settled = {"found", "empty", "rejected", "unsettled", "pending"}
    if life.wire.poor:
        check(world.plan.is_poor and not world.plan.top_up, "there were credits enough")
        settled |= {"failed", "skipped"}
    check(told <= settled, f"at last {sorted(told)}: {life.run.stopped_by}")
    check(world.has_endless_jobs or "pending" not in told, "pending at last")
    if len(world.plan.lives) == 1:
        check("unsettled" not in told, "unsettled without a fault")
    ends = at_once(world.model.lookup(list(world.names.values())))
    known = {key for key, end in ends.items() if isinstance(end, Settled)}
    bought = sum(
        charge.credits
        for charge in world.sandbox.charges()
        if world.names.get(charge.people_search_id) in known
    )
    figures = at_once(world.model.summary())
    check(figures.credits_charged == bought, "the journal's sum is wrong")
