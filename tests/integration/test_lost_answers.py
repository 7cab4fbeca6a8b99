"""Answers that are lost on the way are found in the request log of the stand-in."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from pubrio_async import AsyncPubrio
from pubrio_async.sandbox import Fault, Sandbox, SandboxConfig, SandboxServer, SandboxTransport
from pubrio_async.scheduler import logbook
from pubrio_async.testing import VirtualClock, run_virtual
from tests.integration.test_against_the_sandbox import (
    TYPES,
    check_found,
    collect,
    linkedin,
    people,
)

NEVER_ARRIVED = Fault(kind="lost_before", path="/redeem/people/batch$", times=1, after=7)
FAULTS = (
    Fault(kind="lost_after", path="/redeem/people", probability=0.1),
    Fault(kind="5xx_after", path="/redeem/people", probability=0.1),
    Fault(kind="garbage", path="/redeem/people", times=2, after=4),
    Fault(kind="truncated", path="/redeem/people", times=2, after=9),
    Fault(kind="stall", path="/redeem/people/batch$", times=2, after=2),
    NEVER_ARRIVED,
)


@pytest.mark.parametrize("log_delay", [0.0, 10.0, 40.0])
def test_only_what_never_arrived_stays_unsettled(log_delay: float) -> None:
    async def main() -> None:
        sandbox = Sandbox(SandboxConfig(latency=0.2, log_delay=log_delay))
        for fault in FAULTS:
            sandbox.add_fault(fault)
        rows = people(1_000) + linkedin(20)
        transport = SandboxTransport(sandbox, latency=0.05)
        async with AsyncPubrio("key", transport=transport, clock=VirtualClock()) as pubrio:
            run = pubrio.redeem.many(rows, people_contact_types=TYPES, batch_size=20)
            outcomes = await collect(run)
        statuses = Counter(outcome.status for outcome in outcomes.values())
        assert statuses["unsettled"] == 20, "one batch never reached the API"
        assert statuses["found"] + statuses["empty"] == len(rows) - 20
        check_found(sandbox, outcomes)
        assert sandbox.statistics().repeated_people == 0
        assert sandbox.regrets().total == 0
        # Every credit is accounted for.
        assert run.report.credits_charged == sandbox.statistics().credits_charged

    run_virtual(main())


async def test_a_lost_answer_is_found_over_a_real_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The five seconds that the API is given would be real ones.
    monkeypatch.setattr(logbook, "_FIRST_LOOK_S", 0.02)
    sandbox = Sandbox(SandboxConfig(time_scale=0.01))
    sandbox.add_fault(Fault(kind="lost_after", path="/redeem/people", times=2))
    rows = [*people(40), *linkedin(1)]
    async with SandboxServer(sandbox) as server, AsyncPubrio("key", server.url) as pubrio:
        journal = tmp_path / "run.db"
        run = pubrio.redeem.many(rows, people_contact_types=TYPES, batch_size=20, journal=journal)
        outcomes = await collect(run)
        left = await collect(pubrio.redeem.resolve(journal))
    assert not left
    check_found(sandbox, outcomes)
    assert {outcome.status for outcome in outcomes.values()} <= {"found", "empty"}
    assert sandbox.statistics().repeated_people == 0
    assert sandbox.statistics().requests_by_path["/api_keys/logs/lookup"] <= 6
    assert run.report.credits_charged == sandbox.statistics().credits_charged
