"""The options of the commands, checked, and the command lines that would give them again."""

from __future__ import annotations

import math
import os
import re
import shlex
import sys
from collections.abc import Mapping
from enum import StrEnum
from typing import get_args

from msgspec import Struct

from pubrio_async._errors import ConfigurationError
from pubrio_async.endpoints import ContactTypeName

DEFAULT_BATCH_SIZE = 100
DEFAULT_MAX_CONCURRENCY = 32
DEFAULT_ASK_ABOVE = 1_000
"""Credits a run may cost before it is asked for on a terminal."""
"""Chunks a worker does at once."""
DEFAULT_STALLED_S = 20.0
_SCHEMES = ("postgresql://", "postgres://")
"""Seconds after which a worker that is not heard of is taken for dead."""

_TYPES: dict[str, ContactTypeName] = {name: name for name in get_args(ContactTypeName)}
_AGE = re.compile(r"\s*([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*([smhdw]?)\s*", re.IGNORECASE)
_AGE_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}


class Order(StrEnum):
    """What a run is to be quick at."""

    RESULTS = "results"
    MAKESPAN = "makespan"


class ProgressStyle(StrEnum):
    """How progress is shown."""

    AUTO = "auto"
    BAR = "bar"
    LOG = "log"
    NONE = "none"


class CommonOptions(Struct, frozen=True, kw_only=True):
    """What every run can be told.

    Attributes:
        rate: Rate limits in words, where they were given.
        max_credits: The budget in credits.
        deadline: Seconds after which the run ends.
        report: Where the figures of the run go.
        progress: How progress is shown.
        verbose: Whether requests and batches are told of.
    """

    rate: str | None = None
    max_credits: int | None = None
    deadline: float | None = None
    report: str | None = None
    progress: ProgressStyle = ProgressStyle.AUTO
    verbose: bool = False

    def check_run(self, files: Mapping[str, str | None]) -> None:
        """Checks the deadline, and that no two files are one.

        Args:
            files: The paths by what they are, the report left out.

        Raises:
            ConfigurationError: The options are wrong, or contradict each other.
        """
        if self.deadline is not None and not 0 < self.deadline < math.inf:
            raise ConfigurationError("--deadline must be a number of seconds above 0.")
        seen: dict[str, str] = {}
        for what, path in {**files, "report": self.report}.items():
            if path is None:
                continue
            real = os.path.realpath(path)
            if real in seen:
                raise ConfigurationError(f"The {what} and the {seen[real]} are one file: {path!r}.")
            seen[real] = what


