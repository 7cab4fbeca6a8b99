"""An API that answers no paid request is not sent everybody: they might be paid for, and lost."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest

from pubrio_async import _retry
from pubrio_async._clock import SystemClock
from pubrio_async._retry import RetryPolicy
from pubrio_async.distributed import Store, Worker, claims, inputs, probing, redeeming
from pubrio_async.distributed.probing import Probe
from pubrio_async.sandbox import Fault
from pubrio_async.scheduler import outage
from pubrio_async.scheduler.outage import Losses, Outage
from tests.distributed.fleet import PATIENCE_S, STATES, Api, ask, ids, outcomes, put, until, working
from tests.distributed.losses import BATCH

pytestmark = pytest.mark.usefixtures("quick_looks", "seconds_for_minutes")

_HASTE = 240
_ATTEMPTS = 1 + RetryPolicy().resends
_SENT = "SELECT COALESCE(sum(people), 0)::int FROM batches"
_DOWN = {
    "a gateway that answers 503": Fault(kind="5xx_before", status=503),
    "connections that break": Fault(kind="lost_before", path=BATCH),
}


@pytest.fixture
def seconds_for_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outages are waited for a quarter as long in seconds as it would be minutes."""
    backoff = _retry.backoff

    def hasty(patience: float, event: str | None = None, longest: float = 30.0) -> Outage:
        return Outage(patience / _HASTE, event, longest / _HASTE)

    def briefly(policy: RetryPolicy, attempt: int, rng: random.Random) -> float:
        return backoff(policy, attempt, rng) / _HASTE

    monkeypatch.setattr(outage, "Outage", hasty)
    monkeypatch.setattr(outage, "_FIRST_S", 1 / _HASTE)
    monkeypatch.setattr(_retry, "backoff", briefly)
    monkeypatch.setattr(probing, "_PAUSE_S", 30 / _HASTE)
    monkeypatch.setattr(redeeming, "_AGAIN_S", 1)
    monkeypatch.setattr(inputs, "_ROWS", 40)
    monkeypatch.setattr(claims, "_FULL", 40)


@pytest.mark.parametrize("down", _DOWN)
async def test_an_outage_costs_a_few_people_however_many_chunks_there_are_and_however_long(
    store: Store, url: str, tmp_path: Path, down: str
) -> None:
    api, people = Api(url), ids(800)
    await put(store, tmp_path, people)
    api.sandbox.add_fault(_DOWN[down])
    worker = api.worker(concurrency=4)
    async with working(worker):
        await until(lambda: _has_given_back(worker))
        ((sent,),) = await ask(store, _SENT)
        # Until it has asked twice for something free, and chunks have waited for that.
        asks = 2 if _DOWN[down].path else 1 + _ATTEMPTS
        asked = _asked(api) + asks
        await until(lambda: _has_asked(api, asked))
        ((later,),) = await ask(store, _SENT)
    assert sent <= 20 * 10
    # Where something free is not answered either, nobody is sent any more, but perhaps for a
    # chunk that was just being begun.
    assert later - sent <= (40 if _DOWN[down].path else 10)
    assert dict(await ask(store, STATES))["todo"] >= 16  # some were lost to the last person
    api.sandbox.clear_faults()
    await api.worker().run(until_done=True)
    rows = Counter(row.status for row in await outcomes(store))
    assert rows["unsettled"] <= later
    assert rows["found"] + rows["empty"] + rows["unsettled"] == len(people)
    assert set(api.charged().values()) == {1}


@pytest.mark.parametrize("down", _DOWN)
async def test_a_worker_goes_on_once_the_api_answers_again(
    store: Store, url: str, tmp_path: Path, down: str
) -> None:
    api, people = Api(url), ids(400)
    await put(store, tmp_path, people)
    api.sandbox.add_fault(_DOWN[down])
    worker = api.worker(concurrency=4)
    async with working(worker):
        await until(lambda: _has_given_back(worker))
        api.sandbox.clear_faults()
        await until(lambda: _all_done(store))
    rows = Counter(row.status for row in await outcomes(store))
    assert rows["found"] + rows["empty"] >= len(people) - 200
    assert set(api.charged().values()) == {1}


async def test_who_waits_for_an_api_that_is_down_waits_for_no_answer_once_told_to_end() -> None:
    losses = Losses(0.0, SystemClock())
    while not losses.lost():
        pass
    asked = asyncio.Event()

    async def ask_in_vain() -> None:
        asked.set()
        await asyncio.Event().wait()

    probe = Probe(losses, ask_in_vain, SystemClock())
    waiting = [asyncio.create_task(probe.may_begin()) for _ in range(3)]
    async with asyncio.timeout(PATIENCE_S):
        await asked.wait()
        waiting[0].cancel()
        probe.stop()
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(ends[0], asyncio.CancelledError)
        assert ends[1:] == [False, False]
        assert not await probe.may_begin()
    assert asyncio.all_tasks() == {asyncio.current_task()}


def _asked(api: Api) -> int:
    return api.sandbox.statistics().requests_by_path.get("/profile", 0)


async def _has_asked(api: Api, times: int) -> bool:
    return _asked(api) >= times


async def _has_given_back(worker: Worker) -> bool:
    return worker.report.given_back > 0


async def _all_done(store: Store) -> bool:
    return await ask(store, STATES) == [("done", 10)]
