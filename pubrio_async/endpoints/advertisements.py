"""Advertisements that companies run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from msgspec import UNSET, UnsetType

from pubrio_async._routes import ADVERTISEMENTS_LOOKUP, ADVERTISEMENTS_SEARCH
from pubrio_async.endpoints._base import Endpoints
from pubrio_async.endpoints._pages import Pages
from pubrio_async.models import AdvertisementRow, AdvertisementSearchReply, FilterConditions


class Advertisements(Endpoints):
    """The `advertisements` group."""

    async def search(
        self,
        *,
        target_locations: Sequence[str] | UnsetType = UNSET,
        exclude_target_locations: Sequence[str] | UnsetType = UNSET,
        search_terms: Sequence[str] | UnsetType = UNSET,
        headlines: Sequence[str] | UnsetType = UNSET,
        filter_conditions: FilterConditions | UnsetType = UNSET,
        start_dates: Sequence[str | date] | UnsetType = UNSET,
        end_dates: Sequence[str | date] | UnsetType = UNSET,
        company_locations: Sequence[str] | UnsetType = UNSET,
        companies: Sequence[str] | UnsetType = UNSET,
        domains: Sequence[str] | UnsetType = UNSET,
        linkedin_urls: Sequence[str] | UnsetType = UNSET,
        is_realtime_enrichment: bool | UnsetType = UNSET,
        source_types: Sequence[str] | UnsetType = UNSET,
        enrichment_mode: str | UnsetType = UNSET,
        per_page: int | UnsetType = UNSET,
        page: int | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> AdvertisementSearchReply:
        """Searches advertisements that companies run. May spend credits.

        Args:
            target_locations: Countries advertised to, as ISO 3166-1 alpha-2 codes.
            exclude_target_locations: Countries advertised to that rule an advertisement out, as ISO
                3166-1 alpha-2 codes.
            search_terms: Free texts; any of them matches.
            headlines: Texts in headlines.
            filter_conditions: How the values of a filter combine, as `FilterCondition` or mappings
                with `key` and `operator` (`and` or `or`); a filter not named matches any of its
                values.
            start_dates: When the advertisement began: both ends, as `YYYY-MM-DD`.
            end_dates: When the advertisement ended: both ends, as `YYYY-MM-DD`.
            company_locations: Countries of the companies, as ISO 3166-1 alpha-2 codes.
            companies: Companies, by their `domain_search_id` (UUID).
            domains: Companies, by their domains, such as `example.com`.
            linkedin_urls: Company pages on LinkedIn.
            is_realtime_enrichment: Whether to fetch afresh; what that does to cost and time is not
                documented.
            source_types: Networks, such as `linkedin` or `facebook`.
            enrichment_mode: Such as `latest`.
            per_page: Rows in a page, from 1 to 25; by default 25.
            page: The page, from 1; by default 1.
            profile_id: Not needed; the key names the workspace.

        Returns:
            One page of advertisements.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.
            PubrioError: The call failed; `may_have_charged` says whether it may have cost.

        API page: en/api-reference/endpoint/companies/advertisements_search
        """
        return await self._call(ADVERTISEMENTS_SEARCH, locals())

    def search_iter(
        self,
        *,
        target_locations: Sequence[str] | UnsetType = UNSET,
        exclude_target_locations: Sequence[str] | UnsetType = UNSET,
        search_terms: Sequence[str] | UnsetType = UNSET,
        headlines: Sequence[str] | UnsetType = UNSET,
        filter_conditions: FilterConditions | UnsetType = UNSET,
        start_dates: Sequence[str | date] | UnsetType = UNSET,
        end_dates: Sequence[str | date] | UnsetType = UNSET,
        company_locations: Sequence[str] | UnsetType = UNSET,
        companies: Sequence[str] | UnsetType = UNSET,
        domains: Sequence[str] | UnsetType = UNSET,
        linkedin_urls: Sequence[str] | UnsetType = UNSET,
        is_realtime_enrichment: bool | UnsetType = UNSET,
        source_types: Sequence[str] | UnsetType = UNSET,
        enrichment_mode: str | UnsetType = UNSET,
        per_page: int | UnsetType = UNSET,
        page: int | UnsetType = UNSET,
        max_items: int | None = None,
        max_pages: int | None = None,
        profile_id: int | UnsetType = UNSET,
    ) -> Pages[AdvertisementRow]:
        """Iterates over the rows of all pages of `search`. May spend credits.

        Each page may be a paid call; it is made when its first row is asked for.

        Args:
            target_locations: As in `search`.
            exclude_target_locations: As in `search`.
            search_terms: As in `search`.
            headlines: As in `search`.
            filter_conditions: As in `search`.
            start_dates: As in `search`.
            end_dates: As in `search`.
            company_locations: As in `search`.
            companies: As in `search`.
            domains: As in `search`.
            linkedin_urls: As in `search`.
            is_realtime_enrichment: As in `search`.
            source_types: As in `search`.
            enrichment_mode: As in `search`.
            per_page: Rows in a page, from 1 to 25; by default 25.
            page: The page to begin with, from 1; by default 1.
            max_items: Most rows to hand out; None for no bound.
            max_pages: Most pages to fetch; None for no bound.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The advertisements; the errors of a page are raised while iterating.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.

        API page: en/api-reference/endpoint/companies/advertisements_search
        """
        return self._pages(ADVERTISEMENTS_SEARCH, locals())

    async def lookup(
        self,
        *,
        advertisement_search_id: str,
        profile_id: int | UnsetType = UNSET,
    ) -> Any:
        """Reads the details of one advertisement. May spend credits.

        Args:
            advertisement_search_id: The advertisement's id (UUID), from a row of
                `advertisements.search`.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.
            PubrioError: The call failed; `may_have_charged` says whether it may have cost.

        API page: none; POST /companies/advertisements/lookup as the official clients use it.
        """
        return await self._call(ADVERTISEMENTS_LOOKUP, locals())