class RedeemOptions(CommonOptions, frozen=True, kw_only=True):
    """What `redeem` was asked to do.

    Attributes:
        input: The input, `-` for stdin.
        output: The output; None for stdout.
        types: The contact types, as they were written.
        column: The column the people are in, where it was named.
        delimiter: What separates the cells of the input, where it was named.
        batch_size: People in one batch.
        max_concurrency: Most requests in flight at once.
        journal: Where the journal was asked to be.
        no_journal: Whether none is to be kept.
        max_age: How old a result in the journal may be, as it was written; None for any age.
        order: What the run is to be quick at.
        ask_above: Credits the run may cost before it is asked for on a terminal.
        yes: Whether that is not asked.
        dashboard: The port of the page with live plots, 0 for any; None for no page.
        dashboard_host: Where that page listens; None for this machine alone.
        harmless_input: Whether formulas in the input's own cells are made harmless, too.
        sandbox: Whether the local stand-in takes the place of the API.
        elsewhere: Names of options the environment or a file has a say in.
    """

    input: str
    output: str | None = None
    types: str
    column: str | None = None
    delimiter: str | None = None
    batch_size: int = DEFAULT_BATCH_SIZE
    max_concurrency: int = DEFAULT_MAX_CONCURRENCY
    journal: str | None = None
    no_journal: bool = False
    max_age: str | None = None
    order: Order = Order.RESULTS
    ask_above: int = DEFAULT_ASK_ABOVE
    yes: bool = False
    dashboard: int | None = None
    dashboard_host: str | None = None
    harmless_input: bool = False
    sandbox: bool = False
    elsewhere: frozenset[str] = frozenset()

    @property
    def journal_path(self) -> str | None:
        """Where the journal is: as asked, else beside the output; None where none is kept."""
        if self.no_journal:
            return None
        if self.journal is not None:
            return self.journal
        return None if self.output is None else f"{self.output}.journal"

    def contact_types(self) -> list[ContactTypeName]:
        """The contact types, each once.

        Raises:
            ConfigurationError: One is not known, or there is none.
        """
        return parse_types(self.types)

    def max_age_s(self) -> float | None:
        """How old a result in the journal may be, in seconds; None for any age.

        Raises:
            ConfigurationError: It is not an age.
        """
        return parse_age(self.max_age)

    def check(self) -> None:
        """Checks what can be checked without opening a file.

        Raises:
            ConfigurationError: The options are wrong, or contradict each other.
        """
        self.contact_types()
        if self.no_journal and self.journal is not None:
            raise ConfigurationError("--journal and --no-journal contradict each other.")
        if self.dashboard_host is not None and self.dashboard is None:
            raise ConfigurationError(
                "--dashboard-host says where --dashboard listens, which was not given."
            )
        if self.max_age_s() is not None and self.journal_path is None:
            raise ConfigurationError(
                "--max-age is about the results in a journal, and none is kept: name one with "
                "--journal, or an output with -o."
            )
        self.check_run(
            {
                "input": None if self.input == "-" else self.input,
                "output": self.output,
                "journal": self.journal_path,
            }
        )

    def command(self) -> str:
        """The command line that gives these options again, for a shell."""
        words = [self.input]
        _add(words, "-o", self.output)
        _add(words, "--types", self.types)
        _add(words, "--column", self.column)
        _add(words, "--delimiter", self.delimiter)
        _add(words, "--batch-size", self._unless_usual("batch_size", DEFAULT_BATCH_SIZE))
        _add(words, "--rate", self.rate)
        _add(
            words,
            "--max-concurrency",
            self._unless_usual("max_concurrency", DEFAULT_MAX_CONCURRENCY),
        )
        _add(words, "--journal", self.journal)
        if self.no_journal:
            words.append("--no-journal")
        _add(words, "--max-age", self.max_age)
        _add(words, "--max-credits", self.max_credits)
        _add(words, "--ask-above", self._unless_usual("ask_above", DEFAULT_ASK_ABOVE))
        if self.yes:
            words.append("--yes")
        _add(words, "--deadline", self.deadline)
        _add(words, "--report", self.report)
        _add(words, "--order", self._unless_usual("order", Order.RESULTS))
        _add(words, "--progress", self._unless_usual("progress", ProgressStyle.AUTO))
        if self.verbose:
            words.append("--verbose")
        if self.dashboard is not None:
            words.append(f"--dashboard={self.dashboard}")
        _add(words, "--dashboard-host", self.dashboard_host)
        if self.harmless_input:
            words.append("--harmless-input")
        if self.sandbox:
            words.append("--sandbox")
        return command_line("redeem", words)

    def _unless_usual(self, name: str, default: str | int) -> str | int | None:
        """The value of an option; None where it goes without saying."""
        value: str | int = getattr(self, name)
        return None if value == default and name not in self.elsewhere else value


