"""A client that is used in more than one event loop: in one after the other, or in two at once."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest

from pubrio_async import AsyncPubrio, ConfigurationError, Run
from pubrio_async._clock import SystemClock
from pubrio_async._config import Rate
from pubrio_async._limiter import Limiter
from pubrio_async.scheduler import journal_sqlite
from pubrio_async.scheduler.journal import Batch
from pubrio_async.scheduler.journal_file import JournalFile
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from pubrio_async.testing import MockTransport, PubrioMemory, PubrioSandbox, Reply

T = TypeVar("T")

ADA = "e37ccf38-ea8f-422e-9874-cb23b15e8fe4"
# What an event loop leaves open when it is closed, nobody can close any more.
left_open = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture
def sandbox() -> Iterator[PubrioSandbox]:
    with PubrioSandbox(limits="unlimited") as sandbox:
        yield sandbox
        gc.collect()  # what is left open tells of itself here, and not in some other test


async def free(client: AsyncPubrio) -> None:
    await client.user.get()


async def paid(client: AsyncPubrio) -> None:
    await client.redeem.people(people_search_id=ADA, people_contact_types=["phone"])


def in_a_thread(coroutine: Callable[[], Coroutine[Any, Any, T]]) -> Coroutine[Any, Any, T]:
    """Runs something in an event loop of its own, while this one goes on."""
    return asyncio.to_thread(lambda: asyncio.run(coroutine()))


@left_open
def test_one_loop_after_the_other(sandbox: PubrioSandbox, caplog: pytest.LogCaptureFixture) -> None:
    gc.collect()  # of other tests
    caplog.clear()
    client = sandbox.client()
    for call in (free, paid, free, free, paid):
        asyncio.run(call(client))
    asyncio.run(client.aclose())
    assert [seen.status for seen in sandbox.requests] == [200] * 5
    assert repr(client).startswith(f"<AsyncPubrio {sandbox.url} closed")
    gc.collect()
    assert not caplog.records  # such as that a session is not closed


@left_open
def test_closed_in_a_loop_after_that_of_its_connections(sandbox: PubrioSandbox) -> None:
    client = sandbox.client()

    async def use() -> None:
        await free(client)
        await paid(client)

    asyncio.run(use())
    asyncio.run(client.aclose())
    with pytest.raises(ConfigurationError, match="closed"):
        asyncio.run(free(client))


def test_made_without_a_loop_or_in_another_one_is_all_the_same(sandbox: PubrioSandbox) -> None:
    async def make() -> AsyncPubrio:
        return sandbox.client()

    for client in (sandbox.client(), asyncio.run(make())):

        async def use(client: AsyncPubrio = client) -> None:
            async with client:
                await free(client)

        asyncio.run(use())
    assert len(sandbox.requests) == 2


async def test_two_loops_at_once_are_one_too_many(sandbox: PubrioSandbox) -> None:
    async with sandbox.client() as client:
        await free(client)
        for call in (free, paid):
            with pytest.raises(ConfigurationError, match=r"another event loop.*Nothing was sent"):
                await in_a_thread(lambda call=call: call(client))  # type: ignore[misc] # mypy
        with pytest.raises(ConfigurationError, match="close it where it was used"):
            await in_a_thread(client.aclose)
    assert len(sandbox.requests) == 1


async def test_paid_calls_under_way_are_ended_in_their_own_loop(sandbox: PubrioSandbox) -> None:
    sandbox.inject("stall", path="/redeem/people$")
    client = sandbox.client()
    call = asyncio.create_task(paid(client))
    await asyncio.to_thread(wait_for_a_request, sandbox)
    with pytest.raises(ConfigurationError, match="another event loop"):
        await in_a_thread(client.aclose)
    assert not call.done()
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    await client.aclose()
    assert len(client.abandoned) == 1


def wait_for_a_request(sandbox: PubrioSandbox) -> None:
    while not sandbox.requests:
        time.sleep(0.005)


@left_open
def test_a_session_of_ones_own_belongs_to_its_loop(sandbox: PubrioSandbox) -> None:
    async def make(*, use_it: bool) -> tuple[aiohttp.ClientSession, AsyncPubrio]:
        connector = aiohttp.TCPConnector(force_close=True)
        session = aiohttp.ClientSession(connector=connector)
        client = sandbox.client(session=session)
        if use_it:
            await free(client)
        return session, client

    for use_it in (True, False):
        session, client = asyncio.run(make(use_it=use_it))
        requests = len(sandbox.requests)
        with pytest.raises(ConfigurationError, match=r"aiohttp session .* another event loop"):
            asyncio.run(free(client))
        asyncio.run(client.aclose())
        asyncio.run(session.close())
        assert len(sandbox.requests) == requests


def begun(loop: asyncio.AbstractEventLoop, what: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task that was begun in a loop and will not be ended: nothing is to be said about that."""
    task = loop.create_task(what)
    loop.run_until_complete(asyncio.sleep(0))
    assert not task.done()
    setattr(task, "_log_destroy_pending", False)  # noqa: B010 - known to asyncio alone
    return task


