"""A run through everything: found, empty, refused, lost, paused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pubrio_async import AsyncPubrio, Observer, Outcome, RunReport
from pubrio_async.sandbox import Fault, Sandbox, SandboxConfig, SandboxTransport
from pubrio_async.testing import VirtualClock, run_virtual

KEY = "sentinel-key-3f9c2a"
PEOPLE = [f"{number:08d}-5e17-4000-8000-5e171e15e171" for number in range(60)]
URLS = [f"https://www.linkedin.com/in/sentinel-person-{number}" for number in range(3)]


class Story:
    """What came of it.

    Attributes:
        sandbox: The stand-in, which knows what was charged.
        report: The figures of the run.
        outcomes: What the run handed out.
    """

    def __init__(self) -> None:
        self.sandbox = Sandbox(
            SandboxConfig(
                api_key=KEY,
                unknown_ids=(PEOPLE[7],),
                estimate_factor=0.5,
                include_empty_people=False,
            )
        )
        for fault in (
            Fault(kind="429", times=1, after=1, retry_after=5.0),
            Fault(kind="lost_after", path="/redeem/people/batch$", times=1, after=3),
            Fault(kind="garbage", path="/redeem/people/batch/query", times=1, after=1),
            Fault(kind="lost_before", path="/redeem/people$", times=1),
        ):
            self.sandbox.add_fault(fault)
        self.report: RunReport = RunReport()
        self.outcomes: list[Outcome] = []

    def play(
        self, *observers: Observer, before: Callable[[AsyncPubrio], object] | None = None
    ) -> Story:
        """Plays it in virtual time."""

        async def scenario() -> None:
            async with AsyncPubrio(
                KEY,
                transport=SandboxTransport(self.sandbox, api_key=KEY),
                clock=VirtualClock(),
                observers=observers,
            ) as pubrio:
                if before is not None:
                    before(pubrio)
                async with pubrio.redeem.many(
                    [*PEOPLE, *URLS],
                    people_contact_types=["email-work", "phone"],
                    batch_size=10,
                ) as run:
                    self.outcomes = [outcome async for outcome in run]
                self.report = run.report

        run_virtual(scenario())
        return self

    def count(self, status: str) -> int:
        """How many people ended so."""
        return sum(outcome.status == status for outcome in self.outcomes)


@pytest.fixture
def story() -> Story:
    return Story()
