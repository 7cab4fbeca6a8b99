"""People whose answer was lost are sent again because somebody asks for it, and nobody else."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import structs

from pubrio_async import (
    AuthenticationError,
    BudgetExhaustedError,
    JournalError,
)
from pubrio_async.distributed import (
    Store,
    adopting,
    resolve,
    status,
)
from pubrio_async.distributed.journal import PostgresJournal
from pubrio_async.distributed.values import pack_stored, unpack_stored
from pubrio_async.sandbox import Fault
from pubrio_async.sandbox.wire import SandboxReply, SandboxRequest
from pubrio_async.scheduler.journal_values import join_keys, split_keys
from tests.distributed.fleet import (
    STATES,
    Api,
    ask,
    days_pass,
    ids,
    outcomes,
    put,
    until,
    working,
)
from tests.distributed.losses import (
    BATCH,
    JOBS,
    WORKERS,
    client_of,
    lose,
    refuse_unheard,
    settle,
    unreadable,
)

pytestmark = pytest.mark.usefixtures("quick_looks")


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


@pytest.mark.parametrize("arrives", [True, False])
async def test_what_was_bought_is_handed_out_while_a_later_purchase_is_lost(
    store: Store, url: str, tmp_path: Path, *, arrives: bool
) -> None:
    api = Api(url)
    await put(store, tmp_path, ids(40), "first")
    await api.worker().run(until_done=True)
    bought = {row.person: row.emails for row in await outcomes(store, "first")}
    assert any(bought.values())
    await days_pass(store)
    await put(store, tmp_path, ids(50), "old", max_age=86_400.0)
    unreadable(api)
    # All but the first and the last, who was never bought before.
    kind = "lost_after" if arrives else "lost_before"
    api.sandbox.add_fault(Fault(kind=kind, path=BATCH, after=1, times=3))
    await api.worker().run(until_done=True)
    assert Counter(row.status for row in await outcomes(store, "old"))["unsettled"] == 30
    for resend in (False, True):  # looked for and sent again in vain, they keep it
        api.sandbox.add_fault(Fault(kind="lost_before", path=BATCH))
        async with client_of(api) as client, resolve(store, client, resend=resend) as run:
            told = {outcome.person: outcome async for outcome in run}
        assert {outcome.status for outcome in told.values()} == {"unsettled"}
        rows = {row.person: row for row in await outcomes(store, "old")}
        lost = {person: row for person, row in rows.items() if row.status == "unsettled"}
        assert lost.keys() == told.keys()
        for person, row in lost.items():
            before = bought.get(person, [])
            assert (row.emails, told[person].emails) == (before, before)
            assert row.error
            assert (row.people_search_id is not None) == bool(before)
        assert len(lost) == 30
    api.sandbox.clear_faults()
    _, ends = await settle(api, store, resend=not arrives)
    assert set(ends) <= {"found", "empty"}


async def test_killed_once_all_it_had_was_refused_nobody_is_sent_by_those_who_go_on(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chunk holds no request any more, but people whose first one is lost in another chunk."""
    api = Api(url)
    await lose(api, store, tmp_path, 40)
    refuse_unheard(api, monkeypatch)
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
