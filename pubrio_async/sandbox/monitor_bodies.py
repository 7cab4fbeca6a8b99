"""What the calls about monitors are asked with, and the settings a monitor has."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from pubrio_async.sandbox.bodies import (
    AdvertisementFilters,
    CompanyFilters,
    JobFilters,
    NewsFilters,
    Paged,
    PeopleFilters,
    Uuid,
)
from pubrio_async.sandbox.signals import SignalKind
from pubrio_async.sandbox.wire import Fields, bad_request

_Name = Annotated[str, Meta(min_length=1)]
_Mode = Literal["company_first", "signal_first"]
_Destination = Literal["webhook", "email", "sequences"]
_Contact = Literal["email-personal", "email-work", "phone"]
_Kinds = Annotated[tuple[SignalKind, ...], Meta(min_length=1)]
AnyFilters: TypeAlias = JobFilters | NewsFilters | AdvertisementFilters

_FILTERS: Final[dict[str, type[AnyFilters]]] = {
    "jobs": JobFilters,
    "news": NewsFilters,
    "advertisements": AdvertisementFilters,
}


class SignalFilter(Struct, frozen=True):
    """One entry of `signal_filters`."""

    signal_type: SignalKind
    filters: dict[str, Any]


class PeopleEnrichment(Struct, frozen=True):
    """One entry of `people_enrichment_configs`."""

    filters: dict[str, Any] = {}
    max_people_to_return: Annotated[int, Meta(ge=1, le=25)] = 1
    people_contact_types: tuple[_Contact, ...] = ()


class MonitorSettings(Struct, kw_only=True):
    """Every setting of a monitor; those that were not sent are unset."""

    name: _Name | UnsetType = UNSET
    detection_mode: _Mode | UnsetType = UNSET
    signal_types: _Kinds | UnsetType = UNSET
    destination_type: _Destination | UnsetType = UNSET
    destination_config: dict[str, Any] | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    signal_filters: tuple[SignalFilter, ...] | UnsetType = UNSET
    company_filters: dict[str, Any] | UnsetType = UNSET
    companies: tuple[Uuid, ...] | UnsetType = UNSET
    domains: tuple[str, ...] | UnsetType = UNSET
    linkedin_urls: tuple[str, ...] | UnsetType = UNSET
    is_company_enrichment: bool | UnsetType = UNSET
    is_people_enrichment: bool | UnsetType = UNSET
    people_enrichment_configs: tuple[PeopleEnrichment, ...] | UnsetType = UNSET
    frequency_minute: Annotated[int, Meta(ge=0, le=10_080)] | UnsetType = UNSET
    max_failure_trigger: Annotated[int, Meta(ge=1, le=10)] | UnsetType = UNSET
    max_daily_trigger: Annotated[int, Meta(ge=0, le=86_400)] | UnsetType = UNSET
    max_records_per_trigger: Annotated[int, Meta(ge=1, le=100)] | UnsetType = UNSET
    notification_email: str | UnsetType = UNSET
    max_retry_per_trigger: Annotated[int, Meta(ge=0, le=3)] | UnsetType = UNSET
    retry_delay_second: Annotated[int, Meta(ge=1, le=5)] | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    is_paused: bool | UnsetType = UNSET

    def sent(self) -> Fields:
        """The settings that were sent.

        Raises:
            RefusedError: A filter in one of them is malformed (400).
        """
        fields: Fields = msgspec.to_builtins(self)
        for each in fields.get("signal_filters", ()):
            signal_filters(each["signal_type"], each["filters"])
        msgspec.convert(fields.get("company_filters", {}), CompanyFilters).every()
        for each in fields.get("people_enrichment_configs", ()):
            msgspec.convert(each["filters"], PeopleFilters).every()
        return fields


class Needed(Struct, kw_only=True):
    """The settings that `monitors.create` needs."""

    name: _Name
    detection_mode: _Mode
    signal_types: _Kinds
    destination_type: _Destination
    destination_config: dict[str, Any]


class ValidateBody(Struct, kw_only=True):
    """What `monitors.validate_webhook` needs, and the monitor it may name."""

    destination_type: _Destination
    destination_config: dict[str, Any]
    monitor_id: Uuid | None = None


class MonitorBody(Struct):
    """A body that names a monitor."""

    monitor_id: Uuid


class GetBody(MonitorBody):
    """The body of `monitors.get`."""

    is_signature_reveal: bool = False


class DuplicateBody(MonitorBody):
    """The body of `monitors.duplicate`."""

    name: _Name | None = None


class TryBody(MonitorBody):
    """The body of `monitors.try_run`."""

    tried_at: str | None = None


class RetryBody(Struct):
    """The body of `monitors.retry`."""

    monitor_id: Uuid
    monitor_log_id: Uuid
    is_use_original_destination: bool = False


class ChartBody(Struct):
    """The body of `monitors.chart`."""

    monitor_id: Uuid
    start_date: date
    end_date: date


class LogBody(Struct):
    """The body of `monitors.log`."""

    monitor_log_id: Uuid


class LogsBody(Paged, kw_only=True):
    """The body of `monitors.logs`."""

    monitor_id: Uuid


class ListBody(Paged, kw_only=True):
    """The body of `monitors.list`."""

    destination_type: tuple[_Destination, ...] = ()
    detection_mode: tuple[_Mode, ...] = ()
    is_active: bool | None = None
    is_paused: bool | None = None
    is_ascending_order: bool = False
    order_by: Literal["last_modified", "created_at", "name"] = "last_modified"
    search_term: str | None = None


DEFAULTS: Final[Fields] = {
    "description": None,
    "signal_filters": [],
    "company_filters": {},
    "companies": [],
    "is_company_enrichment": False,
    "is_people_enrichment": False,
    "people_enrichment_configs": [],
    "frequency_minute": 0,
    "notification_email": "",
    "max_retry_per_trigger": 1,
    "max_records_per_trigger": 25,
    "retry_delay_second": 1,
    "max_daily_trigger": 500,
    "max_failure_trigger": 5,
    "is_active": True,
    "is_paused": False,
}

_NEEDED: Final = {
    "webhook": ("webhook_url",),
    "email": ("email",),
    "sequences": ("sequence_identifier", "record_type"),
}


def signal_filters(kind: str, fields: Fields) -> AnyFilters:
    """The filters of a kind of signal.

    Raises:
        RefusedError: They are malformed (400).
    """
    filters = msgspec.convert(fields, _FILTERS[kind])
    filters.every()
    return filters


def refuse_bad_destination(kind: str, config: Fields) -> None:
    """Refuses a destination that lacks what its type needs (400)."""
    for name in _NEEDED[kind]:
        value = config.get(name)
        if not isinstance(value, str) or not value:
            raise bad_request(f"destination_config.{name} is required for {kind}.")
    if kind == "webhook":
        if not config["webhook_url"].startswith("https://"):
            raise bad_request("destination_config.webhook_url must be a public https URL.")
        for name in ("headers", "body"):
            if not isinstance(config.get(name, {}), dict):
                raise bad_request(f"destination_config.{name} must be an object.")
