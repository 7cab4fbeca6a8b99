"""People whose answer was lost are settled later, beside workers, and whoever dies meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from pubrio_async import (
    AsyncPubrio,
    AuthenticationError,
    BudgetExhaustedError,
    ConfigurationError,
    JournalError,
)
from pubrio_async._clock import SystemClock
from pubrio_async.distributed import (
    FleetRun,
    Store,
    adopting,
    claims,
    queue,
    resolve,
    status,
    survey,
)
from pubrio_async.distributed.adopting import Adopter
from pubrio_async.distributed.journal import PostgresJournal
from pubrio_async.distributed.rescue import Rescue
from pubrio_async.distributed.values import pack_stored, unpack_stored
from pubrio_async.sandbox import Fault, SandboxTransport
from pubrio_async.sandbox.wire import SandboxReply, SandboxRequest
from pubrio_async.scheduler import logbook, reconcile
from pubrio_async.scheduler.journal_values import join_keys, split_keys
from tests.distributed.fleet import (
    ORIGIN,
    Api,
    ask,
    days_pass,
    ids,
    outcomes,
    put,
    until,
    working,
)

BATCH = "/redeem/people/batch$"
LOGS = "/api_keys/logs$"
QUEUE = queue.queue_of(ORIGIN)
STATES = "SELECT state, count(*)::int FROM chunks GROUP BY state ORDER BY state"
JOBS = "SELECT 1 FROM procrastinate_jobs"
WORKERS = "SELECT 1 FROM procrastinate_workers"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "_FULL", 40)
    monkeypatch.setattr(queue, "_LOOK_FOR_JOBS_S", 0.1)
    monkeypatch.setattr(logbook, "_FIRST_LOOK_S", 0.02)
    monkeypatch.setattr(logbook, "_LATER_LOOKS_S", (0.02, 0.02))
    monkeypatch.setattr(reconcile, "_PAUSE_S", 0.02)


def unreadable(api: Api, times: int | None = None) -> None:
    """The request log cannot be read: what is lost ends unsettled."""
    api.sandbox.add_fault(Fault(kind="400", path=LOGS, times=times))


async def lose(
    api: Api,
    store: Store,
    folder: Path,
    people: int = 40,
    *,
    first: int = 0,
    arrives: bool = True,
    **settings: Any,
) -> None:
    """A run of which the first batches are unsettled, whether or not they came to the API."""
    await put(store, folder, ids(first + people)[first:], **settings)
    kind = "lost_after" if arrives else "lost_before"
    api.sandbox.add_fault(Fault(kind=kind, path=BATCH, after=1, times=2))
    unreadable(api)
    await api.worker().run(until_done=True)
    api.sandbox.clear_faults()
    assert (
        Counter(row.status for row in await outcomes(store, settings.get("name", "run")))[
            "unsettled"
        ]
        == 20
    )


@asynccontextmanager
async def client_of(api: Api) -> AsyncGenerator[AsyncPubrio]:
    async with AsyncPubrio(
        "key-of-the-test", ORIGIN, "unlimited", transport=SandboxTransport(api.sandbox)
    ) as client:
        yield client


async def settle(api: Api, store: Store, **settings: Any) -> tuple[FleetRun, Counter[str]]:
    async with client_of(api) as client, resolve(store, client, **settings) as run:
        told = Counter([outcome.status async for outcome in run])
    return run, told


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


async def test_what_never_came_stays_unsettled_until_it_is_sent_again(
    store: Store, url: str, tmp_path: Path
) -> None:
    api = Api(url)
    await lose(api, store, tmp_path, 100, arrives=False)
    for _ in range(2):  # the second time the same chunk is looked through
        run, told = await settle(api, store)
        assert told == {"unsettled": 20}
        assert run.stopped_by is None
        (now,) = (await status(store)).runs
        assert (now.people, now.unsettled, now.chunks_done) == (100, 20, 2)
    run, told = await settle(api, store, resend=True)
    assert told.total() == 20
    assert set(told) <= {"found", "empty"}
    assert {row.status for row in await outcomes(store)} == {"found", "empty"}
    assert set(api.charged().values()) == {1}
    (now,) = (await status(store)).runs
    assert (now.people, now.unsettled, now.found) == (100, 0, len(api.charged()))
    assert (await settle(api, store, resend=True))[1] == Counter()


async def test_whose_older_request_is_opened_in_that_moment_is_not_sent_again(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = Api(url)
    await lose(api, store, tmp_path, 80, arrives=False)
    told_by = "SELECT keys FROM batches WHERE state = 'unsettled' ORDER BY id"
    opened = [split_keys(unpack_stored(stored))[:3] for (stored,) in await ask(store, told_by)]
    read = PostgresJournal.unsettled_people

    async def opened_meanwhile(journal: PostgresJournal) -> Sequence[str]:
        people = await read(journal)
        for number, keys in enumerate(opened):
            await ask(
                store,
                "INSERT INTO batches (batch_id, chunk_id, kind, keys, people, seal)"
                " SELECT %s, min(id), 'batch', %s, 3, 0 FROM chunks",
                *(f"older-{number}", pack_stored(join_keys(keys))),
            )
        return people

    monkeypatch.setattr(PostgresJournal, "unsettled_people", opened_meanwhile)
    submitted = api.sandbox.statistics().jobs_submitted
    run, told = await settle(api, store, resend=True)
    assert (told["unsettled"], told["found"] + told["empty"], run.report.rows) == (6, 14, 20)
    assert api.sandbox.statistics().jobs_submitted == submitted + 2
    assert set(api.charged().values()) == {1}


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


@pytest.mark.parametrize("max_credits", [20, 120])
async def test_sending_again_keeps_to_the_budget_of_the_run(
    store: Store, url: str, tmp_path: Path, max_credits: int
) -> None:
    """What was lost goes on to count: it may have been charged."""
    api = Api(url, work_share=1.0, personal_share=0.0)
    await put(store, tmp_path, ids(20), max_credits=100, worst_case=5)
    api.sandbox.add_fault(Fault(kind="lost_after", path=BATCH, times=2))
    unreadable(api)
    await api.worker().run(until_done=True)
    api.sandbox.clear_faults()
    await ask(store, f"UPDATE runs SET max_credits = 100 + {max_credits}")
    charged = sum(charge.credits for charge in api.sandbox.charges())
    run, told = await settle(api, store, resend=True)
    assert isinstance(run.stopped_by, BudgetExhaustedError) == (max_credits < 100)
    again = sum(charge.credits for charge in api.sandbox.charges()) - charged
    assert again == run.report.credits_charged == min(100, max_credits)
    assert told["found"] == again / 5
    assert Counter(row.status for row in await outcomes(store))["unsettled"] == 20 - again / 5
    # By itself no worker sends anybody again.
    await api.worker().run(until_done=True)
    assert sum(charge.credits for charge in api.sandbox.charges()) == charged + again
    if again < 100:
        run, told = await settle(api, store, resend=True)
        assert isinstance(run.stopped_by, BudgetExhaustedError)
        assert (told, run.report.credits_charged) == (Counter(), 0)
        assert "raise it with the same enqueue" in str(run.stopped_by)


async def test_sending_again_keeps_to_the_bound_of_whoever_asks(
    store: Store, url: str, tmp_path: Path
) -> None:
    api = Api(url, work_share=1.0)
    await lose(api, store, tmp_path, 80, arrives=False)
    run, told = await settle(api, store, resend=True, max_credits=52)
    assert isinstance(run.stopped_by, BudgetExhaustedError)
    assert (run.report.credits_charged, told["found"]) == (50, 10)


async def test_what_is_set_aside_for_others_is_not_spent_on_sending_again(
    store: Store, url: str, tmp_path: Path
) -> None:
    api = Api(url)
    await lose(api, store, tmp_path, 40, arrives=False, max_credits=1_000, worst_case=5)
    await ask(store, "UPDATE chunks SET reserved = 1000")
    charged = api.sandbox.statistics().credits_charged
    run, told = await settle(api, store, resend=True)
    assert "set aside for other chunks" in str(run.stopped_by)
    assert (told, api.sandbox.statistics().credits_charged) == (Counter(), charged)
    await ask(store, "UPDATE chunks SET reserved = 0")
    assert (await settle(api, store, resend=True))[1].total() == 20


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


async def test_left_while_it_sends_again_nobody_is_sent_a_third_time(
    store: Store, url: str, tmp_path: Path
) -> None:
    api = Api(url, time_scale=1.0)
    await put(store, tmp_path, ids(40))
    api.sandbox.add_fault(Fault(kind="lost_before", path=BATCH))
    unreadable(api)
    await api.worker().run(until_done=True)
    api.sandbox.clear_faults()

    async def send_again() -> None:
        await settle(api, store, resend=True)

    sending = asyncio.create_task(send_again())
    await until(lambda: ask(store, "SELECT 1 FROM batches WHERE job IS NOT NULL OFFSET 1"))
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert await ask(store, STATES) == [("todo", 1)]
    assert await ask(store, WORKERS) == []
    # Workers fetch what was bought, and send nobody again.
    submitted = api.sandbox.statistics().jobs_submitted
    await api.worker().run(until_done=True)
    assert api.sandbox.statistics().jobs_submitted == submitted
    rows = Counter(row.status for row in await outcomes(store))
    assert rows["found"] + rows["empty"] == 10 * submitted
    assert rows.keys() <= {"found", "empty", "unsettled"}
    await settle(api, store, resend=True)
    assert {row.status for row in await outcomes(store)} == {"found", "empty"}
    assert set(api.charged().values()) == {1}


async def test_a_refused_key_ends_it_and_changes_nothing(
    store: Store, url: str, tmp_path: Path
) -> None:
    api = Api(url)
    await lose(api, store, tmp_path, 40, arrives=False)
    other = Api(url, api_key="another")
    run, told = await settle(other, store, resend=True)
    assert isinstance(run.stopped_by, AuthenticationError)
    assert told == {"unsettled": 20}
    assert Counter(row.status for row in await outcomes(store))["unsettled"] == 20
    assert await ask(store, JOBS) == []
    assert (await settle(api, store, resend=True))[1].total() == 20


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


async def test_who_was_refused_when_sent_again_may_still_have_been_paid_for(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first request is in another chunk by then, and far away in the log."""
    api = Api(url)
    handle = api.sandbox.handle
    hours_ago, to_refuse = 2, 0

    def with_a_past(request: SandboxRequest, now: float) -> SandboxReply:
        nonlocal to_refuse
        refused = to_refuse > 0 and request.path.startswith("/redeem/people/batch")
        if refused:
            to_refuse -= 1
            api.sandbox.add_fault(Fault(kind="402", path=BATCH, times=1))
        reply = handle(request, now + 9_000 - 3_600 * hours_ago)
        return structs.replace(reply, cut="before_headers") if refused else reply

    monkeypatch.setattr(api.sandbox, "handle", with_a_past)
    await put(store, tmp_path, ids(40))
    api.sandbox.add_fault(Fault(kind="lost_after", path=BATCH, after=1, times=1))
    api.sandbox.add_fault(Fault(kind="lost_before", path=BATCH, after=2, times=1))
    unreadable(api)
    await api.worker().run(until_done=True)
    api.sandbox.clear_faults()
    assert Counter(row.status for row in await outcomes(store))["unsettled"] == 20
    # Sent again, those of one of the two requests are refused, and the refusal is lost.
    hours_ago, to_refuse = 1, 1
    unreadable(api)
    await settle(api, store, resend=True)
    api.sandbox.clear_faults()
    submitted = api.sandbox.statistics().jobs_submitted
    await settle(api, store)
    assert api.sandbox.statistics().jobs_submitted == submitted
    assert set(api.charged().values()) == {1}


