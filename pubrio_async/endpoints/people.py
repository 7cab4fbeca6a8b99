"""Finding people, and reading what is known of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import UNSET, UnsetType

from pubrio_async._routes import (
    PEOPLE_ENRICH,
    PEOPLE_LINKEDIN_LOOKUP,
    PEOPLE_LOOKUP,
    PEOPLE_SEARCH,
    PEOPLE_SEARCH_SIMILAR,
)
from pubrio_async.endpoints._base import Endpoints
from pubrio_async.endpoints._pages import Pages
from pubrio_async.models import (
    CompanyFilters,
    EmployeeRanges,
    FilterConditions,
    PeopleSearchReply,
    PersonRow,
    SimilarPeopleReply,
    SimilarPersonRow,
)


class PeopleEndpoints(Endpoints):
    """The `people` group."""

    async def search(
        self,
        *,
        search_term: str | UnsetType = UNSET,
        people_name: str | UnsetType = UNSET,
        people_titles: Sequence[str] | UnsetType = UNSET,
        peoples: Sequence[str] | UnsetType = UNSET,
        linkedin_urls: Sequence[str] | UnsetType = UNSET,
        management_levels: Sequence[str] | UnsetType = UNSET,
        departments: Sequence[str] | UnsetType = UNSET,
        department_functions: Sequence[str] | UnsetType = UNSET,
        people_locations: Sequence[str] | UnsetType = UNSET,
        people_groups: Sequence[Any] | UnsetType = UNSET,
        social_media: Any | UnsetType = UNSET,
        company_locations: Sequence[str] | UnsetType = UNSET,
        company_linkedin_urls: Sequence[str] | UnsetType = UNSET,
        companies: Sequence[str] | UnsetType = UNSET,
        domains: Sequence[str] | UnsetType = UNSET,
        employees: EmployeeRanges | UnsetType = UNSET,
        company_filters: CompanyFilters | Mapping[str, Any] | UnsetType = UNSET,
        filter_conditions: FilterConditions | UnsetType = UNSET,
        per_page: int | UnsetType = UNSET,
        page: int | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> PeopleSearchReply:
        """Searches people by filters on them and on their companies. Spends credits.

        Args:
            search_term: Free text.
            people_name: Name of the person.
            people_titles: Job titles, as free text or slugs; matched loosely.
            peoples: People, by their `people_search_id` (UUID).
            linkedin_urls: Pages of people on LinkedIn; those of companies go into
                `company_linkedin_urls`.
            management_levels: Slugs from `filters.management_levels`, such as `founder` or `vp`.
            departments: Slugs from `filters.departments`, such as `master_engineering`.
            department_functions: Slugs from `filters.department_functions`, such as
                `human_resources`.
            people_locations: Countries of the people, as ISO 3166-1 alpha-2 codes.
            people_groups: Ids of saved groups.
            social_media: Handles by network; the API documents no shape.
            company_locations: Countries of the companies, as ISO 3166-1 alpha-2 codes.
            company_linkedin_urls: Company pages on LinkedIn.
            companies: Companies, by their `domain_search_id` (UUID).
            domains: Companies, by their domains, such as `example.com`.
            employees: Headcounts as ranges `[[1, 10], [10001]]`, the last one open; one range may
                stand alone: `[1, 10]`.
            company_filters: Any filter of `companies.search`, as `CompanyFilters` or a mapping,
                with `filter_conditions` of its own.
            filter_conditions: How the values of a filter combine, as `FilterCondition` or mappings
                with `key` and `operator` (`and` or `or`); a filter not named matches any of its
                values.
            per_page: Rows in a page, from 1 to 25; by default 25.
            page: The page, from 1; by default 1.
            profile_id: Not needed; the key names the workspace.

        Returns:
            One page of people.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.
            PubrioError: The call failed; `may_have_charged` says whether it may have cost.

        API page: en/api-reference/endpoint/people/search
        """
        return await self._call(PEOPLE_SEARCH, locals())

    def search_iter(
        self,
        *,
        search_term: str | UnsetType = UNSET,
        people_name: str | UnsetType = UNSET,
        people_titles: Sequence[str] | UnsetType = UNSET,
        peoples: Sequence[str] | UnsetType = UNSET,
        linkedin_urls: Sequence[str] | UnsetType = UNSET,
        management_levels: Sequence[str] | UnsetType = UNSET,
        departments: Sequence[str] | UnsetType = UNSET,
        department_functions: Sequence[str] | UnsetType = UNSET,
        people_locations: Sequence[str] | UnsetType = UNSET,
        people_groups: Sequence[Any] | UnsetType = UNSET,
        social_media: Any | UnsetType = UNSET,
        company_locations: Sequence[str] | UnsetType = UNSET,
        company_linkedin_urls: Sequence[str] | UnsetType = UNSET,
        companies: Sequence[str] | UnsetType = UNSET,
        domains: Sequence[str] | UnsetType = UNSET,
        employees: EmployeeRanges | UnsetType = UNSET,
        company_filters: CompanyFilters | Mapping[str, Any] | UnsetType = UNSET,
        filter_conditions: FilterConditions | UnsetType = UNSET,
        per_page: int | UnsetType = UNSET,
        page: int | UnsetType = UNSET,
        max_items: int | None = None,
        max_pages: int | None = None,
        profile_id: int | UnsetType = UNSET,
    ) -> Pages[PersonRow]:
        """Iterates over the rows of all pages of `search`. Spends credits.

        Each page is a paid call, made when its first row is asked for.

        Args:
            search_term: As in `search`.
            people_name: As in `search`.
            people_titles: As in `search`.
            peoples: As in `search`.
            linkedin_urls: As in `search`.
            management_levels: As in `search`.
            departments: As in `search`.
            department_functions: As in `search`.
            people_locations: As in `search`.
            people_groups: As in `search`.
            social_media: As in `search`.
            company_locations: As in `search`.
            company_linkedin_urls: As in `search`.
            companies: As in `search`.
            domains: As in `search`.
            employees: As in `search`.
            company_filters: As in `search`.
            filter_conditions: As in `search`.
            per_page: Rows in a page, from 1 to 25; by default 25.
            page: The page to begin with, from 1; by default 1.
            max_items: Most rows to hand out; None for no bound.
            max_pages: Most pages to fetch; None for no bound.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The people; the errors of a page are raised while iterating.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.

        API page: en/api-reference/endpoint/people/search
        """
        return self._pages(PEOPLE_SEARCH, locals())

    async def search_similar(
        self,
        *,
        people_search_id: str | UnsetType = UNSET,
        linkedin_url: str | UnsetType = UNSET,
        search_term: str | UnsetType = UNSET,
        people_name: str | UnsetType = UNSET,
        people_titles: Sequence[str] | UnsetType = UNSET,
        peoples: Sequence[str] | UnsetType = UNSET,
        linkedin_urls: Sequence[str] | UnsetType = UNSET,
        management_levels: Sequence[str] | UnsetType = UNSET,
        departments: Sequence[str] | UnsetType = UNSET,
        department_functions: Sequence[str] | UnsetType = UNSET,
        people_locations: Sequence[str] | UnsetType = UNSET,
        people_groups: Sequence[Any] | UnsetType = UNSET,
        social_media: Any | UnsetType = UNSET,
        company_locations: Sequence[str] | UnsetType = UNSET,
        company_linkedin_urls: Sequence[str] | UnsetType = UNSET,
        companies: Sequence[str] | UnsetType = UNSET,
        domains: Sequence[str] | UnsetType = UNSET,
        employees: EmployeeRanges | UnsetType = UNSET,
        company_filters: CompanyFilters | Mapping[str, Any] | UnsetType = UNSET,
        filter_conditions: FilterConditions | UnsetType = UNSET,
        per_page: int | UnsetType = UNSET,
        page: int | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> SimilarPeopleReply:
        """Searches people who resemble a reference person or title. May spend credits.

        Args:
            people_search_id: The reference person's id (UUID); at least one of this,
                `linkedin_url`, `people_titles`, `linkedin_urls` and `peoples` is needed.
            linkedin_url: The reference person's page on LinkedIn.
            search_term: Free text.
            people_name: Name of the person.
            people_titles: Job titles, as free text or slugs; matched loosely.
            peoples: People, by their `people_search_id` (UUID).
            linkedin_urls: Pages of people on LinkedIn; those of companies go into
                `company_linkedin_urls`.
            management_levels: Slugs from `filters.management_levels`, such as `founder` or `vp`.
            departments: Slugs from `filters.departments`, such as `master_engineering`.
            department_functions: Slugs from `filters.department_functions`, such as
                `human_resources`.
            people_locations: Countries of the people, as ISO 3166-1 alpha-2 codes.
            people_groups: Ids of saved groups.
            social_media: Handles by network; the API documents no shape.
            company_locations: Countries of the companies, as ISO 3166-1 alpha-2 codes.
            company_linkedin_urls: Company pages on LinkedIn.
            companies: Companies, by their `domain_search_id` (UUID).
            domains: Companies, by their domains, such as `example.com`.
            employees: Headcounts as ranges `[[1, 10], [10001]]`, the last one open; one range may
                stand alone: `[1, 10]`.
            company_filters: Any filter of `companies.search`, as `CompanyFilters` or a mapping,
                with `filter_conditions` of its own.
            filter_conditions: How the values of a filter combine, as `FilterCondition` or mappings
                with `key` and `operator` (`and` or `or`); a filter not named matches any of its
                values.
            per_page: Rows in a page, from 1 to 25; by default 25.
            page: The page, from 1; by default 1.
            profile_id: Not needed; the key names the workspace.

        Returns:
            One page of people, the most similar first.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.
            PubrioError: The call failed; `may_have_charged` says whether it may have cost.

        API page: en/api-reference/endpoint/people/search_similar
        """
        return await self._call(PEOPLE_SEARCH_SIMILAR, locals())

    def search_similar_iter(
        self,
        *,
        people_search_id: str | UnsetType = UNSET,
        linkedin_url: str | UnsetType = UNSET,
        search_term: str | UnsetType = UNSET,
        people_name: str | UnsetType = UNSET,
        people_titles: Sequence[str] | UnsetType = UNSET,
        peoples: Sequence[str] | UnsetType = UNSET,
        linkedin_urls: Sequence[str] | UnsetType = UNSET,
        management_levels: Sequence[str] | UnsetType = UNSET,
        departments: Sequence[str] | UnsetType = UNSET,
        department_functions: Sequence[str] | UnsetType = UNSET,
        people_locations: Sequence[str] | UnsetType = UNSET,
        people_groups: Sequence[Any] | UnsetType = UNSET,
        social_media: Any | UnsetType = UNSET,
        company_locations: Sequence[str] | UnsetType = UNSET,
        company_linkedin_urls: Sequence[str] | UnsetType = UNSET,
        companies: Sequence[str] | UnsetType = UNSET,
        domains: Sequence[str] | UnsetType = UNSET,
        employees: EmployeeRanges | UnsetType = UNSET,
        company_filters: CompanyFilters | Mapping[str, Any] | UnsetType = UNSET,
        filter_conditions: FilterConditions | UnsetType = UNSET,
        per_page: int | UnsetType = UNSET,
        page: int | UnsetType = UNSET,
        max_items: int | None = None,
        max_pages: int | None = None,
        profile_id: int | UnsetType = UNSET,
    ) -> Pages[SimilarPersonRow]:
        """Iterates over the rows of all pages of `search_similar`. May spend credits.

        Each page may be a paid call; it is made when its first row is asked for.

        Args:
            people_search_id: As in `search_similar`.
            linkedin_url: As in `search_similar`.
            search_term: As in `search_similar`.
            people_name: As in `search_similar`.
            people_titles: As in `search_similar`.
            peoples: As in `search_similar`.
            linkedin_urls: As in `search_similar`.
            management_levels: As in `search_similar`.
            departments: As in `search_similar`.
            department_functions: As in `search_similar`.
            people_locations: As in `search_similar`.
            people_groups: As in `search_similar`.
            social_media: As in `search_similar`.
            company_locations: As in `search_similar`.
            company_linkedin_urls: As in `search_similar`.
            companies: As in `search_similar`.
            domains: As in `search_similar`.
            employees: As in `search_similar`.
            company_filters: As in `search_similar`.
            filter_conditions: As in `search_similar`.
            per_page: Rows in a page, from 1 to 25; by default 25.
            page: The page to begin with, from 1; by default 1.
            max_items: Most rows to hand out; None for no bound.
            max_pages: Most pages to fetch; None for no bound.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The people, the most similar first; the errors of a page are raised while iterating.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.

        API page: en/api-reference/endpoint/people/search_similar
        """
        return self._pages(PEOPLE_SEARCH_SIMILAR, locals())

    async def lookup(
        self,
        *,
        people_search_id: str | UnsetType = UNSET,
        linkedin_url: str | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> Any:
        """Reads the profile of one person; contacts stay locked. May spend credits.

        Args:
            people_search_id: The person's id (UUID); exactly one of this and `linkedin_url`.
            linkedin_url: The person's page on LinkedIn.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.
            PubrioError: The call failed; `may_have_charged` says whether it may have cost.

        API page: en/api-reference/endpoint/people/lookup
        """
        return await self._call(PEOPLE_LOOKUP, locals())

    async def linkedin_lookup(
        self,
        *,
        people_linkedin_url: str,
        profile_id: int | UnsetType = UNSET,
    ) -> Any:
        """Reads the profile of one person from LinkedIn, in real time. May spend credits.

        Args:
            people_linkedin_url: The person's page on LinkedIn.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.
            PubrioError: The call failed; `may_have_charged` says whether it may have cost.

        API page: en/api-reference/endpoint/people/linkedin_lookup
        """
        return await self._call(PEOPLE_LINKEDIN_LOOKUP, locals())

    async def enrich(
        self,
        *,
        people_search_id: str | UnsetType = UNSET,
        linkedin_url: str | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> Any:
        """Reads one person's work history, skills and education. Spends credits.

        Args:
            people_search_id: The person's id (UUID); exactly one of this and `linkedin_url`.
            linkedin_url: The person's page on LinkedIn.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.
            PubrioError: The call failed; `may_have_charged` says whether it may have cost.

        API page: none; POST /people/enrichment as the official clients use it.
        """
        return await self._call(PEOPLE_ENRICH, locals())
