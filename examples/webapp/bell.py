"""Tells any number of listeners that something has changed."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Bell:
    """Listeners compare a number, so nobody misses a ring and nobody is queued for."""

    def __init__(self) -> None:
        self.rings = 0
        self._next = asyncio.Event()

    def ring(self) -> None:
        """Wakes all who listen."""
        self.rings += 1
        self._next.set()
        self._next = asyncio.Event()

    async def after(self, rings: int, timeout: float) -> None:
        """Returns once it has rung more often than `rings`, or after `timeout` seconds."""
        if self.rings != rings:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._next.wait()
