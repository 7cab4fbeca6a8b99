"""What `redeem.many` and the client refuse before anything is sent, in words."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from pubrio_async import (
    AsyncPubrio,
    ConfigurationError,
    MemoryJournal,
    NotSentError,
    ResponseLostError,
)
from pubrio_async.testing import PubrioMemory, VirtualClock
from tests.together import together

ADA = "e37ccf38-ea8f-422e-9874-cb23b15e8fe4"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"people": None}, "not None"),
        ({"batch_size": "10"}, "batch_size must be a whole number, not '10'"),
        ({"batch_size": 2.5}, "batch_size must be a whole number, not 2.5"),
        ({"batch_size": 0}, "batch_size must be above 0"),
        ({"max_open_jobs": 1.5}, "max_open_jobs must be a whole number"),
        ({"max_credits": "10"}, "max_credits must be a number, not '10'"),
        ({"max_credits": float("nan")}, "max_credits must be at least 0, not nan"),
        ({"max_age": "30d"}, "max_age must be a number, not '30d'"),
        ({"deadline": "soon"}, "deadline must be a number, not 'soon'"),
        ({"linger": "x"}, "linger must be a number, not 'x'"),
        ({"linger": -1}, "linger must be at least 0, not -1"),
        ({"deadline": timedelta(0)}, "deadline must be above 0, not 0.0"),
        ({"max_age": timedelta(days=-1)}, "max_age must be at least 0, not -86400.0"),
        ({"batch_size": timedelta(days=1)}, "batch_size must be a whole number"),
        ({"max_credits": timedelta(days=1)}, "max_credits must be a number"),
        ({"order": "fast"}, "order cannot be 'fast'; choose from makespan, results"),
        ({"journal": 5}, "journal takes a path or a Journal, not int"),
    ],
)
async def test_an_argument_of_the_wrong_kind(given: dict[str, Any], words: str) -> None:
    memory = PubrioMemory()
    arguments: dict[str, Any] = {"people": [], "people_contact_types": ["phone"], **given}
    async with memory.client() as client:
        with pytest.raises(ConfigurationError, match=re.escape(words)):
            client.redeem.many(**arguments)
    assert not memory.requests


@pytest.mark.virtual_time
async def test_durations_are_seconds_or_timedeltas() -> None:
    memory = PubrioMemory()
    journal = MemoryJournal(VirtualClock())
    ada = memory.add_found(work_email="ada@example.com")

    async def redeem(**durations: Any) -> list[str]:
        """The ends of somebody, and of somebody else who comes half a minute after."""

        async def people() -> AsyncIterator[str]:
            yield ada
            await asyncio.sleep(30)
            yield memory.add_empty()

        async with memory.client() as client:
            run = client.redeem.many(
                people(), people_contact_types=["email-work"], journal=journal, **durations
            )
            async with run:
                return [outcome.status async for outcome in run]

    assert await redeem(linger=timedelta(seconds=1)) == ["found", "empty"]
    charged = memory.credits_charged
    assert await redeem(max_age=timedelta(days=30)) == ["found", "empty"]
    assert memory.credits_charged == charged
    await asyncio.sleep(timedelta(days=31).total_seconds())
    assert await redeem(max_age=timedelta(days=30)) == ["found", "empty"]
    assert memory.credits_charged == 2 * charged
    began = asyncio.get_running_loop().time()
    assert await redeem(deadline=timedelta(seconds=10)) == ["found"]
    assert asyncio.get_running_loop().time() - began < 30
    async with (
        memory.client() as client,
        client.redeem.resolve(journal, deadline=timedelta(hours=1)) as run,
    ):
        assert [outcome async for outcome in run] == []


@pytest.mark.virtual_time
async def test_the_timeout_and_the_wait_may_be_timedeltas() -> None:
    memory = PubrioMemory(limits="1/minute")
    memory.inject("stall", path="/redeem/people$")
    patience = {"timeout": timedelta(milliseconds=1500), "max_wait": timedelta(seconds=20)}
    async with memory.client(**patience) as client:
        with pytest.raises(ResponseLostError, match=r"within 1\.5 s"):
            await client.redeem.people(people_search_id=ADA, people_contact_types=["phone"])
        with pytest.raises(NotSentError, match="within 20 s"):
            await client.redeem.people(people_search_id=ADA, people_contact_types=["phone"])


@pytest.mark.parametrize("timeout", [timedelta(0), timedelta(days=-1)])
def test_a_timeout_that_is_none(timeout: timedelta) -> None:
    with pytest.raises(ConfigurationError, match="timeout must be a number of seconds above 0"):
        AsyncPubrio("key", timeout=timeout)


@together
@pytest.mark.parametrize("wait", ["5", None, -1, float("nan"), timedelta(seconds=-1)])
def test_a_wait_that_is_none(wait: Any) -> None:
    with pytest.raises(ConfigurationError, match="max_wait must be a number of seconds"):
        AsyncPubrio("key", max_wait=wait)
