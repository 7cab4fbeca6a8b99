"""The queue forgets nothing: whoever dies, is slow, or does not hear of the end of a statement."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pubrio_async.distributed import Store, claims, inputs, queue, rescue
from pubrio_async.distributed.queue import Held, Later, Queue, job_priority, queue_of
from pubrio_async.distributed.rescue import Rescue
from tests.distributed.fleet import ORIGIN, PATIENCE_S, ask, ids, put, until

JOBS = "SELECT status::text, count(*)::int FROM procrastinate_jobs GROUP BY 1 ORDER BY 1"


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "_ROWS", 10)
    monkeypatch.setattr(claims, "_FULL", 10)
    monkeypatch.setattr(queue, "_LOOK_FOR_JOBS_S", 0.05)
    monkeypatch.setattr(queue, "_GRACE_S", 0.5)


def a_queue(
    url: str, redeem: Callable[[int, Held], Awaitable[None]], stalled_s: float = 60.0
) -> Queue:
    name = queue_of(ORIGIN)
    return Queue(url, name, redeem, heartbeat_s=0.1, stalled_s=stalled_s)


def a_rescue(store: Store, stalled_s: float = 60.0) -> Rescue:
    return Rescue(store, ORIGIN, queue_of(ORIGIN), stalled_s=stalled_s)


class Work:
    """Does chunks, and ends when there have been enough."""

    def __init__(self, url: str, enough: int) -> None:
        self.done: list[int] = []
        self.enough = enough
        self.queue = a_queue(url, self.redeem)
        self.fail: dict[int, Exception] = {}

    async def redeem(self, chunk: int, _: Held) -> None:
        self.done.append(chunk)
        if len(self.done) >= self.enough:
            asyncio.get_running_loop().call_later(0.2, self.queue.stop)
        if error := self.fail.pop(chunk, None):
            raise error

    async def run(self, concurrency: int = 1) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self.queue.work(concurrency)


async def test_jobs_are_done_in_order_and_gone(store: Store, url: str, tmp_path: Path) -> None:
    await put(store, tmp_path, ids(30))
    work = Work(url, 3)
    await work.run()
    assert work.done == [1, 2, 3]
    assert await ask(store, JOBS) == []
    assert await ask(store, "SELECT 1 FROM procrastinate_workers") == []


async def test_who_asks_for_it_gets_it_again(store: Store, url: str, tmp_path: Path) -> None:
    await put(store, tmp_path, ids(20))
    work = Work(url, 3)
    work.fail = {1: Later(0)}
    await work.run()
    assert sorted(work.done) == [1, 1, 2]


async def test_what_fails_is_tried_in_a_minute_by_the_clock_of_the_database(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(store, tmp_path, ids(20))
    work = Work(url, 2)
    work.fail = {1: ValueError("no"), 2: Later(600)}
    await work.run()
    waits = await ask(
        store,
        "SELECT round(extract(epoch FROM scheduled_at - now()))::int FROM procrastinate_jobs"
        " ORDER BY scheduled_at",
    )
    assert 50 <= waits[0][0] <= 60
    assert 590 <= waits[1][0] <= 600


async def test_jobs_of_the_dead_go_back_and_those_of_the_living_do_not(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(store, tmp_path, ids(30))
    await ask(store, "INSERT INTO procrastinate_workers DEFAULT VALUES")
    await ask(
        store, "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 h')"
    )
    await ask(store, "UPDATE procrastinate_jobs SET status = 'doing', worker_id = id WHERE id < 3")
    await ask(store, "UPDATE procrastinate_jobs SET status = 'doing' WHERE id = 3")
    # The heart of the second has stopped, the third has no worker at all; and the server of the
    # tests is only a few seconds old.
    monkeypatch.setattr(
        rescue,
        "_STALLED",
        rescue._STALLED.replace("pg_postmaster_start_time()", "'epoch'::timestamptz"),
    )
    looking = a_rescue(store, stalled_s=30.0)
    assert await looking.look() == 0  # it may have been cut off itself, and the others with it
    monkeypatch.setattr(looking, "_may_judge_at", 0.0)
    assert await looking.look() == 2
    assert await ask(store, "SELECT id, status::text FROM procrastinate_jobs ORDER BY id") == [
        (1, "doing"),
        (2, "todo"),
        (3, "todo"),
    ]


async def test_nobody_is_judged_by_the_time_the_database_was_away(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(store, tmp_path, ids(10))
    await ask(store, "UPDATE procrastinate_jobs SET status = 'doing'")
    looking = a_rescue(store, stalled_s=86_400.0)
    monkeypatch.setattr(looking, "_may_judge_at", -1.0)
    monkeypatch.setattr(looking, "_last", asyncio.get_running_loop().time())
    assert await looking.look() == 0  # the server was started less than a day ago
    assert await ask(store, JOBS) == [("doing", 1)]


async def test_a_chunk_without_a_job_gets_one(store: Store, tmp_path: Path) -> None:
    await put(store, tmp_path, ids(20))
    await ask(store, "DELETE FROM procrastinate_jobs WHERE id = 2")
    looking = a_rescue(store)
    assert await looking.look() == 1
    assert await looking.look() == 0
    assert await ask(
        store, "SELECT (args ->> 'chunk_id')::int, priority FROM procrastinate_jobs ORDER BY 1"
    ) == [(1, job_priority(0, 0)), (2, job_priority(0, 1))]


async def test_a_chunk_whose_enqueue_has_died_is_not_forgotten(
    store: Store, tmp_path: Path
) -> None:
    await put(store, tmp_path, ids(5))
    await ask(store, "DELETE FROM procrastinate_jobs")
    await ask(store, "UPDATE chunks SET state = 'filling'")
    assert await a_rescue(store).look() == 0
    await ask(store, "UPDATE chunks SET changed_at = now() - interval '1 h'")
    assert await a_rescue(store).look() == 1


async def test_a_job_that_was_fetched_without_an_answer_is_given_back(
    store: Store, url: str, tmp_path: Path
) -> None:
    await put(store, tmp_path, ids(20))
    await ask(store, "INSERT INTO procrastinate_workers DEFAULT VALUES")
    await ask(store, "UPDATE procrastinate_jobs SET status = 'doing', worker_id = 1")
    looking = a_rescue(store)
    for expected in ([("doing", 2)], [("doing", 1), ("todo", 1)]):
        assert await looking.check_own(1, {1})
        assert await ask(store, JOBS) == expected
    await ask(store, "DELETE FROM procrastinate_workers")
    assert not await looking.check_own(1, {1})


async def test_who_was_taken_for_dead_does_not_end_the_job_of_another(
    store: Store, url: str, tmp_path: Path
) -> None:
    await put(store, tmp_path, ids(10))
    started, may_end = asyncio.Event(), asyncio.Event()

    async def redeem(chunk: int, _: Held) -> None:
        started.set()
        await may_end.wait()

    slow = a_queue(url, redeem)
    working = asyncio.create_task(slow.work(1))
    await started.wait()
    await ask(store, "INSERT INTO procrastinate_workers DEFAULT VALUES")
    await ask(
        store,
        "UPDATE procrastinate_jobs SET worker_id = (SELECT max(id) FROM procrastinate_workers)",
    )
    may_end.set()

    async def is_idle() -> bool:
        return not slow.running

    await until(is_idle)
    slow.stop()
    await working
    assert await ask(store, JOBS) == [("doing", 1)]


async def test_a_worker_that_is_not_known_any_more_registers_again(
    store: Store, url: str, tmp_path: Path
) -> None:
    work = Work(url, 1)
    running = asyncio.create_task(work.run())
    await until(lambda: ask(store, "SELECT 1 FROM procrastinate_workers"))
    await ask(store, "DELETE FROM procrastinate_workers")  # as another does on its start
    await put(store, tmp_path, ids(10))
    await running
    assert work.done == [1]


@pytest.mark.parametrize("torn", ["fetch_job", "finish_job", "update_heartbeat", "LISTEN"])
async def test_a_database_that_goes_away_ends_no_worker(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torn: str
) -> None:
    """The connection is lost after the statement was carried out, and before it was heard of."""
    execute, times = psycopg.AsyncCursor.execute, iter(range(1))

    async def cut(cursor: Any, query: Any, *args: Any, **options: Any) -> Any:
        done = await execute(cursor, query, *args, **options)
        text = (
            query
            if isinstance(query, str)
            else query.as_string(None)
            if hasattr(query, "as_string")
            else ""
        )
        if torn in text and next(times, None) is not None:
            raise psycopg.OperationalError("the connection is lost")
        return done

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", cut)
    await put(store, tmp_path, ids(20))
    work = Work(url, 2)
    looking = a_rescue(store)

    async def look() -> None:
        while True:
            await asyncio.sleep(0.1)
            if work.queue.worker_id is not None:
                await looking.check_own(work.queue.worker_id, work.queue.running)

    beside = asyncio.create_task(look())
    await work.run()
    beside.cancel()
    assert next(times, None) is None  # it was torn
    assert set(work.done) == {1, 2}
    assert await ask(store, JOBS) == []


def test_the_queue_of_an_api_fits_into_the_name_of_a_channel() -> None:
    names = {queue_of(origin) for origin in ("http://a", "http://b", "https://" + "x" * 500)}
    assert len(names) == 3
    assert max(len(f"procrastinate_queue_v1#{name}") for name in names) < 64


def test_priorities_fit_into_a_number_of_the_database() -> None:
    for priority in (-2_000, 0, 2_000):
        for number in (0, 10**9):
            assert abs(job_priority(priority, number)) < 2**31
    assert job_priority(1, 10**9) > job_priority(0, 0)
