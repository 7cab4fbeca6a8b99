"""The kits as code under test meets them: through `AsyncPubrio` and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
import unittest
from collections.abc import Iterable
from urllib.parse import urlsplit

import pytest

from pubrio_async import AsyncPubrio, ConfigurationError, InsufficientCreditsError, client
from pubrio_async.models import Contact, RunReport
from pubrio_async.sandbox import Fault, SandboxServer
from pubrio_async.testing import (
    PubrioMemory,
    PubrioSandbox,
    SandboxControls,
    VirtualTimeLoop,
    run_virtual,
)

BATCH = "/redeem/people/batch"
TYPES = ["email-work", "phone"]
ADA = "e37ccf38-ea8f-422e-9874-cb23b15e8fe4"

Redeemed = dict[str, tuple[str, list[str]]]


async def code_under_test(people: Iterable[str], **arguments: object) -> Redeemed:
    """Makes its own client, as a program does that knows nothing of tests."""
    async with (
        AsyncPubrio() as pubrio,
        pubrio.redeem.many(people, people_contact_types=TYPES) as run,
    ):
        return {
            outcome.person: (
                str(outcome.status),
                [contact.value for contact in (*outcome.emails, *outcome.phones)],
            )
            async for outcome in run
        }


def redeem(kit: SandboxControls, people: Iterable[str]) -> Redeemed:
    if isinstance(kit, PubrioMemory):
        return run_virtual(code_under_test(people))
    return asyncio.run(code_under_test(people))


@pytest.fixture(params=[PubrioSandbox, PubrioMemory])
def kit(request: pytest.FixtureRequest) -> Iterable[PubrioSandbox | PubrioMemory]:
    with contextlib.ExitStack() as stack:
        made = request.param()
        if isinstance(made, PubrioSandbox):
            stack.enter_context(made)
        stack.enter_context(made.installed())
        yield made


# ------------------------------------------------------------------------------------- the world


def test_people_are_what_the_test_says(kit: SandboxControls) -> None:
    ada = kit.add_found(ADA, work_email="ada@acme.test", personal_email="ada@home.test")
    bob = kit.add_found("https://www.linkedin.com/in/Bob/?trk=x", phone="+15550001111")
    made_up = kit.add_found()
    empty, nobody = kit.add_empty(), kit.add_empty("https://linkedin.com/in/nobody")
    rejected = kit.add_rejected()

    assert redeem(kit, [ada, bob, made_up, empty, nobody, rejected, "not an id"]) == {
        ADA: ("found", ["ada@acme.test"]),  # nobody asked for the private one
        bob: ("found", ["+15550001111"]),
        made_up: ("found", ["found@example.com", "+15550100000"]),
        empty: ("empty", []),
        nobody: ("empty", []),
        rejected: ("rejected", []),
        "not an id": ("rejected", []),
    }
    assert kit.credits_charged == 5 + 10 + (5 + 10)
    assert kit.credits_left == 1_000_000 - 30
    bought = {(charge.people_search_id, charge.type, charge.credits) for charge in kit.ledger}
    assert {(ADA, "email-work", 5), (made_up, "phone", 10)} < bought
    assert kit.regrets().double_charges == 0
    found = kit.contacts_for(ADA.upper(), ["email-personal", "email-work", "phone"])
    assert [each.value for each in found if isinstance(each, Contact)] == [
        "ada@home.test",
        "ada@acme.test",
    ]


def test_the_last_word_about_a_person_holds(kit: SandboxControls) -> None:
    assert kit.add_rejected(ADA) == ADA
    kit.add_found(ADA, phone="+1")
    assert redeem(kit, [ADA]) == {ADA: ("found", ["+1"])}
    kit.add_empty(ADA)
    assert redeem(kit, [ADA]) == {ADA: ("empty", [])}
    kit.add_rejected(ADA)
    assert redeem(kit, [ADA]) == {ADA: ("rejected", [])}


def test_who_is_nobody_is_said_at_once() -> None:
    memory = PubrioMemory()
    for add in (memory.add_found, memory.add_empty, memory.add_rejected):
        with pytest.raises(ValueError, match="people_search_id"):
            add("ada@example.com")
    with pytest.raises(ValueError, match="URL"):
        memory.add_empty("https://example.com/in/ada")
    with pytest.raises(ValueError, match=r'inject\("400"'):
        memory.add_rejected("https://linkedin.com/in/ada")


def test_the_seed_says_the_rest(kit: SandboxControls) -> None:
    people = kit.people(200)
    assert not set(people) & set(kit.people(200))
    first = redeem(kit, people)
    assert {status for status, _ in first.values()} == {"found", "empty"}
    kit.reset()
    assert kit.people(200) == people
    assert redeem(kit, people) == first
    kit.reset(seed="another")
    assert kit.people(200) != people
    assert redeem(kit, people) != first


def test_reset_forgets_everything(kit: SandboxControls) -> None:
    kit.add_found(ADA, phone="+1")
    kit.inject("402")
    assert redeem(kit, [ADA])[ADA][0] == "failed"
    assert kit.requests
    kit.reset(credit=7)
    assert (kit.requests, kit.ledger, kit.statistics().faults) == ([], [], {})
    assert kit.credits_left == 7
    assert redeem(kit, [ADA])[ADA] != ("found", ["+1"])
    kit.reset()
    assert kit.credits_left == 1_000_000
    with pytest.raises(ConfigurationError, match="credit must not be negative"):
        kit.reset(credit=-1)


# ------------------------------------------------------------------------------------ the faults


def test_faults_strike_and_are_lifted(kit: SandboxControls) -> None:
    people = [kit.add_found() for _ in range(3)]
    kit.inject("402")
    assert {status for status, _ in redeem(kit, people).values()} == {"failed"}
    assert kit.credits_charged == 0
    kit.clear_faults()
    assert {status for status, _ in redeem(kit, people).values()} == {"found"}
    with pytest.raises(TypeError, match="no further options"):
        kit.inject(Fault(kind="429"), times=1)


def test_a_lost_reply_is_found_again_and_not_paid_twice() -> None:
    memory = PubrioMemory(limits="unlimited")
    people = [memory.add_found() for _ in range(5)]
    memory.inject(Fault(kind="lost_after", path=BATCH + "$", times=1))
    memory.inject("429", path=BATCH + "$", times=1, retry_after=30)
    memory.inject("5xx_before", path=BATCH + "/query", times=2)
    with memory.installed():
        assert {status for status, _ in redeem(memory, people).values()} == {"found"}
    assert memory.credits_charged == 5 * 15
    assert memory.regrets().double_charges == 0
    assert memory.statistics().faults == {"lost_after": 1, "429": 1, "5xx_before": 2}
    # What was lost was carried out; what is seen is what the client got.
    submitted = [request for request in memory.requests if request.path == BATCH]
    assert sorted(request.status or 0 for request in submitted) == [0, 429]
    assert "/api_keys/logs" in {request.path for request in memory.requests}


def test_replies_may_be_slow(kit: SandboxControls) -> None:
    kit.inject("slow", path="/profile", delay=0.2)

    async def main() -> float:
        async with AsyncPubrio() as pubrio:
            begun = asyncio.get_running_loop().time()
            await pubrio.profile.get()
            return asyncio.get_running_loop().time() - begun

    run = run_virtual if isinstance(kit, PubrioMemory) else asyncio.run
    assert run(main()) >= 0.2


# --------------------------------------------------------------------------- what has been asked


def test_requests_are_seen_without_the_key(kit: PubrioSandbox | PubrioMemory) -> None:
    async def main() -> None:
        async with AsyncPubrio("pk_live_0123456789abcdef") as pubrio:
            await pubrio.profile.get()
            await pubrio.people.search(people_titles=["CTO"])
        async with kit.client() as pubrio:
            with pytest.raises(InsufficientCreditsError):
                await pubrio.redeem.people(people_search_id=ADA, people_contact_types=TYPES)

    kit.inject("402", path="/redeem")
    run = run_virtual if isinstance(kit, PubrioMemory) else asyncio.run
    run(main())
    profile, search, refused = kit.requests
    assert (profile.method, profile.path, profile.status) == ("POST", "/profile", 200)
    assert profile.body == {}
    assert search.body["people_titles"] == ["CTO"]
    assert (refused.status, refused.body["people_search_id"]) == (402, ADA)
    assert profile.at <= search.at <= refused.at
    assert "pubrio-api-key" in profile.headers
    assert "0123456789" not in repr(kit.requests)


# ------------------------------------------------------------------------------------ the socket


def test_it_listens_only_inside_the_context(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBRIO_API_KEY", "of the developer")
    before = dict(os.environ)
    threads = threading.active_count()
    sandbox = PubrioSandbox()
    with pytest.raises(RuntimeError, match="listens inside"):
        _ = sandbox.url
    with sandbox, sandbox.installed():
        address = urlsplit(sandbox.url)
        assert os.environ["PUBRIO_BASE_URL"] == sandbox.url
        assert os.environ["PUBRIO_API_KEY"] == sandbox.api_key != "of the developer"
        with pytest.raises(RuntimeError, match="listens already"):
            sandbox.__enter__()
        asyncio.run(code_under_test([ADA]))
    assert dict(os.environ) == before
    assert threading.active_count() == threads
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address.hostname or "", address.port or 0), timeout=5)
    assert sandbox.statistics().people == 1  # the books stay open
    with sandbox:
        assert sandbox.url
    sandbox.__exit__(None, None, None)  # once more does no harm


def test_why_it_cannot_listen_is_told_where_it_was_asked_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def start(server: SandboxServer) -> None:
        raise OSError(98, "no port left")

    monkeypatch.setattr(SandboxServer, "start", start)
    threads = threading.active_count()
    with pytest.raises(OSError, match="no port left"):
        PubrioSandbox().__enter__()
    with contextlib.suppress(StopIteration):
        next(each for each in threading.enumerate() if each.name == "pubrio-sandbox").join(10)
    assert threading.active_count() == threads


def test_it_may_be_looked_at_and_changed_while_it_is_used() -> None:
    with PubrioSandbox() as sandbox, sandbox.installed():
        people = sandbox.people(3_000)
        ended: list[Redeemed] = []
        used = threading.Thread(
            target=lambda: ended.append(asyncio.run(code_under_test(iter(people))))
        )
        used.start()
        looks = 0
        while used.is_alive():
            sandbox.add_empty()
            sandbox.statistics()
            looks += bool(sandbox.requests) and bool(sandbox.ledger)
        used.join()
        assert looks > 0
        assert len(ended[0]) == 3_000
        assert sandbox.regrets().total == 0


def test_another_process_finds_it_too() -> None:
    program = """
