"""What `--help` shows: options in groups, examples, the environment, exit codes.

As plain text: rich would make it a fifth of a second slower.
"""

from __future__ import annotations

import errno
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from msgspec import Struct
from typer import Exit
from typer.core import TyperCommand, TyperGroup

from pubrio_async.cli._exit import ExitCode
from pubrio_async.cli._figures import tell_unwritten
from pubrio_async.cli._messages import harmless

_OTHERS = "Other options"


class Guide(Struct, frozen=True, kw_only=True):
    """What the help of a command teaches.

    Attributes:
        examples: Command lines, each with what it is for.
        exit_codes: The exit codes it has, and what they say.
        environment: The variables it reads that belong to no option.
        file: Whether pyproject.toml can set its options.
    """

    examples: Mapping[str, str]
    exit_codes: Mapping[str, str]
    environment: Mapping[str, str] = {}
    file: bool = False


_API = {
    "PUBRIO_API_KEY": "The key. There is no option for it: others can see command lines.",
    "PUBRIO_BASE_URL": "Where the API is. Default: https://api.pubrio.com.",
}
_DATABASE = {
    "PGPASSWORD": "The password of the database, if not in ~/.pgpass.",
}
_USAGE = "usage or configuration; nothing was charged"
_REFUSED = "the key was refused"
_INTERRUPTED = "interrupted"
_ANYTHING = "anything else"

GUIDES: dict[str, Guide] = {
    "redeem": Guide(
        examples={
            "A table in, the same table with contacts out": "pubrio-async redeem people.csv "
            "-o contacts.csv --types email-work,phone",
            "At most 500 credits, figures for a program": "pubrio-async redeem people.csv "
            "-o out.jsonl --types phone --max-credits 500 --report report.json",
            "Without a key and for free, from the local stand-in": "pubrio-async redeem people.csv "
            "-o trial.csv --types email-work --sandbox",
        },
        exit_codes={
            "0": "every row is settled: found, empty or rejected",
            "2": _USAGE,
            "3": "some rows failed, or are pending, unsettled or skipped",
            "4": "stopped by the budget or by missing credits",
            "5": _REFUSED,
            "130": "interrupted, or not agreed to; the same command goes on",
            "1": _ANYTHING,
        },
        environment=_API,
        file=True,
    ),
    "estimate": Guide(
        examples={
            "By your plan's prices and balance, with one request": "pubrio-async estimate "
            "people.csv --types email-work,phone",
            "Nothing sent, for a program": "pubrio-async estimate people.csv --types phone "
            "--offline --json",
            "What is left of a run": "pubrio-async estimate people.csv --types email-work,phone "
            "--journal contacts.csv.journal",
        },
        exit_codes={
            "0": "done",
            "2": _USAGE,
            "5": _REFUSED,
            "130": _INTERRUPTED,
            "1": _ANYTHING,
        },
        environment=_API,
        file=True,
    ),
    "status": Guide(
        examples={
            "For people": "pubrio-async status contacts.csv.journal",
            "For a program": "pubrio-async status contacts.csv.journal --json",
        },
        exit_codes={
            "0": "done",
            "2": "the file is missing, damaged or no journal; or the database cannot be used",
            "130": _INTERRUPTED,
            "1": _ANYTHING,
        },
    ),
    "resolve": Guide(
        examples={
            "Look once more for answers that were lost": "pubrio-async resolve "
            "contacts.csv.journal",
            "Buy again what cannot be found, for 200 credits at most": "pubrio-async resolve "
            "contacts.csv.journal --resend --max-credits 200",
        },
        exit_codes={
            "0": "nobody is unsettled",
            "2": _USAGE,
            "3": "some are still unsettled, or were found and their results are not ready",
            "4": "stopped by the budget or by missing credits",
            "5": _REFUSED,
            "130": _INTERRUPTED,
            "1": _ANYTHING,
        },
        environment=_API,
        file=True,
    ),
    "call": Guide(
        examples={
            "Every endpoint there is": "pubrio-async call --list",
            "One without fields": "pubrio-async call profile.get",
            "One with fields": "pubrio-async call people.search "
            """--json '{"people_titles": ["CTO"]}'""",
        },
        exit_codes={
            "0": "done",
            "2": _USAGE,
            "4": "not enough credits",
            "5": _REFUSED,
            "130": _INTERRUPTED,
            "1": "any other error",
        },
        environment=_API | {"PUBRIO_RATE_LIMIT": "Rate limits. Default: 300/minute."},
    ),
    "sandbox": Guide(
        examples={
            "On a free port; the first line is its URL": "pubrio-async sandbox",
            "Three in ten answers to batches are lost": "pubrio-async sandbox --port 8085 "
            "--fault 'lost_after:/redeem/people/batch$:probability=0.3'",
        },
        exit_codes={"0": "ended by a signal", "2": "usage, or it cannot listen there"},
    ),
    "database": Guide(
        examples={
            "Make the tables, or bring them up to date": "pubrio-async database upgrade "
            "postgresql://owner@db/pubrio",
            "See whether workers can use them": "pubrio-async database check "
            "postgresql://worker@db/pubrio",
        },
        exit_codes={
            "0": "done",
            "2": "it cannot be reached or used",
            "130": _INTERRUPTED,
            "1": _ANYTHING,
        },
        environment=_DATABASE,
    ),
    "enqueue": Guide(
        examples={
            "A list for the workers": "pubrio-async enqueue people.csv --types email-work "
            "--to postgresql://me@db/pubrio",
            "Before the others, for 500 credits at most; PUBRIO_DATABASE is set": "pubrio-async "
            "enqueue urgent.csv --types phone --priority 5 --max-credits 500",
        },
        exit_codes={
            "0": "it is in the queue; with --wait: everybody is settled",
            "2": _USAGE,
            "3": "with --wait: some failed, or are unsettled",
            "4": "with --wait: stopped by the budget or by missing credits",
            "5": _REFUSED,
            "130": "interrupted; the same command goes on",
            "1": _ANYTHING,
        },
        environment=_API | _DATABASE,
        file=True,
    ),
    "worker": Guide(
        examples={
            "Until a signal ends it": "pubrio-async worker --to postgresql://me@db/pubrio",
            "Until there is nothing left; PUBRIO_DATABASE is set": "pubrio-async worker "
            "--until-done --concurrency 8",
        },
        exit_codes={
            "0": "ended by a signal, or all is done",
            "2": "usage or configuration, or the database cannot be used",
            "5": "the key was refused, or is not allowed to do this",
            "130": "ended at once, by a second signal",
            "1": _ANYTHING,
        },
        environment=_API | _DATABASE,
        file=True,
    ),
    "export": Guide(
        examples={
            "The input's table with contacts": "pubrio-async export people.csv -o contacts.csv "
            "--from postgresql://me@db/pubrio",
            "As JSON lines, for a program; PUBRIO_DATABASE is set": "pubrio-async export "
            "people.csv > outcomes.jsonl",
        },
        exit_codes={
            "0": "every row is settled: found, empty or rejected",
            "2": "there is no such run, or the database cannot be used",
            "3": "some rows failed, or are pending, unsettled or skipped",
            "130": _INTERRUPTED,
            "1": _ANYTHING,
        },
        environment=_DATABASE,
    ),
    "doctor": Guide(
        examples={
            "With a new key, for nothing": "pubrio-async doctor",
            "All of it, for a program or a bug report": "pubrio-async doctor --json > doctor.json",
            "With paid replies too, for 50 credits at most": "pubrio-async doctor --spend 50",
            "Some endpoints": "pubrio-async doctor --only filters,monitors.list",
        },
        exit_codes={
            "0": "all is well",
            "2": _USAGE,
            "3": "something differs, failed, or deserves a warning",
            "5": _REFUSED,
            "130": _INTERRUPTED,
            "1": "the API could not be reached, or anything else",
        },
        environment=_API,
        file=True,
    ),
}
"""By the name of the command."""

