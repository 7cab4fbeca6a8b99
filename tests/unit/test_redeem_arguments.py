"""What `redeem.many` and the client refuse before anything is sent, in words."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pubrio_async import AsyncPubrio, ConfigurationError
from pubrio_async.testing import PubrioMemory


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"people": None}, "not None"),
        ({"batch_size": "10"}, "batch_size must be a whole number, not '10'"),
        ({"batch_size": 2.5}, "batch_size must be a whole number, not 2.5"),
        ({"batch_size": 0}, "batch_size must be above 0"),
        ({"max_open_jobs": 1.5}, "max_open_jobs must be a whole number"),
        ({"max_credits": "10"}, "max_credits must be a number, not '10'"),
        ({"max_credits": float("nan")}, "max_credits must not be negative, not nan"),
        ({"max_age": "30d"}, "max_age must be a number, not '30d'"),
        ({"deadline": "soon"}, "deadline must be a number, not 'soon'"),
        ({"linger": "x"}, "linger must be a number, not 'x'"),
        ({"linger": -1}, "linger must not be negative"),
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


@pytest.mark.parametrize("wait", ["5", None, -1, float("nan")])
def test_a_wait_that_is_none(wait: Any) -> None:
    with pytest.raises(ConfigurationError, match="max_wait must be a number of seconds"):
        AsyncPubrio("key", max_wait=wait)
