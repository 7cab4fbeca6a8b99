"""What the tests of pages share: pages of companies, and who answers with them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pubrio_async import AsyncPubrio
from pubrio_async._phase import Phase
from pubrio_async._wire import WireReply, WireRequest
from pubrio_async.endpoints._pages import Pages
from pubrio_async.models import CompanyRow
from tests.memory_wire import KEY


def page(*names: str, **pagination: Any) -> dict[str, Any]:
    """A page of companies."""
    data: dict[str, Any] = {"companies": [{"company_name": name} for name in names]}
    if pagination:
        data["pagination"] = pagination
    return {"data": data}


class Script:
    """Answers from a list, one page at a time, each when it is let through."""

    def __init__(self, *steps: Any, gated: bool = False) -> None:
        self.steps = list(steps)
        self.pages: list[Any] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.started = asyncio.Event()
        self.gate = asyncio.Event()
        if not gated:
            self.gate.set()

    async def send(self, request: WireRequest, *, timeout: float, phase: Phase) -> WireReply:
        phase.sent += 1
        assert request.body is not None
        self.pages.append(json.loads(request.body).get("page"))
        self.in_flight += 1
        self.most_in_flight = max(self.in_flight, self.most_in_flight)
        self.started.set()
        try:
            await self.gate.wait()
        finally:
            self.in_flight -= 1
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        status, document = step if isinstance(step, tuple) else (200, step)
        return WireReply(status, {}, json.dumps(document).encode())

    async def aclose(self) -> None:
        pass


@asynccontextmanager
async def scripted(
    script: Script, *, rate_limit: str = "unlimited", max_wait: float = 0.0
) -> AsyncIterator[AsyncPubrio]:
    async with AsyncPubrio(
        KEY, rate_limit=rate_limit, max_wait=max_wait, transport=script
    ) as client:
        yield client


async def names(pages: Pages[CompanyRow]) -> list[str | None]:
    return [row.company_name async for row in pages]
