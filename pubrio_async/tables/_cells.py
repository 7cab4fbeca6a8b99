"""The input's own cells, handed out in the order of the input, as many rows as are asked for.

What was bought is written even if the rest of the input cannot be read any more: from there on
its cells are empty, and the reason is kept for whoever asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from pubrio_async._errors import ConfigurationError
from pubrio_async.tables._rows import RowSource


class RowCells:
    """The cells row by row.

    Attributes:
        columns: What they are called in the input.
        needs_people: Whether the person is all there is in a row, and is to be told.
        unreadable: Why the input could not be read to its end, if so.
    """

    def __init__(self, source: RowSource) -> None:
        self.columns = source.columns
        self.unreadable: OSError | ConfigurationError | None = None
        self._rows = source.cells()
        self.needs_people: bool = self._rows is None
        self._none = (None,) * len(source.columns)

    def take(self, people: Sequence[str]) -> list[Sequence[object]]:
        """The cells of the next rows.

        Args:
            people: The person of each of them; anything else if that is not needed.
        """
        if self._rows is None:
            return [(person,) for person in people]
        taken: list[Sequence[object]] = []
        try:
            taken.extend(islice(self._rows, len(people)))
        except (OSError, ConfigurationError) as error:
            self.unreadable = error
        taken.extend([self._none] * (len(people) - len(taken)))
        return taken
