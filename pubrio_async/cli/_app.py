"""The commands and their options."""

from __future__ import annotations

from typing import Annotated

import typer

from pubrio_async.cli._options import (
    DEFAULT_BATCH_SIZE,
    DEFAULT_MAX_CONCURRENCY,
    EstimateOptions,
    Order,
    ProgressStyle,
    RedeemOptions,
    ResolveOptions,
)

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    # A traceback with local variables would show people and contacts.
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Redeem contacts of the Pubrio API in bulk. The key is read from PUBRIO_API_KEY.",
)


# What several commands take.

_Input = Annotated[
    str,
    typer.Argument(
        metavar="INPUT",
        help=".csv, .tsv, .jsonl, .txt (one id or LinkedIn URL a line), .parquet, or - for stdin.",
        show_default=False,
    ),
]
_Types = Annotated[
    str,
    typer.Option(
        "--types",
        help="What to look for: email-work, email-personal, phone, joined by commas.",
        show_default=False,
    ),
]
_Column = Annotated[
    str | None,
    typer.Option(
        "--column",
        help="The column with the people. Default: people_search_id, else linkedin_url.",
        show_default=False,
    ),
]
_BatchSize = Annotated[int, typer.Option("--batch-size", min=1, help="People in one request.")]
_Rate = Annotated[
    str | None,
    typer.Option(
        "--rate",
        help='Rate limits, such as "300/minute; 2400/hour"; or free, growth, business: the quotas '
        "of the plan for one licence; or account: those of your workspace, which takes one free "
        "request. Default: PUBRIO_RATE_LIMIT, else 300/minute.",
        show_default=False,
    ),
]
_MaxAge = Annotated[
    str | None,
    typer.Option(
        "--max-age",
        metavar="AGE",
        help="Such as 30d, 12h, 90m or a number of seconds: results in the journal that are older "
        "are bought again. Default: never.",
        show_default=False,
    ),
]
_MaxCredits = Annotated[
    int | None,
    typer.Option(
        "--max-credits",
        min=0,
        help="Most credits the run may cost; the worst case counts.",
        show_default=False,
    ),
]
_Deadline = Annotated[
    float | None,
    typer.Option("--deadline", help="Seconds after which the run ends.", show_default=False),
]
_Report = Annotated[
    str | None,
    typer.Option("--report", help="Where the figures of the run go, as JSON.", show_default=False),
]
_Progress = Annotated[
    ProgressStyle,
    typer.Option("--progress", help="On stderr. auto: a bar on a terminal, a log elsewhere."),
]
_Journal = Annotated[str, typer.Argument(metavar="JOURNAL", help="The file.", show_default=False)]
_AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON object.")]


@app.command()
def redeem(  # noqa: PLR0917 - typer calls it by name
    source: _Input,
    types: _Types,
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            help=".csv, .tsv or .parquet (the input's columns and the outcome's, in input order), "
            "or .jsonl (an outcome a line). Without it: JSONL to stdout.",
            show_default=False,
        ),
    ] = None,
    column: _Column = None,
    batch_size: _BatchSize = DEFAULT_BATCH_SIZE,
    rate: _Rate = None,
    max_concurrency: Annotated[
        int, typer.Option("--max-concurrency", min=1, help="Most requests in flight at once.")
    ] = DEFAULT_MAX_CONCURRENCY,
    journal: Annotated[
        str | None,
        typer.Option(
            "--journal",
            help="Where the run is written down, so that it can be continued. Default: OUTPUT "
            "with .journal after it; none without -o.",
            show_default=False,
        ),
    ] = None,
    no_journal: Annotated[
        bool,
        typer.Option("--no-journal", help="Keep no journal: what a crash loses is paid for again."),
    ] = False,
    max_age: _MaxAge = None,
    max_credits: _MaxCredits = None,
    deadline: _Deadline = None,
    report: _Report = None,
    order: Annotated[
        Order,
        typer.Option("--order", help="Early results, or the whole list soonest."),
    ] = Order.RESULTS,
    progress: _Progress = ProgressStyle.AUTO,
    sandbox: Annotated[
        bool,
        typer.Option(
            "--sandbox",
            help="Redeem from the local stand-in: made-up contacts, no key, no charge.",
        ),
    ] = False,
) -> None:
    """Redeem the people of a file, or of stdin.

    Running the same command again continues it: what is settled is not sent again.

    Exit code: 0 all rows settled, 2 usage or configuration, 3 some rows failed, pending or
    unsettled, 4 stopped by the budget or by missing credits, 5 the key was refused, 130
    interrupted, 1 anything else.
    """
    # Not at the top: --help and mistyped options need none of it.
    from pubrio_async.cli import _redeem  # noqa: PLC0415

    options = RedeemOptions(
        input=source,
        output=output,
        types=types,
        column=column,
        batch_size=batch_size,
        rate=rate,
        max_concurrency=max_concurrency,
        journal=journal,
        no_journal=no_journal,
        max_age=max_age,
        max_credits=max_credits,
        deadline=deadline,
        report=report,
        order=order,
        progress=progress,
        sandbox=sandbox,
    )
    raise typer.Exit(_redeem.redeem(options))


