"""The command `estimate`: what redeeming a list may cost and must take, before it is done."""

from __future__ import annotations

import math
from collections.abc import Coroutine
from contextlib import AsyncExitStack, ExitStack
from typing import Any

from msgspec import Struct

from pubrio_async._config import (
    DEFAULT_RATE_LIMIT,
    Rate,
    Settings,
    load_settings,
    rates_in_words,
)
from pubrio_async._errors import ConfigurationError, JournalError, PubrioError
from pubrio_async._quota import Quota, account_quotas
from pubrio_async.cli._demo_journal import DEMO_KEY, journal_exists
from pubrio_async.cli._exit import ExitCode, exit_code_of
from pubrio_async.cli._figures import Figure, many, print_figures, print_json
from pubrio_async.cli._forecast import Known, Tally, count, least_time, plan
from pubrio_async.cli._known import known_to
from pubrio_async.cli._messages import credits_of, say, tells_cost
from pubrio_async.cli._options import EstimateOptions, parse_age, parse_types
from pubrio_async.cli._runs import cancel_at_signal, run_command
from pubrio_async.cli._signals import Signals
from pubrio_async.cli._verbose import observers
from pubrio_async.client import AsyncPubrio
from pubrio_async.models import Profile
from pubrio_async.models.redeem import Number
from pubrio_async.scheduler.budget import Prices
from pubrio_async.scheduler.source import Source
from pubrio_async.tables import RowSource, open_rows

_AHEAD = 1_000
_OFFLINE = "--offline makes an estimate without a key and without a request."


class Estimate(Struct, frozen=True, kw_only=True):
    """What `--json` prints. Credits are an estimate of the worst case, never a charge.

    Attributes:
        input: The input.
        rows: Its rows.
        people: Distinct people in it.
        ids: Those named by a `people_search_id`.
        linkedin_urls: Those named by the URL of a LinkedIn page.
        duplicates: Rows that name somebody again.
        malformed: Rows that name nobody.
        known: People whose result is in the journal.
        pending: People whose job is open in the journal.
        unsettled: People whose answer was lost, according to the journal; not sent again.
        to_redeem: People who would be sent.
        batches: Batches they would go in.
        single: People who would go alone.
        requests: Requests, polls among them, if nothing goes wrong.
        worst_case_credits: Most that can be charged: for each person to redeem, and for each
            one whose job is open in the journal, a record of every type.
        worst_case_credits_per_person: Most that one person can cost.
        email_credit: The price of an e-mail record.
        phone_credit: The price of a phone record.
        prices_from: Whose prices these are.
        plan_credits: The plan's balance; None offline.
        topup_credits: The balance of credits bought besides; None offline.
        covered_by_plan_credits: Whether the plan's balance is enough for the worst case.
        rate_limit: The limits that are kept, in words.
        used_requests: How much of them the API has counted already, by limit in words; empty where
            it was not asked with `--rate account`.
        least_time_s: Seconds before which these limits do not let the last request leave.
        plan_quotas: The plan's own limits, for one licence, in words; None where none is known.
        least_time_by_plan_quotas_s: The same seconds by these limits.
    """

    input: str
    rows: int
    people: int
    ids: int
    linkedin_urls: int
    duplicates: int
    malformed: int
    known: int
    pending: int
    unsettled: int
    to_redeem: int
    batches: int
    single: int
    requests: int
    worst_case_credits: Number
    worst_case_credits_per_person: Number
    email_credit: Number
    phone_credit: Number
    prices_from: str
    plan_credits: Number | None
    topup_credits: Number | None
    covered_by_plan_credits: bool | None
    rate_limit: str
    used_requests: dict[str, int]
    least_time_s: float
    plan_quotas: str | None
    least_time_by_plan_quotas_s: float | None


def estimate(options: EstimateOptions) -> ExitCode:
    """Runs the command.

    Args:
        options: What was asked for.

    Returns:
        The exit code. What is not the estimate itself has been said on stderr.
    """

    def command(signals: Signals, stack: ExitStack) -> Coroutine[Any, Any, ExitCode]:
        del stack
        parse_types(options.types)
        parse_age(options.max_age)
        if options.offline and options.sandbox:
            raise ConfigurationError("--offline and --sandbox contradict each other.")
        if options.max_age is not None and options.journal is None:
            raise ConfigurationError("--max-age is about the results in a journal: name it.")
        keyless = options.offline or options.sandbox
        try:
            settings = load_settings(DEMO_KEY if keyless else None, rate_limit=options.rate)
        except ConfigurationError as error:
            raise ConfigurationError(f"{error} {'' if keyless else _OFFLINE}".strip()) from None
        if options.offline and settings.account:
            raise ConfigurationError(
                "--offline asks nobody, so the limits of the account are not known: name the "
                "limits with --rate, such as growth or 300/minute."
            )
        source = open_rows(options.input, options.column, delimiter=options.delimiter)
        for warning in source.warnings:
            say(f"warning: {warning}")
        return _estimate(options, source, settings, signals)

    return run_command(command, verbose=options.verbose)


