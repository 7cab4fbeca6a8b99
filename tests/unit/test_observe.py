"""What observers are told of requests, and that none of them can harm a call."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Self

import pytest

from pubrio_async import (
    AsyncPubrio,
    BatchEvent,
    ConfigurationError,
    DecodeError,
    NotFoundError,
    Observer,
    PubrioError,
    RateLimitedError,
    RequestEvent,
    ResponseLostError,
)
from pubrio_async.sandbox import Fault, Sandbox, SandboxConfig, SandboxTransport
from pubrio_async.testing import VirtualClock
from tests.ledger import Ledger
from tests.together import together

virtual = pytest.mark.virtual_time

PERSON = "e37ccf38-ea8f-422e-9874-cb23b15e8fe4"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


class Desk:
    """A client in virtual time, its stand-in, and an observer."""

    def __init__(self, *observers: Any, **settings: Any) -> None:
        self.sandbox = Sandbox(SandboxConfig(**settings))
        self.transport = SandboxTransport(self.sandbox, latency=0.25)
        self.ledger = Ledger()
        self.pubrio = AsyncPubrio(
            "sandbox-key",
            transport=self.transport,
            clock=VirtualClock(),
            observers=(*observers, self.ledger),
        )

    async def __aenter__(self) -> Self:
        await self.pubrio.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.pubrio.aclose()
        assert not self.ledger.broken

    @property
    def request(self) -> RequestEvent:
        (event,) = self.ledger.requests
        return event


@virtual
async def test_a_request_is_told_with_its_size_time_and_status() -> None:
    async with Desk(latency=0.5) as desk:
        began = VirtualClock().wall()
        await desk.pubrio.redeem.people(people_search_id=PERSON, people_contact_types=["phone"])
    event = desk.request
    assert (event.name, event.method, event.path) == ("redeem.people", "POST", "/redeem/people")
    assert (event.paid, event.sent, event.status, event.error) == (True, True, 200, None)
    assert event.started_at == pytest.approx(began)
    assert event.elapsed_s == pytest.approx(0.75, abs=0.3)
    assert event.bytes_out > len(PERSON)
    assert event.bytes_in > 0


@virtual
async def test_each_attempt_is_a_request_and_a_pause_is_none() -> None:
    async with Desk() as desk:
        desk.sandbox.add_fault(Fault(kind="429", times=1, retry_after=7.0))
        await desk.pubrio.redeem.people(people_search_id=PERSON, people_contact_types=["phone"])
    first, second = desk.ledger.requests
    assert (first.status, first.error) == (429, "RateLimitedError")
    assert (second.status, second.error) == (200, None)
    assert second.started_at - first.started_at >= 7.0
    assert second.elapsed_s < 1.0


@virtual
@pytest.mark.parametrize(
    ("fault", "error", "status"),
    [
        (Fault(kind="lost_after"), ResponseLostError, None),
        (Fault(kind="truncated"), ResponseLostError, 200),
        (Fault(kind="garbage"), DecodeError, 200),
        (Fault(kind="5xx_before", status=503), PubrioError, 503),
        (Fault(kind="400"), PubrioError, 400),
        (Fault(kind="401"), PubrioError, 401),
        (Fault(kind="402"), PubrioError, 402),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else None,
)
async def test_a_failure_is_told_by_its_class(
    fault: Fault, error: type[PubrioError], status: int | None
) -> None:
    async with Desk() as desk:
        desk.sandbox.add_fault(fault)
        with pytest.raises(error) as caught:
            await desk.pubrio.redeem.people(people_search_id=PERSON, people_contact_types=["phone"])
    assert (desk.request.error, desk.request.status) == (type(caught.value).__name__, status)
    assert desk.request.sent


@virtual
async def test_what_was_not_sent_says_so() -> None:
    async with Desk() as desk:
        desk.transport.connect_refused = 1
        await desk.pubrio.redeem.people(people_search_id=PERSON, people_contact_types=["phone"])
    first, second = desk.ledger.requests
    assert (first.sent, first.status, first.error) == (False, None, "NotSentError")
    assert (second.sent, second.status, second.error) == (True, 200, None)


@virtual
async def test_a_free_call_that_is_cancelled_is_told() -> None:
    async with Desk() as desk:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await desk.pubrio.redeem.query(redeem_query_id=UNKNOWN)
    assert (desk.request.error, desk.request.status) == ("CancelledError", None)
    assert desk.request.sent


@virtual
async def test_a_paid_call_whose_caller_left_is_told_when_it_ends() -> None:
    async with Desk() as desk:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await desk.pubrio.redeem.people(
                    people_search_id=PERSON, people_contact_types=["phone"]
                )
        assert not desk.ledger.requests
    assert (desk.request.status, desk.request.error) == (200, None)
    assert len(desk.pubrio.abandoned) == 1


class Bad(Observer):
    """Raises whenever it is told something."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.told = 0

    def on_request(self, event: RequestEvent) -> None:
        self.told += 1
        raise self.error

    def on_batch(self, event: BatchEvent) -> None:
        self.told += 1
        raise self.error


@virtual
@pytest.mark.parametrize(
    "error", [ValueError("somebody@example.com"), asyncio.CancelledError(), TimeoutError()]
)
async def test_an_observer_that_raises_is_dropped_and_named_once(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    bad = Bad(error)
    async with Desk(bad) as desk:
        for _ in range(2):
            await desk.pubrio.redeem.people(people_search_id=PERSON, people_contact_types=["phone"])
        people = [f"{number:08d}-0000-4000-8000-000000000000" for number in range(30)]
        async with desk.pubrio.redeem.many(
            people, people_contact_types=["phone"], batch_size=10
        ) as run:
            assert [outcome.status async for outcome in run].count("failed") == 0
    assert bad.told == 1
    assert len(desk.ledger.requests) > 4  # the one beside it goes on
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.name == "pubrio_async"
    assert record.event == "observer_dropped"  # type: ignore[attr-defined] # given as extra
    assert "Bad" in record.getMessage()
    assert type(error).__name__ in record.getMessage()
    assert "example.com" not in caplog.text
    assert record.exc_info is None


@virtual
async def test_an_observer_that_raises_over_a_failure_does_not_replace_it() -> None:
    async with Desk(Bad(ValueError())) as desk:
        with pytest.raises(NotFoundError) as caught:
            await desk.pubrio.redeem.query(redeem_query_id=UNKNOWN)
    assert not isinstance(caught.value.__context__, ValueError)


@virtual
async def test_an_interrupt_is_for_the_program() -> None:
    bad = Bad(SystemExit(3))
    async with Desk(bad) as desk:
        observers = desk.pubrio._observers
        assert observers is not None
        with pytest.raises(SystemExit):
            observers.batch(BatchEvent(kind="submitted", batch_id="1", people=1, at=0.0))
        assert len(observers) == 2


@together
@pytest.mark.parametrize("given", [Observer, object(), "metrics", None, lambda event: None])
def test_what_is_no_observer_is_refused_before_anything_is_sent(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="takes instances of"):
        AsyncPubrio("key", observers=[given])


@virtual
async def test_an_observer_may_do_nothing() -> None:
    async with Desk(Observer()) as desk:
        desk.sandbox.add_fault(Fault(kind="429", times=20))
        with pytest.raises(RateLimitedError):
            await desk.pubrio.redeem.people(people_search_id=PERSON, people_contact_types=["phone"])
    assert desk.ledger.requests


def test_nobody_observes_unless_asked() -> None:
    assert AsyncPubrio("key")._observers is None
    assert AsyncPubrio("key", observers=[])._dispatcher._observers is None
