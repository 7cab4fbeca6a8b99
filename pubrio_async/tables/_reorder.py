"""Holds what came too early, so that rows can be written in the order of the input."""

from __future__ import annotations

import tempfile
from array import array
from typing import BinaryIO

_NOWHERE = -1
_SIZE_BYTES = 4


class ReorderBuffer:
    """Stretches of rows by the number of their first: some in memory, the rest in a nameless file.

    One batch that takes until the end of the run holds back every row after it, so memory alone
    would grow with the input. Beyond `limit` a row costs eight bytes of memory.
    """

    def __init__(self, directory: str, *, limit: int = 20_000) -> None:
        """Makes an empty buffer.

        Args:
            directory: Where the nameless file is made, should one be needed.
            limit: How many rows are held in memory.
        """
        self._directory = directory
        self._room = limit
        self._held: dict[int, tuple[int, bytes]] = {}
        self._file: BinaryIO | None = None
        self._places = array("q")

    def put(self, row: int, count: int, data: bytes) -> None:
        """Keeps what is to be written of `count` rows from this one on."""
        if count <= self._room:
            self._room -= count
            self._held[row] = count, data
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115
        place = self._file.seek(0, 2)
        self._file.write(len(data).to_bytes(_SIZE_BYTES, "big") + data)
        missing = row + 1 - len(self._places)
        if missing > 0:
            self._places.extend(array("q", [_NOWHERE]) * missing)
        self._places[row] = place

    def pop(self, row: int) -> bytes | None:
        """Gives back what was kept from this row on, once; None where nothing was."""
        held = self._held.pop(row, None)
        if held is not None:
            count, data = held
            self._room += count
            return data
        if self._file is None or row >= len(self._places):
            return None
        place = self._places[row]
        if place == _NOWHERE:
            return None
        self._places[row] = _NOWHERE
        self._file.seek(place)
        size = int.from_bytes(self._file.read(_SIZE_BYTES), "big")
        return self._file.read(size)

    def close(self) -> None:
        """Lets go of what is held."""
        self._held.clear()
        if self._file is not None:
            self._file.close()
            self._file = None
