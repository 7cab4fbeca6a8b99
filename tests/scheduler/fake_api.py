"""A scripted API for the scheduler: two verbs, virtual time, and a say in how each call ends."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import Counter, deque
from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from typing import Any

from pubrio_async import Outcome, PubrioError, RateLimitedError, Run
from pubrio_async._clock import Clock
from pubrio_async._config import parse_rates
from pubrio_async._limiter import Limiter
from pubrio_async._observe import Observers
from pubrio_async._phase import Phase
from pubrio_async.models import (
    Contact,
    RedeemCharge,
    RedeemedPerson,
    RedeemJob,
    RedeemPeopleReply,
    RedeemQueryReply,
)
from pubrio_async.scheduler.budget import Prices
from pubrio_async.scheduler.journal import BatchKind, Journal
from pubrio_async.scheduler.journal_memory import MemoryJournal
from pubrio_async.scheduler.logbook import Answer, Archive, LogEntry, LogPage, LogRow
from pubrio_async.scheduler.options import RunOptions
from pubrio_async.scheduler.outage import Losses
from pubrio_async.testing import VirtualClock

PRICE = 5


_VERSION_4 = 4 << 76 | 2 << 62
_NOT_ITS_BITS = ~(0xF << 76 | 3 << 62)


def people(count: int, seed: int = 1) -> list[str]:
    """Made-up ids: as `uuid.UUID(int=..., version=4)` has them, who takes four times as long."""
    rng = random.Random(seed)
    texts = (f"{rng.getrandbits(128) & _NOT_ITS_BITS | _VERSION_4:032x}" for _ in range(count))
    return [f"{a[:8]}-{a[8:12]}-{a[12:16]}-{a[16:20]}-{a[20:]}" for a in texts]


class UnsentError(Exception):
    """Wraps an error that ends a call before anything was sent."""

    def __init__(self, error: PubrioError) -> None:
        self.error = error


class AfterWorkError(Exception):
    """Wraps an error that ends a call after the API has carried it out."""

    def __init__(self, error: PubrioError) -> None:
        self.error = error


class FakeApi:
    """Carries out what it is asked unless the scripts say otherwise.

    A script entry is consumed by each call: None lets it through, an error ends it (after it was
    sent; wrapped in UnsentError, before; in AfterWorkError, after it was carried out), a callable
    gets the keys or job id and returns either.
    """

    def __init__(self, limiter: Limiter, *, latency: float = 0.1) -> None:
        self.limiter = limiter
        self.latency = latency
        self.duration: Callable[[int], float] = lambda size: 5.0
        self.estimate: Callable[[float], tuple[Any, Any]] = lambda seconds: (seconds, "second")
        self.on_submit: deque[Any] = deque()
        self.on_query: deque[Any] = deque()
        self.every_submit: Callable[[Sequence[str]], PubrioError | None] = lambda keys: None
        self.every_query: Callable[[str], PubrioError | None] = lambda query_id: None
        self.jobs: dict[str, tuple[tuple[str, ...], float]] = {}
        self.submits: list[tuple[float, BatchKind, tuple[str, ...]]] = []
        self.polls: list[tuple[float, str]] = []
        self.early_polls = 0
        self.late_polls = 0
        self.delivered: set[str] = set()
        self.charged: dict[str, int] = {}
        self.most_open = 0
        self.events: list[tuple[str, Any]] = []
        self.empty: set[str] = set()
        self.log: list[tuple[LogRow, LogEntry]] = []
        self.log_error: PubrioError | None = None
        self.every_look: Callable[[int | str], PubrioError | None] = lambda about: None
        self.log_delay = 0.0
        self.log_zone_s = 0.0
        self.looks: list[tuple[float, int | str]] = []

    async def submit(
        self, kind: BatchKind, keys: Sequence[str], ticket: int, phase: Phase
    ) -> RedeemJob | RedeemPeopleReply:
        self.events.append(("submit", tuple(keys)))
        scripted = self.on_submit.popleft() if self.on_submit else None
        try:
            await self._travel(scripted, phase, keys)
            self.submits.append((self._now(), kind, tuple(keys)))
            error = self.every_submit(keys)
            if error is not None:
                raise error
        except RateLimitedError as error:
            self.limiter.pause(ticket, error.retry_after)
            raise
        finally:
            self.limiter.release(ticket, phase.sent)
        answer = self._work(kind, keys)
        self.note(kind, keys, answer)
        if isinstance(scripted, AfterWorkError):
            raise scripted.error
        return answer

    def note(self, kind: BatchKind, keys: Iterable[str], answer: Answer, **row: Any) -> None:
        """Adds a request of this moment to the log."""
        log_id = f"log-{len(self.log)}"
        row = {"status": 200, "at": time_of_day() + self._now() + self.log_zone_s, **row}
        self.log.append(
            (
                LogRow(log_id, kind, **row),
                LogEntry(tuple(keys), frozenset({"email-work"}), answer),
            )
        )

    async def log_page(self, page: int, ticket: int, phase: Phase) -> LogPage:
        self.events.append(("log_page", page))
        await self._look(page, ticket, phase)
        newest = time_of_day() + self._now() + self.log_zone_s - self.log_delay
        rows = [row for row, _ in reversed(self.log) if row.at <= newest]
        own = LogRow(f"page-{len(self.log)}", None, time_of_day() + self._now() + self.log_zone_s)
        self.log.append((own, LogEntry((), frozenset(), RedeemJob("none"))))
        pages = max(1, -(-len(rows) // 25))
        return LogPage(rows[(page - 1) * 25 : page * 25], len(rows), pages)

    async def log_entry(self, row: LogRow, ticket: int, phase: Phase) -> LogEntry:
        self.events.append(("log_entry", row.log_id))
        await self._look(row.log_id, ticket, phase)
        return next(entry for listed, entry in self.log if listed.log_id == row.log_id)

    async def _look(self, about: int | str, ticket: int, phase: Phase) -> None:
        try:
            await self._travel(None, phase, about)
            self.looks.append((self._now(), about))
            error = self.log_error or self.every_look(about)
            if error is not None:
                raise error
        except RateLimitedError as error:
            self.limiter.pause(ticket, error.retry_after)
            raise
        finally:
            self.limiter.release(ticket, phase.sent)

    def _work(self, kind: BatchKind, keys: Sequence[str]) -> RedeemJob | RedeemPeopleReply:
        if kind == "single":
            person = self._person(str(uuid.uuid5(uuid.NAMESPACE_URL, keys[0])), keys[0])
            return RedeemPeopleReply(
                profile=RedeemCharge(credit=7, total_credit_cost=self._charge(keys)),
                peoples=(person,),
            )
        query_id = str(uuid.uuid4())
        seconds = self.duration(len(keys))
        self.jobs[query_id] = (tuple(keys), self._now() + seconds)
        self.most_open = max(self.most_open, len(self.jobs))
        amount, unit = self.estimate(seconds)
        return RedeemJob(redeem_query_id=query_id, estimated_time=amount, estimated_time_type=unit)

    async def query(self, redeem_query_id: str, ticket: int, phase: Phase) -> RedeemQueryReply:
        self.events.append(("query", redeem_query_id))
        scripted = self.on_query.popleft() if self.on_query else None
        try:
            await self._travel(scripted, phase, redeem_query_id)
            self.polls.append((self._now(), redeem_query_id))
            error = self.every_query(redeem_query_id)
            if error is not None:
                raise error
        except RateLimitedError as error:
            self.limiter.pause(ticket, error.retry_after)
            raise
        finally:
            self.limiter.release(ticket, phase.sent)
        if redeem_query_id in self.delivered:
            self.late_polls += 1
        keys, done_at = self.jobs[redeem_query_id]
        left = done_at - self._now()
        if left > 1e-6:
            self.early_polls += 1
            amount, unit = self.estimate(left)
            return RedeemQueryReply(
                query=RedeemJob(
                    redeem_query_id=redeem_query_id, estimated_time=amount, estimated_time_type=unit
                )
            )
        self.delivered.add(redeem_query_id)
        del self.jobs[redeem_query_id]
        found = [self._person(key, key) for key in reversed(keys) if key not in self.empty]
        cost = self._charge([key for key in keys if key not in self.empty])
        return RedeemQueryReply(
            profile=RedeemCharge(credit=7, total_charged_credit=cost),
            query=RedeemJob(redeem_query_id=redeem_query_id, is_completed=True),
            peoples=tuple(found),
        )

    async def _travel(self, scripted: Any, phase: Phase, about: Any) -> None:
        if callable(scripted):
            scripted = scripted(about)
        if isinstance(scripted, UnsentError):
            await asyncio.sleep(self.latency)
            raise scripted.error
        phase.sent += 1
        await asyncio.sleep(self.latency if scripted != "hang" else 1e6)
        if isinstance(scripted, PubrioError):
            raise scripted

    def _person(self, person_id: str, key: str) -> RedeemedPerson:
        return RedeemedPerson(
            people_search_id=person_id.upper(), emails=(Contact(f"{key}@example.com"),)
        )

    def _charge(self, keys: Iterable[str]) -> int:
        keys = list(keys)
        for key in keys:
            self.charged[key] = self.charged.get(key, 0) + 1
        return PRICE * len(keys)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def time_of_day() -> float:
    """Unix time at the start of the loop's clock, as `VirtualClock` has it."""
    return VirtualClock().wall() - asyncio.get_running_loop().time()


