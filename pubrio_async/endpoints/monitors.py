"""Watching companies and signals. Reading what monitors are and what they did."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from msgspec import UNSET, UnsetType

from pubrio_async._routes import (
    MONITORS_CHART,
    MONITORS_GET,
    MONITORS_LIST,
    MONITORS_LOG,
    MONITORS_LOGS,
    MONITORS_REVEAL_SIGNATURE,
    MONITORS_STATISTICS,
)
from pubrio_async.endpoints._pages import Pages
from pubrio_async.endpoints.monitors_run import MonitorsRun
from pubrio_async.endpoints.monitors_words import DestinationType, DetectionMode
from pubrio_async.endpoints.monitors_write import MonitorsWrite
from pubrio_async.models import (
    Monitor,
    MonitorLog,
    MonitorLogDetails,
    MonitorLogsReply,
    MonitorRow,
    MonitorSignature,
    MonitorsReply,
)


class Monitors(MonitorsWrite, MonitorsRun):
    """The `monitors` group."""

    async def get(
        self,
        *,
        monitor_id: str,
        is_signature_reveal: bool | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> Monitor:
        """Reads one monitor with its whole configuration. Free.

        Args:
            monitor_id: The monitor's id (UUID).
            is_signature_reveal: True to get the whole `signature` too; by default False.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The monitor.

        Raises:
            ConfigurationError: The id is blank; nothing was sent.
            PubrioError: The call failed; it is free and may be repeated.

        API page: en/api-reference/endpoint/monitors/lookup
        """
        return await self._call(MONITORS_GET, locals())

    async def list(
        self,
        *,
        destination_type: Sequence[DestinationType] | UnsetType = UNSET,
        detection_mode: Sequence[DetectionMode] | UnsetType = UNSET,
        is_active: bool | UnsetType = UNSET,
        is_paused: bool | UnsetType = UNSET,
        is_ascending_order: bool | UnsetType = UNSET,
        order_by: str | UnsetType = UNSET,
        search_term: str | UnsetType = UNSET,
        per_page: int | UnsetType = UNSET,
        page: int | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> MonitorsReply:
        """Lists monitors, one page of them. Free.

        Args:
            destination_type: A list, of `webhook`, `email`, `sequences`.
            detection_mode: A list, of `company_first`, `signal_first`.
            is_active: Only those that run, or only those that do not.
            is_paused: Only those that rest, or only those that do not.
            is_ascending_order: By default False.
            order_by: By default `last_modified`; `created_at` and `name` are known too.
            search_term: Free text.
            per_page: Rows in a page, from 1 to 25; by default 25.
            page: The page, from 1; by default 1.
            profile_id: Not needed; the key names the workspace.

        Returns:
            One page of monitors.

        Raises:
            ConfigurationError: An argument is malformed; nothing was sent.
            PubrioError: The call failed; it is free and may be repeated.

        API page: en/api-reference/endpoint/monitors/monitors
        """
        return await self._call(MONITORS_LIST, locals())

    def list_iter(
        self,
        *,
        destination_type: Sequence[DestinationType] | UnsetType = UNSET,
        detection_mode: Sequence[DetectionMode] | UnsetType = UNSET,
        is_active: bool | UnsetType = UNSET,
        is_paused: bool | UnsetType = UNSET,
        is_ascending_order: bool | UnsetType = UNSET,
        order_by: str | UnsetType = UNSET,
        search_term: str | UnsetType = UNSET,
        per_page: int | UnsetType = UNSET,
        page: int | UnsetType = UNSET,
        max_items: int | None = None,
        max_pages: int | None = None,
        profile_id: int | UnsetType = UNSET,
    ) -> Pages[MonitorRow]:
        """Iterates over the rows of all pages of `list`. Free.

        Each page is a call, made when its first row is asked for.

        Args:
            destination_type: As in `list`.
            detection_mode: As in `list`.
            is_active: As in `list`.
            is_paused: As in `list`.
            is_ascending_order: As in `list`.
            order_by: As in `list`.
            search_term: As in `list`.
            per_page: Rows in a page, from 1 to 25; by default 25.
            page: The page to begin with, from 1; by default 1.
            max_items: Most rows to hand out; None for no bound.
            max_pages: Most pages to fetch; None for no bound.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The monitors; the errors of a page are raised while iterating.

        Raises:
            ConfigurationError: An argument is malformed; nothing was sent.

        API page: en/api-reference/endpoint/monitors/monitors
        """
        return self._pages(MONITORS_LIST, locals())

    async def statistics(self, *, profile_id: int | UnsetType = UNSET) -> Any:
        """Reads totals over all monitors. Free.

        Args:
            profile_id: Not needed; the key names the workspace.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            PubrioError: The call failed; it is free and may be repeated.

        API page: none; POST /monitors/statistics as the official clients use it.
        """
        return await self._call(MONITORS_STATISTICS, locals())

    async def chart(
        self,
        *,
        monitor_id: str,
        start_date: str | date,
        end_date: str | date,
        profile_id: int | UnsetType = UNSET,
    ) -> Any:
        """Reads how often a monitor delivered, day by day. Free.

        Args:
            monitor_id: The monitor's id (UUID).
            start_date: The first day, as `YYYY-MM-DD`.
            end_date: The last day, as `YYYY-MM-DD`.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            ConfigurationError: An argument is blank; nothing was sent.
            PubrioError: The call failed; it is free and may be repeated.

        API page: none; POST /monitors/statistics/chart as the official clients use it.
        """
        return await self._call(MONITORS_CHART, locals())

    async def logs(
        self,
        *,
        monitor_id: str,
        per_page: int | UnsetType = UNSET,
        page: int | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> MonitorLogsReply:
        """Lists the runs of a monitor and what they cost, one page of them. Free.

        Args:
            monitor_id: The monitor's id (UUID).
            per_page: Rows in a page, from 1 to 25; by default 25.
            page: The page, from 1; by default 1.
            profile_id: Not needed; the key names the workspace.

        Returns:
            One page of runs.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.
            PubrioError: The call failed; it is free and may be repeated.

        API page: en/api-reference/endpoint/monitors/statistics_logs
        """
        return await self._call(MONITORS_LOGS, locals())

    def logs_iter(
        self,
        *,
        monitor_id: str,
        per_page: int | UnsetType = UNSET,
        page: int | UnsetType = UNSET,
        max_items: int | None = None,
        max_pages: int | None = None,
        profile_id: int | UnsetType = UNSET,
    ) -> Pages[MonitorLog]:
        """Iterates over the rows of all pages of `logs`. Free.

        Each page is a call, made when its first row is asked for.

        Args:
            monitor_id: The monitor's id (UUID).
            per_page: Rows in a page, from 1 to 25; by default 25.
            page: The page to begin with, from 1; by default 1.
            max_items: Most rows to hand out; None for no bound.
            max_pages: Most pages to fetch; None for no bound.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The runs; the errors of a page are raised while iterating.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.

        API page: en/api-reference/endpoint/monitors/statistics_logs
        """
        return self._pages(MONITORS_LOGS, locals())

    async def log(
        self, *, monitor_log_id: str, profile_id: int | UnsetType = UNSET
    ) -> MonitorLogDetails:
        """Reads one run with what was delivered and what was answered. Free.

        Args:
            monitor_log_id: The run's id (UUID), from a row of `monitors.logs`.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The run. Its payloads may hold personal data.

        Raises:
            ConfigurationError: The id is blank; nothing was sent.
            PubrioError: The call failed; it is free and may be repeated.

        API page: en/api-reference/endpoint/monitors/statistics_logs_lookup
        """
        return await self._call(MONITORS_LOG, locals())

    async def reveal_signature(
        self, *, monitor_id: str, profile_id: int | UnsetType = UNSET
    ) -> MonitorSignature:
        """Reads the whole signature of a monitor. May spend credits.

        Args:
            monitor_id: The monitor's id (UUID).
            profile_id: Not needed; the key names the workspace.

        Returns:
            The signature: a secret, to compare with `pubrio_async.webhooks.verify_signature`.

        Raises:
            ConfigurationError: The id is blank; nothing was sent.
            PubrioError: The call failed; `may_have_charged` says whether it may have cost.

        API page: en/api-reference/endpoint/monitors/signature_reveal
        """
        return await self._call(MONITORS_REVEAL_SIGNATURE, locals())
