"""Other ways to do the same, as models: what people write by hand around a rate limit."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec

from benchmarks.scheduling_worlds import BATCH, Limits, Server
from pubrio_async._config import parse_rates
from pubrio_async._phase import Phase
from pubrio_async._wire import WireRequest

_FIRST_BACKOFF_S = 1.0
_LONGEST_BACKOFF_S = 60.0


class Gate(Protocol):
    """Says when a request may leave."""

    async def wait(self) -> None:
        """Waits for it."""
        ...


class NoGate:
    """One request after the other needs no limit."""

    async def wait(self) -> None:
        """Does not wait."""


class Bucket:
    """A leaky bucket, first come first served: aiolimiter's, and every token bucket."""

    def __init__(self, rate: float, period: float) -> None:
        self._step = period / rate
        self._burst = period - self._step
        self._full_at = 0.0

    async def wait(self) -> None:
        """Waits for a token."""
        now = asyncio.get_running_loop().time()
        at = max(now, self._full_at - self._burst)
        self._full_at = max(now, self._full_at) + self._step
        if at > now:
            await asyncio.sleep(at - now)


class Caller:
    """Speaks to the server; a refused request is sent again after a growing pause."""

    def __init__(self, server: Server, gate: Gate, people: list[str], seed: int) -> None:
        self._transport = server.transport
        self._gate = gate
        self._people = people
        self._rng = random.Random(seed)

    async def _ask(self, path: str, body: dict[str, Any]) -> Any:
        request = WireRequest("POST", path, msgspec.json.encode(body), paid=False)
        backoff = _FIRST_BACKOFF_S
        while True:
            await self._gate.wait()
            reply = await self._transport.send(request, timeout=60.0, phase=Phase())
            if reply.status == 200:
                return msgspec.json.decode(reply.body)["data"]
            assert reply.status == 429, reply
            await asyncio.sleep(backoff * self._rng.uniform(0.8, 1.2))
            backoff = min(_LONGEST_BACKOFF_S, 2 * backoff)

    async def submit(self, number: int) -> tuple[str, float]:
        """Sends a batch: the id of its job, and the estimate."""
        people = self._people[number * BATCH : (number + 1) * BATCH]
        body = {"peoples": people, "people_contact_types": ["email-work"]}
        data = await self._ask("/redeem/people/batch", body)
        return data["redeem_query_id"], data["estimated_time"]

    async def is_done(self, query_id: str) -> bool:
        """Polls a job."""
        data = await self._ask("/redeem/people/batch/query", {"redeem_query_id": query_id})
        return bool(data["query"]["is_completed"])


async def _one(caller: Caller, number: int) -> None:
    query_id, _ = await caller.submit(number)
    while True:
        await asyncio.sleep(1.0)
        if await caller.is_done(query_id):
            return


async def _one_with_backoff(caller: Caller, number: int) -> None:
    query_id, wait = await caller.submit(number)
    while True:
        await asyncio.sleep(wait)
        if await caller.is_done(query_id):
            return
        wait *= 1.5


async def _sequential(caller: Caller, batches: int) -> None:
    for number in range(batches):
        await _one(caller, number)


async def _gather(caller: Caller, batches: int) -> None:
    await asyncio.gather(*(_one(caller, number) for number in range(batches)))


async def _gather_with_backoff(caller: Caller, batches: int) -> None:
    await asyncio.gather(*(_one_with_backoff(caller, number) for number in range(batches)))


class _Burst:
    """Sends whatever may leave at once; a log of the ends of requests says how many may.

    It is as careful as a client can be that does not know the phase of the window, and knows
    when each job is due; but it has one fixed rule for what goes first, and no bound on jobs.
    """

    def __init__(self, caller: Caller, limits: Limits, batches: int, *, polls_first: bool) -> None:
        rate = parse_rates(limits.text)[0]
        self._caller = caller
        self._left = deque(range(batches))
        self._polls_first = polls_first
        self._permits = int(rate.limit)
        self._period = rate.period * 1.0005
        self._due: list[tuple[float, str, float]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._open = 0

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._left or self._open:
            poll = bool(self._due) and self._due[0][0] <= loop.time()
            if self._permits and (poll or self._left):
                self._permits -= 1
                if poll and (self._polls_first or not self._left):
                    _, query_id, wait = heapq.heappop(self._due)
                    self._start(self._poll(query_id, wait))
                else:
                    self._open += 1
                    self._start(self._submit(self._left.popleft()))
                continue
            self._changed.clear()
            if self._permits and self._due:
                loop.call_at(self._due[0][0], self._changed.set)
            await self._changed.wait()

    def _start(self, step: Any) -> None:
        task = asyncio.get_running_loop().create_task(self._step(step))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _step(self, step: Awaitable[None]) -> None:
        await step
        asyncio.get_running_loop().call_later(self._period, self._give_back)
        self._changed.set()

    def _give_back(self) -> None:
        self._permits += 1
        self._changed.set()

    async def _submit(self, number: int) -> None:
        query_id, wait = await self._caller.submit(number)
        heapq.heappush(self._due, (asyncio.get_running_loop().time() + wait, query_id, wait))

    async def _poll(self, query_id: str, wait: float) -> None:
        if await self._caller.is_done(query_id):
            self._open -= 1
        else:
            wait *= 1.5
            heapq.heappush(self._due, (asyncio.get_running_loop().time() + wait, query_id, wait))


Peer = Callable[[Server, Limits, list[str], int, int], Awaitable[None]]


def _gathered(
    way: Callable[[Caller, int], Awaitable[None]], gate: Callable[[float, float], Gate]
) -> Peer:
    async def peer(
        server: Server, limits: Limits, people: list[str], batches: int, seed: int
    ) -> None:
        rate = parse_rates(limits.text)[0]
        caller = Caller(server, gate(rate.limit, rate.period), people, seed)
        await way(caller, batches)

    return peer


def _burst(*, polls_first: bool) -> Peer:
    async def peer(
        server: Server, limits: Limits, people: list[str], batches: int, seed: int
    ) -> None:
        caller = Caller(server, NoGate(), people, seed)
        await _Burst(caller, limits, batches, polls_first=polls_first).run()

    return peer


PEERS: dict[str, Peer] = {
    "submit, poll each second, next": _gathered(_sequential, lambda _limit, _period: NoGate()),
    "gather, 1 s polls, token bucket": _gathered(_gather, Bucket),
    "estimate + backoff, aiolimiter(L, W)": _gathered(_gather_with_backoff, Bucket),
    "evenly spaced, aiolimiter(1, W/L)": _gathered(
        _gather_with_backoff, lambda limit, period: Bucket(1, period / limit)
    ),
    "window burst, submits first": _burst(polls_first=False),
    "window burst, polls first": _burst(polls_first=True),
}
