"""The options of `redeem`, checked, and the command that would give them again."""

from __future__ import annotations

import math
import os
import shlex
import sys
from enum import StrEnum
from typing import get_args

from msgspec import Struct

from pubrio_async._errors import ConfigurationError
from pubrio_async.endpoints import ContactTypeName

DEFAULT_BATCH_SIZE = 100
DEFAULT_MAX_CONCURRENCY = 32

_TYPES: dict[str, ContactTypeName] = {name: name for name in get_args(ContactTypeName)}


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


class RedeemOptions(Struct, frozen=True, kw_only=True):
    """What `redeem` was asked to do.

    Attributes:
        input: The input, `-` for stdin.
        output: The output; None for stdout.
        types: The contact types, as they were written.
        column: The column the people are in, where it was named.
        batch_size: People in one batch.
        rate: Rate limits in words, where they were given.
        max_concurrency: Most requests in flight at once.
        journal: Where the journal was asked to be.
        no_journal: Whether none is to be kept.
        max_credits: The budget in credits.
        deadline: Seconds after which the run ends.
        report: Where the figures of the run go.
        order: What the run is to be quick at.
        progress: How progress is shown.
        sandbox: Whether the local stand-in takes the place of the API.
    """

    input: str
    output: str | None = None
    types: str
    column: str | None = None
    batch_size: int = DEFAULT_BATCH_SIZE
    rate: str | None = None
    max_concurrency: int = DEFAULT_MAX_CONCURRENCY
    journal: str | None = None
    no_journal: bool = False
    max_credits: int | None = None
    deadline: float | None = None
    report: str | None = None
    order: Order = Order.RESULTS
    progress: ProgressStyle = ProgressStyle.AUTO
    sandbox: bool = False

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
        words = [word.strip() for word in self.types.split(",")]
        unknown = [word for word in words if word not in _TYPES]
        if unknown:
            raise ConfigurationError(
                f"--types: {unknown[0][:60]!r} is not a contact type. Join one or more of "
                f"{', '.join(sorted(_TYPES))} with commas."
            )
        return [_TYPES[word] for word in dict.fromkeys(words)]

    def check(self) -> None:
        """Checks what can be checked without opening a file.

        Raises:
            ConfigurationError: The options are wrong, or contradict each other.
        """
        self.contact_types()
        if self.no_journal and self.journal is not None:
            raise ConfigurationError("--journal and --no-journal contradict each other.")
        if self.deadline is not None and not 0 < self.deadline < math.inf:
            raise ConfigurationError("--deadline must be a number of seconds above 0.")
        named = {
            "input": None if self.input == "-" else self.input,
            "output": self.output,
            "journal": self.journal_path,
            "report": self.report,
        }
        seen: dict[str, str] = {}
        for what, path in named.items():
            if path is None:
                continue
            real = os.path.realpath(path)
            if real in seen:
                raise ConfigurationError(f"The {what} and the {seen[real]} are one file: {path!r}.")
            seen[real] = what

    def command(self) -> str:
        """The command line that gives these options again, for a shell."""
        words = [self.input]
        _add(words, "-o", self.output)
        _add(words, "--types", self.types)
        _add(words, "--column", self.column)
        if self.batch_size != DEFAULT_BATCH_SIZE:
            _add(words, "--batch-size", self.batch_size)
        _add(words, "--rate", self.rate)
        if self.max_concurrency != DEFAULT_MAX_CONCURRENCY:
            _add(words, "--max-concurrency", self.max_concurrency)
        _add(words, "--journal", self.journal)
        if self.no_journal:
            words.append("--no-journal")
        _add(words, "--max-credits", self.max_credits)
        _add(words, "--deadline", self.deadline)
        _add(words, "--report", self.report)
        if self.order is not Order.RESULTS:
            _add(words, "--order", self.order)
        if self.progress is not ProgressStyle.AUTO:
            _add(words, "--progress", self.progress)
        if self.sandbox:
            words.append("--sandbox")
        return f"{_program()} redeem {shlex.join(words)}"


def _add(words: list[str], flag: str, value: str | float | None) -> None:
    if value is not None:
        words += (flag, f"{value:g}" if isinstance(value, float) else str(value))


def _program() -> str:
    """What the program was started as."""
    if os.path.basename(sys.argv[0]) == "__main__.py":
        return "python -m pubrio_async"
    return "pubrio-async"
