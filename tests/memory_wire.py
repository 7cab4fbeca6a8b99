"""A transport that answers from memory and remembers what it was sent."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pubrio_async import AsyncPubrio
from pubrio_async._phase import Phase
from pubrio_async._wire import WireReply, WireRequest

KEY = "pk_live_0123456789abcdef"


class MemoryWire:
    """Answers every request with `reply`, or with the next of `replies` while there are any."""

    def __init__(self) -> None:
        self.sent: list[WireRequest] = []
        self.status = 200
        self.reply: bytes = b'{"data": {}}'
        self.replies: list[bytes] = []

    async def send(self, request: WireRequest, *, timeout: float, phase: Phase) -> WireReply:
        phase.sent += 1
        self.sent.append(request)
        body = self.replies.pop(0) if self.replies else self.reply
        return WireReply(self.status, {}, body)

    async def aclose(self) -> None:
        pass

    def answers(self, *documents: Any) -> None:
        """Prepares replies; the last one stays."""
        self.replies = [json.dumps(document).encode() for document in documents]
        self.reply = self.replies[-1]

    @property
    def bodies(self) -> list[Any]:
        """The bodies sent so far, decoded; None for a request without one."""
        return [None if request.body is None else json.loads(request.body) for request in self.sent]


@asynccontextmanager
async def connected(wire: MemoryWire) -> AsyncIterator[AsyncPubrio]:
    """A client on it, without limits, that never waits to send again."""
    async with AsyncPubrio(KEY, rate_limit="unlimited", max_wait=0.0, transport=wire) as client:
        yield client
        statistics = client.statistics()
        assert statistics.limiter.in_flight == 0
        assert statistics.abandoned == 0
