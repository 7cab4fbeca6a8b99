"""SIGINT and SIGTERM: the first asks a run to end, the second ends the process."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

from pubrio_async.cli._exit import ExitCode

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Signals:
    """Catches the two signals while it is entered.

    Before `listen` both raise KeyboardInterrupt, because nobody has been sent yet. The handlers
    are plain ones, not those of the event loop: they work on every platform, and the second
    signal works even where the loop is stuck.
    """

    def __init__(self) -> None:
        self.received = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._first: Callable[[], object]
        self._last: Callable[[], object]
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def listen(
        self, *, first: Callable[[], object], last: Callable[[], object] = lambda: None
    ) -> None:
        """From now on a signal does not raise any more.

        Args:
            first: Called in the running event loop at the first signal.
            last: Called at the second, just before the process ends.
        """
        self._loop = asyncio.get_running_loop()
        self._first, self._last = first, last

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self._loop is None:
            raise KeyboardInterrupt
        if self.received:
            self._last()
            os._exit(ExitCode.INTERRUPTED)
        self.received = True
        self._loop.call_soon_threadsafe(self._first)