async def acquire(limiter: Limiter) -> None:
    async with asyncio.timeout(10):
        limiter.release(await limiter.acquire(), 1)


def test_whoever_waited_for_a_permit_has_gone_with_the_loop() -> None:
    limiter = Limiter((Rate(1, 0.05),), 8, SystemClock())
    loop = asyncio.new_event_loop()
    loop.run_until_complete(acquire(limiter))
    waits = begun(loop, acquire(limiter))
    assert limiter.statistics().waiting == 1

    with pytest.raises(ConfigurationError, match="another event loop"):
        asyncio.run(acquire(limiter))
    assert limiter.statistics().waiting == 1
    loop.close()  # as nobody should: not even its tasks are told
    asyncio.run(acquire(limiter))  # by a timer of this loop: that of the other one never goes off
    assert limiter.statistics().waiting == 0
    assert not waits.done()


def test_a_call_that_waited_is_cut_off_by_the_end_of_its_loop() -> None:
    transport = MockTransport(lambda _: Reply(json={"data": {}}))
    client = AsyncPubrio("key", rate_limit="2/hour", transport=transport, max_wait=7_200)

    async def begin() -> asyncio.Task[None]:
        await free(client)
        await free(client)
        waits = asyncio.create_task(free(client))
        await asyncio.sleep(0)
        assert client.statistics().limiter.waiting == 1
        return waits

    assert asyncio.run(begin()).cancelled()
    assert client.statistics().limiter.waiting == 0
    asyncio.run(client.aclose())


