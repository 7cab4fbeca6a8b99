"""Whoever uses the database can be ended at any moment."""

from __future__ import annotations

import asyncio

import pytest

from pubrio_async.distributed.store import Pool, connection_settings


@pytest.mark.parametrize("turns", range(8))
async def test_a_cancellation_that_comes_with_a_connection_is_obeyed(url: str, turns: int) -> None:
    """Whatever turn of the loop it comes at; and the connection is there for others."""
    settings = {**connection_settings(url), "autocommit": True}
    async with Pool(url, kwargs=settings, max_size=1, timeout=5.0) as pool:
        held = await pool.getconn()
        waits = asyncio.create_task(pool.getconn())
        while not pool.get_stats().get("requests_waiting"):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
        gives_back = asyncio.create_task(pool.putconn(held))
        for _ in range(turns):
            await asyncio.sleep(0)
        asked = waits.cancel()
        await gives_back
        (got,) = await asyncio.gather(waits, return_exceptions=True)
        assert isinstance(got, asyncio.CancelledError) == asked
        if not isinstance(got, BaseException):
            await pool.putconn(got)
        async with asyncio.timeout(5), pool.connection() as found:
            await found.execute("SELECT 1")
