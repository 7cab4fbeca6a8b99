from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pubrio_async._clock import Clock
from pubrio_async.testing import DeadlockError, VirtualClock, VirtualTimeLoop, run_virtual
from pubrio_async.testing.virtual_time import EPOCH


def test_a_year_takes_no_time() -> None:
    async def main() -> float:
        await asyncio.sleep(365 * 86_400)  # more than the longest wait a selector is asked for
        return asyncio.get_running_loop().time()

    begun = time.monotonic()
    assert run_virtual(main()) == 365 * 86_400
    assert time.monotonic() - begun < 5


def test_time_does_not_pass_while_callbacks_run() -> None:
    async def main() -> float:
        for _ in range(1_000):
            await asyncio.sleep(0)
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 0.0


@settings(deadline=None)
@example([0.0, 2e-10])
@example([1e9, 1e9 + 1])
@example([1.9310098040950834, 65537.98031814118])  # the second less the first, plus the first
@given(st.lists(st.floats(0, 1e6), max_size=20))
def test_timers_fire_at_their_time_in_their_order(delays: list[float]) -> None:
    fired: list[tuple[float, float]] = []

    async def one(delay: float) -> None:
        await asyncio.sleep(delay)
        fired.append((delay, asyncio.get_running_loop().time()))

    async def main() -> None:
        await asyncio.gather(*map(one, delays))

    run_virtual(main())
    assert [delay for delay, _ in fired] == sorted(delays)
    assert [at for _, at in fired] == sorted(delays)  # to the last digit: never early, never late


def test_two_runs_are_the_same() -> None:
    async def main() -> list[tuple[float, int]]:
        seen: list[tuple[float, int]] = []

        async def one(name: int) -> None:
            for step in range(5):
                await asyncio.sleep((name * 7 + step * 3) % 11 / 10)
                seen.append((asyncio.get_running_loop().time(), name))

        await asyncio.gather(*map(one, range(20)))
        return seen

    assert run_virtual(main()) == run_virtual(main())


def test_timeouts_end_in_virtual_time() -> None:
    async def main() -> float:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(3_600):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 3_600.0


def test_a_deadlock_is_an_error_that_names_the_waiters() -> None:
    async def waits_for_ever() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        await asyncio.create_task(waits_for_ever(), name="the culprit")

    with pytest.raises(
        DeadlockError, match=r"deadlock: nothing left to wait for.*the culprit.*waits_for_ever"
    ):
        run_virtual(main())


def test_sleeping_for_ever_is_a_deadlock_too() -> None:
    with pytest.raises(DeadlockError):
        run_virtual(asyncio.sleep(math.inf))


def test_a_limit_of_for_ever_is_no_timer() -> None:
    async def main() -> float:
        async with asyncio.timeout(math.inf):
            await asyncio.sleep(1)
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 1.0


def test_after_a_deadlock_the_tasks_are_cancelled() -> None:
    cleaned_up = []

    async def main() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned_up.append(True)

    with pytest.raises(DeadlockError):
        run_virtual(main())
    assert cleaned_up == [True]


@pytest.mark.parametrize("own_pool", [False, True])
def test_time_stands_still_while_a_thread_works(own_pool: bool) -> None:
    async def main() -> tuple[str, float]:
        loop = asyncio.get_running_loop()
        ticks: list[float] = []
        loop.call_later(60, ticks.append, 60.0)
        running, go_on = threading.Event(), threading.Event()

        def work() -> str:
            running.set()
            go_on.wait(10)
            return "done"

        with ThreadPoolExecutor(1) if own_pool else contextlib.nullcontext() as pool:
            job = loop.run_in_executor(pool, work)
            while not running.is_set():  # noqa: ASYNC110 - set by a thread
                await asyncio.sleep(0)
            # The loop is about to wait; only now may the thread end.
            threading.Timer(0.02, go_on.set).start()
            result = await job
        assert ticks == []
        return result, loop.time()

    assert run_virtual(main()) == ("done", 0.0)


def test_a_thread_is_waited_for_after_its_awaiter_was_cancelled() -> None:
    async def main() -> tuple[bool, float]:
        loop = asyncio.get_running_loop()
        running, go_on, ended = threading.Event(), threading.Event(), threading.Event()

        def work() -> None:
            running.set()
            go_on.wait(10)
            ended.set()

        job = loop.run_in_executor(None, work)
        while not running.is_set():  # noqa: ASYNC110 - set by a thread
            await asyncio.sleep(0)
        job.cancel()
        threading.Timer(0.02, go_on.set).start()
        await asyncio.sleep(5)
        return ended.is_set(), loop.time()

    assert run_virtual(main()) == (True, 5.0)