@pytest.mark.parametrize("method", ["open", "carry_out", "fold", "close"])
def test_a_journal_goes_from_one_loop_to_the_next(
    tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its thread was at when the loop was closed, with nobody left to hear of it."""
    journal, loop = SqliteJournal(tmp_path / "run.db"), asyncio.new_event_loop()
    at_it, go_on = threading.Event(), threading.Event()
    its_own = getattr(JournalFile, method)

    def slowly(*args: object) -> object:
        at_it.set()
        go_on.wait(10)
        return its_own(*args)

    def intend(batch_id: str) -> Coroutine[Any, Any, None]:
        return journal.intend(Batch(batch_id, "single", (ADA,)))

    if method != "open":
        loop.run_until_complete(journal.open(["phone"]))
        loop.run_until_complete(intend("first"))
    with monkeypatch.context() as patched:
        patched.setattr(JournalFile, method, slowly)
        if method == "open":
            begun(loop, journal.open(["phone"]))
        elif method == "carry_out":
            begun(loop, intend("second"))
        else:
            begun(loop, journal.close())
        while not at_it.wait(0.001):
            loop.run_until_complete(asyncio.sleep(0))
        if method == "carry_out":
            begun(loop, intend("third"))
        with pytest.raises(ConfigurationError, match="another event loop"):
            asyncio.run(journal.close())
        loop.close()
        go_on.set()

    async def batches() -> list[str]:
        if method in {"fold", "close"}:
            await journal.close()
            await journal.open(["phone"])
        found = [batch.batch.batch_id for batch in await journal.open_batches()]
        await journal.close()
        return found

    expected = {"open": [], "carry_out": ["first", "second", "third"]}
    assert asyncio.run(batches()) == expected.get(method, ["first"])


def test_steps_that_gather_in_a_journal_go_through_in_the_next_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"_SPACING_S": 3_600.0, "_PAUSE_S": 3_600.0, "_FEW": 0}.items():
        monkeypatch.setattr(journal_sqlite, name, value)
    journal, loop = SqliteJournal(tmp_path / "run.db"), asyncio.new_event_loop()
    loop.run_until_complete(journal.open(["phone"]))
    loop.run_until_complete(journal.intend(Batch("first", "single", (ADA,))))
    begun(loop, journal.intend(Batch("second", "single", (ADA,))))
    loop.close()

    async def go_on() -> list[str]:
        await journal.intend(Batch("third", "single", (ADA,)))
        found = [batch.batch.batch_id for batch in await journal.open_batches()]
        await journal.close()
        return found

    assert asyncio.run(go_on()) == ["first", "second", "third"]


@left_open
@pytest.mark.parametrize("journalled", [True, False])
def test_a_run_ends_with_its_loop(sandbox: PubrioSandbox, tmp_path: Path, journalled: bool) -> None:
    """Left open, it does not hold the loop up; what it bought is in the journal."""
    people, path = sandbox.people(60), tmp_path / "run.db" if journalled else None

    def redeem(client: AsyncPubrio) -> Run:
        return client.redeem.many(
            people, people_contact_types=["phone"], batch_size=5, journal=path
        )

    async def begin() -> tuple[AsyncPubrio, Run]:
        client = sandbox.client()
        run = await redeem(client).__aenter__()
        await anext(run)
        while client.statistics().limiter.in_flight:  # noqa: ASYNC110 - they would be lost
            await asyncio.sleep(0)
        return client, run

    client, run = asyncio.run(begin())

    async def go_on() -> None:
        async for _ in run:
            pytest.fail("out of a loop that has ended")

    async def close() -> None:
        with pytest.raises(ConfigurationError, match="has been closed meanwhile"):
            await client.aclose()
        await client.aclose()

    with pytest.raises(ConfigurationError, match="has been closed meanwhile"):
        asyncio.run(go_on())
    asyncio.run(close())

    async def again() -> int:
        async with sandbox.client() as client, redeem(client) as run:
            return len([outcome async for outcome in run if outcome.status in {"found", "empty"}])

    if journalled:
        assert asyncio.run(again()) == 60
        assert sandbox.regrets().double_charges == 0


@pytest.mark.virtual_time
async def test_a_run_can_be_left_after_all_tasks_were_cancelled() -> None:
    """As some programs do when they end: requests under way put that off, and do not go on."""
    memory = PubrioMemory(limits="unlimited")
    async with (
        memory.client() as client,
        client.redeem.many(memory.people(200), people_contact_types=["phone"], batch_size=5) as run,
    ):
        await anext(run)
        assert client.statistics().limiter.in_flight
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert asyncio.all_tasks() == {asyncio.current_task()}
    assert run.report.pending or run.report.unsettled
    assert client.statistics().limiter.in_flight == 0


async def test_a_run_is_left_alone_by_other_loops(sandbox: PubrioSandbox) -> None:
    async with (
        sandbox.client() as client,
        client.redeem.many(sandbox.people(20), people_contact_types=["phone"]) as run,
    ):

        async def elsewhere() -> None:
            async for _ in run:
                pytest.fail("in another loop")

        with pytest.raises(ConfigurationError, match="another event loop"):
            await in_a_thread(elsewhere)
        with pytest.raises(ConfigurationError, match="another event loop"):
            await in_a_thread(run.aclose)
        assert len([outcome async for outcome in run]) == 20


@left_open
def test_closing_what_an_ended_loop_has_left_does_no_harm_to_who_has_the_journal_now(
    tmp_path: Path,
) -> None:
    memory = PubrioMemory(time_scale=0.2)  # in real time
    people = [memory.add_found(work_email=f"{number}@example.com") for number in range(30)]
    journal, left = SqliteJournal(tmp_path / "run.db"), memory.client()

    async def leave() -> None:
        run = left.redeem.many(people[:10], people_contact_types=["email-work"], journal=journal)
        await run.__aenter__()
        assert len([outcome async for outcome in run]) == 10

    async def go_on() -> None:
        async with (
            memory.client() as client,
            client.redeem.many(
                people, people_contact_types=["email-work"], journal=journal, batch_size=10
            ) as run,
        ):
            first = await anext(run)
            with pytest.raises(ConfigurationError):
                await left.aclose()
            assert first.status == "found"
            assert [outcome.status async for outcome in run] == ["found"] * 29
            assert run.stopped_by is None

    asyncio.run(leave())
    asyncio.run(go_on())
