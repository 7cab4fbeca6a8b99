"""What a redeem finds, what it costs, and what the reply looks like."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pubrio_async.models import RedeemPeopleReply, RedeemQueryReply
from pubrio_async.sandbox import SandboxConfig
from pubrio_async.sandbox.config import Distribution
from tests.sandbox.desk import (
    ALL_TYPES,
    BATCH,
    PEOPLE,
    QUERY,
    Desk,
    expected,
    found,
    person,
    persons,
)
from tests.together import together

PRICE = {"email-work": 5, "email-personal": 5, "phone": 10}
EVERYBODY = {"work_share": 1.0, "personal_share": 1.0, "phone_share": 1.0}
SUBSETS = st.sets(st.sampled_from(ALL_TYPES), min_size=1)


def cost_of(contacts: set[tuple[str, str, str | None]]) -> int:
    return sum(PRICE[kind] for _, kind, _ in contacts)


@given(number=st.integers(0, 2**64), types=SUBSETS)
def test_a_single_redeem_returns_and_charges_what_there_is(number: int, types: set[str]) -> None:
    desk = Desk(credit=100, topup_credit=7)
    status, body = desk.single(person(number), *types)
    assert status == 200
    (row,) = body["data"]["peoples"]
    assert row["people_search_id"] == person(number)
    assert found(row) == expected(desk, person(number), *types)
    cost = cost_of(found(row))
    assert body["data"]["profile"] == {
        "credit": 100 - cost,
        "topup_credit": 7,
        "total_credit_cost": cost,
    }
    assert msgspec.convert(body["data"], RedeemPeopleReply).peoples is not None


@settings(max_examples=40)
@given(numbers=st.lists(st.integers(0, 60), min_size=1, max_size=80), types=SUBSETS)
def test_a_batch_merges_repeats_and_returns_everybody_once(
    numbers: list[int], types: set[str]
) -> None:
    desk = Desk()
    people = [person(number).upper() if number % 3 else person(number) for number in numbers]
    job = desk.submit(people, *types)
    desk.now = 60.0
    data = desk.finished(job)
    rows = {row["people_search_id"]: row for row in data["peoples"]}
    assert len(rows) == len(data["peoples"])
    assert set(rows) == {who.lower() for who in people}
    for who, row in rows.items():
        assert found(row) == expected(desk, who, *types)
    cost = sum(cost_of(found(row)) for row in rows.values())
    assert data["profile"]["total_charged_credit"] == cost
    assert data["profile"]["credit"] == 1_000_000 - cost
    assert desk.sandbox.statistics().credits_charged == cost
    assert msgspec.convert(data, RedeemQueryReply).is_completed


def test_the_ledger_names_every_charge() -> None:
    desk = Desk(**EVERYBODY, email_credit=3, phone_credit=7)
    desk.now = 2.0
    desk.single(person(1), "email-work", "phone")
    desk.now = 3.0
    job = desk.submit([person(2), person(3)], "email-personal")
    charges = [
        (each.people_search_id, each.type, each.credits, each.source, each.at)
        for each in desk.sandbox.charges()
    ]
    assert charges == [
        (person(1), "email-work", 3, PEOPLE, 2.0),
        (person(1), "phone", 7, PEOPLE, 2.0),
        (person(2), "email-personal", 3, job, 3.0),
        (person(3), "email-personal", 3, job, 3.0),
    ]
    assert desk.sandbox.statistics().charges == 4
    assert desk.sandbox.statistics().people == 3


def test_the_ledger_forgets_the_oldest_charges_but_no_total() -> None:
    desk = Desk(**EVERYBODY, max_ledger_people=3)
    for number in range(5):
        desk.single(person(number), "phone")
    assert [each.people_search_id for each in desk.sandbox.charges()] == persons(3, start=2)
    assert desk.sandbox.statistics().charges == 5
    assert desk.sandbox.statistics().credits_charged == 50


def test_plan_credits_go_first_then_top_up() -> None:
    desk = Desk(**EVERYBODY, credit=12, topup_credit=9)
    assert desk.single(person(1), "phone")[1]["data"]["profile"]["credit"] == 2
    body = desk.single(person(2), "email-work")[1]
    assert body["data"]["profile"] == {"credit": 0, "topup_credit": 6, "total_credit_cost": 5}
    assert desk.single(person(3), "phone") == (402, {"error": "Not enough credits."})
    assert desk.single(person(3), "email-work")[0] == 200
    assert desk.sandbox.statistics().topup_credit == 1


def test_a_batch_that_might_cost_more_than_there_is_is_refused_whole() -> None:
    desk = Desk(credit=99, phone_share=0.0)
    assert desk.batch(persons(10), "phone")[0] == 402
    assert desk.batch(persons(9), "phone")[0] == 200
    assert desk.sandbox.statistics().credit == 99


def test_charging_the_same_contact_twice_is_noticed() -> None:
    desk = Desk(**EVERYBODY)
    desk.single(person(1), "email-work")
    desk.submit([person(1), person(2)], "email-work", "phone")
    assert desk.sandbox.regrets().double_charges == 1
    assert desk.sandbox.statistics().repeated_people == 1
    desk.single(person(2).upper(), "email-personal")
    assert desk.sandbox.regrets().double_charges == 1
    assert desk.sandbox.statistics().repeated_people == 1


def test_asking_twice_for_what_is_not_there_is_no_double_charge() -> None:
    desk = Desk(work_share=0.0)
    desk.single(person(1), "email-work")
    desk.single(person(1), "email-work")
    assert desk.sandbox.regrets().total == 0
    assert desk.sandbox.statistics().repeated_people == 1


@pytest.mark.parametrize(
    ("form", "phones"), [("empty", []), ("null", None), ("missing", "no such key")]
)
def test_the_forms_of_nothing(form: Any, phones: object) -> None:
    desk = Desk(absent_contacts=form, work_share=1.0)
    (row,) = desk.single(person(1), "email-work")[1]["data"]["peoples"]
    assert row.get("phones", "no such key") == phones
    assert len(row["emails"]) == 1


def test_people_with_nothing_can_be_left_out() -> None:
    desk = Desk(include_empty_people=False)
    people = persons(60)
    job = desk.submit(people, "phone")
    desk.now = 30.0
    rows = desk.finished(job)["peoples"]
    having = {who for who in people if desk.sandbox.contacts_for(who, ["phone"])}
    assert 0 < len(having) < 60
    assert {row["people_search_id"] for row in rows} == having


@pytest.mark.parametrize("order", ["given", "shuffled"])
def test_the_order_of_a_batch(order: Any) -> None:
    desk = Desk(people_order=order)
    people = persons(40)
    job = desk.submit(people)
    desk.now = 30.0
    ids = [row["people_search_id"] for row in desk.finished(job)["peoples"]]
    assert sorted(ids) == sorted(people)
    assert (ids == people) is (order == "given")


@together
@pytest.mark.parametrize(
    ("path", "body", "malformed_ids", "malformed_requests"),
    [
        (PEOPLE, b"", 0, 1),
        (PEOPLE, b"{", 0, 1),
        (PEOPLE, b"\xff", 0, 1),
        (PEOPLE, b"[]", 0, 1),
        (PEOPLE, {"people_contact_types": ["phone"]}, 0, 0),
        (PEOPLE, {"people_search_id": person(1)}, 0, 1),
        (PEOPLE, {"people_search_id": person(1), "people_contact_types": []}, 0, 0),
        (PEOPLE, {"people_search_id": person(1), "people_contact_types": ["fax"]}, 0, 0),
        (PEOPLE, {"people_search_id": "x", "people_contact_types": ["phone"]}, 1, 0),
        (PEOPLE, {"people_search_id": 7, "people_contact_types": ["phone"]}, 0, 1),
        (BATCH, {"peoples": [], "people_contact_types": ["phone"]}, 0, 0),
        (BATCH, {"peoples": ["x", person(1), "y"], "people_contact_types": ["phone"]}, 2, 0),
        (BATCH, {"peoples": [None], "people_contact_types": ["phone"]}, 0, 1),
        (QUERY, {}, 0, 1),
        ("/redeem/people/contact/lookup", {"first_name": "King"}, 0, 0),
        ("/redeem/people/contact/lookup/batch", {"peoples": []}, 0, 0),
        ("/profile", b"{", 0, 1),
        ("/people/search", b"[", 0, 1),
        ("/api_keys/logs", {"page": 0}, 0, 1),
        ("/api_keys/logs", {"per_page": 26}, 0, 1),
        ("/api_keys/logs/lookup", {"query_log_id": person(1)}, 0, 0),
        ("/api_keys/logs/lookup", {"query_log_id": "x"}, 0, 0),
    ],
)
def test_bad_requests(path: str, body: object, malformed_ids: int, malformed_requests: int) -> None:
    desk = Desk()
    status, reply = desk.ask(path, body)
    assert status == 400
    assert reply["code"] == 40001
    assert set(reply) == {"code", "message", "details"}
    regrets = desk.sandbox.regrets()
    assert regrets.malformed_ids == malformed_ids
    assert regrets.malformed_requests == malformed_requests
    assert desk.sandbox.statistics().credits_charged == 0


def test_unknown_ids_refuse_the_whole_batch() -> None:
    desk = Desk(unknown_ids=(person(3).upper(),))
    assert desk.batch(persons(5))[0] == 400
    assert desk.single(person(3))[0] == 400
    assert desk.batch(persons(3))[0] == 200
    assert desk.sandbox.regrets().malformed_ids == 0


def test_the_largest_batch() -> None:
    desk = Desk(max_batch=10)
    assert desk.batch(persons(11))[0] == 400
    assert desk.batch(persons(10))[0] == 200


# ------------------------------------------------------------------------------------- jobs


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


# --------------------------------------------------------------------------- contact lookup

LOOKUP = "/redeem/people/contact/lookup"


def test_a_lookup_finds_the_same_person_for_the_same_input() -> None:
    desk = Desk(contact_lookup_credit=2)
    matches = 0
    for number in range(200):
        email = f"user.{number}@example.com"
        first = desk.ask(LOOKUP, {"email": email})[1]["data"]
        again = desk.ask(LOOKUP, {"email": f" {email.upper()} "})[1]["data"]
        assert first["peoples"] == again["peoples"]
        assert first["profile"]["total_credit_cost"] == 2 * len(first["peoples"])
        for row in first["peoples"]:
            matches += 1
            assert row["people_name"] == f"{row['first_name']} {row['last_name']}"
            assert row["match"] == {
                "confidence": "exact",
                "input": {"value": email, "type": "email-work"},
                "is_duplicate_input": False,
            }
    assert 130 < matches < 190
    assert desk.sandbox.regrets().double_charges == 0


def test_a_bulk_lookup_charges_each_match_once() -> None:
    desk = Desk()
    inputs = [
        {"phone": "+15550001"},
        {"phone": "+15550001"},
        {"first_name": "King", "last_name": "Lai", "domain": "EXAMPLE.com"},
        {"first_name": "King", "last_name": "Lai", "company": "Example"},
        *({"email": f"{number}@example.com"} for number in range(100)),
    ]
    status, body = desk.ask(
        f"{LOOKUP}/batch", {"peoples": inputs, "is_enable_similarity_search": True}
    )
    assert status == 200
    rows = body["data"]["peoples"]
    repeats = [row for row in rows if row["match"]["is_duplicate_input"]]
    assert body["data"]["profile"]["total_credit_cost"] == len(rows) - len(repeats)
    assert all("first_name" not in row for row in rows)
    by_kind = {row["match"]["input"]["type"]: row for row in rows}
    assert by_kind["domain"]["match"]["confidence"] == "similarity_domain"
    assert by_kind["domain"]["match"]["input"]["value"] == "example.com"
    assert by_kind["domain"]["people_name"] == "King Lai"
    assert by_kind["company"]["company_name"] == "Example"
    assert {each.type for each in desk.sandbox.charges()} == {"contact-lookup"}


def test_names_count_only_with_the_similarity_search() -> None:
    desk = Desk()
    name = {"first_name": "King", "last_name": "Lai", "domain": "example.com"}
    assert desk.ask(LOOKUP, name)[0] == 400
    alone = {"first_name": "King", "last_name": "Lai", "is_enable_similarity_search": True}
    assert desk.ask(LOOKUP, alone)[0] == 400
    assert desk.ask(LOOKUP, {**name, "is_enable_similarity_search": True})[0] == 200


def test_a_lookup_without_credits() -> None:
    desk = Desk(credit=0)
    assert desk.ask(LOOKUP, {"phone": "+1"})[0] == 402


# ------------------------------------------------------------------------------------ config


@together
@pytest.mark.parametrize(
    "fields",
    [
        {"credit": -1},
        {"work_share": 1.5},
        {"estimate_quantile": 1.0},
        {"api_key": ""},
    ],
)
def test_nonsense_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))):
        SandboxConfig(**fields)
