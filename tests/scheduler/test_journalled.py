"""Every step goes through the journal, in the order that makes the promise."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pubrio_async import (
    BadRequestError,
    JournalError,
    MemoryJournal,
    NotSentError,
    Outcome,
    RateLimitedError,
    ResponseLostError,
)
from pubrio_async.models import RedeemJob
from pubrio_async.scheduler.journal import Batch, Settled
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from pubrio_async.testing import VirtualClock, run_virtual
from tests.scheduler.fake_api import Bench, UnsentError, collect, people


class Recording(MemoryJournal):
    """Writes down what it is asked to write down, each step taking a while; may fail at one."""

    def __init__(self, events: list[tuple[str, Any]], fails_at: str = "") -> None:
        super().__init__()
        self._events = events
        self._fails_at = fails_at
        self.fails = True
        self.is_new = False
        self.closed = 0

    async def _step(self, name: str, about: Any) -> None:
        if name == self._fails_at and self.fails:
            msg = f"the disk is full ({name})"
            raise JournalError(msg)
        await asyncio.sleep(0.01)
        self._events.append((name, about))

    async def open(self, contact_types: Sequence[str]) -> bool:
        await super().open(contact_types)
        return self.is_new

    async def lookup(self, keys: Sequence[str], newer_than: float | None = None) -> Any:
        await self._step("lookup", tuple(keys))
        return await super().lookup(keys, newer_than)

    async def intend(self, batch: Batch) -> None:
        await self._step("intend", batch.keys)
        await super().intend(batch)

    async def accepted(self, batch_id: str, job: RedeemJob) -> None:
        await self._step("accepted", job.redeem_query_id)
        await super().accepted(batch_id, job)

    async def withdraw(self, batch_id: str) -> None:
        await self._step("withdraw", batch_id)
        await super().withdraw(batch_id)

    async def settle(self, batch_id: str, results: Mapping[str, Settled], charged: Any) -> None:
        await self._step("settle", tuple(results))
        await super().settle(batch_id, results, charged)

    async def unsettle(self, batch_id: str, reason: str) -> None:
        await self._step("unsettle", batch_id)
        await super().unsettle(batch_id, reason)

    async def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize(
    ("error", "waits_s"),
    [
        (RateLimitedError("full", retry_after=600.0), 300.0),
        (UnsentError(NotSentError("no network")), 0.7),
    ],
)
def test_what_waits_to_be_sent_again_is_not_open_in_the_journal(
    error: Exception, waits_s: float
) -> None:
    """Killed meanwhile, the run leaves nothing that would have to be looked for."""

    async def main() -> None:
        bench = Bench()
        journal = Recording(bench.api.events)
        bench.api.on_submit.append(error)

        async def collect_all() -> list[Outcome]:
            async with bench.run(people(10), journal=journal) as run:
                return [outcome async for outcome in run]

        def tried() -> int:
            return [name for name, _ in bench.api.events].count("submit")

        collecting = asyncio.create_task(collect_all())
        await asyncio.sleep(waits_s)
        assert tried() == 1
        assert not await journal.open_batches()
        assert len(await collecting) == 10
        assert tried() == 2

    run_virtual(main())


class Sleeper(VirtualClock):
    """The clock of a machine that sleeps now and then, in which no time passes for its loops."""

    asleep_s = 0.0

    def wall(self) -> float:
        return super().wall() + self.asleep_s


def test_intent_before_submit_id_before_all_else_result_before_the_outcome() -> None:
    async def main() -> None:
        bench = Bench()
        events = bench.api.events
        journal = Recording(events)
        async with bench.run(people(20), journal=journal) as run:
            async for outcome in run:
                events.append(("outcome", outcome.person))
        assert journal.closed == 1
        position = {event: index for index, event in enumerate(events)}
        sent = [about for name, about in events if name == "submit"]
        assert list(map(set, sent)) == [{*people(20)[:10]}, {*people(20)[10:]}]
        for batch in sent:
            assert position["intend", batch] < position["submit", batch]
        for name, about in list(position):
            if name == "accepted":
                assert position[name, about] < position["query", about]
            if name == "outcome":
                settled = next(keys for kind, keys in events if kind == "settle" and about in keys)
                assert position["settle", settled] < position[name, about]

    run_virtual(main())


def test_a_batch_that_is_sent_again_has_an_intent_for_each_time() -> None:
    async def main() -> None:
        bench = Bench()
        journal = Recording(bench.api.events)
        bench.api.on_submit.append(RateLimitedError("full", retry_after=600.0))
        await collect(bench.run(people(10), journal=journal))
        names = [name for name, _ in bench.api.events if name != "lookup"]
        assert names[:5] == ["intend", "submit", "withdraw", "intend", "submit"]
        assert names.count("intend") == 2

    run_virtual(main())


@pytest.mark.parametrize(("slow", "suspended"), [(0.9, 0.0), (3.0, 0.0), (0.0, 3_600.0)])
def test_an_intent_that_took_its_time_is_written_again(slow: float, suspended: float) -> None:
    """It is the moment at which a later run looks for the request, should it be lost."""

    async def main() -> None:
        clock = Sleeper()
        bench = Bench(clock=clock)
        journal = Recording(bench.api.events)
        step = journal._step
        waits = [slow]

        async def hesitant(name: str, about: Any) -> None:
            await step(name, about)
            if name == "intend" and waits:
                await asyncio.sleep(waits.pop())
                clock.asleep_s += suspended

        journal._step = hesitant  # type: ignore[method-assign] # the first intent is slow
        await collect(bench.run(people(20), journal=journal, max_open_jobs=1))
        names = [name for name, _ in bench.api.events if name in {"intend", "withdraw", "submit"}]
        again = ["withdraw", "intend"] if slow > 1 or suspended else []
        assert names == ["intend", *again, "submit", "intend", "submit"]

    run_virtual(main())


def test_a_refused_batch_leaves_no_intent_behind() -> None:
    async def main() -> None:
        bench = Bench()
        rows = people(8)
        journal = Recording(bench.api.events)
        bench.api.every_submit = lambda keys: (
            BadRequestError("unknown id", status=400) if rows[3] in keys else None
        )
        outcomes = await collect(bench.run(rows, journal=journal))
        assert outcomes[3].status == "rejected"
        assert not await journal.open_batches()
        again = bench.run(rows, journal=journal)
        requests = len(bench.api.submits)
        assert (await collect(again))[3].status == "rejected"
        assert len(bench.api.submits) == requests

    run_virtual(main())


def test_a_stopped_run_withdraws_what_was_refused_for_the_moment() -> None:
    async def main() -> None:
        bench = Bench()
        journal = Recording(bench.api.events)
        bench.api.on_submit.append(RateLimitedError("full", retry_after=600.0))
        run = bench.run(people(10), journal=journal, deadline=10.0)
        outcomes = await collect(run)
        assert Counter(o.status for o in outcomes.values()) == {"skipped": 10}
        assert not await journal.open_batches()
        assert bench.now() <= 12

    run_virtual(main())


@pytest.mark.parametrize("after", [0.0, 0.005, 0.015, 0.11, 0.115, 0.125])
def test_leaving_while_the_journal_writes_leaves_no_intent_of_what_was_never_sent(
    after: float,
) -> None:
    async def main() -> None:
        bench = Bench()
        journal = Recording(bench.api.events)
        rows = people(10)
        task = asyncio.create_task(collect(bench.run(rows, journal=journal)))
        await asyncio.sleep(after)
        task.cancel()
        for _ in range(2):  # the second makes it leave without waiting for requests under way
            await asyncio.sleep(0.001)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        left = {key for entry in await journal.open_batches() for key in entry.batch.keys}
        known = set(await journal.lookup(rows))
        sent = any(name == "submit" for name, _ in bench.api.events)
        assert (left | known == set(rows)) == sent

    run_virtual(main())


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("intend", {"skipped": 30}),
        ("accepted", {"found": 10, "skipped": 20}),
        ("settle", {"found": 30}),
    ],
)
def test_a_journal_that_fails_stops_the_spending_and_loses_nothing(
    step: str, expected: dict[str, int]
) -> None:
    async def main() -> None:
        bench = Bench(concurrency=1)
        journal = Recording(bench.api.events, fails_at=step)
        run = bench.run(people(30), journal=journal)
        outcomes = await collect(run)
        assert Counter(o.status for o in outcomes.values()) == expected
        assert isinstance(run.stopped_by, JournalError)
        assert set(bench.api.charged.values()) <= {1}
        assert journal.closed == 1

    run_virtual(main())


@pytest.mark.parametrize(("step", "end"), [("settle", "found"), ("unsettle", "unsettled")])
def test_what_could_not_be_written_down_is_told_to_later_rows_too(step: str, end: str) -> None:
    async def main() -> None:
        bench, rows = Bench(), people(10)
        if end == "unsettled":
            bench.api.on_submit.append(ResponseLostError("lost", may_have_charged=True))

        async def twice() -> AsyncIterator[str]:
            for row in rows:
                yield row
            await asyncio.sleep(300)
            for row in rows:
                yield row

        run = bench.run(twice(), journal=Recording(bench.api.events, fails_at=step))
        outcomes = await collect(run)
        assert Counter(o.status for o in outcomes.values()) == {end: 20}
        assert isinstance(run.stopped_by, JournalError)
        assert len(bench.api.submits) == (end == "found")

    run_virtual(main())


@pytest.mark.parametrize("is_new", [True, False])
def test_a_new_journal_is_asked_only_about_those_the_run_has_met(is_new: bool) -> None:
    async def main() -> None:
        bench, rows = Bench(), people(20)

        async def some_twice() -> AsyncIterator[str]:
            for row in rows:
                yield row
            await asyncio.sleep(300)
            for row in rows[:3]:
                yield row

        journal = Recording(bench.api.events)
        journal.is_new = is_new
        outcomes = await collect(bench.run(some_twice(), journal=journal, batch_size=20))
        assert Counter(o.status for o in outcomes.values()) == {"found": 23}
        asked = [keys for name, keys in bench.api.events if name == "lookup"]
        assert sum(map(len, asked)) == (3 if is_new else 23)
        assert len(bench.api.submits) == 1

    run_virtual(main())


def test_a_journal_that_cannot_be_read_ends_the_run() -> None:
    async def main() -> None:
        bench = Bench()
        journal = Recording(bench.api.events, fails_at="lookup")
        run = bench.run(people(30), journal=journal)
        outcomes = await collect(run)
        assert Counter(o.status for o in outcomes.values()) == {"skipped": 30}
        assert all("not sent by this run" in (o.error or "") for o in outcomes.values())
        assert isinstance(run.stopped_by, JournalError)
        assert not bench.api.submits

    run_virtual(main())


def test_a_journal_that_does_not_open_is_closed_and_raises() -> None:
    async def main() -> None:
        class Broken(Recording):
            async def open(self, contact_types: Sequence[str]) -> bool:
                msg = "in use"
                raise JournalError(msg)

            async def open_batches(self) -> Any:
                msg = "corrupt"
                raise JournalError(msg)

        class Corrupt(Broken):
            async def open(self, contact_types: Sequence[str]) -> bool:
                return True

        bench = Bench()
        with pytest.raises(JournalError, match="in use"):
            await collect(bench.run(people(3), journal=Broken([])))
        corrupt = Corrupt([])
        with pytest.raises(JournalError, match="corrupt"):
            await collect(bench.run(people(3), journal=corrupt))
        assert corrupt.closed == 1
        assert not bench.open_runs

    run_virtual(main())


@pytest.mark.parametrize("is_file", [True, False])
@pytest.mark.parametrize("waits_s", [0.0, 0.05, 2.0])
def test_two_runs_do_not_use_one_journal_at_a_time(
    tmp_path: Path, is_file: bool, waits_s: float
) -> None:
    async def main() -> None:
        bench, rows = Bench(), people(30)
        journal = SqliteJournal(tmp_path / "run.db") if is_file else MemoryJournal()

        async def redeem() -> Counter[str]:
            async with bench.run(rows, journal=journal) as run:
                return Counter([outcome.status async for outcome in run])

        first = asyncio.create_task(redeem())
        await asyncio.sleep(waits_s)
        with pytest.raises(JournalError, match="another run of this process is using it"):
            await bench.run(rows, journal=journal).__aenter__()
        # It is not disturbed, and then it is the next one's turn.
        assert await first == {"found": 30}
        assert await redeem() == {"found": 30}
        assert len(bench.api.charged) == 30
        assert set(bench.api.charged.values()) == {1}

    run_virtual(main())


def test_a_journal_that_cannot_be_opened_is_not_kept_from_others(tmp_path: Path) -> None:
    async def main() -> None:
        bench = Bench()
        journal = SqliteJournal(tmp_path / "missing" / "run.db")
        for _ in range(2):
            with pytest.raises(JournalError, match="its folder does not exist"):
                await bench.run(people(1), journal=journal).__aenter__()
        (tmp_path / "missing").mkdir()
        (found,) = (await collect(bench.run(people(1), journal=journal))).values()
        assert found.status == "found"

    run_virtual(main())
