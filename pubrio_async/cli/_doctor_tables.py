"""The report of `doctor` for people: tables."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Final

from pubrio_async.cli._figures import many
from pubrio_async.cli._messages import credits_of, printable
from pubrio_async.doctor import Assumption, Connection, DoctorReport, EndpointReport

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

# Where nobody looks at it on a terminal, lines may be longer.
_WIDTH: Final = 120
_DRIFT: Final = {
    "unknown_field": "an extra field",
    "missing_field": "a missing field",
    "wrong_type": "another type",
    "null": "null",
    "new_word": "a new word",
}
_DRIFTED: Final = "Drift: where replies differ from the types they are read as"
_DRIFT_COLUMNS: Final = ("endpoint", "path", "difference", "expected", "seen", "times")
_SETTLED: Final = (
    ("not tested", "Not tested"),
    ("yes", "As assumed"),
    ("no", "Not as assumed"),
)


def in_tables(report: DoctorReport) -> str:
    """The report as text, as wide as the terminal and in its colours.

    Args:
        report: What was found out.
    """
    # Only here: a fifth of a second that --json need not wait for.
    from rich.console import Console  # noqa: PLC0415

    # Not to stdout itself: what goes wrong there is for the one who prints to say.
    text = StringIO()
    terminal = sys.stdout.isatty()
    console = Console(file=text, width=None if terminal else _WIDTH, force_terminal=terminal)
    _table(console, "", ("", ""), _figures(report))
    _table(console, "Replies", ("endpoint", "status", "time", "result"), _replies(report))
    _table(console, "Not asked", ("endpoints", "why"), _not_asked(report.endpoints))
    # What matters comes last: that is what is left on a terminal.
    for settled, title in _SETTLED:
        if settled == "not tested" and not report.key.accepted:
            continue  # all of it: a page that would bury why
        if settled == "no":
            _table(console, _DRIFTED, _DRIFT_COLUMNS, _drift(report))
        _table(
            console,
            title,
            ("", "assumed", "seen"),
            _assumptions(one for one in report.assumptions if one.settled == settled),
        )
    for warning in report.warnings:
        console.print(_text(f"warning: {warning}"))
    console.print(_text(_conclusion(report)))
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


def _table(
    console: Console, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]
) -> None:
    from rich.table import Column, Table  # noqa: PLC0415 - as above

    table = Table(
        *(Column(name, overflow="fold") for name in columns),
        title=title or None,
        title_justify="left",
        title_style="bold",
        box=None,
        show_header=any(columns),
        padding=(0, 2, 0, 0),
        pad_edge=False,
    )
    for row in rows:
        # A name that is taken for markup cannot be read.
        table.add_row(*map(_text, row))
    if table.row_count:
        console.print(table)
        console.print()


def _text(text: str) -> Text:
    from rich.text import Text  # noqa: PLC0415 - as above

    return Text(printable(text))


def _figures(report: DoctorReport) -> list[tuple[str, str]]:
    connection, clock, plan = report.connection, report.clock, report.plan
    figures = [
        ("API", f"{report.base_url}{' (the local stand-in)' if report.sandbox else ''}"),
        ("key", _key(report)),
        (
            "requests",
            f"{report.requests} sent; {credits_of(report.credits_charged)} credits charged",
        ),
    ]
    figures.append(("connection", _way(connection)))
    if connection.first_byte_s is not None:
        least, median, most = map(_ms, connection.first_byte_s)
        of = (
            f"of {connection.calls} replies in HTTP {' and '.join(connection.http_versions) or '?'}"
        )
        figures.append(("first byte", f"{least} to {most}, median {median}, {of}"))
    if clock.skew_s is not None:
        figures.append(
            ("clock", f"the API's is {clock.skew_s:+.1f} s from this one, ± {clock.within_s:.1f} s")
        )
    headers = ", ".join(f"{name}: {value}" for name, value in report.limits.headers.items())
    figures += [
        ("limits", f"{report.limits.client} kept by this client; {headers or 'no headers'}"),
        *(
            (
                f"quota/{quota.unit}",
                f"{_count(quota.used)} of {_count(quota.most)} used",
            )
            for quota in report.limits.quotas
        ),
    ]
    if plan.credit is not None and plan.topup_credit is not None:
        figures.append(
            (
                "credits",
                f"{credits_of(plan.credit)} of the plan, {credits_of(plan.topup_credit)} top-up",
            )
        )
    if plan.prices:
        prices = ", ".join(f"{name} {credits_of(price)}" for name, price in plan.prices.items())
        figures.append(("prices", f"{plan.plan or 'the plan'}: {prices}"))
    if plan.cost_per_call:
        costs = ", ".join(f"{name} {credits_of(cost)}" for name, cost in plan.cost_per_call.items())
        figures.append(("cost of a call", f"{costs} (credits on average, last 30 days)"))
    return figures


def _way(connection: Connection) -> str:
    if connection.through_proxy:
        return "through the proxy the environment names"
    if connection.problem is not None:
        return connection.problem
    addresses = many(connection.addresses or 0, "address", "es")
    looked_up = f"{addresses}, looked up in {_ms(connection.resolve_s)}"
    tls = connection.tls or "no TLS"
    if connection.certificate_days is not None:
        tls += f", certificate good for {connection.certificate_days} days"
    return f"{looked_up}; connected in {_ms(connection.handshake_s)}; {tls}"


def _replies(report: DoctorReport) -> list[tuple[str, str, str, str]]:
    rows: dict[tuple[str, ...], tuple[str, str, str, str]] = {}
    for one in report.endpoints:
        if one.state == "not asked":
            continue
        name = one.name if one.source == "call" else f"{one.name} (request log)"
        result = one.why or one.state
        if one.state == "drift":
            result = many(len(one.drift), "difference")
        if one.state == "failed" and one.why:
            result = f"failed: {one.why}"
        if one.undescribed:
            result += f"; {many(len(one.undescribed), 'undocumented path')} (see --json)"
        row = (name, str(one.status or ""), _ms(one.elapsed_s), result)
        rows.setdefault((name, row[1], result), row)
    return list(rows.values())


def _drift(report: DoctorReport) -> list[tuple[str, ...]]:
    found: dict[tuple[str, str, str], tuple[str, ...]] = {}
    for one in report.endpoints:
        for drift in one.drift:
            found.setdefault(
                (one.name, drift.path, drift.kind),
                (
                    one.name,
                    drift.path,
                    _DRIFT[drift.kind],
                    drift.expected,
                    ", ".join(drift.seen),
                    str(drift.count),
                ),
            )
    return list(found.values())


def _not_asked(endpoints: Sequence[EndpointReport]) -> list[tuple[str, str]]:
    by_reason: dict[str, list[str]] = {}
    for one in endpoints:
        if one.state == "not asked":
            by_reason.setdefault(one.why or "", []).append(one.name)
    return [(", ".join(names), why) for why, names in by_reason.items()]


def _assumptions(found: Iterable[Assumption]) -> list[tuple[str, str, str]]:
    return [(one.name, one.assumed, one.seen) for one in found]


def _conclusion(report: DoctorReport) -> str:
    if report.key.status is None:
        return "The API could not be reached."
    if report.key.accepted is False:
        return "The key was refused: check PUBRIO_API_KEY."
    if report.well:
        return "All is well: no drift, and whatever was tested is as assumed."
    drift = len(_drift(report))
    failed = len({one.name for one in report.endpoints if one.state == "failed"})
    wrong = sum(one.settled == "no" for one in report.assumptions)
    return (
        f"{many(drift, 'difference')}, {many(failed, 'failed endpoint')}, "
        f"{many(wrong, 'wrong assumption')}, {many(len(report.warnings), 'warning')}. "
        "--json has all of it."
    )


def _key(report: DoctorReport) -> str:
    accepted = report.key.accepted
    if accepted is None:
        return "set; whether it is accepted could not be found out"
    return f"{'accepted' if accepted else 'refused'} (status {report.key.status})"


def _ms(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1_000:,.0f} ms"


def _count(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"
