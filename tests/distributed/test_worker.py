"""Workers redeem what is in the queue: each person once, whoever dies, whatever is in the way."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pubrio_async import (
    AsyncPubrio,
    AuthenticationError,
    ConfigurationError,
    JournalError,
)
from pubrio_async.distributed import (
    SharedLimiter,
    Store,
    Worker,
    chunks,
    redeeming,
    status,
)
from pubrio_async.distributed.journal import PostgresJournal
from pubrio_async.distributed.probing import Probe
from pubrio_async.distributed.queue import Held
from pubrio_async.distributed.store import Connection
from pubrio_async.sandbox import SandboxTransport
from pubrio_async.scheduler import Run, ends, engine, logbook, outage
from pubrio_async.scheduler.journal import Batch, Settled
from pubrio_async.scheduler.journal_values import Key
from pubrio_async.scheduler.outage import Outage
from pubrio_async.scheduler.steps import Steps
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

pytestmark = pytest.mark.usefixtures("small_chunks")


async def test_two_workers_do_all_of_it_and_nobody_twice(
    store: Store, url: str, tmp_path: Path
) -> None:
    api, people = Api(url), ids(200)
    await put(store, tmp_path, [*people, "nobody", people[0]])
    first, second = api.worker(), api.worker()
    reports = await asyncio.gather(first.run(until_done=True), second.run(until_done=True))
    assert sum(report.done for report in reports) == 10
    assert sum(report.figures.found + report.figures.empty for report in reports) == 200
    assert set(api.charged().values()) == {1}
    rows = await outcomes(store)
    assert [row.row for row in rows] == list(range(202))
    assert Counter(row.status for row in rows) == Counter(
        {
            "found": len(api.charged()) + (rows[0].status == "found"),
            "empty": 200 - len(api.charged()) + (rows[0].status == "empty"),
            "rejected": 1,
        }
    )
    assert rows[-1].emails == rows[0].emails
    assert await ask(store, "SELECT 1 FROM procrastinate_jobs") == []


async def test_a_worker_does_only_what_is_for_its_api(
    store: Store, url: str, tmp_path: Path
) -> None:
    await put(store, tmp_path, ids(20), "other", origin="http://127.0.0.1:10")
    api = Api(url)
    assert (await api.worker().run(until_done=True)).done == 0
    assert api.charged() == {}


async def test_a_chunk_that_is_taken_over_goes_on_where_it_was(
    store: Store, url: str, tmp_path: Path
) -> None:
    """The first worker is stopped in the middle; what it bought is fetched, not bought again."""
    api = Api(url, time_scale=1.0)
    await put(store, tmp_path, ids(20))
    async with working(api.worker(stalled_s=60.0)) as first:
        await until(lambda: ask(store, "SELECT 1 FROM batches WHERE job IS NOT NULL"))
    report = await first
    assert report.given_back == 1
    assert await ask(store, STATES) == [("todo", 1)]
    (chunk,) = await ask(store, "SELECT reason FROM chunks")
    assert "told to end" in chunk[0]
    await api.worker().run(until_done=True)
    assert set(api.charged().values()) == {1}
    assert {row.status for row in await outcomes(store)} <= {"found", "empty"}
    assert api.sandbox.regrets().double_charges == 0


async def test_who_wakes_up_too_late_sends_nothing_more(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker holds a chunk that was given to another meanwhile."""
    api = Api(url)
    await put(store, tmp_path, ids(20))
    taken, may_go_on = asyncio.Event(), asyncio.Event()
    take = chunks.take

    async def slowly(store: Store, chunk_id: int, job: Held) -> chunks.Taken | None:
        chunk = await take(store, chunk_id, job)
        if not taken.is_set():
            taken.set()
            await may_go_on.wait()
        return chunk

    monkeypatch.setattr(redeeming, "take", slowly)
    late = api.worker(stalled_s=60.0, concurrency=1)  # or it might take the job again itself
    async with working(late):
        await taken.wait()
        # As if it had been dead for long: the job goes to another, which does all of it.
        await ask(store, "UPDATE procrastinate_workers SET last_heartbeat = 'epoch'")
        await ask(store, "UPDATE procrastinate_jobs SET status = 'todo'")
        await api.worker(stalled_s=60.0).run(until_done=True)
        sent = api.sandbox.statistics().requests
        may_go_on.set()
        await until(lambda: _idle(late))
    assert api.sandbox.statistics().requests == sent
    assert late.report.done == 0
    assert set(api.charged().values()) == {1}