class ResolveOptions(CommonOptions, frozen=True, kw_only=True):
    """What `resolve` was asked to do.

    Attributes:
        journal: Whose unsettled people are to be settled: a file, or the URL of a database.
        resend: Whether those who cannot be found are sent again, at full price.
        yes: Whether that needs no confirmation.
        as_json: Whether a program reads what came of it.
        run: The one run of a database; None for all.
        limit_name: What the limits that its workers share are called; None for the API's URL.
        stalled_after: Seconds after which a worker that is not heard of is taken for dead.
    """

    journal: str
    resend: bool = False
    yes: bool = False
    as_json: bool = False
    run: str | None = None
    limit_name: str | None = None
    stalled_after: float = DEFAULT_STALLED_S

    def check(self) -> None:
        """Checks what can be checked without opening a file.

        Raises:
            ConfigurationError: The options are wrong, or contradict each other.
        """
        if self.yes and not self.resend:
            raise ConfigurationError("--yes confirms --resend, which was not given.")
        if self.max_credits is not None and not self.resend:
            raise ConfigurationError(
                "--max-credits bounds what --resend may cost, which was not given; nothing is "
                "bought without it."
            )
        if is_database(self.journal):
            self.check_run({})
            return
        for option, value in (("--run", self.run), ("--limit-name", self.limit_name)):
            if value is not None:
                raise ConfigurationError(f"{option} is for a database; this is a journal.")
        self.check_run({"journal": self.journal})


class EstimateOptions(Struct, frozen=True, kw_only=True):
    """What `estimate` was asked to do.

    Attributes:
        input: The input, `-` for stdin.
        types: The contact types, as they were written.
        column: The column the people are in, where it was named.
        delimiter: What separates the cells of the input, where it was named.
        batch_size: People in one batch.
        rate: Rate limits in words, where they were given.
        journal: The journal of the run that is estimated.
        max_age: How old a result in the journal may be, as it was written; None for any age.
        offline: Whether nothing is to be sent.
        as_json: Whether a program reads it.
        verbose: Whether requests are told of.
        sandbox: Whether the local stand-in takes the place of the API.
    """

    input: str
    types: str
    column: str | None = None
    delimiter: str | None = None
    batch_size: int = DEFAULT_BATCH_SIZE
    rate: str | None = None
    journal: str | None = None
    max_age: str | None = None
    offline: bool = False
    as_json: bool = False
    verbose: bool = False
    sandbox: bool = False


def parse_types(text: str) -> list[ContactTypeName]:
    """Reads contact types joined by commas; gives each of them once.

    Raises:
        ConfigurationError: One is not known, or there is none.
    """
    words = [word.strip() for word in text.split(",")]
    unknown = [word for word in words if word not in _TYPES]
    if unknown:
        raise ConfigurationError(
            f"--types: {unknown[0][:60]!r} is not a contact type. Join one or more of "
            f"{', '.join(sorted(_TYPES))} with commas."
        )
    return [_TYPES[word] for word in dict.fromkeys(words)]


def parse_age(text: str | None) -> float | None:
    """Reads an age such as `30d`, `12h`, `90m` or a number of seconds; gives seconds.

    Raises:
        ConfigurationError: It is not an age above 0.
    """
    if text is None:
        return None
    match = _AGE.fullmatch(text)
    age = float(match[1]) * _AGE_SECONDS[match[2].lower()] if match else 0.0
    if not age:
        raise ConfigurationError(
            f"--max-age: {text[:60]!r} is not an age above 0, such as 30d, 12h, 90m or a number "
            "of seconds."
        )
    return age


def is_database(text: str) -> bool:
    """Whether it is the URL of a database, and not the path of a journal."""
    return text.startswith(_SCHEMES)


def resolve_command(journal: str, *, resend: bool = False) -> str:
    """The command line that settles the unsettled of a journal."""
    return command_line("resolve", [journal, "--resend"] if resend else [journal])


def command_line(command: str, words: list[str]) -> str:
    """A command line for a shell, as the program was started."""
    return f"{_program()} {command} {shlex.join(words)}"


def _add(words: list[str], flag: str, value: str | float | None) -> None:
    if value is not None:
        words += (flag, f"{value:.15g}" if isinstance(value, float) else str(value))


def _program() -> str:
    """What the program was started as."""
    if os.path.basename(sys.argv[0]) == "__main__.py":
        return "python -m pubrio_async"
    return "pubrio-async"