@app.command()
def estimate(  # noqa: PLR0917 - typer calls it by name
    source: _Input,
    types: _Types,
    column: _Column = None,
    batch_size: _BatchSize = DEFAULT_BATCH_SIZE,
    rate: _Rate = None,
    journal: Annotated[
        str | None,
        typer.Option(
            "--journal",
            help="The journal of the run: who is known to it is not paid for again.",
            show_default=False,
        ),
    ] = None,
    max_age: _MaxAge = None,
    offline: Annotated[
        bool,
        typer.Option(
            "--offline", help="Send nothing, need no key: the prices are those of the API's guide."
        ),
    ] = False,
    as_json: _AsJson = False,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Ask the local stand-in for prices and balances.")
    ] = False,
) -> None:
    """Tell what redeeming a list may cost at most and takes at least. Nothing is charged.

    Exit code: 0 done, 2 usage or configuration, 5 the key was refused, 130 interrupted, 1
    anything else.
    """
    from pubrio_async.cli import _estimate  # noqa: PLC0415 - as above

    options = EstimateOptions(
        input=source,
        types=types,
        column=column,
        batch_size=batch_size,
        rate=rate,
        journal=journal,
        max_age=max_age,
        offline=offline,
        as_json=as_json,
        sandbox=sandbox,
    )
    raise typer.Exit(_estimate.estimate(options))


@app.command()
def status(journal: _Journal, as_json: _AsJson = False) -> None:
    """Tell what a journal holds, also while a run is using it. Needs no key, sends nothing.

    Exit code: 0 done, 2 the journal is missing, damaged or none.
    """
    from pubrio_async.cli import _status  # noqa: PLC0415 - as above

    raise typer.Exit(_status.status(journal, as_json=as_json))


@app.command()
def resolve(  # noqa: PLR0917 - typer calls it by name
    journal: _Journal,
    resend: Annotated[
        bool,
        typer.Option(
            "--resend",
            help="Send those again who cannot be found, at full price; they may be paid for twice.",
        ),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask on a terminal before sending them again.")
    ] = False,
    rate: _Rate = None,
    max_credits: _MaxCredits = None,
    deadline: _Deadline = None,
    report: _Report = None,
    progress: _Progress = ProgressStyle.AUTO,
) -> None:
    """Settle the unsettled of a journal: people who may have been charged, the answer being lost.

    Looks for their requests in the API's request log, and fetches what they bought. Afterwards
    the redeem command that wrote the journal completes its output at no cost.

    Exit code: 0 nobody is unsettled, 2 usage or configuration, 3 some are unsettled or pending, 4
    stopped by the budget or by missing credits, 5 the key was refused, 130 interrupted, 1
    anything else.
    """
    from pubrio_async.cli import _resolve  # noqa: PLC0415 - as above

    options = ResolveOptions(
        journal=journal,
        resend=resend,
        yes=yes,
        rate=rate,
        max_credits=max_credits,
        deadline=deadline,
        report=report,
        progress=progress,
    )
    raise typer.Exit(_resolve.resolve(options))


@app.command()
def call(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Such as people.search.", show_default=False),
    ] = None,
    body: Annotated[
        str | None,
        typer.Option(
            "--json",
            metavar="BODY",
            help="The fields of the request as a JSON object; - reads it from stdin.",
            show_default=False,
        ),
    ] = None,
    show: Annotated[
        bool, typer.Option("--list", help="Show every endpoint, and whether it spends credits.")
    ] = False,
    sandbox: Annotated[
        bool,
        typer.Option("--sandbox", help="Ask the local stand-in: made-up data, no key, no charge."),
    ] = False,
) -> None:
    """Call any endpoint by its name and print its reply as JSON.

    Exit code: 0 done, 2 usage or configuration, 4 not enough credits, 5 the key was refused, 130
    interrupted, 1 any other error.
    """
    from pubrio_async.cli import _call  # noqa: PLC0415 - as above

    raise typer.Exit(_call.show_endpoints() if show else _call.call(name, body, sandbox=sandbox))


@app.command()
def sandbox(  # noqa: PLR0917 - typer calls it by name
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, help="Port; 0 takes a free one.")
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Another seed finds other contacts.")] = 0,
    limits: Annotated[
        str, typer.Option("--limits", help="The rate limits it enforces.")
    ] = "300/minute",
    credit: Annotated[
        int, typer.Option("--credit", min=0, help="Credits it starts with.")
    ] = 1_000_000,
    latency: Annotated[
        float, typer.Option("--latency", min=0, help="Seconds before each reply.")
    ] = 0.05,
    time_scale: Annotated[
        float,
        typer.Option("--time-scale", min=0, help="Multiplies the time its jobs take."),
    ] = 1.0,
    max_batch: Annotated[
        int | None,
        typer.Option("--max-batch", min=1, help="Largest batch it accepts.", show_default=False),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            help="What goes wrong; may be given several times. See the sandbox's documentation.",
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
