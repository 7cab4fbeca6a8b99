"""A dispatcher with a transport in memory that does as the script says, in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from msgspec import Struct

from pubrio_async import _routes
from pubrio_async._config import Rate
from pubrio_async._dispatch import Dispatcher
from pubrio_async._errors import NotSentError, PubrioError, ResponseLostError
from pubrio_async._limiter import Limiter
from pubrio_async._phase import Phase
from pubrio_async._retry import RetryPolicy
from pubrio_async._routes import USER_GET, Route
from pubrio_async._wire import WireReply, WireRequest
from pubrio_async.testing import VirtualClock

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


SCRIPTS: dict[str, tuple[Step, ...]] = {
    "success": (Step(connecting=0.1, answering=0.1),),
    "429": (Step(status=429, connecting=0.1, answering=0.1, headers={"Retry-After": "3"}),),
    "unsent": (Step(error="unsent", connecting=0.1), Step(connecting=0.1, answering=0.1)),
    "lost": (Step(error="lost", connecting=0.1, answering=0.1),),
    "500": (Step(status=500, answering=0.1), Step(status=500)),
}
