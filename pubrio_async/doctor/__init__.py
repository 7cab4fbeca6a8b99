"""A check-up against the real API: what it does, beside what this package assumes of it."""

from __future__ import annotations

from pubrio_async.doctor.drift import Comparison, Drift, DriftKind, compare
from pubrio_async.doctor.examine import QUESTIONS, examine
from pubrio_async.doctor.paid import Probe
from pubrio_async.doctor.plan import FREE_READS, PAID_PROBES, most_requests, selected
from pubrio_async.doctor.report import (
    Assumption,
    ClockCheck,
    Connection,
    DoctorReport,
    EndpointReport,
    KeyCheck,
    LimitsCheck,
    PlanCheck,
    QuotaCheck,
)

__all__ = [
    "FREE_READS",
    "PAID_PROBES",
    "QUESTIONS",
    "Assumption",
    "ClockCheck",
    "Comparison",
    "Connection",
    "DoctorReport",
    "Drift",
    "DriftKind",
    "EndpointReport",
    "KeyCheck",
    "LimitsCheck",
    "PlanCheck",
    "Probe",
    "QuotaCheck",
    "compare",
    "examine",
    "most_requests",
    "selected",
]
