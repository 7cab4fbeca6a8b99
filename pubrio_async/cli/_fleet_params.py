"""What the commands for many machines can be told, beside what all commands can."""

from __future__ import annotations

from typing import Annotated

import typer

from pubrio_async.cli._completion import complete_rate
from pubrio_async.cli._params import PACE

FLEET = "Many machines"

DatabaseTo = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="URL",
        envvar="PUBRIO_DATABASE",
        help="Needed. The PostgreSQL that the machines share, such as postgresql://user@host/name. "
        "Leave the password to PGPASSWORD or ~/.pgpass: others can see command lines.",
        show_default=False,
        rich_help_panel=FLEET,
    ),
]
DatabaseFrom = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="URL",
        envvar="PUBRIO_DATABASE",
        help="Needed. The PostgreSQL that the machines share, such as postgresql://user@host/name. "
        "Leave the password to PGPASSWORD or ~/.pgpass: others can see command lines.",
        show_default=False,
        rich_help_panel=FLEET,
    ),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Argument(
        metavar="URL",
        envvar="PUBRIO_DATABASE",
        help="Needed. The PostgreSQL that the machines share, such as postgresql://user@host/name.",
        show_default=False,
    ),
]
DatabaseAction = Annotated[
    str,
    typer.Argument(
        metavar="ACTION",
        help="upgrade: make the tables, or bring them up to date. check: say whether they are.",
        show_default=False,
    ),
]
StatusOf = Annotated[
    str,
    typer.Argument(
        metavar="JOURNAL",
        help="The journal of a run; or the postgresql:// URL of what many machines share.",
        show_default=False,
    ),
]
ResolveOf = Annotated[
    str,
    typer.Argument(
        metavar="JOURNAL",
        help="The journal of a run: OUTPUT.journal, or what --journal named; or the postgresql:// "
        "URL of what many machines share.",
        show_default=False,
    ),
]
OnlyRun = Annotated[
    str | None,
    typer.Option(
        "--run",
        metavar="RUN",
        help="Only this run of a database. Default: all of them.",
        show_default=False,
        rich_help_panel=FLEET,
    ),
]
RunName = Annotated[
    str | None,
    typer.Option(
        "--name",
        metavar="NAME",
        help="The name of the run. Default: that of the input. The same command again goes on with "
        "it.",
        show_default=False,
        rich_help_panel=FLEET,
    ),
]
Run = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="The name of the run: that of its input, unless enqueue was given a --name.",
        show_default=False,
    ),
]
Priority = Annotated[
    int,
    typer.Option(
        "--priority",
        metavar="N",
        min=-2_000,
        max=2_000,
        help="Runs with a higher one go first; those with the same take turns.",
        rich_help_panel=FLEET,
    ),
]
WaitForRun = Annotated[
    bool,
    typer.Option(
        "--wait",
        help="Stay until the workers are done with it, and report how far they are.",
        rich_help_panel=FLEET,
    ),
]
Concurrency = Annotated[
    int | None,
    typer.Option(
        "--concurrency",
        metavar="N",
        min=1,
        help="Chunks, of some 2,000 people each, at once. Default: as many as keep the limits "
        "busy.",
        show_default=False,
        rich_help_panel=PACE,
    ),
]
SharedRate = Annotated[
    str | None,
    typer.Option(
        "--rate",
        metavar="RATES",
        envvar="PUBRIO_RATE_LIMIT",
        help='The rate limits all workers share, such as "300/minute; 2400/hour". free, growth and '
        "business are the quotas of that plan for one licence. Give all workers the same. Default: "
        "300/minute.",
        show_default=False,
        autocompletion=complete_rate,
        rich_help_panel=PACE,
    ),
]
LimitName = Annotated[
    str | None,
    typer.Option(
        "--limit-name",
        metavar="NAME",
        help="The name of the shared limits: one for each key. Default: the API's URL.",
        show_default=False,
        rich_help_panel=PACE,
    ),
]
UntilDone = Annotated[
    bool,
    typer.Option(
        "--until-done",
        help="End when no worker has anything left to do.",
        rich_help_panel=FLEET,
    ),
]
Stalled = Annotated[
    float,
    typer.Option(
        "--stalled-after",
        metavar="SECONDS",
        min=0.5,
        help="A worker that shows no sign of life for so long is taken for dead, and others go on "
        "with its chunks. Give all workers the same.",
        rich_help_panel=FLEET,
    ),
]
