"""How long a job takes, what its estimate says, and what counts as delivered."""

from __future__ import annotations

from typing import Any

import pytest

from pubrio_async.sandbox.config import Distribution
from tests.sandbox.desk import QUERY, Desk, person, persons
from tests.together import together


def test_fifty_people_take_five_seconds() -> None:
    desk = Desk()
    status, body = desk.batch(persons(50))
    assert status == 200
    state = body["data"]
    assert (state["is_completed"], state["estimated_time"]) == (False, 5)
    assert state["estimated_time_type"] == "second"
    desk.now = 4.5
    unfinished = desk.query(state["redeem_query_id"])[1]["data"]
    assert unfinished == {"query": {**state, "estimated_time": 1}}
    desk.now = 5.5
    data = desk.finished(state["redeem_query_id"])
    assert data["query"] == {**state, "is_completed": True}


@together
@pytest.mark.parametrize("distribution", ["fixed", "uniform", "lognormal", "exponential"])
def test_a_poll_at_the_estimate_finds_the_job_done(distribution: Distribution) -> None:
    desk = Desk(distribution=distribution)
    done = 0
    times: set[float] = set()
    for number in range(3_000):
        desk.now = 1_000.0 * number
        body = desk.batch([person(number % 50)], "phone")[1]["data"]
        desk.now += body["estimated_time"]
        state = desk.query(body["redeem_query_id"])[1]["data"]["query"]
        done += state["is_completed"]
        times.add(state["estimated_time"])
    assert done >= 0.998 * 3_000
    assert desk.sandbox.regrets().early_polls == 0


def test_a_job_that_is_over_at_once_may_be_fetched_at_once() -> None:
    desk = Desk(distribution="exponential", base_s=0.01, per_person_s=0.0)
    fetched = 0
    for number in range(300):
        desk.now = 1_000.0 * number
        job = desk.batch([person(number % 50)], "phone")[1]["data"]
        if job["is_completed"]:
            desk.query(job["redeem_query_id"])
            fetched += 1
    assert fetched > 0
    assert desk.sandbox.regrets().early_polls == 0


@pytest.mark.parametrize("distribution", ["uniform", "lognormal", "exponential"])
def test_times_keep_their_mean_and_differ(distribution: Distribution) -> None:
    desk = Desk(distribution=distribution, base_s=10.0, per_person_s=0.0, estimate_unit="ms")
    waits: list[float] = []
    for number in range(2_000):
        job = desk.submit([person(number)], "phone")
        left = desk.query(job)[1]["data"]["query"]["estimated_time"]
        waits.append(left / 1000)
    assert 9.0 < sum(waits) / len(waits) < 11.0
    assert max(waits) - min(waits) > 4.0


def test_stragglers_are_late_and_their_next_estimate_is_true() -> None:
    desk = Desk(straggler_share=1.0, straggler_factor=10.0)
    job = desk.submit(persons(50))
    desk.now = 5.0
    query = desk.query(job)[1]["data"]["query"]
    assert (query["is_completed"], query["estimated_time"]) == (False, 45)
    desk.now = 50.0
    desk.finished(job)
    assert desk.sandbox.regrets().total == 0


def test_some_stragglers() -> None:
    desk = Desk(straggler_share=0.2)
    late = 0
    for number in range(500):
        job = desk.submit([person(number)], "phone")
        desk.now += 5.0
        late += not desk.query(job)[1]["data"]["query"]["is_completed"]
    assert 70 < late < 130


def test_wrong_estimates() -> None:
    desk = Desk(estimate_factor=0.1)
    job = desk.submit(persons(100))
    desk.now = 1.0
    assert desk.query(job)[1]["data"]["query"]["estimated_time"] == 1
    desk.now = 2.0
    assert desk.query(job)[1]["data"]["query"]["is_completed"] is False
    assert desk.sandbox.regrets().early_polls == 0


@together
@pytest.mark.parametrize(
    ("unit", "number", "seconds"),
    [
        ("second", 9, 9.0),
        ("Seconds", 9, 9.0),
        ("minute", 1, 60.0),
        ("minutes", 1, 60.0),
        ("hours", 1, 3600.0),
        ("ms", 9000, 9.0),
        ("milliseconds", 9000, 9.0),
        ("fortnight", 9, 9.0),
        ("", 9, 9.0),
    ],
)
def test_units_of_estimates(unit: str, number: int, seconds: float) -> None:
    desk = Desk(estimate_unit=unit)
    state = desk.batch(persons(100))[1]["data"]
    assert (state["estimated_time"], state["estimated_time_type"]) == (number, unit)
    desk.now = seconds - 0.1
    desk.query(state["redeem_query_id"])
    assert desk.sandbox.regrets().early_polls == 1