async def test_who_is_lost_when_bought_again_is_unsettled_and_not_sent_a_third_time(
    store: Store, url: str, tmp_path: Path
) -> None:
    api, a_day = Api(url), 86_400.0
    await put(store, tmp_path, ids(40), "first")
    await api.worker().run(until_done=True)
    await days_pass(store)
    await put(store, tmp_path, ids(40), "old", max_age=a_day)
    unreadable(api)
    api.sandbox.add_fault(Fault(kind="lost_after", path=BATCH, after=1, times=1))
    # The worker ends before the others are fetched, so that another goes on with the chunk.
    api.sandbox.add_fault(Fault(kind="5xx_before", path="/redeem/people/batch/query$"))
    async with working(api.worker()):
        await until(lambda: ask(store, "SELECT 1 FROM batches WHERE state = 'unsettled'"))
    api.sandbox.clear_faults()
    await api.worker().run(until_done=True)
    assert max(api.charged().values()) == 2
    assert Counter(row.status for row in await outcomes(store, "old"))["unsettled"] == 10
    _, told = await settle(api, store)
    assert told.total() == 10
    assert set(told) <= {"found", "empty"}


async def test_killed_once_all_it_had_was_refused_nobody_is_sent_by_those_who_go_on(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chunk holds no request any more, but people whose first one is lost in another chunk."""
    api = Api(url)
    await lose(api, store, tmp_path, 40)
    handle, to_refuse = api.sandbox.handle, 1

    def refuse_unheard(request: SandboxRequest, now: float) -> SandboxReply:
        nonlocal to_refuse
        if not to_refuse or not request.path.endswith("/redeem/people/batch"):
            return handle(request, now)
        to_refuse -= 1
        api.sandbox.add_fault(Fault(kind="402", path=BATCH, times=1))
        return structs.replace(handle(request, now), cut="before_headers")

    monkeypatch.setattr(api.sandbox, "handle", refuse_unheard)
    unreadable(api)
    assert (await settle(api, store, resend=True))[1]["unsettled"] == 10
    api.sandbox.clear_faults()
    charged = api.charged()

    async def away(*_: object) -> bool:
        raise JournalError("the database is away")

    with monkeypatch.context() as broken:
        broken.setattr(adopting, "finish", away)
        assert (await settle(api, store))[1] == {"unsettled": 10}
    chunks = await ask(
        store,
        "SELECT count(*)::int FROM chunks c WHERE state = 'todo'"
        " AND NOT EXISTS (SELECT FROM batches b WHERE b.chunk_id = c.id)",
    )
    assert chunks == [(1,)]
    await api.worker().run(until_done=True)
    assert api.charged() == charged
    assert Counter(row.status for row in await outcomes(store))["unsettled"] == 10
