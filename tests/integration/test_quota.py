"""The limits of the workspace, asked for and kept; and turns that a stand-in lets be known."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pubrio_async import AsyncPubrio
from pubrio_async._errors import (
    AuthenticationError,
    ConfigurationError,
    NotSentError,
    ServerError,
    TransportError,
)
from pubrio_async._wire import WireReply
from pubrio_async.endpoints import ContactTypeName
from pubrio_async.sandbox import Sandbox, SandboxConfig, SandboxTransport
from pubrio_async.testing import VirtualClock, run_virtual
from tests.integration.test_against_the_sandbox import collect, people
from tests.memory_wire import KEY, MemoryWire

HOUR = 3_600.0
TYPES: list[ContactTypeName] = ["email-work"]


def client_of(sandbox: Sandbox, rate_limit: str | None = "account", **more: Any) -> AsyncPubrio:
    transport = SandboxTransport(sandbox, latency=0.2)
    clock = VirtualClock()
    return AsyncPubrio("key", rate_limit=rate_limit, transport=transport, clock=clock, **more)


@pytest.mark.parametrize("phase", [0.0, 100.0, 1_800.0, 3_500.0])
def test_the_quota_of_the_workspace_is_kept_and_what_is_used_counted(phase: float) -> None:
    async def main() -> None:
        sandbox = Sandbox(SandboxConfig(limits="300/minute; 100/hour", window_phase=phase))
        async with client_of(sandbox, "unlimited") as somebody:
            for _ in range(40):
                await somebody.profile.get()
        async with client_of(sandbox) as pubrio:
            statistics = pubrio.statistics().limiter
            # 41 are counted with the one that asked, which may or may not have been; one is safe.
            assert statistics.available == 100 - 42
            assert sandbox.statistics().requests_by_path["/profile/usage"] == 1
            run = pubrio.redeem.many(people(300), people_contact_types=TYPES, batch_size=2)
            outcomes = await collect(run)
        assert {outcome.status for outcome in outcomes.values()} <= {"found", "empty"}
        assert sandbox.regrets().total == 0
        assert sandbox.regrets().refused_429 == 0
        assert run.report.elapsed_s < 4 * HOUR

    run_virtual(main())


def test_the_environment_may_name_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBRIO_RATE_LIMIT", "5/second; Account")

    async def main() -> None:
        sandbox = Sandbox(SandboxConfig(limits="60/hour"))
        async with client_of(sandbox, None) as pubrio:
            assert pubrio.statistics().limiter.available == 4  # one was used to ask
            await asyncio.sleep(1.5)
            assert pubrio.statistics().limiter.available == 5
            async with pubrio:  # it is asked once
                pass
        assert sandbox.statistics().requests == 1

    run_virtual(main())


def test_outside_of_async_with_nothing_is_sent() -> None:
    async def main() -> None:
        sandbox = Sandbox(SandboxConfig())
        pubrio = client_of(sandbox)
        for call in (
            pubrio.profile.get(),
            pubrio.redeem.people(people_search_id=people(1)[0], people_contact_types=TYPES),
        ):
            with pytest.raises(ConfigurationError, match="async with AsyncPubrio"):
                await call
        with pytest.raises(ConfigurationError, match="async with AsyncPubrio"):
            pubrio.redeem.many(people(3), people_contact_types=TYPES)
        with pytest.raises(ConfigurationError, match="async with AsyncPubrio"):
            pubrio.redeem.resolve("x.journal")
        await pubrio.aclose()
        assert sandbox.statistics().requests == 0

    run_virtual(main())


def test_calls_made_while_it_asks_are_not_let_through() -> None:
    async def main() -> None:
        pubrio = client_of(Sandbox(SandboxConfig()))
        entering = asyncio.create_task(pubrio.__aenter__())
        await asyncio.sleep(0.1)
        with pytest.raises(ConfigurationError, match="when it is entered"):
            await pubrio.profile.get()
        await entering
        assert (await pubrio.profile.get()).credit
        await pubrio.aclose()

    run_virtual(main())


class Closing(MemoryWire):
    closed = 0

    async def aclose(self) -> None:
        self.closed += 1


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, b'{"code": 40101, "message": "no"}', AuthenticationError),
        (500, b"", ServerError),
        (200, b'{"data": {"is_api_access_available": false}}', ConfigurationError),
        (200, b'{"data": {"total_max_api_hourly_query": 0}}', ConfigurationError),
    ],
)
async def test_if_asking_fails_the_error_is_told_and_everything_closed(
    status: int, body: bytes, error: type[Exception]
) -> None:
    wire = Closing()
    wire.status, wire.reply = status, body
    pubrio = AsyncPubrio(KEY, rate_limit="account", max_wait=0.0, transport=wire)
    with pytest.raises(error):
        await pubrio.__aenter__()
    assert wire.closed == 1
    assert [request.path for request in wire.sent] == ["/profile/usage"]
    with pytest.raises(ConfigurationError, match="closed"):
        await pubrio.profile.get()


def test_an_api_that_is_not_there_is_told_as_such() -> None:
    async def main() -> None:
        transport = SandboxTransport(Sandbox(SandboxConfig()), connect_refused=1_000)
        pubrio = AsyncPubrio("key", rate_limit="account", transport=transport, clock=VirtualClock())
        with pytest.raises(TransportError):
            await pubrio.__aenter__()

    run_virtual(main())


def test_a_quota_that_is_used_up_is_said_before_anything_is_sent() -> None:
    async def main() -> None:
        sandbox = Sandbox(SandboxConfig(limits="20/hour"))
        async with client_of(sandbox, "unlimited") as somebody:
            for _ in range(18):
                await somebody.profile.get()
        async with client_of(sandbox) as pubrio:
            with pytest.raises(NotSentError, match=r"in about 360\d s"):
                await pubrio.profile.get()
        assert sandbox.statistics().requests == 19

    run_virtual(main())


async def test_a_named_plan_needs_no_request() -> None:
    async with AsyncPubrio(KEY, rate_limit="Free", transport=MemoryWire()) as pubrio:
        assert pubrio.statistics().limiter.available == 60
        assert pubrio.statistics().limiter.granted == 0


# -------------------------------------------------------------------------------- turns are told


class Telling(SandboxTransport):
    """Adds the headers that the API might send one day."""

    phase = 17.0

    async def send(self, *request: Any, **more: Any) -> WireReply:
        reply = await super().send(*request, **more)
        now = asyncio.get_running_loop().time()
        left = 60.0 - (now - self.phase) % 60.0
        headers = {"ratelimit-limit": "30", "ratelimit-reset": f"{left:.0f}"}
        return WireReply(reply.status, Either({**reply.headers, **headers}), reply.body)


class Either(dict[str, str]):
    """Headers whose names match in any case."""

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)


def ten_windows_full(
    transport: type[SandboxTransport], retry_after: Any = "none", *, used: int = 0
) -> tuple[float, int]:
    """Seconds that ten times the limit takes with slow replies, and how often it was refused."""

    async def main() -> tuple[float, int]:
        limits = "30/minute"
        sandbox = Sandbox(SandboxConfig(limits=limits, window_phase=17.0, retry_after=retry_after))
        async with client_of(sandbox, "unlimited") as somebody:
            for _ in range(used):
                await somebody.profile.get()
        started = asyncio.get_running_loop().time()
        wire = transport(sandbox, latency=6.0)
        async with AsyncPubrio(
            "key", rate_limit=limits, transport=wire, clock=VirtualClock(), max_wait=1e6
        ) as pubrio:
            await asyncio.gather(*(pubrio.profile.get() for _ in range(300)))
        # None but the window that somebody else had used before.
        assert sandbox.regrets().overrun_windows == (1 if used else 0)
        return asyncio.get_running_loop().time() - started, sandbox.regrets().refused_429

    return run_virtual(main())


def test_told_when_windows_turn_no_window_loses_a_round_trip() -> None:
    slow, refused = ten_windows_full(SandboxTransport)
    assert refused == 0
    assert slow > 9 * 66
    quick, refused = ten_windows_full(Telling)
    assert refused == 0
    assert quick < 9 * 60 + 12  # it began within a window


@pytest.mark.parametrize("retry_after", ["seconds", "date"])
def test_one_refusal_tells_it_as_well(retry_after: str) -> None:
    slow, _ = ten_windows_full(SandboxTransport, used=25)
    quick, refused = ten_windows_full(SandboxTransport, retry_after, used=25)
    assert 0 < refused < 30
    assert quick < slow - 45
