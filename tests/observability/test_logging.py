"""The log: quiet by default, structured, and without anything personal."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from typing import Any

import pytest

from pubrio_async import AsyncPubrio, JournalError, NotSentError, Observer
from pubrio_async.sandbox import Fault, Sandbox, SandboxTransport
from pubrio_async.scheduler import shelf
from pubrio_async.scheduler.journal_memory import MemoryJournal
from pubrio_async.testing import VirtualClock
from tests.ledger import Ledger
from tests.observability.conftest import KEY, PEOPLE, URLS, Story
from tests.scheduler.fake_api import Bench, UnsentError, collect, people

_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """What a record says beyond what all records say."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def named(caplog: pytest.LogCaptureFixture, event: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if getattr(record, "event", None) == event]


class Everything(Observer):
    """Keeps how every event looks."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_request(self, event: Any) -> None:
        self.seen += [repr(event), str(event)]

    on_batch = on_request


def test_nothing_personal_is_logged_or_told(story: Story, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "pubrio_async")
    everything = Everything()
    story.play(everything)
    contacts = [
        contact.value
        for outcome in story.outcomes
        for contact in (*outcome.emails, *outcome.phones)
    ]
    assert len(contacts) > 20
    ids = {outcome.people_search_id for outcome in story.outcomes if outcome.people_search_id}
    assert len(ids) > 40
    secrets = {KEY, *contacts, *PEOPLE, *URLS, *ids, "sentinel", "5e171e15e171"}
    text = "\n".join(everything.seen)
    for record in caplog.records:
        text += f"\n{record.getMessage()} {vars(record)!r}"
    assert len(text) > 10_000
    assert not [secret for secret in secrets if secret.lower() in text.lower()]


def test_the_records_of_a_run(story: Story, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "pubrio_async")
    ledger = Ledger()
    story.play(ledger)
    assert {record.name for record in caplog.records if record.name != "asyncio"} == {
        "pubrio_async.requests",
        "pubrio_async.runs",
    }
    requests = named(caplog, "request")
    assert len(requests) == len(ledger.requests)
    assert {record.levelno for record in requests} == {logging.DEBUG}
    assert set(fields(requests[0])) == {
        *("event", "endpoint", "status", "error", "sent", "elapsed_s", "bytes_out", "bytes_in"),
    }
    (began,) = named(caplog, "run_started")
    (ended,) = named(caplog, "run_ended")
    assert (began.levelno, ended.levelno) == (logging.INFO, logging.INFO)
    told = fields(ended)
    assert (told["rows"], told["found"]) == (story.report.rows, story.report.found)
    assert told["credits_charged"] == story.report.credits_charged
    assert f"found={story.report.found} " in ended.getMessage()
    (paused,) = named(caplog, "paused")
    assert paused.levelno == logging.WARNING
    assert fields(paused)["wait_s"] == pytest.approx(5.0)
    lost = named(caplog, "batch_lost")
    assert {record.levelno for record in lost} == {logging.WARNING}
    assert {fields(record)["error"] for record in lost} == {"ResponseLostError"}
    assert len(lost) == len(named(caplog, "batch_found")) + len(named(caplog, "batch_unsettled"))
    assert named(caplog, "batch_found")
    assert named(caplog, "batch_unsettled")
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) < 8  # few, and each of use


def test_it_is_the_same_without_an_observer(story: Story, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "pubrio_async")
    story.play()
    assert sum(record.sent for record in named(caplog, "request")) == story.report.requests  # type: ignore[attr-defined] # given as extra


@pytest.mark.virtual_time
async def test_a_call_that_is_sent_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pubrio_async")
    sandbox = Sandbox()
    sandbox.add_fault(Fault(kind="5xx_before", times=1))
    async with AsyncPubrio(
        "key", transport=SandboxTransport(sandbox), clock=VirtualClock()
    ) as pubrio:
        await pubrio.profile.get()
    (retry,) = caplog.records
    told = fields(retry)
    assert (retry.name, retry.levelno) == ("pubrio_async.requests", logging.INFO)
    assert (told["event"], told["endpoint"], told["error"]) == (
        *("retry", "profile.get", "ServerError"),
    )
    assert told["wait_s"] > 0


@pytest.mark.virtual_time
async def test_refusals_together_are_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pubrio_async")
    sandbox = Sandbox()
    sandbox.add_fault(Fault(kind="429", times=8, retry_after=4.0))
    async with AsyncPubrio(
        "key", transport=SandboxTransport(sandbox), clock=VirtualClock()
    ) as pubrio:
        await asyncio.gather(*(pubrio.profile.get() for _ in range(8)))
    assert len(named(caplog, "paused")) == 1


@pytest.mark.virtual_time
async def test_what_stops_a_run_is_named_by_its_class(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pubrio_async")
    bench = Bench()
    bench.api.on_submit.append(None)
    await collect(bench.run(people(4), max_credits=5))
    (halted,) = named(caplog, "run_halted")
    assert fields(halted)["error"] == "BudgetExhaustedError"
    assert fields(named(caplog, "run_ended")[0])["stopped_by"] == "BudgetExhaustedError"


@pytest.mark.virtual_time
async def test_an_outage_is_told_when_it_begins(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pubrio_async")
    bench = Bench()
    bench.api.on_submit.extend([UnsentError(NotSentError("refused"))] * 4)
    await collect(bench.run(people(4)))
    (record,) = named(caplog, "unreachable")
    assert record.levelno == logging.WARNING


@pytest.mark.virtual_time
async def test_journal_trouble_names_its_cause(caplog: pytest.LogCaptureFixture) -> None:
    class Full(MemoryJournal):
        async def settle(self, *step: Any) -> None:
            raise JournalError("/home/somebody/run.db is full") from OSError(28, "no space")

    caplog.set_level(logging.INFO, "pubrio_async")
    bench = Bench()
    await collect(bench.run(people(30), journal=Full()))
    (record,) = named(caplog, "journal_trouble")
    assert (record.name, record.levelno) == ("pubrio_async.journal", logging.ERROR)
    assert fields(record) == {
        "event": "journal_trouble",
        "error": "JournalError",
        "cause": "OSError",
    }
    assert "somebody" not in caplog.text


@pytest.mark.virtual_time
async def test_spilling_to_the_disk_is_told_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "_WRITE_BYTES", 1_024)
    caplog.set_level(logging.INFO, "pubrio_async")
    async with AsyncPubrio(
        "key", rate_limit="unlimited", transport=SandboxTransport(Sandbox()), clock=VirtualClock()
    ) as pubrio:
        run = pubrio.redeem.many(people(6_000), people_contact_types=["phone"])
        async with run:
            async for _ in run:
                pass
    (record,) = named(caplog, "journal_spilled")
    assert record.levelno == logging.INFO


def test_it_is_quiet_unless_asked() -> None:
    program = (
        "import logging, asyncio\n"
        "from pubrio_async import AsyncPubrio, NotSentError\n"
        "from pubrio_async._log import RUNS, note\n"
        "note(RUNS, logging.WARNING, 'batch_lost', people=3)\n"
    )
    quiet = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert quiet.stdout + quiet.stderr == ""
    loud = subprocess.run(
        [sys.executable, "-c", f"import logging; logging.basicConfig()\n{program}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert loud.stderr == "WARNING:pubrio_async.runs:batch_lost people=3\n"