async def test_who_wakes_up_before_it_has_begun_takes_no_chunk_from_another(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for an API that is down, and was taken for dead: another is buying its people."""
    api = Api(url)
    await put(store, tmp_path, ids(20))
    waits, may_go_on, began = asyncio.Event(), asyncio.Event(), asyncio.Event()
    submit = Steps.submit

    async def slowly(self: Probe) -> bool:
        if not waits.is_set():
            waits.set()
            await may_go_on.wait()
        return True

    async def after_the_other(self: Steps, batch: Batch, ticket: int) -> None:
        if not began.is_set():
            began.set()
            may_go_on.set()
            await until(lambda: _is_at_nothing(late))
        await submit(self, batch, ticket)

    monkeypatch.setattr(Probe, "may_begin", slowly)
    monkeypatch.setattr(Steps, "submit", after_the_other)
    late, other = (api.worker(stalled_s=60.0, concurrency=1) for _ in range(2))
    async with working(late):
        await waits.wait()
        await ask(store, "UPDATE procrastinate_workers SET last_heartbeat = 'epoch'")
        await ask(store, "UPDATE procrastinate_jobs SET status = 'todo'")
        await other.run(until_done=True)
    assert (late.report.done, late.report.given_back) == (0, 0)
    assert (other.report.done, other.report.given_back) == (1, 0)
    assert await ask(store, "SELECT attempts FROM chunks") == [(1,)]
    assert await ask(store, STATES) == [("done", 1)]


async def test_who_stood_still_before_sending_sends_nothing_more(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its intent and its request another goes on with its work, and finds no trace."""
    for name, seconds in (("_FIRST_LOOK_S", 0.02), ("_LATER_LOOKS_S", (0.05, 0.1))):
        monkeypatch.setattr(logbook, name, seconds)
    monkeypatch.setattr(ends, "_PROMPT_S", 0.0)
    api = Api(url)
    await put(store, tmp_path, ids(20))
    written, may_go_on = asyncio.Event(), asyncio.Event()
    intend = PostgresJournal.intend

    async def then_stand_still(journal: PostgresJournal, batch: Batch) -> None:
        await intend(journal, batch)
        if not written.is_set():
            written.set()
            await may_go_on.wait()

    monkeypatch.setattr(PostgresJournal, "intend", then_stand_still)
    late = api.worker(stalled_s=60.0, concurrency=1)
    async with working(late):
        await written.wait()
        await ask(store, "UPDATE procrastinate_workers SET last_heartbeat = 'epoch'")
        await ask(store, "UPDATE procrastinate_jobs SET status = 'todo'")
        await api.worker(stalled_s=60.0).run(until_done=True)
        lost = {row.person for row in await outcomes(store) if row.status == "unsettled"}
        assert len(lost) == 10
        may_go_on.set()
        await until(lambda: _idle(late))
    assert not lost & api.charged().keys()
    assert late.report.done == 0
    assert await ask(store, STATES) == [("done", 1)]


async def _idle(worker: Worker) -> bool:
    return worker.report.given_back > 0


async def _is_at_nothing(worker: Worker) -> bool:
    return not worker._queue.running


async def test_a_refused_key_ends_the_worker_and_loses_nothing(
    store: Store, url: str, tmp_path: Path
) -> None:
    await put(store, tmp_path, ids(40))
    with pytest.raises(AuthenticationError):
        await Api(url, api_key="another").worker().run()
    assert await ask(store, STATES) == [("todo", 2)]
    # They wait a minute, so that workers with a bad key do not try them all the time.
    await ask(store, "UPDATE procrastinate_jobs SET scheduled_at = NULL")
    assert (await Api(url).worker().run(until_done=True)).done == 2


async def test_an_api_that_is_not_there_costs_nobody_their_place(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(store, tmp_path, ids(20))
    monkeypatch.setattr(outage, "Outage", lambda _, *rest: Outage(0.1, *rest))
    away = Worker(url, api_key="key", base_url=ORIGIN, rate_limit="unlimited")  # nobody listens
    async with working(away):
        await until(lambda: ask(store, "SELECT 1 FROM chunks WHERE reason IS NOT NULL"))
    assert await ask(store, STATES) == [("todo", 1)]
    assert await ask(store, "SELECT 1 FROM people WHERE failure IS NOT NULL") == []


async def test_told_to_end_before_it_has_read_a_chunk_a_worker_gives_it_back(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the database takes its time: who was not read yet was not sent either."""
    api = Api(url)
    await put(store, tmp_path, ids(20), batch_size=5)
    ((chunk_id,),) = await ask(store, "SELECT id FROM chunks")
    chunk = await chunks.take(store, chunk_id)
    assert chunk is not None
    journal = PostgresJournal(store, chunk.chunk_id, chunk.token)
    await journal.open(chunk.contact_types)
    known = dict.fromkeys(chunk.people[:5], Settled("empty"))  # by another worker
    await journal.intend(Batch("of another", "batch", (*known,)))
    await journal.settle("of another", known, 0)
    await journal.close()
    assert await chunks.give_back(store, chunk, "it ended")
    asked, has_left = asyncio.Event(), asyncio.Event()
    lookup, stop, leave = PostgresJournal.lookup, Run.stop, engine.Engine._leave_input

    async def slowly(*given: Any) -> Any:
        asked.set()
        await has_left.wait()
        return await lookup(*given)

    def then_tell(inner: engine.Engine) -> None:
        leave(inner)
        has_left.set()

    monkeypatch.setattr(PostgresJournal, "lookup", slowly)
    monkeypatch.setattr(engine.Engine, "_leave_input", then_tell)
    monkeypatch.setattr(Run, "stop", lambda run, why: stop(run, why, drain_s=0.0))
    async with working(api.worker()):
        await asked.wait()
    monkeypatch.undo()
    assert await ask(store, STATES) == [("todo", 1)]
    await api.worker().run(until_done=True)
    assert {row.status for row in await outcomes(store)} == {"found", "empty"}


async def test_a_flaw_costs_one_chunk_some_time_and_is_told_without_people(
    store: Store,
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    api, people = Api(url), ids(40)
    await put(store, tmp_path, people)
    finish, flaws = redeeming.finish, iter([True])

    async def flawed(*args: object, **options: object) -> bool:
        if next(flaws, False):
            raise ZeroDivisionError(people[0])
        return await finish(*args, **options)  # type: ignore[arg-type]  # as it came

    monkeypatch.setattr(redeeming, "finish", flawed)
    with caplog.at_level(logging.INFO, "pubrio_async"):
        async with working(api.worker()):
            await until(lambda: ask(store, "SELECT 1 FROM chunks WHERE state = 'done'"))
            await until(lambda: ask(store, "SELECT 1 FROM chunks WHERE reason IS NOT NULL"))
    assert await ask(store, "SELECT reason FROM chunks WHERE state = 'todo'") == [
        ("ZeroDivisionError in the worker",)
    ]
    assert "chunk_failed" in caplog.text
    assert people[0] not in caplog.text
    await ask(store, "UPDATE procrastinate_jobs SET scheduled_at = NULL")
    await api.worker().run(until_done=True)
    assert set(api.charged().values()) == {1}


async def test_at_the_end_of_a_chunk_only_those_are_looked_at_who_have_no_result(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, noted = Api(url), list[int]()
    write = chunks._note

    async def note(db: Connection, chunk: int, run: int, keys: Sequence[Key], why: str) -> None:
        noted.append(len(keys))
        await write(db, chunk, run, keys, why)

    monkeypatch.setattr(chunks, "_note", note)
    await put(store, tmp_path, ids(80))
    # As if another chunk was at some of them, and this one had been begun.
    await ask(
        store,
        "INSERT INTO batches (batch_id, chunk_id, kind, keys, people, seal, state, results)"
        " SELECT 'b', min(id), 'batch', '\\x00', 0, 0, 'settled', '' FROM chunks",
    )
    await ask(
        store,
        "UPDATE people SET chunk_id = (SELECT max(id) FROM chunks) WHERE key IN"
        " (SELECT key FROM people WHERE chunk_id = (SELECT min(id) FROM chunks) LIMIT 3)",
    )
    await api.worker(concurrency=1).run(until_done=True)
    assert sum(noted) == 3


async def test_limits_are_shared_by_name(store: Store, url: str, tmp_path: Path) -> None:
    api = Api(url, limits="30 per 2 seconds")
    await put(store, tmp_path, ids(200))
    await asyncio.gather(
        *(api.worker(rate_limit="30 per 2 seconds").run(until_done=True) for _ in range(3))
    )
    assert api.sandbox.regrets().refused_429 == 0
    assert {row.status for row in await outcomes(store)} == {"found", "empty"}
    (limit,) = (await status(store)).limits
    assert limit.name == "http://127.0.0.1:9"
    assert limit.leased == 0


async def test_settings_are_checked(url: str) -> None:
    for settings in ({"concurrency": 0}, {"heartbeat_s": 2.0, "stalled_s": 3.0}):
        with pytest.raises(ConfigurationError):
            Api(url).worker(**settings)
    with pytest.raises(ConfigurationError, match="account"):
        Api(url).worker(rate_limit="account")


@pytest.mark.parametrize(
    ("rate_limit", "chunks"), [("300/minute", 15), ("30/minute", 4), ("unlimited", 13)]
)
async def test_a_worker_does_as_many_chunks_as_keep_the_limits_busy(
    url: str, rate_limit: str, chunks: int
) -> None:
    assert Api(url).worker(rate_limit=rate_limit).concurrency == chunks
    assert Api(url).worker(rate_limit=rate_limit, concurrency=2).concurrency == 2


async def test_a_worker_without_work_leaves_the_limit_to_the_others(
    store: Store, url: str, tmp_path: Path
) -> None:
    api = Api(url, time_scale=0.1)
    async with working(api.worker(rate_limit="300/minute")):
        await until(lambda: ask(store, "SELECT 1 FROM leases WHERE rests"))
        await put(store, tmp_path, ids(20))
        await until(lambda: ask(store, "SELECT 1 FROM leases WHERE NOT rests"))
        await until(lambda: ask(store, "SELECT 1 FROM leases WHERE rests"))


async def test_a_client_goes_by_the_limiter_it_is_given(store: Store, url: str) -> None:
    api = Api(url, limits="4 per 1 second")
    async with SharedLimiter(store, name="shared", rates="4 per 1 second") as limiter:
        clients = [
            AsyncPubrio("key", ORIGIN, transport=SandboxTransport(api.sandbox), limiter=limiter)
            for _ in range(2)
        ]
        await asyncio.gather(*(client.profile.get() for client in clients * 4))
        assert api.sandbox.regrets().refused_429 == 0
        assert limiter.statistics().granted == 8
        with pytest.raises(ConfigurationError, match="contradict"):
            AsyncPubrio("key", rate_limit="4/second", limiter=limiter)
        for client in clients:
            await client.aclose()


async def test_without_a_database_it_says_so(empty_url: str) -> None:
    with pytest.raises(JournalError, match="database upgrade"):
        await Api(empty_url).worker().run()
