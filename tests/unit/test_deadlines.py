"""One timer ends what takes too long, at the second, and nothing else."""

from __future__ import annotations

import asyncio
import random

import pytest

from pubrio_async._transport.deadlines import Deadline, Deadlines
from pubrio_async.testing import run_virtual
from pubrio_async.testing.virtual_time import VirtualTimeLoop


def now() -> float:
    return asyncio.get_running_loop().time()


async def work(deadlines: Deadlines, allowed: float, needed: float) -> tuple[bool, float]:
    """Whether it was ended, and how long it took."""
    started = now()
    ended = False
    try:
        with Deadline(deadlines, allowed):
            await asyncio.sleep(needed)
    except TimeoutError:
        ended = True
    return ended, now() - started


def test_each_is_ended_in_its_time_and_no_other() -> None:
    rng = random.Random(3)
    plans = [(rng.choice([1.0, 5.0, 30.0]), rng.uniform(0.1, 40.0)) for _ in range(500)]

    async def main() -> list[tuple[bool, float]]:
        deadlines = Deadlines()

        async def later(allowed: float, needed: float) -> tuple[bool, float]:
            await asyncio.sleep(rng.uniform(0, 100))
            return await work(deadlines, allowed, needed)

        return await asyncio.gather(*(later(*plan) for plan in plans))

    for (allowed, needed), (ended, took) in zip(plans, run_virtual(main()), strict=True):
        assert ended == (needed > allowed)
        assert took == pytest.approx(min(allowed, needed))


def test_a_shorter_one_does_not_wait_for_a_longer_one() -> None:
    async def main() -> list[tuple[bool, float]]:
        deadlines = Deadlines()
        long = asyncio.create_task(work(deadlines, 100.0, 1_000.0))
        await asyncio.sleep(1)
        return [await work(deadlines, 2.0, 50.0), await long]

    assert run_virtual(main()) == [(True, 2.0), (True, 100.0)]


@pytest.mark.parametrize(("late", "ended"), [(0.0, False), (0.001, True)])
def test_what_is_there_when_the_time_is_over_is_not_thrown_away(late: float, ended: bool) -> None:
    """A process that was stopped finds the reply and the deadline in one turn of its loop."""

    async def main() -> tuple[bool, float]:
        loop, deadlines = asyncio.get_running_loop(), Deadlines()
        body: asyncio.Future[None] = loop.create_future()
        head: asyncio.Future[None] = loop.create_future()
        loop.call_at(5.0 + late, head.set_result, None)
        loop.call_at(5.0 + late, loop.call_soon, body.set_result, None)
        was_ended = False
        try:
            with Deadline(deadlines, 5.0):
                await head
                await body
        except TimeoutError:
            was_ended = True
        return was_ended, now()

    assert run_virtual(main()) == (ended, 5.0)


