from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pubrio_async import AsyncPubrio
from tests.memory_wire import MemoryWire, connected


@pytest.fixture
def wire() -> MemoryWire:
    return MemoryWire()


@pytest.fixture
async def pubrio(wire: MemoryWire) -> AsyncIterator[AsyncPubrio]:
    async with connected(wire) as client:
        yield client
