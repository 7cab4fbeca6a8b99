"""What the limiter costs: a permit that is free, and a permit that thousands wait for."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import anyio

from benchmarks.harness import Options, Plot, Report, interleaved
from pubrio_async._config import parse_rates
from pubrio_async._limiter import Limiter
from pubrio_async.testing import VirtualClock, run_virtual

OURS, EMPTY, FIFO = "pubrio-async", "an empty await", "counter + FIFO"
TAKEN = f"{OURS}, only taken"
# Powers of two: aiolimiter counts in fractions, and in exact time rounding makes it spin.
_PERIOD = 64.0
_LIMIT = 4_096
# A request is one look, when it ends: the log is then all but full, at any time.
_STEP = 1.01 * _PERIOD / _LIMIT
_AT_ONCE = 128

Use = Callable[[], Coroutine[Any, Any, object]]
"""Takes a permit, and gives it back."""


class _Steps:
    """A clock that moves on just so far with each look that spent permits come back in time."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        self.time += _STEP
        return self.time

    def wall(self) -> float:
        return self.time


class _Fifo:
    """The least a limiter can be: a counter, a queue, and a timer that fills the counter up."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._free = limit
        self._queue: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def acquire(self) -> None:
        if self._free:
            self._free -= 1
            return
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._queue.append(future)
        if self._timer is None:
            self._timer = loop.call_later(_PERIOD, self._refill)
        await future

    def _refill(self) -> None:
        self._timer = None
        self._free = self._limit
        while self._free and self._queue:
            self._free -= 1
            self._queue.popleft().set_result(None)
        if self._queue:
            self._timer = asyncio.get_running_loop().call_later(_PERIOD, self._refill)


async def _empty() -> None:
    pass


def _free() -> dict[str, Use]:
    """Limiters that have a permit for everyone who asks."""
    ours = Limiter(parse_rates(f"{_LIMIT} per 64 seconds"), 32, _Steps())

    async def use_ours() -> None:
        ours.release(await ours.acquire(), 1)

    async def use_ours_at_once() -> None:
        ticket = ours.try_acquire()  # what a call of an endpoint asks for first
        assert ticket is not None
        ours.release(ticket, 1)

    endless = Limiter(parse_rates("100000000 per 64 seconds"), 1 << 60, _Steps())

    fifo = _Fifo(1 << 60)
    semaphore = asyncio.Semaphore(32)
    capacity = anyio.CapacityLimiter(32)

    async def use_semaphore() -> None:
        async with semaphore:
            pass

    async def use_capacity() -> None:
        async with capacity:
            pass

    uses: dict[str, Use] = {
        EMPTY: _empty,
        FIFO: fifo.acquire,
        OURS: use_ours,
        f"{OURS}, try_acquire": use_ours_at_once,
        TAKEN: endless.acquire,
        "asyncio.Semaphore": use_semaphore,
        "anyio.CapacityLimiter": use_capacity,
    }
    with contextlib.suppress(ImportError):
        from aiolimiter import AsyncLimiter  # noqa: PLC0415 - an extra

        uses["aiolimiter"] = AsyncLimiter(1e12, _PERIOD).acquire
    with contextlib.suppress(ImportError):
        uses["limits, fixed window"] = _limits()
    return uses


def _limits() -> Use:
    from limits import parse  # noqa: PLC0415 - an extra
    from limits.aio.storage import MemoryStorage  # noqa: PLC0415
    from limits.aio.strategies import FixedWindowRateLimiter  # noqa: PLC0415

    limiter = FixedWindowRateLimiter(MemoryStorage())
    rate = parse("1000000000/minute")

    async def use() -> None:
        assert await limiter.hit(rate, "benchmark")

    return use


def _uncontended(name: str, times: int) -> float:
    async def main() -> float:
        use = _free()[name]
        await use()
        started = time.process_time()
        for _ in range(times):
            await use()
        return 1e6 * (time.process_time() - started) / times

    return asyncio.run(main())


@asynccontextmanager
async def _queueing(name: str) -> AsyncGenerator[Use]:
    """A limiter that lets so many go at a time."""
    if name == EMPTY:
        yield _empty
    elif name == OURS:
        ours = Limiter(parse_rates(f"{_AT_ONCE} per 64 seconds"), _AT_ONCE, VirtualClock())

        async def use() -> None:
            ours.release(await ours.acquire(), 1)

        yield use
    elif name == FIFO:
        yield _Fifo(_AT_ONCE).acquire
    elif name == "aiolimiter":
        from aiolimiter import AsyncLimiter  # noqa: PLC0415 - an extra

        yield AsyncLimiter(_AT_ONCE, _PERIOD).acquire
    else:
        gate: asyncio.Semaphore | anyio.CapacityLimiter = (
            asyncio.Semaphore(_AT_ONCE)
            if name == "asyncio.Semaphore"
            else anyio.CapacityLimiter(_AT_ONCE)
        )

        async def hold() -> None:
            async with gate:
                await asyncio.sleep(_PERIOD)

        yield hold


def _contended(name: str, waiters: int) -> float:
    async def main() -> float:
        async with _queueing(name) as use:
            started = time.process_time()
            await asyncio.gather(*(use() for _ in range(waiters)))
            return 1e6 * (time.process_time() - started) / waiters

    return run_virtual(main())


def run(options: Options) -> Report:
    report = Report(
        name="limiter",
        title="The rate limiter",
        method=(
            "Free: a permit is taken and given back, one after the other; ours keeps its log of "
            "4,096 requests full meanwhile, with permits coming back all the time (only taken: "
            "`acquire` alone, as with the counter, of a limit without end). Waiting: that "
            "many tasks want a permit at once and 128 get one each 64 s of virtual time "
            "(asyncio.Semaphore and CapacityLimiter: each holds one of 128 for 64 s); CPU for "
            "each, its task included. `limits` cannot wait. The floor is the await of an empty "
            "coroutine, and the least a limiter can be: a counter with a queue."
        ),
        columns=("limiter", "case", "µs", "÷ empty await", "÷ counter + FIFO"),
    )
    times = options.pick(200, 50_000)
    rounds = options.pick(3, 15)
    names = list(asyncio.run(_names()))
    free = interleaved({n: lambda n=n: _uncontended(n, times) for n in names}, rounds)  # type: ignore[misc]
    for name in names:
        report.add(name, "free", free.median(name), free.ratio(name, EMPTY), free.ratio(name, FIFO))
    never_wait = {"limits, fixed window", f"{OURS}, try_acquire", TAKEN}
    can_wait = [n for n in names if n not in never_wait]
    counts = options.pick((150, 300), (1_000, 10_000))
    turns = {
        f"{name} {count}": (lambda n=name, c=count: _contended(n, c))
        for name in can_wait
        for count in counts
    }
    waiting = interleaved(turns, options.pick(3, 9))
    for count in counts:
        for name in can_wait:
            key = f"{name} {count}"
            report.add(
                name,
                f"{count:,} waiting",
                waiting.median(key),
                waiting.ratio(key, f"{EMPTY} {count}"),
                waiting.ratio(key, f"{FIFO} {count}"),
            )
    few, many = counts
    report.goal(
        "free, ÷ empty await",
        free.ratio(OURS, EMPTY),
        at_most=3,
        why=(
            "an empty await is 0.1 µs, and two of them are awaited here: what uses the permit, and "
            f"`acquire`, which alone is {free.ratio(TAKEN, EMPTY)}. The rest is giving it back: a "
            "call, a look at the clock, and an entry in the log of each limit, which are taken "
            "out of it again; without that log a window that turns at an unknown time could be "
            "overrun"
        ),
    )
    report.goal(
        f"{few:,} waiting, ÷ a task with an empty await",
        waiting.ratio(f"{OURS} {few}", f"{EMPTY} {few}"),
        at_most=3,
    )
    report.goal(
        f"{many:,} waiting ÷ {few:,} waiting",
        waiting.ratio(f"{OURS} {many}", f"{OURS} {few}"),
        at_most=1.3,
        why=(
            "it is the loop: tasks that wait on nothing grow by "
            f"{waiting.ratio(f'{EMPTY} {many}', f'{EMPTY} {few}')}"
        ),
    )
    report.plots.append(
        Plot(
            title="A permit",
            x_title="",
            y_title="µs",
            series={
                "free": (names, [free.median(n) for n in names]),
                **{
                    f"{count:,} waiting": (
                        can_wait,
                        [waiting.median(f"{n} {count}") for n in can_wait],
                    )
                    for count in counts
                },
            },
            kind="bar",
            log_y=True,
        )
    )
    return report


async def _names() -> list[str]:
    return list(_free())
