"""People who are bought again, and refused: what was known of them before is known still."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pubrio_async import (
    AuthenticationError,
    BadRequestError,
    JournalError,
    MemoryJournal,
)
from pubrio_async.scheduler.journal import Batch, Journal, NotFreeError
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from pubrio_async.testing import VirtualClock, run_virtual
from tests.scheduler.fake_api import AfterWorkError, Bench, collect, people
from tests.scheduler.losses import LOST


@pytest.fixture(params=["memory", "file"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Journal:
    if request.param == "memory":
        return MemoryJournal(VirtualClock())
    return SqliteJournal(tmp_path / "run.db", VirtualClock())


def refuse_all(bench: Bench) -> None:
    """From now on nobody is taken."""
    bench.api.every_submit = lambda keys: BadRequestError("unknown", status=400)


@pytest.mark.parametrize("number", [1, 3])
def test_what_was_bought_is_kept(journal: Journal, number: int) -> None:
    async def main() -> None:
        bench, rows = Bench(), people(number)
        bought = await collect(bench.run(rows, journal=journal))
        await asyncio.sleep(100.0)
        refuse_all(bench)
        again = await collect(bench.run([*rows, *rows], journal=journal, max_age=50.0))
        assert {outcome.status for outcome in again.values()} == {"rejected"}
        assert await collect(bench.run(rows, journal=journal)) == bought
        assert set(bench.api.charged.values()) == {1}

    run_virtual(main())


def test_what_was_bought_is_kept_if_the_journal_fails_for_a_moment(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(self: Journal, batch_id: str) -> None:
        monkeypatch.undo()
        raise JournalError("the disk is full")

    async def main() -> None:
        bench, rows = Bench(), people(1)
        bought = await collect(bench.run(rows, journal=journal))
        await asyncio.sleep(100.0)
        bench.api.on_submit.append(BadRequestError("unknown", status=400))
        monkeypatch.setattr(type(journal), "withdraw", full)
        again = await collect(bench.run(rows, journal=journal, max_age=50.0))
        assert {outcome.status for outcome in again.values()} == {"rejected"}
        assert await collect(bench.run(rows, journal=journal)) == bought

    run_virtual(main())


def test_who_is_new_or_was_not_found_is_refused_for_good(journal: Journal) -> None:
    async def main() -> None:
        bench, rows = Bench(), people(2)
        bench.api.every_submit = lambda keys: BadRequestError("unknown", status=400)
        await collect(bench.run(rows[:1], journal=journal))
        await asyncio.sleep(100.0)
        again = await collect(bench.run(rows, journal=journal, max_age=50.0))
        assert {outcome.status for outcome in again.values()} == {"rejected"}
        sent = len(bench.api.submits)
        told = await collect(bench.run(rows, journal=journal))
        assert {outcome.status for outcome in told.values()} == {"rejected"}
        assert len(bench.api.submits) == sent

    run_virtual(main())


def test_a_lost_request_is_looked_for_still(journal: Journal) -> None:
    async def main() -> None:
        bench, rows = Bench(), people(1)
        bench.api.log_delay = 1_000.0
        bench.api.on_submit.append(AfterWorkError(LOST))
        lost = await collect(bench.run(rows, journal=journal))
        assert {outcome.status for outcome in lost.values()} == {"unsettled"}
        refuse_all(bench)
        run = bench.run(None, journal=journal, contact_types=(), resend=True)
        (told,) = (await collect(run)).values()
        assert told.status == "unsettled"
        assert "Sending again: it was refused." in (told.error or "")
        await asyncio.sleep(2_000.0)
        run = bench.run(None, journal=journal, contact_types=(), reopen=True)
        assert {outcome.status for outcome in (await collect(run)).values()} == {"found"}

    run_virtual(main())


@pytest.mark.parametrize("number", [1, 3, 12])
def test_what_was_bought_is_handed_out_while_a_later_purchase_is_lost(
    journal: Journal, number: int
) -> None:
    async def main() -> None:
        bench, rows = Bench(), people(number)
        bought = await collect(bench.run(rows, journal=journal))
        await asyncio.sleep(100.0)
        bench.api.every_submit = lambda keys: LOST  # none of which ever arrives
        runs = [
            bench.run([*rows, *rows], journal=journal, max_age=50.0),
            bench.run(rows, journal=journal, max_age=50.0),
            bench.run(rows, journal=journal),
            bench.run(None, journal=journal, contact_types=(), reopen=True),
            bench.run(rows, journal=journal),
            bench.run(None, journal=journal, contact_types=(), resend=True),
        ]
        contacts = {outcome.person: outcome.emails for outcome in bought.values()}
        for run in runs:
            told = (await collect(run)).values()
            assert {outcome.status for outcome in told} == {"unsettled"}
            assert {outcome.person: outcome.emails for outcome in told} == contacts
            assert all(outcome.error for outcome in told)
        assert set(bench.api.charged.values()) == {1}

    run_virtual(main())


@pytest.mark.parametrize("number", [1, 3])
def test_who_is_lost_and_never_sent_again_is_unsettled_still(journal: Journal, number: int) -> None:
    """Not skipped: that would say that nothing was charged."""

    async def main() -> None:
        bench, rows = Bench(), people(number)
        bench.api.log_delay = 1_000.0
        bench.api.on_submit.append(AfterWorkError(LOST))
        await collect(bench.run(rows, journal=journal))
        again = bench.run(rows, journal=journal, resend=True, max_credits=1)
        (told,) = {outcome.status for outcome in (await collect(again)).values()}
        assert told == "unsettled"
        assert again.report.skipped == 0
        assert len(bench.api.submits) == 1

    run_virtual(main())


def test_nor_is_who_cannot_be_sent_again(journal: Journal) -> None:
    async def main() -> None:
        bench, rows = Bench(), people(3)
        bench.api.log_delay = 1_000.0
        bench.api.on_submit.append(AfterWorkError(LOST))
        await collect(bench.run(rows, journal=journal))
        bench.api.every_submit = lambda keys: AuthenticationError("bad key", status=401)
        again = bench.run([*rows, *rows], journal=journal, resend=True)
        ends = [outcome.status for outcome in (await collect(again)).values()]
        assert ends == ["unsettled"] * 6

    run_virtual(main())


def test_whom_somebody_else_has_bought_meanwhile_is_refused_without_ado(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal is shared with others: it says so when the refusal is about to be written."""
    intend, asked = type(journal).intend, 0

    async def intend_if_free(self: Journal, batch: Batch) -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            raise NotFreeError({})
        await intend(self, batch)

    async def main() -> None:
        bench, rows = Bench(), people(1)
        refuse_all(bench)
        await collect(bench.run(rows, journal=journal))
        await asyncio.sleep(100.0)
        monkeypatch.setattr(type(journal), "intend", intend_if_free)
        run = bench.run(rows, journal=journal, max_age=50.0)
        assert {outcome.status for outcome in (await collect(run)).values()} == {"rejected"}
        assert (asked, run.stopped_by) == (2, None)

    run_virtual(main())
