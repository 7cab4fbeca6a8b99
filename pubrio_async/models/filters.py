"""What searches take beside plain values. A field that is not set is not sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Literal, TypeAlias

from msgspec import UNSET, Struct, UnsetType


class FilterCondition(Struct, frozen=True, kw_only=True):
    """How the values of one filter combine.

    Attributes:
        key: The filter, such as `technologies`.
        operator: `and`: all of its values must match; `or`: any of them, as without a condition.
    """

    key: str
    operator: Literal["and", "or"]


FilterConditions: TypeAlias = Sequence[FilterCondition | Mapping[str, Any]]
"""Conditions, also as mappings with `key` and `operator`."""

EmployeeRanges: TypeAlias = Sequence[Sequence[int]] | Sequence[int]
"""Ranges `[lowest, highest]` or `[lowest]`; one of them may stand alone."""


class CompanyFilters(Struct, frozen=True, kw_only=True):
    """The filters of `companies.search`, for calls that take them as one object.

    A plain mapping does as well, also for filters that are not documented.

    Attributes:
        company_name: Name of the company.
        companies: Companies, by their `domain_search_id` (UUID).
        domains: Companies, by their domains.
        linkedin_urls: Company pages on LinkedIn.
        locations: Countries, as ISO 3166-1 alpha-2 codes.
        exclude_locations: Countries to leave out.
        places: Names of cities or regions.
        exclude_places: Names of cities or regions to leave out.
        keywords: Words that describe the company.
        technologies: Ids, or names if `is_enable_similarity_search` is True.
        categories: Ids from `filters.technology_categories`.
        verticals: Ids, or names if `is_enable_similarity_search` is True.
        vertical_categories: Ids from `filters.vertical_categories`.
        vertical_sub_categories: Ids from `filters.vertical_sub_categories`.
        employees: Headcounts as ranges `[[1, 10], [10001]]`; one may stand alone: `[1, 10]`.
        founded_dates: Years of foundation, both ends.
        revenues: Revenues, both ends.
        job_titles: Titles of open jobs.
        job_locations: Countries of open jobs.
        job_exclude_locations: Countries of open jobs to leave out.
        job_posted_dates: When a job was posted: both ends, as `YYYY-MM-DD`.
        news_categories: Slugs from `filters.news_categories`.
        news_galleries: Slugs from `filters.news_galleries`.
        news_gallery_ids: News galleries, by id (UUID).
        news_published_dates: When news came out: both ends, as `YYYY-MM-DD`.
        advertisement_search_terms: Free texts in advertisements.
        advertisement_target_locations: Countries advertised to.
        advertisement_exclude_target_locations: Countries advertised to that rule a company out.
        advertisement_start_dates: When an advertisement began: both ends, as `YYYY-MM-DD`.
        advertisement_end_dates: When an advertisement ended: both ends, as `YYYY-MM-DD`.
        is_enable_similarity_search: Whether names need to match only loosely.
        similarity_score: Least similarity, from 0 to 1.
        filter_conditions: How the values of these filters combine.
    """

    company_name: str | UnsetType = UNSET
    companies: Sequence[str] | UnsetType = UNSET
    domains: Sequence[str] | UnsetType = UNSET
    linkedin_urls: Sequence[str] | UnsetType = UNSET
    locations: Sequence[str] | UnsetType = UNSET
    exclude_locations: Sequence[str] | UnsetType = UNSET
    places: Sequence[str] | UnsetType = UNSET
    exclude_places: Sequence[str] | UnsetType = UNSET
    keywords: Sequence[str] | UnsetType = UNSET
    technologies: Sequence[int | str] | UnsetType = UNSET
    categories: Sequence[int] | UnsetType = UNSET
    verticals: Sequence[int | str] | UnsetType = UNSET
    vertical_categories: Sequence[int] | UnsetType = UNSET
    vertical_sub_categories: Sequence[int] | UnsetType = UNSET
    employees: EmployeeRanges | UnsetType = UNSET
    founded_dates: Sequence[int] | UnsetType = UNSET
    revenues: Sequence[int] | UnsetType = UNSET
    job_titles: Sequence[str] | UnsetType = UNSET
    job_locations: Sequence[str] | UnsetType = UNSET
    job_exclude_locations: Sequence[str] | UnsetType = UNSET
    job_posted_dates: Sequence[str | date] | UnsetType = UNSET
    news_categories: Sequence[str] | UnsetType = UNSET
    news_galleries: Sequence[str] | UnsetType = UNSET
    news_gallery_ids: Sequence[str] | UnsetType = UNSET
    news_published_dates: Sequence[str | date] | UnsetType = UNSET
    advertisement_search_terms: Sequence[str] | UnsetType = UNSET
    advertisement_target_locations: Sequence[str] | UnsetType = UNSET
    advertisement_exclude_target_locations: Sequence[str] | UnsetType = UNSET
    advertisement_start_dates: Sequence[str | date] | UnsetType = UNSET
    advertisement_end_dates: Sequence[str | date] | UnsetType = UNSET
    is_enable_similarity_search: bool | UnsetType = UNSET
    similarity_score: float | UnsetType = UNSET
    filter_conditions: FilterConditions | UnsetType = UNSET
