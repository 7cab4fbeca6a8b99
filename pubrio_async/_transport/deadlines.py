"""Ends what takes too long, with one timer for all requests.

A timer for each request costs a tenth of a small request. Here one is set for the deadline that
comes first; when it goes off it ends what is overdue and is set again. As requests nearly always
end in time, that is once in a while, and not once for each.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

# A process that was stopped, or a loop that was kept busy, finds replies in its sockets that came
# in time. They get these turns of the loop to be read; a reply takes two.
_TURNS = 4
# So late, a timer shows that the process stood still. What it was about to send, it sends only now.
_STILL_S = 1.0


class Deadlines:
    """Gives deadlines to the tasks of one loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        # By the seconds they were given: within a line the first to come is the first to end.
        self._lines: dict[float, dict[Deadline, None]] = {}

    def rest(self) -> None:
        """Stops the timer, unless something is under way."""
        if not any(self._lines.values()):
            self._stop_timer()

    def watch(self, deadline: Deadline, loop: asyncio.AbstractEventLoop) -> dict[Deadline, None]:
        """Watches over a deadline until it is taken out of what is returned."""
        if loop is not self._loop:  # one that has ended, with its timer and its tasks
            self._stop_timer()
            self._loop = loop
            self._lines = {}
        deadline.at = loop.time() + deadline.seconds
        line = self._lines.get(deadline.seconds)
        if line is None:
            line = self._lines[deadline.seconds] = {}
        line[deadline] = None
        if self._timer is None or deadline.at < self._timer_at:
            self._set_timer(loop, deadline.at)
        return line

    def _set_timer(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        self._stop_timer()
        self._timer_at = at
        self._timer = loop.call_at(at, self._rang, loop, at)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _rang(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        now = loop.time()
        if loop is self._loop and now - at >= _STILL_S:
            for seconds, line in self._lines.items():
                for deadline in line:
                    deadline.begin_anew(now + seconds)
        self._ring(loop, at, _TURNS)

    def _ring(self, loop: asyncio.AbstractEventLoop, at: float, turns: int) -> None:
        if turns:
            loop.call_soon(self._ring, loop, at, turns - 1)
        elif loop is self._loop:
            self._end_overdue(loop, at)

    def _end_overdue(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        self._stop_timer()
        # A timer may go off a little early, by the resolution of the clock.
        now = max(loop.time(), at)
        first: Deadline | None = None
        for seconds, line in list(self._lines.items()):
            while line:
                deadline = next(iter(line))
                if deadline.at > now:
                    if first is None or deadline.at < first.at:
                        first = deadline
                    break
                del line[deadline]
                deadline.end()
            if not line:
                del self._lines[seconds]
        if first is not None:
            self._set_timer(loop, first.at)


class Deadline:
    """A context that ends what the present task does in it, once it takes too long.

    It raises TimeoutError in place of the cancellation by which it ended it. A cancellation that
    came from elsewhere it leaves alone.

    Args:
        among: What watches over it.
        seconds: How long it may take.
    """

    __slots__ = ("_among", "_cancelling", "_ended", "_is_anew", "_line", "_task", "at", "seconds")

    def __init__(self, among: Deadlines, seconds: float) -> None:
        self._among = among
        self._ended = False
        self._is_anew = False
        self.seconds = seconds
        self.at = 0.0

    def __enter__(self) -> None:
        task: asyncio.Task[Any] | None = asyncio.current_task()
        if task is None:
            msg = "A request is sent from inside a task"
            raise RuntimeError(msg)
        self._task = task
        self._cancelling = task.cancelling()
        self._line = self._among.watch(self, task.get_loop())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._line.pop(self, None)
        # Nobody else must have cancelled it: that goes before, as with `asyncio.timeout`.
        if (
            self._ended
            and self._task.uncancel() <= self._cancelling
            and kind is asyncio.CancelledError
        ):
            raise TimeoutError from error

    def begin_anew(self, at: float) -> None:
        """The process stood still; once, so that a loop that is always late ends what hangs."""
        if not self._is_anew:
            self._is_anew, self.at = True, at

    def end(self) -> None:
        """Its time is over."""
        self._ended = True
        self._task.cancel()
