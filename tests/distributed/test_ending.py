"""Whoever uses the database can be ended at any moment."""

from __future__ import annotations

import asyncio

import pytest

from pubrio_async.distributed.store import call_off


@pytest.mark.virtual_time
async def test_a_task_that_loses_a_cancellation_ends_all_the_same() -> None:
    """As the driver does before Python 3.12, should the answer come at the same moment."""
    cancellations = 0

    async def beat() -> None:
        nonlocal cancellations
        while True:
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                cancellations += 1
                if cancellations > 2:
                    raise

    task = asyncio.create_task(beat())
    await asyncio.sleep(1)
    async with asyncio.timeout(60):
        await call_off(task)
    assert task.cancelled()
    assert cancellations == 3


@pytest.mark.virtual_time
async def test_what_a_task_ends_with_is_not_shouted_about() -> None:
    async def fail() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise OSError("the database went away")

    task = asyncio.create_task(fail())
    await asyncio.sleep(1)
    await call_off(task)
    assert isinstance(task.exception(), OSError)
