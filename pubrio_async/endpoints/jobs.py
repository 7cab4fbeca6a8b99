"""Job postings of companies."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from msgspec import UNSET, UnsetType

from pubrio_async._routes import JOBS_LOOKUP, JOBS_SEARCH
from pubrio_async.endpoints._base import Endpoints
from pubrio_async.endpoints._pages import Pages


class Jobs(Endpoints):
    """The `jobs` group."""

    async def search(
        self,
        *,
        search_term: str | UnsetType = UNSET,
        search_terms: Sequence[str] | UnsetType = UNSET,
        titles: Sequence[str] | UnsetType = UNSET,
        posted_dates: Sequence[str | date] | UnsetType = UNSET,
        locations: Sequence[str] | UnsetType = UNSET,
        exclude_locations: Sequence[str] | UnsetType = UNSET,
        company_locations: Sequence[str] | UnsetType = UNSET,
        companies: Sequence[str] | UnsetType = UNSET,
        domains: Sequence[str] | UnsetType = UNSET,
        linkedin_urls: Sequence[str] | UnsetType = UNSET,
        per_page: int | UnsetType = UNSET,
        page: int | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> Any:
        """Searches job postings of companies. May spend credits.

        Args:
            search_term: Free text.
            search_terms: Free texts; any of them matches.
            titles: Job titles; matched loosely.
            posted_dates: When the job was posted: both ends, as `YYYY-MM-DD`.
            locations: Countries of the jobs, as ISO 3166-1 alpha-2 codes.
            exclude_locations: Countries of jobs to leave out, as ISO 3166-1 alpha-2 codes.
            company_locations: Countries of the companies, as ISO 3166-1 alpha-2 codes.
            companies: Companies, by their `domain_search_id` (UUID).
            domains: Companies, by their domains, such as `example.com`.
            linkedin_urls: Company pages on LinkedIn.
            per_page: Rows in a page, from 1 to 25; by default 25.
            page: The page, from 1; by default 1.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.
            PubrioError: The call failed; `may_have_charged` says whether it may have cost.

        API page: none; POST /companies/jobs/search as the official clients use it.
        """
        return await self._call(JOBS_SEARCH, locals())

    def search_iter(
        self,
        *,
        search_term: str | UnsetType = UNSET,
        search_terms: Sequence[str] | UnsetType = UNSET,
        titles: Sequence[str] | UnsetType = UNSET,
        posted_dates: Sequence[str | date] | UnsetType = UNSET,
        locations: Sequence[str] | UnsetType = UNSET,
        exclude_locations: Sequence[str] | UnsetType = UNSET,
        company_locations: Sequence[str] | UnsetType = UNSET,
        companies: Sequence[str] | UnsetType = UNSET,
        domains: Sequence[str] | UnsetType = UNSET,
        linkedin_urls: Sequence[str] | UnsetType = UNSET,
        per_page: int | UnsetType = UNSET,
        page: int | UnsetType = UNSET,
        max_items: int | None = None,
        max_pages: int | None = None,
        profile_id: int | UnsetType = UNSET,
    ) -> Pages[Any]:
        """Iterates over the rows of all pages of `search`. May spend credits.

        Each page may be a paid call; it is made when its first row is asked for.

        Args:
            search_term: As in `search`.
            search_terms: As in `search`.
            titles: As in `search`.
            posted_dates: As in `search`.
            locations: As in `search`.
            exclude_locations: As in `search`.
            company_locations: As in `search`.
            companies: As in `search`.
            domains: As in `search`.
            linkedin_urls: As in `search`.
            per_page: Rows in a page, from 1 to 25; by default 25.
            page: The page to begin with, from 1; by default 1.
            max_items: Most rows to hand out; None for no bound.
            max_pages: Most pages to fetch; None for no bound.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The rows as they come; the errors of a page are raised while iterating.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.

        API page: none; POST /companies/jobs/search as the official clients use it.
        """
        return self._pages(JOBS_SEARCH, locals())

    async def lookup(self, *, job_search_id: str, profile_id: int | UnsetType = UNSET) -> Any:
        """Reads the details of one job posting. May spend credits.

        Args:
            job_search_id: The job's id, from a row of `jobs.search`.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.
            PubrioError: The call failed; `may_have_charged` says whether it may have cost.

        API page: none; POST /companies/jobs/lookup as the official clients use it.
        """
        return await self._call(JOBS_LOOKUP, locals())
