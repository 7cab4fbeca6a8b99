"""Running monitors, and trying where they deliver."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType

from pubrio_async._routes import MONITORS_RETRY, MONITORS_TRY_RUN, MONITORS_VALIDATE_WEBHOOK
from pubrio_async.endpoints._base import Endpoints
from pubrio_async.endpoints.monitors_words import (
    CompanyFilterInput,
    Destination,
    DestinationType,
    DetectionMode,
    PeopleEnrichmentInput,
    SignalFilterInput,
    SignalType,
)
from pubrio_async.models import MonitorWebhookCheck


class MonitorsRun(Endpoints):
    """The part of `monitors` that makes them deliver."""

    async def try_run(
        self,
        *,
        monitor_id: str,
        tried_at: str | datetime | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> Any:
        """Runs a monitor now: a real scan with a real delivery. Spends credits.

        A run can take minutes, so this call waits for up to ten, whatever the client's own
        `timeout`. `validate_webhook` tries a destination without a charge.

        Args:
            monitor_id: The monitor's id (UUID).
            tried_at: The time to run it for, as an ISO time; choose a recent one, for which
                there are data.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            ConfigurationError: The id is blank; nothing was sent.
            PubrioError: The call failed; `may_have_charged` says whether it may have cost. If
                the answer is lost, `monitors.logs` shows the run.

        API page: en/developer-guides/setting-up-webhooks
        """
        return await self._call(MONITORS_TRY_RUN, locals())

    async def retry(
        self,
        *,
        monitor_id: str,
        monitor_log_id: str,
        is_use_original_destination: bool | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> Any:
        """Delivers a logged run again. May spend credits.

        Args:
            monitor_id: The monitor's id (UUID).
            monitor_log_id: The run's id (UUID), from a row of `monitors.logs`.
            is_use_original_destination: True to send to the destination stored with the run,
                not to the one the monitor has now.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            ConfigurationError: An id is blank; nothing was sent.
            PubrioError: The call failed; `may_have_charged` says whether it may have cost.

        API page: en/api-reference/endpoint/monitors/process_retry
        """
        return await self._call(MONITORS_RETRY, locals())

    async def validate_webhook(
        self,
        *,
        destination_type: DestinationType,
        destination_config: Destination,
        monitor_id: str | UnsetType = UNSET,
        name: str | UnsetType = UNSET,
        detection_mode: DetectionMode | UnsetType = UNSET,
        signal_types: Sequence[SignalType] | UnsetType = UNSET,
        description: str | UnsetType = UNSET,
        signal_filters: Sequence[SignalFilterInput] | UnsetType = UNSET,
        company_filters: CompanyFilterInput | UnsetType = UNSET,
        companies: Sequence[str] | UnsetType = UNSET,
        domains: Sequence[str] | UnsetType = UNSET,
        linkedin_urls: Sequence[str] | UnsetType = UNSET,
        is_company_enrichment: bool | UnsetType = UNSET,
        is_people_enrichment: bool | UnsetType = UNSET,
        people_enrichment_configs: Sequence[PeopleEnrichmentInput] | UnsetType = UNSET,
        frequency_minute: int | UnsetType = UNSET,
        max_failure_trigger: int | UnsetType = UNSET,
        max_daily_trigger: int | UnsetType = UNSET,
        max_records_per_trigger: int | UnsetType = UNSET,
        notification_email: str | UnsetType = UNSET,
        max_retry_per_trigger: int | UnsetType = UNSET,
        retry_delay_second: int | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> MonitorWebhookCheck:
        """Sends a sample payload with made-up data to a destination. Free.

        Every call delivers one sample.

        Args:
            destination_type: `webhook`, `email` or `sequences`.
            destination_config: As `destination_type` says: a `WebhookDestination`, an
                `EmailDestination` or a `SequencesDestination`, or a mapping with its members.
            monitor_id: The id (UUID) of an existing monitor, to try that one.
            name: What to call it.
            detection_mode: `company_first` (what happens at given companies) or `signal_first`
                (which companies show given signals).
            signal_types: One or more of `jobs`, `news`, `advertisements`.
            description: What it is for.
            signal_filters: Which signals count, by type; each has a `signal_type` and `filters`.
            company_filters: The filters of `companies.search`, applied on top of the signals.
            companies: `domain_search_id` values (UUIDs) of the companies to watch; one of this,
                `domains` and `linkedin_urls` is enough.
            domains: Domains of the companies to watch.
            linkedin_urls: LinkedIn pages of the companies to watch.
            is_company_enrichment: Whether companies are delivered with their details.
            is_people_enrichment: Whether people of the companies are delivered too.
            people_enrichment_configs: Which people, how many for one company (1 to 25), and with
                which contacts.
            frequency_minute: 0 delivers as detected, else minutes between deliveries, up to 10080.
            max_failure_trigger: Failures in a row after which it pauses itself, 1 to 10.
            max_daily_trigger: Most deliveries in a day, 0 to 86400.
            max_records_per_trigger: Most records in a delivery, at most 100.
            notification_email: Where failures are reported.
            max_retry_per_trigger: How often a failed delivery is repeated, 0 to 3.
            retry_delay_second: Seconds between repeats, 1 to 5.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The destination that was tried.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.
            PubrioError: The call failed.

        API page: en/api-reference/endpoint/monitors/webhook_validate
        """
        return await self._call(MONITORS_VALIDATE_WEBHOOK, locals())
