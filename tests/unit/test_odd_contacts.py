"""One contact that is not as documented does not cost the others, which are paid for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pubrio_async import DecodeError
from pubrio_async._routes import REDEEM_PEOPLE, REDEEM_QUERY
from pubrio_async.models import Contact, RedeemedPerson

ADA = "0d4b3a60-1111-4c5e-9b1d-000000000001"
BOB = "0d4b3a60-1111-4c5e-9b1d-000000000002"
MAIL = {"value": "ada@example.com", "type": "email-work", "status": None}


def read(*peoples: Any) -> tuple[RedeemedPerson, ...]:
    """The people, as both endpoints are read."""
    job = {"redeem_query_id": "job-1", "is_completed": True}
    cost = {"total_credit_cost": 5}
    body = json.dumps({"data": {"profile": cost, "query": job, "peoples": peoples}}).encode()
    reply, single = REDEEM_QUERY.decode(body), REDEEM_PEOPLE.decode(body)
    assert reply.is_completed
    assert reply.peoples == single.peoples
    assert reply.profile == single.profile
    return reply.peoples or ()


@pytest.mark.parametrize("nothing", [None, {}, {"value": None, "type": "email-work"}])
def test_a_contact_without_a_value_is_none(nothing: Any) -> None:
    ada = {"people_search_id": ADA, "emails": [nothing, MAIL], "phones": None}
    bob = {"people_search_id": BOB, "emails": [nothing], "phones": [nothing]}
    one, other = read(ada, bob, None)
    assert [contact.value for contact in one.emails or ()] == ["ada@example.com"]
    assert (other.people_search_id, other.emails, other.phones) == (BOB, (), ())


def test_a_number_is_its_digits_and_an_odd_word_is_unknown() -> None:
    odd = {"value": 15550100, "type": 3, "status": {"is": "odd"}}
    (person,) = read({"people_search_id": ADA, "phones": [odd], "emails": [MAIL]})
    assert person.phones == (Contact("15550100"),)
    assert person.emails is not None
    assert person.emails[0].type == "email-work"


@pytest.mark.parametrize("odd", [5, "ada@example.com", {"value": ["?"]}])
def test_what_may_be_a_contact_is_not_left_out(odd: Any) -> None:
    with pytest.raises(DecodeError, match="emails"):
        read({"people_search_id": ADA, "emails": [MAIL, odd]})
