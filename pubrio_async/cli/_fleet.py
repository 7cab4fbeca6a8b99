"""The commands for many machines, as `_app` has the others; they need the extra `postgres`."""

from __future__ import annotations

from collections.abc import Callable

import typer

from pubrio_async.cli import _fleet_params as fleet
from pubrio_async.cli import _params as params
from pubrio_async.cli._chosen import Chosen
from pubrio_async.cli._options import (
    DEFAULT_BATCH_SIZE,
    DEFAULT_MAX_CONCURRENCY,
    DEFAULT_STALLED_S,
    Order,
)


def database(
    context: typer.Context, action: fleet.DatabaseAction, url: fleet.DatabaseUrl = None
) -> None:
    """Prepare a PostgreSQL for many machines."""
    from pubrio_async.cli import _database  # noqa: PLC0415 - as in _app

    raise typer.Exit(_database.database(action, _url(context, url, "URL")))


def enqueue(  # noqa: PLR0917 - typer calls it by name
    context: typer.Context,
    source: params.Input,
    to: fleet.DatabaseTo = None,
    types: params.Types = None,
    name: fleet.RunName = None,
    column: params.Column = None,
    delimiter: params.Delimiter = None,
    batch_size: params.BatchSize = DEFAULT_BATCH_SIZE,
    order: params.RunOrder = Order.RESULTS,
    priority: fleet.Priority = 0,
    max_credits: params.MaxCredits = None,
    max_age: params.MaxAge = None,
    wait: fleet.WaitForRun = False,
) -> None:
    """Put the people of a list into the queue of many machines. Sends none of them.

    Running the same command again continues it, and tries those who failed once more.
    """
    from pubrio_async.cli import _enqueue  # noqa: PLC0415 - as in _app

    chosen = Chosen(context)
    options = _enqueue.EnqueueOptions(
        input=source,
        to=_url(context, to, "--to"),
        types=chosen.needed("types", types),
        name=name,
        column=column,
        delimiter=delimiter,
        batch_size=chosen.of("batch_size", batch_size),
        order=chosen.of("order", order),
        priority=priority,
        max_credits=chosen.of("max_credits", max_credits),
        max_age=max_age,
        wait=wait,
    )
    chosen.tell()
    raise typer.Exit(_enqueue.enqueue(options))


def worker(  # noqa: PLR0917 - typer calls it by name
    context: typer.Context,
    to: fleet.DatabaseTo = None,
    concurrency: fleet.Concurrency = None,
    rate: fleet.SharedRate = None,
    limit_name: fleet.LimitName = None,
    max_concurrency: params.MaxConcurrency = DEFAULT_MAX_CONCURRENCY,
    until_done: fleet.UntilDone = False,
    stalled_after: fleet.Stalled = DEFAULT_STALLED_S,
    verbose: params.Verbose = False,
) -> None:
    """Redeem what is in the queue, as one of any number of processes. Spends credits.

    A signal ends it in good order: others go on with what it was doing.
    """
    from pubrio_async.cli import _worker  # noqa: PLC0415 - as in _app

    chosen = Chosen(context)
    options = _worker.WorkerOptions(
        to=_url(context, to, "--to"),
        concurrency=concurrency,
        rate=chosen.of("rate", rate),
        limit_name=limit_name,
        max_concurrency=chosen.of("max_concurrency", max_concurrency),
        until_done=until_done,
        stalled_after=stalled_after,
        verbose=verbose,
    )
    chosen.tell()
    raise typer.Exit(_worker.worker(options))


def export(
    context: typer.Context,
    run: fleet.Run,
    output: params.Output = None,
    source: fleet.DatabaseFrom = None,
) -> None:
    """Write the rows of a run of many machines, with what was found. Sends nothing.

    While the run goes on, rows that are not settled yet are pending or skipped.
    """
    from pubrio_async.cli import _export  # noqa: PLC0415 - as in _app

    raise typer.Exit(_export.export(run, output, _url(context, source, "--from")))


def _url(context: typer.Context, url: str | None, option: str) -> str:
    if url is None or not url.strip():
        raise typer.BadParameter(
            "it is needed: give it here, or in PUBRIO_DATABASE.", ctx=context, param_hint=option
        )
    return url


COMMANDS: tuple[Callable[..., None], ...] = (database, enqueue, worker, export)
"""In the order in which they are needed."""
