"""Ways to call the endpoints of redeems, the profile and the user, and what they reply."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from pubrio_async import AsyncPubrio
from pubrio_async.models import (
    Profile,
    ProfileUsage,
    RedeemJob,
    RedeemPeopleReply,
    RedeemQueryReply,
)

SAMPLES = Path(__file__).parents[1] / "samples"
PERSON = "e37ccf38-ea8f-422e-9874-cb23b15e8fe4"
OTHER = "540574d1-ff74-475b-aea2-f8ae643b806d"
JOB = "a046c1da-b3d4-4ca1-aca6-1dd8c8055701"
URL = "https://www.linkedin.com/in/someone"


class Case(Struct, frozen=True):
    """One way to call one endpoint."""

    call: Callable[[AsyncPubrio], Awaitable[Any]]
    method: str
    path: str
    body: dict[str, Any] | None
    sample: str | None
    kind: type | None
    paid: bool = False


CASES: dict[str, Case] = {
    "redeem.people by id": Case(
        lambda p: p.redeem.people(people_search_id=PERSON, people_contact_types=["email-work"]),
        "POST",
        "/redeem/people",
        {"people_search_id": PERSON, "people_contact_types": ["email-work"]},
        "redeem_people.response.json",
        RedeemPeopleReply,
        paid=True,
    ),
    "redeem.people by url, with everything": Case(
        lambda p: p.redeem.people(
            linkedin_url=URL,
            people_contact_types=("phone", "email-work", "email-personal"),
            profile_id=7,
        ),
        "POST",
        "/redeem/people",
        {
            "linkedin_url": URL,
            "people_contact_types": ["phone", "email-work", "email-personal"],
            "profile_id": 7,
        },
        "redeem_people.guide.response.json",
        RedeemPeopleReply,
        paid=True,
    ),
    "redeem.batch": Case(
        lambda p: p.redeem.batch(peoples=[PERSON, OTHER], people_contact_types=["phone"]),
        "POST",
        "/redeem/people/batch",
        {"peoples": [PERSON, OTHER], "people_contact_types": ["phone"]},
        "redeem_people_batch.response.json",
        RedeemJob,
        paid=True,
    ),
    "redeem.batch with everything": Case(
        lambda p: p.redeem.batch(peoples=(PERSON,), people_contact_types=["phone"], profile_id=0),
        "POST",
        "/redeem/people/batch",
        {"peoples": [PERSON], "people_contact_types": ["phone"], "profile_id": 0},
        "redeem_people_batch.response.json",
        RedeemJob,
        paid=True,
    ),
    "redeem.query": Case(
        lambda p: p.redeem.query(redeem_query_id=JOB),
        "POST",
        "/redeem/people/batch/query",
        {"redeem_query_id": JOB},
        "redeem_people_batch_query.response.json",
        RedeemQueryReply,
    ),
    "redeem.query with everything": Case(
        lambda p: p.redeem.query(redeem_query_id=JOB, profile_id=7),
        "POST",
        "/redeem/people/batch/query",
        {"redeem_query_id": JOB, "profile_id": 7},
        "redeem_people_batch_query.response.json",
        RedeemQueryReply,
    ),
    "profile.get": Case(
        lambda p: p.profile.get(), "POST", "/profile", {}, "profile.response.json", Profile
    ),
    "profile.get with everything": Case(
        lambda p: p.profile.get(profile_id=7),
        "POST",
        "/profile",
        {"profile_id": 7},
        "profile.response.json",
        Profile,
    ),
    "profile.usage": Case(
        lambda p: p.profile.usage(),
        "POST",
        "/profile/usage",
        {},
        "profile_usage.response.json",
        ProfileUsage,
    ),
    "profile.usage with everything": Case(
        lambda p: p.profile.usage(profile_id=7),
        "POST",
        "/profile/usage",
        {"profile_id": 7},
        "profile_usage.response.json",
        ProfileUsage,
    ),
    "user.get": Case(lambda p: p.user.get(), "GET", "/user", None, None, None),
}
each = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def sample(case: Case) -> str:
    if case.sample is None:
        return '{"data": {"user_id": "c0ffee", "roles": ["admin"], "manager": null}}'
    return (SAMPLES / case.sample).read_text("utf-8")
