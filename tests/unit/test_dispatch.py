from __future__ import annotations

import ast
import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from msgspec import Struct
from msgspec.structs import replace

import pubrio_async
from pubrio_async import _routes
from pubrio_async._config import Rate
from pubrio_async._dispatch import AbandonedCall, Dispatcher
from pubrio_async._errors import (
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    DecodeError,
    InsufficientCreditsError,
    NotSentError,
    PubrioError,
    RateLimitedError,
    ResponseLostError,
    ServerError,
)
from pubrio_async._limiter import Limiter
from pubrio_async._phase import Phase
from pubrio_async._retry import RetryPolicy
from pubrio_async._routes import (
    PROFILE_USAGE,
    REDEEM_BATCH,
    REDEEM_PEOPLE,
    REDEEM_QUERY,
    USER_GET,
    Route,
)
from pubrio_async._wire import WireReply, WireRequest
from pubrio_async.models import RedeemPeopleReply
from pubrio_async.testing import VirtualClock, VirtualTimeLoop, run_virtual
from tests.together import together

ROUTES: tuple[Route[Any], ...] = (
    _routes.REDEEM_PEOPLE,
    _routes.REDEEM_BATCH,
    _routes.REDEEM_QUERY,
    _routes.PROFILE_GET,
    _routes.PROFILE_USAGE,
    _routes.USER_GET,
)
PAID = [route for route in ROUTES if route.paid]
FREE = [route for route in ROUTES if not route.paid]
by_name = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
by_paid_name = pytest.mark.parametrize("route", PAID, ids=lambda route: route.name)
by_free_name = pytest.mark.parametrize("route", FREE, ids=lambda route: route.name)

FIELDS: Mapping[str, Any] = {"people_search_id": "e37ccf38", "people_contact_types": ["phone"]}
SAMPLE_FILES = {
    "redeem.people": "redeem_people.response.json",
    "redeem.batch": "redeem_people_batch.response.json",
    "redeem.query": "redeem_people_batch_query.response.json",
    "profile.get": "profile.response.json",
    "profile.usage": "profile_usage.response.json",
}
SAMPLES = {
    name: (Path(__file__).parents[1] / "samples" / file).read_bytes()
    for name, file in SAMPLE_FILES.items()
} | {"user.get": b'{"data": {"user_id": "u"}}'}


class Step(Struct, frozen=True):
    """What becomes of one request: how long it takes to leave, and then to be answered."""

    status: int = 200
    body: bytes | None = None  # the sample, by default
    headers: Mapping[str, str] = {}
    error: Literal["unsent", "lost"] | None = None
    connecting: float = 0.0
    answering: float = 0.0
    copies: int = 1


class Scripted:
    """A transport in memory that does as the script says, and goes on with successes."""

    def __init__(self, *script: Step) -> None:
        self.script = list(script)
        self.requests: list[WireRequest] = []
        self.sent_at: list[float] = []
        self.under_way = 0
        self.timeouts: set[float] = set()

    async def send(self, request: WireRequest, *, timeout: float, phase: Phase) -> WireReply:
        step = self.script.pop(0) if self.script else Step()
        self.timeouts.add(timeout)
        self.requests.append(request)
        self.under_way += 1
        try:
            await asyncio.sleep(step.connecting)
            if step.error == "unsent":
                raise NotSentError("refused")
            phase.sent += step.copies
            self.sent_at.append(asyncio.get_running_loop().time())
            await asyncio.sleep(step.answering)
            if step.error == "lost":
                raise ResponseLostError("lost", may_have_charged=request.paid)
        finally:
            self.under_way -= 1
        body = step.body
        if body is None:
            name = next(r.name for r in ROUTES if r.path == request.path)
            body = SAMPLES[name] if step.status == 200 else b'{"error": "no"}'
        return WireReply(step.status, step.headers, body)

    async def aclose(self) -> None:
        pass


