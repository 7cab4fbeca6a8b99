"""What the long windows of the rate limits have seen outlives the process, in the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pubrio_async._errors import JournalError
from pubrio_async._limiter import RateLimiter
from pubrio_async.scheduler.journal import Journal

_EVERY_S = 15.0


class UsageKeeper:
    """Writes down now and then what was sent, and counts what an earlier run wrote down.

    A run that is killed loses the count of its last seconds: a window of an hour or longer may
    then be overrun by these, which the API refuses and nobody pays for.

    Args:
        limiter: Whose windows these are; shorter ones than an hour are over after a restart.
        journal: Where they are kept.
        on_trouble: Called when the journal cannot be written.
    """

    def __init__(
        self, limiter: RateLimiter, journal: Journal, on_trouble: Callable[[JournalError], None]
    ) -> None:
        self._limiter = limiter
        self._journal = journal
        self._on_trouble = on_trouble
        self._granted = -1
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Counts what was written down, and begins to write.

        Raises:
            JournalError: The journal cannot be read.
        """
        state = await self._journal.load_usage()
        if state:
            self._limiter.restore(state)
        if self._limiter.usage():  # there is such a window
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Writes down what was sent to the end; safe to call twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self._keep()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            await self._keep()

    async def _keep(self) -> None:
        granted = self._limiter.statistics().granted
        if granted != self._granted:
            try:
                await self._journal.save_usage(self._limiter.usage())
            except JournalError as trouble:
                self._on_trouble(trouble)
            else:
                self._granted = granted
