"""The transport without sockets, under virtual time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from pubrio_async import AsyncPubrio
from pubrio_async._errors import ConfigurationError, NotSentError, ResponseLostError
from pubrio_async._phase import Phase
from pubrio_async._wire import WireReply, WireRequest
from pubrio_async.sandbox import Sandbox, SandboxConfig, SandboxTransport, parse_fault
from pubrio_async.testing import VirtualClock
from tests.sandbox.desk import person, persons

pytestmark = pytest.mark.virtual_time

BODY = msgspec.json.encode({"people_search_id": person(1), "people_contact_types": ["phone"]})
REDEEM = WireRequest("POST", "/redeem/people", BODY, True)


def make(*faults: str, **config: Any) -> Sandbox:
    return Sandbox(SandboxConfig(phone_share=1.0, faults=faults, **config))


class Bench:
    def __init__(self, *faults: str, **config: Any) -> None:
        self.sandbox = make(*faults, **config)
        self.transport = SandboxTransport(self.sandbox, latency=1.0)
        self.phase = Phase()

    async def send(self, request: WireRequest = REDEEM, timeout: float = 30.0) -> WireReply:
        return await self.transport.send(request, timeout=timeout, phase=self.phase)

    @property
    def charged(self) -> int:
        return self.sandbox.statistics().credits_charged


async def test_there_and_back_takes_the_latency() -> None:
    noon = datetime(2025, 6, 15, 12, tzinfo=UTC).timestamp()
    bench = Bench(latency=2.0, epoch=noon)
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(bench.send())
    await asyncio.sleep(0.4)
    assert (bench.phase.sent, bench.charged) == (1, 0)
    await asyncio.sleep(0.2)
    assert bench.charged == 10
    reply = await task
    assert loop.time() == pytest.approx(3.0)
    assert reply.status == 200
    assert reply.headers.get("Content-Type") == "application/json"
    assert dict(reply.headers) == {
        "content-type": "application/json",
        "date": "Sun, 15 Jun 2025 12:00:03 GMT",
    }
    assert len(reply.headers) == 2
    assert bench.phase.sent == 1


async def test_requests_without_a_body() -> None:
    reply = await Bench().send(WireRequest("GET", "/user", None, False))
    assert reply.status == 200


async def test_nobody_listening() -> None:
    bench = Bench()
    bench.transport.connect_refused = 2
    for _ in range(2):
        with pytest.raises(NotSentError):
            await bench.send()
    assert (bench.phase.sent, bench.charged) == (0, 0)
    await bench.send()
    assert (bench.phase.sent, bench.charged) == (1, 10)


async def test_nobody_listening_for_a_time() -> None:
    sandbox = make()
    transport = SandboxTransport(sandbox, connect_refused=lambda now: now < 10.0)
    with pytest.raises(NotSentError):
        await transport.send(REDEEM, timeout=5.0, phase=Phase())
    await asyncio.sleep(10.0)
    assert (await transport.send(REDEEM, timeout=5.0, phase=Phase())).status == 200


@pytest.mark.parametrize(
    ("fault", "status", "charged", "after"),
    [
        ("lost_before", None, 0, 1.0),
        ("lost_after", None, 10, 1.0),
        ("lost_after::cut=reset", None, 10, 1.0),
        ("truncated", 200, 10, 1.0),
        ("truncated::cut=stall_body", 200, 10, 8.0),
        ("stall", None, 10, 8.0),
        ("slow::delay=60", None, 10, 8.0),
    ],
)
async def test_lost_replies(fault: str, status: int | None, charged: int, after: float) -> None:
    bench = Bench(fault)
    with pytest.raises(ResponseLostError) as caught:
        await bench.send(timeout=8.0)
    assert caught.value.status == status
    assert caught.value.may_have_charged
    assert "request log" in str(caught.value), "as the real transport has it"
    assert (bench.phase.sent, bench.charged) == (1, charged)
    assert asyncio.get_running_loop().time() == pytest.approx(after)
    assert bench.transport.in_flight == 0


async def test_a_time_out_on_the_way_there_is_carried_out_nevertheless() -> None:
    bench = Bench()
    with pytest.raises(ResponseLostError):
        await bench.send(timeout=0.2)
    assert bench.charged == 10


@pytest.mark.parametrize("when", [0.2, 0.7])
async def test_a_cancelled_request_is_carried_out_nevertheless(when: float) -> None:
    bench = Bench()
    task = asyncio.create_task(bench.send())
    await asyncio.sleep(when)
    assert bench.transport.in_flight == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.charged == 10
    assert bench.transport.in_flight == 0


async def test_a_result_that_was_not_waited_for_was_not_delivered() -> None:
    bench = Bench()
    batch = msgspec.json.encode({"peoples": persons(2), "people_contact_types": ["phone"]})
    reply = await bench.send(WireRequest("POST", "/redeem/people/batch", batch, True))
    job = msgspec.json.decode(reply.body)["data"]
    query = msgspec.json.encode({"redeem_query_id": job["redeem_query_id"]})
    poll = WireRequest("POST", "/redeem/people/batch/query", query, False)
    await asyncio.sleep(job["estimated_time"])
    with pytest.raises(ResponseLostError):
        await bench.send(poll, timeout=0.7)
    assert bench.sandbox.statistics().jobs_delivered == 0
    await bench.send(poll)
    assert bench.sandbox.statistics().jobs_delivered == 1
    assert bench.sandbox.regrets().total == 0


async def test_requests_at_once_are_counted() -> None:
    bench = Bench()
    await asyncio.gather(*(bench.send() for _ in range(7)))
    assert (bench.transport.in_flight, bench.transport.max_in_flight) == (0, 7)


async def test_a_closed_transport_sends_nothing() -> None:
    bench = Bench()
    await bench.transport.aclose()
    with pytest.raises(ConfigurationError):
        await bench.send()
    assert bench.phase.sent == 0


async def test_dates_come_from_the_clock_that_is_given() -> None:
    class Later(VirtualClock):
        def wall(self) -> float:
            return 1_000.0 + self.now()

    for epoch, told in ((None, 1_000.0), (5.0, 5.0)):
        sandbox = make(epoch=epoch)
        transport = SandboxTransport(sandbox, clock=Later())
        await transport.send(REDEEM, timeout=5.0, phase=Phase())
        assert sandbox.wall(0.0) == pytest.approx(told)


async def test_the_client_on_top() -> None:
    sandbox = make("5xx_before:/profile:times=1")
    transport = SandboxTransport(sandbox)
    people = persons(250)
    async with (
        AsyncPubrio(api_key="some-key", transport=transport, clock=VirtualClock()) as pubrio,
        pubrio.redeem.many(people, people_contact_types=["phone"], batch_size=50) as run,
    ):
        outcomes = [outcome async for outcome in run]
    assert {outcome.row for outcome in outcomes} == set(range(250))
    for outcome in outcomes:
        assert outcome.status == "found"
        assert outcome.phones == list(sandbox.contacts_for(people[outcome.row], ["phone"]))
    assert sandbox.regrets().total == 0
    assert sandbox.statistics().polls == sandbox.statistics().jobs_delivered == 5


def test_fault_text_is_the_same_everywhere() -> None:
    assert make("stall:/x").config.faults == ("stall:/x",)
    assert parse_fault("stall:/x").path == "/x"
