"""Who there is, and what is found of them."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pubrio_async.sandbox import Sandbox, SandboxConfig
from pubrio_async.sandbox.people import format_id, normalise_linkedin, parse_id
from tests.sandbox.desk import ALL_TYPES, Desk, expected, found, person, persons
from tests.together import together

IDS = st.uuids().map(str)


@given(who=IDS, seed=st.integers())
def test_contacts_follow_from_seed_and_id_alone(who: str, seed: int) -> None:
    first, second = (Sandbox(SandboxConfig(seed=seed)) for _ in range(2))
    second.contacts_for(person(1), ALL_TYPES)
    contacts = first.contacts_for(who, ALL_TYPES)
    assert contacts == second.contacts_for(who.upper(), reversed(ALL_TYPES))
    assert len({contact.type for contact in contacts}) == len(contacts)
    for contact in contacts:
        assert contact.status in {"Verified", None}
        made_up = ("@example.com", "@example.org") if contact.type != "phone" else ("",)
        assert contact.value.endswith(made_up)
        if contact.type == "phone":
            assert contact.value.startswith("+1555")
            assert len(contact.value) == 12


@given(who=IDS)
def test_fewer_types_give_a_part_of_all(who: str) -> None:
    sandbox = Sandbox()
    everything = sandbox.contacts_for(who, ALL_TYPES)
    for wanted in ALL_TYPES:
        part = sandbox.contacts_for(who, [wanted])
        assert part == tuple(each for each in everything if each.type == wanted)


def test_four_in_five_have_something_and_values_differ() -> None:
    sandbox = Sandbox()
    known = [sandbox.contacts_for(who, ALL_TYPES) for who in persons(5_000)]
    share = sum(map(bool, known)) / len(known)
    assert 0.78 < share < 0.84
    addresses = [each.value for contacts in known for each in contacts if each.type != "phone"]
    assert len(addresses) == len(set(addresses))
    statuses = {each.status for contacts in known for each in contacts}
    assert statuses == {"Verified", None}


def test_another_seed_is_another_world() -> None:
    worlds = [
        [Sandbox(SandboxConfig(seed=seed)).contacts_for(who, ALL_TYPES) for who in persons(20)]
        for seed in (0, 1, "0")
    ]
    assert worlds[0] != worlds[1]
    assert worlds[0] != worlds[2]


@pytest.mark.parametrize(
    ("share", "found_at_all"), [(0.0, False), (1.0, True)], ids=["nobody", "everybody"]
)
def test_shares(share: float, found_at_all: bool) -> None:
    sandbox = Sandbox(SandboxConfig(work_share=share, personal_share=share, phone_share=share))
    for who in persons(50):
        assert len(sandbox.contacts_for(who, ALL_TYPES)) == (3 if found_at_all else 0)


@pytest.mark.parametrize(("who", "kind"), [("nobody", "phone"), (person(1), "fax")])
def test_foretelling_refuses_nonsense(who: str, kind: str) -> None:
    with pytest.raises(ValueError, match="not a people_search_id"):
        Sandbox().contacts_for(who, [kind])


@given(raw=st.binary(min_size=16, max_size=16))
def test_ids_go_there_and_back(raw: bytes) -> None:
    text = format_id(raw)
    assert text == str(UUID(bytes=raw))
    assert parse_id(text) == parse_id(text.upper()) == raw


@given(text=st.text(max_size=40))
def test_what_is_no_id_is_none(text: str) -> None:
    assert parse_id(text) is None


@together
@pytest.mark.parametrize(
    "url",
    [
        "https://www.linkedin.com/in/king-lai-605382b7",
        "http://linkedin.com/in/King-Lai-605382b7/",
        "https://uk.linkedin.com/in/king-lai-605382b7?trk=x#top",
        "  HTTPS://WWW.LINKEDIN.COM/in/king-lai-605382b7/details/experience",
        "https://www.linkedin.com/in/king%2Dlai-605382b7",
    ],
)
def test_spellings_of_a_profile_are_one_person(url: str) -> None:
    assert normalise_linkedin(url) == "in/king-lai-605382b7"


def test_public_profiles_keep_their_whole_path() -> None:
    assert normalise_linkedin("https://linkedin.com/pub/king-lai/1/2/3/") == "pub/king-lai/1/2/3"


@together
@pytest.mark.parametrize(
    "url",
    [
        "",
        "linkedin.com/in/x",
        "ftp://linkedin.com/in/x",
        "https://linkedin.com/company/x",
        "https://linkedin.com/in/",
        "https://evil.example/https://linkedin.com/in/x",
        "https://notlinkedin.com/in/x",
    ],
)
def test_what_is_no_profile_is_refused(url: str) -> None:
    assert normalise_linkedin(url) is None
    desk = Desk()
    assert desk.sandbox.id_for_linkedin(url) is None
    status, body = desk.ask(
        "/redeem/people", {"linkedin_url": url, "people_contact_types": ["phone"]}
    )
    assert (status, body["code"]) == (400, 40001)
    assert desk.sandbox.regrets().malformed_ids == 1


def test_profiles_are_somebody_or_nobody() -> None:
    desk = Desk()
    urls = [f"https://www.linkedin.com/in/person-{number}" for number in range(400)]
    nobody = 0
    for url in urls:
        who = desk.sandbox.id_for_linkedin(url)
        status, body = desk.ask(
            "/redeem/people",
            {
                "linkedin_url": url.upper().replace("HTTPS", "https"),
                "people_contact_types": ALL_TYPES,
            },
        )
        assert status == 200
        rows = body["data"]["peoples"]
        if who is None:
            nobody += 1
            assert rows == []
            assert body["data"]["profile"]["total_credit_cost"] == 0
        else:
            assert [row["people_search_id"] for row in rows] == [who]
            assert found(rows[0]) == expected(desk, who)
    assert 20 < nobody < 65
