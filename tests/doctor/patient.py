"""A stand-in whose replies can be changed on their way, and a check-up of it in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from pubrio_async import AsyncPubrio
from pubrio_async._config import load_settings
from pubrio_async._phase import Phase
from pubrio_async._wire import WireReply, WireRequest
from pubrio_async.doctor import DoctorReport, EndpointReport, examine
from pubrio_async.sandbox import Sandbox, SandboxConfig, SandboxTransport
from pubrio_async.testing import VirtualClock

KEY = "pk_live_sentinel_0123456789"

Change = Callable[[WireReply], WireReply]


class Patient:
    """A sandbox, and what is wrong with it.

    Attributes:
        sandbox: Who answers.
        changes: What becomes of replies, by path; `*` for all.
        bodies: The replies as they went out.
        sent: The paths of the requests.
    """

    def __init__(self, **settings: Any) -> None:
        self.sandbox = Sandbox(SandboxConfig(**{"seed": 7, "time_scale": 0.2, **settings}))
        self.changes: dict[str, Change] = {}
        self.bodies: list[bytes] = []
        self.sent: list[str] = []
        self._inner = SandboxTransport(self.sandbox, latency=0.0, api_key=KEY, clock=VirtualClock())

    async def send(self, request: WireRequest, *, timeout: float, phase: Phase) -> WireReply:
        self.sent.append(request.path)
        reply = await self._inner.send(request, timeout=timeout, phase=phase)
        for path in (request.path, "*"):
            if path in self.changes:
                reply = self.changes[path](reply)
        self.bodies.append(reply.body)
        return reply

    async def aclose(self) -> None:
        pass

    def client(self) -> AsyncPubrio:
        return AsyncPubrio(KEY, transport=self, rate_limit="unlimited", clock=VirtualClock())

    async def examine(self, **options: Any) -> DoctorReport:
        async with self.client() as client:
            report = await examine(
                client, load_settings(KEY), connect=False, clock=VirtualClock(), **options
            )
            assert client.statistics().limiter.in_flight == 0
        return report


def with_data(change: Callable[[Any], Any]) -> Change:
    """Changes the `data` of a reply."""

    def changed(reply: WireReply) -> WireReply:
        if reply.status != 200:
            return reply
        document = msgspec.json.decode(reply.body)
        document["data"] = change(document["data"])
        return msgspec.structs.replace(reply, body=msgspec.json.encode(document))

    return changed


def with_headers(**headers: str) -> Change:
    """Adds headers; underscores in their names become hyphens."""
    named = {name.replace("_", "-").lower(): value for name, value in headers.items()}

    def changed(reply: WireReply) -> WireReply:
        inner = {name.lower(): value for name, value in reply.headers.items()}
        return msgspec.structs.replace(reply, headers=_Headers({**inner, **named}))

    return changed


def with_status(status: int, body: Any) -> Change:
    """Answers something else."""

    def changed(reply: WireReply) -> WireReply:
        return msgspec.structs.replace(reply, status=status, body=msgspec.json.encode(body))

    return changed


class _Headers(dict[str, str]):
    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)


def of(report: DoctorReport, name: str) -> EndpointReport:
    """The first reply of an endpoint."""
    return next(one for one in report.endpoints if one.name == name)


def answers(report: DoctorReport) -> dict[str, tuple[str, str]]:
    """What became of the assumptions, by name."""
    return {one.name: (one.settled, one.seen) for one in report.assumptions}


MONITOR: dict[str, Any] = {
    "name": "watch",
    "detection_mode": "company_first",
    "signal_types": ["news"],
    "destination_type": "webhook",
    "destination_config": {"webhook_url": "https://hooks.example/secret-path"},
}


async def live_in(patient: Patient) -> None:
    """Leaves behind what a workspace in use has: a monitor that ran, and paid calls in the log."""
    async with patient.client() as client:
        made = await client.monitors.create(**MONITOR)
        await client.monitors.try_run(monitor_id=made.monitor_id)
        found = await client.people.search(per_page=5)
        ids = [row.people_search_id or "" for row in found.peoples or ()]
        job = await client.redeem.batch(peoples=ids, people_contact_types=["email-work", "phone"])
        await asyncio.sleep(60)
        await client.redeem.query(redeem_query_id=job.redeem_query_id)
        await client.redeem.people(people_search_id=ids[0], people_contact_types=["email-work"])
    patient.sent.clear()
    patient.bodies.clear()
