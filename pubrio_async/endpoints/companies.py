"""Finding companies, and reading what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from msgspec import UNSET, UnsetType

from pubrio_async._routes import (
    COMPANIES_ENRICH,
    COMPANIES_LINKEDIN_LOOKUP,
    COMPANIES_LOOKUP,
    COMPANIES_SEARCH,
)
from pubrio_async.endpoints._base import Endpoints
from pubrio_async.endpoints._pages import Pages
from pubrio_async.models import CompanyRow, CompanySearchReply, EmployeeRanges, FilterConditions


class Companies(Endpoints):
    """The `companies` group."""

    async def search(
        self,
        *,
        company_name: str | UnsetType = UNSET,
        companies: Sequence[str] | UnsetType = UNSET,
        domains: Sequence[str] | UnsetType = UNSET,
        linkedin_urls: Sequence[str] | UnsetType = UNSET,
        locations: Sequence[str] | UnsetType = UNSET,
        exclude_locations: Sequence[str] | UnsetType = UNSET,
        technologies: Sequence[int | str] | UnsetType = UNSET,
        categories: Sequence[int] | UnsetType = UNSET,
        verticals: Sequence[int | str] | UnsetType = UNSET,
        vertical_categories: Sequence[int] | UnsetType = UNSET,
        vertical_sub_categories: Sequence[int] | UnsetType = UNSET,
        employees: EmployeeRanges | UnsetType = UNSET,
        founded_dates: Sequence[int] | UnsetType = UNSET,
        revenues: Sequence[int] | UnsetType = UNSET,
        job_titles: Sequence[str] | UnsetType = UNSET,
        job_locations: Sequence[str] | UnsetType = UNSET,
        job_posted_dates: Sequence[str | date] | UnsetType = UNSET,
        news_categories: Sequence[str] | UnsetType = UNSET,
        news_published_dates: Sequence[str | date] | UnsetType = UNSET,
        is_enable_similarity_search: bool | UnsetType = UNSET,
        similarity_score: float | UnsetType = UNSET,
        places: Sequence[str] | UnsetType = UNSET,
        exclude_places: Sequence[str] | UnsetType = UNSET,
        keywords: Sequence[str] | UnsetType = UNSET,
        job_exclude_locations: Sequence[str] | UnsetType = UNSET,
        news_galleries: Sequence[str] | UnsetType = UNSET,
        news_gallery_ids: Sequence[str] | UnsetType = UNSET,
        advertisement_search_terms: Sequence[str] | UnsetType = UNSET,
        advertisement_target_locations: Sequence[str] | UnsetType = UNSET,
        advertisement_exclude_target_locations: Sequence[str] | UnsetType = UNSET,
        advertisement_start_dates: Sequence[str | date] | UnsetType = UNSET,
        advertisement_end_dates: Sequence[str | date] | UnsetType = UNSET,
        exclude_fields: Sequence[str] | UnsetType = UNSET,
        filter_conditions: FilterConditions | UnsetType = UNSET,
        per_page: int | UnsetType = UNSET,
        page: int | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> CompanySearchReply:
        """Searches companies by what they are, what they use and what they do. Spends credits.

        Args:
            company_name: Name of the company.
            companies: Companies, by their `domain_search_id` (UUID).
            domains: Companies, by their domains, such as `example.com`.
            linkedin_urls: Company pages on LinkedIn.
            locations: Countries, as ISO 3166-1 alpha-2 codes.
            exclude_locations: Countries to leave out, as ISO 3166-1 alpha-2 codes.
            technologies: Ids, or names if `is_enable_similarity_search` is True.
            categories: Ids from `filters.technology_categories`.
            verticals: Ids, or names if `is_enable_similarity_search` is True.
            vertical_categories: Ids from `filters.vertical_categories`.
            vertical_sub_categories: Ids from `filters.vertical_sub_categories`.
            employees: Headcounts as ranges `[[1, 10], [10001]]`, the last one open; one range may
                stand alone: `[1, 10]`.
            founded_dates: Years of foundation, both ends.
            revenues: Revenues, both ends.
            job_titles: Titles of open jobs.
            job_locations: Countries of open jobs, as ISO 3166-1 alpha-2 codes.
            job_posted_dates: When a job was posted: both ends, as `YYYY-MM-DD`.
            news_categories: Slugs from `filters.news_categories`, such as `launches`.
            news_published_dates: When news came out: both ends, as `YYYY-MM-DD`.
            is_enable_similarity_search: Whether names need to match only loosely.
            similarity_score: Least similarity, from 0 to 1.
            places: Names of cities or regions.
            exclude_places: Names of cities or regions to leave out.
            keywords: Words that describe the company.
            job_exclude_locations: Countries of open jobs to leave out, as ISO 3166-1 alpha-2 codes.
            news_galleries: Slugs from `filters.news_galleries`.
            news_gallery_ids: News galleries, by id (UUID).
            advertisement_search_terms: Free texts in advertisements.
            advertisement_target_locations: Countries advertised to, as ISO 3166-1 alpha-2 codes.
            advertisement_exclude_target_locations: Countries advertised to that rule a company out,
                as ISO 3166-1 alpha-2 codes.
            advertisement_start_dates: When an advertisement began: both ends, as `YYYY-MM-DD`.
            advertisement_end_dates: When an advertisement ended: both ends, as `YYYY-MM-DD`.
            exclude_fields: Fields to drop from every row; they are None in the reply.
            filter_conditions: How the values of a filter combine, as `FilterCondition` or mappings
                with `key` and `operator` (`and` or `or`); a filter not named matches any of its
                values.
            per_page: Rows in a page, from 1 to 25; by default 25.
            page: The page, from 1; by default 1.
            profile_id: Not needed; the key names the workspace.

        Returns:
            One page of companies.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.
            PubrioError: The call failed; `may_have_charged` says whether it may have cost.

        API page: en/api-reference/endpoint/companies/search
        """
        return await self._call(COMPANIES_SEARCH, locals())

    def search_iter(
        self,
        *,
        company_name: str | UnsetType = UNSET,
        companies: Sequence[str] | UnsetType = UNSET,
        domains: Sequence[str] | UnsetType = UNSET,
        linkedin_urls: Sequence[str] | UnsetType = UNSET,
        locations: Sequence[str] | UnsetType = UNSET,
        exclude_locations: Sequence[str] | UnsetType = UNSET,
        technologies: Sequence[int | str] | UnsetType = UNSET,
        categories: Sequence[int] | UnsetType = UNSET,
        verticals: Sequence[int | str] | UnsetType = UNSET,
        vertical_categories: Sequence[int] | UnsetType = UNSET,
        vertical_sub_categories: Sequence[int] | UnsetType = UNSET,
        employees: EmployeeRanges | UnsetType = UNSET,
        founded_dates: Sequence[int] | UnsetType = UNSET,
        revenues: Sequence[int] | UnsetType = UNSET,
        job_titles: Sequence[str] | UnsetType = UNSET,
        job_locations: Sequence[str] | UnsetType = UNSET,
        job_posted_dates: Sequence[str | date] | UnsetType = UNSET,
        news_categories: Sequence[str] | UnsetType = UNSET,
        news_published_dates: Sequence[str | date] | UnsetType = UNSET,
        is_enable_similarity_search: bool | UnsetType = UNSET,
        similarity_score: float | UnsetType = UNSET,
        places: Sequence[str] | UnsetType = UNSET,
        exclude_places: Sequence[str] | UnsetType = UNSET,
        keywords: Sequence[str] | UnsetType = UNSET,
        job_exclude_locations: Sequence[str] | UnsetType = UNSET,
        news_galleries: Sequence[str] | UnsetType = UNSET,
        news_gallery_ids: Sequence[str] | UnsetType = UNSET,
        advertisement_search_terms: Sequence[str] | UnsetType = UNSET,
        advertisement_target_locations: Sequence[str] | UnsetType = UNSET,
        advertisement_exclude_target_locations: Sequence[str] | UnsetType = UNSET,
        advertisement_start_dates: Sequence[str | date] | UnsetType = UNSET,
        advertisement_end_dates: Sequence[str | date] | UnsetType = UNSET,
        exclude_fields: Sequence[str] | UnsetType = UNSET,
        filter_conditions: FilterConditions | UnsetType = UNSET,
        per_page: int | UnsetType = UNSET,
        page: int | UnsetType = UNSET,
        max_items: int | None = None,
        max_pages: int | None = None,
        profile_id: int | UnsetType = UNSET,
    ) -> Pages[CompanyRow]:
        """Iterates over the rows of all pages of `search`. Spends credits.

        Each page is a paid call, made when its first row is asked for.

        Args:
            company_name: As in `search`.
            companies: As in `search`.
            domains: As in `search`.
            linkedin_urls: As in `search`.
            locations: As in `search`.
            exclude_locations: As in `search`.
            technologies: As in `search`.
            categories: As in `search`.
            verticals: As in `search`.
            vertical_categories: As in `search`.
            vertical_sub_categories: As in `search`.
            employees: As in `search`.
            founded_dates: As in `search`.
            revenues: As in `search`.
            job_titles: As in `search`.
            job_locations: As in `search`.
            job_posted_dates: As in `search`.
            news_categories: As in `search`.
            news_published_dates: As in `search`.
            is_enable_similarity_search: As in `search`.
            similarity_score: As in `search`.
            places: As in `search`.
            exclude_places: As in `search`.
            keywords: As in `search`.
            job_exclude_locations: As in `search`.
            news_galleries: As in `search`.
            news_gallery_ids: As in `search`.
            advertisement_search_terms: As in `search`.
            advertisement_target_locations: As in `search`.
            advertisement_exclude_target_locations: As in `search`.
            advertisement_start_dates: As in `search`.
            advertisement_end_dates: As in `search`.
            exclude_fields: As in `search`.
            filter_conditions: As in `search`.
            per_page: Rows in a page, from 1 to 25; by default 25.
            page: The page to begin with, from 1; by default 1.
            max_items: Most rows to hand out; None for no bound.
            max_pages: Most pages to fetch; None for no bound.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The companies; the errors of a page are raised while iterating.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.

        API page: en/api-reference/endpoint/companies/search
        """
        return self._pages(COMPANIES_SEARCH, locals())

    async def lookup(
        self,
        *,
        domain: str | UnsetType = UNSET,
        linkedin_url: str | UnsetType = UNSET,
        domain_search_id: str | UnsetType = UNSET,
        domain_id: int | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> Any:
        """Reads the details of one company. May spend credits.

        Args:
            domain: A bare host, such as `example.com`; at least one of this, `linkedin_url`,
                `domain_search_id` and `domain_id` is needed.
            linkedin_url: The company's page on LinkedIn.
            domain_search_id: The company's id (UUID).
            domain_id: The company's number.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.
            PubrioError: The call failed; `may_have_charged` says whether it may have cost.

        API page: none; POST /companies/lookup as the official clients use it.
        """
        return await self._call(COMPANIES_LOOKUP, locals())

    async def linkedin_lookup(
        self,
        *,
        linkedin_url: str,
        profile_id: int | UnsetType = UNSET,
    ) -> Any:
        """Reads the details of one company from its LinkedIn page. May spend credits.

        Args:
            linkedin_url: The company's page on LinkedIn.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.
            PubrioError: The call failed; `may_have_charged` says whether it may have cost.

        API page: en/api-reference/endpoint/companies/linkedin_lookup
        """
        return await self._call(COMPANIES_LINKEDIN_LOOKUP, locals())

    async def enrich(
        self,
        *,
        domain: str | UnsetType = UNSET,
        linkedin_url: str | UnsetType = UNSET,
        domain_search_id: str | UnsetType = UNSET,
        domain_id: int | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> Any:
        """Reads one company's funding, headcount and technologies. Spends credits.

        Args:
            domain: A bare host, such as `example.com`; at least one of this, `linkedin_url`,
                `domain_search_id` and `domain_id` is needed.
            linkedin_url: The company's page on LinkedIn.
            domain_search_id: The company's id (UUID).
            domain_id: The company's number.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.
            PubrioError: The call failed; `may_have_charged` says whether it may have cost.

        API page: en/api-reference/endpoint/companies/enrichment
        """
        return await self._call(COMPANIES_ENRICH, locals())
