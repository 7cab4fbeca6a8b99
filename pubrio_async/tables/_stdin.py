"""People from stdin, a line each, without keeping the event loop waiting."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterator

from pubrio_async._errors import ConfigurationError
from pubrio_async.tables._rows import DEFAULT_COLUMNS

_CHUNK = 1 << 16
_BOM = b"\xef\xbb\xbf"


class StdinRows:
    """Stdin, read once, as far as it is asked for.

    A line that is not UTF-8 cannot be refused beforehand: its bad bytes are replaced, which
    makes it a malformed person, and costs one row.
    """

    columns: tuple[str, ...] = DEFAULT_COLUMNS[:1]
    warnings: tuple[str, ...] = ()
    total: int | None = None

    def __init__(self) -> None:
        self.name = "stdin"
        # The object is None, or closed, where the process was started without a stdin.
        if sys.stdin is None or sys.stdin.closed:
            raise ConfigurationError("There is no stdin to read the people from.")
        self._fd = sys.stdin.fileno()

    def people(self) -> Iterator[str] | AsyncIterator[str]:
        """The person of each line; blank lines are left out."""
        # A regular file never keeps one waiting, and event loops refuse to watch one.
        if sys.platform == "win32" or stat.S_ISREG(os.fstat(self._fd).st_mode):
            return _read(self._fd)
        return _Watched(self._fd)

    def cells(self) -> None:
        """The person is all there is."""


class _Lines:
    """Cuts what comes in into people."""

    def __init__(self) -> None:
        self._rest = b""
        self._first = True

    def feed(self, data: bytes) -> list[str]:
        """The people whose lines are complete now; no data means the end."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop() if data else b""
        if lines and self._first:
            self._first = False
            lines[0] = lines[0].removeprefix(_BOM)
        people = (line.decode(errors="replace").strip() for line in lines)
        return [person for person in people if person]


def _read(fd: int) -> Iterator[str]:
    lines = _Lines()
    data = b"-"
    while data:
        data = os.read(fd, _CHUNK)
        yield from lines.feed(data)


class _Watched:
    """Reads when there is something to read."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lines = _Lines()
        self._people: deque[str] = deque()
        self._ended = False

    def __aiter__(self) -> _Watched:
        return self

    async def __anext__(self) -> str:
        while not self._people:
            if self._ended:
                raise StopAsyncIteration
            await self._readable()
            data = os.read(self._fd, _CHUNK)
            self._ended = not data
            self._people.extend(self._lines.feed(data))
        return self._people.popleft()

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            if not ready.done():
                ready.set_result(None)

        try:
            loop.add_reader(self._fd, wake)
        except PermissionError:
            return  # such as /dev/null: never keeps one waiting, and cannot be watched
        try:
            await ready
        finally:
            loop.remove_reader(self._fd)
