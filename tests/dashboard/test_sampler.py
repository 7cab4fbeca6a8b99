"""What is seen of a run, in virtual time."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from pubrio_async import (
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    RateLimitedError,
    Run,
)
from pubrio_async._config import Rate
from pubrio_async.dashboard._figures import Now, limit_of
from pubrio_async.dashboard._sampler import Sampler
from tests.scheduler.fake_api import Bench, people
from tests.together import together

LIMITS = [limit_of(Rate(300, 60.0)), limit_of(Rate(2_400, 3_600.0))]


async def watched(run: Run, sampler: Sampler, *, stop_after: float | None = None) -> list[Now]:
    """Looks at a run each second of its life, and a little longer."""
    seen: list[Now] = []

    async def look() -> None:
        for second in range(3_600):
            sampler.look()
            seen.append(sampler.now)
            if sampler.ended:
                return
            if second == stop_after:
                run.stop("somebody@example.com asked for it")
            await asyncio.sleep(1)

    async with run:
        looking = asyncio.create_task(look())
        async for _ in run:
            pass
        await looking
    return seen


@pytest.mark.virtual_time
async def test_a_run_is_seen_from_its_start_to_its_end() -> None:
    bench = Bench()
    sampler = Sampler(bench.clock)
    run = bench.run(people(6_000), max_credits=40_000)
    sampler.watch(run, 6_000, LIMITS)

    seen = await watched(run, sampler)

    last = sampler.history.recent[-1]
    assert last.settled == last.read == 6_000
    assert last.found + last.empty == 6_000
    assert last.charged == run.report.credits_charged > 0
    assert last.requests == run.report.requests
    assert last.reserved == 0
    # 1,200 requests at 300 a minute: the window is filled, and never more than that.
    assert max(one.used or 0 for one in sampler.history.recent) == 300
    assert max(one.reserved for one in sampler.history.recent) > 0
    assert seen[-1].used[1] == run.report.requests
    assert [one.state for one in seen] == ["running"] * (len(seen) - 1) + ["ended"]
    etas = [one.eta_s for one in seen if one.eta_s is not None]
    assert etas[0] > 100
    assert etas[-1] == 0.0
    assert seen[-1].end is not None
    assert seen[-1].end.headline == "Finished"


@pytest.mark.virtual_time
async def test_pauses_are_added_up() -> None:
    bench = Bench()
    bench.api.on_submit.extend((None, RateLimitedError("slow down", status=429, retry_after=30.0)))
    sampler = Sampler(bench.clock)
    run = bench.run(people(200))
    sampler.watch(run, 200, LIMITS)

    seen = await watched(run, sampler)

    assert "paused" in {one.state for one in seen}
    assert 25 <= sampler.history.recent[-1].paused_s <= 32


@pytest.mark.virtual_time
async def test_a_run_that_is_opened_later_and_watched_later() -> None:
    bench = Bench()
    sampler = Sampler(bench.clock)
    sampler.look()
    assert sampler.now.state == "starting"
    run = bench.run(people(50))
    sampler.watch(run, None, [])
    sampler.look()
    assert sampler.now.state == "starting"
    assert not sampler.history.recent

    seen = await watched(run, sampler)

    assert seen[0].eta_s is None
    assert sampler.history.recent[0].used is None
    assert sampler.history.recent[-1].settled == 50
    with pytest.raises(ConfigurationError, match="one run"):
        sampler.watch(bench.run([]), None, [])


@pytest.mark.virtual_time
async def test_time_is_that_of_the_run_whenever_it_is_looked_at_first() -> None:
    bench = Bench()
    sampler = Sampler(bench.clock)
    run = bench.run(people(3_000))
    async with run:
        await asyncio.sleep(25)
        sampler.watch(run, None, LIMITS)
        sampler.look()
        assert sampler.history.recent[0].t == 25.0
        assert sampler.now.used == [run.report.requests] * 2


@pytest.mark.virtual_time
async def test_the_words_of_a_program_are_not_repeated() -> None:
    bench = Bench()
    sampler = Sampler(bench.clock)
    run = bench.run(people(6_000))
    sampler.watch(run, 6_000, LIMITS)

    seen = await watched(run, sampler, stop_after=20)

    assert seen[-1].end is not None
    assert seen[-1].end.headline == "Stopped early"
    assert b"example.com" not in msgspec.json.encode(seen)


@pytest.mark.virtual_time
async def test_neither_are_those_of_the_api() -> None:
    bench = Bench()
    refusal = AuthenticationError("no key for jane@example.com", status=401)
    bench.api.every_submit = lambda keys: refusal
    sampler = Sampler(bench.clock)
    run = bench.run(people(30))
    sampler.watch(run, 30, LIMITS)

    seen = await watched(run, sampler)

    assert seen[-1].end is not None
    assert seen[-1].end.headline == "Stopped by an error"
    assert seen[-1].end.advice[0] == "The API refused the key. Check PUBRIO_API_KEY."
    assert b"example.com" not in msgspec.json.encode(seen)


@pytest.mark.virtual_time
async def test_no_sample_names_anybody() -> None:
    bench = Bench()
    rows = [*people(100), "https://www.linkedin.com/in/jane-doe", "not an id"]
    bench.api.on_submit.append(None)
    bench.api.on_submit.append(BadRequestError("bad: jane-doe", status=400))
    sampler = Sampler(bench.clock)
    run = bench.run(rows)
    sampler.watch(run, len(rows), LIMITS)

    seen = await watched(run, sampler)

    told = msgspec.json.encode((seen, list(sampler.history.recent)))
    assert b"jane" not in told
    assert not any(person[:8].encode() in told for person in rows)


@pytest.mark.virtual_time
async def test_who_leaves_early_is_told_what_is_open() -> None:
    bench = Bench()
    sampler = Sampler(bench.clock)
    run = bench.run(people(3_000))
    sampler.watch(run, 3_000, LIMITS)
    async with run:
        await asyncio.sleep(2)
        sampler.end(None)

    assert sampler.now.end is not None
    assert sampler.now.end.headline == "Left before the end"
    assert "without an outcome" in sampler.now.end.advice[0]


def test_what_never_began_has_an_end() -> None:
    bench = Bench(clock=None)
    for run in (None, bench.run(people(3))):
        sampler = Sampler(bench.clock)
        if run is not None:
            sampler.watch(run, 3, LIMITS)
        sampler.end(None)
        assert sampler.now.end is not None
        assert sampler.now.end.headline == "Never started"
        assert "Nothing was sent" in sampler.now.end.advice[0]


@together
@pytest.mark.parametrize(
    ("rate", "name", "limit", "period_s"),
    [
        (Rate(300, 60.0), "300 per minute", 300, 60.0),
        (Rate(2_400, 3_600.0), "2,400 per hour", 2_400, 3_600.0),
        (Rate(20, 2.0), "100 per 10 seconds (20 per 2 seconds)", 100, 10.0),
        (Rate(5, 1.0), "50 per 10 seconds (5 per second)", 50, 10.0),
        (Rate(5, 900.0), "5 per 15 minutes", 5, 900.0),
        (Rate(43_200, 30 * 86_400.0), "43,200 per 30 days", 43_200, 30 * 86_400.0),
    ],
)
def test_limits_in_words(rate: Rate, name: str, limit: int, period_s: float) -> None:
    drawn = limit_of(rate)

    assert (drawn.name, drawn.limit, drawn.period_s) == (name, limit, period_s)
