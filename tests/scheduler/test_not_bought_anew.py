"""People who were to be bought again, and are not: they come out with what was bought before."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pubrio_async import (
    BadRequestError,
    InsufficientCreditsError,
    MemoryJournal,
    Outcome,
    PermissionDeniedError,
)
from pubrio_async.scheduler.journal import Journal
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from pubrio_async.testing import VirtualClock, run_virtual
from tests.scheduler.fake_api import Bench, collect, people, statuses
from tests.scheduler.losses import LOST, URL, api_error

NUMBER = 30


@pytest.fixture(params=["memory", "file"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Journal:
    if request.param == "memory":
        return MemoryJournal(VirtualClock())
    return SqliteJournal(tmp_path / "run.db", VirtualClock())


def no_credits(bench: Bench) -> dict[str, Any]:
    bench.api.every_submit = lambda keys: api_error(InsufficientCreditsError, 402)
    return {}


def no_budget(bench: Bench) -> dict[str, Any]:
    return {"max_credits": 0}


def unfinished_jobs(bench: Bench) -> dict[str, Any]:
    bench.api.duration = lambda size: 1_000.0
    return {"deadline": 20.0}


def never_looked_for(bench: Bench) -> dict[str, Any]:
    bench.api.every_submit = lambda keys: LOST
    return {"deadline": 1.0}


def refused_one_by_one(bench: Bench) -> dict[str, Any]:
    bench.api.every_submit = lambda keys: BadRequestError("unknown", status=400)
    return {}


REASONS: dict[Callable[[Bench], dict[str, Any]], set[str]] = {
    no_credits: {"failed", "skipped"},
    no_budget: {"skipped"},
    unfinished_jobs: {"pending"},
    never_looked_for: {"unsettled"},
    refused_one_by_one: {"rejected", "skipped"},
}


def contacts(outcomes: dict[int, Outcome]) -> dict[str, Any]:
    return {outcome.person: (outcome.emails, outcome.phones) for outcome in outcomes.values()}


async def twice(rows: Sequence[str]) -> AsyncIterator[str]:
    """Each is named while it waits, and once more when what became of it is known."""
    for row in (*rows, *rows):
        yield row
    await asyncio.sleep(900)
    for row in rows:
        yield row


@pytest.mark.parametrize("hinder", REASONS)
def test_who_is_not_bought_anew_keeps_what_was_bought(
    journal: Journal, hinder: Callable[[Bench], dict[str, Any]]
) -> None:
    async def main() -> None:
        bench, rows = Bench(), people(NUMBER)
        bought = await collect(bench.run(rows, journal=journal))
        assert all(outcome.emails for outcome in bought.values())
        await asyncio.sleep(5_000)
        options = hinder(bench)
        source = rows if "deadline" in options else twice(rows)
        again = await collect(bench.run(source, journal=journal, max_age=4_000.0, **options))
        assert {outcome.status for outcome in again.values()} == REASONS[hinder]
        assert contacts(again) == contacts(bought)
        assert all(outcome.error for outcome in again.values())
        assert len({id(outcome.emails) for outcome in again.values()}) == len(again)

    run_virtual(main())


def test_who_is_sent_again_and_is_not_finished_keeps_what_was_bought(journal: Journal) -> None:
    """Their later purchase was lost; the one that is to make up for it stays open."""

    async def main() -> None:
        bench, rows = Bench(), people(NUMBER)
        bought = await collect(bench.run(rows, journal=journal))
        await asyncio.sleep(5_000)
        bench.api.every_submit = lambda keys: LOST
        bench.api.log_error = api_error(PermissionDeniedError, 403)
        lost = await collect(bench.run(rows, journal=journal, max_age=4_000.0))
        bench.api.every_submit = lambda keys: None
        bench.api.duration = lambda size: 1_000.0
        again = await collect(bench.run(rows, journal=journal, resend=True, deadline=20.0))
        assert statuses(lost) == {"unsettled": NUMBER}
        assert statuses(again) == {"pending": NUMBER}
        assert contacts(lost) == contacts(again) == contacts(bought)

    run_virtual(main())


def test_all_rows_of_somebody_who_is_left_out_at_once_tell_what_was_bought(
    journal: Journal,
) -> None:
    async def main() -> None:
        bench, ids = Bench(), people(2)
        rows = [*ids, URL, *ids, URL]
        bought = await collect(bench.run(rows, journal=journal))
        assert all(outcome.emails for outcome in bought.values())
        await asyncio.sleep(5_000)
        again = await collect(bench.run(rows, journal=journal, max_age=4_000.0, max_credits=0))
        assert {outcome.status for outcome in again.values()} == {"skipped"}
        assert {row: end.emails for row, end in again.items()} == {
            row: end.emails for row, end in bought.items()
        }

    run_virtual(main())


def test_who_is_new_comes_out_without_contacts_beside_them(journal: Journal) -> None:
    async def main() -> None:
        bench, rows = Bench(), people(NUMBER)
        await collect(bench.run(rows[:10], journal=journal))
        await asyncio.sleep(5_000)
        run = bench.run(rows, journal=journal, max_age=4_000.0, max_credits=0)
        outcomes = await collect(run)
        assert Counter(bool(outcome.emails) for outcome in outcomes.values()) == {
            True: 10,
            False: 20,
        }
        assert all((outcome.row < 10) == bool(outcome.emails) for outcome in outcomes.values())
        assert run.report.skipped == NUMBER

    run_virtual(main())


def test_what_is_kept_of_people_who_wait_is_let_go_with_them(journal: Journal) -> None:
    async def main() -> None:
        bench, rows = Bench(), people(300)
        await collect(bench.run(rows, journal=journal))
        await asyncio.sleep(5_000)
        run = bench.run([*rows, *rows], journal=journal, max_age=4_000.0)
        outcomes = await collect(run)
        assert {outcome.status for outcome in outcomes.values()} == {"found"}
        assert run._engine is not None
        assert not run._engine._intake._before

    run_virtual(main())
