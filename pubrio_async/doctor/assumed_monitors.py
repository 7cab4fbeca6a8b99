"""Assumptions about monitors and their runs."""

from __future__ import annotations

import re
from typing import Any, Final

from pubrio_async.doctor.account import number_of, whole_of
from pubrio_async.doctor.assumptions import Questions, Verdict, either, names, untested
from pubrio_async.doctor.evidence import Evidence
from pubrio_async.doctor.words import form_of, is_object

MONITORS: Final = Questions()

_NO_MONITOR = "no monitor in this workspace"
_NO_RUN = "no run of a monitor"
_MASKED = re.compile(r".\u2022{16}.{3}")
_PARTS: Final = (
    *("trigger_credit", "total_company_credit", "total_people_credit"),
    *("redeem_email_credit", "redeem_phone_credit"),
)


@MONITORS(
    "masked-signature", "a masked signature is its first character, 16 bullets, the last three"
)
def _masked(evidence: Evidence) -> Verdict:
    told = [row["masked_signature"] for row in _monitors(evidence) if row.get("masked_signature")]
    if not told:
        return untested(_NO_MONITOR)
    fine = sum(1 for text in told if isinstance(text, str) and _MASKED.fullmatch(text))
    return either(fine == len(told), f"{fine} of {len(told)}")


@MONITORS("run-cost", "total_credit of a run is the sum of its five parts")
def _run_cost(evidence: Evidence) -> Verdict:
    told: list[bool] = []
    for run in _runs(evidence):
        parts = [number_of(run.get(part)) for part in _PARTS]
        total = number_of(run.get("total_credit"))
        if total is not None and None not in parts:
            told.append(abs(total - sum(part or 0 for part in parts)) < 1e-6)
    return either(all(told), f"{sum(told)} of {len(told)} runs") if told else untested(_NO_RUN)


@MONITORS("no-text", 'in a run "" stands for no error_message and no parent_monitor_log_id')
def _no_text(evidence: Evidence) -> Verdict:
    forms = {
        form_of(run.get(field))
        for run in _runs(evidence)
        for field in ("error_message", "parent_monitor_log_id")
    }
    if not forms:
        return untested(_NO_RUN)
    return either(not forms & {"null"}, names(sorted(forms)))


@MONITORS("default-page", "without page and per_page the first 25 rows come")
def _default_page(evidence: Evidence) -> Verdict:
    page = evidence.good("monitors.logs")
    if page is None:
        return untested(_NO_MONITOR)
    told = [whole_of(page.member("pagination", name)) for name in ("page", "per_page")]
    return either(told == [1, 25], f"page {told[0]}, per_page {told[1]}")


def _monitors(evidence: Evidence) -> list[dict[str, Any]]:
    listed, one = evidence.good("monitors.list"), evidence.good("monitors.get")
    alone = [one.data] if one is not None and is_object(one.data) else []
    return [*(listed.rows("monitors") if listed else []), *alone]


def _runs(evidence: Evidence) -> list[dict[str, Any]]:
    listed = evidence.good("monitors.logs")
    return listed.rows("monitor_logs") if listed else []