async def _estimate(
    options: EstimateOptions, source: RowSource, settings: Settings, signals: Signals
) -> ExitCode:
    cancel_at_signal(signals)
    async with AsyncExitStack() as stack:
        # First of all, because another process may be using it.
        known = await _known(options, settings, stack)
        profile: Profile | None = None
        quotas: tuple[Quota, ...] = ()
        if not options.offline:
            try:
                profile, quotas = await _account(options, settings)
            except PubrioError as error:
                text = str(error).rstrip(".")
                cost = "." if tells_cost(text) else "; nothing was charged"
                say(f"error: {text}{cost}")
                say(_OFFLINE)
                return exit_code_of(error)
        tally = await count(Source(source.people(), _AHEAD), known)
    told = _told(options, tally, known, profile, rates=settings.rates, account=quotas)
    written = print_json(told) if options.as_json else print_figures(_figures(told))
    return ExitCode.DONE if written else ExitCode.UNEXPECTED


async def _known(
    options: EstimateOptions, settings: Settings, stack: AsyncExitStack
) -> Known | None:
    """What the journal knows, as long as the stack stands."""
    path = options.journal
    if path is None:
        return None
    if not journal_exists(path):
        say(f"the journal {path} does not exist yet: nobody is known to it")
        return None
    try:
        return await known_to(
            path,
            parse_types(options.types),
            stack,
            origin=None if options.offline else settings.base_url,
            max_age_s=parse_age(options.max_age),
            sandbox=options.sandbox,
        )
    except JournalError as error:
        raise JournalError(f"{error}; or estimate without --journal") from error


async def _account(
    options: EstimateOptions, settings: Settings
) -> tuple[Profile, tuple[Quota, ...]]:
    """The plan's prices and balances, by one request; by another the limits, where asked for."""
    async with AsyncExitStack() as stack:
        key = base_url = None
        if options.sandbox:
            from pubrio_async.cli._demo import demo_sandbox  # noqa: PLC0415 - a server, seldom run

            key = DEMO_KEY
            types = parse_types(options.types)
            base_url = await stack.enter_async_context(demo_sandbox(options.rate, None, types))
        # Two requests need no more than the limit that always holds.
        rate = DEFAULT_RATE_LIMIT if settings.account else options.rate
        client = AsyncPubrio(
            key,
            base_url=base_url,
            rate_limit=rate,
            observers=observers(verbose=options.verbose),
        )
        await stack.enter_async_context(client)
        quotas = account_quotas(await client.profile.usage()) if settings.account else ()
        return await client.profile.get(), quotas


def _told(
    options: EstimateOptions,
    tally: Tally,
    known: Known | None,
    profile: Profile | None,
    *,
    rates: tuple[Rate, ...],
    account: tuple[Quota, ...],
) -> Estimate:
    open_jobs = known.open_jobs if known else 0
    requests = plan(tally, options.batch_size, open_jobs)
    prices, prices_from = _prices(profile)
    each = prices.worst_case(parse_types(options.types))
    to_redeem = tally.new_ids + tally.new_urls
    # A run takes up every open job of its journal, whether the input names its people or not.
    worst = each * (to_redeem + (len(known.pending) if known else 0))
    quotas = _quotas(profile)
    used = {quota.rate: quota.used for quota in account if quota.used}
    rates += tuple(quota.rate for quota in account)
    return Estimate(
        input=options.input,
        rows=tally.rows,
        people=tally.people,
        ids=tally.ids,
        linkedin_urls=tally.linkedin_urls,
        duplicates=tally.duplicates,
        malformed=tally.malformed,
        known=tally.known,
        pending=len(known.pending) if known else 0,
        unsettled=tally.unsettled,
        to_redeem=to_redeem,
        batches=requests.batches,
        single=requests.single,
        requests=requests.total,
        worst_case_credits=worst,
        worst_case_credits_per_person=each,
        email_credit=prices.email,
        phone_credit=prices.phone,
        prices_from=prices_from,
        plan_credits=profile.credit if profile else None,
        topup_credits=profile.topup_credit if profile else None,
        covered_by_plan_credits=profile.credit >= worst if profile else None,
        rate_limit=rates_in_words(rates),
        used_requests={rates_in_words((rate,)): count for rate, count in used.items()},
        least_time_s=least_time(requests.total, rates, used),
        plan_quotas=rates_in_words(quotas) if quotas else None,
        least_time_by_plan_quotas_s=least_time(requests.total, quotas) if quotas else None,
    )


