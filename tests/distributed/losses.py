"""What the tests of lost people share: how they are lost, and looked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from pubrio_async import (
    AsyncPubrio,
)
from pubrio_async.distributed import (
    FleetRun,
    Store,
    queue,
    resolve,
)
from pubrio_async.sandbox import Fault, SandboxTransport
from pubrio_async.sandbox.faults import FaultKind
from pubrio_async.sandbox.wire import SandboxReply, SandboxRequest
from tests.distributed.fleet import (
    ORIGIN,
    Api,
    ids,
    outcomes,
    put,
)

BATCH = "/redeem/people/batch$"


LOGS = "/api_keys/logs$"


QUEUE = queue.queue_of(ORIGIN)


JOBS = "SELECT 1 FROM procrastinate_jobs"


WORKERS = "SELECT 1 FROM procrastinate_workers"


def unreadable(api: Api, times: int | None = None) -> None:
    """The request log cannot be read: what is lost ends unsettled."""
    api.sandbox.add_fault(Fault(kind="400", path=LOGS, times=times))


def refuse_unheard(api: Api, monkeypatch: pytest.MonkeyPatch, kind: FaultKind = "402") -> None:
    """The next batch is refused, and nobody hears of it but the request log."""
    handle, to_refuse = api.sandbox.handle, 1

    def refuse(request: SandboxRequest, now: float) -> SandboxReply:
        nonlocal to_refuse
        if not to_refuse or not request.path.endswith("/redeem/people/batch"):
            return handle(request, now)
        to_refuse -= 1
        api.sandbox.add_fault(Fault(kind=kind, path=BATCH, times=1))
        return structs.replace(handle(request, now), cut="before_headers")

    monkeypatch.setattr(api.sandbox, "handle", refuse)


async def lose(
    api: Api,
    store: Store,
    folder: Path,
    people: int = 40,
    *,
    first: int = 0,
    arrives: bool = True,
    **settings: Any,
) -> None:
    """A run of which the first batches are unsettled, whether or not they came to the API."""
    await put(store, folder, ids(first + people)[first:], **settings)
    kind = "lost_after" if arrives else "lost_before"
    api.sandbox.add_fault(Fault(kind=kind, path=BATCH, after=1, times=2))
    unreadable(api)
    await api.worker().run(until_done=True)
    api.sandbox.clear_faults()
    assert (
        Counter(row.status for row in await outcomes(store, settings.get("name", "run")))[
            "unsettled"
        ]
        == 20
    )


@asynccontextmanager
async def client_of(api: Api) -> AsyncGenerator[AsyncPubrio]:
    async with AsyncPubrio(
        "key-of-the-test", ORIGIN, "unlimited", transport=SandboxTransport(api.sandbox)
    ) as client:
        yield client


async def settle(api: Api, store: Store, **settings: Any) -> tuple[FleetRun, Counter[str]]:
    async with client_of(api) as client, resolve(store, client, **settings) as run:
        told = Counter([outcome.status async for outcome in run])
    return run, told
