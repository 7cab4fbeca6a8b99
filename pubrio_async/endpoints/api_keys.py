"""What was done with the keys of the workspace, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from msgspec import UNSET, UnsetType

from pubrio_async._routes import (
    API_KEYS_DAILY_USAGE,
    API_KEYS_LOG,
    API_KEYS_LOGS,
    API_KEYS_USAGE_BREAKDOWN,
)
from pubrio_async.endpoints._base import Endpoints
from pubrio_async.endpoints._pages import Pages
from pubrio_async.models import (
    DailyUsage,
    QueryLog,
    QueryLogDetails,
    QueryLogsReply,
    UsageBreakdown,
)


class ApiKeys(Endpoints):
    """The `api_keys` group."""

    async def logs(
        self,
        *,
        order_by: str | UnsetType = UNSET,
        is_ascending_order: bool | UnsetType = UNSET,
        search_term: str | UnsetType = UNSET,
        log_types: Sequence[int] | UnsetType = UNSET,
        log_type_slugs: Sequence[str] | UnsetType = UNSET,
        status_codes: Sequence[int] | UnsetType = UNSET,
        methods: Sequence[str] | UnsetType = UNSET,
        per_page: int | UnsetType = UNSET,
        page: int | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> QueryLogsReply:
        """Lists the requests made with the keys of the workspace, one page of them. Free.

        Args:
            order_by: By default `created_at`.
            is_ascending_order: By default False.
            search_term: Free text.
            log_types: `log_type_id` values.
            log_type_slugs: Such as `people_search`, `company_search`, `people_redeem`.
            status_codes: HTTP statuses.
            methods: HTTP verbs.
            per_page: Rows in a page, from 1 to 25; by default 25.
            page: The page, from 1; by default 1.
            profile_id: Not needed; the key names the workspace.

        Returns:
            One page of requests, with the credits each of them cost.

        Raises:
            ConfigurationError: An argument is malformed; nothing was sent.
            PubrioError: The call failed; it is free and may be repeated.

        API page: en/api-reference/endpoint/api-keys/logs
        """
        return await self._call(API_KEYS_LOGS, locals())

    def logs_iter(
        self,
        *,
        order_by: str | UnsetType = UNSET,
        is_ascending_order: bool | UnsetType = UNSET,
        search_term: str | UnsetType = UNSET,
        log_types: Sequence[int] | UnsetType = UNSET,
        log_type_slugs: Sequence[str] | UnsetType = UNSET,
        status_codes: Sequence[int] | UnsetType = UNSET,
        methods: Sequence[str] | UnsetType = UNSET,
        per_page: int | UnsetType = UNSET,
        page: int | UnsetType = UNSET,
        max_items: int | None = None,
        max_pages: int | None = None,
        profile_id: int | UnsetType = UNSET,
    ) -> Pages[QueryLog]:
        """Iterates over the rows of all pages of `logs`. Free.

        Each page is a call, made when its first row is asked for; the calls are logged too.

        Args:
            order_by: As in `logs`.
            is_ascending_order: As in `logs`.
            search_term: As in `logs`.
            log_types: As in `logs`.
            log_type_slugs: As in `logs`.
            status_codes: As in `logs`.
            methods: As in `logs`.
            per_page: Rows in a page, from 1 to 25; by default 25.
            page: The page to begin with, from 1; by default 1.
            max_items: Most rows to hand out; None for no bound.
            max_pages: Most pages to fetch; None for no bound.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The requests; the errors of a page are raised while iterating.

        Raises:
            ConfigurationError: An argument is malformed; nothing was sent.

        API page: en/api-reference/endpoint/api-keys/logs
        """
        return self._pages(API_KEYS_LOGS, locals())

    async def log(
        self, *, query_log_id: str, profile_id: int | UnsetType = UNSET
    ) -> QueryLogDetails:
        """Reads one past request with its reply. Free.

        Args:
            query_log_id: The request's id (UUID), from a row of `api_keys.logs`.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The request. Headers and bodies are JSON as text, and may hold personal data.

        Raises:
            ConfigurationError: The id is blank; nothing was sent.
            PubrioError: The call failed; it is free and may be repeated.

        API page: en/api-reference/endpoint/api-keys/logs_lookup
        """
        return await self._call(API_KEYS_LOG, locals())

    async def daily_usage(
        self,
        *,
        start_date: str | date,
        end_date: str | date,
        keys: Sequence[str] | UnsetType = UNSET,
        log_type_slugs: Sequence[str] | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> DailyUsage:
        """Reads how many requests were made and credits spent, day by day. Free.

        Args:
            start_date: The first day, as `YYYY-MM-DD`, in the time zone of the workspace.
            end_date: The last day, likewise.
            keys: Masked keys, as `api_keys.usage_breakdown` names them.
            log_type_slugs: Such as `people_search`, `company_search`, `people_redeem`.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The days and their sum.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.
            PubrioError: The call failed; it is free and may be repeated.

        API page: en/api-reference/endpoint/api-keys/usage_daily
        """
        return await self._call(API_KEYS_DAILY_USAGE, locals())

    async def usage_breakdown(
        self,
        *,
        start_date: str | date,
        end_date: str | date,
        keys: Sequence[str] | UnsetType = UNSET,
        log_type_slugs: Sequence[str] | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> UsageBreakdown:
        """Reads how many requests were made and credits spent, by key and by endpoint. Free.

        Args:
            start_date: The first day, as `YYYY-MM-DD`, in the time zone of the workspace.
            end_date: The last day, likewise.
            keys: Masked keys, as `by_key` of the reply names them.
            log_type_slugs: Such as `people_search`, `company_search`, `people_redeem`.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The keys, the endpoints, and the sum.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.
            PubrioError: The call failed; it is free and may be repeated.

        API page: en/api-reference/endpoint/api-keys/usage_breakdown
        """
        return await self._call(API_KEYS_USAGE_BREAKDOWN, locals())