class Bench:
    """An API, a limiter and a way to make runs against them."""

    def __init__(
        self, rate: str = "300/minute", concurrency: int = 32, clock: Clock | None = None
    ) -> None:
        self.clock: Clock = clock or VirtualClock()
        self.limiter = Limiter(parse_rates(rate), concurrency, self.clock, random.Random(3))
        self.api = FakeApi(self.limiter)
        self.rng = random.Random(5)
        self.open_runs: set[Run] = set()
        self.observers: Observers | None = None
        self.archive: Archive | None = None
        self.losses: Losses | None = None

    def run(
        self,
        rows: Iterable[Any] | AsyncIterable[Any] | None,
        *,
        journal: Journal | None = None,
        **options: Any,
    ) -> Run:
        async def prices() -> Prices:
            return Prices()

        options.setdefault("batch_size", 10)
        options.setdefault("contact_types", ("email-work",))
        return Run(
            rows,
            verbs=lambda types: self.api,
            limiter=self.limiter,
            journal=journal or MemoryJournal(),
            options=RunOptions(**options),
            clock=self.clock,
            prices=prices,
            open_runs=self.open_runs,
            rng=self.rng,
            observers=self.observers,
            archive=self.archive,
            losses=self.losses,
        )

    def now(self) -> float:
        return self.clock.now()


async def collect(run: Run) -> dict[int, Outcome]:
    """All outcomes of a run by row; a row that comes twice fails the test."""
    outcomes: dict[int, Outcome] = {}
    async with run:
        async for outcome in run:
            assert outcome.row not in outcomes
            outcomes[outcome.row] = outcome
    assert asyncio.all_tasks() == {asyncio.current_task()}
    return outcomes


def statuses(outcomes: dict[int, Outcome]) -> Counter[str]:
    return Counter(outcome.status for outcome in outcomes.values())