def test_the_result_of_a_thread_comes_before_the_next_timer() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for step in range(200):
            timer = loop.call_later(1, pytest.fail, f"time ran on at step {step}")
            assert await asyncio.to_thread(str, step) == str(step)
            timer.cancel()
        assert loop.time() == 0.0

    run_virtual(main())


def test_errors_of_threads_are_handed_on() -> None:
    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(divmod, 1, 0)

    run_virtual(main())


def test_a_stuck_thread_is_an_error() -> None:
    go_on = threading.Event()

    async def main() -> None:
        await asyncio.to_thread(go_on.wait, 30)

    loop = VirtualTimeLoop(patience=0.02)
    try:
        with pytest.raises(DeadlockError, match="a thread has been at work"):
            loop.run_until_complete(main())
        go_on.set()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        go_on.set()
        loop.close()


def test_a_thread_that_outlives_the_loop_is_no_error() -> None:
    running, go_on = threading.Event(), threading.Event()

    def work() -> None:
        running.set()
        go_on.wait(10)

    with ThreadPoolExecutor(1) as pool:
        loop = VirtualTimeLoop()
        job = loop.run_in_executor(pool, work)
        assert running.wait(10)
        loop.close()
        go_on.set()
    assert not job.done()
    with pytest.raises(RuntimeError, match="closed"):
        loop.run_in_executor(None, work)


def test_real_sockets_answer_before_the_clock_jumps() -> None:
    served = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            await asyncio.sleep(30)  # a slow server, in virtual time
            writer.write(line.upper())
            await writer.drain()
        writer.close()
        await writer.wait_closed()
        served.set()

    async def main() -> list[tuple[bytes, float]]:
        loop = asyncio.get_running_loop()
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        replies = []
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            for word in (b"one\n", b"two\n"):
                writer.write(word)
                async with asyncio.timeout(31):
                    replies.append((await reader.readline(), loop.time()))
            writer.close()
            await writer.wait_closed()
            await served.wait()
        return replies

    assert run_virtual(main()) == [(b"ONE\n", 30.0), (b"TWO\n", 60.0)]


def test_a_socket_without_a_timer_is_waited_for_in_real_time() -> None:
    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            threading.Timer(0.02, theirs.send, [b"late"]).start()
            assert await loop.sock_recv(ours, 10) == b"late"
            assert loop.time() == 0.0
        return b"done"

    assert run_virtual(main()) == b"done"


def test_a_socket_nothing_ever_comes_from_is_a_deadlock() -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            await asyncio.get_running_loop().sock_recv(ours, 10)

    with (
        asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(patience=0.02)) as runner,
        pytest.raises(DeadlockError),
    ):
        runner.run(main())


def test_writers_are_watched_too() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            theirs.setblocking(False)
            sent = 4_000_000  # more than a socket buffer holds: reader and writer take turns
            answer = asyncio.create_task(loop.sock_recv(ours, 10))
            sending = asyncio.create_task(loop.sock_sendall(ours, bytes(sent)))
            got = 0
            while got < sent:
                got += len(await loop.sock_recv(theirs, 65_536))
            await sending
            theirs.send(b"got it")
            assert await answer == b"got it"
        return got

    assert run_virtual(main()) == 4_000_000


def test_frozen_waits_for_what_the_loop_cannot_see() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        event = asyncio.Event()
        threading.Timer(0.02, loop.call_soon_threadsafe, [event.set]).start()
        with loop.frozen():
            async with asyncio.timeout(1):
                await event.wait()
        return loop.time()

    assert run_virtual(main()) == 0.0


def test_the_clock_tells_the_time_of_the_loop() -> None:
    async def main() -> None:
        clock: Clock = VirtualClock()
        assert (clock.now(), clock.wall()) == (0.0, EPOCH)
        await asyncio.sleep(90)
        assert (clock.now(), clock.wall()) == (90.0, EPOCH + 90)

    run_virtual(main())


def test_a_clock_of_a_given_loop_can_be_read_from_outside() -> None:
    loop = VirtualTimeLoop()
    try:
        clock = VirtualClock(loop)
        loop.run_until_complete(asyncio.sleep(12))
        assert clock.now() == 12.0
        with pytest.raises(RuntimeError, match="no running event loop"):
            VirtualClock().now()
    finally:
        loop.close()


@pytest.mark.virtual_time
async def test_the_marker_gives_a_virtual_loop() -> None:
    assert isinstance(asyncio.get_running_loop(), VirtualTimeLoop)
    await asyncio.sleep(86_400)
    assert asyncio.get_running_loop().time() == 86_400.0


async def test_without_the_marker_time_is_real() -> None:
    assert not isinstance(asyncio.get_running_loop(), VirtualTimeLoop)
