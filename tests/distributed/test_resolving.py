"""People whose answer was lost are settled later, beside workers, and whoever dies meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pubrio_async import (
    ConfigurationError,
)
from pubrio_async._clock import SystemClock
from pubrio_async.distributed import (
    Store,
    adopting,
    queue,
    resolve,
    status,
    survey,
)
from pubrio_async.distributed.adopting import Adopter
from pubrio_async.distributed.rescue import Rescue
from pubrio_async.distributed.values import pack_stored, unpack_stored
from pubrio_async.sandbox import Fault
from pubrio_async.sandbox.faults import FaultKind
from pubrio_async.sandbox.wire import SandboxReply, SandboxRequest
from pubrio_async.scheduler.journal_values import join_keys, split_keys
from tests.distributed.fleet import (
    ORIGIN,
    STATES,
    Api,
    ask,
    ids,
    outcomes,
    put,
    until,
    working,
)
from tests.distributed.losses import (
    BATCH,
    JOBS,
    QUEUE,
    WORKERS,
    client_of,
    lose,
    refuse_unheard,
    settle,
    unreadable,
)

pytestmark = pytest.mark.usefixtures("quick_looks")


async def test_what_the_log_shows_is_fetched_and_the_export_is_complete(
    store: Store, url: str, tmp_path: Path
) -> None:
    api = Api(url)
    await lose(api, store, tmp_path, 100)
    submitted = api.sandbox.statistics().jobs_submitted
    run, told = await settle(api, store)
    assert told.total() == 20
    assert set(told) <= {"found", "empty"}
    assert (run.stopped_by, run.report.rows, run.report.found) == (None, 20, told["found"])
    rows = await outcomes(store)
    assert {row.status for row in rows} == {"found", "empty"}
    assert {row.person for row in rows if row.status == "found"} == set(api.charged())
    assert set(api.charged().values()) == {1}
    assert api.sandbox.statistics().jobs_submitted == submitted
    (now,) = (await status(store)).runs
    assert (now.people, now.unsettled, now.found) == (100, 0, len(api.charged()))
    assert now.credits_charged == sum(charge.credits for charge in api.sandbox.charges())
    assert await ask(store, JOBS) == await ask(store, WORKERS) == []
    assert dict(await ask(store, STATES)).keys() == {"done"}
    # A second time there is nothing to ask.
    requests = api.sandbox.statistics().requests
    assert (await settle(api, store))[1] == Counter()
    assert api.sandbox.statistics().requests == requests


@pytest.mark.parametrize("kind", ["402", "400"])
async def test_nothing_is_bought_where_the_lost_request_turns_out_to_have_been_refused(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: FaultKind
) -> None:
    """Neither by it nor by workers, to whom it would hand them: it is said to cost nothing."""
    api = Api(url)
    await put(store, tmp_path, ids(40))
    refuse_unheard(api, monkeypatch, kind)
    unreadable(api)
    await api.worker().run(until_done=True)
    api.sandbox.clear_faults()
    submitted, charges = api.sandbox.statistics().jobs_submitted, [*api.sandbox.charges()]
    assert (await settle(api, store))[1] == {"failed": 10}
    await api.worker().run(until_done=True)
    assert api.sandbox.statistics().jobs_submitted == submitted
    assert [*api.sandbox.charges()] == charges
    rows = [row for row in await outcomes(store) if row.status not in {"found", "empty"}]
    assert {row.status for row in rows} == {"failed"}
    assert "it cost nothing" in str(rows[0].error)
    # They are free, and whoever is asked to buy them does.
    assert (await put(store, tmp_path, ids(40))).again == len(rows) == 10
    await api.worker().run(until_done=True)
    assert {row.status for row in await outcomes(store)} == {"found", "empty"}
    assert set(api.charged().values()) == {1}


async def test_who_was_refused_and_not_handed_over_is_not_bought_either(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when whoever asks leaves before having heard of all."""
    api = Api(url)
    await put(store, tmp_path, ids(40))
    refuse_unheard(api, monkeypatch)
    unreadable(api)
    await api.worker().run(until_done=True)
    api.sandbox.clear_faults()
    charges = [*api.sandbox.charges()]
    async with client_of(api) as client, resolve(store, client) as run:
        assert (await anext(run)).status == "failed"
    await api.worker().run(until_done=True)
    assert [*api.sandbox.charges()] == charges
    assert (await put(store, tmp_path, ids(40))).again == 10


