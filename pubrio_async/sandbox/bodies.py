"""What searches and lookups are asked with: the fields, their types and their bounds.

A body that does not fit is refused as malformed (400). Fields that are not listed are ignored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta, Struct

from pubrio_async.sandbox.wire import bad_request

Uuid = Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$")]
_CountryCode = Annotated[str, Meta(pattern="^[A-Za-z]{2}$")]
PersonUrl = Annotated[
    str, Meta(pattern=r"(?i)^\s*https?://([^/?#@]*\.)?linkedin\.com/(in|pub)/[^/?#]")
]
_Url = Annotated[str, Meta(pattern=r"(?i)^\s*https?://([^/?#@]*\.)?linkedin\.com/company/[^/?#]")]
_Range = Annotated[tuple[int, ...], Meta(min_length=1, max_length=2)]

Texts: TypeAlias = tuple[str, ...] | None
Numbers: TypeAlias = tuple[int, ...] | None
Names: TypeAlias = tuple[int | str, ...] | None
Uuids: TypeAlias = tuple[Uuid, ...] | None
Codes: TypeAlias = tuple[_CountryCode, ...] | None
Urls: TypeAlias = tuple[_Url, ...] | None
Days: TypeAlias = tuple[date, date] | None


class Condition(Struct, frozen=True):
    """One entry of `filter_conditions`."""

    key: str | None = None
    operator: str = "or"


class Paged(Struct, kw_only=True):
    """Which page of a list is wanted."""

    page: Annotated[int, Meta(ge=1)] = 1
    per_page: Annotated[int, Meta(ge=1, le=25)] = 25


class Conditioned(Struct, kw_only=True):
    """Filters of which some have to match in all their values."""

    filter_conditions: tuple[Condition, ...] | None = None

    def every(self) -> frozenset[str]:
        """The keys whose operator is `and`; entries without a key are skipped."""
        found: set[str] = set()
        for condition in self.filter_conditions or ():
            operator = condition.operator.lower()
            if operator not in {"and", "or"}:
                raise bad_request(
                    "operator must be 'and' or 'or'.", {"operator": condition.operator}
                )
            if operator == "and" and condition.key:
                found.add(condition.key)
        return frozenset(found)


class CompanyFilters(Conditioned, kw_only=True):
    """The filters of `companies.search`."""

    company_name: str | None = None
    companies: Uuids = None
    domains: Texts = None
    linkedin_urls: Urls = None
    locations: Codes = None
    exclude_locations: Codes = None
    places: Texts = None
    exclude_places: Texts = None
    technologies: Names = None
    categories: Numbers = None
    verticals: Names = None
    vertical_categories: Numbers = None
    vertical_sub_categories: Numbers = None
    keywords: Texts = None
    employees: tuple[_Range, ...] | None = None
    founded_dates: tuple[int, int] | None = None
    revenues: tuple[float, float] | None = None
    job_titles: Texts = None
    job_locations: Codes = None
    job_exclude_locations: Codes = None
    job_posted_dates: Days = None
    news_categories: Texts = None
    news_galleries: Texts = None
    news_gallery_ids: Uuids = None
    news_published_dates: Days = None
    advertisement_search_terms: Texts = None
    advertisement_target_locations: Codes = None
    advertisement_exclude_target_locations: Codes = None
    advertisement_start_dates: Days = None
    advertisement_end_dates: Days = None
    is_enable_similarity_search: bool | None = None
    similarity_score: Annotated[float, Meta(ge=0, le=1)] | None = None
    exclude_fields: Texts = None


class PeopleFilters(Conditioned, kw_only=True):
    """The filters of `people.search` that are about the person."""

    search_term: str | None = None
    people_name: str | None = None
    people_titles: Texts = None
    peoples: Uuids = None
    linkedin_urls: tuple[PersonUrl, ...] | None = None
    management_levels: Texts = None
    departments: Texts = None
    department_functions: Texts = None
    people_locations: Codes = None
    people_groups: tuple[Any, ...] | None = None
    company_filters: CompanyFilters | None = None


class SignalFilters(Conditioned, kw_only=True):
    """What the filters of jobs, news and advertisements have in common."""

    search_term: str | None = None
    search_terms: Texts = None
    company_locations: Codes = None
    companies: Uuids = None
    domains: Texts = None
    linkedin_urls: Urls = None


class JobFilters(SignalFilters, kw_only=True):
    """The filters of `jobs.search`."""

    titles: Texts = None
    posted_dates: Days = None
    locations: Codes = None
    exclude_locations: Codes = None


class NewsFilters(SignalFilters, kw_only=True):
    """The filters of `news.search`."""

    categories: Texts = None
    published_dates: Days = None
    locations: Codes = None
    news_gallery_ids: Uuids = None
    news_galleries: Texts = None
    news_languages: Texts = None


class AdvertisementFilters(SignalFilters, kw_only=True):
    """The filters of `advertisements.search`."""

    target_locations: Codes = None
    exclude_target_locations: Codes = None
    headlines: Texts = None
    start_dates: Days = None
    end_dates: Days = None
    source_types: Texts = None
    is_realtime_enrichment: bool | None = None
    enrichment_mode: str | None = None


class PersonKey(Struct, kw_only=True):
    """Who is meant; one of them."""

    people_search_id: Uuid | None = None
    linkedin_url: PersonUrl | None = None

    def refuse_empty(self) -> None:
        """Refuses a body that means nobody."""
        if not self.people_search_id and not self.linkedin_url:
            raise bad_request("people_search_id or linkedin_url is required.")


class CompanyKey(Struct, kw_only=True):
    """Which company is meant; one of them."""

    domain: str | None = None
    linkedin_url: _Url | None = None
    domain_search_id: Uuid | None = None
    domain_id: int | None = None

    def refuse_empty(self) -> None:
        """Refuses a body that means no company."""
        if not (self.domain or self.linkedin_url or self.domain_search_id) and (
            self.domain_id is None
        ):
            raise bad_request(
                "One of domain, linkedin_url, domain_search_id and domain_id is required."
            )


class PeopleUrl(Struct):
    """The body of `people.linkedin_lookup`."""

    people_linkedin_url: PersonUrl


class CompanyUrl(Struct):
    """The body of `companies.linkedin_lookup`."""

    linkedin_url: _Url


class Keyword(Struct):
    """The body of a reference list."""

    keyword: str | None = None


# Beside people filters these company filters have names of their own.
_PREFIXED = ("locations", "exclude_locations", "places", "exclude_places", "linkedin_urls")
_OWN = frozenset(
    name for name in CompanyFilters.__struct_fields__ if name not in {*_PREFIXED, "exclude_fields"}
)


def company_filters_beside(fields: Mapping[str, Any]) -> CompanyFilters:
    """The company filters at the top level of a body of `people.search`."""

    def renamed() -> Iterator[tuple[str, Any]]:
        for name, value in fields.items():
            short = name.removeprefix("company_")
            if name in _OWN:
                yield name, value
            elif short != name and short in _PREFIXED:
                yield short, value

    return msgspec.convert(dict(renamed()), CompanyFilters)
