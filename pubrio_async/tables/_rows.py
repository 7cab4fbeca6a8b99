"""What an input is to the rest, and how the column with the people is found."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Protocol

from pubrio_async._errors import ConfigurationError
from pubrio_async.scheduler.columns import DEFAULT_COLUMNS, find_column, listed

__all__ = ["DEFAULT_COLUMNS", "RowSource", "person_column", "refuse_column"]


class RowSource(Protocol):
    """The rows of an input. Blank lines are no rows, in every format.

    Attributes:
        name: What messages call the input.
        columns: The input's own columns, in order.
        total: The number of rows, where it is known beforehand.
        warnings: What is odd about the input without being an error, one sentence each.
    """

    name: str
    columns: tuple[str, ...]
    total: int | None
    warnings: tuple[str, ...]

    def people(self) -> Iterator[str] | AsyncIterator[str]:
        """The person of each row, lazily; an empty or missing cell is an empty person.

        Only an input that may keep one waiting (a pipe, a terminal) gives an async iterator.
        """
        ...

    def cells(self) -> Iterator[Sequence[object]] | None:
        """Each row's own cells in the order of `columns`; None where the person is all of it."""
        ...


def person_column(name: str, columns: Sequence[str], wanted: str | None) -> int:
    """The index of the column the people are in.

    Args:
        name: What messages call the input.
        columns: The columns there are.
        wanted: The column asked for; None takes `people_search_id`, else `linkedin_url`.

    Raises:
        ConfigurationError: There is no such column, or more than one.
    """
    found = find_column(name, columns, DEFAULT_COLUMNS if wanted is None else (wanted,))
    if found is not None:
        return found
    if wanted is not None:
        raise ConfigurationError(f"{name} has no column {wanted!r}; it has {listed(columns)}.")
    raise ConfigurationError(
        f"{name} has no column people_search_id or linkedin_url; it has {listed(columns)}. "
        "Name the column the people are in with --column."
    )


def refuse_column(name: str, wanted: str | None) -> None:
    """Refuses a choice of column where there are no columns.

    Raises:
        ConfigurationError: A column was asked for.
    """
    if wanted is not None:
        raise ConfigurationError(
            f"--column cannot be used with {name}, which has no columns but one person a line."
        )
