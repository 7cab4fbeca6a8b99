"""Routes of `people`: finding them, and what is known of one."""

from __future__ import annotations

from typing import Any

from msgspec import structs

from pubrio_async._routes.companies import COMPANY_LISTS, COMPANY_PAIRS, SIMILARITY
from pubrio_async._routes.replies import page_decoder
from pubrio_async._routes.route import Route
from pubrio_async._routes.rules import OPERATORS, PAGING, Rules
from pubrio_async._wire import data_decoder
from pubrio_async.models import (
    PeopleSearchReply,
    PersonRow,
    SimilarPeopleReply,
    SimilarPersonRow,
)

_ONE_PERSON = Rules(one_of=(("people_search_id",), ("linkedin_url",)), exactly_one=True)

_SEARCH = Rules(
    required=(
        "filter_conditions[].key",
        "filter_conditions[].operator",
        "company_filters.filter_conditions[].key",
        "company_filters.filter_conditions[].operator",
    ),
    choices={
        "filter_conditions[].operator": OPERATORS,
        "company_filters.filter_conditions[].operator": OPERATORS,
    },
    ranges={**PAGING, "company_filters.similarity_score": SIMILARITY},
    lists=(
        "people_titles",
        "peoples",
        "linkedin_urls",
        "management_levels",
        "departments",
        "department_functions",
        "people_locations",
        "people_groups",
        "company_locations",
        "company_linkedin_urls",
        "companies",
        "domains",
        "filter_conditions",
        *(f"company_filters.{name}" for name in COMPANY_LISTS),
    ),
    pairs=tuple(f"company_filters.{name}" for name in COMPANY_PAIRS),
    range_lists=("employees", "company_filters.employees"),
)

PEOPLE_SEARCH: Route[PeopleSearchReply] = Route(
    name="people.search",
    path="/people/search",
    decode=page_decoder(PeopleSearchReply, tuple[PersonRow, ...], "peoples"),
    spends_credits=True,
    safe_to_resend=True,
    paginated=True,
    items_key="peoples",
    rules=_SEARCH,
)
PEOPLE_SEARCH_SIMILAR: Route[SimilarPeopleReply] = Route(
    name="people.search_similar",
    path="/people/search/similar",
    decode=page_decoder(SimilarPeopleReply, tuple[SimilarPersonRow, ...], "peoples"),
    spends_credits=None,
    safe_to_resend=True,
    paginated=True,
    items_key="peoples",
    rules=structs.replace(
        _SEARCH,
        one_of=(
            ("people_titles",),
            ("people_search_id",),
            ("linkedin_url",),
            ("linkedin_urls",),
            ("peoples",),
        ),
    ),
)
PEOPLE_LOOKUP: Route[Any] = Route(
    name="people.lookup",
    path="/people/lookup",
    decode=data_decoder(Any),
    spends_credits=None,
    safe_to_resend=True,
    rules=_ONE_PERSON,
)
PEOPLE_LINKEDIN_LOOKUP: Route[Any] = Route(
    name="people.linkedin_lookup",
    path="/people/linkedin/lookup",
    decode=data_decoder(Any),
    spends_credits=None,
    safe_to_resend=True,
    rules=Rules(required=("people_linkedin_url",)),
)
PEOPLE_ENRICH: Route[Any] = Route(
    name="people.enrich",
    path="/people/enrichment",
    decode=data_decoder(Any),
    spends_credits=True,
    safe_to_resend=False,
    rules=_ONE_PERSON,
)
