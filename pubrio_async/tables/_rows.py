"""What an input is to the rest, and how the column with the people is found."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Protocol

from pubrio_async._errors import ConfigurationError

DEFAULT_COLUMNS = ("people_search_id", "linkedin_url")

_MOST_NAMES = 20
_LONGEST_NAME = 60


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
    for candidate in (wanted,) if wanted is not None else DEFAULT_COLUMNS:
        found = [i for i, column in enumerate(columns) if column == candidate]
        if not found:
            folded = candidate.strip().casefold()
            found = [i for i, column in enumerate(columns) if column.strip().casefold() == folded]
        if len(found) > 1:
            raise ConfigurationError(
                f"{name} has more than one column {candidate!r}: rename the others."
            )
        if found:
            return found[0]
    if wanted is not None:
        raise ConfigurationError(f"{name} has no column {wanted!r}; it has {_listed(columns)}.")
    raise ConfigurationError(
        f"{name} has no column people_search_id or linkedin_url; it has {_listed(columns)}. "
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


def _listed(columns: Sequence[str]) -> str:
    listed = ", ".join(repr(column[:_LONGEST_NAME]) for column in columns[:_MOST_NAMES])
    if len(columns) > _MOST_NAMES:
        listed += f" and {len(columns) - _MOST_NAMES} more"
    if len(columns) == 1 and ";" in columns[0]:
        listed += " (separated by semicolons? save it with commas)"
    return listed or "no columns at all"
