"""A call is one request and one reply, and what it may cost is known before."""

from __future__ import annotations

import ast
import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

import pubrio_async
from pubrio_async._errors import ConfigurationError, PubrioError, RateLimitedError
from pubrio_async._phase import Phase
from pubrio_async._routes import PROFILE_USAGE, REDEEM_PEOPLE, REDEEM_QUERY, USER_GET, Route
from pubrio_async.models import RedeemPeopleReply
from tests.dispatch.bench import ROUTES, SCRIPTS, Step, bench, by_name, virtual
from tests.together import together


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
