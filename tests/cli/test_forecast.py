"""The arithmetic of `estimate`, held against the slow way to get the same."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pubrio_async._config import Rate, parse_rates
from pubrio_async.cli._forecast import Ends, Known, Requests, Tally, count, least_time, plan
from pubrio_async.scheduler import Settled, Unsettled
from pubrio_async.scheduler.source import Source
from tests.cli.conftest import ids
from tests.together import together

URL = "https://www.linkedin.com/in/somebody"


def earliest(requests: int, rates: Sequence[Rate]) -> float:
    """When the last request can leave: each leaves a period after the one a limit before it."""
    times: list[float] = []
    for number in range(requests):
        before = [
            times[number - rate.limit] + rate.period for rate in rates if number >= rate.limit
        ]
        times.append(max(before, default=0.0))
    return max(times, default=0.0)


@together
@pytest.mark.parametrize(
    ("requests", "rates", "seconds"),
    [
        (0, "300/minute", 0),
        (1, "300/minute", 0),
        (300, "300/minute", 0),
        (301, "300/minute", 60),
        (20_000, "300/minute", 66 * 60),
        (2_400, "300/minute; 2400/hour", 7 * 60),
        (2_401, "300/minute; 2400/hour", 3_600),
        (2_701, "300/minute; 2400/hour", 3_660),
        (7, "2 per 10 seconds; 3 per 11 seconds", 30),
        (13, "10 per 100 seconds; 6 per 59 seconds", 118),
        (1_000_000, "unlimited", 0),
    ],
)
def test_least_times(requests: int, rates: str, seconds: float) -> None:
    assert least_time(requests, parse_rates(rates)) == seconds
    if requests < 10_000:
        assert earliest(requests, parse_rates(rates)) >= seconds


some_rates = st.lists(
    st.builds(Rate, st.integers(1, 40), st.integers(1, 100).map(float)), min_size=1, max_size=3
)


@given(st.integers(0, 200), some_rates, st.lists(st.integers(0, 50), min_size=3, max_size=3))
def test_what_is_used_of_the_limits_counts_until_a_period_from_now(
    requests: int, rates: list[Rate], taken: list[int]
) -> None:
    rates = list(dict.fromkeys(rates))
    used = dict(zip(rates, taken, strict=False))

    def slowly(rates: Sequence[Rate]) -> float:
        times: list[float] = []
        for number in range(requests):
            before = [
                times[number - rate.limit] + rate.period for rate in rates if number >= rate.limit
            ]
            full = [
                rate.period for rate in rates if number >= rate.limit - used[rate] and used[rate]
            ]
            times.append(max([*before, *full], default=0.0))
        return max(times, default=0.0)

    assert least_time(requests, rates) <= least_time(requests, rates, used) <= slowly(rates)
    lone = rates[:1]
    assert least_time(requests, lone, {lone[0]: used[lone[0]]}) == slowly(lone)


def test_the_quotas_of_a_plan_are_reckoned_with() -> None:
    growth = parse_rates("growth")
    hour = growth[1]
    assert least_time(2_401, growth) == 3_600
    assert least_time(2_401, growth, {hour: 100}) == 3_600
    assert least_time(4_701, growth, {hour: 99}) == 3_600 + 7 * 60
    assert least_time(4_702, growth, {hour: 99}) == 2 * 3_600
    assert least_time(60 * 24 + 1, parse_rates("free")) == 24 * 3_600
    assert least_time(43_201, parse_rates("free")) == 30 * 86_400
    assert least_time(1, growth, {growth[3]: growth[3].limit}) == 31 * 86_400


@given(st.integers(0, 300), some_rates)
def test_the_least_time_is_a_bound_and_exact_for_one_limit(
    requests: int, rates: list[Rate]
) -> None:
    assert least_time(requests, rates) <= earliest(requests, rates)
    assert least_time(requests, rates[:1]) == earliest(requests, rates[:1])


@together
@pytest.mark.parametrize(
    ("new_ids", "new_urls", "batch_size", "requests"),
    [
        (0, 0, 100, Requests(0, 0, 0)),
        (1, 0, 100, Requests(0, 1, 0)),
        (2, 0, 100, Requests(1, 0, 0)),
        (200, 3, 100, Requests(2, 3, 0)),
        (201, 3, 100, Requests(2, 4, 0)),
        (202, 3, 100, Requests(3, 3, 0)),
        (5, 1, 1, Requests(0, 6, 0)),
    ],
)
def test_requests(new_ids: int, new_urls: int, batch_size: int, requests: Requests) -> None:
    tally = Tally(new_ids=new_ids, new_urls=new_urls)

    assert plan(tally, batch_size, 0) == requests
    assert plan(tally, batch_size, 4).total == requests.total + 4
    assert requests.total == 2 * requests.batches + requests.single


async def test_rows_are_counted_in_any_spelling() -> None:
    people = ids(3)
    rows = [*people, people[0].upper(), "bad", "", URL, f"{URL}/", "LinkedIn.com/in/Somebody?x=1"]

    tally = await count(Source(rows, 1_000), None)

    assert (tally.rows, tally.malformed, tally.people, tally.duplicates) == (9, 2, 4, 3)
    assert (tally.ids, tally.linkedin_urls) == (3, 1)
    assert (tally.new_ids, tally.new_urls) == (3, 1)


async def test_a_pipe_is_counted_as_well() -> None:
    async def rows() -> AsyncIterator[str]:
        for person in ids(2_500):
            yield person

    assert (await count(Source(rows(), 10), None)).people == 2_500


async def test_the_journal_is_asked_once_for_each_person_and_not_for_all_at_once() -> None:
    people = ids(2_504)
    asked: list[Sequence[str]] = []

    async def lookup(keys: Sequence[str]) -> Ends:
        asked.append(keys)
        ends = {key: Settled("found") for key in keys if key in people[:1_500]}
        return {**ends, **{key: Unsettled("lost") for key in keys if key == people[1_500]}}

    known = Known(
        lookup,
        pending=frozenset(people[1_501:1_503]),
        unsettled=frozenset(people[1_503:1_504]),
        open_jobs=1,
    )
    tally = await count(Source(people * 2, 1_000), known)

    assert (tally.known, tally.pending, tally.unsettled) == (1_500, 2, 2)
    assert tally.new_ids == 1_000
    assert tally.duplicates == 2_504
    assert sum(map(len, asked)) == 2_504
    assert max(map(len, asked)) <= 1_000
