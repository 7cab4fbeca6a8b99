"""What the `monitors` endpoints send back.

Timestamps stay text, and so do the words of the API. A signature is a secret: it is in no repr.
"""

from __future__ import annotations

from typing import Any, ClassVar

from msgspec import UNSET, Struct, UnsetType

from pubrio_async.models.pagination import Pagination
from pubrio_async.models.redeem import Number


class MonitorSignalFilter(Struct, frozen=True, kw_only=True):
    """Which signals of one type count.

    Attributes:
        signal_type: Such as `jobs`.
        filters: The filters of the search for such signals.
    """

    signal_type: str | None = None
    filters: dict[str, Any] | None = None


class MonitorPeopleEnrichment(Struct, frozen=True, kw_only=True):
    """Which people of a company are delivered with a signal.

    Attributes:
        filters: The filters of `people.search`.
        max_people_to_return: Most people for one company.
        people_contact_types: Contacts that are unlocked for them.
    """

    filters: dict[str, Any] | None = None
    max_people_to_return: int | None = None
    people_contact_types: tuple[str, ...] | None = None


class _MonitorSettings(Struct, frozen=True, kw_only=True):
    """What a monitor is set up to do, and how it fares.

    Attributes:
        detection_mode: `company_first` or `signal_first`.
        signal_types: Of `jobs`, `news`, `advertisements`.
        companies: `domain_search_id` values of the companies it watches.
        destination_type: `webhook`, `email` or `sequences`.
        destination_config: Its shape depends on `destination_type`; may hold secrets.
        frequency_minute: 0 delivers as detected; else minutes between deliveries.
        max_failure_trigger: Failures in a row after which it pauses itself.
        repeated_failure_count: Failures in a row so far.
        retry_delay_second: Seconds between two attempts of a delivery.
        masked_signature: First character, 16 bullets, last three characters.
    """

    name: str | None = None
    description: str | None = None
    detection_mode: str | None = None
    signal_types: tuple[str, ...] | None = None
    signal_filters: tuple[MonitorSignalFilter, ...] | None = None
    company_filters: dict[str, Any] | None = None
    companies: tuple[str, ...] | None = None
    is_company_enrichment: bool | None = None
    is_people_enrichment: bool | None = None
    people_enrichment_configs: tuple[MonitorPeopleEnrichment, ...] | None = None
    destination_type: str | None = None
    destination_config: dict[str, Any] | None = None
    notification_email: str | None = None
    max_retry_per_trigger: int | None = None
    retry_delay_second: int | None = None
    max_records_per_trigger: int | None = None
    max_daily_trigger: int | None = None
    frequency_minute: int | None = None
    is_active: bool | None = None
    is_paused: bool | None = None
    max_failure_trigger: int | None = None
    repeated_failure_count: int | None = None
    last_trigger_at: str | None = None
    last_processed_at: str | None = None
    masked_signature: str | None = None
    created_at: str | None = None
    last_modified: str | None = None


class MonitorRow(_MonitorSettings, frozen=True, kw_only=True):
    """One monitor of `monitors.list`.

    Attributes:
        monitor_id: Its id (a UUID as text).
    """

    monitor_id: str | None = None

    __rich_repr__: ClassVar[Any] = None  # it would show all fields

    def __repr__(self) -> str:
        return f"<MonitorRow {self.monitor_id} {self.name!r}>"


class MonitorUser(Struct, frozen=True, kw_only=True):
    """Who made a monitor."""

    user_id: str | None = None
    nickname: str | None = None
    email: str | None = None


class Monitor(_MonitorSettings, frozen=True, kw_only=True):
    """One monitor with its whole configuration.

    Attributes:
        monitor_id: Its id (a UUID as text).
        profile_id: The workspace it belongs to.
        user_id: Who made it.
        signature: The whole signature, where it was asked for, else UNSET. A secret.
        last_processed: What the API says of the newest run; no shape is documented.
        user: Who made it.
    """

    monitor_id: str
    profile_id: int | None = None
    user_id: str | None = None
    signature: str | UnsetType | None = UNSET
    last_processed: Any = None
    user: MonitorUser | None = None

    __rich_repr__: ClassVar[Any] = None  # it would show all fields

    def __repr__(self) -> str:
        return f"<Monitor {self.monitor_id} {self.name!r}>"


