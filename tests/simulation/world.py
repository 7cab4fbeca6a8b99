"""The world around the client: time that can be cut off, a journal and a wire that can die."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

import msgspec

from pubrio_async import MemoryJournal
from pubrio_async._phase import Phase
from pubrio_async._wire import WireReply, WireRequest
from pubrio_async.models import RedeemJob
from pubrio_async.sandbox import Sandbox, SandboxTransport
from pubrio_async.scheduler.journal import (
    Batch,
    JournalSummary,
    OpenBatch,
    Settled,
    Unsettled,
)
from pubrio_async.scheduler.persons import person_key
from pubrio_async.testing import VirtualTimeLoop
from tests.simulation.plan import Crash

T = TypeVar("T")

_REFUSED = frozenset({400, 401, 402, 403, 404, 405, 413, 422, 429})
_MOST_TURNS = 150_000


class BrokenPromiseError(AssertionError):
    """The simulation has found a promise broken."""


class _Task(asyncio.Task[Any]):
    """A task that hashes by its number: sets of tasks have the same order every time."""

    number = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _Task.number += 1
        self._number = _Task.number
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        return self._number


class CountingLoop(VirtualTimeLoop):
    """A virtual loop that counts its turns, and can let everything on it die."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = 0
        self.on_turn: Callable[[], None] | None = None
        self.noises: list[str] = []
        self.set_task_factory(lambda loop, coro, **kwargs: _Task(coro, loop=loop, **kwargs))
        self.set_exception_handler(self._heard)

    def _run_once(self) -> None:
        self.turns += 1
        if self.turns > _MOST_TURNS:
            raise BrokenPromiseError("it does not come to an end")
        if self.on_turn is not None:
            self.on_turn()
        super()._run_once()  # type: ignore[misc] # the loop's one turn

    def forget_timers(self) -> None:
        """Nothing that was set to happen will happen."""
        for handle in self._scheduled:  # type: ignore[attr-defined]
            handle.cancel()

    def _heard(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.noises.append(f"{context.get('message')}: {context.get('exception')!r}")


class Fate:
    """Whether the process of one life is still alive."""

    def __init__(self, crash: Crash | None, loop: CountingLoop) -> None:
        self.crash = crash
        self.dead = False
        self.died: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._steps = 0
        self.story: list[str] = []
        if crash is not None and crash.at == "instant":
            loop.call_later(crash.number, self.die)
        elif crash is not None and crash.at == "turn":
            self._last_turn = loop.turns + crash.number
            loop.on_turn = self._turn

    def die(self) -> None:
        """From now on nothing of this life has an effect."""
        if not self.dead:
            self.dead = True
            self.tell("the process dies")
            self._loop.on_turn = None
            self._loop.forget_timers()
            self.died.set_result(None)

    def over(self) -> None:
        """The life ended before its crash."""
        self._loop.on_turn = None
        self._loop.forget_timers()

    def tell(self, what: str) -> None:
        """Keeps what happened, for whoever looks at a seed."""
        self.story.append(f"{self._loop.time():10.3f} {what}")

    def steps_now(self) -> bool:
        """Counts a step of the journal; True if it is the fatal one."""
        self._steps += 1
        crash = self.crash
        return crash is not None and crash.at == "journal" and self._steps == crash.number

    def _turn(self) -> None:
        if self._loop.turns >= self._last_turn:
            self.die()


def _short(*keys: str) -> str:
    """Which people or job, in a few letters each; in an order that is the same every time."""
    return " ".join(key[-12:] if key.startswith("http") else key[:4] for key in sorted(keys))


async def _never() -> NoReturn:
    await asyncio.get_running_loop().create_future()
    raise AssertionError


class CrashingJournal:
    """A journal on a disk that outlives the process: each write is on it, or is not.

    As with the journal in a file, a write whose caller is cancelled is carried out all the same.
    """

    def __init__(self, disk: MemoryJournal, fate: Fate, rng: random.Random, slow: float) -> None:
        self._disk = disk
        self._fate = fate
        self._rng = rng
        self._slow = slow

    async def _step(self, name: str, about: object, effect: Callable[[], Awaitable[T]]) -> T:
        fate = self._fate
        if fate.dead:
            await _never()
        fatal = fate.steps_now()
        if fatal and fate.crash is not None and not fate.crash.written:
            fate.die()
            await _never()
        try:
            if self._slow:
                await asyncio.sleep(self._rng.uniform(0, self._slow))
        except asyncio.CancelledError:
            if not fate.dead:
                fate.tell(f"journal {name} {about} (its caller was cancelled)")
                await effect()
            raise
        if fate.dead:
            await _never()
        fate.tell(f"journal {name} {about}")
        result = await effect()
        if fatal:
            fate.die()
            await _never()
        return result

    async def open(self, contact_types: Sequence[str]) -> None:
        await self._step("open", "", lambda: self._disk.open(contact_types))

    async def lookup(self, keys: Sequence[str]) -> Mapping[str, Settled | Unsettled]:
        return await self._step("lookup", len(keys), lambda: self._disk.lookup(keys))

    async def open_batches(self) -> Sequence[OpenBatch]:
        return await self._step("open_batches", "", self._disk.open_batches)

    async def intend(self, batch: Batch) -> None:
        await self._step("intend", _short(*batch.keys), lambda: self._disk.intend(batch))

    async def accepted(self, batch_id: str, job: RedeemJob) -> None:
        await self._step(
            "accepted", _short(job.redeem_query_id), lambda: self._disk.accepted(batch_id, job)
        )

    async def withdraw(self, batch_id: str) -> None:
        await self._step("withdraw", "", lambda: self._disk.withdraw(batch_id))

    async def settle(self, batch_id: str, results: Mapping[str, Settled], charged: Any) -> None:
        await self._step(
            "settle", _short(*results), lambda: self._disk.settle(batch_id, results, charged)
        )

    async def unsettle(self, batch_id: str, reason: str) -> None:
        await self._step("unsettle", reason, lambda: self._disk.unsettle(batch_id, reason))

    async def summary(self) -> JournalSummary:
        return await self._disk.summary()

    async def close(self) -> None:
        """The disk stays."""


class Wire:
    """The way to the sandbox, which watches what is sent against what the journal holds."""

    def __init__(
        self, inner: SandboxTransport, disk: MemoryJournal, fate: Fate, sent: set[str]
    ) -> None:
        self._inner = inner
        self._disk = disk
        self._fate = fate
        self._sent = sent
        self.broken: str | None = None

    @property
    def in_flight(self) -> int:
        return self._inner.in_flight

    async def send(self, request: WireRequest, *, timeout: float, phase: Phase) -> WireReply:
        if self._fate.dead:
            await _never()
        body = msgspec.json.decode(request.body or b"{}")
        people: set[str] = set()
        if request.paid:
            people = set(body.get("peoples") or [_person(body)])
            await self._watch_submit(people)
        elif "redeem_query_id" in body:
            await self._watch_poll(body["redeem_query_id"])
        self._sent |= people
        about = _short(*people) or _short(body.get("redeem_query_id", ""))
        self._fate.tell(f"send {request.path} {about}")
        try:
            reply = await self._inner.send(request, timeout=timeout, phase=phase)
        except BaseException as error:
            self._fate.tell(f"lost {about} {error!r}")
            if not phase.sent:
                self._sent -= people
            raise
        self._fate.tell(f"{reply.status} {about}")
        if reply.status in _REFUSED:
            self._sent -= people
        return reply

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _watch_submit(self, people: set[str]) -> None:
        again = people & self._sent
        if again:
            self._break(f"sent again though perhaps paid for: {min(again)}")
        intended = {
            key
            for entry in await self._disk.open_batches()
            if entry.job is None
            for key in entry.batch.keys
        }
        if not people <= intended:
            self._break("sent without an intent in the journal")

    async def _watch_poll(self, query_id: str) -> None:
        jobs = [entry.job for entry in await self._disk.open_batches()]
        if not any(job is not None and job.redeem_query_id == query_id for job in jobs):
            self._break("polled a job that the journal does not hold")

    def _break(self, what: str) -> None:
        self.broken = self.broken or what


def _person(body: dict[str, Any]) -> str:
    return body.get("people_search_id") or person_key(body["linkedin_url"])


def expected(sandbox: Sandbox, key: str, types: Sequence[str]) -> list[tuple[Any, ...]]:
    """What the sandbox has of a person, in an order that can be compared."""
    person = sandbox.id_for_linkedin(key) if key.startswith("https") else key
    contacts = sandbox.contacts_for(person, types) if person else ()
    return sorted(((c.type, c.value, c.status) for c in contacts), key=str)
