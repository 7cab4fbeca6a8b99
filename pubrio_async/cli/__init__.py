"""The command line `pubrio-async`; needs the extra `cli`, which is imported when it is used."""

from __future__ import annotations

import sys
from importlib.util import find_spec


def main() -> None:
    """Runs the command the process was started with.

    Raises:
        SystemExit: Always; what the code says is in the contract of the command line.
    """
    if any(find_spec(module) is None for module in ("typer", "rich")):
        print(
            'pubrio-async: the command line needs the extra "cli": pip install "pubrio-async[cli]"',
            file=sys.stderr,
        )
        raise SystemExit(2)
    from pubrio_async.cli._app import app  # noqa: PLC0415 - typer may be missing

    app(prog_name="pubrio-async")
