"""The commands; their options are in `_params`, and the rest of their help in `_help`."""

from __future__ import annotations

from typing import Annotated

import typer

from pubrio_async._version import __version__
from pubrio_async.cli import _fleet
from pubrio_async.cli import _params as params
from pubrio_async.cli._chosen import Chosen
from pubrio_async.cli._dashboard import RedeemCommand
from pubrio_async.cli._exit import ExitCode
from pubrio_async.cli._figures import print_out
from pubrio_async.cli._fleet_params import LimitName, OnlyRun, ResolveOf, Stalled, StatusOf
from pubrio_async.cli._help import HelpfulCommand, SafeGroup
from pubrio_async.cli._options import (
    DEFAULT_ASK_ABOVE,
    DEFAULT_BATCH_SIZE,
    DEFAULT_MAX_CONCURRENCY,
    DEFAULT_STALLED_S,
    EstimateOptions,
    Order,
    ProgressStyle,
    RedeemOptions,
    ResolveOptions,
    is_database,
)

app = typer.Typer(
    cls=SafeGroup,
    no_args_is_help=True,
    # A traceback with local variables would show people and contacts.
    pretty_exceptions_enable=False,
    # Plain text: no name of a file is taken for markup, and rich need not be loaded.
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        written = print_out(f"pubrio-async {__version__}\n", "the version")
        raise typer.Exit(ExitCode.DONE if written else ExitCode.UNEXPECTED)


@app.callback()
def common(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    """Redeem contacts of the Pubrio API in bulk. Each command has a --help of its own.

    The key is read from PUBRIO_API_KEY. With --sandbox none is needed, and nothing is charged.
    """
    del version


@app.command(cls=RedeemCommand)
def redeem(  # noqa: PLR0917 - typer calls it by name
    context: typer.Context,
    source: params.Input,
    types: params.Types = None,
    output: params.Output = None,
    column: params.Column = None,
    delimiter: params.Delimiter = None,
    batch_size: params.BatchSize = DEFAULT_BATCH_SIZE,
    rate: params.Rate = None,
    max_concurrency: params.MaxConcurrency = DEFAULT_MAX_CONCURRENCY,
    journal: params.Journal = None,
    no_journal: params.NoJournal = False,
    max_age: params.MaxAge = None,
    max_credits: params.MaxCredits = None,
    ask_above: params.AskAbove = DEFAULT_ASK_ABOVE,
    yes: params.Yes = False,
    deadline: params.Deadline = None,
    report: params.Report = None,
    order: params.RunOrder = Order.RESULTS,
    progress: params.Progress = ProgressStyle.AUTO,
    verbose: params.Verbose = False,
    dashboard: params.Dashboard = None,
    dashboard_host: params.DashboardHost = None,
    harmless_input: params.HarmlessInput = False,
    sandbox: params.Sandbox = False,
) -> None:
    """Redeem the people of a file, or of stdin.

    Running the same command again continues it: what is settled is not sent again.
    """
    # Not at the top: --help and mistyped options need none of it.
    from pubrio_async.cli import _redeem  # noqa: PLC0415

    chosen = Chosen(context)
    options = RedeemOptions(
        input=source,
        output=output,
        types=chosen.needed("types", types),
        column=column,
        delimiter=delimiter,
        batch_size=chosen.of("batch_size", batch_size),
        rate=chosen.of("rate", rate),
        max_concurrency=chosen.of("max_concurrency", max_concurrency),
        journal=journal,
        no_journal=no_journal,
        max_age=max_age,
        max_credits=chosen.of("max_credits", max_credits),
        ask_above=chosen.of("ask_above", ask_above),
        yes=yes,
        deadline=chosen.of("deadline", deadline),
        report=report,
        order=chosen.of("order", order),
        progress=chosen.of("progress", progress),
        verbose=verbose,
        dashboard=dashboard,
        dashboard_host=dashboard_host,
        harmless_input=harmless_input,
        sandbox=sandbox,
        elsewhere=chosen.elsewhere(),
    )
    chosen.tell()
    raise typer.Exit(_redeem.redeem(options))


@app.command(cls=HelpfulCommand)
def estimate(  # noqa: PLR0917 - typer calls it by name
    context: typer.Context,
    source: params.Input,
    types: params.Types = None,
    column: params.Column = None,
    delimiter: params.Delimiter = None,
    batch_size: params.BatchSize = DEFAULT_BATCH_SIZE,
    rate: params.Rate = None,
    journal: params.KnownJournal = None,
    max_age: params.MaxAge = None,
    offline: params.Offline = False,
    as_json: params.AsJson = False,
    verbose: params.Verbose = False,
    sandbox: params.Sandbox = False,
) -> None:
    """Estimate the most a list may cost and the least time it takes. Nothing is charged.

    Sends one request, for the plan's prices and balances; none with --offline.
    """
    from pubrio_async.cli import _estimate  # noqa: PLC0415 - as above

    chosen = Chosen(context)
    options = EstimateOptions(
        input=source,
        types=chosen.needed("types", types),
        column=column,
        delimiter=delimiter,
        batch_size=chosen.of("batch_size", batch_size),
        rate=chosen.of("rate", rate),
        journal=journal,
        max_age=max_age,
        offline=offline,
        as_json=as_json,
        verbose=verbose,
        sandbox=sandbox,
    )
    chosen.tell()
    raise typer.Exit(_estimate.estimate(options))


@app.command(cls=HelpfulCommand)
def status(journal: StatusOf, as_json: params.AsJson = False) -> None:
    """Show what a journal holds, also while a run is using it. Needs no key, sends nothing.

    Given the URL of a database, show how far the runs of many machines are.
    """
    from pubrio_async.cli import _database, _status  # noqa: PLC0415 - as above

    if is_database(journal):
        raise typer.Exit(_database.database_status(journal, as_json=as_json))
    raise typer.Exit(_status.status(journal, as_json=as_json))


@app.command(cls=HelpfulCommand, short_help="Look once more for answers that were lost.")
def resolve(  # noqa: PLR0917 - typer calls it by name
    context: typer.Context,
    journal: ResolveOf,
    resend: params.Resend = False,
    yes: params.Yes = False,
    run: OnlyRun = None,
    rate: params.Rate = None,
    limit_name: LimitName = None,
    stalled_after: Stalled = DEFAULT_STALLED_S,
    max_credits: params.MaxCredits = None,
    deadline: params.Deadline = None,
    report: params.Report = None,
    progress: params.Progress = ProgressStyle.AUTO,
    as_json: params.AsJson = False,
    verbose: params.Verbose = False,
) -> None:
    """Settle a journal's unsettled people: perhaps they were charged, but the answer was lost.

    Looks for their requests in the API's request log, and fetches what they bought. Afterwards
    the redeem command that wrote the journal completes its output at no cost.
    Given the URL of a database, settle those of many machines, whether workers are running or not.
    """
    from pubrio_async.cli import _resolve  # noqa: PLC0415 - as above

    chosen = Chosen(context)
    if resend or chosen.given("max_credits"):
        max_credits = chosen.of("max_credits", max_credits)
    else:
        max_credits = None  # of the environment or the file: it bounds what nobody asked for
    options = ResolveOptions(
        journal=journal,
        resend=resend,
        yes=yes,
        rate=chosen.of("rate", rate),
        max_credits=max_credits,
        deadline=chosen.of("deadline", deadline),
        report=report,
        progress=chosen.of("progress", progress),
        as_json=as_json,
        verbose=verbose,
        run=run,
        limit_name=limit_name,
        stalled_after=stalled_after,
    )
    chosen.tell()
    raise typer.Exit(_resolve.resolve(options))


@app.command(cls=HelpfulCommand)
def call(
    name: params.Endpoint = None,
    body: params.Body = None,
    show: params.ListEndpoints = False,
    verbose: params.Verbose = False,
    sandbox: params.Sandbox = False,
) -> None:
    """Call any endpoint by its name and print its reply as JSON."""
    from pubrio_async.cli import _call  # noqa: PLC0415 - as above

    if show:
        raise typer.Exit(_call.show_endpoints())
    raise typer.Exit(_call.call(name, body, sandbox=sandbox, verbose=verbose))


@app.command(
    cls=HelpfulCommand, short_help="Check the key, its limits and the replies, by free reads."
)
def doctor(  # noqa: PLR0917 - typer calls it by name
    context: typer.Context,
    as_json: params.AsJson = False,
    spend: params.Spend = 0,
    yes: params.Yes = False,
    rate: params.Rate = None,
    timeout: params.RequestTimeout = 30.0,
    only: params.Only = None,
    verbose: params.Verbose = False,
    sandbox: params.Sandbox = False,
) -> None:
    """Check the key, the connection, limits, and where replies differ from the documentation.

    Free reads only, unless --spend allows more; nothing is changed. Of replies it shows types,
    limits, prices and balances, and nothing about anybody.
    """
    from pubrio_async.cli import _doctor  # noqa: PLC0415 - as above

    chosen = Chosen(context)
    options = _doctor.DoctorOptions(
        as_json=as_json,
        spend=spend,
        yes=yes,
        rate=chosen.of("rate", rate),
        timeout=timeout,
        only=tuple(only or ()),
        verbose=verbose,
        sandbox=sandbox,
    )
    chosen.tell()
    raise typer.Exit(_doctor.doctor(options))


@app.command(cls=HelpfulCommand)
def sandbox(  # noqa: PLR0917 - typer calls it by name
    host: Annotated[
        str, typer.Option("--host", metavar="HOST", help="Where it listens.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option("--port", metavar="PORT", min=0, max=65_535, help="Port; 0 takes a free one."),
    ] = 0,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="Another seed finds other contacts.")
    ] = 0,
    limits: Annotated[
        str, typer.Option("--limits", metavar="RATES", help="The rate limits it enforces.")
    ] = "300/minute",
    credit: Annotated[
        int, typer.Option("--credit", metavar="CREDITS", min=0, help="Credits it starts with.")
    ] = 1_000_000,
    latency: Annotated[
        float,
        typer.Option("--latency", metavar="SECONDS", min=0, help="Seconds before each reply."),
    ] = 0.05,
    time_scale: Annotated[
        float,
        typer.Option(
            "--time-scale", metavar="FACTOR", min=0, help="Multiplies the time its jobs take."
        ),
    ] = 1.0,
    max_batch: Annotated[
        int | None,
        typer.Option(
            "--max-batch", metavar="N", min=1, help="Largest batch it accepts.", show_default=False
        ),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            metavar="FAULT",
            help="What goes wrong; may be given several times. It is KIND, KIND:PATH or "
            "KIND:PATH:NAME=VALUE,..., where PATH is how the paths it strikes begin. Kinds: "
            "lost_before and lost_after the work, 5xx_before and 5xx_after it, 429, 402, 401, 400, "
            "slow, stall, garbage, truncated, redirect, batch_too_large, unknown_id, "
            "unfinished_forever. Names: times, after, probability, delay, retry_after, and more in "
            "the reference of the sandbox.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run the local stand-in for the API until it is interrupted.

    The first line on stdout is its URL, to be used as PUBRIO_BASE_URL; any key will do.
    """
    from pubrio_async.cli import _sandbox  # noqa: PLC0415 - as above

    options = _sandbox.SandboxOptions(
        host=host,
        port=port,
        seed=seed,
        limits=limits,
        credit=credit,
        latency=latency,
        time_scale=time_scale,
        max_batch=max_batch,
        faults=tuple(fault or ()),
    )
    raise typer.Exit(_sandbox.serve(options))


for each in _fleet.COMMANDS:
    app.command(cls=HelpfulCommand)(each)