_KINDS = {
    "int range": "a whole number",
    "int": "a whole number",
    "float range": "a number",
    "float": "a number",
}
"""What the parser calls a kind of value, and people do."""


class SafeGroup(TyperGroup):
    """A group whose errors repeat nothing that a terminal would obey.

    Words of a command line are not always the user's own: `redeem *` takes the names of files.
    """

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """As the group does."""
        with _harmless_errors(), _told_if_unwritten():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """As the group does; the commands' own words are read here too."""
        with _harmless_errors():
            return super().invoke(ctx)


@contextmanager
def _harmless_errors() -> Generator[None, None, None]:
    try:
        yield
    except Exception as error:
        # What is wrong with a command line; the class is click's, or that of typer's copy of it.
        message = getattr(error, "message", None)
        if isinstance(message, str):
            safe = "\n".join(harmless(line) for line in message.splitlines())
            for kind, words in _KINDS.items():
                safe = safe.replace(f"is not a valid {kind}.", f"is not {words}.")
            error.message = safe  # type: ignore[attr-defined] # it has one, as was just seen
        raise


@contextmanager
def _told_if_unwritten() -> Generator[None, None, None]:
    """While words are read nothing is written but what they ask for, such as the help."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise  # whoever reads no further has seen enough; click ends the process quietly
        tell_unwritten(error, "the help")
        raise Exit(ExitCode.UNEXPECTED) from None


class HelpfulCommand(TyperCommand):
    """A command whose help has groups of options and the parts of its guide."""

    # Any: the formatter is a class of click, or of the copy of click that typer holds.

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """As the command does."""
        with _told_if_unwritten():
            return super().make_context(*args, **kwargs)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Gives the words of the usage line, without the braces that elsewhere mean a choice."""
        pieces: list[str] = super().collect_usage_pieces(ctx)
        return [piece.strip("{}") for piece in pieces]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Writes arguments, then options by their groups, which come as they are first met."""
        groups: dict[str, list[tuple[str, str]]] = {"Arguments": []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is None:
                continue
            group = getattr(param, "rich_help_panel", None) or _OTHERS
            if param.param_type_name == "argument":
                group = "Arguments"
            groups.setdefault(group, []).append(record)
        groups[_OTHERS] = groups.pop(_OTHERS, [])
        for name, records in groups.items():
            if records:
                with formatter.section(name):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Writes the examples, the environment and the exit codes."""
        guide = GUIDES.get(self.name or "")
        if guide is None:
            super().format_epilog(ctx, formatter)
            return
        with formatter.section("Examples"):
            for what, command in guide.examples.items():
                # As it is: a command that is wrapped cannot be copied.
                indent = " " * formatter.current_indent
                formatter.write(f"{indent}# {what}\n{indent}{command}\n")
        if guide.environment:
            with formatter.section("Environment"):
                formatter.write_dl(list(guide.environment.items()))
        if guide.file:
            with formatter.section("File"):
                formatter.write_text(
                    "Options with a variable can also be set in the table [tool.pubrio-async] of "
                    "pyproject.toml, here or in a directory above, by their names without the "
                    "dashes in front. An option goes before its variable, and that before the "
                    "file."
                )
        with formatter.section("Exit codes"):
            formatter.write_dl(list(guide.exit_codes.items()))
