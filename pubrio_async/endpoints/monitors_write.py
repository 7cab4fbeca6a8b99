"""Making, changing and removing monitors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET, UnsetType

from pubrio_async._routes import (
    MONITORS_CREATE,
    MONITORS_DELETE,
    MONITORS_DUPLICATE,
    MONITORS_UPDATE,
)
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
from pubrio_async.models import MonitorCreated, MonitorUpdated


class MonitorsWrite(Endpoints):
    """The part of `monitors` that changes them."""

    async def create(
        self,
        *,
        name: str,
        detection_mode: DetectionMode,
        signal_types: Sequence[SignalType],
        destination_type: DestinationType,
        destination_config: Destination,
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
    ) -> MonitorCreated:
        """Makes a monitor. Free.

        It is active at once, and each of its runs is charged. Keep the `signature` of the reply.

        Args:
            name: What to call it.
            detection_mode: `company_first` (what happens at given companies) or `signal_first`
                (which companies show given signals).
            signal_types: One or more of `jobs`, `news`, `advertisements`.
            destination_type: `webhook`, `email` or `sequences`.
            destination_config: As `destination_type` says: a `WebhookDestination`, an
                `EmailDestination` or a `SequencesDestination`, or a mapping with its members.
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
            frequency_minute: 0 delivers as detected, else minutes between deliveries, up to 10080;
                by default 0.
            max_failure_trigger: Failures in a row after which it pauses itself, 1 to 10; by
                default 5.
            max_daily_trigger: Most deliveries in a day, 0 to 86400; by default 500.
            max_records_per_trigger: Most records in a delivery, at most 100; by default 25.
            notification_email: Where failures are reported.
            max_retry_per_trigger: How often a failed delivery is repeated, 0 to 3; by default 1.
            retry_delay_second: Seconds between repeats, 1 to 5; by default 1.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The monitor, in short, with its whole `signature`.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.
            PubrioError: The call failed. After a lost answer look at `monitors.list` before
                making it again.

        API page: en/api-reference/endpoint/monitors/create
        """
        return await self._call(MONITORS_CREATE, locals())

    async def update(
        self,
        *,
        monitor_id: str,
        name: str | UnsetType = UNSET,
        detection_mode: DetectionMode | UnsetType = UNSET,
        signal_types: Sequence[SignalType] | UnsetType = UNSET,
        destination_type: DestinationType | UnsetType = UNSET,
        destination_config: Destination | UnsetType = UNSET,
        description: str | UnsetType | None = UNSET,
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
        notification_email: str | UnsetType | None = UNSET,
        max_retry_per_trigger: int | UnsetType = UNSET,
        retry_delay_second: int | UnsetType = UNSET,
        is_active: bool | UnsetType = UNSET,
        is_paused: bool | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> MonitorUpdated:
        """Changes a monitor, or pauses, resumes and reactivates it. Free.

        Only what is set is sent, and what is not sent is meant to stay. An active monitor is
        charged for its runs.

        Args:
            monitor_id: The monitor's id (UUID).
            name: What to call it.
            detection_mode: `company_first` (what happens at given companies) or `signal_first`
                (which companies show given signals).
            signal_types: One or more of `jobs`, `news`, `advertisements`.
            destination_type: `webhook`, `email` or `sequences`.
            destination_config: As `destination_type` says: a `WebhookDestination`, an
                `EmailDestination` or a `SequencesDestination`, or a mapping with its members.
            description: What it is for; None is sent as null.
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
            notification_email: Where failures are reported; None is sent as null.
            max_retry_per_trigger: How often a failed delivery is repeated, 0 to 3.
            retry_delay_second: Seconds between repeats, 1 to 5.
            is_active: Whether it runs at all.
            is_paused: Whether it rests; to bring back one that paused itself, send `is_active=True`
                and `is_paused=False`.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The monitor's id; no more is documented of the reply.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.
            PubrioError: The call failed.

        API page: en/api-reference/endpoint/monitors/update
        """
        return await self._call(MONITORS_UPDATE, locals())

    async def duplicate(
        self,
        *,
        monitor_id: str,
        name: str | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> MonitorCreated:
        """Copies a monitor. Free.

        The copy has a signature of its own. If it is active, each of its runs is charged.

        Args:
            monitor_id: The id (UUID) of the monitor to copy.
            name: What to call the copy; by default what the original is called.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The copy, in short, with its whole `signature`.

        Raises:
            ConfigurationError: The id is blank; nothing was sent.
            PubrioError: The call failed. After a lost answer look at `monitors.list` before
                copying it again.

        API page: en/api-reference/endpoint/monitors/duplicate
        """
        return await self._call(MONITORS_DUPLICATE, locals())

    async def delete(self, *, monitor_id: str, profile_id: int | UnsetType = UNSET) -> Any:
        """Removes a monitor for good. Free.

        Args:
            monitor_id: The monitor's id (UUID).
            profile_id: Not needed; the key names the workspace.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            ConfigurationError: The id is blank; nothing was sent.
            PubrioError: The call failed. What a second delete answers is not known.

        API page: none; POST /monitors/delete as the official clients use it.
        """
        return await self._call(MONITORS_DELETE, locals())
