"""Routes of `monitors`: watching companies and signals, and having them delivered."""

from __future__ import annotations

from typing import Any

from pubrio_async._routes.companies import COMPANY_LISTS, COMPANY_PAIRS, SIMILARITY
from pubrio_async._routes.misses import or_empty
from pubrio_async._routes.replies import page_decoder
from pubrio_async._routes.route import Route
from pubrio_async._routes.rules import CONTACT_TYPES, OPERATORS, PAGING, Rules
from pubrio_async._wire import data_decoder
from pubrio_async.models import (
    Monitor,
    MonitorCreated,
    MonitorLog,
    MonitorLogDetails,
    MonitorLogsReply,
    MonitorRow,
    MonitorSignature,
    MonitorsReply,
    MonitorUpdated,
    MonitorWebhookCheck,
)

_MODES = ("company_first", "signal_first")
_DESTINATIONS = ("webhook", "email", "sequences")
_SIGNALS = ("jobs", "news", "advertisements")
# A run of 98 s is documented, and it was not the largest a monitor may be set up for.
_RUN_TIMEOUT_S = 600.0

_LISTS = (
    "signal_types",
    "signal_filters",
    "companies",
    "domains",
    "linkedin_urls",
    "people_enrichment_configs",
    "people_enrichment_configs[].people_contact_types",
    *(f"company_filters.{name}" for name in COMPANY_LISTS),
)
_PAIRS = tuple(f"company_filters.{name}" for name in COMPANY_PAIRS)
_RANGE_LISTS = ("company_filters.employees",)
_CHOICES = {
    "detection_mode": _MODES,
    "signal_types": _SIGNALS,
    "destination_type": _DESTINATIONS,
    "signal_filters[].signal_type": _SIGNALS,
    "people_enrichment_configs[].people_contact_types": CONTACT_TYPES,
    "company_filters.filter_conditions[].operator": OPERATORS,
}
_RANGES = {
    "people_enrichment_configs[].max_people_to_return": (1, 25),
    "frequency_minute": (0, 10_080),
    "max_failure_trigger": (1, 10),
    "max_daily_trigger": (0, 86_400),
    "max_records_per_trigger": (None, 100),
    "max_retry_per_trigger": (0, 3),
    "retry_delay_second": (1, 5),
    "company_filters.similarity_score": SIMILARITY,
}
_NESTED = (
    "signal_filters[].signal_type",
    "signal_filters[].filters",
    "company_filters.filter_conditions[].key",
    "company_filters.filter_conditions[].operator",
)


def _settings(*required: str) -> Rules:
    """The rules of a request that holds the settings of a monitor."""
    return Rules(
        required=(*required, *_NESTED),
        lists=_LISTS,
        pairs=_PAIRS,
        range_lists=_RANGE_LISTS,
        choices=_CHOICES,
        ranges=_RANGES,
    )


MONITORS_CREATE: Route[MonitorCreated] = Route(
    name="monitors.create",
    path="/monitors/create",
    decode=data_decoder(MonitorCreated),
    spends_credits=False,
    safe_to_resend=False,
    rules=_settings(
        "name", "detection_mode", "signal_types", "destination_type", "destination_config"
    ),
)
MONITORS_UPDATE: Route[MonitorUpdated] = Route(
    name="monitors.update",
    path="/monitors/update",
    decode=or_empty(MonitorUpdated),
    spends_credits=False,
    safe_to_resend=False,
    rules=_settings("monitor_id"),
)
MONITORS_GET: Route[Monitor] = Route(
    name="monitors.get",
    path="/monitors/lookup",
    decode=data_decoder(Monitor),
    spends_credits=False,
    safe_to_resend=True,
    rules=Rules(required=("monitor_id",)),
)
MONITORS_LIST: Route[MonitorsReply] = Route(
    name="monitors.list",
    path="/monitors",
    decode=page_decoder(MonitorsReply, tuple[MonitorRow, ...], "monitors"),
    spends_credits=False,
    safe_to_resend=True,
    rules=Rules(
        lists=("destination_type", "detection_mode"),
        choices={"destination_type": _DESTINATIONS, "detection_mode": _MODES},
        ranges=PAGING,
    ),
    paginated=True,
    items_key="monitors",
)
MONITORS_DELETE: Route[Any] = Route(
    name="monitors.delete",
    path="/monitors/delete",
    decode=data_decoder(Any),
    spends_credits=False,
    safe_to_resend=False,
    rules=Rules(required=("monitor_id",)),
)
MONITORS_DUPLICATE: Route[MonitorCreated] = Route(
    name="monitors.duplicate",
    path="/monitors/duplicate",
    decode=data_decoder(MonitorCreated),
    spends_credits=False,
    safe_to_resend=False,
    rules=Rules(required=("monitor_id",)),
)
MONITORS_TRY_RUN: Route[Any] = Route(
    name="monitors.try_run",
    path="/monitors/process/try",
    decode=data_decoder(Any),
    spends_credits=True,
    safe_to_resend=False,
    rules=Rules(required=("monitor_id",)),
    timeout=_RUN_TIMEOUT_S,
)
MONITORS_RETRY: Route[Any] = Route(
    name="monitors.retry",
    path="/monitors/process/retry",
    decode=data_decoder(Any),
    spends_credits=None,
    safe_to_resend=False,
    rules=Rules(required=("monitor_id", "monitor_log_id")),
)
MONITORS_VALIDATE_WEBHOOK: Route[MonitorWebhookCheck] = Route(
    name="monitors.validate_webhook",
    path="/monitors/webhook/validate",
    decode=or_empty(MonitorWebhookCheck),
    spends_credits=False,
    safe_to_resend=False,
    rules=_settings("destination_type", "destination_config"),
)
MONITORS_STATISTICS: Route[Any] = Route(
    name="monitors.statistics",
    path="/monitors/statistics",
    decode=data_decoder(Any),
    spends_credits=False,
    safe_to_resend=True,
)
MONITORS_CHART: Route[Any] = Route(
    name="monitors.chart",
    path="/monitors/statistics/chart",
    decode=data_decoder(Any),
    spends_credits=False,
    safe_to_resend=True,
    rules=Rules(required=("monitor_id", "start_date", "end_date")),
)
MONITORS_LOGS: Route[MonitorLogsReply] = Route(
    name="monitors.logs",
    path="/monitors/statistics/logs",
    decode=page_decoder(MonitorLogsReply, tuple[MonitorLog, ...], "monitor_logs"),
    spends_credits=False,
    safe_to_resend=True,
    rules=Rules(required=("monitor_id",), ranges=PAGING),
    paginated=True,
    items_key="monitor_logs",
)
MONITORS_LOG: Route[MonitorLogDetails] = Route(
    name="monitors.log",
    path="/monitors/statistics/logs/lookup",
    decode=data_decoder(MonitorLogDetails),
    spends_credits=False,
    safe_to_resend=True,
    rules=Rules(required=("monitor_log_id",)),
)
MONITORS_REVEAL_SIGNATURE: Route[MonitorSignature] = Route(
    name="monitors.reveal_signature",
    path="/monitors/signature/reveal",
    decode=data_decoder(MonitorSignature),
    spends_credits=None,
    safe_to_resend=True,
    rules=Rules(required=("monitor_id",)),
)
