"""What the commands for many machines share: the extra they need, and the state of the database."""

from __future__ import annotations

import logging
import time
from collections.abc import Coroutine
from contextlib import ExitStack
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from pubrio_async._errors import ConfigurationError
from pubrio_async.cli._exit import ExitCode
from pubrio_async.cli._figures import Figure, print_figures, print_json
from pubrio_async.cli._messages import credits_of, say
from pubrio_async.cli._options import command_line
from pubrio_async.cli._runs import cancel_at_signal, run_command
from pubrio_async.cli._signals import Signals

if TYPE_CHECKING:
    # Not at run time: it needs an extra.
    from pubrio_async.distributed.figures import Figures, RunFigures

# What they have to say, such as that a database cannot be reached, the commands say in their words.
_TOLD_BY_US = ("psycopg.pool", "procrastinate")
_NAMES = {"failed": "failed or skipped", "under_way": "under way"}
_EXTRA = 'many machines need the extra "postgres": pip install "pubrio-async[postgres]"'


def need_extra() -> None:
    """Sees to it that the driver and the queue are installed, and keep quiet.

    Raises:
        ConfigurationError: They are not.
    """
    if any(find_spec(name) is None for name in ("procrastinate", "psycopg", "psycopg_pool")):
        raise ConfigurationError(f"{_EXTRA}.")
    try:
        import_module("psycopg")  # which looks for the library of PostgreSQL
    except ImportError:
        raise ConfigurationError(
            "psycopg finds no libpq, the library of PostgreSQL: install that, or "
            'pip install "psycopg[binary]".'
        ) from None
    for name in _TOLD_BY_US:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def database(action: str, url: str) -> ExitCode:
    """Runs the command `database`.

    Args:
        action: `upgrade` or `check`.
        url: The database.

    Returns:
        The exit code.
    """

    def command(signals: Signals, stack: ExitStack) -> Coroutine[Any, Any, ExitCode]:
        del stack
        need_extra()
        if action not in {"upgrade", "check"}:
            raise ConfigurationError(f"{action[:60]!r} is no action; there are upgrade and check.")
        return _database(action, url, signals)

    return run_command(command)


def database_status(url: str, *, as_json: bool) -> ExitCode:
    """Tells what is going on in a database.

    Args:
        url: The database.
        as_json: Whether a program reads it.

    Returns:
        The exit code.
    """

    def command(signals: Signals, stack: ExitStack) -> Coroutine[Any, Any, ExitCode]:
        del stack
        need_extra()
        return _status(url, signals, as_json=as_json)

    return run_command(command)


async def _database(action: str, url: str, signals: Signals) -> ExitCode:
    from pubrio_async.distributed.schema import VERSION, apply_schema  # noqa: PLC0415 - an extra
    from pubrio_async.distributed.store import Store  # noqa: PLC0415 - likewise

    cancel_at_signal(signals)
    if action == "upgrade":
        found = await apply_schema(url)
        now = f"the tables are of version {VERSION}"
        say(f"{now} already" if found == VERSION else f"{now} now (before: {found or 'none'})")
    async with Store(url) as store:  # which looks at the version
        say(f"{store.place} can be used")
    return ExitCode.DONE


async def _status(url: str, signals: Signals, *, as_json: bool) -> ExitCode:
    from pubrio_async.distributed.figures import status  # noqa: PLC0415 - an extra
    from pubrio_async.distributed.store import Store  # noqa: PLC0415 - likewise

    cancel_at_signal(signals)
    async with Store(url, connections=1) as store:
        figures = await status(store)
    written = print_json(figures) if as_json else print_figures(_figures(store.place, figures))
    return ExitCode.DONE if written else ExitCode.UNEXPECTED


def _figures(place: str, figures: Figures) -> list[Figure]:
    shown = [("database", place), ("workers", f"{figures.workers:,}")]
    for limit in figures.limits:
        text = f"{'; '.join(limit.limits)}, {limit.leased:,} permits with workers"
        if limit.refusals:
            text += f", refused {limit.refusals:,} times in a row"
        if limit.paused_s:
            text += f", paused for {limit.paused_s:.0f} s"
        shown.append((f"limits {limit.name}", text))
    for run in figures.runs:
        shown += [("", ""), *run_figures(run)]
    return shown if figures.runs else [*shown, ("runs", "none")]


def run_figures(run: RunFigures) -> list[Figure]:
    """A run, for people."""
    rows = f"{run.rows:,}, {run.malformed_rows:,} malformed, {run.known_rows:,} known already"
    shown = [
        ("run", run.run if run.is_whole else f"{run.run} (its input is not read to its end)"),
        ("bought at", run.api),
        ("contact types", ", ".join(run.contact_types)),
        ("created", time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(run.created_at))),
        ("rows", rows),
        ("people", f"{run.people:,}"),
        ("found", f"{run.found:,}"),
        ("empty", f"{run.empty:,}"),
    ]
    others = ("rejected", "failed", "unsettled", "pending", "under_way", "waiting")
    shown += [
        (_NAMES.get(name, name), f"{getattr(run, name):,}") for name in others if getattr(run, name)
    ]
    chunks = {
        "to do": run.chunks_todo,
        "being done": run.chunks_doing,
        "done": run.chunks_done,
        "stopped": run.chunks_stopped,
    }
    of_budget = "" if run.max_credits is None else f" of {credits_of(run.max_credits)} at most"
    shown += [
        ("chunks", ", ".join(f"{no:,} {what}" for what, no in chunks.items() if no) or "none"),
        ("credits charged", f"{credits_of(run.credits_charged)}{of_budget}, as reported"),
    ]
    if run.stopped is not None:
        higher = " with a higher --max-credits" if "max_credits" in run.stopped else ""
        shown.append(("stopped", f"{run.stopped} - the same enqueue{higher} goes on with it"))
    if run.last_trouble is not None:
        shown.append(("last trouble", run.last_trouble))
    if run.unsettled and run.is_over:
        command = command_line("resolve", ["URL"])
        shown.append(("next", f"{command} looks for the unsettled in the API's request log"))
    return shown
