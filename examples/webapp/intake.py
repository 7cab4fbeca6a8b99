"""Pasted lines or a file become rows.

Reading is what `pubrio_async.tables` does for the command line; here the rows learn a name to show,
and lose what a spreadsheet would run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pubrio_async import ConfigurationError
from pubrio_async.tables import RowSource, open_rows

ENDINGS = (".csv", ".tsv", ".txt")
_NAMES = (("name",), ("full_name",), ("first_name", "last_name"))
_LONGEST_NAME = 120
# Spreadsheets take a cell that starts with one of these for a formula; the wide forms too.
_FORMULA_STARTS = tuple("=@+-\t\r\n\uff1d\uff20\uff0b\uff0d")


class Rows:
    """The rows of a job: a `RowSource` whose cells a spreadsheet may open.

    Attributes:
        names: What to call each row, where a column tells; cut to a line's length.
        count: How many there are.
    """

    def __init__(self, source: RowSource) -> None:
        self._source = source
        self.name = source.name
        self.warnings = source.warnings
        self.columns = tuple(map(harmless, source.columns))
        self._people = tuple(_all(source))
        self.count = len(self._people)
        self.total: int | None = self.count
        self.names = _names(source)

    def people(self) -> Iterator[str]:
        """The person of each row."""
        return iter(self._people)

    def cells(self) -> Iterator[Sequence[object]]:
        """Each row's own cells, harmless."""
        own = self._source.cells()
        if own is None:
            own = ((person,) for person in self._people)
        for cells in own:
            yield [harmless(str(cell)) for cell in cells]


def read_rows(path: Path) -> Rows:
    """Reads a file.

    Raises:
        ConfigurationError: It cannot be used; the message is for the visitor.
    """
    try:
        return Rows(open_rows(path))
    except ConfigurationError as error:
        # Where files are on this machine, and which options a command has, is nobody's business.
        text = str(error).replace(repr(str(path)), "The file").replace(str(path), "The file")
        told = [part for part in text.split(". ") if "--" not in part]
        message = ". ".join(told).rstrip(".") + "."
        raise ConfigurationError(message) from error


def harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula, wherever it splits it at semicolons."""
    return ";".join(
        f"'{part}" if part.lstrip(" ").startswith(_FORMULA_STARTS) else part
        for part in cell.split(";")
    )


def _all(source: RowSource) -> Iterator[str]:
    people = source.people()
    if not isinstance(people, Iterator):
        raise ConfigurationError("Only files can be read here.")
    return people


def _names(source: RowSource) -> tuple[str, ...]:
    columns = [column.strip().casefold().replace(" ", "_") for column in source.columns]
    cells = source.cells()
    for wanted in _NAMES:
        if cells is not None and all(name in columns for name in wanted):
            places = [columns.index(name) for name in wanted]
            return tuple(
                " ".join(str(row[place]) for place in places)[:_LONGEST_NAME] for row in cells
            )
    return ()
