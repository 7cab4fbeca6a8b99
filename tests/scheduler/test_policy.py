"""When to poll and what goes first: the functions of numbers, and what they make of a window."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pubrio_async.models import RedeemJob
from pubrio_async.scheduler.agenda import Agenda
from pubrio_async.scheduler.board import Job
from pubrio_async.scheduler.flow import Flow
from pubrio_async.scheduler.journal import Batch
from pubrio_async.scheduler.policy import (
    ORDERS,
    Order,
    Patience,
    Scene,
    choose,
    estimated_seconds,
    first_wait,
    has_permits_for_both,
    next_wait,
    open_jobs_bound,
    poll_at,
    time_to_poll,
)
from pubrio_async.testing import run_virtual
from tests.scheduler.fake_api import Bench, collect, people
from tests.together import together

ID = "e37ccf38-ea8f-422e-9874-cb23b15e8fe4"


@together
@pytest.mark.parametrize(
    ("amount", "unit", "seconds"),
    [
        (6, "second", 6),
        (6, " Seconds ", 6),
        (1.5, "minute", 90),
        (2, "hours", 3600),
        (500, "milliseconds", 0.5),
        (500, "ms", 0.5),
        (2, "mins", 120),
        (0, "second", 0.2),
        (-4, "second", 0.2),
        (10**400, "ms", 3600),
        (None, "second", None),
        (6, None, None),
        (6, "moon", None),
    ],
)
def test_estimates_in_seconds(amount: Any, unit: Any, seconds: float | None) -> None:
    job = RedeemJob(redeem_query_id=ID, estimated_time=amount, estimated_time_type=unit)
    assert estimated_seconds(job) == seconds


@given(
    st.one_of(st.none(), st.floats(0.2, 3600)), st.integers(1, 200), st.booleans(), st.floats(0, 1)
)
def test_waits_are_bounded_and_widen(
    estimate: float | None, misses: int, scarce: bool, jitter: float
) -> None:
    wait = next_wait(estimate, misses, scarce, jitter)
    assert max(0.2, estimate or 0.0) <= wait <= 2 * max(first_wait(estimate), 75)
    assert next_wait(estimate, 1, True, jitter) >= next_wait(estimate, 1, False, jitter)
    if estimate is None:
        assert next_wait(None, misses + 1, scarce, jitter) >= wait


def test_more_jobs_are_open_where_the_limit_is_wide_and_the_end_matters() -> None:
    assert open_jobs_bound("results", 300) == 300
    assert open_jobs_bound("makespan", 300) == 600
    assert open_jobs_bound("results", 1) == 8
    assert open_jobs_bound("results", None) == open_jobs_bound("makespan", None) > 100


def scene(**changes: Any) -> Scene:
    base: dict[str, Any] = {
        "now": 100.0,
        "submits": 0,
        "next_due": None,
        "next_estimate_s": 6.0,
        "open_jobs": 0,
        "spare": 100,
    }
    return Scene(**{**base, **changes})


def test_the_estimate_is_the_time_to_poll_unless_polls_have_become_patient() -> None:
    assert poll_at(scene()) is None
    assert poll_at(scene(next_due=100.0, open_jobs=90)) == 100.0
    assert poll_at(scene(next_due=100.0, open_jobs=90, patient=True)) == 151.0
    assert poll_at(scene(next_due=100.0, open_jobs=90, patient=True, spare=None)) == 100.0
    assert poll_at(scene(next_due=100.0, open_jobs=9, patient=True, next_estimate_s=80)) == 100.0


def test_with_permits_to_spare_in_the_end_nobody_is_patient() -> None:
    last = {"next_due": 100.0, "patient": True, "more_to_send": False}
    assert poll_at(scene(open_jobs=80, **last)) == 100.0
    assert poll_at(scene(open_jobs=90, **last)) == 151.0


def test_the_two_orders_differ_in_what_goes_first() -> None:
    both = scene(submits=3, next_due=50.0, open_jobs=10, spare=20)
    assert choose("results", both) == "poll"
    assert choose("makespan", both) == "submit"
    for order in ("results", "makespan"):
        assert choose(order, scene(next_due=50.0, open_jobs=1)) == "poll"  # type: ignore[arg-type]
        assert choose(order, scene(submits=1)) == "submit"  # type: ignore[arg-type]
        assert choose(order, scene(next_due=101.0, open_jobs=1)) == "nothing"  # type: ignore[arg-type]
        assert choose(order, scene()) == "nothing"  # type: ignore[arg-type]


def test_results_keep_a_permit_for_the_poll_of_every_job() -> None:
    full = scene(submits=3, next_due=105.0, open_jobs=50, spare=51)
    assert choose("results", full) == "nothing"
    assert choose("makespan", full) == "submit"
    assert choose("results", scene(submits=3, next_due=105.0, open_jobs=50, spare=52)) == "submit"
    back = scene(submits=3, next_due=105.0, open_jobs=50, spare=1, coming=51)
    assert choose("results", back) == "submit"
    assert choose("results", scene(submits=1, open_jobs=900, spare=None)) == "submit"


@given(st.integers(0, 5), st.integers(1, 9))
def test_an_open_job_or_a_submit_is_always_to_be_waited_for(spare: int, submits: int) -> None:
    """Whatever the limit, there is no scene in which nothing will ever happen."""
    idle = scene(submits=submits, spare=spare)
    assert choose("results", idle) == "submit"
    assert has_permits_for_both(idle)


def test_patience_comes_with_polls_in_vain_and_goes_again() -> None:
    patience = Patience()
    for count in range(75):
        assert not patience.is_on, count
        patience = patience.after(missed=True, window=300)
    assert patience.is_on
    good = 0
    while patience.is_on:
        patience = patience.after(missed=False, window=300)
        good += 1
    assert good == pytest.approx(7_500, abs=1)
    assert patience == Patience()


def test_one_poll_in_vain_in_a_hundred_is_not_worth_any_waiting() -> None:
    rng = random.Random(1)
    patience = Patience()
    for _ in range(50_000):
        patience = patience.after(missed=rng.random() < 0.005, window=300)
        assert not patience.is_on
    for _ in range(3_000):
        patience = patience.after(missed=rng.random() < 0.05, window=300)
    assert patience.is_on


def test_patient_polls_come_within_a_minute_but_never_before_the_estimate() -> None:
    assert time_to_poll(6.0, patient=False) == 6.0
    assert 50 < time_to_poll(6.0, patient=True) < 60
    assert time_to_poll(90.0, patient=True) == 90.0


def test_permits_come_back_a_period_after_they_were_used() -> None:
    flow = Flow()
    assert flow.coming(0.0, 6.0, spare=300, window=300) == 0
    for _ in range(150):
        flow.note(0.5)
    assert flow.coming(1.0, 6.0, spare=150, window=300) == 0
    assert flow.coming(55.0, 6.0, spare=150, window=300) == 150
    for _ in range(100):
        flow.note(20.5)
    assert flow.coming(55.0, 6.0, spare=50, window=300) == 150
    assert flow.coming(55.0, 30.0, spare=50, window=300) == 250
    assert flow.coming(55.0, 120.0, spare=50, window=300) == 550
    assert flow.coming(61.9, 6.0, spare=200, window=300) == 0


def test_what_others_hold_does_not_come_back() -> None:
    flow = Flow()
    assert flow.coming(0.0, 6.0, spare=300, window=300) == 0
    for _ in range(150):
        flow.note(0.5)
    assert flow.coming(55.0, 6.0, spare=119, window=300) == 0


def test_a_short_window_is_told_from_a_minute() -> None:
    flow = Flow()
    # 5 a second: a job of 6 s may have thirty requests beside it.
    assert flow.coming(0.0, 6.0, spare=5, window=300) == 25
    assert flow.coming(0.5, 6.0, spare=0, window=300) == 30


def test_the_flow_forgets() -> None:
    flow = Flow()
    for second in range(10_000):
        flow.note(float(second))
        flow.note(float(second))
    assert flow.coming(9_999.5, 10.0, spare=180, window=300) == pytest.approx(20, abs=2)
    assert len(flow._seconds) <= 240


@pytest.mark.parametrize(("order", "least", "most"), [("results", 14, 16), ("makespan", 30, 60)])
def test_how_a_window_is_divided(order: str, least: int, most: int) -> None:
    """Half of it are polls, and a result need not wait for the next; or all of it are submits."""

    async def main() -> None:
        bench = Bench("30/minute")
        run = bench.run(people(600), order=order)
        first = 0.0
        async with run:
            async for _ in run:
                first = first or bench.now()
        sent = [at for at, _, _ in bench.api.submits]
        assert least <= sum(at < 59 for at in sent) <= most
        assert (first < 59) == (order == "results")

    run_virtual(main())


def test_too_many_polls_in_vain_make_polls_wait_for_the_next_window() -> None:
    async def main() -> tuple[int, int]:
        bench = Bench("30/minute")
        bench.api.duration = lambda _size: 30.0
        bench.api.estimate = lambda _seconds: (5, "second")
        run = bench.run(people(1_200))
        await collect(run)
        return run.report.batches, run.report.polls

    batches, polls = run_virtual(main())
    assert batches >= 100
    assert polls < batches + 30


def test_many_short_windows_are_used_as_well_as_a_long_one() -> None:
    async def main() -> float:
        bench = Bench("5/second")
        run = bench.run(people(1_000))
        await collect(run)
        return run.report.elapsed_s * 5 / run.report.requests

    assert run_virtual(main()) < 1.4


def test_jobs_that_hang_do_not_keep_back_what_comes_after_them() -> None:
    async def main() -> None:
        bench = Bench("30/minute")
        durations = iter([280.0] * 7 + [5.0] * 53)
        bench.api.duration = lambda _size: next(durations)
        # It is told when they are polled, not when they are accepted.
        bench.api.estimate = lambda seconds: (min(seconds, 5.0 if seconds > 279 else 300), "second")
        await collect(bench.run(people(600)))
        sent = [at for at, _, _ in bench.api.submits]
        assert sum(at < 70 for at in sent) >= 20
        assert sent[-1] < 250

    run_virtual(main())


class _Counter:
    """As much of a limiter and of a reconciler as the agenda asks for."""

    spare: int | None = 0

    def available(self) -> int | None:
        return self.spare

    def window_size(self) -> int:
        return 300

    def wants(self, _now: float) -> bool:
        return False

    def __len__(self) -> int:
        return 0


@given(st.integers(0, 260), st.integers(1, 290), st.floats(59.0, 62.0))
def test_the_choice_is_the_same_before_and_after_a_permit_was_had(
    sent: int, busy: int, now: float
) -> None:
    """Or else a worker would take a permit, give it back, and so on without end."""
    counter: Any = _Counter()
    agenda = Agenda(
        order="results",
        max_open=300,
        limiter=counter,
        reconciler=counter,
        busy=lambda: busy,
        may_submit=lambda: True,
        input_ended=lambda: False,
    )
    agenda.ready.append(Batch("batch", "batch", (ID,)))
    counter.spare = 300
    agenda.choose(0.0, 0)
    for _ in range(sent):
        agenda._flow.note(0.5)
    # Around the point where permits that are missing are noticed.
    for spare in range(max(1, 268 - sent), 273 - sent):
        counter.spare = spare
        before = agenda.choose(now, 0)
        counter.spare = spare - 1
        assert choose_again(agenda, now) == before


def choose_again(agenda: Agenda, now: float) -> str:
    """What would be chosen with a permit in hand; nothing is noted as sent."""
    flow, agenda._flow = agenda._flow, copy.deepcopy(agenda._flow)
    try:
        return agenda.choose(now, 1)
    finally:
        agenda._flow = flow


@given(
    st.sampled_from(ORDERS),
    st.integers(0, 3),
    st.lists(st.floats(0.0, 20.0), max_size=3),
    st.booleans(),
    st.sampled_from([None, 0, 1, 300]),
)
def test_a_choice_that_needs_no_look_around_is_the_one_the_policy_makes(
    order: Order, submits: int, due: list[float], patient: bool, spare: int | None
) -> None:
    counter: Any = _Counter()
    counter.spare = spare
    agenda = Agenda(
        order=order,
        max_open=5,
        limiter=counter,
        reconciler=counter,
        busy=lambda: 1,
        may_submit=lambda: True,
        input_ended=lambda: False,
    )
    agenda._patience = Patience(1.0, patient)
    agenda.ready.extend([Batch("batch", "batch", (ID,))] * submits)
    for at in due:
        agenda.due.push(at, Job(Batch("batch", "batch", (ID,)), "job", 5.0, 0.0))
    for held in (0, 1):
        assert agenda.choose(10.0, held) == choose(order, agenda._scene(10.0, held))