def stand_still(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    loop._now += seconds


@pytest.mark.parametrize(("needed", "ended"), [(4.0, False), (6.0, True)])
def test_a_process_that_stood_still_has_its_time_anew(needed: float, ended: bool) -> None:
    """What it had been about to send was not on its way meanwhile."""

    async def main() -> None:
        loop, deadlines = asyncio.get_running_loop(), Deadlines()

        async def request() -> bool:
            try:
                with Deadline(deadlines, 5.0):
                    await asyncio.sleep(1.0)
                    stand_still(60.0)
                    await asyncio.sleep(0.0)
                    await asyncio.sleep(needed)
            except TimeoutError:
                return True
            return False

        longer = asyncio.create_task(work(deadlines, 7.0, 1_000.0))
        await asyncio.sleep(0)
        assert await request() == ended
        assert loop.time() == 61.0 + min(needed, 5.0)
        assert await longer == (True, 61.0 + 7.0)

    run_virtual(main())


def test_a_loop_that_is_always_late_ends_what_hangs() -> None:
    async def main() -> None:
        deadlines = Deadlines()

        async def block() -> None:
            while True:
                await asyncio.sleep(0.5)
                stand_still(9.5)

        blocking = asyncio.create_task(block())
        ended, took = await work(deadlines, 5.0, 1_000.0)
        blocking.cancel()
        assert ended
        assert took <= 40.0

    run_virtual(main())


def test_one_timer_serves_a_thousand_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    set_for: list[float] = []
    right = Deadlines._set_timer

    def counted(self: Deadlines, loop: asyncio.AbstractEventLoop, at: float) -> None:
        set_for.append(at)
        right(self, loop, at)

    monkeypatch.setattr(Deadlines, "_set_timer", counted)

    async def main() -> None:
        deadlines = Deadlines()
        for _ in range(1_000):
            assert await work(deadlines, 30.0, 0.1) == (False, pytest.approx(0.1))

    run_virtual(main())
    assert len(set_for) <= 1 + 100 / 29


def test_nothing_is_kept_of_what_ended() -> None:
    async def main() -> None:
        deadlines = Deadlines()
        await asyncio.gather(*(work(deadlines, 1.0 + n, 0.5 * n) for n in range(20)))
        await work(deadlines, 5.0, 0.1)
        await asyncio.sleep(100)
        assert not any(deadlines._lines.values())
        assert deadlines._timer is None

    run_virtual(main())


def test_a_rest_stops_the_timer_but_not_what_is_under_way() -> None:
    async def main() -> None:
        deadlines = Deadlines()
        task = asyncio.create_task(work(deadlines, 5.0, 100.0))
        await asyncio.sleep(1)
        deadlines.rest()
        assert await task == (True, 5.0)
        assert await work(deadlines, 5.0, 1.0) == (False, 1.0)
        assert deadlines._timer is not None
        deadlines.rest()
        assert deadlines._timer is None
        assert await work(deadlines, 5.0, 100.0) == (True, 5.0)

    run_virtual(main())


def test_a_cancellation_from_elsewhere_stays_one() -> None:
    async def main() -> None:
        deadlines = Deadlines()
        task = asyncio.create_task(work(deadlines, 10.0, 100.0))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(20)
        assert task.cancelled()

    run_virtual(main())


def test_a_cancellation_at_the_same_moment_goes_before() -> None:
    async def main() -> None:
        deadlines = Deadlines()
        task = asyncio.create_task(work(deadlines, 10.0, 100.0))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(10.0, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task

    run_virtual(main())


def test_an_end_inside_a_timeout_of_the_caller_leaves_that_alone() -> None:
    async def main() -> list[tuple[bool, float]]:
        deadlines = Deadlines()
        async with asyncio.timeout(20.0):
            first = await work(deadlines, 5.0, 100.0)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3.0):
                await work(deadlines, 5.0, 100.0)
        return [first]

    assert run_virtual(main()) == [(True, 5.0)]


def test_another_error_is_not_covered_up() -> None:
    async def main() -> None:
        deadlines = Deadlines()
        with pytest.raises(KeyError), Deadline(deadlines, 1.0):
            try:
                await asyncio.sleep(5)
            except asyncio.CancelledError:
                raise KeyError("x") from None
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0  # nothing of its own cancellation is left

    run_virtual(main())


def test_on_the_next_loop_it_ends_things_as_well() -> None:
    deadlines = Deadlines()

    async def main() -> tuple[bool, float]:
        return await work(deadlines, 10.0, 100.0)

    left: list[Deadline] = []

    async def leave() -> None:
        await work(deadlines, 1_000.0, 1.0)
        left.append(Deadline(deadlines, 5.0))
        left[0].__enter__()  # as of a task that its loop has left behind

    run_virtual(leave())
    assert run_virtual(main()) == (True, 10.0)
    assert not left[0]._ended
    left[0].__exit__(None, None, None)


def test_it_works_on_the_loop_that_users_have() -> None:
    async def main() -> bool:
        return (await work(Deadlines(), 0.01, 60.0))[0]

    assert asyncio.run(main())
