"""What a redeem finds, what it costs, and what the reply looks like."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pubrio_async.models import RedeemPeopleReply, RedeemQueryReply
from tests.sandbox.desk import (
    ALL_TYPES,
    BATCH,
    EVERYBODY,
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
