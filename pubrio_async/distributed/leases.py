"""How holders of shared permits and the database speak with each other.

Everything is said in one kind of exchange, and says how things are rather than what has changed:
an exchange whose answer is lost is simply followed by the next one. The only news in it are the
reports of used permits, which have numbers; the one after the other, each counts once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Literal, Protocol
from uuid import UUID

import msgspec
import psycopg
from msgspec import Struct

from pubrio_async._config import Rate, rates_in_words
from pubrio_async._errors import ConfigurationError
from pubrio_async.distributed.store import Connection, Store

_CHANNEL = "pubrio_async_limits"
_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 10.0


class Report(Struct, frozen=True):
    """Permits that were used.

    Attributes:
        number: Reports have rising numbers; those of one exchange may share one.
        age_s: So long ago, at least, the last of the requests had ended when this was written.
            Below 0: it may arrive only later.
        count: How many.
    """

    number: int
    age_s: float
    count: int


class Ask(Struct, frozen=True, kw_only=True):
    """What a holder says, and asks for.

    Attributes:
        name: Of the limits.
        holder: Who this is.
        attempt: Rises with every exchange; one that is overtaken by a later one is not dealt with.
        reports: Permits used and not known to be reported, oldest first.
        keeps: Permits it holds: in flight, or to be used. What it held beyond them it has given up.
        unused: How many of these are not in flight.
        needs: Requests that wait for a permit.
        spare: So many more would be used soon.
        lease_s: Seconds for which nothing is begun on the permits unless they are renewed.
        longest_s: Seconds after which no request begun on them is under way any more.
        generation: Of the pauses, as far as it knows.
        probe: Whether it holds the one permit after a pause, or has used it without a refusal.
        refused_in: The generation in which a request of its own was refused with 429.
        wait_s: Seconds everyone has to wait for that.
        heard_spec: The limit of which the API has told what remains.
        heard_remaining: How many that were.
        rests: It has nothing to do for now.
        leaves: It does not come back.
    """

    name: str
    holder: UUID
    attempt: int
    reports: Sequence[Report]
    keeps: int
    unused: int
    needs: int
    spare: int
    lease_s: float
    longest_s: float
    generation: int
    probe: Literal["no", "yes", "done"]
    refused_in: int | None = None
    wait_s: float = 0.0
    heard_spec: str | None = None
    heard_remaining: int | None = None
    rests: bool = False
    leaves: bool = False


class News(Struct, frozen=True, kw_only=True):
    """What everybody is to know at once.

    Attributes:
        name: Of the limits.
        generation: Of the pauses.
        paused_s: Seconds until the pause ends.
        must_probe: Whether a single request goes ahead after it.
    """

    name: str
    generation: int
    paused_s: float
    must_probe: bool


class Reply(Struct, frozen=True, kw_only=True):
    """What the holder gets.

    Attributes:
        granted: Permits, beside those it keeps.
        renewed: Whether those it keeps go on; else nothing more may begin on them.
        probe: Whether the one permit after a pause is with it.
        generation: Of the pauses.
        must_probe: Whether only that one may be used.
        paused_s: Seconds until the pause ends.
        refusals: Pauses without a success in between.
        free: Permits that could still be had.
        holders: How many share the limits, with this one and without those that rest.
        next_s: Seconds until there may be more.
    """

    granted: int
    renewed: bool
    probe: bool
    generation: int
    must_probe: bool
    paused_s: float
    refusals: int
    free: int
    holders: int
    next_s: float


class Leases(Protocol):
    """Who hands out the permits."""

    async def open(
        self, name: str, rates: Sequence[Rate], on_news: Callable[[News | None], None]
    ) -> None:
        """Gets ready.

        Args:
            name: Of the limits.
            rates: What they are.
            on_news: Called with what was heard; with None where something may have been missed.

        Raises:
            ConfigurationError: Others go by other limits of that name.
            JournalError: The database cannot be reached.
        """
        ...

    async def exchange(self, ask: Callable[[], Ask]) -> Reply:
        """One exchange, tried again and again for some minutes.

        Args:
            ask: What to say; called anew for every attempt.

        Raises:
            JournalError: Nobody has answered for too long.
        """
        ...

    async def close(self) -> None:
        """Hears no more."""
        ...


class PostgresLeases:
    """Permits handed out by a PostgreSQL.

    Args:
        store: The database.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._listener: asyncio.Task[None] | None = None

    async def open(
        self, name: str, rates: Sequence[Rate], on_news: Callable[[News | None], None]
    ) -> None:
        """Writes down what the limits are, and begins to listen.

        Raises:
            ConfigurationError: Others go by other limits of that name.
            JournalError: The database cannot be reached, or refuses.
        """
        limits = [_Limit(spec_of(rate), rate.limit, rate.period) for rate in set(rates)]
        wanted = msgspec.json.encode(limits).decode()

        async def define(db: Connection) -> str | None:
            found = await db.execute("SELECT define_limits(%s, %s::jsonb)", (name, wanted))
            row = await found.fetchone()
            return row[0] if row else None

        known = await self._store.transact(define)
        if known is not None:
            theirs = in_words(known.split("; "))
            raise ConfigurationError(
                f"those who share the limits {name!r} go by {theirs} at the moment, and not by "
                f"{rates_in_words(rates)}: give all of them the same, or stop them before the "
                "limits are changed"
            )
        self._listener = asyncio.get_running_loop().create_task(self._listen(name, on_news))

    async def exchange(self, ask: Callable[[], Ask]) -> Reply:
        """One exchange; see `Leases`."""

        async def work(db: Connection) -> Reply | None:
            told = msgspec.json.encode(ask()).decode()
            found = await db.execute("SELECT exchange_permits(%s::jsonb)::text", (told,))
            row = await found.fetchone()
            return msgspec.json.decode(row[0], type=Reply) if row and row[0] else None

        reply = None
        while reply is None:  # only if it was overtaken by one that was given up
            reply = await self._store.transact(work)
        return reply

    async def close(self) -> None:
        """Stops listening; safe to call twice."""
        task, self._listener = self._listener, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _listen(self, name: str, on_news: Callable[[News | None], None]) -> None:
        wait = _FIRST_WAIT_S
        while True:
            with contextlib.suppress(psycopg.Error):
                async with await self._store.connect() as connection:
                    await connection.execute(f"LISTEN {_CHANNEL}")
                    on_news(None)
                    wait = _FIRST_WAIT_S
                    async for notice in connection.notifies():
                        news = _read(notice.payload)
                        if news is not None and news.name == name:
                            on_news(news)
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT_S)


class _Limit(Struct, frozen=True):
    spec: str
    requests: int
    seconds: float


def spec_of(rate: Rate) -> str:
    """A limit, as it is written in the database."""
    return f"{rate.limit}/{rate.period:.15g}"


def in_words(specs: Sequence[str]) -> str:
    """Limits as they are written in the database, in the notation in which they are given."""
    parts = (spec.split("/") for spec in specs)
    return rates_in_words(Rate(int(limit), float(period)) for limit, period in parts)


def _read(payload: str) -> News | None:
    try:
        return msgspec.json.decode(payload, type=News)
    except msgspec.MsgspecError:
        return None  # from some other version, or from nobody we know
