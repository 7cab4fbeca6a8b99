"""The whole package against the stand-in: over a real socket, and in virtual time with faults."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pubrio_async import AsyncPubrio, AuthenticationError, ConfigurationError, Outcome, Run
from pubrio_async.sandbox import Fault, Sandbox, SandboxConfig, SandboxServer, SandboxTransport
from pubrio_async.scheduler import logbook
from pubrio_async.testing import VirtualClock, run_virtual
from tests.scheduler.fake_api import people

TYPES = ["email-work", "phone"]


def linkedin(count: int) -> list[str]:
    return [f"https://www.linkedin.com/in/somebody-{number}" for number in range(count)]


def check_found(sandbox: Sandbox, outcomes: dict[int, Outcome]) -> None:
    """Every settled row has exactly what the sandbox knows of its person."""
    for outcome in outcomes.values():
        if outcome.status not in {"found", "empty"}:
            continue
        person = outcome.person.strip()
        if "linkedin" in person:
            resolved = sandbox.id_for_linkedin(person)
            expected = sandbox.contacts_for(resolved, TYPES) if resolved else ()
        else:
            expected = sandbox.contacts_for(person, TYPES)
        got = [(c.type, c.value, c.status) for c in (*outcome.emails, *outcome.phones)]
        assert sorted(got, key=str) == sorted(
            ((c.type, c.value, c.status) for c in expected), key=str
        )
        assert (outcome.status == "found") == bool(expected)


async def collect(run: Run) -> dict[int, Outcome]:
    outcomes: dict[int, Outcome] = {}
    async with run:
        async for outcome in run:
            assert outcome.row not in outcomes
            outcomes[outcome.row] = outcome
    return outcomes


# ------------------------------------------------------------------------------ real sockets


async def test_ten_thousand_rows_over_a_real_socket() -> None:
    sandbox = Sandbox(SandboxConfig(time_scale=0.02))
    rows = people(10_000)
    async with SandboxServer(sandbox) as server, AsyncPubrio("key", server.url) as pubrio:
        run = pubrio.redeem.many(rows, people_contact_types=TYPES, batch_size=100)
        outcomes = await collect(run)
    report = run.report
    assert sorted(outcomes) == list(range(10_000))
    assert all(outcome.people_search_id == rows[row] for row, outcome in outcomes.items())
    check_found(sandbox, outcomes)
    ledger = sandbox.statistics()
    assert report.batches == 100
    assert ledger.requests == report.requests <= 2 * 100 * 1.02
    assert report.rate_limited == 0
    assert sandbox.regrets().total == 0
    assert report.credits_charged == ledger.credits_charged > 0
    assert report.credit_balance == ledger.credit


async def test_mixed_rows_over_a_real_socket_with_a_durable_journal(tmp_path: Path) -> None:
    sandbox = Sandbox(SandboxConfig(time_scale=0.02))
    ids = people(101)
    rows = [*ids, *linkedin(7), ids[3].upper(), "not a person", ids[100], *linkedin(1), ""]
    async with SandboxServer(sandbox) as server, AsyncPubrio("key", server.url) as pubrio:
        for _ in range(2):
            run = pubrio.redeem.many(
                rows, people_contact_types=TYPES, batch_size=25, journal=tmp_path / "run.db"
            )
            outcomes = await collect(run)
            assert sorted(outcomes) == list(range(len(rows)))
            check_found(sandbox, outcomes)
            assert Counter(o.status for o in outcomes.values())["rejected"] == 2
        assert run.report.requests == 0
    assert sandbox.statistics().requests == 2 * 4 + 1 + 7
    assert sandbox.regrets().total == 0


@pytest.mark.parametrize(
    "fault",
    ["lost_after", "5xx_after", "truncated", "garbage"],
)
async def test_a_lost_reply_over_a_real_socket_is_not_paid_twice(
    fault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The seconds the API is given would be real ones.
    monkeypatch.setattr(logbook, "_FIRST_LOOK_S", 0.02)
    sandbox = Sandbox(SandboxConfig(time_scale=0.02))
    sandbox.add_fault(Fault(kind="400", path="/api_keys"))  # nor can the log be read
    sandbox.add_fault(Fault(kind=fault, path="/redeem/people/batch$", after=1, times=1))
    async with SandboxServer(sandbox) as server, AsyncPubrio("key", server.url) as pubrio:
        run = pubrio.redeem.many(people(50), people_contact_types=TYPES, batch_size=10)
        outcomes = await collect(run)
    counts = Counter(o.status for o in outcomes.values())
    assert counts["unsettled"] == 10
    assert counts["found"] + counts["empty"] == 40
    assert sandbox.statistics().jobs_submitted == 5
    assert sandbox.regrets().double_charges == 0


async def test_a_refused_key_costs_one_request() -> None:
    sandbox = Sandbox(SandboxConfig(api_key="right"))
    async with SandboxServer(sandbox) as server, AsyncPubrio("a-refused-key", server.url) as pubrio:
        run = pubrio.redeem.many(people(500), people_contact_types=TYPES)
        outcomes = await collect(run)
        assert isinstance(run.stopped_by, AuthenticationError)
    assert Counter(o.status for o in outcomes.values()) == {"failed": 100, "skipped": 400}
    assert sandbox.statistics().requests == 1
    assert "a-refused-key" not in str(run.stopped_by)


async def test_leaving_early_over_a_real_socket_leaves_no_task() -> None:
    sandbox = Sandbox(SandboxConfig(time_scale=0.02))
    before = asyncio.all_tasks()
    async with SandboxServer(sandbox) as server:
        async with AsyncPubrio("key", server.url) as pubrio:
            async with pubrio.redeem.many(people(2_000), people_contact_types=TYPES) as run:
                async for _ in run:
                    break
            assert pubrio.statistics().runs == 0
        async with AsyncPubrio("key", server.url) as pubrio:
            run = pubrio.redeem.many(people(2_000), people_contact_types=TYPES)
            await run.__aenter__()
            await anext(run)
            assert pubrio.statistics().runs == 1
        # Closing the client has ended the run it had open.
        assert run.report.rows >= 1
        with pytest.raises(ConfigurationError, match="closed"):
            await pubrio.user.get()
        with pytest.raises(ConfigurationError, match="closed"):
            pubrio.redeem.many([], people_contact_types=TYPES)
    assert asyncio.all_tasks() == before


async def test_a_session_of_the_user_is_used_and_left_open() -> None:
    sandbox = Sandbox(SandboxConfig(time_scale=0.02))
    async with SandboxServer(sandbox) as server, aiohttp.ClientSession() as session:
        async with AsyncPubrio("key", server.url, session=session) as pubrio:
            assert (await pubrio.profile.get()).credit == 1_000_000
            reply = await pubrio.redeem.people(
                people_search_id=people(1)[0], people_contact_types=["email-work"]
            )
            assert reply.profile is not None
        assert not session.closed


# ------------------------------------------------------------------------------ virtual time


def client(sandbox: Sandbox, rate: str = "300/minute", latency: float = 0.1) -> AsyncPubrio:
    return AsyncPubrio(
        "key",
        rate_limit=rate,
        transport=SandboxTransport(sandbox, latency=latency),
        clock=VirtualClock(),
    )


@pytest.mark.parametrize("order", ["results", "makespan"])
@pytest.mark.parametrize("phase", [0.0, 17.3, 59.9])
def test_hours_of_work_overrun_no_window_of_any_phase(order: Any, phase: float) -> None:
    async def main() -> None:
        limits = "60/minute; 1000/hour"
        sandbox = Sandbox(
            SandboxConfig(limits=limits, window_phase=phase, distribution="lognormal")
        )
        async with client(sandbox, limits) as pubrio:
            run = pubrio.redeem.many(
                people(20_000), people_contact_types=TYPES, batch_size=20, order=order
            )
            outcomes = await collect(run)
        assert Counter(o.status for o in outcomes.values()).keys() <= {"found", "empty"}
        assert sandbox.regrets().refused_429 == 0
        assert sandbox.regrets().early_polls == 0
        assert run.report.polls <= 1_000 * 1.02
        assert run.report.credits_charged == sandbox.statistics().credits_charged
        assert 3_600 <= run.report.elapsed_s <= 3 * 3_600

    run_virtual(main())


@pytest.mark.parametrize("retry_after", ["none", "seconds", "date"])
def test_a_limit_that_others_use_up_too_is_waited_for(retry_after: Any) -> None:
    async def main() -> None:
        sandbox = Sandbox(SandboxConfig(limits="20/minute", retry_after=retry_after))
        async with client(sandbox, "300/minute") as pubrio:
            run = pubrio.redeem.many(people(600), people_contact_types=TYPES, batch_size=10)
            outcomes = await collect(run)
        assert Counter(o.status for o in outcomes.values()).keys() <= {"found", "empty"}
        assert sandbox.regrets().double_charges == 0
        windows = run.report.elapsed_s / 60
        assert windows <= 11
        # A window costs the requests under way when it was found full, and a few careful tries.
        assert run.report.rate_limited <= (windows + 1) * (40 if retry_after == "none" else 35)

    run_virtual(main())


FAULTS = [
    "lost_before",
    "lost_after",
    "5xx_before",
    "5xx_after",
    "garbage",
    "truncated",
    "slow",
    "stall",
    "429",
    "400",
]


@pytest.mark.parametrize("seed", range(12))
def test_whatever_goes_wrong_nobody_is_paid_for_twice_and_no_row_is_lost(seed: int) -> None:
    async def main() -> None:
        rng = random.Random(seed)
        sandbox = Sandbox(SandboxConfig(seed=seed, distribution="lognormal", credit=10_000_000))
        for kind in rng.sample(FAULTS, k=4):
            sandbox.add_fault(
                Fault(
                    kind=kind,  # type: ignore[arg-type] # drawn from the kinds
                    probability=rng.choice([0.02, 0.1, 0.3]),
                    path="/redeem",
                )
            )
        rows = [*people(700, seed), *linkedin(20), *people(50, seed)]
        transport = SandboxTransport(sandbox, latency=rng.choice([0.01, 0.3, 2.0]))
        transport.connect_refused = rng.choice([0, 5, 40])
        async with AsyncPubrio("key", transport=transport, clock=VirtualClock()) as pubrio:
            run = pubrio.redeem.many(
                rows, people_contact_types=TYPES, batch_size=rng.choice([7, 50]), deadline=7_200
            )
            outcomes = await collect(run)
        assert sorted(outcomes) == list(range(len(rows)))
        check_found(sandbox, outcomes)
        assert sandbox.regrets().double_charges == 0
        assert sandbox.regrets().malformed_ids == 0
        assert run.report.credits_charged <= sandbox.statistics().credits_charged
        lost = {"unsettled", "pending"} & {o.status for o in outcomes.values()}
        if not lost:
            assert run.report.credits_charged == sandbox.statistics().credits_charged

    run_virtual(main())