class Bench:
    """A dispatcher with what stands around it."""

    def __init__(
        self,
        *script: Step,
        rates: tuple[Rate, ...] = (Rate(100, 60.0),),
        max_wait: float = 90.0,
        concurrency: int = 8,
        policy: RetryPolicy | None = None,
    ) -> None:
        clock = VirtualClock()
        self.transport = Scripted(*script)
        self.limiter = Limiter(rates, concurrency, clock, random.Random(1))
        self.dispatcher = Dispatcher(
            self.transport,
            self.limiter,
            clock,
            timeout=30.0,
            max_wait=max_wait,
            policy=policy,
            rng=random.Random(2),
        )

    def call(self, route: Route[Any], fields: Mapping[str, Any] | None = FIELDS) -> Any:
        return self.dispatcher.call(route, None if route is USER_GET else fields)

    async def error(self, route: Route[Any]) -> PubrioError:
        with pytest.raises(PubrioError) as caught:
            await self.call(route)
        assert caught.value.endpoint == route.name
        return caught.value

    @property
    def sent(self) -> int:
        return len(self.transport.sent_at)

    def assert_idle(self) -> None:
        statistics = self.limiter.statistics()
        assert (statistics.in_flight, statistics.waiting) == (0, 0)
        assert self.transport.under_way == 0
        assert not self.dispatcher._owned
        assert asyncio.all_tasks() == {asyncio.current_task()}


@contextlib.asynccontextmanager
async def bench(*script: Step, **arguments: Any) -> AsyncIterator[Bench]:
    made = Bench(*script, **arguments)
    yield made
    await settle()
    made.assert_idle()


def virtual(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., Any]:
    marked: Callable[..., Any] = pytest.mark.virtual_time(test)
    return marked


async def settle() -> None:
    """Lets everything that is ready run, without letting time pass."""
    for _ in range(5):
        await asyncio.sleep(0)


def now() -> float:
    return asyncio.get_running_loop().time()


RATE_LIMITED = Step(status=429)
REFUSED = Step(error="unsent")
LOST = Step(error="lost")


# ------------------------------------------------------------------------------- what is sent


@virtual
@by_name
async def test_a_call_is_one_request_and_one_reply(route: Route[Any]) -> None:
    async with bench() as b:
        reply = await b.call(route)
        assert reply is not None
        (request,) = b.transport.requests
        assert (request.method, request.path, request.paid) == (
            route.method,
            route.path,
            route.paid,
        )
        assert request.body == (
            None
            if route is USER_GET
            else b'{"people_search_id":"e37ccf38","people_contact_types":["phone"]}'
        )
        assert b.transport.timeouts == {30.0}
        assert b.limiter.available() == 99
        assert not b.dispatcher.abandoned


def test_flags_of_the_routes() -> None:
    assert {route.name: (route.paid, route.repeatable) for route in ROUTES} == {
        "redeem.people": (True, False),
        "redeem.batch": (True, False),
        "redeem.query": (False, True),
        "profile.get": (False, True),
        "profile.usage": (False, True),
        "user.get": (False, True),
    }


@together
@pytest.mark.parametrize("safe", [True, False])
@pytest.mark.parametrize("spends", [True, False, None])
def test_what_may_cost_is_paid_and_what_is_paid_is_not_repeatable(
    spends: bool | None, safe: bool
) -> None:
    route = replace(PROFILE_USAGE, spends_credits=spends, safe_to_resend=safe)
    assert route.paid is (spends is not False)
    assert route.repeatable is (spends is False and safe)


@virtual
@by_name
async def test_what_cannot_be_written_as_json_never_leaves(route: Route[Any]) -> None:
    async with bench() as b:
        with pytest.raises(ConfigurationError):
            await b.dispatcher.call(route, {"peoples": object()})
        assert b.transport.requests == []
        assert b.limiter.available() == 100


# ----------------------------------------------------------------------------------- resending


