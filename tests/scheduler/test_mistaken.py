"""A lost request was carried out, and an earlier one for the same people was refused.

The request log shows the refusal, and never the success: it lags, or the line cannot be read, or is
looked for where it is not. The refusal must not be taken for the answer: nobody is sent again.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pubrio_async import (
    DecodeError,
    InsufficientCreditsError,
    JournalError,
    MemoryJournal,
    PermissionDeniedError,
    PubrioError,
    RateLimitedError,
    ResponseError,
    ResponseLostError,
)
from pubrio_async.models import RedeemJob
from pubrio_async.scheduler.journal import Batch, BatchKind
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from pubrio_async.scheduler.logbook import Archive, LogEntry, LogRow
from pubrio_async.testing import VirtualClock, run_virtual
from tests.scheduler.fake_api import AfterWorkError, Bench, collect, people
from tests.scheduler.losses import LOST


class World:
    """An API that counts whom it was paid for, and a journal.

    Args:
        number: How many people there are.
        status: What the first request is answered.
    """

    def __init__(self, number: int, status: int) -> None:
        self.rows = people(number)
        self.kind: BatchKind = "single" if number == 1 else "batch"
        self.bench = Bench("unlimited")
        self.journal = MemoryJournal(VirtualClock())
        self.paid: Counter[str] = Counter()
        kind = RateLimitedError if status == 429 else InsufficientCreditsError
        self.refusal: ResponseError = kind(f"the API said {status}", status=status)
        self._work = self.bench.api._work
        self.bench.api._work = self.work  # type: ignore[method-assign] # to count them

    def work(self, kind: BatchKind, keys: Sequence[str]) -> Any:
        """Carries a request out."""
        self.paid.update(keys)
        return self._work(kind, keys)

    def refuse(self, keys: Sequence[str]) -> ResponseError:
        """Refuses a request, which the log shows."""
        self.bench.api.note(self.kind, keys, self.refusal, status=self.refusal.status)
        return self.refusal

    def lose(self, keys: Sequence[str]) -> ResponseLostError:
        """Carries a request out, which the log does not show; the answer is lost."""
        self.work(self.kind, keys)
        return LOST

    async def run(self, **options: Any) -> Counter[str]:
        """How the rows of a run end."""
        outcomes = await collect(self.bench.run(self.rows, journal=self.journal, **options))
        return Counter(outcome.status for outcome in outcomes.values())


@pytest.mark.parametrize("number", [1, 9, 10])
@pytest.mark.parametrize("status", [402, 429])
@pytest.mark.parametrize("gap", [0.5, 30.0, 900.0, 3_600.0])
@pytest.mark.parametrize("ahead_s", [0.0, 40.0])
@pytest.mark.parametrize("is_killed", [True, False])
def test_the_refusal_of_an_earlier_request_is_never_the_answer_to_a_lost_one(
    number: int, status: int, gap: float, ahead_s: float, is_killed: bool
) -> None:
    async def main() -> None:
        world = World(number, status)
        world.bench.api.log_zone_s = ahead_s
        world.bench.api.on_submit.append(world.refuse)
        await world.run(deadline=0.3)
        await asyncio.sleep(gap)
        if is_killed:
            keys = tuple(random.Random(1).sample(world.rows, number))
            await world.journal.intend(Batch("b1", world.kind, keys))
            world.lose(keys)
        else:
            world.bench.api.on_submit.append(world.lose)
            assert await world.run() == {"unsettled": number}
        for _ in range(2):
            assert await world.run() == {"unsettled": number}
        assert set(world.paid.values()) == {1}

    run_virtual(main())


@pytest.mark.parametrize("waits_s", [1.0, 65.0, 3_600.0])
def test_nor_if_the_request_left_long_after_its_intent(waits_s: float) -> None:
    async def main() -> None:
        world = World(10, 402)
        travel = world.bench.api._travel

        async def wait_first(scripted: Any, phase: Any, about: Any) -> None:
            if scripted == "wait":
                await asyncio.sleep(waits_s)
                scripted = world.lose
            await travel(scripted, phase, about)

        world.bench.api._travel = wait_first  # type: ignore[method-assign] # a script of our own
        world.bench.api.on_submit.append(world.refuse)
        await world.run(deadline=0.3)
        world.bench.api.on_submit.append("wait")
        assert await world.run() == {"unsettled": 10}
        assert await world.run() == {"unsettled": 10}
        assert set(world.paid.values()) == {1}

    run_virtual(main())


@pytest.mark.parametrize("ahead_s", [3.0, 8.0, 40.0])
def test_nor_if_something_else_was_found_just_before(ahead_s: float) -> None:
    async def main() -> None:
        world = World(20, 402)
        world.bench.api.log_zone_s = ahead_s
        found, refused = world.rows[:10], world.rows[10:]
        await world.journal.open(("email-work",))
        await world.journal.intend(Batch("b1", "batch", tuple(found)))
        world.refuse(refused)
        await asyncio.sleep(0.1)
        world.bench.api.note("batch", found, world.work("batch", found))
        await asyncio.sleep(2.0)
        world.bench.api.on_submit.append(world.lose)
        assert await world.run() == {"found": 10, "unsettled": 10}
        assert await world.run() == {"found": 10, "unsettled": 10}
        assert set(world.paid.values()) == {1}

    run_virtual(main())


@pytest.mark.parametrize("number", [1, 9, 10])
@pytest.mark.parametrize("status", [402, 429])
@pytest.mark.parametrize("how", ["cut", "withheld", "without a time", "without its types"])
def test_nor_is_that_of_another_program_while_a_line_was_not_read(
    tmp_path: Path, number: int, status: int, how: str
) -> None:
    """The journal is new: as far as it knows, nobody was asked for these people before."""

    async def main() -> None:
        world = World(number, status)
        journal = SqliteJournal(tmp_path / "run.db")
        world.refuse(world.rows)
        await asyncio.sleep(1.0)

        def withhold(about: int | str) -> PubrioError | None:
            is_it = how == "withheld" and about == "log-1"
            return PermissionDeniedError("the API said 403", status=403) if is_it else None

        world.bench.api.every_look = withhold

        def lose(keys: Sequence[str]) -> ResponseLostError:
            cut = DecodeError("The log does not show it.", status=200, may_have_charged=True)
            world.bench.api.note(world.kind, (), cut)
            if how == "without a time":
                _, entry = world.bench.api.log[-1]
                world.bench.api.log[-1] = LogRow("", None, -math.inf), entry
            if how == "without its types":
                line, entry = world.bench.api.log[-1]
                shown = LogEntry(tuple(keys), frozenset(), RedeemJob("job-1"))
                world.bench.api.log[-1] = line, shown
            return world.lose(keys)

        world.bench.api.on_submit.append(lose)
        for _ in range(2):
            outcomes = await collect(world.bench.run(world.rows, journal=journal))
            assert {outcome.status for outcome in outcomes.values()} == {"unsettled"}
        assert set(world.paid.values()) == {1}

    run_virtual(main())


@pytest.mark.parametrize("gap", [5.0, 600.0])
def test_what_was_bought_before_is_not_taken_for_what_was_bought_now(gap: float) -> None:
    """Two runs of a client, whose searches share what the log has shown."""

    async def main() -> None:
        bench, rows = Bench(), people(10)
        bench.archive = Archive()
        first = await collect(bench.run(rows))
        line, entry = bench.api.log[0]
        bench.archive.entries[line.log_id] = entry
        await asyncio.sleep(gap)
        bench.api.on_submit.append(AfterWorkError(LOST))
        second = await collect(bench.run(rows))
        assert {outcome.status for outcome in second.values()} == {"found"}
        (old,), (new,) = ({one.redeem_query_id for one in run.values()} for run in (first, second))
        assert old != new

    run_virtual(main())


@pytest.mark.parametrize("number", [1, 10])
def test_what_was_found_and_could_not_be_written_down_is_found_again(number: int) -> None:
    class Failing(MemoryJournal):
        fails = True

        async def accepted(self, batch_id: str, job: RedeemJob) -> None:
            await self._perhaps()
            await super().accepted(batch_id, job)

        async def settle(self, batch_id: str, results: Any, charged: Any) -> None:
            await self._perhaps()
            await super().settle(batch_id, results, charged)

        async def _perhaps(self) -> None:
            if self.fails:
                raise JournalError("the disk is full")

    async def main() -> None:
        bench, rows = Bench(), people(number)
        bench.archive = Archive()
        journal = Failing(VirtualClock())
        bench.api.on_submit.append(AfterWorkError(LOST))
        bench.api.duration = lambda size: 60.0
        await collect(bench.run(rows, journal=journal, deadline=30.0))
        journal.fails = False
        outcomes = await collect(bench.run(rows, journal=journal))
        assert {outcome.status for outcome in outcomes.values()} == {"found"}
        assert set(bench.api.charged.values()) == {1}

    run_virtual(main())


@pytest.mark.parametrize("number", [1, 9, 10])
@pytest.mark.parametrize("since_s", [30.0, 30 * 86_400.0])
def test_what_was_bought_before_is_not_taken_for_what_a_killed_run_bought_anew(
    number: int, since_s: float
) -> None:
    """Results that were too old were bought again; the log shows the older purchase only."""

    class Kept(dict[str, Any]):
        def __delitem__(self, job: str) -> None:
            pass  # it can still be asked for

    async def main() -> None:
        world = World(number, 429)
        world.bench.api.jobs = Kept()
        assert await world.run() == {"found": number}
        await asyncio.sleep(since_s)
        keys = tuple(random.Random(1).sample(world.rows, number))
        await world.journal.intend(Batch("b1", world.kind, keys))
        world.lose(keys)
        await asyncio.sleep(120.0)
        assert await world.run(max_age=20.0) == {"unsettled": number}

    run_virtual(main())
