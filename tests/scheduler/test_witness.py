"""Observers are told the whole life of every batch: one beginning, exactly one end, and its age."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pubrio_async import (
    AuthenticationError,
    BadRequestError,
    BatchEvent,
    DecodeError,
    InsufficientCreditsError,
    JournalError,
    NotFoundError,
    NotSentError,
    PubrioError,
    RateLimitedError,
    ResponseLostError,
    Run,
    ServerError,
)
from pubrio_async._observe import Observers
from pubrio_async.models import RedeemJob
from pubrio_async.scheduler.journal_memory import MemoryJournal
from pubrio_async.testing import VirtualTimeLoop
from tests.ledger import Ledger
from tests.scheduler.fake_api import AfterWorkError, Bench, UnsentError, collect, people
from tests.scheduler.losses import LOST

pytestmark = pytest.mark.virtual_time

REFUSED = BadRequestError("refused", status=400)


def observed(rate: str = "300/minute") -> tuple[Bench, Ledger]:
    bench, ledger = Bench(rate), Ledger()
    bench.observers = Observers([ledger])
    return bench, ledger


def closed(ledger: Ledger) -> Ledger:
    assert not ledger.broken
    assert not ledger.open
    return ledger


async def test_the_life_of_a_batch() -> None:
    bench, ledger = observed()
    bench.api.empty = set(people(3)[:1])
    bench.api.estimate = lambda seconds: (3.0, "second")  # too early by some
    await collect(bench.run(people(3)))
    assert closed(ledger).kinds == ["submitted", "accepted", "polled", "polled", "settled"]
    submitted, accepted, missed, polled, settled = ledger.batches
    assert len({event.batch_id for event in ledger.batches}) == 1
    assert {event.people for event in ledger.batches} == {3}
    assert submitted.age_s == 0.0
    assert submitted.redeem_query_id is None
    assert (accepted.redeem_query_id, accepted.estimate_s) == (bench.api.polls[0][1], 3.0)
    assert accepted.age_s == pytest.approx(0.1)
    assert missed.age_s == pytest.approx(3.2, abs=0.2)
    assert (settled.found, settled.empty, settled.credits) == (2, 1, 10)
    assert settled.age_s == polled.age_s
    assert settled.at - submitted.at == pytest.approx(settled.age_s)


async def test_a_lone_person_has_no_job() -> None:
    bench, ledger = observed()
    await collect(bench.run(people(1)))
    assert closed(ledger).kinds == ["submitted", "settled"]
    assert (ledger.batches[1].found, ledger.batches[1].redeem_query_id) == (1, None)


@pytest.mark.parametrize(
    ("script", "ends"),
    [
        ([RateLimitedError("wait", status=429, retry_after=3.0)], {"settled": 1}),
        ([UnsentError(NotSentError("refused"))], {"settled": 1}),
        ([AfterWorkError(LOST)], {"settled": 1}),  # found in the log
        ([LOST], {"unsettled": 1}),
        ([AuthenticationError("no", status=401)], {"failed": 1}),
        ([InsufficientCreditsError("no", status=402)], {"failed": 1}),
        ([REFUSED], {"split": 1, "settled": 2}),
        ([REFUSED] * 3, {"split": 2, "rejected": 1, "settled": 2}),
    ],
    ids=["429", "unsent", "found", "lost", "401", "402", "400", "rejected"],
)
async def test_every_end(script: list[Any], ends: dict[str, int]) -> None:
    bench, ledger = observed()
    bench.api.on_submit.extend(script)
    await collect(bench.run(people(4)))
    assert dict(closed(ledger).ends) == ends


async def test_what_is_sent_again_is_submitted_once() -> None:
    bench, ledger = observed()
    bench.api.on_submit.extend([RateLimitedError("wait", status=429, retry_after=30.0)] * 2)
    await collect(bench.run(people(4)))
    assert closed(ledger).kinds.count("submitted") == 1
    settled = ledger.batches[-1]
    assert settled.age_s is not None
    assert settled.age_s > 60


async def test_what_was_refused_and_not_sent_again_is_withdrawn() -> None:
    bench, ledger = observed()
    bench.api.on_submit.append(RateLimitedError("wait", status=429, retry_after=1000.0))
    await collect(bench.run(people(4), deadline=20.0))
    assert closed(ledger).kinds == ["submitted", "withdrawn"]


async def test_what_the_budget_cuts_is_split() -> None:
    bench, ledger = observed()
    bench.api.on_submit.append(None)
    bench.api.on_submit.append(RateLimitedError("wait", status=429, retry_after=1.0))
    await collect(bench.run(people(40), max_credits=100))
    assert set(closed(ledger).ends) <= {"settled", "split", "withdrawn"}
    assert ledger.ends["settled"]


@pytest.mark.parametrize("leave", [lambda run: run.stop("enough"), None], ids=["stop", "break"])
async def test_leaving_gives_up_what_is_open_and_the_next_run_takes_it_over(
    leave: Callable[[Run], None] | None,
) -> None:
    bench, ledger = observed()
    journal = MemoryJournal(bench.clock)
    bench.api.duration = lambda size: 500.0
    run = bench.run(people(30), journal=journal)
    async with run:
        await asyncio.sleep(20.0)
        if leave is not None:
            leave(run)
            async for _ in run:
                pass
    assert closed(ledger).ends == {"given_up": 3}
    given_up = ledger.ended_by("given_up")
    later = Ledger()
    bench.observers = Observers([later])
    await asyncio.sleep(100.0)
    await collect(bench.run(people(30), journal=journal))
    assert closed(later).ends == {"settled": 3}
    assert later.ended_by("settled") == given_up
    for event in later.batches:
        assert event.age_s is not None
        assert event.age_s >= 100.0
    assert later.kinds[:2] == ["submitted", "accepted"]


async def test_a_lost_request_of_an_earlier_run_is_taken_over() -> None:
    bench, ledger = observed()
    journal = MemoryJournal(bench.clock)
    bench.api.on_submit.append("hang")
    async with bench.run(people(4), journal=journal):
        await asyncio.sleep(5.0)
    assert closed(ledger).kinds == ["submitted", "given_up"]
    later = Ledger()
    bench.observers = Observers([later])
    await collect(bench.run(people(4), journal=journal))
    assert closed(later).kinds == ["submitted", "unsettled"]
    assert later.batches[0].age_s


async def test_a_journal_that_fails_before_the_first_request_leaves_nothing_to_tell() -> None:
    class Failing(MemoryJournal):
        async def intend(self, batch: Any) -> None:
            raise JournalError("full")

    bench, ledger = observed()
    outcomes = await collect(bench.run(people(4), journal=Failing()))
    assert {outcome.status for outcome in outcomes.values()} == {"skipped"}
    assert not closed(ledger).batches


async def test_a_step_that_crashes_leaves_no_batch_without_an_end() -> None:
    class Flawed(MemoryJournal):
        async def accepted(self, batch_id: str, job: RedeemJob) -> None:
            raise RuntimeError("a flaw")

    bench, ledger = observed()
    run = bench.run(people(4), journal=Flawed())
    with pytest.raises(RuntimeError):
        async with run, asyncio.timeout(100):
            async for _ in run:
                pass
    assert closed(ledger).ends == {"given_up": 1}


# ------------------------------------------------------------------------ whatever happens

ERRORS: list[Callable[[], PubrioError]] = [
    lambda: RateLimitedError("wait", status=429, retry_after=2.0),
    lambda: RateLimitedError("wait", status=429),
    lambda: ServerError("oops", status=500, may_have_charged=True),
    lambda: DecodeError("garbage", status=200, may_have_charged=True),
    lambda: ResponseLostError("lost", may_have_charged=True),
    lambda: BadRequestError("refused", status=400),
    lambda: NotFoundError("nobody", status=404),
    lambda: AuthenticationError("no", status=401),
    lambda: InsufficientCreditsError("no", status=402),
]
CALM = st.sampled_from([None] * 3)
SCRIPT = st.lists(
    st.one_of(
        CALM,
        st.sampled_from(ERRORS),
        st.sampled_from(ERRORS).map(lambda error: lambda: AfterWorkError(error())),
        st.just(lambda: UnsentError(NotSentError("refused"))),
    ),
    max_size=12,
)


@settings(deadline=None)
@given(
    submits=SCRIPT,
    queries=st.lists(st.one_of(CALM, st.sampled_from(ERRORS)), max_size=12),
    rows=st.integers(1, 40),
    batch_size=st.integers(1, 12),
    seconds=st.sampled_from([0.0, 5.0, 5_000.0]),
    deadline=st.sampled_from([None, 0.5, 20.0]),
    max_credits=st.sampled_from([None, 50, 1_000]),
)
def test_whatever_happens_each_batch_has_one_end(
    *,
    submits: list[Any],
    queries: list[Any],
    rows: int,
    batch_size: int,
    seconds: float,
    deadline: float | None,
    max_credits: int | None,
) -> None:
    async def scenario() -> None:
        bench, ledger = observed()
        journal = MemoryJournal(bench.clock)
        bench.api.on_submit.extend(made and made() for made in submits)
        bench.api.on_query.extend(made and made() for made in queries)
        bench.api.duration = lambda size: seconds
        asked = people(rows)
        run = bench.run(
            asked,
            journal=journal,
            batch_size=batch_size,
            deadline=deadline,
            max_credits=max_credits,
            job_timeout=600.0,
        )
        outcomes = await collect(run)
        closed(ledger)
        sizes = {event.batch_id: event.people for event in ledger.batches}
        told = [(event.kind, sizes[event.batch_id]) for event in ledger.batches]
        statuses = [outcome.status for outcome in outcomes.values()]

        def people_of(*kinds: str) -> int:
            return sum(size for kind, size in told if kind in kinds)

        settled = [event for event in ledger.batches if event.kind == "settled"]
        assert sum(event.found for event in settled) == statuses.count("found")
        assert sum(event.empty for event in settled) == statuses.count("empty")
        assert people_of("rejected") == statuses.count("rejected")
        assert people_of("failed") == statuses.count("failed")
        # Those that are left to the next run come out as one or the other.
        open_ends = statuses.count("pending") + statuses.count("unsettled")
        assert people_of("unsettled", "given_up") == open_ends
        left = {entry.batch.batch_id for entry in await journal.open_batches()}
        assert left == ledger.ended_by("given_up")

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(scenario())


@pytest.mark.parametrize("nth", range(0, 40, 3))
async def test_an_observer_may_stop_the_run_at_any_event(nth: int) -> None:
    class Stopping(Ledger):
        def on_batch(self, event: BatchEvent) -> None:
            super().on_batch(event)
            if len(self.batches) == nth + 1:
                run.stop("seen enough")

    bench, ledger = Bench("20/minute"), Stopping()
    bench.observers = Observers([ledger])
    bench.api.on_submit.extend(
        [None, REFUSED, AfterWorkError(LOST), RateLimitedError("wait", status=429), LOST, REFUSED]
    )
    journal = MemoryJournal(bench.clock)
    run = bench.run(people(120), journal=journal)
    outcomes = await collect(run)
    assert len(outcomes) == 120
    assert len(closed(ledger).batches) > nth
    left = {entry.batch.batch_id for entry in await journal.open_batches()}
    assert left == ledger.ended_by("given_up")
    assert len(bench.observers) == 1  # it did not raise


async def test_a_poll_that_is_cut_off_is_in_the_report() -> None:
    bench, ledger = observed()
    bench.api.on_query.append("hang")
    run = bench.run(people(4), deadline=20.0)
    await collect(run)
    assert closed(ledger).kinds == ["submitted", "accepted", "given_up"]
    assert (run.report.polls, run.report.requests) == (1, 2)
