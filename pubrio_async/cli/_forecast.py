"""What a run would need at least and cost at most: counting, and arithmetic."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from msgspec import Struct

from pubrio_async._config import Rate
from pubrio_async.scheduler import Settled, Unsettled
from pubrio_async.scheduler.columns import as_text
from pubrio_async.scheduler.persons import NotAPersonError, is_url, person_key
from pubrio_async.scheduler.source import Source

_AT_ONCE = 1_000

Ends = Mapping[str, Settled | Unsettled]


class Known(Struct, frozen=True):
    """What a journal knows beforehand.

    Attributes:
        lookup: Gives the ends of those people who have one.
        pending: People whose jobs are open.
        unsettled: People whose request was under way when their run ended.
        open_jobs: How many jobs are open.
    """

    lookup: Callable[[Sequence[str]], Awaitable[Ends]]
    pending: frozenset[str] = frozenset()
    unsettled: frozenset[str] = frozenset()
    open_jobs: int = 0


class Tally(Struct):
    """An input, counted. The figures after `rows` and `malformed` are of distinct people.

    Attributes:
        rows: Its rows.
        malformed: Rows that name nobody.
        ids: People named by a `people_search_id`.
        linkedin_urls: People named by the URL of a LinkedIn page.
        known: People whose result is in the journal.
        pending: People whose job is open in the journal.
        unsettled: People whose answer was lost, according to the journal.
        new_ids: People to be redeemed in batches.
        new_urls: People to be redeemed one by one.
    """

    rows: int = 0
    malformed: int = 0
    ids: int = 0
    linkedin_urls: int = 0
    known: int = 0
    pending: int = 0
    unsettled: int = 0
    new_ids: int = 0
    new_urls: int = 0

    @property
    def people(self) -> int:
        """Distinct people."""
        return self.ids + self.linkedin_urls

    @property
    def duplicates(self) -> int:
        """Rows that name somebody who was named before."""
        return self.rows - self.malformed - self.people


async def count(source: Source, known: Known | None) -> Tally:
    """Counts an input to its end; of all it reads it keeps a hash for each person.

    Args:
        source: The input.
        known: What the journal knows; None where there is none.
    """
    tally = Tally()
    seen: set[int] = set()
    try:
        while (rows := await source.pull(_AT_ONCE, None)) is not None:
            people = _new_people(rows, tally, seen)
            ends: Ends = await known.lookup(people) if known is not None and people else {}
            for key in people:
                _count_person(tally, key, ends.get(key), known)
    finally:
        await source.close()
    return tally


def _new_people(rows: Sequence[object], tally: Tally, seen: set[int]) -> list[str]:
    people: list[str] = []
    for given in rows:
        tally.rows += 1
        try:
            key = person_key(as_text(given))
        except NotAPersonError:
            tally.malformed += 1
            continue
        if (mark := hash(key)) not in seen:
            seen.add(mark)
            people.append(key)
    return people


def _count_person(
    tally: Tally, key: str, end: Settled | Unsettled | None, known: Known | None
) -> None:
    by_url = is_url(key)
    tally.linkedin_urls += by_url
    tally.ids += not by_url
    if known is not None and key in known.pending:
        tally.pending += 1
    elif isinstance(end, Unsettled) or (known is not None and key in known.unsettled):
        tally.unsettled += 1
    elif end is not None:
        tally.known += 1
    else:
        tally.new_urls += by_url
        tally.new_ids += not by_url


class Requests(Struct, frozen=True):
    """The requests of a run in which nothing goes wrong.

    Attributes:
        batches: Batches; each is submitted once and polled once.
        single: People who go alone: by URL, or left over from the batches.
        polls_of_open_jobs: Jobs an earlier run left open; each is polled once.
    """

    batches: int
    single: int
    polls_of_open_jobs: int

    @property
    def total(self) -> int:
        """All of them."""
        return 2 * self.batches + self.single + self.polls_of_open_jobs


def plan(tally: Tally, batch_size: int, open_jobs: int) -> Requests:
    """The requests that the scheduler makes of so many people."""
    full, rest = divmod(tally.new_ids, batch_size)
    if batch_size == 1:
        batches, alone = 0, full
    else:
        batches, alone = full + (rest > 1), int(rest == 1)
    return Requests(batches, tally.new_urls + alone, open_jobs)


def least_time(
    requests: int, rates: Sequence[Rate], used: Mapping[Rate, int] | None = None
) -> float:
    """Seconds before which the last of so many requests cannot leave.

    The n-th request leaves a period after the one that is a limit before it, at the earliest.
    Going back from the last request to the first by such steps adds up to a bound, whatever the
    steps; it is close if the limits that take longest for a request are used first.

    What is used of a limit already comes back a period from now: whoever finds no room beside it
    leaves no earlier, and the steps need not go back further.

    Args:
        requests: How many.
        rates: The limits.
        used: How much of some of them is used.
    """
    bound = _least_time(requests, rates)
    for rate, taken in (used or {}).items():
        beside = max(0, rate.limit - taken)
        if taken > 0 and requests > beside:
            bound = max(bound, rate.period + _least_time(requests - beside, rates))
    return bound


def _least_time(requests: int, rates: Sequence[Rate]) -> float:
    ranked = sorted(rates, key=lambda rate: rate.period / rate.limit, reverse=True)
    bound = 0.0
    for first in ranked:
        left, time = max(0, requests - 1), 0.0
        for rate in (first, *ranked):
            steps, left = divmod(left, rate.limit)
            time += steps * rate.period
        bound = max(bound, time)
    return bound
