"""What holds for an option: the command line, else the environment, else a file."""

from __future__ import annotations

from typing import Any, TypeVar

import typer

from pubrio_async._errors import ConfigurationError
from pubrio_async.cli._exit import ExitCode
from pubrio_async.cli._messages import say
from pubrio_async.cli._settings_file import read_settings_file

_T = TypeVar("_T")


class Chosen:
    """The options of one command.

    Args:
        context: Knows where a value comes from.

    Raises:
        typer.Exit: The file is wrong, which has been said.
    """

    def __init__(self, context: typer.Context) -> None:
        self._context = context
        try:
            self._file = read_settings_file()
        except ConfigurationError as error:
            say(f"error: {error}")
            raise typer.Exit(ExitCode.USAGE) from None
        self._taken: list[str] = []
        self._elsewhere: set[str] = set()

    def of(self, name: str, value: _T) -> _T:
        """The value of an option.

        Args:
            name: The name of the parameter.
            value: What the command line or the environment says, or the default.
        """
        found: Any = self._file.values.get(name)
        source = self._source(name)
        if source == "ENVIRONMENT" and isinstance(value, str) and not value.strip():
            source = "DEFAULT"  # set to nothing, which counts as not set
            nothing: Any = None
            value = nothing
        if found is not None or source == "ENVIRONMENT":
            self._elsewhere.add(name)
        if found is None or source != "DEFAULT":
            return value
        self._taken.append(name)
        chosen: _T = found
        return chosen

    def given(self, name: str) -> bool:
        """Whether the command line itself says it."""
        return self._source(name) == "COMMANDLINE"

    def elsewhere(self) -> frozenset[str]:
        """Options the environment or the file has a say in.

        A command line that is to mean the same anywhere has to name them.
        """
        return frozenset(self._elsewhere)

    def needed(self, name: str, value: _T | None) -> _T:
        """The value of an option there is no default for.

        Raises:
            typer.BadParameter: Nobody gave one.
        """
        chosen = self.of(name, value)
        if chosen is None:
            option = name.replace("_", "-")
            raise typer.BadParameter(
                f"it is needed: give it here, in PUBRIO_{name.upper()}, or as {option} in "
                "[tool.pubrio-async] of pyproject.toml.",
                ctx=self._context,
                param_hint=f"--{option}",
            )
        return chosen

    def tell(self) -> None:
        """Says what was taken from the file, because it may cost money."""
        if self._taken:
            names = ", ".join(name.replace("_", "-") for name in self._taken)
            say(f"settings of {self._file.path}: {names}")

    def _source(self, name: str) -> str:
        source = self._context.get_parameter_source(name)
        return "DEFAULT" if source is None else source.name
