"""The theorem of the shared limiter, against slow networks, lost answers, crashes and clocks."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from pubrio_async.distributed.limiter import SharedLimiter
from pubrio_async.testing import run_virtual
from tests.distributed.model import (
    DatabaseHub,
    HolderClock,
    Hub,
    ModelHub,
    Network,
    Twins,
    Wire,
)
from tests.unit.permits import SLEWS, most_within, now

LONGEST_S, LEASE_S = 5.0, 8.0


class World(Struct, frozen=True):
    """A random life of a fleet."""

    limits: list[tuple[int, int]]
    holders: int
    seed: int
    slew: float
    requests: int
    refused: float  # how often the API says 429
    crashes: bool
    outages: list[tuple[float, float]]


worlds = st.builds(
    World,
    limits=st.lists(
        st.tuples(st.integers(1, 8) | st.just(60), st.sampled_from([1, 2, 7, 20])),
        min_size=1,
        max_size=2,
        unique_by=lambda limit: limit[1],
    ),
    holders=st.integers(1, 4),
    seed=st.integers(0, 1 << 32),
    slew=st.sampled_from(SLEWS),
    requests=st.integers(1, 30),
    refused=st.sampled_from([0.0, 0.0, 0.1]),
    crashes=st.booleans(),
    outages=st.lists(st.tuples(st.floats(0, 30), st.floats(0, 40)), max_size=2),
)


class Fleet:
    """Holders at work, each on a machine of its own, and what the server counts."""

    def __init__(self, world: World, hub: Hub) -> None:
        self.world = world
        self.rng = random.Random(world.seed)
        outages = [(start, start + length) for start, length in world.outages]
        self.network = Network(hub, self.rng, world.slew, outages)
        self.counted: list[float] = []
        self.served = 0
        self.last = 0.0

    async def live(self) -> None:
        rates = "; ".join(f"{limit} per {period} seconds" for limit, period in self.world.limits)
        await asyncio.gather(*(self.holder(n, rates) for n in range(self.world.holders)))

    async def holder(self, number: int, rates: str) -> None:
        rng = self.rng
        wire = Wire(self.network)
        limiter = SharedLimiter(
            wire,
            name="it",
            rates=rates,
            max_concurrency=rng.randint(1, 6),
            longest_request=LONGEST_S,
            lease=LEASE_S,
            clock=HolderClock(rng.random() * 1e5, rng.choice((1.0, 1.0004, 0.9996))),
            rng=rng,
        )
        await asyncio.sleep(rng.random() * 3)
        opening = asyncio.create_task(limiter.open())
        await opening
        limiter.rest(rests=rng.random() < 0.2)
        tasks = [asyncio.create_task(self.request(limiter)) for _ in range(self.world.requests)]
        if self.world.crashes and number == 0:
            await asyncio.sleep(rng.random() * 20)
            wire.dead = True
            event("one was killed")
            await asyncio.sleep(LONGEST_S)  # what was under way may still be counted
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            assert limiter._task is not None
            limiter._task.cancel()
            return
        await asyncio.gather(*tasks)
        self.last = max(self.last, now())
        await limiter.close()

    async def request(self, limiter: SharedLimiter) -> None:
        rng = self.rng
        await asyncio.sleep(rng.choice((0.0, 0.0, rng.random() * 20)))
        if rng.random() < 0.1:  # not so patient
            try:
                async with asyncio.timeout(rng.random() * 10):
                    ticket = await limiter.acquire(rng.randint(0, 2))
            except TimeoutError:
                return
        else:
            ticket = await limiter.acquire(rng.randint(0, 2))
        left = now()
        lasts = rng.choice((0.0, 0.05, rng.random() * (LONGEST_S - 2.1)))
        sent = rng.choice((1, 1, 1, 0))
        if sent:
            self.counted.append(left + lasts * rng.choice((0.0, 1.0, rng.random())))
        await asyncio.sleep(lasts)
        if sent and rng.random() < self.world.refused:
            limiter.pause(ticket, rng.choice((None, 1.0, 4.0)))
        limiter.release(ticket, sent, answered=rng.random() < 0.9)
        self.served += 1


async def live(world: World, hub: Hub) -> Fleet:
    fleet = Fleet(world, hub)
    async with asyncio.timeout(10_000):  # nobody waits for ever
        await fleet.live()
    # Nothing is lost for good: once all is back, a newcomer finds every permit.
    longest = max(period for _, period in world.limits)
    await asyncio.sleep(max(120.0, 2 * longest + LEASE_S + LONGEST_S))
    fleet.network.rng = None
    rates = "; ".join(f"{limit} per {period} seconds" for limit, period in world.limits)
    async with SharedLimiter(
        Wire(fleet.network), name="it", rates=rates, clock=HolderClock()
    ) as newcomer:
        ticket = await newcomer.acquire()  # the probe after a pause, if there was one
        newcomer.release(ticket, 0)
        await asyncio.sleep(longest + 5.0)
        if not newcomer.available():  # the probe has not been sent: somebody has to be
            newcomer.release(await newcomer.acquire(), 1)
            await asyncio.sleep(longest * 1.01 + 12.0)
        assert newcomer.available() == min(limit for limit, _ in world.limits)
    return fleet


def check(fleet: Fleet) -> None:
    for limit, period in fleet.world.limits:
        assert most_within(period, fleet.counted) <= limit


@given(worlds)
@settings(deadline=None, max_examples=80)
def test_no_stretch_of_a_period_sees_more_than_the_limit(world: World) -> None:
    check(run_virtual(live(world, ModelHub())))


@given(worlds)
@settings(
    deadline=None,
    max_examples=8,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_the_database_goes_by_the_rules_of_the_model(url: str, world: World) -> None:
    with twins_of(url) as twins:
        fleet = run_virtual(live(world, twins))
    check(fleet)


@contextlib.contextmanager
def twins_of(url: str) -> Iterator[Twins]:
    database = DatabaseHub(url)
    twins = Twins(ModelHub(), database)
    try:
        yield twins
    finally:
        database.close()
    assert twins.exchanges
    assert not twins.differences[:1]


def test_a_holder_that_is_cut_off_is_counted_until_its_last_request_is_out_of_the_window(
    url: str,
) -> None:
    counted: list[float] = []

    async def main(twins: Twins) -> None:
        network = Network(twins)
        wires = [Wire(network), Wire(network)]
        cut_off, greedy = (
            SharedLimiter(
                wire,
                name="it",
                rates="40 per 20 seconds",
                max_concurrency=100,
                lease=LEASE_S,
                longest_request=LONGEST_S,
                clock=HolderClock(),
            )
            for wire in wires
        )
        await cut_off.open()
        await greedy.open()
        cut_off.release(await cut_off.acquire(), 0)  # one more came along
        wires[0].dead = True

        async def send() -> None:
            ticket = await greedy.acquire()
            counted.append(now())
            greedy.release(ticket, 1)

        sending = [asyncio.create_task(send()) for _ in range(200)]
        await asyncio.sleep(LEASE_S - 0.01)
        assert cut_off.try_acquire() is not None
        await asyncio.sleep(LONGEST_S)
        counted.append(now())  # it takes as long as it may
        await asyncio.wait(sending, timeout=60)
        for task in sending:
            task.cancel()

    with twins_of(url) as twins:
        run_virtual(main(twins))
    assert most_within(20, counted) == 40
    assert len(counted) > 4 * 38  # and what it had comes back


def test_a_holder_that_dies_while_it_probes_is_replaced(url: str) -> None:
    async def main(twins: Twins) -> None:
        network = Network(twins)
        wires = [Wire(network), Wire(network)]
        one, other = (
            SharedLimiter(wire, name="it", rates="100/minute", lease=LEASE_S, clock=HolderClock())
            for wire in wires
        )
        await one.open()
        await other.open()
        ticket = await one.acquire()
        one.pause(ticket, 5.0)
        one.release(ticket, 1)
        await asyncio.sleep(5.0)
        await one.acquire()  # the probe
        waiting = asyncio.create_task(other.acquire())
        await asyncio.sleep(LEASE_S / 2)
        wires[0].dead = True
        assert not waiting.done()
        await asyncio.sleep(LEASE_S + 2.0)
        other.release(waiting.result(), 1)
        await asyncio.sleep(0)
        assert other.statistics().paused_s == 0

    with twins_of(url) as twins:
        run_virtual(main(twins))