def test_time_scale_makes_jobs_quick() -> None:
    desk = Desk(time_scale=0.0)
    status, body = desk.batch(persons(50))
    assert status == 200
    assert body["data"]["is_completed"] is True
    assert body["data"]["estimated_time"] == 0
    desk.finished(body["data"]["redeem_query_id"])
    desk = Desk(time_scale=0.1)
    job = desk.submit(persons(50))
    desk.now = 0.6
    desk.finished(job)


def test_wasteful_polls_are_counted() -> None:
    desk = Desk()
    job = desk.submit(persons(50))
    desk.now = 4.0
    desk.query(job)
    desk.now = 5.0
    desk.finished(job)
    desk.finished(job)
    desk.query(person(1))
    desk.query("x")
    regrets = desk.sandbox.regrets()
    assert (regrets.early_polls, regrets.polls_after_completion, regrets.unknown_polls) == (1, 1, 2)
    assert regrets.total == 4
    statistics = desk.sandbox.statistics()
    assert (statistics.polls, statistics.jobs_submitted, statistics.jobs_delivered) == (5, 1, 1)


def test_a_newer_estimate_moves_the_earliest_poll() -> None:
    desk = Desk(estimate_factor=0.5)
    job = desk.submit(persons(50))  # done at 5, told 3
    desk.now = 3.0
    assert desk.query(job)[1]["data"]["query"]["estimated_time"] == 1
    desk.now = 3.5
    desk.query(job)
    assert desk.sandbox.regrets().early_polls == 1


@pytest.mark.parametrize("status", [400, 404])
def test_polling_an_unknown_job(status: Any) -> None:
    desk = Desk(unknown_query_status=status)
    got, body = desk.query(person(1))
    assert got == status
    assert ("code" in body) is (status == 400)


def test_delivered_jobs_are_forgotten_after_a_while() -> None:
    desk = Desk(job_retention=100.0)
    delivered, waiting = desk.submit(persons(5)), desk.submit(persons(5, start=5))
    desk.now = 10.0
    desk.finished(delivered)
    desk.now = 109.0
    desk.submit([person(90)])
    desk.finished(delivered)
    desk.now = 111.0
    desk.submit([person(91)])
    assert desk.query(delivered)[0] == 404
    desk.finished(waiting)


def test_a_delivered_job_is_forgotten_whatever_else_is_asked() -> None:
    desk = Desk(job_retention=100.0)
    delivered = desk.submit(persons(5))
    desk.now = 10.0
    desk.finished(delivered)
    desk.now = 110.0
    desk.finished(delivered)
    desk.now = 111.0
    assert desk.query(delivered)[0] == 404


def test_a_reply_that_did_not_arrive_was_not_delivered() -> None:
    desk = Desk(job_retention=10.0)
    job = desk.submit(persons(50))
    desk.now = 6.0
    reply = desk.send(QUERY, {"redeem_query_id": job})
    assert desk.sandbox.statistics().jobs_delivered == 1
    desk.sandbox.undelivered(reply)
    assert desk.sandbox.statistics().jobs_delivered == 0
    desk.now = 60.0
    desk.submit([person(90)])
    desk.finished(job)
    assert desk.sandbox.regrets().total == 0


def test_an_estimate_that_did_not_arrive_binds_nobody() -> None:
    desk = Desk(straggler_share=1.0)
    job = desk.submit(persons(50))
    desk.now = 5.0
    desk.sandbox.undelivered(desk.send(QUERY, {"redeem_query_id": job}))
    desk.now = 6.0
    first = desk.send(QUERY, {"redeem_query_id": job})
    assert desk.sandbox.regrets().early_polls == 0
    # An older reply that is lost does not undo what a newer one told.
    desk.now = 60.0
    desk.finished(job)
    desk.sandbox.undelivered(first)
    assert desk.sandbox.statistics().jobs_delivered == 1


def test_an_old_estimate_that_is_lost_late_leaves_the_newest() -> None:
    desk = Desk(straggler_share=1.0, estimate_factor=0.5)
    job = desk.submit(persons(50))  # done at 50
    desk.now = 3.0
    old = desk.send(QUERY, {"redeem_query_id": job})
    desk.now = 27.0
    assert desk.query(job)[1]["data"]["query"]["estimated_time"] == 12
    desk.sandbox.undelivered(old)
    desk.now = 38.0
    desk.query(job)
    assert desk.sandbox.regrets().early_polls == 1


def test_undelivered_replies_without_a_job_change_nothing() -> None:
    desk = Desk()
    desk.sandbox.undelivered(desk.send("/profile"))
    assert desk.sandbox.regrets().total == 0


def test_a_second_delivery_that_fails_leaves_the_first() -> None:
    desk = Desk()
    job = desk.submit(persons(5))
    desk.now = 10.0
    desk.finished(job)
    desk.sandbox.undelivered(desk.send(QUERY, {"redeem_query_id": job}))
    assert desk.sandbox.statistics().jobs_delivered == 1
