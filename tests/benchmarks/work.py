"""The pieces of work that are counted: one for each thing the package does in great numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, NamedTuple, TypeVar

from benchmarks import poller
from benchmarks.decode import reply
from benchmarks.stream import Canned
from pubrio_async import AsyncPubrio
from pubrio_async._wire import query_decoder
from pubrio_async.models import Outcome, RedeemQueryReply
from pubrio_async.testing import VirtualClock, VirtualTimeLoop

PEOPLE = 1_000
CALLS = 20
POLLS = 200
BATCHES = 8
BATCH = 100
LOOPS = 8  # one for each time the work is done

T = TypeVar("T")


class Work(NamedTuple):
    """A piece of work.

    Attributes:
        units: How many of what is counted it does at once.
        prepared: A context that gives a function which does it, and returns its result.
    """

    units: int
    prepared: Callable[[], AbstractContextManager[Callable[[], object]]]


@contextmanager
def looping() -> Generator[Callable[[Coroutine[Any, Any, T]], T]]:
    """Runs each coroutine in an event loop of its own.

    Making and closing it is no part of the work: what that costs depends on all the tasks there
    are in the process, whosever they are.
    """
    with ExitStack() as stack:
        runners = [
            stack.enter_context(asyncio.Runner(loop_factory=VirtualTimeLoop)) for _ in range(LOOPS)
        ]
        for runner in runners:
            runner.get_loop()
        yield lambda work: runners.pop().run(work)


@contextmanager
def decoding() -> Generator[Callable[[], RedeemQueryReply]]:
    """A reply of a thousand people, by person."""
    body = reply(PEOPLE)
    decode = query_decoder()
    yield lambda: decode(body)


@contextmanager
def dispatching() -> Generator[Callable[[], object]]:
    """A call of an endpoint, from its arguments to its typed result, without a socket."""
    body = reply(1)

    class Wire(Canned):
        def _result(self, name: str, ids: list[str]) -> bytes:
            return body

        async def send(self, request, *, timeout, phase):  # type: ignore[no-untyped-def]
            self._jobs["e37ccf38-ea8f-422e-9874-cb23b15e8fe4"] = []
            return await super().send(request, timeout=timeout, phase=phase)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        client = AsyncPubrio(
            "benchmark", rate_limit="300/second", transport=Wire(), clock=VirtualClock()
        )
        runner.run(client.__aenter__())

        async def calls() -> list[object]:
            return [
                await client.redeem.query(redeem_query_id="e37ccf38-ea8f-422e-9874-cb23b15e8fe4")
                for _ in range(CALLS)
            ]

        yield lambda: runner.run(calls())
        runner.run(client.__aexit__(None, None, None))


@contextmanager
def polling() -> Generator[Callable[[], object]]:
    """A poll by the run's own parts: the agenda, its policy, the crew and the limiter."""
    due = [5 + number / 1000 for number in range(POLLS)]

    async def polls() -> None:
        await poller.SCHEMES[poller.ENGINE](poller.Scheme(POLLS), due)

    with looping() as run:
        yield lambda: run(polls())


@contextmanager
def redeeming() -> Generator[Callable[[], list[Outcome]]]:
    """A row through a run: in, into a batch, out of the reply, into an outcome."""
    people = [f"00000000-0000-4000-8000-{number:012x}" for number in range(BATCHES * BATCH)]

    async def rows() -> list[Outcome]:
        async with AsyncPubrio(
            "benchmark", rate_limit="unlimited", transport=Canned(), clock=VirtualClock()
        ) as client:
            run = client.redeem.many(people, people_contact_types=["email-work"], batch_size=BATCH)
            async with run:
                return [outcome async for outcome in run]

    with looping() as run:
        yield lambda: run(rows())


WORK = {
    "decoding a reply, by person": Work(PEOPLE, decoding),
    "a call of an endpoint": Work(CALLS, dispatching),
    "a poll": Work(POLLS, polling),
    "a row of a run": Work(BATCHES * BATCH, redeeming),
}
