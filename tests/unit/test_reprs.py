"""What a REPL shows of the larger things: how they stand, never a key or who was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from msgspec import Struct
from rich.pretty import pretty_repr

from pubrio_async import AsyncPubrio, MemoryJournal, Run
from pubrio_async._clock import SystemClock
from pubrio_async._config import parse_rates
from pubrio_async._limiter import Limiter
from pubrio_async.models import WebhookDestination
from pubrio_async.scheduler.journal_sqlite import SqliteJournal
from pubrio_async.testing import PubrioMemory, VirtualClock, run_virtual

KEY = "pk_live_0123456789abcdef"


def test_a_client() -> None:
    client = AsyncPubrio(KEY, rate_limit="300/minute; 2400/hour")
    assert repr(client) == (
        "<AsyncPubrio https://api.pubrio.com open: 0 runs, "
        "<Limiter 300/minute; 2400/hour: 300 free, 0 in flight, 0 waiting>>"
    )
    asyncio.run(client.aclose())
    assert repr(client).startswith("<AsyncPubrio https://api.pubrio.com closed: ")
    assert KEY not in repr(client)


def test_a_limiter() -> None:
    async def use() -> None:
        limiter = Limiter(parse_rates("2/minute"), 8, VirtualClock())
        tickets = [await limiter.acquire() for _ in range(2)]
        waiting = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0)
        assert repr(limiter) == "<Limiter 2/minute: 0 free, 2 in flight, 1 waiting>"
        limiter.release(tickets.pop(), 1)
        assert ", 1 waiting, the next in 60.0 s>" in repr(limiter)
        limiter.pause(tickets[0], 90.0)
        assert ", 1 waiting, paused for 90.0 s>" in repr(limiter)
        waiting.cancel()

    run_virtual(use())
    free = Limiter(parse_rates("unlimited"), 8, SystemClock())
    assert repr(free) == "<Limiter unlimited: 0 in flight, 0 waiting>"


def test_a_run_and_its_journal() -> None:
    memory = PubrioMemory(api_key=KEY)
    ada, bob = memory.add_found(work_email="ada@example.com"), memory.add_empty()
    journal = MemoryJournal()
    assert repr(journal) == "<MemoryJournal 0 people, 0 open batches, 0 credits charged>"

    async def redeem() -> tuple[AsyncPubrio, Run]:
        client = memory.client()
        run = client.redeem.many(
            [ada, bob, "nobody"], people_contact_types=["email-work"], journal=journal
        )
        assert repr(run) == "<Run not open>"
        async with client, run:
            shown = repr(run)
            assert shown == "<Run open: 0 rows read, 0 settled, 0 batches open, 0 credits charged>"
            assert " open: 1 run, <Limiter 300/minute: " in repr(client)
            assert [outcome.row async for outcome in run]
        assert repr(run) == (
            "<Run ended: 3 rows read, 1 found, 1 empty, 1 rejected, 0 batches open, "
            "5 credits charged>"
        )
        return client, run

    client, run = run_virtual(redeem())
    # The clock was that of the loop.
    assert repr(run) == "<Run ended>"
    assert repr(client).endswith("closed: 0 runs, <Limiter 300/minute: no event loop>>")
    assert repr(journal) == (
        "<MemoryJournal email-work: 2 people, 0 open batches, 5 credits charged>"
    )
    shown = repr(run) + repr(client) + repr(journal)
    assert not [word for word in (KEY, ada, bob, "example.com") if word in shown]


@pytest.mark.virtual_time
async def test_a_run_that_was_stopped() -> None:
    memory = PubrioMemory()
    memory.inject("402", path="/redeem/people")
    async with (
        memory.client() as client,
        client.redeem.many(memory.people(3), people_contact_types=["phone"]) as run,
    ):
        assert [outcome.status async for outcome in run] == ["failed"] * 3
        assert repr(run) == (
            "<Run ended, stopped by InsufficientCreditsError: 3 rows read, 3 failed, "
            "0 batches open, 0 credits charged>"
        )


async def test_a_journal_in_a_file(tmp_path: Path) -> None:
    path = str(tmp_path / "run.db")
    journal = SqliteJournal(path)
    assert repr(journal) == f"<SqliteJournal {path!r} closed>"
    await journal.open(["phone"])
    assert repr(journal) == f"<SqliteJournal {path!r} open>"
    await journal.close()
    assert repr(journal) == f"<SqliteJournal {path!r} closed>"


def _structs(kind: type[Struct] = Struct) -> Iterator[type[Struct]]:
    for below in kind.__subclasses__():
        yield below
        yield from _structs(below)


def test_rich_shows_no_more_than_a_repr_does() -> None:
    """Its tracebacks, and a REPL it is installed in, ask for what has all fields first."""
    for room in ("_capture", "_wire", "doctor", "models", "testing", "webhooks"):
        import_module(f"pubrio_async.{room}")
    ours = [kind for kind in _structs() if kind.__module__.startswith("pubrio_async.")]
    discreet = [kind for kind in ours if kind.__repr__ is not Struct.__repr__]
    assert WebhookDestination in discreet
    assert [kind for kind in discreet if vars(kind).get("__rich_repr__", 1) is not None] == []

    destination = WebhookDestination(webhook_url="https://a.example/hush", headers={"X": "hush"})
    assert pretty_repr([destination]) == "[<WebhookDestination>]"
