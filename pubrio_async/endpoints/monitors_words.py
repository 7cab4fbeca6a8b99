"""The words and shapes that requests about monitors share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from pubrio_async.models import (
    CompanyFilters,
    EmailDestination,
    MonitorPeopleEnrichment,
    MonitorSignalFilter,
    PeopleEnrichmentConfig,
    SequencesDestination,
    SignalFilter,
    WebhookDestination,
)

DetectionMode: TypeAlias = Literal["company_first", "signal_first"]
SignalType: TypeAlias = Literal["jobs", "news", "advertisements"]
DestinationType: TypeAlias = Literal["webhook", "email", "sequences"]

Destination: TypeAlias = (
    WebhookDestination | EmailDestination | SequencesDestination | Mapping[str, Any]
)
CompanyFilterInput: TypeAlias = CompanyFilters | Mapping[str, Any]
# What `monitors.get` returns is taken as well, so that one monitor can be set up like another.
SignalFilterInput: TypeAlias = SignalFilter | MonitorSignalFilter | Mapping[str, Any]
PeopleEnrichmentInput: TypeAlias = (
    PeopleEnrichmentConfig | MonitorPeopleEnrichment | Mapping[str, Any]
)
