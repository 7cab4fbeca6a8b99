"""The command `enqueue`: an input into the queue of many machines."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from pubrio_async._config import Settings, load_settings
from pubrio_async._errors import ConfigurationError
from pubrio_async.cli._database import need_extra, run_figures
from pubrio_async.cli._demo_journal import DEMO_KEY
from pubrio_async.cli._exit import ExitCode
from pubrio_async.cli._figures import print_figures
from pubrio_async.cli._messages import people_in_words, rows_in_words, say
from pubrio_async.cli._options import (
    DEFAULT_BATCH_SIZE,
    Order,
    command_line,
    parse_age,
    parse_types,
)
from pubrio_async.cli._runs import cancel_at_signal, run_command
from pubrio_async.cli._signals import Signals
from pubrio_async.client import AsyncPubrio
from pubrio_async.models.redeem import Number
from pubrio_async.scheduler.budget import Prices
from pubrio_async.tables import RowSource, open_rows

if TYPE_CHECKING:
    # Not at run time: it needs an extra.
    from pubrio_async.distributed.figures import RunFigures
    from pubrio_async.distributed.inputs import Enqueued
    from pubrio_async.distributed.store import Store

_LOOK_S = 1.0
_TELL_S = 5.0


class EnqueueOptions(Struct, frozen=True, kw_only=True):
    """What `enqueue` was asked to do.

    Attributes:
        input: The input, `-` for stdin.
        to: The database.
        types: The contact types, as they were written.
        name: What the run is called; None for the name of the input.
        column: The column the people are in, where it was named.
        delimiter: What separates the cells of the input, where it was named.
        batch_size: People in one batch.
        order: What the run is to be quick at.
        priority: Runs with a higher one go first.
        max_credits: The budget in credits.
        max_age: How old a result may be, as it was written; None for any age.
        wait: Whether to stay until the run is done.
    """

    input: str
    to: str
    types: str
    name: str | None = None
    column: str | None = None
    delimiter: str | None = None
    batch_size: int = DEFAULT_BATCH_SIZE
    order: Order = Order.RESULTS
    priority: int = 0
    max_credits: int | None = None
    max_age: str | None = None
    wait: bool = False

    def run_name(self) -> str:
        """What the run is called.

        Raises:
            ConfigurationError: Nothing says so.
        """
        if self.name is not None:
            return self.name
        if self.input == "-":
            raise ConfigurationError("--name: a run whose people come from stdin needs a name.")
        return os.path.basename(self.input)


def enqueue(options: EnqueueOptions) -> ExitCode:
    """Runs the command.

    Args:
        options: What was asked for.

    Returns:
        The exit code. Everything there is to say has been said on stderr.
    """

    def command(signals: Signals, stack: ExitStack) -> Coroutine[Any, Any, ExitCode]:
        del stack
        need_extra()
        parse_types(options.types)
        parse_age(options.max_age)
        options.run_name()
        # Only whoever asks for prices needs a key.
        settings = load_settings(None if options.max_credits is not None else DEMO_KEY)
        source = open_rows(options.input, options.column, delimiter=options.delimiter)
        for warning in source.warnings:
            say(f"warning: {warning}")
        return _enqueue(options, settings, source, signals)

    return run_command(command)


async def _enqueue(
    options: EnqueueOptions, settings: Settings, source: RowSource, signals: Signals
) -> ExitCode:
    from pubrio_async.distributed import inputs  # noqa: PLC0415 - an extra
    from pubrio_async.distributed.store import Store  # noqa: PLC0415 - likewise

    cancel_at_signal(signals)
    types = tuple(parse_types(options.types))
    worst_case: Number | None = None
    if options.max_credits is not None:
        async with AsyncPubrio() as pubrio:
            profile = await pubrio.profile.get()
        worst_case = Prices.of_subscription(profile.subscription).worst_case(types)
    run = inputs.RunSettings(
        name=options.run_name(),
        contact_types=types,
        origin=settings.base_url,
        batch_size=options.batch_size,
        order=options.order.value,
        priority=options.priority,
        max_credits=options.max_credits,
        worst_case=worst_case,
        max_age=parse_age(options.max_age),
    )
    async with Store(options.to) as store:
        try:
            done = await inputs.enqueue(store, source, run)
        except asyncio.CancelledError:
            say("interrupted; the same command goes on where this one stopped")
            return ExitCode.INTERRUPTED
        again = f", {done.again:,} of them once more" if done.again else ""
        say(
            f"run {done.run!r}: {rows_in_words(done.rows)}, {done.malformed:,} malformed, "
            f"{done.known:,} known already; {people_in_words(done.people)}{again}, in "
            f"{done.chunks:,} chunk{'' if done.chunks == 1 else 's'}{_ended(done)} at "
            f"{settings.base_url}"
        )
        if options.wait:
            return await _wait(store, done.run, signals)
    words = [done.run, "-o", "FILE", "--from", "URL"]
    say(f"the results, at any time: {command_line('export', words)}")
    return ExitCode.DONE


def _ended(done: Enqueued) -> str:
    """Whether there is anything left to do for the run."""
    if not done.chunks_done:
        return ""
    return f" ({'all' if done.chunks_done == done.chunks else f'{done.chunks_done:,}'} done before)"


async def _wait(store: Store, run: str, signals: Signals) -> ExitCode:
    """Stays until the workers are done."""
    from pubrio_async.distributed.figures import status  # noqa: PLC0415 - an extra

    ended = asyncio.Event()
    signals.listen(first=ended.set)
    loop = asyncio.get_running_loop()
    told, next_time = "", loop.time()
    while True:
        figures = await status(store, run)
        (now,) = figures.runs
        if now.is_over:
            break
        text = _how_far(now, figures.workers)
        if text != told and loop.time() >= next_time:
            say(text)
            told, next_time = text, loop.time() + _TELL_S
        try:
            async with asyncio.timeout(_LOOK_S):
                await ended.wait()
        except TimeoutError:
            continue
        say("no longer waiting: the run is in the queue, and any worker goes on with it")
        return ExitCode.INTERRUPTED
    print_figures(run_figures(now))
    if now.stopped is not None:
        return ExitCode.NO_CREDITS
    is_incomplete = now.failed or now.unsettled or now.pending or now.under_way
    return ExitCode.INCOMPLETE if is_incomplete else ExitCode.DONE


def _how_far(run: RunFigures, workers: int) -> str:
    ended = run.found + run.empty + run.rejected + run.failed + run.unsettled
    at_it = f"{workers:,} worker{'' if workers == 1 else 's'}" if workers else "no worker running"
    return f"{ended:,} of {people_in_words(run.people)} are done; {at_it}"
