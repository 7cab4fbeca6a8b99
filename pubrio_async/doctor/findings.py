"""What a reply tells about its endpoint, and what of a report deserves a warning."""

from __future__ import annotations

from typing import Final

from msgspec import UNSET

from pubrio_async.doctor.drift import Comparison
from pubrio_async.doctor.evidence import Exchange
from pubrio_async.doctor.kinds import compare_reply
from pubrio_async.doctor.report import ClockCheck, Connection, DoctorReport, EndpointReport
from pubrio_async.doctor.words import error_shape, is_object

_SKEW_S: Final = 5.0
_SLOW_S: Final = 5.0
_CERTIFICATE_DAYS: Final = 14


def endpoint_report(one: Exchange) -> EndpointReport:
    """What one reply tells.

    Args:
        one: The call.
    """
    logged = one.purpose == "request log"
    report = EndpointReport(
        name=one.name,
        source="request log" if logged else "call",
        state="fine",
        status=one.status,
        elapsed_s=None if logged else one.elapsed_s,
        size=len(one.raw) if one.raw else None,
    )
    if not one.ok:
        return _refused(report, one)
    if one.body is UNSET:
        report.state, report.why = "failed", "its body is not JSON"
        return report
    compared: Comparison = compare_reply(one.name, one.body)
    report.drift, report.not_seen = compared.drift, compared.not_seen
    report.undescribed = compared.undescribed
    if one.error is not None:
        report.state, report.why = "failed", "this package cannot read it"
    elif compared.drift:
        report.state = "drift"
    return report


def _refused(report: EndpointReport, one: Exchange) -> EndpointReport:
    if one.status is None:
        report.state, report.why = "failed", f"no reply came ({one.error})"
        return report
    shape = error_shape(one.body) if is_object(one.body) else "no JSON object"
    code = "" if one.code is None else f", code {one.code}"
    report.why = f"{one.status}{code}, body {shape}"
    # Of what was meant to be refused, and of past calls, the assumptions tell.
    expected = one.purpose in {"unknown id", "beyond the last page"} and one.status < 500
    report.state = "fine" if expected or one.purpose == "request log" else "failed"
    return report


def find_warnings(report: DoctorReport, unknown_charges: list[str]) -> list[str]:
    """What else to know, in sentences.

    Args:
        report: The report, all but the warnings.
        unknown_charges: Paid probes whose charge is not known.
    """
    found = [*_about_the_way(report.connection), *_about_the_clock(report.clock)]
    if report.limits.rate_limited:
        found.append(
            f"The API answered {report.limits.rate_limited} times with 429: others use the key as "
            "well, or its limit is lower than the one this client keeps (--rate)."
        )
    for quota in report.limits.quotas:
        if quota.most == 0:
            found.append(f"The workspace may make no requests in a {quota.unit}: check its plan.")
        elif quota.most and quota.used is not None and quota.used >= 0.9 * quota.most:
            found.append(f"{quota.used:,} of {quota.most:,} requests of the {quota.unit} are used.")
    if report.plan.credit == 0 and report.plan.topup_credit == 0:
        found.append("There are no credits left.")
    found += [
        f"{name} may have been charged: its cost was not reported. Look at api_keys.logs."
        for name in unknown_charges
    ]
    return found


def _about_the_way(connection: Connection) -> list[str]:
    found: list[str] = []
    if connection.problem is not None:
        found.append(f"{connection.host} cannot be reached: {connection.problem}.")
    days = connection.certificate_days
    if days is not None and days < _CERTIFICATE_DAYS:
        found.append(f"The certificate of {connection.host} ends within {days + 1} days.")
    if connection.first_byte_s is not None and connection.first_byte_s[1] > _SLOW_S:
        found.append(
            f"Replies are slow: half of them take more than {connection.first_byte_s[1]:.1f} s."
        )
    return found


def _about_the_clock(clock: ClockCheck) -> list[str]:
    if clock.skew_s is None or clock.within_s is None:
        return []
    if abs(clock.skew_s) - clock.within_s <= _SKEW_S:
        return []
    way = "behind" if clock.skew_s > 0 else "ahead of"
    return [f"The clock of this machine is {abs(clock.skew_s):.0f} s {way} the API's: set it."]
