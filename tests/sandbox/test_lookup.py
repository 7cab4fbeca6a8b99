"""Lookups of contacts: whom they find, and what each match costs."""

from __future__ import annotations

from tests.sandbox.desk import Desk

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
