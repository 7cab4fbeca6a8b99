"""Replies that name people beyond those who were asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pubrio_async._phase import Phase
from pubrio_async.models import Contact, RedeemedPerson, RedeemQueryReply
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