@virtual
@by_name
async def test_a_429_is_sent_again_after_the_pause(route: Route[Any]) -> None:
    async with bench(Step(status=429, headers={"Retry-After": "7"})) as b:
        await b.call(route)
        assert b.transport.sent_at == [0.0, 7.0]


@virtual
@by_name
async def test_429s_are_sent_again_as_long_as_there_is_time(route: Route[Any]) -> None:
    async with bench(*[RATE_LIMITED] * 4, rates=()) as b:
        await b.call(route)
        assert b.sent == 5  # more than the resends allowed for failures
        assert now() >= (2 + 4 + 8 + 16) * 0.8
        assert b.limiter.statistics().refused == 4


@virtual
@by_name
async def test_a_429_of_one_call_pauses_the_others(route: Route[Any]) -> None:
    async with bench(Step(status=429, headers={"Retry-After": "20"})) as b:
        await asyncio.gather(b.call(route), b.call(route))
        assert b.transport.sent_at == [0.0, 0.0, 20.0]
        await b.call(PROFILE_USAGE)


@virtual
@by_name
async def test_what_was_not_sent_is_sent_again(route: Route[Any]) -> None:
    async with bench(REFUSED, REFUSED, REFUSED) as b:
        await b.call(route)
        assert len(b.transport.requests) == 4
        assert b.sent == 1
        assert b.limiter.available() == 99  # unsent requests cost no permit


@virtual
@by_name
async def test_but_not_without_end(route: Route[Any]) -> None:
    async with bench(*[REFUSED] * 9) as b:
        error = await b.error(route)
        assert type(error) is NotSentError
        assert not error.may_have_charged
        assert len(b.transport.requests) == 4
        assert b.limiter.available() == 100
        assert 0.5 * (0.5 + 1 + 2) <= now() <= 0.5 + 1 + 2


@virtual
@by_name
async def test_429s_between_do_not_use_up_the_resends(route: Route[Any]) -> None:
    script = [REFUSED, RATE_LIMITED, REFUSED, RATE_LIMITED, REFUSED]
    async with bench(*script) as b:
        await b.call(route)
        assert len(b.transport.requests) == 6


AMBIGUOUS = {
    "lost": (LOST, ResponseLostError),
    "500": (Step(status=500), ServerError),
    "503": (Step(status=503, headers={"Retry-After": "1"}), ServerError),
    "unreadable": (Step(body=b"<html>"), DecodeError),
    "not documented": (Step(body=b'{"error": "no"}'), DecodeError),
}


@virtual
@by_paid_name
@pytest.mark.parametrize("case", AMBIGUOUS)
async def test_what_may_have_been_paid_is_never_sent_again(route: Route[Any], case: str) -> None:
    step, kind = AMBIGUOUS[case]
    async with bench(step) as b:
        error = await b.error(route)
        assert type(error) is kind
        assert error.may_have_charged
        assert b.sent == 1
        assert b.limiter.available() == 99


@virtual
@by_free_name
@pytest.mark.parametrize("case", ["lost", "500", "503"])
async def test_what_is_free_and_safe_is_sent_again_three_times(
    route: Route[Any], case: str
) -> None:
    step, kind = AMBIGUOUS[case]
    async with bench(step, step, step) as b:
        await b.call(route)
        assert b.sent == 4
    async with bench(*[step] * 9) as b:
        error = await b.error(route)
        assert type(error) is kind
        assert not error.may_have_charged
        assert b.sent == 4
        assert b.limiter.available() == 96


@virtual
@by_free_name
async def test_a_reply_that_cannot_be_read_would_not_read_better_twice(
    route: Route[Any],
) -> None:
    async with bench(Step(body=b"<html>")) as b:
        error = await b.error(route)
        assert type(error) is DecodeError
        assert not error.may_have_charged
        assert b.sent == 1


