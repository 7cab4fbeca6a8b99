"""How well the scheduler uses a fixed window: in virtual time, against the least time possible.

The bound for B batches under L requests per W seconds, each needing one submit and one poll:
max((ceil(2B / L) - 1) * W + RTT, 2 * RTT + the longest job or estimate), since no job is polled
before the time the API names for it.
"""

import json
import math
import random
import statistics
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

from pubrio_async import AsyncPubrio
from pubrio_async.sandbox import Sandbox, SandboxConfig, SandboxTransport
from pubrio_async.testing import VirtualClock, run_virtual

RTT = 0.2
STRAGGLER = 51.6  # one job in twenty takes ten times as long, and its estimate does not know
BATCH = 2  # the smallest batch there is: what is measured is requests, not people


class Result(NamedTuple):
    polls_per_job: float
    makespan: float
    refused: int
    jobs_open: int


class Listening(SandboxTransport):
    """Notes the longest estimate that passes through it."""

    longest = 0.0

    async def send(self, request: Any, *, timeout: float, phase: Any) -> Any:
        reply = await super().send(request, timeout=timeout, phase=phase)
        if request.path == "/redeem/people/batch":
            estimate = json.loads(reply.body)["data"]["estimated_time"]
            self.longest = max(self.longest, estimate)
        return reply


async def once(batches: int, limit: int, order: Any, spread: str, seed: int) -> Result:
    config = SandboxConfig(
        seed=seed,
        limits=f"{limit}/minute",
        window_phase=random.Random(seed).uniform(0, 60),
        distribution="lognormal" if spread == "lognormal" else "fixed",
        straggler_share=0.05 if spread == "stragglers" else 0.0,
        base_s=5.0,
        credit=10**9,
    )
    sandbox = Sandbox(config)
    rng = random.Random(seed)
    people = [str(uuid.UUID(int=rng.getrandbits(128), version=4)) for _ in range(batches * BATCH)]
    clock = VirtualClock()
    transport = Listening(sandbox, latency=RTT)
    most_open = 0
    async with AsyncPubrio(
        "benchmark", rate_limit=f"{limit}/minute", transport=transport, clock=clock
    ) as pubrio:
        async with pubrio.redeem.many(
            people, people_contact_types=["email-work"], batch_size=BATCH, order=order
        ) as run:
            async for outcome in run:
                assert outcome.status in {"found", "empty"}
                if outcome.row % 20 == 0:
                    most_open = max(most_open, run.statistics().batches_open)
        report = run.report
    windows = math.ceil(2 * batches / limit)
    longest = max(transport.longest, STRAGGLER if spread == "stragglers" else 0.0)
    bound = max((windows - 1) * 60 + RTT, 2 * RTT + longest)
    assert report.batches == batches
    return Result(
        report.polls_per_batch,
        report.elapsed_s / bound,
        sandbox.regrets().refused_429,
        most_open,
    )


def table(quick: bool) -> Iterator[str]:
    yield "| batches | order | jobs | polls per job | makespan ÷ bound | refusals | jobs open |"
    yield "|---|---|---|---|---|---|---|"
    seeds = range(3 if quick else 20)
    for batches in (100, 1_000) if quick else (100, 1_000, 10_000):
        for order in ("results", "makespan"):
            for spread in ("fixed", "lognormal", "stragglers"):
                results = [
                    run_virtual(once(batches, 300, order, spread, seed))
                    for seed in (seeds if batches < 10_000 else seeds[:3])
                ]
                yield (
                    f"| {batches:,} | {order} | {spread} "
                    f"| {statistics.median(r.polls_per_job for r in results):.3f} "
                    f"| {statistics.median(r.makespan for r in results):.3f} "
                    f"| {max(r.refused for r in results)} "
                    f"| {max(r.jobs_open for r in results)} |"
                )
