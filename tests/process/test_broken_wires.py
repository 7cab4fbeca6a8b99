"""Connections that break in every way there is, at every request there is."""

from __future__ import annotations

import asyncio
import random
import re
from pathlib import Path

import pytest

from pubrio_async import AsyncPubrio
from pubrio_async.models import Outcome, RunReport
from pubrio_async.scheduler import logbook, policy, reconcile
from pubrio_async.scheduler.journal_status import read_status
from tests.cli.conftest import ids, write_csv
from tests.process.books import Told, arrived, assert_balanced, read, statistics
from tests.process.conftest import BATCH, LOG, LOGS, PATIENCE_S, QUERY, Api, StartApi, StartCli
from tests.process.proxy import HARMLESS, LOST, NOT_FORWARDED, Fate, Mode, always_pass, at

PEOPLE = ids(40)
TYPES = ("email-work", "phone")
# Short, but many times what a reply takes on a loopback.
TIMEOUT_S = 0.5
# A process has more to do in its first moments.
CLI_TIMEOUT_S = 1.0
SETTLED = {"found", "empty"}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """After something is lost the next look is seconds away; here it comes soon."""
    monkeypatch.setattr(policy, "_WAIT_WITHOUT_ESTIMATE_S", 0.02)
    monkeypatch.setattr(logbook, "_FIRST_LOOK_S", 0.02)
    monkeypatch.setattr(logbook, "_LATER_LOOKS_S", (0.05, 0.1))
    monkeypatch.setattr(reconcile, "_PAUSE_S", 0.05)


async def redeem(
    api: Api,
    people: list[str] = PEOPLE,
    *,
    journal: Path | None = None,
    batch_size: int = 10,
    timeout_s: float = TIMEOUT_S,
) -> tuple[list[Outcome], RunReport]:
    """One run; that it ends at all, and soon, is part of each test."""
    outcomes: list[Outcome] = []
    async with (
        asyncio.timeout(PATIENCE_S),
        AsyncPubrio("key-of-the-test", api.url, "unlimited", timeout=timeout_s) as pubrio,
        pubrio.redeem.many(
            people,
            people_contact_types=list(TYPES),
            batch_size=batch_size,
            journal=journal,
        ) as run,
    ):
        async for outcome in run:
            outcomes.append(outcome)  # noqa: PERF401 - what came before a failure is worth seeing
    assert sorted(outcome.row for outcome in outcomes) == list(range(len(people)))
    return outcomes, run.report


def with_status(outcomes: list[Outcome], *statuses: str) -> set[str]:
    return {outcome.person for outcome in outcomes if outcome.status in statuses}


def told_by(outcomes: list[Outcome]) -> Told:
    return Told(
        {outcome.person: outcome.status for outcome in outcomes},
        {
            outcome.person: {contact.value for contact in (*outcome.emails, *outcome.phones)}
            for outcome in outcomes
        },
        {outcome.person: outcome.error or "" for outcome in outcomes},
    )


async def assert_accounted_for(api: Api, outcomes: list[Outcome], report: RunReport) -> None:
    """What was told is what the ledger and the request log say, to the credit."""
    await assert_balanced(api, told_by(outcomes), TYPES)
    assert report.credits_charged == api.sandbox.statistics().credits_charged


@pytest.mark.parametrize("number", [0, 2])
@pytest.mark.parametrize("mode", sorted(LOST))
async def test_a_submit_whose_answer_is_lost_is_found_if_it_arrived(
    api: StartApi, mode: Mode, number: int
) -> None:
    served = await api(at(BATCH, {number}, mode))
    outcomes, report = await redeem(served)

    assert served.proxy.fates[mode] == 1
    unsettled = with_status(outcomes, "unsettled")
    assert len(unsettled) == (10 if mode in NOT_FORWARDED else 0)
    assert with_status(outcomes, *SETTLED) == set(PEOPLE) - unsettled
    for outcome in outcomes:
        if outcome.status == "unsettled":
            assert outcome.error is not None
            assert "charged" in outcome.error
            assert "in the request log: " in outcome.error
    await assert_accounted_for(served, outcomes, report)
    # The lost one was never sent again, on its own or by another batch.
    assert served.proxy.seen[BATCH] == 4
    assert report.retries == 0


@pytest.mark.parametrize("mode", sorted(LOST))
async def test_looks_into_the_log_that_are_lost_are_made_again(api: StartApi, mode: Mode) -> None:
    # The submit arrived, whatever becomes of the looks.
    fates: dict[tuple[str, int], Fate] = {
        (BATCH, 1): "reset_after",
        (LOGS, 0): mode,
        (LOG, 0): mode,
    }
    served = await api(lambda path, number: fates.get((path, number), "pass"))
    outcomes, report = await redeem(served)

    assert served.proxy.seen[LOGS] >= 2
    assert served.proxy.seen[LOG] >= 2
    assert with_status(outcomes, *SETTLED) == set(PEOPLE)
    await assert_accounted_for(served, outcomes, report)
    assert served.proxy.seen[BATCH] == 4