import asyncio, pubrio_async

async def main():
    async with pubrio_async.AsyncPubrio() as pubrio:
        print((await pubrio.profile.get()).credit)

asyncio.run(main())
"""
    with PubrioSandbox(credit=123) as sandbox, sandbox.installed():
        told = subprocess.run(
            [sys.executable, "-c", program], check=False, capture_output=True, timeout=60
        )
    assert (told.stdout.strip(), told.stderr) == (b"123", b"")


def test_limits_are_those_of_the_client_as_well() -> None:
    with PubrioSandbox(limits="2/hour") as sandbox, sandbox.installed():

        async def main() -> None:
            for pubrio in (AsyncPubrio(max_wait=0.0), sandbox.client(max_wait=0.0)):
                async with pubrio:
                    assert pubrio.statistics().limiter.available == 2

        asyncio.run(main())
        assert sandbox.config.limits == "2/hour"


class _WithoutPytest(unittest.IsolatedAsyncioTestCase):
    """What somebody writes who uses unittest."""

    def setUp(self) -> None:
        self.sandbox = self.enterContext(PubrioSandbox(seed=3))
        self.enterContext(self.sandbox.installed())

    async def test_somebody_is_found(self) -> None:
        ada = self.sandbox.add_found(work_email="ada@example.com")
        assert await code_under_test([ada]) == {ada: ("found", ["ada@example.com"])}

    def test_an_hour_passes(self) -> None:
        memory = PubrioMemory(limits="10/hour")
        with memory.installed():
            outcomes = run_virtual(code_under_test(memory.people(1_500)))
        assert len(outcomes) == 1_500


def test_it_goes_without_pytest() -> None:
    cases = unittest.defaultTestLoader.loadTestsFromTestCase(_WithoutPytest)
    told = unittest.TestResult()
    cases.run(told)
    assert told.testsRun == 2
    assert told.wasSuccessful(), told.failures + told.errors


# ------------------------------------------------------------------------------------ the memory


def test_an_hour_under_a_limit_takes_no_time() -> None:
    memory = PubrioMemory(limits="20/minute", distribution="lognormal", straggler_share=0.1)

    async def main() -> tuple[RunReport, float]:
        async with (
            memory.client() as pubrio,
            pubrio.redeem.many(
                memory.people(20_000), people_contact_types=TYPES, batch_size=50
            ) as run,
        ):
            async for _ in run:
                pass
            return run.report, asyncio.get_running_loop().time()

    begun = time.process_time()  # others may be busy on the machine
    report, virtual = run_virtual(main())
    assert virtual > 2_000
    assert time.process_time() - begun < 30  # a second, or a few where coverage is measured
    assert report.rows == 20_000
    assert report.credits_charged == memory.credits_charged
    assert memory.regrets().total == 0


def test_all_clients_speak_to_the_memory_until_the_end_of_the_block() -> None:
    memory = PubrioMemory(api_key="only-this")
    ada = memory.add_found()
    originals = client.AiohttpTransport, client.SystemClock
    with memory.installed():
        assert redeem(memory, [ada])[ada][0] == "found"

        async def main() -> None:
            async with AsyncPubrio("any", base_url="https://api.pubrio.com") as pubrio:
                await pubrio.profile.get()

        run_virtual(main())
    assert (client.AiohttpTransport, client.SystemClock) == originals
    assert "PUBRIO_API_KEY" not in os.environ
    with pytest.raises(ConfigurationError, match="PUBRIO_API_KEY"):
        AsyncPubrio()


@pytest.mark.virtual_time
async def test_the_latency_of_a_transport_is_chosen(pubrio_memory: PubrioMemory) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    async with pubrio_memory.client(transport=pubrio_memory.transport(latency=3.0)) as pubrio:
        await pubrio.profile.get()
    assert loop.time() == pytest.approx(3.0)
