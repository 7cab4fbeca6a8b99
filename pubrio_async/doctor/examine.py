"""The check-up: what is asked, in which order, and the report of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pubrio_async._clock import Clock, SystemClock
from pubrio_async._config import Settings
from pubrio_async._routes import ROUTES
from pubrio_async.client import AsyncPubrio
from pubrio_async.doctor.account import left_in_hour, limits_of, plan_of
from pubrio_async.doctor.assumed_account import ACCOUNT
from pubrio_async.doctor.assumed_lists import LISTS
from pubrio_async.doctor.assumed_monitors import MONITORS
from pubrio_async.doctor.assumed_redeem import REDEEM
from pubrio_async.doctor.assumed_wire import WIRE
from pubrio_async.doctor.assumptions import Question
from pubrio_async.doctor.connection import add_latencies, compare_clocks, look_at_connection
from pubrio_async.doctor.evidence import Evidence
from pubrio_async.doctor.findings import endpoint_report, find_warnings
from pubrio_async.doctor.paid import Probe, Prober
from pubrio_async.doctor.pastcalls import read_past_calls
from pubrio_async.doctor.plan import ALWAYS, Ask, free_calls, reads_log, why_not_asked
from pubrio_async.doctor.report import DoctorReport, EndpointReport, KeyCheck
from pubrio_async.doctor.visit import Visitor

QUESTIONS: Final[tuple[Question, ...]] = (
    *WIRE.all,
    *LISTS.all,
    *ACCOUNT.all,
    *MONITORS.all,
    *REDEEM.all,
)
"""Everything that is assumed."""

_SHORTEST_KEY: Final = 8


async def examine(
    client: AsyncPubrio,
    settings: Settings,
    *,
    limits: str = "",
    only: frozenset[str] | None = None,
    spend: int = 0,
    consent: Callable[[list[Probe]], bool] = lambda _: True,
    step: Callable[[str], object] = lambda _: None,
    clock: Clock | None = None,
    connect: bool = True,
    sandbox: bool = False,
) -> DoctorReport:
    """Asks the API about itself, and holds what it says against what this package assumes.

    Free reads only, unless `spend` allows more. What goes wrong is in the report.

    Args:
        client: What calls are made with.
        settings: What it was made with.
        limits: Its rate limits in words, for the report.
        only: The endpoints to be looked at; None for all.
        spend: Most credits the paid probes may cost; 0 for none.
        consent: Asked before the first paid probe, with all of them.
        step: Told of each call before it is made.
        clock: Where the time of day comes from.
        connect: Whether to look at the connection itself, too.
        sandbox: Whether the stand-in is asked, for the report.

    Returns:
        The report.

    Raises:
        ConfigurationError: The environment names a proxy that cannot be used.
    """
    key = settings.api_key.reveal().encode()
    clock = clock or SystemClock()

    def shows_key(raw: bytes) -> bool:
        return key in raw

    evidence = Evidence(
        settings.base_url, clock.wall, shows_key if len(key) >= _SHORTEST_KEY else None
    )
    visitor = Visitor(client, evidence, clock, step)
    report = DoctorReport(base_url=settings.base_url, sandbox=sandbox)
    if connect:
        report.connection = await look_at_connection(settings.base_url, settings.timeout)
    skipped: dict[str, str] = {}
    prober: Prober | None = None
    report.key = await _check_key(visitor)
    may_go_on = report.key.status is not None and report.key.accepted is not False
    if may_go_on:
        await _ask_freely(visitor, evidence, only, skipped)
        if spend:
            prober = Prober(visitor, evidence, spend)
            await _probe(prober, only, consent)
            report.credits_charged = prober.charged
            skipped |= prober.skipped
        if any(one.told_something for one in evidence.asked()):
            report.key.accepted = True
    report.requests = visitor.requests
    add_latencies(report.connection, evidence)
    report.clock = compare_clocks(evidence)
    report.limits = limits_of(evidence, limits, visitor.rate_limited)
    report.plan = plan_of(evidence)
    report.endpoints = [endpoint_report(one) for one in evidence]
    if may_go_on:
        report.endpoints += _not_asked(evidence, only, skipped)
    report.assumptions = [question.answer(evidence) for question in QUESTIONS]
    report.warnings = find_warnings(report, prober.unknown if prober else [])
    return report


async def _check_key(visitor: Visitor) -> KeyCheck:
    first = await visitor.call("profile.get", {})
    # Another refusal says nothing about the key, nor does the page of some other server.
    accepted = True if first.told_something else False if first.status == 401 else None
    return KeyCheck(accepted=accepted, status=first.status)


async def _ask_freely(
    visitor: Visitor,
    evidence: Evidence,
    only: frozenset[str] | None,
    skipped: dict[str, str],
) -> None:
    unread = reads_log(only)
    for ask in free_calls(only):
        if ask.name == "profile.get":
            continue  # it was the first
        if unread and ask.name == "redeem.query" and not ask.purpose:
            await read_past_calls(visitor, evidence, only)
            unread = False
        stop = visitor.stop
        if stop is not None and ask.name not in ALWAYS:
            skipped.setdefault(ask.name, stop)
            continue
        fields = ask.fields(evidence)
        if isinstance(fields, str):
            if not ask.purpose:
                skipped.setdefault(ask.name, _missing(ask, fields, evidence, skipped))
            continue
        one = await visitor.call(ask.name, fields, ask.purpose)
        if ask.name == "profile.usage" and not ask.purpose:
            visitor.note_quota(left_in_hour(one if one.ok else None))
    if unread:
        await read_past_calls(visitor, evidence, only)


def _missing(ask: Ask, what: str, evidence: Evidence, skipped: dict[str, str]) -> str:
    """Why a request could not be made: what it needs is not there, or could not be asked for."""
    if ask.needs is None or evidence.good(ask.needs) is not None:
        return what
    return skipped.get(ask.needs) or f"{ask.needs} failed"


async def _probe(
    prober: Prober, only: frozenset[str] | None, consent: Callable[[list[Probe]], bool]
) -> None:
    probes = prober.plan(only)
    if not probes:
        return
    if consent(probes):
        await prober.carry_out(probes)
    else:
        prober.skipped.update((probe.name, "it was not agreed to") for probe in probes)


def _not_asked(
    evidence: Evidence, only: frozenset[str] | None, skipped: dict[str, str]
) -> list[EndpointReport]:
    """What has no reply, and why."""
    seen = {one.name for one in evidence if one.purpose in {"", "paid", "request log"}}
    return [
        EndpointReport(name=name, why=skipped.get(name) or why_not_asked(name))
        for name in ROUTES
        if name not in seen and (only is None or name in only)
    ]
