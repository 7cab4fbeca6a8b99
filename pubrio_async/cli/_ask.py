"""Asking before money is spent, where there is somebody to ask."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack

from pubrio_async._config import Settings
from pubrio_async.cli._demo_journal import journal_exists
from pubrio_async.cli._forecast import count
from pubrio_async.cli._known import known_to
from pubrio_async.cli._messages import credits_of, one_line, people_in_words, say
from pubrio_async.cli._options import RedeemOptions
from pubrio_async.cli._signals import Signals
from pubrio_async.models.redeem import Number
from pubrio_async.scheduler.budget import Prices
from pubrio_async.scheduler.source import Source
from pubrio_async.tables import RowSource

_AHEAD = 1_000


def on_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def confirmed(signals: Signals) -> bool:
    """Asks whether to go on; a signal means no."""
    try:
        # Of its own, and before the question: whoever is asked is not to be told to wait for a run.
        with Signals():
            print(one_line("go on? [y/N] "), end=" ", file=sys.stderr, flush=True)
            return sys.stdin.readline().strip().lower() in {"y", "yes"}
    except KeyboardInterrupt:
        print(file=sys.stderr)
        signals.received = True
        return False


async def agreed(
    options: RedeemOptions, source: RowSource, settings: Settings, signals: Signals
) -> bool:
    """Whether a run may begin: asks if it may cost more than `ask_above`.

    No request is made for it: the prices are those of the API's guide. Nobody is asked without a
    terminal, nor when stdin is the input, which cannot be read twice.

    Args:
        options: What was asked for.
        source: The input; read once more where it is worth asking.
        settings: Name the API the journal belongs to.
        signals: Catches signals meanwhile.

    Raises:
        ConfigurationError: The input was changed meanwhile.
        JournalError: The journal cannot be used.
    """
    if options.yes or options.sandbox or source.total is None or not on_terminal():
        return True
    each = Prices().worst_case(options.contact_types())
    # First what the rows say, for nothing; then the people in them, less those in the journal.
    if _bounded(each * source.total, options) <= options.ask_above:
        return True
    people = await _to_pay_for(options, source, settings)
    worst = _bounded(each * people, options)
    if worst <= options.ask_above:
        return True
    bound = " by --max-credits" if worst < each * people else ""
    say(
        f"this run may cost up to {credits_of(worst)} credits{bound}: "
        f"{people_in_words(people)} to redeem, each {credits_of(each)} at most by the prices of "
        "the API's guide; estimate asks for your plan's"
    )
    return confirmed(signals)


def _bounded(worst: Number, options: RedeemOptions) -> Number:
    return worst if options.max_credits is None else min(worst, options.max_credits)


async def _to_pay_for(options: RedeemOptions, source: RowSource, settings: Settings) -> int:
    """Distinct people who may be charged."""
    async with AsyncExitStack() as stack:
        known = None
        path = options.journal_path
        if path is not None and journal_exists(path):
            known = await known_to(
                path,
                options.contact_types(),
                stack,
                origin=settings.base_url,
                max_age_s=options.max_age_s(),
            )
        tally = await count(Source(source.people(), _AHEAD), known)
    return tally.new_ids + tally.new_urls + (len(known.pending) if known else 0)
