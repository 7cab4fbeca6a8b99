"""Routes of `redeem`: the calls that turn people into contacts, and contacts into people."""

from __future__ import annotations

from pubrio_async._routes.misses import or_empty
from pubrio_async._routes.route import Route
from pubrio_async._routes.rules import CONTACT_TYPES, Rules
from pubrio_async._wire import job_decoder, past_odd_contacts, query_decoder, query_in_pieces
from pubrio_async.models import (
    ContactLookupReply,
    RedeemJob,
    RedeemPeopleReply,
    RedeemQueryReply,
)

REDEEM_PEOPLE: Route[RedeemPeopleReply] = Route(
    name="redeem.people",
    method="POST",
    path="/redeem/people",
    decode=past_odd_contacts(or_empty(RedeemPeopleReply)),
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
    decode=past_odd_contacts(query_decoder()),
    in_pieces=query_in_pieces(),
    spends_credits=False,
    safe_to_resend=True,
    rules=Rules(required=("redeem_query_id",)),
)
REDEEM_CONTACT_LOOKUP: Route[ContactLookupReply] = Route(
    name="redeem.contact_lookup",
    method="POST",
    path="/redeem/people/contact/lookup",
    decode=or_empty(ContactLookupReply),
    spends_credits=True,
    safe_to_resend=False,
    rules=Rules(
        one_of=(
            ("email",),
            ("phone",),
            ("first_name", "last_name", "domain", "is_enable_similarity_search"),
            ("first_name", "last_name", "company", "is_enable_similarity_search"),
        ),
    ),
)
REDEEM_CONTACT_LOOKUP_BATCH: Route[ContactLookupReply] = Route(
    name="redeem.contact_lookup_batch",
    method="POST",
    path="/redeem/people/contact/lookup/batch",
    decode=or_empty(ContactLookupReply),
    spends_credits=True,
    safe_to_resend=False,
    rules=Rules(required=("peoples",), lists=("peoples",)),
)
