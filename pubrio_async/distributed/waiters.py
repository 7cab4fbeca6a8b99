"""Who waits for a permit: lower priority numbers first, first come first served within one."""

from __future__ import annotations

import asyncio
from collections import deque

_FEW = 64


class Waiters:
    """A queue in which the cancelled are passed over."""

    def __init__(self) -> None:
        self._queues: dict[int, deque[asyncio.Future[int]]] = {}
        self._waiting = 0
        self._cancelled = 0

    def __len__(self) -> int:
        return self._waiting

    def join(self, priority: int) -> asyncio.Future[int]:
        """Lines up; the future is done with a ticket when it is its turn."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        queue = self._queues.get(priority)
        if queue is None:
            queue = self._queues[priority] = deque()
            self._queues = dict(sorted(self._queues.items()))
        queue.append(future)
        self._waiting += 1
        return future

    def first(self) -> asyncio.Future[int] | None:
        """Who comes next; to be served before anybody else is asked for."""
        for queue in self._queues.values():
            while queue:
                if not queue[0].done():
                    return queue[0]
                queue.popleft()  # cancelled while it waited
                self._cancelled -= 1
        return None

    def serve(self, ticket: int) -> None:
        """Lets the first go."""
        for queue in self._queues.values():
            if queue:
                self._waiting -= 1
                queue.popleft().set_result(ticket)
                return

    def forget(self) -> None:
        """One of them was cancelled."""
        self._waiting -= 1
        self._cancelled += 1
        if self._cancelled > _FEW and self._cancelled > self._waiting:
            for priority, queue in self._queues.items():
                self._queues[priority] = deque(future for future in queue if not future.done())
            self._cancelled = 0

    def dismiss(self, error: Exception) -> None:
        """Sends everybody away."""
        for queue in self._queues.values():
            for future in queue:
                if not future.done():
                    self._waiting -= 1
                    future.set_exception(error)
            queue.clear()
