"""What the commands can be told: each argument and option with its words, once for all of them.

The groups are those of the help; what completes an option in a shell is in `_completion`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from pubrio_async.cli._completion import complete_endpoint, complete_rate, complete_types
from pubrio_async.cli._options import Order, ProgressStyle

FILES = "Files"
WHAT = "What to look for"
MONEY = "Money"
PACE = "Pace"
OUTPUT = "What is shown"
TRIAL = "Trying it out"

Input = Annotated[
    str,
    typer.Argument(
        metavar="INPUT",
        help=".csv, .tsv, .jsonl, .txt (one id or LinkedIn URL a line), .parquet, or - for stdin.",
        show_default=False,
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        help=".csv, .tsv or .parquet (the input's columns and the outcome's, in input order), "
        "or .jsonl (an outcome a line). Without it: JSONL to stdout.",
        show_default=False,
        rich_help_panel=FILES,
    ),
]
Types = Annotated[
    str | None,
    typer.Option(
        "--types",
        metavar="TYPES",
        envvar="PUBRIO_TYPES",
        help="Needed. One or more of email-work, email-personal, phone, joined by commas.",
        show_default=False,
        autocompletion=complete_types,
        rich_help_panel=WHAT,
    ),
]
Column = Annotated[
    str | None,
    typer.Option(
        "--column",
        metavar="NAME",
        help="The column with the people. Default: people_search_id, else linkedin_url.",
        show_default=False,
        rich_help_panel=FILES,
    ),
]
Delimiter = Annotated[
    str | None,
    typer.Option(
        "--delimiter",
        metavar="CHAR",
        help="What separates the cells of a .csv or .tsv input. A comma, ;, | and a tab are found "
        "by themselves.",
        show_default=False,
        rich_help_panel=FILES,
    ),
]
HarmlessInput = Annotated[
    bool,
    typer.Option(
        "--harmless-input",
        help="In a .csv or .tsv output, put an apostrophe before cells of the input that a "
        "spreadsheet would take for formulas. Those of the outcome get one anyway, unless they are "
        "plain phone numbers.",
        rich_help_panel=FILES,
    ),
]
BatchSize = Annotated[
    int,
    typer.Option(
        "--batch-size",
        metavar="N",
        envvar="PUBRIO_BATCH_SIZE",
        min=1,
        help="The most people in one request.",
        rich_help_panel=PACE,
    ),
]
Rate = Annotated[
    str | None,
    typer.Option(
        "--rate",
        metavar="RATES",
        envvar="PUBRIO_RATE_LIMIT",
        help='Rate limits, such as "300/minute; 2400/hour". free, growth and business are the '
        "quotas of that plan for one licence; account asks for those of your workspace, with one "
        "free request. Default: 300/minute.",
        show_default=False,
        autocompletion=complete_rate,
        rich_help_panel=PACE,
    ),
]
MaxConcurrency = Annotated[
    int,
    typer.Option(
        "--max-concurrency",
        metavar="N",
        envvar="PUBRIO_MAX_CONCURRENCY",
        min=1,
        help="The most requests in flight at once.",
        rich_help_panel=PACE,
    ),
]
Journal = Annotated[
    str | None,
    typer.Option(
        "--journal",
        metavar="FILE",
        help="The file in which the run is written down, so that it can be continued. Default: "
        "OUTPUT with .journal after it; none without -o.",
        show_default=False,
        rich_help_panel=FILES,
    ),
]
NoJournal = Annotated[
    bool,
    typer.Option(
        "--no-journal",
        help="Keep no journal: what a crash loses is paid for again.",
        rich_help_panel=FILES,
    ),
]
KnownJournal = Annotated[
    str | None,
    typer.Option(
        "--journal",
        metavar="FILE",
        help="The journal of the run: who is in it is not paid for again.",
        show_default=False,
        rich_help_panel=FILES,
    ),
]
MaxAge = Annotated[
    str | None,
    typer.Option(
        "--max-age",
        metavar="AGE",
        help="Buy known results again that are older than this, such as 30d, 12h, 90m or a number "
        "of seconds. Default: never.",
        show_default=False,
        rich_help_panel=MONEY,
    ),
]
MaxCredits = Annotated[
    int | None,
    typer.Option(
        "--max-credits",
        metavar="CREDITS",
        envvar="PUBRIO_MAX_CREDITS",
        min=0,
        help="The most credits the run may cost, counting the worst case. Jobs that an earlier run "
        "has paid for are fetched all the same.",
        show_default=False,
        rich_help_panel=MONEY,
    ),
]
AskAbove = Annotated[
    int,
    typer.Option(
        "--ask-above",
        envvar="PUBRIO_ASK_ABOVE",
        metavar="CREDITS",
        min=0,
        help="On a terminal, ask before a run that may cost more than this; --sandbox never asks.",
        rich_help_panel=MONEY,
    ),
]
Yes = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask: go on.", rich_help_panel=MONEY)]
Resend = Annotated[
    bool,
    typer.Option(
        "--resend",
        help="Send those who cannot be found once more, at full price: they may be paid for twice.",
        rich_help_panel=MONEY,
    ),
]
Deadline = Annotated[
    float | None,
    typer.Option(
        "--deadline",
        envvar="PUBRIO_DEADLINE",
        metavar="SECONDS",
        help="Seconds after which the run ends in good order.",
        show_default=False,
        rich_help_panel=PACE,
    ),
]
Report = Annotated[
    str | None,
    typer.Option(
        "--report",
        metavar="FILE",
        help="Write the figures of the run to this file, as JSON.",
        show_default=False,
        rich_help_panel=FILES,
    ),
]
RunOrder = Annotated[
    Order,
    typer.Option(
        "--order",
        envvar="PUBRIO_ORDER",
        help="results: the first ones early; makespan: the whole list soonest.",
        rich_help_panel=PACE,
    ),
]
Progress = Annotated[
    ProgressStyle,
    typer.Option(
        "--progress",
        envvar="PUBRIO_PROGRESS",
        help="How progress is shown on stderr. log: JSON lines; auto: a bar on a terminal, else "
        "log.",
        rich_help_panel=OUTPUT,
    ),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "-v",
        "--verbose",
        help="Report every request and batch on stderr.",
        rich_help_panel=OUTPUT,
    ),
]
Dashboard = Annotated[
    int | None,
    typer.Option(
        "--dashboard",
        metavar="[PORT]",
        min=0,
        max=65_535,
        help="Serve a page with live plots at this port of this machine, or at any free one. Its "
        "URL is printed on stderr.",
        show_default=False,
        rich_help_panel=OUTPUT,
    ),
]
DashboardHost = Annotated[
    str | None,
    typer.Option(
        "--dashboard-host",
        metavar="HOST",
        help="Where that page listens, such as 0.0.0.0 for other machines too. Default: 127.0.0.1.",
        show_default=False,
        rich_help_panel=OUTPUT,
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print a JSON object.", rich_help_panel=OUTPUT)
]
Offline = Annotated[
    bool,
    typer.Option(
        "--offline",
        help="Send nothing, need no key: the prices are those of the API's guide.",
        rich_help_panel=TRIAL,
    ),
]
Sandbox = Annotated[
    bool,
    typer.Option(
        "--sandbox",
        help="Use the local stand-in for the API: no key, no charge, everybody made up.",
        rich_help_panel=TRIAL,
    ),
]
Spend = Annotated[
    int,
    typer.Option(
        "--spend",
        metavar="CREDITS",
        min=0,
        help="Buy some replies as well, for this many credits at most; on a terminal, asks first.",
        rich_help_panel=MONEY,
    ),
]
RequestTimeout = Annotated[
    float,
    typer.Option(
        "--timeout", metavar="SECONDS", help="The most seconds for a request.", rich_help_panel=PACE
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="NAME",
        help="Only these endpoints, by name or by group, such as filters. Join several with "
        "commas, or give the option several times.",
        show_default=False,
        autocompletion=complete_endpoint,
        rich_help_panel=WHAT,
    ),
]
Endpoint = Annotated[
    str | None,
    typer.Argument(
        metavar="NAME",
        help="The endpoint, such as people.search; --list shows them all.",
        show_default=False,
        autocompletion=complete_endpoint,
    ),
]
Body = Annotated[
    str | None,
    typer.Option(
        "--json",
        metavar="BODY",
        help="The fields of the request as a JSON object; - reads it from stdin.",
        show_default=False,
    ),
]
ListEndpoints = Annotated[
    bool, typer.Option("--list", help="Show every endpoint, and whether it spends credits.")
]
