"""Routes of `api_keys`: what was done with the keys of the workspace."""

from __future__ import annotations

from pubrio_async._routes.misses import or_empty
from pubrio_async._routes.replies import page_decoder
from pubrio_async._routes.route import Route
from pubrio_async._routes.rules import PAGING, Rules
from pubrio_async._wire import data_decoder
from pubrio_async.models import (
    DailyUsage,
    QueryLog,
    QueryLogDetails,
    QueryLogsReply,
    UsageBreakdown,
)

_PERIOD = Rules(required=("start_date", "end_date"), lists=("keys", "log_type_slugs"))

API_KEYS_LOGS: Route[QueryLogsReply] = Route(
    name="api_keys.logs",
    path="/api_keys/logs",
    decode=page_decoder(QueryLogsReply, tuple[QueryLog, ...], "query_logs"),
    spends_credits=False,
    safe_to_resend=True,
    rules=Rules(
        lists=("log_types", "log_type_slugs", "status_codes", "methods"),
        ranges=PAGING,
    ),
    paginated=True,
    items_key="query_logs",
)
API_KEYS_LOG: Route[QueryLogDetails] = Route(
    name="api_keys.log",
    path="/api_keys/logs/lookup",
    decode=data_decoder(QueryLogDetails),
    spends_credits=False,
    safe_to_resend=True,
    rules=Rules(required=("query_log_id",)),
)
API_KEYS_DAILY_USAGE: Route[DailyUsage] = Route(
    name="api_keys.daily_usage",
    path="/api_keys/usage/daily",
    decode=or_empty(DailyUsage),
    spends_credits=False,
    safe_to_resend=True,
    rules=_PERIOD,
)
API_KEYS_USAGE_BREAKDOWN: Route[UsageBreakdown] = Route(
    name="api_keys.usage_breakdown",
    path="/api_keys/usage/breakdown",
    decode=or_empty(UsageBreakdown),
    spends_credits=False,
    safe_to_resend=True,
    rules=_PERIOD,
)