@pytest.mark.parametrize("mode", sorted(LOST))
async def test_a_poll_whose_answer_is_lost_costs_nobody(api: StartApi, mode: Mode) -> None:
    served = await api(at(QUERY, {0, 2}, mode))
    outcomes, report = await redeem(served)

    assert served.proxy.fates[mode] == 2
    assert with_status(outcomes, *SETTLED) == set(PEOPLE)
    assert report.retries == 2
    await assert_accounted_for(served, outcomes, report)


@pytest.mark.parametrize("mode", sorted(HARMLESS))
async def test_slow_is_not_lost(api: StartApi, mode: Mode) -> None:
    served = await api(lambda path, number: mode)
    # On a machine with other things to do, byte by byte may take a while.
    outcomes, report = await redeem(served, timeout_s=20.0)

    assert with_status(outcomes, *SETTLED) == set(PEOPLE)
    assert report.retries == 0
    assert served.proxy.seen[BATCH] == report.batches == 4
    await assert_accounted_for(served, outcomes, report)


@pytest.mark.parametrize("seed", range(3))
async def test_any_mixture_of_it_all_and_then_again(
    api: StartApi, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    modes: list[Mode] = [*LOST, *HARMLESS, *["pass" for _ in range(20)]]
    served = await api(
        lambda path, number: "reset" if (path, number) == (BATCH, 3) else rng.choice(modes)
    )
    people = ids(90)
    journal = tmp_path / "run.db"
    broken, report = await redeem(served, people, journal=journal, batch_size=3)
    assert {outcome.status for outcome in broken} <= {*SETTLED, "unsettled", "pending"}
    assert served.charged() <= with_status(broken, "found", "unsettled", "pending")
    assert report.credits_charged <= served.sandbox.statistics().credits_charged
    assert len(with_status(broken, "unsettled")) >= 3

    served.proxy.plan = always_pass
    submits = served.proxy.seen[BATCH]
    async with (
        asyncio.timeout(PATIENCE_S),
        AsyncPubrio("key-of-the-test", served.url, "unlimited", timeout=TIMEOUT_S) as pubrio,
        pubrio.redeem.resolve(journal) as run,
    ):
        resolved = [outcome async for outcome in run]
    assert {outcome.person for outcome in resolved} == with_status(broken, "unsettled")
    whole, _ = await redeem(served, people, journal=journal, batch_size=3)

    # However broken the log was before, by now all of it has been read.
    await assert_balanced(served, told_by(whole), TYPES, journal)
    assert with_status(whole, "unsettled") == with_status(resolved, "unsettled")
    assert with_status(whole, "found") >= with_status(broken, "found")
    assert served.proxy.seen[BATCH] == submits


async def test_nobody_listens_and_nobody_may_have_been_charged(api: StartApi) -> None:
    served = await api()
    async with (
        asyncio.timeout(PATIENCE_S),
        # A port of the discard service, where nobody listens.
        AsyncPubrio("key-of-the-test", "http://127.0.0.1:9", timeout=TIMEOUT_S) as pubrio,
        pubrio.redeem.many(PEOPLE, people_contact_types=["phone"], deadline=0.3) as run,
    ):
        outcomes = [outcome async for outcome in run]

    assert len(outcomes) == len(PEOPLE)
    assert {outcome.status for outcome in outcomes} <= {"failed", "skipped"}
    assert served.sandbox.statistics().requests == 0


async def test_three_processes_with_a_bad_wire_between_them(
    cli: StartCli, api: StartApi, tmp_path: Path
) -> None:
    """The command, the wire, and the stand-in as a command of its own."""
    server = await cli("sandbox", "--limits", "unlimited", "--time-scale", "0")
    assert server.child.stdout is not None
    direct = (await server.child.stdout.readline()).decode().strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", direct)
    fates: dict[int, Fate] = {1: "reset", 3: "reset_after", 5: "truncate", 6: "stall"}
    served = await api(lambda path, number: fates.get(number, "pass") if path == BATCH else "pass")
    served.proxy.forward_to(direct)
    people = ids(40)
    source, out = write_csv(tmp_path / "in.csv", people), tmp_path / "out.csv"
    words = ["redeem", source, "-o", out, "--types", "email-work", "--batch-size", "5"]

    process = await cli(*words, "--progress", "none", url=served.url, timeout=CLI_TIMEOUT_S)
    ended = await process.end()

    assert ended.code == 3, ended.err
    assert "5 rows unsettled" in ended.err
    books = await statistics(direct)
    assert books["regrets"]["double_charges"] == 0
    # The reset came before the request was passed on: that alone could not be found.
    assert books["statistics"]["people"] == 35
    told = read(out, people)
    assert len(told.people("unsettled")) == 5
    named = await arrived(direct)
    assert named.keys() == told.people(*SETTLED)
    assert set(named.values()) == {1}
    assert read_status(f"{out}.journal").credits_charged == books["statistics"]["credits_charged"]