@pytest.mark.parametrize("wrong_by", [-3_600.0, 3_600.0])
async def test_a_wrong_clock_does_not_matter(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong_by: float
) -> None:
    """How long ago a request was sent is told by the clock of the database."""
    api = Api(url)
    await lose(api, store, tmp_path)
    right = time.time

    def wall(_: SystemClock) -> float:
        return right() + wrong_by

    monkeypatch.setattr(SystemClock, "wall", wall)
    assert set((await settle(api, store))[1]) <= {"found", "empty"}


async def test_what_a_worker_has_asked_the_log_for_all_its_chunks_know(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = Api(url)
    handle, entries = api.sandbox.handle, Counter[bytes]()

    def count(request: SandboxRequest, now: float) -> SandboxReply:
        if request.path == "/api_keys/logs/lookup":
            entries[request.body] += 1
        return handle(request, now)

    monkeypatch.setattr(api.sandbox, "handle", count)
    for number in range(4):
        await put(store, tmp_path, ids(40 * number + 40)[40 * number :], str(number))
    # Each looks for some at the same time, and meets those of the others.
    api.sandbox.add_fault(Fault(kind="lost_after", path=BATCH, after=1, times=8))
    await api.worker(concurrency=4).run(until_done=True)
    for number in range(4):
        assert {row.status for row in await outcomes(store, str(number))} == {"found", "empty"}
    assert 8 <= entries.total() <= 8 + 12
    assert entries.total() - len(entries) <= 3  # but those that two were at in the same moment


async def test_only_those_of_one_run_and_of_this_api(
    store: Store, url: str, tmp_path: Path
) -> None:
    api = Api(url)
    await lose(api, store, tmp_path, 40)
    await put(store, tmp_path, ids(20), "elsewhere", origin="http://127.0.0.1:10")
    with pytest.raises(ConfigurationError, match="no run 'none'"):
        await settle(api, store, run="none")
    with pytest.raises(ConfigurationError, match="no run 'elsewhere' for http"):
        await settle(api, store, run="elsewhere")
    assert (await settle(api, store, run="run"))[1].total() == 20


async def test_one_that_was_taken_for_dead_is_a_new_one(
    store: Store, url: str, tmp_path: Path
) -> None:
    await lose(Api(url), store, tmp_path)
    (seen,) = await survey.survey(store, ORIGIN, None, stalled_s=60.0)
    async with Adopter(store, ORIGIN, stalled_s=0.2) as adopter:
        await ask(store, "DELETE FROM procrastinate_workers")
        await until(lambda: ask(store, WORKERS))
        adopted = await adopter.take_lost(seen.run_id, seen.shares()[0], reopen=True)
        assert adopted is not None
        assert await adopter.let_go(adopted)
    assert await ask(store, WORKERS) == []


async def test_a_job_that_a_worker_has_just_got_is_left_to_it(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: object) -> set[int]:
        return set()  # as it was a moment ago

    monkeypatch.setattr(adopting, "held_chunks", nothing)
    await put(store, tmp_path, ids(40))
    ((chunk_id,),) = await ask(store, "SELECT id FROM chunks")
    await ask(store, "INSERT INTO procrastinate_workers DEFAULT VALUES")
    await ask(
        store,
        "UPDATE procrastinate_jobs"
        " SET status = 'doing', worker_id = (SELECT id FROM procrastinate_workers)",
    )
    everything = "SELECT c.token, c.attempts, j.* FROM chunks c, procrastinate_jobs j"
    before = await ask(store, everything)
    async with Adopter(store, ORIGIN, stalled_s=60.0) as adopter:
        assert await adopter.take_idle(chunk_id) is None
    assert await ask(store, everything) == before
    await ask(store, "UPDATE procrastinate_workers SET last_heartbeat = 'epoch'")
    async with Adopter(store, ORIGIN, stalled_s=0.2) as adopter:
        adopted = await adopter.take_idle(chunk_id)
        assert adopted is not None
        assert await adopter.let_go(adopted)
    assert await ask(store, "SELECT status::text FROM procrastinate_jobs") == [("todo",)]


async def test_a_worker_that_is_about_to_end_its_job_is_not_in_the_way(
    store: Store, url: str, tmp_path: Path
) -> None:
    """Of a chunk that is done, and in which somebody is lost."""
    api = Api(url)
    await lose(api, store, tmp_path)
    await ask(store, "INSERT INTO procrastinate_workers DEFAULT VALUES")
    ((chunk_id,),) = await ask(store, "SELECT id FROM chunks")
    # All others in it were never there, so that it is taken as it is.
    rows = await ask(store, "SELECT keys FROM batches WHERE state = 'unsettled' ORDER BY id")
    keys = [key for (stored,) in rows for key in split_keys(unpack_stored(stored))]
    await ask(store, "UPDATE chunks SET people = 20, keys = %s", pack_stored(join_keys(keys)))
    await store.transact(lambda db: queue.put(db, chunk_id, queue=QUEUE, priority=0))
    await ask(
        store,
        "UPDATE procrastinate_jobs"
        " SET status = 'doing', worker_id = (SELECT id FROM procrastinate_workers)",
    )
    before = await ask(store, "SELECT * FROM procrastinate_jobs")
    async with Adopter(store, ORIGIN, stalled_s=60.0) as adopter:
        lost = await ask(store, "SELECT id, chunk_id FROM batches WHERE state = 'unsettled'")
        adopted = await adopter.take_lost(1, [row for row, _ in lost], reopen=False)
        assert adopted is not None
        assert {adopted.chunk.chunk_id} == {chunk for _, chunk in lost}
        assert await adopter.let_go(adopted)
    assert await ask(store, "SELECT * FROM procrastinate_jobs") == before


async def test_what_a_worker_is_at_is_left_to_it(store: Store, url: str, tmp_path: Path) -> None:
    api = Api(url, time_scale=1.0)
    await put(store, tmp_path, ids(40))
    async with working(api.worker(stalled_s=60.0, concurrency=1)):
        await until(lambda: ask(store, "SELECT 1 FROM batches WHERE job IS NOT NULL OFFSET 3"))
        before = await ask(store, "SELECT token, attempts FROM chunks")
        (seen,) = await survey.survey(store, ORIGIN, None, stalled_s=60.0)
        assert (seen.pending, seen.unsettled, seen.with_workers) == (0, 0, 40)
        assert (await settle(api, store, stalled_s=60.0))[1] == Counter()
        assert await ask(store, "SELECT token, attempts FROM chunks") == before


@pytest.mark.parametrize("unsent", [0, 10])
async def test_what_was_left_by_workers_is_fetched_without_any(
    store: Store, url: str, tmp_path: Path, unsent: int
) -> None:
    """Who was not sent yet is not sent: that is for workers."""
    api = Api(url, time_scale=0.2)
    await put(store, tmp_path, ids(40))
    async with working(api.worker(stalled_s=60.0)):
        await until(lambda: ask(store, "SELECT 1 FROM batches WHERE job IS NOT NULL OFFSET 3"))
    await ask(store, "UPDATE chunks SET state = 'doing'")  # as if the worker had died
    if unsent:  # as if one had never been sent
        await ask(store, "DELETE FROM batches WHERE id = (SELECT max(id) FROM batches)")
    submitted = api.sandbox.statistics().jobs_submitted
    began = time.monotonic()
    _, told = await settle(api, store, stalled_s=0.3)
    assert time.monotonic() - began >= 0.3  # for the worker to be heard of
    assert told == Counter()  # none of them was unsettled
    rows = Counter(row.status for row in await outcomes(store))
    assert (rows["skipped"], rows["found"] + rows["empty"]) == (unsent, 40 - unsent)
    assert api.sandbox.statistics().jobs_submitted == submitted
    assert await ask(store, STATES) == [("todo" if unsent else "done", 1)]
    jobs = await ask(store, "SELECT status::text FROM procrastinate_jobs")
    assert jobs == ([("todo",)] if unsent else [])


@pytest.mark.parametrize("arrives", [True, False])
async def test_killed_in_the_middle_workers_go_on_with_it(
    store: Store, url: str, tmp_path: Path, *, arrives: bool
) -> None:
    api = Api(url)
    await lose(api, store, tmp_path, 40, arrives=arrives)
    charges = [*api.sandbox.charges()]
    async with Adopter(store, ORIGIN, stalled_s=60.0) as adopter:
        (seen,) = await survey.survey(store, ORIGIN, None, stalled_s=60.0)
        (share,) = seen.shares()
        adopted = await adopter.take_lost(seen.run_id, share, reopen=True)
        assert adopted is not None
        assert {row.status for row in await outcomes(store)} == {"found", "empty", "pending"}
        # While it lives it is like a worker: for another one, and for the rescue of workers.
        assert (await settle(api, store, stalled_s=60.0))[1] == Counter()
        rescue = Rescue(store, ORIGIN, queue.queue_of(ORIGIN), stalled_s=60.0)
        assert await rescue.look() == 0
        # As if it was killed.
        await ask(store, "UPDATE procrastinate_workers SET last_heartbeat = 'epoch'")
        await api.worker(stalled_s=0.5, heartbeat_s=0.1).run(until_done=True)
        # It wakes up, and can do nothing more.
        assert not await adopter.let_go(adopted)
    rows = Counter(row.status for row in await outcomes(store))
    assert rows["unsettled"] == (0 if arrives else 20)
    assert rows["found"] + rows["empty"] == (40 if arrives else 20)
    assert [*api.sandbox.charges()] == charges
    assert dict(await ask(store, STATES)).keys() == {"done"}


async def test_two_at_once_share_and_nobody_is_asked_for_twice(
    store: Store, url: str, tmp_path: Path
) -> None:
    api = Api(url)
    for number, name in enumerate(("first", "second", "third")):
        await lose(api, store, tmp_path, 40, first=40 * number, name=name)
    both = await asyncio.gather(settle(api, store), settle(api, store))
    told = sum((told for _, told in both), Counter[str]())
    assert told.total() == 60
    assert set(told) <= {"found", "empty"}
    assert set(api.charged().values()) == {1}
    for name in ("first", "second", "third"):
        assert {row.status for row in await outcomes(store, name)} == {"found", "empty"}


async def test_left_early_it_goes_back_to_the_queue(store: Store, url: str, tmp_path: Path) -> None:
    api = Api(url)
    await lose(api, store, tmp_path, 40)
    unreadable(api)
    async with client_of(api) as client, resolve(store, client) as run:
        run.stop("enough")
        assert [outcome async for outcome in run] == []
    assert dict(await ask(store, STATES)).keys() == {"done"}
    api.sandbox.clear_faults()
    api.sandbox.add_fault(Fault(kind="stall", path="/api_keys/logs/lookup$"))
    soon = timedelta(seconds=0.3)
    async with client_of(api) as client, resolve(store, client, deadline=soon) as run:
        assert {outcome.status async for outcome in run} == {"unsettled"}
    assert await ask(store, "SELECT 1 FROM chunks WHERE state = 'todo'") != []
    assert await ask(store, WORKERS) == []
    api.sandbox.clear_faults()
    await api.worker().run(until_done=True)
    assert {row.status for row in await outcomes(store)} == {"found", "empty"}


async def test_it_is_used_once_and_when_it_is_open(store: Store, url: str) -> None:
    async with client_of(Api(url)) as client:
        run = resolve(store, client)
        with pytest.raises(ConfigurationError, match="open it first"):
            await anext(run)
        assert run.statistics().rows_settled == 0
        async with run:
            assert [outcome async for outcome in run] == []
        with pytest.raises(ConfigurationError, match="used once"):
            await run.__aenter__()
        wrong: list[dict[str, Any]] = [{"deadline": 0}, {"stalled_s": -1}, {"max_credits": -1}]
        for settings in wrong:
            with pytest.raises(ConfigurationError, match=f"{next(iter(settings))} must be"):
                resolve(store, client, **settings)
