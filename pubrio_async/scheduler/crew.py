"""The workers of a run: a bounded number of them, and one alarm for everything that is due.

A worker that has to wait for a permit asks what to do with it once it has it: by the time a request
may leave, the choice is made with the newest knowledge. There is no task per job.

Workers are called one at a time. Who is called, or awake anyway, looks for itself, and calls the
next one when it has found something to do.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from pubrio_async._clock import Clock
from pubrio_async._limiter import RateLimiter
from pubrio_async.scheduler.policy import Choice

_PATIENCE_S = 0.05

PRIORITY = 1
"""A run yields to the calls the program makes itself, which have priority 0."""


class Foreman(Protocol):
    """Who tells the crew what there is to do."""

    def choose(self, now: float, held: int) -> Choice:
        """What the next request should be; `held` is how many permits the asker has in hand."""
        ...

    def take_step(self, choice: Choice, ticket: int, now: float) -> Coroutine[Any, Any, None]:
        """The request that was just chosen, with this permit."""
        ...

    def next_look(self, now: float) -> float | None:
        """When there will be something to do, if nothing happens before."""
        ...

    def stepped(self) -> None:
        """A request has been dealt with."""
        ...

    def ended(self, task: asyncio.Task[None]) -> None:
        """A task of the crew has ended, perhaps badly."""
        ...


class Crew:
    """Workers that come when there is work and park when there is none.

    Args:
        foreman: Who tells them what to do.
        limiter: Who says when.
        clock: Where the time comes from.
        size: Most workers.
    """

    def __init__(self, foreman: Foreman, limiter: RateLimiter, clock: Clock, size: int) -> None:
        self._foreman = foreman
        self._limiter = limiter
        self._now: Callable[[], float] = clock.now
        self._size = size
        self._workers: set[asyncio.Task[None]] = set()
        self._busy: set[asyncio.Task[None]] = set()
        self._parked: deque[asyncio.Future[None]] = deque()
        self._at_limiter = 0
        self._calling = False
        # Whoever wakes it: a step belongs to the one who opened the run.
        self._context = contextvars.copy_context()
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0.0

    @property
    def busy(self) -> int:
        """Requests under way."""
        return len(self._busy)

    def wake(self) -> None:
        """There may be something to do: calls one more worker if there is."""
        if self._calling or self._at_limiter:
            return  # that one looks as soon as it can, and where one waits for a permit all would
        if not self._parked and len(self._workers) >= self._size:
            return  # everybody is awake
        now = self._now()
        if self._foreman.choose(now, 0) == "nothing":
            self._set_alarm(now)
            return
        while self._parked:
            future = self._parked.popleft()
            if not future.done():
                self._calling = True
                future.set_result(None)
                return
        if len(self._workers) < self._size:
            self._calling = True
            task = asyncio.get_running_loop().create_task(
                self._work(), context=self._context.copy()
            )
            self._workers.add(task)
            task.add_done_callback(self._left)

    def cut_off(self) -> None:
        """Cancels the requests under way."""
        for task in self._busy:
            task.cancel()

    async def dismiss(self) -> None:
        """Cancels every worker and waits until they have gone.

        One that has a result in hand puts the cancellation off until it is written down.
        """
        if self._alarm is not None:
            self._alarm.cancel()
        while workers := tuple(self._workers):
            for task in workers:
                task.cancel()
            await asyncio.wait(workers, timeout=_PATIENCE_S)
        # A run may be kept for its report; what its opener had in mind is not.
        self._context = contextvars.Context()

    async def _work(self) -> None:
        this = asyncio.current_task()
        assert this is not None  # noqa: S101 - a coroutine of a task
        self._calling = False
        foreman, limiter = self._foreman, self._limiter
        while True:
            while (choice := foreman.choose(now := self._now(), 0)) == "nothing":
                await self._park(now)
            ticket = limiter.try_acquire()
            if ticket is None:
                ticket = await self._permit()
                now = self._now()
                choice = foreman.choose(now, 1)
                if choice == "nothing":
                    limiter.release(ticket, 0)
                    await asyncio.sleep(0)
                    continue
            step = foreman.take_step(choice, ticket, now)
            self._busy.add(this)
            try:
                self.wake()
                await step
            finally:
                self._busy.discard(this)
            if this.cancelling():  # put off until the step was done
                self._size = 0
                foreman.stepped()
                return
            foreman.stepped()

    async def _permit(self) -> int:
        self._at_limiter += 1
        try:
            return await self._limiter.acquire(PRIORITY)
        finally:
            self._at_limiter -= 1

    async def _park(self, now: float) -> None:
        self._set_alarm(now)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._parked.append(future)
        await future
        self._calling = False

    def _left(self, task: asyncio.Task[None]) -> None:
        self._workers.discard(task)
        if task.cancelled():  # as all are by a loop that ends: nobody comes in its place
            self._size = 0
        self._foreman.ended(task)

    def _set_alarm(self, now: float) -> None:
        # The same `now` at which there was nothing to do: a look at a later one could find that
        # the time has come, set no alarm for it, and nobody would look again.
        at = self._foreman.next_look(now)
        if at is None or at <= now or (self._alarm is not None and self._alarm_at == at):
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = at
        self._alarm = asyncio.get_running_loop().call_later(at - now, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self.wake()
