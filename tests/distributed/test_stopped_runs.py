"""Runs that are stopped, want of credits, old results: who is free for whom, and who is fetched."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from pubrio_async.distributed import (
    Store,
    status,
)
from pubrio_async.sandbox import Fault
from tests.distributed.fleet import (
    PATIENCE_S,
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

pytestmark = pytest.mark.usefixtures("small_chunks")


async def test_missing_credits_stop_the_run_and_enqueue_goes_on_with_it(
    store: Store, url: str, tmp_path: Path
) -> None:
    await put(store, tmp_path, ids(100))
    poor = Api(url, credit=60)
    await poor.worker(concurrency=1).run(until_done=True)
    (run,) = (await status(store)).runs
    assert run.stopped is not None
    assert run.is_over
    assert run.chunks_stopped > 0
    assert run.found + run.empty + run.failed == 100
    rows = await outcomes(store)
    # Those of the refused request failed, the others were never sent.
    assert {row.status for row in rows} == {"found", "empty", "failed", "skipped"}
    bought = set(poor.charged())

    again = await put(store, tmp_path, ids(100))
    assert (again.again, again.people) == (run.failed, 100)
    rich = Api(url)
    await rich.worker().run(until_done=True)
    assert not bought & set(rich.charged())
    assert {row.status for row in await outcomes(store)} == {"found", "empty"}
    (run,) = (await status(store)).runs
    assert (run.stopped, run.failed, run.chunks_stopped) == (None, 0, 0)


async def test_the_budget_of_a_run_is_kept_by_all_workers(
    store: Store, url: str, tmp_path: Path
) -> None:
    api = Api(url)
    await put(store, tmp_path, ids(200), max_credits=150, worst_case=5)
    await asyncio.gather(*(api.worker().run(until_done=True) for _ in range(3)))
    (run,) = (await status(store)).runs
    assert 150 - 5 < run.credits_charged <= 150
    assert sum(charge.credits for charge in api.sandbox.charges()) == run.credits_charged
    assert "max_credits" in (run.stopped or "")
    assert run.credits_reserved == 0
    # More of it, and it goes on.
    await put(store, tmp_path, ids(200), max_credits=5_000, worst_case=5)
    await api.worker().run(until_done=True)
    assert {row.status for row in await outcomes(store)} == {"found", "empty"}
    assert set(api.charged().values()) == {1}


async def test_a_plan_that_is_dearer_than_the_run_was_told_stops_it(
    store: Store, url: str, tmp_path: Path
) -> None:
    """Room for two people at the price of the run, for nobody at that of the plan."""
    api = Api(url, email_credit=15)
    await put(store, tmp_path, ids(40), max_credits=12, worst_case=5)
    async with asyncio.timeout(PATIENCE_S):
        await api.worker().run(until_done=True)
    (run,) = (await status(store)).runs
    assert (run.credits_charged, run.failed) == (0, 40)
    assert "max_credits" in (run.stopped or "")
    # Asked once, however many chunks there are, and not by runs without a budget.
    assert api.sandbox.statistics().requests_by_path == {"/profile": 1}
    await put(store, tmp_path, ids(60)[40:], "free")
    other = api.worker()
    await other.run(until_done=True)
    assert api.sandbox.statistics().requests_by_path["/profile"] == 1


async def test_what_was_sent_for_a_run_that_was_stopped_is_fetched(
    store: Store, url: str, tmp_path: Path
) -> None:
    api = Api(url, time_scale=1.0)
    await put(store, tmp_path, ids(20))
    async with working(api.worker(stalled_s=60.0)):
        await until(lambda: ask(store, "SELECT 1 FROM batches WHERE job IS NOT NULL OFFSET 1"))
    # As if one of its two batches had never been sent.
    await ask(store, "DELETE FROM batches WHERE id = (SELECT max(id) FROM batches)")
    await ask(store, "UPDATE runs SET stopped = 'no money'")
    await api.worker().run(until_done=True)
    rows = Counter(row.status for row in await outcomes(store))
    assert (rows["skipped"], rows["found"] + rows["empty"]) == (10, 10)
    assert await ask(store, STATES) == [("stopped", 1)]
    assert (await put(store, tmp_path, ids(20))).again == 10


async def test_people_of_a_stopped_run_are_free_for_others(
    store: Store, url: str, tmp_path: Path
) -> None:
    await put(store, tmp_path, ids(40), "poor", max_credits=0, worst_case=5)
    await put(store, tmp_path, ids(40), "rich")
    api = Api(url)
    await api.worker().run(until_done=True)
    assert {row.status for row in await outcomes(store, "rich")} == {"skipped"}
    done = await put(store, tmp_path, ids(40), "rich")
    assert (done.again, done.known) == (40, 0)
    await api.worker().run(until_done=True)
    # Both have them now: what is bought is bought for all.
    for run in ("rich", "poor"):
        assert {row.status for row in await outcomes(store, run)} == {"found", "empty"}


async def test_old_results_are_bought_again_once(store: Store, url: str, tmp_path: Path) -> None:
    api = Api(url)
    await put(store, tmp_path, ids(20), "first")
    await api.worker().run(until_done=True)
    # A result is as old as its request: this one was lost, and found late.
    await ask(store, "UPDATE batches SET intended_at = intended_at - interval '2 days'")
    await put(store, tmp_path, ids(20), "young", max_age=3 * 86_400.0)
    one = await put(store, tmp_path, ids(20), "old", max_age=86_400.0)
    two = await put(store, tmp_path, ids(20), "older", max_age=86_400.0)
    assert (one.people, two.people) == (20, 0)
    # A worker whose clock is wrong by days: that of the database counts.
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patch:
        patch.setattr("pubrio_async._clock.SystemClock.wall", lambda _: 4e9)
        await api.worker().run(until_done=True)
    assert set(api.charged().values()) == {2}


async def test_who_was_to_be_bought_again_and_was_not_gets_another_chance(
    store: Store, url: str, tmp_path: Path
) -> None:
    api, a_day = Api(url), 86_400.0
    await put(store, tmp_path, ids(40), "first")
    await api.worker().run(until_done=True)
    await days_pass(store)
    await put(store, tmp_path, ids(40), "old", max_age=a_day)
    await put(store, tmp_path, ids(40), "older", max_age=a_day)
    api.sandbox.add_fault(Fault(kind="402", path="/redeem/people/batch$", after=1))
    await api.worker().run(until_done=True)
    api.sandbox.clear_faults()
    old, older = (await status(store)).runs[1:]
    assert (old.failed, older.failed) == (30, 0)
    # What they have is good enough for whom it is not too old.
    assert (await put(store, tmp_path, ids(40), "first")).again == 0
    assert (await put(store, tmp_path, ids(40), "older", max_age=3 * a_day)).again == 0
    assert (await put(store, tmp_path, ids(40), "old", max_age=3 * a_day)).again == 0
    assert (await put(store, tmp_path, ids(40), "old", max_age=a_day)).again == 30
    await api.worker().run(until_done=True)
    assert set(api.charged().values()) == {2}
    # Nor is anybody with a good result bought again, whatever was noted.
    await ask(store, "UPDATE people SET failure = 'skipped: never sent: no'")
    for run in ("old", "older"):
        assert (await put(store, tmp_path, ids(40), run, max_age=a_day)).again == 0


async def test_who_was_to_be_bought_again_and_was_not_is_free_for_others(
    store: Store, url: str, tmp_path: Path
) -> None:
    api, a_day = Api(url), 86_400.0
    await put(store, tmp_path, ids(20), "first")
    await api.worker().run(until_done=True)
    await days_pass(store)
    await put(store, tmp_path, ids(20), "poor", max_age=a_day, max_credits=0, worst_case=5)
    assert (await put(store, tmp_path, ids(20), "rich", max_age=a_day)).known == 20
    await api.worker().run(until_done=True)
    done = await put(store, tmp_path, ids(20), "rich")
    assert (done.again, done.known, done.people) == (20, 0, 20)
    await api.worker().run(until_done=True)
    assert set(api.charged().values()) == {2}