def _prices(profile: Profile | None) -> tuple[Prices, str]:
    """The prices, and whose they are."""
    if profile is None:
        return Prices(), "guide"
    plan = profile.subscription
    named = (plan.email_redeem_credit, plan.phone_number_redeem_credit)
    missing = named.count(None)
    return Prices.of_plan(*named), ("plan", "plan and guide", "guide")[missing]


def _quotas(profile: Profile | None) -> tuple[Rate, ...]:
    """The plan's own limits for one licence; 0 means that it does not say."""
    if profile is None:
        return ()
    plan = profile.subscription
    named = (
        (plan.max_api_hourly_query, "hour"),
        (plan.max_api_daily_query, "day"),
        (plan.max_api_monthly_query, "month"),
    )
    return tuple(Rate(limit, float(_UNITS[unit])) for limit, unit in named if limit)


_UNITS = {"hour": 3_600, "day": 86_400, "month": 30 * 86_400}


def _figures(told: Estimate) -> list[Figure]:
    """The estimate for people."""
    malformed = f"{told.malformed:,} (never sent)" if told.malformed else "0"
    each = credits_of(told.worst_case_credits_per_person)
    per_person = f"{each} for each person, a record of every type asked for"
    figures = [
        ("input", told.input),
        ("rows", f"{told.rows:,}"),
        (
            "distinct people",
            f"{told.people:,} ({many(told.ids, 'id')}, {many(told.linkedin_urls, 'LinkedIn URL')})",
        ),
        ("duplicates", f"{told.duplicates:,}"),
        ("malformed", malformed),
    ]
    if told.known or told.pending or told.unsettled:
        figures += [
            ("known", f"{told.known:,} (in the journal, at no cost)"),
            ("pending", f"{told.pending:,} (in open jobs, which are fetched)"),
            ("unsettled", f"{told.unsettled:,} (not sent again)"),
        ]
    sent = f"{many(told.batches, 'batch', 'es')}, {told.single:,} alone"
    figures += [
        ("to redeem", f"{told.to_redeem:,}"),
        ("requests", f"{told.requests:,} at least ({sent})"),
        ("worst case", f"{credits_of(told.worst_case_credits)} credits, an estimate: {per_person}"),
        (
            "prices",
            f"e-mail {credits_of(told.email_credit)}, phone {credits_of(told.phone_credit)}: "
            + _SOURCES[told.prices_from],
        ),
    ]
    if told.plan_credits is not None and told.topup_credits is not None:
        short = told.worst_case_credits - told.plan_credits
        enough = f"{credits_of(short)} short of" if short > 0 else "enough for"
        figures += [
            ("plan credits", f"{credits_of(told.plan_credits)} ({enough} the worst case)"),
            ("top-up credits", credits_of(told.topup_credits)),
        ]
    figures.append(("least time", f"{_clock(told.least_time_s)} under {told.rate_limit}"))
    if told.used_requests:
        used = "; ".join(f"{count:,} of {rate}" for rate, count in told.used_requests.items())
        figures.append(("", f"already used: {used}"))
    if told.plan_quotas is not None and told.least_time_by_plan_quotas_s is not None:
        least = _clock(told.least_time_by_plan_quotas_s)
        figures.append(("", f"{least} under the plan's {told.plan_quotas} for one licence"))
    figures.append(("", "the time the API takes for its jobs comes on top"))
    return figures


_SOURCES = {
    "plan": "the plan's own",
    "guide": "those of the API's guide; the plan's may differ",
    "plan and guide": "the plan's own, and those of the API's guide where it names none",
}


def _clock(seconds: float) -> str:
    """A time such as 1:02:03, or `2 d 1:02:03`."""
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{f'{days:,} d ' if days else ''}{hours}:{minutes:02}:{rest:02}"
