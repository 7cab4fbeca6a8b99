"""Whether the API answers again, once the answers to all paid requests were lost for too long.

Whoever is sent may be paid for and never found. So a worker begins no chunk then, but asks for
something free each minute; and where that is answered, sends one request, and more and more seldom.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from pubrio_async._clock import Clock
from pubrio_async._errors import PubrioError, ResponseError
from pubrio_async.scheduler.logbook import may_have_worked
from pubrio_async.scheduler.outage import Losses

_PAUSE_S = 60.0


class Probe:
    """Finds out for all chunks of a worker at once.

    Args:
        losses: What its runs know of lost answers.
        ask: Asks for something free.
        clock: Where the time comes from.
    """

    def __init__(self, losses: Losses, ask: Callable[[], Awaitable[object]], clock: Clock) -> None:
        self._losses = losses
        self._ask = ask
        self._clock = clock
        self._finding_out: asyncio.Task[bool] | None = None
        self._is_stopped = False

    async def may_begin(self) -> bool:
        """Whether a chunk may be begun: at once, or after a minute if nobody is answered."""
        if self._is_stopped:
            return False
        if not self._losses.is_hopeless:
            return True
        if self._finding_out is None or self._finding_out.done():
            self._finding_out = asyncio.create_task(self._find_out())
        task = self._finding_out
        await asyncio.wait({task})  # whoever is cancelled leaves it to the others
        return not task.cancelled() and task.result()

    def stop(self) -> None:
        """No chunk is begun any more, and nobody waits for that, or for an answer."""
        self._is_stopped = True
        if self._finding_out is not None:
            self._finding_out.cancel()

    async def _find_out(self) -> bool:
        await asyncio.sleep(_PAUSE_S)
        at = self._losses.submit_at
        if at is None or at > self._clock.now():
            return False
        try:
            await self._ask()
        except PubrioError as error:
            return isinstance(error, ResponseError) and not may_have_worked(error)
        return True