@virtual
@pytest.mark.parametrize("spends", [True, None])
@pytest.mark.parametrize("safe", [True, False])
async def test_unknown_cost_counts_as_paid(spends: bool | None, safe: bool) -> None:
    route = replace(PROFILE_USAGE, spends_credits=spends, safe_to_resend=safe)
    async with bench(LOST) as b:
        error = await b.error(route)
        assert error.may_have_charged
        assert b.sent == 1


@virtual
async def test_free_but_not_safe_is_not_sent_again() -> None:
    async with bench(LOST) as b:
        error = await b.error(replace(PROFILE_USAGE, safe_to_resend=False))
        assert type(error) is ResponseLostError
        assert b.sent == 1


@virtual
@by_name
@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, BadRequestError), (401, AuthenticationError), (402, InsufficientCreditsError)],
)
async def test_a_refusal_is_final(route: Route[Any], status: int, kind: type[PubrioError]) -> None:
    async with bench(Step(status=status)) as b:
        error = await b.error(route)
        assert type(error) is kind
        assert not error.may_have_charged
        assert b.sent == 1


@virtual
async def test_a_policy_of_ones_own() -> None:
    async with bench(*[LOST] * 9, policy=RetryPolicy(resends=1)) as b:
        await b.error(PROFILE_USAGE)
        assert b.sent == 2


@virtual
async def test_a_request_sent_twice_by_the_transport_costs_two_permits() -> None:
    async with bench(Step(copies=2)) as b:
        await b.call(USER_GET)
        assert b.limiter.available() == 98


@virtual
@by_name
async def test_a_fault_of_the_transport_is_no_reason_to_send_again(route: Route[Any]) -> None:
    async def faulty(request: WireRequest, *, timeout: float, phase: Phase) -> WireReply:
        phase.sent += 1
        raise ZeroDivisionError

    async with bench() as b:
        b.transport.send = faulty  # type: ignore[method-assign]
        with pytest.raises(ZeroDivisionError):
            await b.call(route)
        assert b.limiter.available() == 99


# ------------------------------------------------------------------------------------ waiting


@virtual
@by_name
async def test_a_call_waits_for_its_permit(route: Route[Any]) -> None:
    async with bench(rates=(Rate(1, 60.0),)) as b:
        await asyncio.gather(b.call(route), b.call(route))
        assert b.transport.sent_at == [0.0, pytest.approx(60.031)]


@virtual
@by_name
async def test_no_permit_in_time_is_said_at_once_and_with_a_number(route: Route[Any]) -> None:
    async with bench(rates=(Rate(1, 600.0),)) as b:
        await b.call(route)
        await asyncio.sleep(100)
        error = await b.error(route)
        assert type(error) is NotSentError
        assert f"{route.method} {route.path}" in str(error)
        assert "within 90 s" in str(error)
        assert "about 500 s" in str(error)
        assert not error.may_have_charged
        assert now() == 100.0
        assert b.sent == 1


