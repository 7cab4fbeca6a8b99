"""Both journals, step by step: what one knows, the other knows, and what goes in comes out."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from pubrio_async import JournalError
from pubrio_async.models import Contact, ContactStatus, ContactType, RedeemJob
from pubrio_async.scheduler import journal_tables
from pubrio_async.scheduler.journal import Journal, Settled
from pubrio_async.scheduler.journal_memory import MemoryJournal
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from tests.unit.journals import ADA, BOB, EVE, TYPES, Moving, batch, opened

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
IDS = st.uuids().map(str)
KEYS = IDS | IDS.map(str.upper) | TEXT
CONTACTS = st.lists(
    st.builds(
        Contact,
        TEXT,
        st.none() | st.sampled_from(["email-work", "phone", "fax"]).map(ContactType),
        st.none() | st.sampled_from(["Verified", "Guessed"]).map(ContactStatus),
    ),
    max_size=3,
).map(tuple)
ENDS = st.builds(
    Settled,
    st.sampled_from(["found", "empty", "rejected"]),
    people_search_id=st.none() | KEYS,
    emails=CONTACTS,
    phones=CONTACTS,
    redeem_query_id=st.none() | st.just("job-1") | TEXT,
    error=st.none() | TEXT,
)
NUMBERS = st.integers(0, 2**40) | st.floats(0, 1e6)
JOBS = st.builds(
    RedeemJob,
    st.just("job-1") | TEXT,
    st.booleans(),
    st.none() | NUMBERS,
    st.none() | st.sampled_from(["second", "minutes"]),
)


class TwoJournals(RuleBasedStateMachine):
    """Whatever is done to both, they hold the same; the file is closed and opened in between."""

    FEW_KEYS = (ADA, BOB, EVE, ADA.upper(), "1", "")
    BATCHES = st.sampled_from(["b1", "b2", str(uuid.UUID(int=3)), "b4", "b5"])
    SECONDS = st.integers(0, 3)

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Moving()
        self.start = self.clock.time
        self.memory = MemoryJournal(self.clock)
        self.file = SqliteJournal(Path(self.folder.name) / "journal", self.clock)
        self.ended: set[str] = set()
        self.is_new = True
        self.runner.run(self.memory.open(TYPES))
        assert self.runner.run(self.file.open(TYPES))

    # So that people leave memory every few steps, and are looked for in each of both ways.
    @initialize(few=st.sampled_from([1, 4]), scans=st.sampled_from([0, 2, 16]))
    def sizes(self, few: int, scans: int) -> None:
        self.patch.setattr(journal_tables, "_FEW", few)
        self.patch.setattr(journal_tables, "_MOST_SCANS", scans)

    def teardown(self) -> None:
        self.runner.run(self.file.close())
        self.runner.close()
        self.patch.undo()
        self.folder.cleanup()

    def both(self, step: Callable[[Journal], Awaitable[Any]]) -> None:
        async def outcome(journal: Journal) -> Any:
            try:
                return await step(journal)
            except JournalError:
                return JournalError

        first = self.runner.run(outcome(self.memory))
        second = self.runner.run(outcome(self.file))
        assert first == second

    @rule(batch_id=BATCHES, keys=st.sets(st.sampled_from(FEW_KEYS), min_size=1))
    def intend(self, batch_id: str, keys: set[str]) -> None:
        if batch_id not in self.ended:
            self.is_new = False
            self.both(lambda journal: journal.intend(batch(batch_id, *sorted(keys))))

    @rule(batch_id=BATCHES, job=JOBS)
    def accepted(self, batch_id: str, job: RedeemJob) -> None:
        self.both(lambda journal: journal.accepted(batch_id, job))

    @rule(batch_id=BATCHES)
    def withdraw(self, batch_id: str) -> None:
        self.both(lambda journal: journal.withdraw(batch_id))

    @rule(
        batch_id=BATCHES,
        ends=st.dictionaries(st.sampled_from(FEW_KEYS), ENDS),
        charged=st.none() | st.integers(0, 100),
    )
    def settle(self, batch_id: str, ends: dict[str, Settled], charged: int | None) -> None:
        self.forget(batch_id)
        self.both(lambda journal: journal.settle(batch_id, ends, charged))

    @rule(batch_id=BATCHES, reason=TEXT)
    def unsettle(self, batch_id: str, reason: str) -> None:
        self.forget(batch_id)
        self.clock.time += 1  # the last to be lost is told by the time
        self.both(lambda journal: journal.unsettle(batch_id, reason))

    def forget(self, batch_id: str) -> None:
        # Only the file remembers batches that have an end; ids of batches are never used twice.
        entries = self.runner.run(self.memory.open_batches())
        if any(entry.batch.batch_id == batch_id for entry in entries):
            self.ended.add(batch_id)

    @rule()
    def reopen_unsettled(self) -> None:
        self.both(lambda journal: journal.reopen_unsettled())

    @rule(seconds=SECONDS)
    def wait(self, seconds: int) -> None:
        self.clock.time += seconds

    @rule(since=st.none() | st.integers(0, 12))
    def look(self, since: int | None) -> None:
        newer_than = None if since is None else self.start + since
        self.both(lambda journal: journal.lookup(self.FEW_KEYS, newer_than))
        self.both(lambda journal: journal.summary())
        self.both(lambda journal: in_any_order(journal.unsettled_people()))
        # Which of those opened again come first is the business of each journal.
        self.both(lambda journal: in_any_order(journal.open_batches()))

    @precondition(lambda self: self.ended)
    @rule()
    def reopen(self) -> None:
        self.runner.run(self.file.close())
        assert self.runner.run(self.file.open(TYPES)) == self.is_new


async def in_any_order(asked: Awaitable[Sequence[Any]]) -> list[Any]:
    return sorted(await asked, key=repr)


TwoJournals.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestTwoJournals = TwoJournals.TestCase


@settings(max_examples=50, deadline=None)
@given(ends=st.dictionaries(KEYS, ENDS, min_size=1, max_size=5), charged=NUMBERS, job=JOBS)
def test_what_goes_in_comes_out(ends: dict[str, Settled], charged: float, job: RedeemJob) -> None:
    keys = tuple(ends)

    async def main(path: Path) -> None:
        async with opened(path) as journal:
            await journal.intend(batch("b1", *keys))
            await journal.accepted("b1", job)
        async with opened(path) as journal:
            assert [(entry.batch.keys, entry.job) for entry in await journal.open_batches()] == [
                (keys, job)
            ]
            await journal.settle("b1", ends, charged)
        async with opened(path) as journal:
            assert await journal.lookup(keys) == ends
            assert (await journal.summary()).credits_charged == charged

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(Path(folder) / "journal"))
