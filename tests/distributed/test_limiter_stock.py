"""The permits of one holder: none is used after its lease, and none is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from pubrio_async import ConfigurationError, JournalError
from pubrio_async.distributed.leases import Ask, Reply
from pubrio_async.distributed.limiter import SharedLimiter
from pubrio_async.distributed.stock import Stock
from pubrio_async.testing import VirtualClock, run_virtual
from tests.distributed.model import ModelHub, Network, Wire

LEASE_S = 8.0


class Clock:
    """Two clocks that are set by hand."""

    def __init__(self) -> None:
        self.time = self.date = 100.0

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return self.date

    def go(self, seconds: float) -> float:
        self.time += seconds
        self.date += seconds
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stock(clock: Clock) -> Stock:
    """With five permits, leased at 100."""
    stock = Stock(clock, LEASE_S, 0.01)
    stock.reports(clock.time)
    stock.exchanged(5, clock.time, renewed=False)
    return stock


def test_a_lease_is_counted_from_before_it_was_asked_for(clock: Clock, stock: Stock) -> None:
    assert stock.ready(clock.go(7.9)) == 5
    stock.reports(clock.time)
    stock.exchanged(0, clock.go(0.09), renewed=True)  # the answer takes its time
    assert stock.ready(clock.go(7.8)) == 5
    assert stock.ready(clock.go(0.11)) == 0


def test_no_lease_outlasts_the_sleep_of_its_machine(clock: Clock, stock: Stock) -> None:
    clock.date += LEASE_S  # the clock that counts seconds stood still
    assert stock.ready(clock.time) == 0


def test_a_date_that_is_set_back_makes_no_lease_longer(clock: Clock, stock: Stock) -> None:
    clock.date -= 3_600
    assert stock.ready(clock.go(LEASE_S)) == 0


def test_what_was_not_renewed_in_time_is_gone_for_good(clock: Clock, stock: Stock) -> None:
    used, unused = (stock.take(clock.time, 0) for _ in range(2))
    clock.go(LEASE_S)
    stock.reports(clock.time)
    assert stock.exchanged(1, clock.time, renewed=False)
    assert stock.ready(clock.time) == 1
    assert stock.kept == 3
    assert not stock.back(unused, 0, clock.time, answered=False)
    stock.back(used, 1, clock.time, answered=True)
    assert (stock.ready(clock.time), stock.kept) == (1, 1)


def test_an_unused_permit_is_there_for_the_next(clock: Clock, stock: Stock) -> None:
    ticket = stock.take(clock.time, 0)
    assert stock.ready(clock.time) == 4
    assert stock.back(ticket, 0, clock.time, answered=False)
    assert stock.ready(clock.time) == 5


def test_reports_are_repeated_as_they_were_until_one_is_answered(
    clock: Clock, stock: Stock
) -> None:
    def use() -> None:
        stock.back(stock.take(clock.time, 0), 1, clock.time, answered=True)

    use()
    use()
    (first,) = stock.reports(clock.time)  # at the same time: one entry
    assert (first.count, first.age_s) == (2, 0.0)
    use()
    clock.go(1)
    again, second = stock.reports(clock.time)
    assert (again.number, again.count) == (first.number, 2)
    assert 0.99 < again.age_s < 1
    assert (second.number > first.number, second.count) == (True, 1)
    use()  # while the question is under way
    stock.exchanged(0, clock.time, renewed=True)
    (rest,) = stock.reports(clock.time)
    assert (rest.number > second.number, rest.count) == (True, 1)
    assert stock.kept == 1


def test_nobody_sends_more_than_was_leased_while_the_database_is_away() -> None:
    async def main() -> None:
        network = Network(ModelHub(), outages=[(0.5, 100.0)])
        clock = VirtualClock()

        async def until(time: float) -> None:
            await asyncio.sleep(time - clock.now())

        async with SharedLimiter(
            Wire(network), name="it", rates="100 per 20 seconds", lease=LEASE_S, clock=clock
        ) as limiter:
            limiter.release(await limiter.acquire(), 1)
            # A few more came along; without the database they cannot go back.
            await until(LEASE_S - 0.1)
            ticket = limiter.try_acquire()
            assert ticket is not None
            limiter.release(ticket, 1)
            await until(LEASE_S + 0.2)  # it was renewed with the report
            assert limiter.try_acquire() is None
            waiting = asyncio.create_task(limiter.acquire())
            await until(99.9)
            assert not waiting.done()
            await until(100.1)
            limiter.release(waiting.result(), 1)

    run_virtual(main())


class Broken(Wire):
    """Answers once, and then something nobody has thought of."""

    asked = 0

    async def exchange(self, ask: Callable[[], Ask]) -> Reply:
        self.asked += 1
        if self.asked > 1:
            raise KeyError("granted")
        return await super().exchange(ask)


def test_nobody_waits_for_ever_if_an_answer_makes_no_sense() -> None:
    async def main() -> None:
        limiter = SharedLimiter(Broken(Network(ModelHub())), name="it", rates="1/minute")
        await limiter.open()
        with pytest.raises(JournalError, match=r"\(KeyError\): open them anew"):
            await limiter.acquire()
        with pytest.raises(ConfigurationError, match="not open"):
            await limiter.acquire()
        await limiter.close()

    asyncio.run(main())


class Away(Wire):
    """Cannot be reached for a while, and says so."""

    is_away = False

    async def exchange(self, ask: Callable[[], Ask]) -> Reply:
        if self.is_away:
            await asyncio.sleep(5.0)
            raise JournalError("the database cannot be reached")
        return await super().exchange(ask)


def test_who_waits_goes_on_as_soon_as_the_database_is_heard_again() -> None:
    async def main() -> None:
        wire, clock = Away(Network(ModelHub())), VirtualClock()
        async with SharedLimiter(wire, name="it", rates="100/minute", clock=clock) as limiter:
            wire.is_away = True
            waiting = asyncio.create_task(limiter.acquire())
            await asyncio.sleep(300.0)
            assert not waiting.done()
            wire.is_away = False
            limiter._desk.hear(None)
            began = clock.now()
            limiter.release(await waiting, 1)
            assert clock.now() - began <= 6.0  # the attempt that was under way, and a second

    run_virtual(main())
