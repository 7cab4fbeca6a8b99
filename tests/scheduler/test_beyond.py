"""Replies that name people beyond those who were asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from pubrio_async import BadRequestError, NotFoundError, PubrioError
from pubrio_async._phase import Phase
from pubrio_async.models import Contact, RedeemedPerson, RedeemQueryReply
from pubrio_async.scheduler.journal import Batch, Journal, Settled, Unsettled
from pubrio_async.scheduler.journal_memory import MemoryJournal
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from pubrio_async.testing import VirtualClock, run_virtual
from tests.scheduler.fake_api import Bench, FakeApi, collect, people

MAIL = Contact("paid@example.com")


def name_also(api: FakeApi, person: RedeemedPerson) -> None:
    """The first job that ends names this person, too."""
    query = api.query
    told: list[RedeemedPerson] = [person]

    async def one_more(redeem_query_id: str, ticket: int, phase: Phase) -> RedeemQueryReply:
        reply = await query(redeem_query_id, ticket, phase)
        if not reply.is_completed:
            return reply
        also = [told.pop()] if told else []
        return RedeemQueryReply(
            profile=reply.profile, query=reply.query, peoples=(*(reply.peoples or ()), *also)
        )

    api.query = one_more  # type: ignore[method-assign] # a script of our own


def test_that_nothing_was_found_of_somebody_else_takes_nobody_what_was_bought() -> None:
    async def main() -> None:
        bench, rows, journal = Bench(), people(20), MemoryJournal(VirtualClock())
        bought = await collect(bench.run(rows[:10], journal=journal))
        name_also(bench.api, RedeemedPerson(rows[0]))
        await collect(bench.run(rows[10:], journal=journal))
        again = await collect(bench.run(rows[:10], journal=journal))
        assert again == bought
        assert again[0].emails
        assert set(bench.api.charged.values()) == {1}

    run_virtual(main())


@pytest.mark.parametrize("is_new", [True, False])
def test_who_came_with_others_is_not_bought(tmp_path: Path, is_new: bool) -> None:
    async def main() -> None:
        bench, rows = Bench(), people(20)
        journal = SqliteJournal(tmp_path / "run.db")
        if not is_new:
            await collect(bench.run(people(10, seed=2), journal=journal))
        name_also(bench.api, RedeemedPerson(rows[10], (MAIL,)))

        async def the_rest_later() -> AsyncIterator[str]:
            for row in rows[:10]:
                yield row
            await asyncio.sleep(60.0)
            for row in rows[10:]:
                yield row

        run = bench.run(the_rest_later(), journal=journal)
        outcomes = await collect(run)
        assert list(outcomes[10].emails) == [MAIL]
        assert rows[10] not in bench.api.charged
        assert run.report.found == 20

    run_virtual(main())


class Slow(MemoryJournal):
    """Takes a minute to tell of a person."""

    asked: str = ""

    async def lookup(
        self, keys: Sequence[str], newer_than: float | None = None
    ) -> Mapping[str, Settled | Unsettled]:
        known = await super().lookup(keys, newer_than)
        if self.asked in keys:
            await asyncio.sleep(60.0)
        return known


@pytest.mark.parametrize("max_age", [None, 4_000.0])
def test_who_comes_with_others_while_the_journal_is_asked_is_not_bought(
    max_age: float | None,
) -> None:
    async def main() -> None:
        bench, rows, journal = Bench(), people(29), Slow(VirtualClock())
        if max_age is not None:
            await collect(bench.run(rows, journal=journal))
            await asyncio.sleep(5_000)
            bench.api.charged.clear()

        async def while_a_job_is_open() -> AsyncIterator[str]:
            for row in rows[:10]:
                yield row
            await asyncio.sleep(20.0)
            name_also(bench.api, RedeemedPerson(rows[20], (MAIL,)))
            for row in rows[10:20]:
                yield row
            await asyncio.sleep(2.0)
            journal.asked = rows[0]
            for row in (rows[0], *rows[20:]):
                yield row

        outcomes = await collect(bench.run(while_a_job_is_open(), journal=journal, max_age=max_age))
        assert list(outcomes[21].emails) == [MAIL]
        assert set(bench.api.charged) == {*rows} - {rows[20]}
        known = (await journal.lookup([rows[20]]))[rows[20]]
        assert isinstance(known, Settled)
        assert known.emails == (MAIL,)

    run_virtual(main())


class SlowToWrite(MemoryJournal):
    """Takes a minute to write down that a person is to be sent."""

    person: str = ""

    async def intend(self, batch: Batch) -> None:
        await super().intend(batch)
        if self.person in batch.keys:
            await asyncio.sleep(60.0)


@pytest.mark.parametrize("number", [11, 20])
def test_who_comes_with_others_while_the_intent_is_written_is_not_bought(number: int) -> None:
    async def main() -> None:
        bench, rows, journal = Bench(), people(number), SlowToWrite(VirtualClock())
        name_also(bench.api, RedeemedPerson(rows[10], (MAIL,)))
        journal.person = rows[10]
        run = bench.run(rows, journal=journal, max_credits=5 * number)
        outcomes = await collect(run)
        assert list(outcomes[10].emails) == [MAIL]
        assert set(bench.api.charged) == {*rows} - {rows[10]}
        assert run.report.found == number
        assert not await journal.open_batches()

    run_virtual(main())


def test_who_came_with_others_and_is_planned_is_not_bought(tmp_path: Path) -> None:
    async def main() -> None:
        bench, rows = Bench(), people(20)
        name_also(bench.api, RedeemedPerson(rows[15], (MAIL,)))
        journal = SqliteJournal(tmp_path / "run.db")
        budget = 20 * 5
        run = bench.run(rows, journal=journal, max_open_jobs=1, max_credits=budget)
        outcomes = await collect(run)
        assert outcomes[15].emails == [MAIL]
        assert set(bench.api.charged) == {*rows} - {rows[15]}
        assert run.report.found == 20
        assert (await collect(bench.run(rows, journal=journal)))[15] == outcomes[15]

    run_virtual(main())


@pytest.mark.parametrize("end", ["found", "empty", "unsettled"])
def test_whose_own_job_is_open_keeps_what_came_with_others(tmp_path: Path, end: str) -> None:
    async def main() -> None:
        bench, rows = Bench(), people(20)
        name_also(bench.api, RedeemedPerson(rows[15], (MAIL,)))
        seconds = iter((5.0, 100.0))
        bench.api.duration = lambda size: next(seconds)
        if end == "empty":
            bench.api.empty.add(rows[15])

        def forgotten(_: str) -> PubrioError | None:
            is_late = end == "unsettled" and bench.now() > 60.0
            return NotFoundError("no such job", status=404) if is_late else None

        bench.api.every_query = forgotten
        journal = SqliteJournal(tmp_path / "run.db")
        outcomes = await collect(bench.run(rows, journal=journal))
        assert outcomes[15].emails == [MAIL]
        again = await collect(bench.run(rows, journal=journal))
        assert MAIL in again[15].emails
        assert len(again[15].emails) == (2 if end == "found" else 1)
        assert set(bench.api.charged.values()) == {1}

    run_virtual(main())


def test_a_refusal_takes_nobody_what_came_with_others(tmp_path: Path) -> None:
    async def main() -> None:
        bench, rows = Bench(), people(11)
        name_also(bench.api, RedeemedPerson(rows[10], (MAIL,)))
        submit = bench.api.submit

        async def slowly(kind: Any, keys: Sequence[str], ticket: int, phase: Phase) -> Any:
            await asyncio.sleep(30.0 if rows[10] in keys else 0.0)
            return await submit(kind, keys, ticket, phase)

        bench.api.submit = slowly  # type: ignore[method-assign] # a script of our own
        bench.api.every_submit = lambda keys: (
            BadRequestError("no such person", status=400) if rows[10] in keys else None
        )
        journal = SqliteJournal(tmp_path / "run.db")
        outcomes = await collect(bench.run(rows, journal=journal))
        assert outcomes[10].emails == [MAIL]
        assert await collect(bench.run(rows, journal=journal)) == outcomes

    run_virtual(main())


@pytest.mark.parametrize("status", ["empty", "rejected"])
@pytest.mark.parametrize("is_in_memory", [True, False])
def test_the_journal_keeps_what_came_with_others(
    tmp_path: Path, is_in_memory: bool, status: Literal["empty", "rejected"]
) -> None:
    """Even if the run has ended since, and the next one takes up the open batch."""

    async def main() -> None:
        clock, path = VirtualClock(), tmp_path / "run.db"
        journal: Journal = MemoryJournal(clock) if is_in_memory else SqliteJournal(path, clock)
        one, other = people(2)
        await journal.open(("email-work",))
        await journal.intend(Batch("a", "single", (one,)))
        await journal.intend(Batch("b", "single", (other,)))
        found = Settled("found", other, (MAIL,))
        await journal.settle("a", {one: Settled("empty", one), other: found}, 5)
        if not is_in_memory:
            await journal.close()
            journal = SqliteJournal(path, clock)
            await journal.open(("email-work",))
        await journal.settle("b", {other: Settled(status, other)}, 0)
        assert await journal.lookup([other]) == {other: found}
        assert not await journal.open_batches()
        summary = await journal.summary()
        assert (summary.found, summary.empty, summary.rejected) == (1, 1, 0)
        await journal.close()

    run_virtual(main())