class MonitorCreated(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A monitor that has just been made, by `monitors.create` or `monitors.duplicate`.

    Attributes:
        monitor_id: Its id (a UUID as text).
        masked_signature: First character, 16 bullets, last three characters.
        signature: What its deliveries are recognised by. A secret: keep it.
    """

    monitor_id: str
    name: str | None = None
    description: str | UnsetType | None = UNSET
    detection_mode: str | None = None
    destination_type: str | None = None
    is_active: bool | None = None
    is_paused: bool | None = None
    masked_signature: str | None = None
    created_at: str | None = None
    signature: str | None = None

    __rich_repr__: ClassVar[Any] = None  # it would show all fields

    def __repr__(self) -> str:
        return f"<MonitorCreated {self.monitor_id} {self.name!r}>"


class MonitorUpdated(Struct, frozen=True, kw_only=True):
    """The reply of `monitors.update`; no more than the id is documented of it."""

    monitor_id: str | None = None


class MonitorsReply(Struct, frozen=True, kw_only=True):
    """One page of `monitors.list`."""

    pagination: Pagination | None = None
    monitors: tuple[MonitorRow, ...] | None = None


class MonitorWebhookCheck(Struct, frozen=True, kw_only=True):
    """The reply of `monitors.validate_webhook`.

    Attributes:
        destination_config: The destination that was tried; may hold secrets.
    """

    destination_config: dict[str, Any] | None = None

    __rich_repr__: ClassVar[Any] = None  # it would show all fields

    def __repr__(self) -> str:
        return "<MonitorWebhookCheck>"


class MonitorSignature(Struct, frozen=True, kw_only=True):
    """The reply of `monitors.reveal_signature`.

    Attributes:
        monitor_id: The monitor (a UUID as text).
        signature: What its deliveries are recognised by. A secret.
    """

    monitor_id: str | None = None
    signature: str

    __rich_repr__: ClassVar[Any] = None  # it would show all fields

    def __repr__(self) -> str:
        return f"<MonitorSignature {self.monitor_id}>"


class _MonitorRun(Struct, frozen=True, kw_only=True):
    """How a run went.

    Attributes:
        parent_monitor_log_id: The run this one repeats; `""` for none.
        signal_type: The signal types of the run, a list in spite of the name.
        status: `success` has been seen.
        error_message: `""` for none.
        total_credit: What the run cost in all: the sum of the five other credit fields.
        retry_attempt: 0 for the first delivery.
        processing_time_ms: Milliseconds the run took.
        retry_logs: Later deliveries of the run; no shape is documented.
    """

    monitor_id: str | None = None
    parent_monitor_log_id: str | None = None
    detection_mode: str | None = None
    signal_type: tuple[str, ...] | None = None
    destination_type: str | None = None
    response_status_code: int | None = None
    status: str | None = None
    error_message: str | None = None
    total_signals: int | None = None
    total_companies: int | None = None
    total_people: int | None = None
    trigger_credit: Number | None = None
    total_company_credit: Number | None = None
    total_people_credit: Number | None = None
    redeem_email_credit: Number | None = None
    redeem_phone_credit: Number | None = None
    total_credit: Number | None = None
    retry_attempt: int | None = None
    processing_time_ms: Number | None = None
    created_at: str | None = None
    retry_logs: tuple[Any, ...] | None = None
    is_retry_succeed: bool | None = None


class MonitorLog(_MonitorRun, frozen=True, kw_only=True):
    """One run of a monitor.

    Attributes:
        monitor_log_id: Its id (a UUID as text).
    """

    monitor_log_id: str | None = None


class MonitorLogDetails(_MonitorRun, frozen=True, kw_only=True):
    """One run with what was delivered and what was answered.

    Attributes:
        monitor_log_id: Its id (a UUID as text).
        request_payload: The payload that was delivered. May hold personal data.
        response_payload: What the destination answered.
    """

    monitor_log_id: str
    request_payload: dict[str, Any] | None = None
    response_payload: dict[str, Any] | None = None

    __rich_repr__: ClassVar[Any] = None  # it would show all fields

    def __repr__(self) -> str:
        return f"<MonitorLogDetails {self.monitor_log_id} {self.status!r}>"


class MonitorLogsReply(Struct, frozen=True, kw_only=True):
    """One page of `monitors.logs`."""

    pagination: Pagination | None = None
    monitor_logs: tuple[MonitorLog, ...] | None = None
