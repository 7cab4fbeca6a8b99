"""The values that filters take. All of it is free."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType

from pubrio_async._routes import (
    FILTERS_COMPANY_SIZES,
    FILTERS_DEPARTMENT_FUNCTIONS,
    FILTERS_DEPARTMENTS,
    FILTERS_LOCATIONS,
    FILTERS_MANAGEMENT_LEVELS,
    FILTERS_NEWS_CATEGORIES,
    FILTERS_NEWS_GALLERIES,
    FILTERS_NEWS_LANGUAGES,
    FILTERS_TECHNOLOGIES,
    FILTERS_TECHNOLOGY_CATEGORIES,
    FILTERS_TIMEZONES,
    FILTERS_VERTICAL_CATEGORIES,
    FILTERS_VERTICAL_SUB_CATEGORIES,
    FILTERS_VERTICALS,
)
from pubrio_async.endpoints._base import Endpoints


class Filters(Endpoints):
    """The `filters` group."""

    async def locations(self) -> Any:
        """Lists the countries that location filters take. Free.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            PubrioError: The call failed; it is free and may be repeated.

        API page: en/api-reference/endpoint/locations/locations
        """
        return await self._call(FILTERS_LOCATIONS, locals())

    async def departments(self) -> Any:
        """Lists the departments that people filters take. Free.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            PubrioError: The call failed; it is free and may be repeated.

        API page: none; GET /departments/title as the official clients use it.
        """
        return await self._call(FILTERS_DEPARTMENTS, locals())

    async def department_functions(self) -> Any:
        """Lists the department functions that people filters take. Free.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            PubrioError: The call failed; it is free and may be repeated.

        API page: none; GET /departments/function as the official clients use it.
        """
        return await self._call(FILTERS_DEPARTMENT_FUNCTIONS, locals())

    async def management_levels(self) -> Any:
        """Lists the management levels that people filters take. Free.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            PubrioError: The call failed; it is free and may be repeated.

        API page: none; GET /management_levels as the official clients use it.
        """
        return await self._call(FILTERS_MANAGEMENT_LEVELS, locals())

    async def company_sizes(self) -> Any:
        """Lists ranges of headcounts. Free.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            PubrioError: The call failed; it is free and may be repeated.

        API page: none; GET /company_sizes as the official clients use it.
        """
        return await self._call(FILTERS_COMPANY_SIZES, locals())

    async def timezones(self) -> Any:
        """Lists time zones; a cheap way to check a key. Free.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            PubrioError: The call failed; it is free and may be repeated.

        API page: none; GET /timezones as the official clients use it.
        """
        return await self._call(FILTERS_TIMEZONES, locals())

    async def news_categories(self) -> Any:
        """Lists the categories of news. Free.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            PubrioError: The call failed; it is free and may be repeated.

        API page: none; GET /companies/news/categories as the official clients use it.
        """
        return await self._call(FILTERS_NEWS_CATEGORIES, locals())

    async def news_galleries(self) -> Any:
        """Lists the galleries of news. Free.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            PubrioError: The call failed; it is free and may be repeated.

        API page: none; GET /companies/news/galleries as the official clients use it.
        """
        return await self._call(FILTERS_NEWS_GALLERIES, locals())

    async def news_languages(self) -> Any:
        """Lists the languages of news. Free.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            PubrioError: The call failed; it is free and may be repeated.

        API page: none; GET /companies/news/languages as the official clients use it.
        """
        return await self._call(FILTERS_NEWS_LANGUAGES, locals())

    async def technologies(
        self,
        *,
        keyword: str | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> Any:
        """Lists technologies that match a keyword. Free.

        Args:
            keyword: What to look for; without it, what the API lists by itself.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            PubrioError: The call failed; it is free and may be repeated.

        API page: none; POST /technologies as the official clients use it.
        """
        return await self._call(FILTERS_TECHNOLOGIES, locals())

    async def technology_categories(
        self,
        *,
        keyword: str | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> Any:
        """Lists categories of technologies that match a keyword. Free.

        Args:
            keyword: What to look for; without it, what the API lists by itself.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            PubrioError: The call failed; it is free and may be repeated.

        API page: none; POST /technologies/categories as the official clients use it.
        """
        return await self._call(FILTERS_TECHNOLOGY_CATEGORIES, locals())

    async def verticals(
        self,
        *,
        keyword: str | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> Any:
        """Lists industry verticals that match a keyword. Free.

        Args:
            keyword: What to look for; without it, what the API lists by itself.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            PubrioError: The call failed; it is free and may be repeated.

        API page: none; POST /verticals as the official clients use it.
        """
        return await self._call(FILTERS_VERTICALS, locals())

    async def vertical_categories(
        self,
        *,
        keyword: str | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> Any:
        """Lists categories of verticals that match a keyword. Free.

        Args:
            keyword: What to look for; without it, what the API lists by itself.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            PubrioError: The call failed; it is free and may be repeated.

        API page: none; POST /verticals/categories as the official clients use it.
        """
        return await self._call(FILTERS_VERTICAL_CATEGORIES, locals())

    async def vertical_sub_categories(
        self,
        *,
        keyword: str | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> Any:
        """Lists sub-categories of verticals that match a keyword. Free.

        Args:
            keyword: What to look for; without it, what the API lists by itself.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            PubrioError: The call failed; it is free and may be repeated.

        API page: none; POST /verticals/sub_categories as the official clients use it.
        """
        return await self._call(FILTERS_VERTICAL_SUB_CATEGORIES, locals())
