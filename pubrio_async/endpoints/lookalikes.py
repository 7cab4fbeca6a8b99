"""Companies that resemble a company."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from msgspec import UNSET, UnsetType

from pubrio_async._routes import LOOKALIKES_LOOKUP, LOOKALIKES_SEARCH
from pubrio_async.endpoints._base import Endpoints
from pubrio_async.endpoints._pages import Pages
from pubrio_async.models import EmployeeRanges


class Lookalikes(Endpoints):
    """The `lookalikes` group."""

    async def search(
        self,
        *,
        domain: str | UnsetType = UNSET,
        linkedin_url: str | UnsetType = UNSET,
        domain_search_id: str | UnsetType = UNSET,
        domain_id: int | UnsetType = UNSET,
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
        per_page: int | UnsetType = UNSET,
        page: int | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> Any:
        """Searches companies that resemble a reference company. May spend credits.

        Args:
            domain: A bare host, such as `example.com`; at least one of this, `linkedin_url`,
                `domain_search_id` and `domain_id` is needed.
            linkedin_url: The company's page on LinkedIn.
            domain_search_id: The company's id (UUID).
            domain_id: The company's number.
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
            per_page: Rows in a page, from 1 to 25; by default 25.
            page: The page, from 1; by default 1.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.
            PubrioError: The call failed; `may_have_charged` says whether it may have cost.

        API page: en/api-reference/endpoint/companies/similar
        """
        return await self._call(LOOKALIKES_SEARCH, locals())

    def search_iter(
        self,
        *,
        domain: str | UnsetType = UNSET,
        linkedin_url: str | UnsetType = UNSET,
        domain_search_id: str | UnsetType = UNSET,
        domain_id: int | UnsetType = UNSET,
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
        per_page: int | UnsetType = UNSET,
        page: int | UnsetType = UNSET,
        max_items: int | None = None,
        max_pages: int | None = None,
        profile_id: int | UnsetType = UNSET,
    ) -> Pages[Any]:
        """Iterates over the rows of all pages of `search`. May spend credits.

        Each page may be a paid call; it is made when its first row is asked for.

        Args:
            domain: As in `search`.
            linkedin_url: As in `search`.
            domain_search_id: As in `search`.
            domain_id: As in `search`.
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
            per_page: Rows in a page, from 1 to 25; by default 25.
            page: The page to begin with, from 1; by default 1.
            max_items: Most rows to hand out; None for no bound.
            max_pages: Most pages to fetch; None for no bound.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The rows as they come; the errors of a page are raised while iterating.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.

        API page: en/api-reference/endpoint/companies/similar
        """
        return self._pages(LOOKALIKES_SEARCH, locals())

    async def lookup(
        self,
        *,
        domain: str | UnsetType = UNSET,
        linkedin_url: str | UnsetType = UNSET,
        domain_search_id: str | UnsetType = UNSET,
        domain_id: int | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> Any:
        """Reads the details of one company as a lookalike. May spend credits.

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

        API page: en/api-reference/endpoint/companies/similar_lookup
        """
        return await self._call(LOOKALIKES_LOOKUP, locals())