@virtual
@by_name
async def test_a_queue_that_is_too_long_ends_the_wait_with_a_number(route: Route[Any]) -> None:
    async with bench(rates=(Rate(1, 60.0),)) as b:
        calls = [asyncio.create_task(b.call(route)) for _ in range(3)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        error = results[2]
        assert type(error) is NotSentError
        assert "within 90 s" in str(error)
        assert "about 30 s" in str(error)  # at 90 s: the second one left at 60 s
        assert now() == 90.0
        assert b.sent == 2


@virtual
@by_name
async def test_a_pause_longer_than_the_wait_is_an_error_with_the_number(
    route: Route[Any],
) -> None:
    async with bench(Step(status=429, headers={"Retry-After": "600"})) as b:
        error = await b.error(route)
        assert isinstance(error, RateLimitedError)
        assert error.retry_after == 600.0
        assert not error.may_have_charged
        assert now() == 0.0
        later = await b.error(route)  # the pause holds for the next call as well
        assert type(later) is NotSentError
        assert "about 600 s" in str(later)
        assert b.sent == 1


@virtual
@by_name
async def test_refused_again_and_again_ends_with_the_wait(route: Route[Any]) -> None:
    async with bench(*[RATE_LIMITED] * 99) as b:
        error = await b.error(route)
        assert type(error) is RateLimitedError
        assert now() <= 90.0
        assert b.sent == 6  # after about 2, 6, 14, 30 and 62 seconds, and 50 more are too many


@virtual
@by_name
async def test_asked_to_come_back_at_once_without_end(route: Route[Any]) -> None:
    async with bench(*[Step(status=429, headers={"Retry-After": "0"})] * 999, rates=()) as b:
        await b.error(route)
        assert now() <= 90.0
        assert b.sent < 10


@virtual
async def test_without_any_patience_only_what_can_leave_at_once_leaves() -> None:
    async with bench(REFUSED, rates=(Rate(2, 60.0),), max_wait=0.0) as b:
        assert type(await b.error(PROFILE_USAGE)) is NotSentError
        assert len(b.transport.requests) == 1
        await b.call(PROFILE_USAGE)
        await b.call(PROFILE_USAGE)
        assert "rate limit" in str(await b.error(PROFILE_USAGE))


@virtual
async def test_a_full_house_is_waited_for_as_well() -> None:
    async with bench(Step(answering=200.0), concurrency=1) as b:
        slow = asyncio.create_task(b.call(PROFILE_USAGE))
        await asyncio.sleep(0)
        error = await b.error(PROFILE_USAGE)
        assert type(error) is NotSentError
        assert "about 1 s" in str(error)  # no number can be known, and 0 would be none
        assert now() == 90.0
        await slow


# --------------------------------------------------------------------------------- cancelling


Cancel = Literal["task", "scope"]
both_ways = pytest.mark.parametrize("how", ["task", "scope"])


async def cancelled_after(seconds: float, call: Any, how: Cancel) -> None:
    """Makes a call and cancels its caller."""
    if how == "scope":
        with anyio.move_on_after(seconds) as scope:
            await call
        assert scope.cancelled_caught
        return

    async def caller() -> Any:
        return await call

    task = asyncio.create_task(caller())
    await asyncio.sleep(seconds)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@virtual
@both_ways
@by_name
async def test_cancelled_before_sending_nothing_is_sent(route: Route[Any], how: Cancel) -> None:
    async with bench(Step(connecting=5.0)) as b:
        await cancelled_after(1.0, b.call(route), how)
        await settle()
        b.assert_idle()
        await asyncio.sleep(100)
        assert b.sent == 0
        assert b.limiter.available() == 100
        assert not b.dispatcher.abandoned


@virtual
@both_ways
@by_name
async def test_cancelled_while_it_waits_for_a_permit(route: Route[Any], how: Cancel) -> None:
    async with bench(rates=(Rate(1, 60.0),)) as b:
        await b.call(PROFILE_USAGE)
        await cancelled_after(1.0, b.call(route), how)
        await settle()
        b.assert_idle()
        assert b.sent == 1
        assert not b.dispatcher.abandoned


@virtual
@both_ways
@by_name
@pytest.mark.parametrize("first", ["429", "unsent"])
async def test_cancelled_between_two_attempts(route: Route[Any], how: Cancel, first: str) -> None:
    async with bench(RATE_LIMITED if first == "429" else REFUSED) as b:
        await cancelled_after(0.1, b.call(route), how)
        await settle()
        b.assert_idle()
        await asyncio.sleep(100)
        assert len(b.transport.requests) == 1
        assert not b.dispatcher.abandoned


@virtual
@both_ways
@by_paid_name
async def test_cancelled_after_sending_a_paid_call_finishes(route: Route[Any], how: Cancel) -> None:
    async with bench(Step(answering=5.0)) as b:
        await cancelled_after(1.0, b.call(route), how)
        assert now() == 1.0  # the caller does not wait
        assert b.transport.under_way == 1
        await asyncio.sleep(10)
        assert b.sent == 1
        (kept,) = b.dispatcher.abandoned
        assert (kept.name, kept.fields, kept.error) == (route.name, FIELDS, None)
        assert kept.reply == route.decode(SAMPLES[route.name])
        assert b.limiter.available() == 99


@virtual
@both_ways
@by_free_name
async def test_cancelled_after_sending_a_free_call_just_ends(
    route: Route[Any], how: Cancel
) -> None:
    async with bench(Step(answering=5.0)) as b:
        await cancelled_after(1.0, b.call(route), how)
        b.assert_idle()
        assert b.limiter.available() == 99  # it was sent, so it counts
        assert not b.dispatcher.abandoned


@virtual
@both_ways
@by_paid_name
@pytest.mark.parametrize("status", [429, 500, 400])
async def test_an_abandoned_call_is_not_sent_again_even_if_it_was_refused(
    route: Route[Any], how: Cancel, status: int
) -> None:
    async with bench(Step(status=status, answering=5.0)) as b:
        await cancelled_after(1.0, b.call(route), how)
        await asyncio.sleep(100)
        assert b.sent == 1
        (kept,) = b.dispatcher.abandoned
        assert kept.reply is None
        assert getattr(kept.error, "status", None) == status


@virtual
@by_paid_name
async def test_an_abandoned_call_whose_answer_is_lost_says_so(route: Route[Any]) -> None:
    async with bench(Step(error="lost", answering=5.0)) as b:
        await cancelled_after(1.0, b.call(route), "task")
        await asyncio.sleep(100)
        (kept,) = b.dispatcher.abandoned
        assert type(kept.error) is ResponseLostError
        assert kept.error.may_have_charged


@virtual
async def test_the_newest_thousand_abandoned_replies_are_kept() -> None:
    script = [Step(answering=1.0 + number / 1e4) for number in range(1_005)]
    async with bench(*script, rates=(), concurrency=2_000) as b:
        tasks = [
            asyncio.create_task(b.call(REDEEM_PEOPLE, {"profile_id": number}))
            for number in range(1_005)
        ]
        await asyncio.sleep(0.5)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await asyncio.sleep(1)
        kept = [call.fields["profile_id"] for call in b.dispatcher.abandoned]
        assert kept == list(range(5, 1_005))


@virtual
async def test_a_fault_in_an_abandoned_call_is_not_swallowed() -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    async def faulty(request: WireRequest, *, timeout: float, phase: Phase) -> WireReply:
        phase.sent += 1
        await asyncio.sleep(5)
        raise ZeroDivisionError

    async with bench() as b:
        b.transport.send = faulty  # type: ignore[method-assign]
        await cancelled_after(1.0, b.call(REDEEM_PEOPLE), "task")
        await asyncio.sleep(10)
        assert not b.dispatcher.abandoned
    assert [type(context["exception"]) for context in reported] == [ZeroDivisionError]


class SteppedLoop(VirtualTimeLoop):
    """Does something at its n-th turn: before everything that is ready, or after it."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = 0
        self.at: int | None = None
        self.last = False
        self.strike: Callable[[], object] = lambda: None

    def _run_once(self) -> None:
        if self.at is not None:
            self.turn += 1
            if self.turn == self.at:
                if self.last:
                    self.call_soon(self.strike)
                else:
                    self.strike()
        super()._run_once()  # type: ignore[misc]


SCRIPTS: dict[str, tuple[Step, ...]] = {
    "success": (Step(connecting=0.1, answering=0.1),),
    "429": (Step(status=429, connecting=0.1, answering=0.1, headers={"Retry-After": "3"}),),
    "unsent": (Step(error="unsent", connecting=0.1), Step(connecting=0.1, answering=0.1)),
    "lost": (Step(error="lost", connecting=0.1, answering=0.1),),
    "500": (Step(status=500, answering=0.1), Step(status=500)),
}


@together
@both_ways
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("script", SCRIPTS)
@by_name
def test_cancelled_at_any_turn_of_the_loop(
    route: Route[Any], script: str, last: bool, how: Cancel
) -> None:
    """Whenever it comes: no permit, task or paid reply is lost, and nothing is sent twice."""

    async def main(turn: int) -> bool:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SteppedLoop)
        # A neighbour holds the only permit at first, and another one waits behind the call.
        b = Bench(*SCRIPTS[script], rates=(Rate(9, 60.0),), concurrency=1)
        neighbour = await b.limiter.acquire()
        ends: list[str] = []
        scope = anyio.CancelScope()

        async def caller() -> None:
            with scope:
                try:
                    await b.call(route)
                    ends.append("replied")
                except PubrioError:
                    ends.append("failed")
                except asyncio.CancelledError:
                    ends.append("cancelled")
                    raise

        async def behind() -> None:
            b.limiter.release(await b.limiter.acquire(), 0)

        task = asyncio.create_task(caller())
        await asyncio.sleep(0)
        second = asyncio.create_task(behind())
        loop.strike = task.cancel if how == "task" else scope.cancel
        loop.last = last
        loop.at = turn
        await asyncio.sleep(0.5)
        b.limiter.release(neighbour, 1)
        await asyncio.wait([task, second])
        struck = loop.turn >= turn
        loop.at = None
        await asyncio.sleep(60)
        b.assert_idle()

        charged = [
            r
            for r, step in zip(b.transport.requests, [*SCRIPTS[script], Step()], strict=False)
            if r.paid and step.status == 200 and step.error is None
        ]
        assert len(charged) <= 1
        if "cancelled" in ends and route.paid:
            # What was sent when the caller left has its end in the list.
            assert len(b.dispatcher.abandoned) <= 1
            if b.sent and script in {"success", "lost", "500"}:
                assert len(b.dispatcher.abandoned) == 1
        else:
            assert not b.dispatcher.abandoned
        assert len(ends) <= 1
        await asyncio.sleep(120)
        assert b.limiter.available() == 9
        return struck

    turn = 1
    while True:
        with asyncio.Runner(loop_factory=SteppedLoop) as runner:
            if not runner.run(main(turn)):
                break
        turn += 1
    assert turn > 5


# ------------------------------------------------------------------------------------- closing


@virtual
@by_name
async def test_a_closed_dispatcher_sends_nothing(route: Route[Any]) -> None:
    async with bench() as b:
        await b.dispatcher.drain(1.0)
        with pytest.raises(ConfigurationError, match="closed"):
            await b.call(route)
        assert b.transport.requests == []


@virtual
@by_paid_name
async def test_draining_lets_paid_calls_finish(route: Route[Any]) -> None:
    async with bench(Step(answering=1.0)) as b:
        call = asyncio.create_task(b.call(route))
        await asyncio.sleep(0.5)
        await b.dispatcher.drain(1.5)
        assert now() == 1.0
        assert await call == route.decode(SAMPLES[route.name])


@virtual
@by_paid_name
async def test_draining_keeps_the_reply_of_an_abandoned_call(route: Route[Any]) -> None:
    async with bench(Step(answering=1.0)) as b:
        await cancelled_after(0.5, b.call(route), "task")
        await b.dispatcher.drain(1.5)
        assert [call.error for call in b.dispatcher.abandoned] == [None]


@virtual
@by_paid_name
async def test_the_caller_of_a_call_cut_off_by_closing_gets_an_error(route: Route[Any]) -> None:
    """Not a CancelledError out of nowhere, which would end its task without a word."""
    async with bench(Step(answering=10.0)) as b:
        call = asyncio.create_task(b.call(route))
        await asyncio.sleep(0.5)
        await b.dispatcher.drain(1.5)
        assert now() == 2.0
        with pytest.raises(ResponseLostError, match=f"{route.path} .*closed") as caught:
            await call
        assert caught.value.may_have_charged
        assert caught.value.endpoint == route.name
        assert not b.dispatcher.abandoned
        assert b.limiter.statistics().in_flight == 0


@virtual
@by_paid_name
async def test_a_call_still_waiting_when_the_client_closes_was_not_sent(
    route: Route[Any],
) -> None:
    async with bench(rates=(Rate(1, 60.0),)) as b:
        await b.call(PROFILE_USAGE)
        call = asyncio.create_task(b.call(route))
        await asyncio.sleep(0)
        await b.dispatcher.drain(1.5)
        with pytest.raises(NotSentError, match="closed") as caught:
            await call
        assert not caught.value.may_have_charged
        assert caught.value.endpoint == route.name
        assert b.sent == 1


@virtual
@by_paid_name
async def test_an_abandoned_call_cut_off_by_closing_is_told_of(route: Route[Any]) -> None:
    async with bench(Step(answering=10.0)) as b:
        await cancelled_after(0.5, b.call(route), "task")
        await b.dispatcher.drain(1.5)
        (kept,) = b.dispatcher.abandoned
        assert isinstance(kept, AbandonedCall)
        assert type(kept.error) is ResponseLostError
        assert kept.error.may_have_charged
        assert kept.error.endpoint == route.name
        assert kept.fields == FIELDS


@virtual
async def test_draining_twice_and_draining_nothing() -> None:
    async with bench() as b:
        await b.dispatcher.drain(1.0)
        await b.dispatcher.drain(1.0)
        assert now() == 0.0


def test_the_end_of_the_loop_leaves_no_warning() -> None:
    """asyncio.run cancels every task; the paid one must not complain that nobody asked."""

    async def main() -> Bench:
        b = Bench(Step(answering=10.0))
        task = asyncio.create_task(b.call(REDEEM_BATCH))
        await asyncio.sleep(1)
        assert not task.done()
        return b

    b = run_virtual(main())
    assert b.sent == 1
    assert b.transport.under_way == 0


# ----------------------------------------------------------------------------- a single attempt


@virtual
@by_name
@pytest.mark.parametrize("script", [*SCRIPTS, "unreadable"])
async def test_an_attempt_is_one_attempt_and_gives_the_permit_back(
    route: Route[Any], script: str
) -> None:
    step = SCRIPTS[script][0] if script in SCRIPTS else Step(body=b"<html>")
    async with bench(step) as b:
        ticket = await b.limiter.acquire()
        phase = Phase()
        with contextlib.suppress(PubrioError):
            await b.dispatcher.attempt(route, b"{}", ticket, phase)
        assert len(b.transport.requests) == 1
        assert phase.sent == (0 if script == "unsent" else 1)
        assert b.limiter.statistics().in_flight == 0
        if script != "429":
            assert b.limiter.available() == 100 - phase.sent


@virtual
async def test_an_attempt_that_is_refused_pauses_everyone_before_the_permit_is_back() -> None:
    async with bench(Step(status=429, headers={"Retry-After": "9"}), concurrency=1) as b:
        ticket = await b.limiter.acquire()
        other = asyncio.create_task(b.call(PROFILE_USAGE))
        await asyncio.sleep(0)
        with pytest.raises(RateLimitedError):
            await b.dispatcher.attempt(REDEEM_QUERY, b"{}", ticket, Phase())
        await other
        assert b.transport.sent_at == [0.0, 9.0]


# -------------------------------------------------------------------------------- replies, code


@pytest.mark.parametrize("body", [b'{"data": null}', b"null", b'{"data": {}}'])
@virtual
async def test_a_miss_of_the_single_redeem_is_no_error(body: bytes) -> None:
    async with bench(Step(body=body)) as b:
        assert await b.call(REDEEM_PEOPLE) == RedeemPeopleReply()


def test_the_transport_is_called_in_exactly_one_place() -> None:
    root = Path(pubrio_async.__file__).parent
    calls: list[str] = []
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr == "send":
                place = path.relative_to(root).as_posix()
                calls.append(f"{place}: {ast.unparse(node)}")
    assert calls == ["_dispatch.py: self._transport.send"]
