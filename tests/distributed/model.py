"""Who hands out permits, as a model: the same rules as in the database, written once more.

It lives in virtual time, with a network that is slow, loses answers and delivers late, and with
holders whose clocks differ. The rules can be those of the model or those of a real database.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any, Protocol
from uuid import UUID

import msgspec
import psycopg
from msgspec import Struct

from pubrio_async._config import Rate
from pubrio_async.distributed.leases import Ask, News, Reply, spec_of
from pubrio_async.testing import VirtualClock


class HolderClock(VirtualClock):
    """The clock of one machine: it started some time ago, and runs a little fast or slow."""

    def __init__(self, offset: float = 0.0, slew: float = 1.0) -> None:
        super().__init__()
        self._offset, self._slew = offset, slew

    def now(self) -> float:
        return self._offset + super().now() * self._slew


class Hub(Protocol):
    """Where the permits are."""

    def define(self, rates: Sequence[Rate]) -> None: ...

    def exchange(self, ask: Ask, at: float) -> tuple[Reply | None, News | None]: ...


# Times are whole numbers of a unit, as in the database: there it is a microsecond.


class _Limit(Struct):
    requests: int
    hold: int
    grain: int
    spent: dict[int, int]

    def spend(self, at: int, count: int) -> None:
        at = (at // self.grain + 1) * self.grain if self.grain else at
        self.spent[at] = self.spent.get(at, 0) + count


class _Lease(Struct):
    attempt: int
    reported: int
    held: int
    wants: int
    since: int | None
    rests: bool
    ends_at: int
    over_at: int


class ModelHub:
    """The rules in Python.

    Args:
        exact: Times are not rounded, next to nothing.
    """

    def __init__(self, *, exact: bool = False) -> None:
        self._exact = exact
        self._unit = 1e9 if exact else 1e6
        self.limits: dict[str, _Limit] = {}
        self.leases: dict[UUID, _Lease] = {}
        self.until = 0
        self.generation = 0
        self.refusals = 0
        self.must_probe = False
        self.probe: UUID | None = None

    def define(self, rates: Sequence[Rate]) -> None:
        for rate in rates:
            grain = 0 if self._exact else self._units(rate.period / 512)
            limit = _Limit(rate.limit, self._units(rate.period * 1.0005 + 0.001), grain, {})
            self.limits.setdefault(spec_of(rate), limit)

    def _units(self, seconds: float) -> int:
        return round(seconds * self._unit)

    def exchange(self, ask: Ask, at: float) -> tuple[Reply | None, News | None]:
        return self._exchange(ask, self._units(at))

    def _exchange(self, ask: Ask, at: int) -> tuple[Reply | None, News | None]:
        mine = self.leases.get(ask.holder)
        if mine is not None and mine.attempt >= ask.attempt:
            return None, None
        renewed = mine is not None and mine.ends_at > at
        used, last = self._count(ask, mine, at)
        told = self._refusals_and_probe(ask, at)
        others = [lease for holder, lease in self.leases.items() if holder != ask.holder]
        alive = [lease for lease in others if lease.ends_at > at]
        rivals = sum(lease.wants > 0 for lease in alive)
        since = at if mine is None or mine.since is None else mine.since
        ahead = sum(
            lease.wants > 0 and (lease.since or 0, holder) < (since, ask.holder)
            for holder, lease in self.leases.items()
            if holder != ask.holder and lease.ends_at > at
        )
        out = sum(lease.held for lease in others) + ask.keeps
        if ask.heard_spec is not None:
            heard = self.limits[ask.heard_spec]
            sent = out - ask.unused + sum(heard.spent.values())
            unknown = heard.requests - (ask.heard_remaining or 0) - sent
            if unknown > 0:
                heard.spend(at, unknown)
        free = min(limit.requests - sum(limit.spent.values()) for limit in self.limits.values())
        free -= out
        granted = self._grant(ask, at, free, rivals)
        next_at = self._next(at, free, granted, ahead, out)
        if ask.leaves and ask.keeps == 0:
            self.leases.pop(ask.holder, None)
        else:
            waits = since if granted == 0 else at
            self.leases[ask.holder] = _Lease(
                attempt=ask.attempt,
                reported=max(last, 0 if mine is None else mine.reported),
                held=ask.keeps + granted,
                wants=max(0, ask.needs - granted),
                since=None if ask.needs <= granted else waits,
                rests=ask.rests,
                ends_at=at + self._units(ask.lease_s),
                over_at=at + self._units(ask.lease_s) + self._units(ask.longest_s),
            )
        freed = (0 if mine is None else mine.held) - ask.keeps - used
        pause = max(0, self.until - at) / self._unit
        news = News(
            name=ask.name,
            generation=self.generation,
            paused_s=pause,
            must_probe=self.must_probe,
        )
        reply = Reply(
            granted=granted,
            renewed=renewed,
            probe=self.probe == ask.holder,
            generation=self.generation,
            must_probe=self.must_probe,
            paused_s=pause,
            refusals=self.refusals,
            free=max(0, free - granted),
            holders=sum(not lease.rests for lease in alive) + 1,
            next_s=max(0, next_at - at) / self._unit,
        )
        return reply, news if told or (rivals and freed > 0) else None

    def _count(self, ask: Ask, mine: _Lease | None, at: int) -> tuple[int, int]:
        """Counts what was reported, and what the dead had; forgets what is back."""
        spent = [
            (at - self._units(report.age_s), report.count)
            for report in ask.reports
            if report.number > (0 if mine is None else mine.reported)
        ]
        used = sum(count for _, count in spent)
        for holder, lease in list(self.leases.items()):
            if holder != ask.holder and lease.over_at <= at:
                del self.leases[holder]
                spent += [(lease.over_at, lease.held)] if lease.held else []
        for limit in self.limits.values():
            for end, count in spent:
                limit.spend(end, count)
            limit.spent = {t: count for t, count in limit.spent.items() if t + limit.hold > at}
        return used, max((report.number for report in ask.reports), default=0)

    def _refusals_and_probe(self, ask: Ask, at: int) -> bool:
        told = False
        if ask.refused_in is not None:
            told = True
            if ask.refused_in >= self.generation:
                self.generation = ask.refused_in + 1
                self.refusals += 1
                self.must_probe, self.probe = True, None
            self.until = max(self.until, at + self._units(ask.wait_s))
        prober = None if self.probe is None else self.leases.get(self.probe)
        if self.must_probe and ask.probe == "done" and ask.generation == self.generation:
            told = True
            self.must_probe, self.probe, self.refusals = False, None, 0
        elif self.probe == ask.holder and ask.probe != "yes":
            told = True
            self.probe = None
        elif self.probe != ask.holder and (prober is None or prober.ends_at <= at):
            self.probe = None
        return told

    def _grant(self, ask: Ask, at: int, free: int, rivals: int) -> int:
        if at < self.until:
            return 0
        if self.must_probe:
            if self.probe is None and ask.needs > 0 and free > 0:
                self.probe = ask.holder
                return 1
            return 0
        smallest = min(limit.requests for limit in self.limits.values())
        plenty = ask.needs > 0 and not rivals and free > smallest // 2
        wanted = ask.needs + ask.spare if plenty else ask.needs
        share = max(1, int(free / (rivals + 1)))
        return max(0, min(wanted, free, max(1, smallest // 20), share))

    def _next(self, at: int, free: int, granted: int, ahead: int, out: int) -> int:
        if at < self.until:
            return self.until
        if self.must_probe and self.probe is not None:
            return at + self._units(1.0)
        if free > granted:
            return at
        backs = []
        for limit in self.limits.values():
            lack = 1 + ahead + out + granted - limit.requests + sum(limit.spent.values())
            if lack <= 0:
                continue
            back = at + min(limit.hold, self._units(2.0))
            for end, count in sorted(limit.spent.items()):
                lack -= count
                if lack <= 0:
                    back = end + limit.hold
                    break
            backs.append(back)
        return max(backs)


class DatabaseHub:
    """The rules of a real database, which is told what time it is."""

    def __init__(self, url: str) -> None:
        # Before the built-in one, for the functions of ours alone.
        options = "-c search_path=pubrio_async,pg_catalog -c tests.now=0"
        self._connection = psycopg.connect(url, options=options, autocommit=True)
        self._connection.execute(
            "CREATE OR REPLACE FUNCTION pubrio_async.clock_timestamp() RETURNS timestamptz"
            " LANGUAGE sql AS $$ SELECT"
            " 'epoch'::timestamptz + current_setting('tests.now')::float8 * interval '1 us' $$"
        )
        self._connection.execute("LISTEN pubrio_async_limits")
        self._heard: list[News] = []
        self._connection.add_notify_handler(
            lambda notice: self._heard.append(msgspec.json.decode(notice.payload, type=News))
        )
        self._connection.execute("TRUNCATE limits, pauses, leases, spent")

    def close(self) -> None:
        self._connection.close()

    def define(self, rates: Sequence[Rate]) -> None:
        wanted = [
            {"spec": spec_of(rate), "requests": rate.limit, "seconds": rate.period}
            for rate in rates
        ]
        self._ask("SELECT define_limits('it', %s::jsonb)", msgspec.json.encode(wanted))

    def exchange(self, ask: Ask, at: float) -> tuple[Reply | None, News | None]:
        self._connection.execute(
            "SELECT set_config('tests.now', %s, false)", (str(round(at * 1e6)),)
        )
        self._heard.clear()
        reply = self._ask("SELECT exchange_permits(%s::jsonb)::text", msgspec.json.encode(ask))
        news = self._heard[0] if self._heard else None
        return None if reply is None else msgspec.json.decode(reply, type=Reply), news

    def _ask(self, statement: str, value: bytes) -> Any:
        row = self._connection.execute(statement.encode(), (value.decode(),)).fetchone()
        return row and row[0]


class Twins:
    """Both at once; tells where they differ."""

    def __init__(self, model: ModelHub, database: DatabaseHub) -> None:
        self._model, self._database = model, database
        self.differences: list[tuple[object, object, object]] = []
        self.exchanges = 0

    def define(self, rates: Sequence[Rate]) -> None:
        self._model.define(rates)
        self._database.define(rates)

    def exchange(self, ask: Ask, at: float) -> tuple[Reply | None, News | None]:
        expected = self._model.exchange(ask, at)
        got = self._database.exchange(ask, at)
        self.exchanges += 1
        if _rounded(expected) != _rounded(got):
            self.differences.append((ask, expected, got))
        return got


def _rounded(answer: tuple[Reply | None, News | None]) -> list[dict[str, object]]:
    told = [msgspec.structs.asdict(part) for part in answer if part is not None]
    return [
        {k: round(v, 5) if isinstance(v, float) else v for k, v in each.items()} for each in told
    ]


class Network:
    """What lies between the holders and the permits.

    Args:
        hub: Where the permits are.
        rng: Source of all mischief; None for none.
        slew: How fast the clock of the hub runs.
        outages: When the hub cannot be reached: (from, to).
    """

    def __init__(
        self,
        hub: Hub,
        rng: random.Random | None = None,
        slew: float = 1.0,
        outages: Sequence[tuple[float, float]] = (),
    ) -> None:
        self.hub = hub
        self.rng = rng
        self._slew = slew
        self._outages = outages
        self.ears: dict[Wire, Callable[[News | None], None]] = {}
        self.exchanges = 0

    def deal(self, ask: Ask) -> Reply | None:
        now = asyncio.get_running_loop().time()
        self.exchanges += 1
        reply, news = self.hub.exchange(ask, now * self._slew)
        if news is not None:
            for wire, ear in self.ears.items():
                if not wire.dead and (self.rng is None or self.rng.random() < 0.9):
                    asyncio.get_running_loop().call_later(self.delay(), ear, news)
        return reply

    def delay(self) -> float:
        if self.rng is None:
            return 0.0
        return self.rng.choice((0.0, 0.001, 0.02, self.rng.random()))

    async def until_reachable(self) -> None:
        now = asyncio.get_running_loop().time()
        for start, end in self._outages:
            if start <= now < end:
                await asyncio.sleep(end - now)


class Wire:
    """The way of one holder to the permits: slow, and sometimes an answer does not come back."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.dead = False

    async def open(
        self, name: str, rates: Sequence[Rate], on_news: Callable[[News | None], None]
    ) -> None:
        assert name == "it"
        self._network.hub.define(rates)
        self._network.ears[self] = on_news

    async def exchange(self, ask: Callable[[], Ask]) -> Reply:
        network, loop = self._network, asyncio.get_running_loop()
        while True:
            await network.until_reachable()
            await self._stop_if_dead()
            asked = ask()
            fate = 1.0 if network.rng is None else network.rng.random()
            if network.rng is not None:
                await asyncio.sleep(network.delay())
            await self._stop_if_dead()
            if fate < 0.03:  # lost on its way, or dealt with when nobody waits for it any more
                if fate < 0.02:
                    loop.call_later(
                        network.rng.random() * 40 if network.rng else 0, self._late, asked
                    )
                await asyncio.sleep(0.1)
                continue
            await network.until_reachable()
            reply = network.deal(asked)
            if network.rng is not None:
                await asyncio.sleep(network.delay())
            await self._stop_if_dead()
            if fate < 0.06 or reply is None:  # the answer is lost
                continue
            return reply

    async def close(self) -> None:
        self._network.ears.pop(self, None)

    def _late(self, asked: Ask) -> None:
        self._network.deal(asked)

    async def _stop_if_dead(self) -> None:
        if self.dead:
            await asyncio.get_running_loop().create_future()
