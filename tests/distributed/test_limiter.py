"""Limits shared through a real database, by real processes, in real time."""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
import re
import signal
import sys
import time
import uuid
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable

import msgspec
import psycopg
import pytest

from pubrio_async import ConfigurationError
from pubrio_async.distributed.leases import Ask
from pubrio_async.distributed.limiter import SharedLimiter
from pubrio_async.distributed.store import Connection, Store
from tests.distributed.cluster import Cluster
from tests.unit.permits import most_within

# What is started in a process of its own is not about its start.
pytestmark = pytest.mark.usefixtures("warm_starts")

EVER_S = 30.0


def shared(store: Store, rates: str = "300/minute", **options: float) -> SharedLimiter:
    return SharedLimiter(store, name="it", rates=rates, **options)  # type: ignore[arg-type] # a few


async def until(holds: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> None:
    """Waits for something that nobody tells of."""
    async with asyncio.timeout(EVER_S):
        while True:
            found = holds()
            if found is True or (isinstance(found, Awaitable) and await found):
                return
            await asyncio.sleep(0.005)


async def hammer(url: str, rates: str, seconds: float, hold: float) -> Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.distributed.hammer", url, rates, str(seconds), str(hold),
        stdin=PIPE, stdout=PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    return process


def begin(processes: list[Process]) -> None:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")


async def told(process: Process) -> list[tuple[float, float]]:
    """When its requests left and ended."""
    out, _ = await process.communicate()
    # Killed, it may have got no further than half a line.
    return [_times(line) for line in out.split(b"\n")[:-1]]


def _times(line: bytes) -> tuple[float, float]:
    left, ended = line.split()
    return float(left), float(ended)


def worst(period: float, requests: list[tuple[float, float]], seed: int = 0) -> int:
    """The most that any stretch sees, wherever between leaving and ending each was counted."""
    rng = random.Random(seed)
    counted = [
        [left for left, _ in requests],
        [ended for _, ended in requests],
        *([rng.uniform(*request) for request in requests] for _ in range(5)),
    ]
    return max(most_within(period, times) for times in counted)


async def test_three_processes_together_keep_the_limit_and_use_it_up(url: str) -> None:
    processes = list(await asyncio.gather(*(hammer(url, "40/second", 3.2, 0.01) for _ in range(3))))
    begin(processes)
    each = await asyncio.gather(*map(told, processes))
    requests = [request for one in each for request in one]
    assert worst(1.0, requests) <= 40
    # From the second second on it is the limit that tells, and not how fast anybody is.
    assert most_within(2.0, [left for left, _ in requests]) >= 0.9 * 80
    assert all(len(one) > 0.15 * len(requests) for one in each)  # nobody starves


async def test_the_permits_of_a_process_that_is_killed_come_back(url: str) -> None:
    greedy = await hammer(url, "20/second", 60.0, 60.0)  # its requests never end
    other = await hammer(url, "20/second", 60.0, 0.0)
    begin([greedy])
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as db:

        async def holds_all_it_can() -> bool:
            found = await db.execute("SELECT max(held) FROM pubrio_async.leases")
            return (await found.fetchone()) == (16,)

        await until(holds_all_it_can)  # they are granted one by one
    begin([other])
    assert other.stdout is not None
    requests = [_times(await other.stdout.readline())]
    await asyncio.sleep(0.8)
    greedy.send_signal(signal.SIGKILL)
    killed_at = time.monotonic()
    await told(greedy)
    async with asyncio.timeout(EVER_S):
        while most_within(1.0, [left for left, _ in requests]) < 18:
            requests.append(_times(await other.stdout.readline()))
    other.kill()
    requests += await told(other)
    # It had 16 in flight when it died, and 4 are left to the other for as long as its lease.
    assert worst(1.0, [request for request in requests if request[1] < killed_at + 0.5]) <= 4
    assert worst(1.0, requests) <= 20


async def test_a_refusal_of_one_pauses_all_and_one_of_all_goes_ahead(url: str) -> None:
    async with Store(url) as here, Store(url) as there, shared(here) as one, shared(there) as other:
        held = [await other.acquire() for _ in range(3)]
        await asyncio.sleep(0)
        ticket = await one.acquire()
        started = time.monotonic()
        one.pause(ticket, 0.6)
        one.release(ticket, 1)
        assert one.try_acquire() is None
        await until(lambda: other.statistics().paused_s > 0)
        assert time.monotonic() - started < 0.4
        assert other.try_acquire() is None
        for late in held:
            other.release(late, 1)
        out: list[tuple[SharedLimiter, int]] = []

        async def wait(limiter: SharedLimiter) -> None:
            out.append((limiter, await limiter.acquire()))

        waiting = [asyncio.create_task(wait(limiter)) for limiter in (one, other) * 3]
        await until(lambda: len(out) > 0)
        assert time.monotonic() - started >= 0.59
        await asyncio.sleep(0.3)
        assert len(out) == 1  # the probe
        limiter, ticket = out[0]
        limiter.release(ticket, 1)
        async with asyncio.timeout(EVER_S):
            await asyncio.gather(*waiting)
        for limiter, ticket in out[1:]:
            limiter.release(ticket, 1)


async def test_a_restart_of_the_database_holds_everyone_up_and_nothing_is_overrun(
    cluster: Cluster, url: str
) -> None:
    times: list[float] = []
    async with (
        Store(url) as here,
        Store(url) as there,
        shared(here, "15/second", lease=2.0, longest_request=0.5) as one,
        shared(there, "15/second", lease=2.0, longest_request=0.5) as other,
    ):

        async def send(limiter: SharedLimiter) -> None:
            while True:
                ticket = await limiter.acquire()
                times.append(time.monotonic())
                await asyncio.sleep(0.005)
                limiter.release(ticket, 1)

        tasks = [asyncio.create_task(send(limiter)) for limiter in (one, other) * 10]
        await asyncio.sleep(1.2)
        await asyncio.to_thread(cluster.stop)
        stopped = time.monotonic()
        await asyncio.sleep(0.5)
        # What was leased is all there was: after that everybody waits.
        assert sum(at > stopped for at in times) <= 15
        await asyncio.to_thread(cluster.start)
        started = time.monotonic()
        await until(lambda: sum(at > started for at in times) >= 30)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    assert most_within(1.0, times) <= 15


async def test_what_is_idle_goes_back_and_nothing_stays_behind(url: str) -> None:
    async def held(db: Connection) -> list[int]:
        found = await db.execute("SELECT held FROM leases ORDER BY held")
        return [count for (count,) in await found.fetchall()]

    async def only_one_is_held() -> bool:
        return await store.transact(held) == [0, 1]

    async with Store(url) as store:
        async with shared(store) as one, shared(store) as other:
            tickets = [await one.acquire() for _ in range(2)]
            one.release(tickets.pop(), 1)
            await until(only_one_is_held)
            other.release(await other.acquire(), 0)
            # One was used, one is out; of the others each counts half as its own.
            stock = other.statistics().available or 0
            assert 298 // 2 - 3 <= stock <= 298 // 2 + 3
            one.release(tickets.pop(), 0)
        assert await store.transact(held) == []


async def test_what_is_shown_of_it(url: str) -> None:
    async with Store(url) as store:
        limiter = shared(store, "300/minute; 2400/hour")
        assert repr(limiter) == "<SharedLimiter 'it' 300/minute; 2400/hour: not open>"
        async with limiter:
            ticket = await limiter.acquire()
            shown = r"<SharedLimiter 'it' 300/minute; 2400/hour: \d+ free, 1 in flight, 0 waiting"
            assert re.match(shown, repr(limiter))
            limiter.release(ticket, 0)
        assert repr(limiter) == "<SharedLimiter 'it' 300/minute; 2400/hour: closed>"
        assert "postgres" not in repr(limiter)


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # a loop leaves its connections open
def test_it_ends_with_its_event_loop(url: str) -> None:
    async def open_it() -> SharedLimiter:
        store = Store(url)
        await store.open()
        limiter = shared(store, "1/minute")
        await limiter.open()
        limiter.release(await limiter.acquire(), 1)
        with pytest.raises(ConfigurationError, match="another event loop"):
            await asyncio.to_thread(lambda: asyncio.run(acquire(limiter)))
        return limiter

    async def acquire(limiter: SharedLimiter) -> None:
        async with asyncio.timeout(EVER_S):
            await limiter.acquire()

    limiter = asyncio.run(open_it())
    with pytest.raises(ConfigurationError, match="has been closed meanwhile"):
        asyncio.run(acquire(limiter))
    asyncio.run(limiter.close())
    with pytest.raises(ConfigurationError, match="is not open"):
        asyncio.run(acquire(limiter))
    del limiter
    gc.collect()


async def test_all_who_share_a_name_go_by_the_same_limits(url: str) -> None:
    async with Store(url) as store:
        async with shared(store, "300/minute; 2400/hour"):
            with pytest.raises(ConfigurationError, match="go by 2400/hour; 300/minute at"):
                await shared(store, "600/minute").open()
            async with shared(store, "2400/hour; 300/minute") as limiter:
                assert limiter.window_size() == 150
                limiter.release(await limiter.acquire(), 1)
        # They can be changed once nobody is there, and what was sent still counts.
        async with shared(store, "40/hour") as limiter:
            assert limiter.available() == 39


async def test_who_rests_leaves_the_others_its_share(url: str) -> None:
    async with (
        Store(url) as store,
        shared(store) as one,
        shared(store) as other,
    ):
        one.release(await one.acquire(), 1)  # it asks what there is while it is busy
        await until(lambda: one.window_size() == 150)
        other.rest(rests=True)
        one.release(await one.acquire(), 1)
        await until(lambda: (one.window_size(), one.available()) == (300, 298))
        # It may change its mind, and then it gets what it asks for.
        other.rest(rests=False)
        other.release(await other.acquire(), 1)
        one.release(await one.acquire(), 1)
        await until(lambda: (one.window_size(), one.available()) == (150, 297 // 2))


async def test_others_who_use_the_key_are_allowed_for(url: str) -> None:
    async with Store(url) as store, shared(store, "300/minute; 2400/hour") as limiter:
        ticket = await limiter.acquire()
        limiter.note(0.1, limit=2400, remaining=7)
        limiter.release(ticket, 1)
        await until(lambda: limiter.available() == 7)
        taken = [await limiter.acquire() for _ in range(7)]
        waiting = asyncio.ensure_future(limiter.acquire())
        await asyncio.sleep(0.2)
        assert not waiting.done()
        assert limiter.statistics().next_permit_s > 0
        waiting.cancel()
        for ticket in taken:
            limiter.release(ticket, 0)


async def test_an_hours_worth_of_use_is_a_few_hundred_rows(url: str) -> None:
    async with Store(url) as store, shared(store, "9000/hour", max_concurrency=500) as limiter:

        async def rows(db: Connection) -> tuple[int, int]:
            found = await db.execute("SELECT count(*), sum(count) FROM spent")
            count, total = await found.fetchone() or (0, 0)
            return int(count), int(total or 0)

        for _ in range(20):
            tickets = [await limiter.acquire() for _ in range(100)]
            for ticket in tickets:
                limiter.release(ticket, 1)

        async def all_are_reported() -> bool:
            return (await store.transact(rows))[1] == 2_000

        await until(all_are_reported)
        assert (await store.transact(rows))[0] <= 3  # buckets of 7 s


@pytest.mark.parametrize("rates", ["account", "unlimited", "nonsense", "300/minute; account"])
def test_limits_that_cannot_be_shared_are_refused(rates: str) -> None:
    with pytest.raises(ConfigurationError):
        SharedLimiter(Store("postgresql://x"), name="it", rates=rates)


async def test_a_limiter_that_is_not_open_says_so(url: str) -> None:
    async with Store(url) as store:
        limiter = shared(store, "1/hour")
        with pytest.raises(ConfigurationError, match="async with"):
            await limiter.acquire()
        async with limiter:
            ticket = await limiter.acquire()
            waiting = asyncio.ensure_future(limiter.acquire())
            await asyncio.sleep(0)
            limiter.release(ticket, 1)
        with pytest.raises(ConfigurationError, match="async with"):
            await waiting
        assert limiter.try_acquire() is None
        with pytest.raises(ConfigurationError, match="once"):
            await limiter.open()


async def test_an_exchange_takes_one_statement(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = itertools.count()
    async with Store(url) as store, shared(store, "600/minute") as limiter:
        transact = store.transact

        async def counted(work: object) -> object:
            next(numbers)
            return await transact(work)  # type: ignore[arg-type]  # as it came

        monkeypatch.setattr(store, "transact", counted)
        for _ in range(30):
            tickets = await asyncio.gather(*(limiter.acquire() for _ in range(10)))
            for ticket in tickets:
                limiter.release(ticket, 1)
    # It brings what is asked for, and takes the reports along.
    assert next(numbers) <= 35


async def test_who_is_stopped_in_the_middle_of_an_exchange_does_not_stop_the_others(
    url: str,
) -> None:
    """Stopped as by SIGSTOP: the transaction is open, and nobody ends it."""
    async with Store(url) as store, shared(store) as limiter:
        stopped = await store.connect()
        attempts: list[float] = []

        async def exchange(db: Connection) -> None:
            attempts.append(time.monotonic())
            await db.execute(
                "SELECT exchange_permits(%s::jsonb)",
                (msgspec.json.encode(ask_of(uuid.uuid4())).decode(),),
            )

        await stopped.set_autocommit(False)
        await exchange(stopped)
        ticket_at = time.monotonic()
        async with asyncio.timeout(EVER_S):
            limiter.release(await limiter.acquire(), 0)
        assert time.monotonic() - ticket_at < 6
        with pytest.raises(psycopg.Error):
            await stopped.commit()
        await stopped.close()
        # Whoever wakes up after that does it again.
        attempts.clear()

        async def slow(db: Connection) -> None:
            await exchange(db)
            if len(attempts) == 1:
                await db.execute("SET LOCAL idle_in_transaction_session_timeout = '50ms'")
                time.sleep(0.2)  # noqa: ASYNC251 - this process is stopped

        await store.transact(slow)
        assert len(attempts) == 2


def ask_of(holder: uuid.UUID) -> Ask:
    return Ask(
        name="it", holder=holder, attempt=1, reports=[], keeps=0, unused=0, needs=1, spare=0,
        lease_s=1.0, longest_s=1.0, generation=0, probe="no",
    )  # fmt: skip
