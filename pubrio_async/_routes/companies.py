"""Routes of `companies` and of what companies have: lookalikes, technologies, jobs, news, ads."""

from __future__ import annotations

from typing import Any

from pubrio_async._routes.replies import page_decoder
from pubrio_async._routes.route import Route
from pubrio_async._routes.rules import OPERATORS, PAGING, Rules
from pubrio_async._wire import data_decoder
from pubrio_async.models import (
    AdvertisementRow,
    AdvertisementSearchReply,
    CompanyRow,
    CompanySearchReply,
)

_IDENTIFIERS = (("domain",), ("linkedin_url",), ("domain_search_id",), ("domain_id",))
_IDENTIFIED = Rules(one_of=_IDENTIFIERS)

# The filters that every search of companies takes, as lists and as pairs.
_COMMON_LISTS = (
    "locations",
    "exclude_locations",
    "technologies",
    "categories",
    "verticals",
    "vertical_categories",
    "vertical_sub_categories",
    "job_titles",
    "job_locations",
    "news_categories",
)
_COMMON_PAIRS = ("founded_dates", "revenues", "job_posted_dates", "news_published_dates")

COMPANY_LISTS = (
    *_COMMON_LISTS,
    "companies",
    "domains",
    "linkedin_urls",
    "places",
    "exclude_places",
    "keywords",
    "job_exclude_locations",
    "news_galleries",
    "news_gallery_ids",
    "advertisement_search_terms",
    "advertisement_target_locations",
    "advertisement_exclude_target_locations",
    "filter_conditions",
)
COMPANY_PAIRS = (*_COMMON_PAIRS, "advertisement_start_dates", "advertisement_end_dates")
SIMILARITY: tuple[float, float] = (0, 1)

COMPANIES_SEARCH: Route[CompanySearchReply] = Route(
    name="companies.search",
    path="/companies/search",
    decode=page_decoder(CompanySearchReply, tuple[CompanyRow, ...], "companies"),
    spends_credits=True,
    safe_to_resend=True,
    paginated=True,
    items_key="companies",
    rules=Rules(
        required=("filter_conditions[].key", "filter_conditions[].operator"),
        choices={"filter_conditions[].operator": OPERATORS},
        ranges={**PAGING, "similarity_score": SIMILARITY},
        lists=(*COMPANY_LISTS, "exclude_fields"),
        pairs=COMPANY_PAIRS,
        range_lists=("employees",),
    ),
)
COMPANIES_LOOKUP: Route[Any] = Route(
    name="companies.lookup",
    path="/companies/lookup",
    decode=data_decoder(Any),
    spends_credits=None,
    safe_to_resend=True,
    rules=_IDENTIFIED,
)
COMPANIES_LINKEDIN_LOOKUP: Route[Any] = Route(
    name="companies.linkedin_lookup",
    path="/companies/linkedin/lookup",
    decode=data_decoder(Any),
    spends_credits=None,
    safe_to_resend=True,
    rules=Rules(required=("linkedin_url",)),
)
COMPANIES_ENRICH: Route[Any] = Route(
    name="companies.enrich",
    path="/companies/lookup/enrich",
    decode=data_decoder(Any),
    spends_credits=True,
    safe_to_resend=False,
    rules=_IDENTIFIED,
)

LOOKALIKES_SEARCH: Route[Any] = Route(
    name="lookalikes.search",
    path="/companies/lookalikes/search",
    decode=data_decoder(Any),
    spends_credits=None,
    safe_to_resend=True,
    paginated=True,
    rules=Rules(
        one_of=_IDENTIFIERS,
        ranges={**PAGING, "similarity_score": SIMILARITY},
        lists=_COMMON_LISTS,
        pairs=_COMMON_PAIRS,
        range_lists=("employees",),
    ),
)
LOOKALIKES_LOOKUP: Route[Any] = Route(
    name="lookalikes.lookup",
    path="/companies/lookalikes/lookup",
    decode=data_decoder(Any),
    spends_credits=None,
    safe_to_resend=True,
    rules=_IDENTIFIED,
)

TECHNOLOGIES_LOOKUP: Route[Any] = Route(
    name="technologies.lookup",
    path="/technologies/lookup",
    decode=data_decoder(Any),
    spends_credits=None,
    safe_to_resend=True,
    rules=_IDENTIFIED,
)

JOBS_SEARCH: Route[Any] = Route(
    name="jobs.search",
    path="/companies/jobs/search",
    decode=data_decoder(Any),
    spends_credits=None,
    safe_to_resend=True,
    paginated=True,
    rules=Rules(
        ranges=PAGING,
        lists=(
            "search_terms",
            "titles",
            "locations",
            "exclude_locations",
            "company_locations",
            "companies",
            "domains",
            "linkedin_urls",
        ),
        pairs=("posted_dates",),
    ),
)
JOBS_LOOKUP: Route[Any] = Route(
    name="jobs.lookup",
    path="/companies/jobs/lookup",
    decode=data_decoder(Any),
    spends_credits=None,
    safe_to_resend=True,
    rules=Rules(required=("job_search_id",)),
)

NEWS_SEARCH: Route[Any] = Route(
    name="news.search",
    path="/companies/news/search",
    decode=data_decoder(Any),
    spends_credits=None,
    safe_to_resend=True,
    paginated=True,
    rules=Rules(
        ranges=PAGING,
        lists=(
            "search_terms",
            "categories",
            "locations",
            "company_locations",
            "companies",
            "domains",
            "linkedin_urls",
            "news_gallery_ids",
            "news_galleries",
            "news_languages",
        ),
        pairs=("published_dates",),
    ),
)
NEWS_LOOKUP: Route[Any] = Route(
    name="news.lookup",
    path="/companies/news/lookup",
    decode=data_decoder(Any),
    spends_credits=None,
    safe_to_resend=True,
    rules=Rules(required=("news_search_id",)),
)

ADVERTISEMENTS_SEARCH: Route[AdvertisementSearchReply] = Route(
    name="advertisements.search",
    path="/companies/advertisements/search",
    decode=page_decoder(AdvertisementSearchReply, tuple[AdvertisementRow, ...], "advertisements"),
    spends_credits=None,
    safe_to_resend=True,
    paginated=True,
    items_key="advertisements",
    rules=Rules(
        required=("filter_conditions[].key", "filter_conditions[].operator"),
        choices={"filter_conditions[].operator": OPERATORS},
        ranges=PAGING,
        lists=(
            "target_locations",
            "exclude_target_locations",
            "search_terms",
            "headlines",
            "filter_conditions",
            "company_locations",
            "companies",
            "domains",
            "linkedin_urls",
            "source_types",
        ),
        pairs=("start_dates", "end_dates"),
    ),
)
ADVERTISEMENTS_LOOKUP: Route[Any] = Route(
    name="advertisements.lookup",
    path="/companies/advertisements/lookup",
    decode=data_decoder(Any),
    spends_credits=None,
    safe_to_resend=True,
    rules=Rules(required=("advertisement_search_id",)),
)
