"""News about companies."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from msgspec import UNSET, UnsetType

from pubrio_async._routes import NEWS_LOOKUP, NEWS_SEARCH
from pubrio_async.endpoints._base import Endpoints
from pubrio_async.endpoints._pages import Pages


class News(Endpoints):
    """The `news` group."""

    async def search(
        self,
        *,
        search_term: str | UnsetType = UNSET,
        search_terms: Sequence[str] | UnsetType = UNSET,
        categories: Sequence[str] | UnsetType = UNSET,
        published_dates: Sequence[str | date] | UnsetType = UNSET,
        locations: Sequence[str] | UnsetType = UNSET,
        company_locations: Sequence[str] | UnsetType = UNSET,
        companies: Sequence[str] | UnsetType = UNSET,
        domains: Sequence[str] | UnsetType = UNSET,
        linkedin_urls: Sequence[str] | UnsetType = UNSET,
        news_gallery_ids: Sequence[str] | UnsetType = UNSET,
        news_galleries: Sequence[str] | UnsetType = UNSET,
        news_languages: Sequence[str] | UnsetType = UNSET,
        per_page: int | UnsetType = UNSET,
        page: int | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> Any:
        """Searches news about companies. May spend credits.

        Args:
            search_term: Free text.
            search_terms: Free texts; any of them matches.
            categories: Slugs from `filters.news_categories`, such as `launches`.
            published_dates: When the news came out: both ends, as `YYYY-MM-DD`.
            locations: Countries of the news, as ISO 3166-1 alpha-2 codes.
            company_locations: Countries of the companies, as ISO 3166-1 alpha-2 codes.
            companies: Companies, by their `domain_search_id` (UUID).
            domains: Companies, by their domains, such as `example.com`.
            linkedin_urls: Company pages on LinkedIn.
            news_gallery_ids: News galleries, by id (UUID).
            news_galleries: Slugs from `filters.news_galleries`.
            news_languages: Codes from `filters.news_languages`, such as `en`.
            per_page: Rows in a page, from 1 to 25; by default 25.
            page: The page, from 1; by default 1.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.
            PubrioError: The call failed; `may_have_charged` says whether it may have cost.

        API page: en/api-reference/endpoint/companies/news_search
        """
        return await self._call(NEWS_SEARCH, locals())

    def search_iter(
        self,
        *,
        search_term: str | UnsetType = UNSET,
        search_terms: Sequence[str] | UnsetType = UNSET,
        categories: Sequence[str] | UnsetType = UNSET,
        published_dates: Sequence[str | date] | UnsetType = UNSET,
        locations: Sequence[str] | UnsetType = UNSET,
        company_locations: Sequence[str] | UnsetType = UNSET,
        companies: Sequence[str] | UnsetType = UNSET,
        domains: Sequence[str] | UnsetType = UNSET,
        linkedin_urls: Sequence[str] | UnsetType = UNSET,
        news_gallery_ids: Sequence[str] | UnsetType = UNSET,
        news_galleries: Sequence[str] | UnsetType = UNSET,
        news_languages: Sequence[str] | UnsetType = UNSET,
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
            categories: As in `search`.
            published_dates: As in `search`.
            locations: As in `search`.
            company_locations: As in `search`.
            companies: As in `search`.
            domains: As in `search`.
            linkedin_urls: As in `search`.
            news_gallery_ids: As in `search`.
            news_galleries: As in `search`.
            news_languages: As in `search`.
            per_page: Rows in a page, from 1 to 25; by default 25.
            page: The page to begin with, from 1; by default 1.
            max_items: Most rows to hand out; None for no bound.
            max_pages: Most pages to fetch; None for no bound.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The rows as they come; the errors of a page are raised while iterating.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.

        API page: en/api-reference/endpoint/companies/news_search
        """
        return self._pages(NEWS_SEARCH, locals())

    async def lookup(self, *, news_search_id: str, profile_id: int | UnsetType = UNSET) -> Any:
        """Reads the details of one news item. May spend credits.

        Args:
            news_search_id: The news item's id, from a row of `news.search`.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.
            PubrioError: The call failed; `may_have_charged` says whether it may have cost.

        API page: none; POST /companies/news/lookup as the official clients use it.
        """
        return await self._call(NEWS_LOOKUP, locals())
