"""Connections that break in every way there is, at every request there is."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest

from pubrio_async import AsyncPubrio
from pubrio_async.models import Outcome, RunReport
from pubrio_async.scheduler import policy
from tests.cli.conftest import ids, write_csv
from tests.process.conftest import BATCH, PATIENCE_S, QUERY, Api, StartApi, StartCli, statistics
from tests.process.proxy import HARMLESS, LOST, NOT_FORWARDED, Fate, Mode, at

PEOPLE = ids(40)
# Short, but many times what a reply takes on a loopback.
TIMEOUT_S = 0.5
SETTLED = {"found", "empty"}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a lost poll the next one is seconds away; here it comes soon."""
    monkeypatch.setattr(policy, "_WAIT_WITHOUT_ESTIMATE_S", 0.02)


async def redeem(
    api: Api, people: list[str] = PEOPLE, *, journal: Path | None = None, batch_size: int = 10
) -> tuple[list[Outcome], RunReport]:
    """One run; that it ends at all, and soon, is part of each test."""
    outcomes: list[Outcome] = []
    async with (
        asyncio.timeout(PATIENCE_S),
        AsyncPubrio("key-of-the-test", api.url, "unlimited", timeout=TIMEOUT_S) as pubrio,
        pubrio.redeem.many(
            people,
            people_contact_types=["email-work", "phone"],
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


def assert_accounted_for(api: Api, outcomes: list[Outcome]) -> None:
    """Everyone who was charged has contacts, or is told as perhaps charged."""
    assert api.charged() <= with_status(outcomes, "found", "unsettled", "pending")
    for outcome in outcomes:
        if outcome.status == "found":
            kinds = ["email-work", "phone"]
            held = api.sandbox.contacts_for(outcome.person, kinds)
            got = [*outcome.emails, *outcome.phones]
            assert {contact.value for contact in got} == {contact.value for contact in held}


@pytest.mark.parametrize("number", [0, 2])
@pytest.mark.parametrize("mode", sorted(LOST))
async def test_a_submit_whose_answer_is_lost_costs_its_own_people_only(
    api: StartApi, mode: Mode, number: int
) -> None:
    served = await api(at(BATCH, {number}, mode))
    outcomes, report = await redeem(served)

    assert served.proxy.fates[mode] == 1
    unsettled = with_status(outcomes, "unsettled")
    assert len(unsettled) == 10
    assert len(with_status(outcomes, *SETTLED)) == 30
    for outcome in outcomes:
        if outcome.status == "unsettled":
            assert outcome.error is not None
            assert "charged" in outcome.error
    assert_accounted_for(served, outcomes)
    if mode in NOT_FORWARDED:
        assert not served.charged() & unsettled
    # The lost one was never sent again, on its own or by another batch.
    assert served.proxy.seen[BATCH] == 4
    assert report.retries == 0
    assert await served.double_charges() == 0


@pytest.mark.parametrize("mode", sorted(LOST))
async def test_a_poll_whose_answer_is_lost_costs_nobody(api: StartApi, mode: Mode) -> None:
    served = await api(at(QUERY, {0, 2}, mode))
    outcomes, report = await redeem(served)

    assert served.proxy.fates[mode] == 2
    assert with_status(outcomes, *SETTLED) == set(PEOPLE)
    assert report.retries == 2
    assert_accounted_for(served, outcomes)
    assert await served.double_charges() == 0


@pytest.mark.parametrize("mode", sorted(HARMLESS))
async def test_slow_is_not_lost(api: StartApi, mode: Mode) -> None:
    served = await api(lambda path, number: mode)
    outcomes, report = await redeem(served)

    assert with_status(outcomes, *SETTLED) == set(PEOPLE)
    assert report.retries == 0
    assert served.proxy.seen[BATCH] == report.batches == 4
    assert_accounted_for(served, outcomes)
    assert await served.double_charges() == 0


@pytest.mark.parametrize("seed", range(3))
async def test_any_mixture_of_it_all_and_then_again(
    api: StartApi, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    modes: list[Mode] = [*get_args(Mode), *("pass",) * 20]
    served = await api(lambda path, number: rng.choice(modes))
    people = ids(90)
    journal = tmp_path / "run.db"
    broken, _ = await redeem(served, people, journal=journal, batch_size=3)
    assert {outcome.status for outcome in broken} <= {*SETTLED, "unsettled", "pending"}
    assert_accounted_for(served, broken)
    assert with_status(broken, "unsettled")

    served.proxy.plan = lambda path, number: "pass"
    submits = served.proxy.seen[BATCH]
    whole, _ = await redeem(served, people, journal=journal, batch_size=3)

    assert with_status(whole, "unsettled") == with_status(broken, "unsettled")
    assert with_status(whole, "found") >= with_status(broken, "found")
    assert not with_status(whole, "pending", "failed", "skipped")
    assert_accounted_for(served, whole)
    assert served.proxy.seen[BATCH] == submits
    assert await served.double_charges() == 0


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
    fates: dict[int, Fate] = {1: "reset", 3: "reset_after", 5: "truncate"}
    served = await api(lambda path, number: fates.get(number, "pass") if path == BATCH else "pass")
    served.proxy.forward_to(direct)
    source, out = write_csv(tmp_path / "in.csv", ids(40)), tmp_path / "out.jsonl"
    words = ["redeem", source, "-o", out, "--types", "email-work", "--batch-size", "5"]

    ended = await (await cli(*words, "--progress", "none", url=served.url)).end()

    assert ended.code == 3, ended.err
    assert "15 rows unsettled" in ended.err
    assert Counter(re.findall(r'"status":"(\w+)","emails"', out.read_text())).total() == 40
    told = await statistics(direct)
    assert told["regrets"]["double_charges"] == 0
    # The reset came before the request was passed on.
    assert told["statistics"]["people"] == 35
