"""Routes of `redeem`: the calls that turn people into contacts."""

from __future__ import annotations

from collections.abc import Callable

from pubrio_async._routes.route import Route
from pubrio_async._routes.rules import CONTACT_TYPES, Rules
from pubrio_async._wire import data_decoder, job_decoder, query_decoder
from pubrio_async.models import RedeemJob, RedeemPeopleReply, RedeemQueryReply

_NOBODY = RedeemPeopleReply()
_people_strictly: Callable[[bytes], RedeemPeopleReply] = data_decoder(RedeemPeopleReply)
_people_or_none: Callable[[bytes], RedeemPeopleReply | None] = data_decoder(
    RedeemPeopleReply | None
)


def _people(body: bytes) -> RedeemPeopleReply:
    reply = _people_or_none(body)
    if reply is None:
        # What a miss looks like is not documented; `data: null` must not make it an error.
        return _NOBODY
    # Every field may be absent, so what looks empty may be an object that is none of ours.
    return _people_strictly(body) if reply == _NOBODY else reply


REDEEM_PEOPLE: Route[RedeemPeopleReply] = Route(
    name="redeem.people",
    method="POST",
    path="/redeem/people",
    decode=_people,
    spends_credits=True,
    safe_to_resend=False,
    rules=Rules(
        required=("people_contact_types",),
        one_of=(("people_search_id",), ("linkedin_url",)),
        exactly_one=True,
        lists=("people_contact_types",),
        choices={"people_contact_types": CONTACT_TYPES},
    ),
)
REDEEM_BATCH: Route[RedeemJob] = Route(
    name="redeem.batch",
    method="POST",
    path="/redeem/people/batch",
    decode=job_decoder(),
    spends_credits=True,
    safe_to_resend=False,
    rules=Rules(
        required=("peoples", "people_contact_types"),
        lists=("peoples", "people_contact_types"),
        choices={"people_contact_types": CONTACT_TYPES},
    ),
)
REDEEM_QUERY: Route[RedeemQueryReply] = Route(
    name="redeem.query",
    method="POST",
    path="/redeem/people/batch/query",
    decode=query_decoder(),
    spends_credits=False,
    safe_to_resend=True,
    rules=Rules(required=("redeem_query_id",)),
)
