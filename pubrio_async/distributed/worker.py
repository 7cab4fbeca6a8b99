"""A worker: one of any number of processes that redeem what is in the queue."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from functools import cached_property
from logging import WARNING

from msgspec import Struct

from pubrio_async._clock import SystemClock
from pubrio_async._config import Settings, load_settings
from pubrio_async._errors import ConfigurationError, JournalError
from pubrio_async._log import JOURNAL, note
from pubrio_async._observe import Observer
from pubrio_async._transport import Transport
from pubrio_async.client import AsyncPubrio
from pubrio_async.distributed.chunks import unfinished
from pubrio_async.distributed.limiter import SharedLimiter
from pubrio_async.distributed.probing import Probe
from pubrio_async.distributed.queue import Queue, queue_of
from pubrio_async.distributed.redeeming import Redeemer
from pubrio_async.distributed.rescue import Rescue
from pubrio_async.distributed.store import Store
from pubrio_async.models import RunReport
from pubrio_async.scheduler.budget import Prices
from pubrio_async.scheduler.outage import Losses
from pubrio_async.scheduler.policy import open_jobs_bound

HEARTBEAT_S = 5.0
STALLED_S = 20.0
"""A worker that was not heard of for so long is taken for dead; its chunks go to others."""

_LOOKS = 4
_LOOK_FOR_END_S = 1.0
_PATIENCE_S = 300.0
_LONGEST_TRANSACTION_S = 60.0
_GOODBYE_S = 2.0
# What a chunk writes takes milliseconds: so many are enough for any number of them.
_CONNECTIONS = 6
_BATCHES_IN_CHUNK = 20
_LEAST_CHUNKS = 4
# Each takes some 8 MB while it is under way.
_MOST_CHUNKS = 32
_PRICES_HOLD_S = 600.0
# Without any answer to a paid request chunks go back, and one is sent more and more seldom.
_ANSWERLESS_S = 120.0
_LONGEST_SILENCE_S = 3_600.0


class WorkerReport(Struct, frozen=True, kw_only=True):
    """What a worker has done.

    Attributes:
        done: Chunks that are done.
        given_back: Chunks that went back to the queue.
        stopped: Chunks whose run was stopped meanwhile.
        figures: The figures of the runs it made, all together.
    """

    done: int
    given_back: int
    stopped: int
    figures: RunReport


class Worker:
    """Redeems what `enqueue` has put into the queue. Spends credits.

        worker = Worker("postgresql://user@host/name", concurrency=4)
        await worker.run()

    Any number may run at once, on any number of machines, with the same key: they share its rate
    limits, and no two have the same people. One that dies is missed after `stalled_s`, and others
    go on with its chunks; one that lives and was taken for dead can write nothing more, and so
    sends nothing more.

    Args:
        conninfo: The database.
        api_key: The key, else PUBRIO_API_KEY.
        base_url: Where the API is, else PUBRIO_BASE_URL; only what was put into the queue for
            this API is done.
        rate_limit: The limits, as for `AsyncPubrio`; the same ones for all workers with the key.
        limit_name: What the limits are called; give each key one of its own. By default one for
            all workers with the same `base_url`.
        concurrency: Chunks at once; by default as many as keep the limits busy.
        max_concurrency: Most requests in flight at once.
        timeout: How long one request may take, in seconds or as a `datetime.timedelta`.
        observers: What is told of every request and every batch.
        heartbeat_s: Seconds between two signs of life.
        stalled_s: Seconds without one after which others take a worker for dead.
        transport: Something else to send through, for tests.

    Raises:
        ConfigurationError: A setting is missing or malformed.
        JournalError: `conninfo` is no address of a database.
    """

    def __init__(
        self,
        conninfo: str,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        rate_limit: str | None = None,
        limit_name: str | None = None,
        concurrency: int | None = None,
        max_concurrency: int = 32,
        timeout: float | timedelta = 30.0,
        observers: Sequence[Observer] = (),
        heartbeat_s: float = HEARTBEAT_S,
        stalled_s: float = STALLED_S,
        transport: Transport | None = None,
    ) -> None:
        settings = load_settings(
            api_key, base_url, rate_limit, max_concurrency=max_concurrency, timeout=timeout
        )
        if concurrency is not None and concurrency < 1:
            raise ConfigurationError("concurrency must be at least 1.")
        if not 0 < 2 * heartbeat_s <= stalled_s:
            raise ConfigurationError("stalled_s must be at least twice heartbeat_s, above 0.")
        self._conninfo = conninfo
        self._origin = settings.base_url
        self._heartbeat_s = heartbeat_s
        self._stalled_s = stalled_s
        self._store = Store(
            conninfo,
            patience=_PATIENCE_S,
            connections=_CONNECTIONS,
            longest=_LONGEST_TRANSACTION_S,
        )
        self._limiter = shared_limits(self._store, settings, limit_name)
        self._concurrency = concurrency or _enough(self._limiter)
        self._client = _Client(
            api_key,
            base_url,
            None if self._limiter is not None else "unlimited",
            max_concurrency,
            timeout,
            observers=observers,
            limiter=self._limiter,
            transport=transport,
        )
        clock = SystemClock()
        losses = Losses(_ANSWERLESS_S, clock, _LONGEST_SILENCE_S)
        self._client.share(losses)
        self._redeemer = Redeemer(
            self._store,
            self._client,
            self._client.prices,
            on_refusal=self.stop,
            probe=Probe(losses, self._client.profile.get, clock),
            limiter=self._limiter,
        )
        self._queue = Queue(
            conninfo,
            queue_of(self._origin),
            self._redeemer.redeem,
            heartbeat_s=heartbeat_s,
            stalled_s=stalled_s,
        )
        self._rescue = Rescue(self._store, self._origin, self._queue.name, stalled_s=stalled_s)
        self._is_stopping = False
        self._has_run = False

    @property
    def report(self) -> WorkerReport:
        """What it has done so far."""
        chunks = self._redeemer.chunks
        return WorkerReport(
            done=chunks["done"],
            given_back=chunks["given back"],
            stopped=chunks["stopped"],
            figures=self._redeemer.report,
        )

    @property
    def concurrency(self) -> int:
        """How many chunks it does at once."""
        return self._concurrency

    def stop(self) -> None:
        """Ends it in good order: nothing new is sent, chunks under way go back to the queue."""
        self._is_stopping = True
        self._store.patience = _GOODBYE_S
        self._redeemer.stop()
        self._queue.stop()

    async def run(self, *, until_done: bool = False) -> WorkerReport:
        """Works until `stop` is called.

        Args:
            until_done: Whether to end when there is nothing left to do, by any worker.

        Returns:
            What it has done.

        Raises:
            ConfigurationError: It was run before, or others go by other limits of that name.
            AuthenticationError: The API refused the key.
            PermissionDeniedError: The plan does not allow it.
            JournalError: The database cannot be used.
        """
        if self._has_run:
            raise ConfigurationError("a worker is run once; make another one")
        self._has_run = True
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._store)
            if self._limiter is not None:
                await stack.enter_async_context(self._limiter)
            await stack.enter_async_context(self._client)
            minder = asyncio.create_task(self._mind(until_done=until_done))
            try:
                await self._queue.work(self._concurrency)
            finally:
                self._redeemer.stop()
                minder.cancel()
                await asyncio.gather(minder, return_exceptions=True)
        if self._redeemer.refused_by is not None:
            raise self._redeemer.refused_by
        return self.report

    async def _mind(self, *, until_done: bool) -> None:
        """Looks after the chunks of the dead, and after the end."""
        loop = asyncio.get_running_loop()
        next_look = 0.0
        while True:
            with suppress(JournalError):  # the database is away: later, then
                if loop.time() >= next_look:
                    next_look = loop.time() + self._stalled_s / _LOOKS
                    await self._look()
                idle = not self._queue.running
                if until_done and idle and not await unfinished(self._store, self._origin):
                    self.stop()
            await asyncio.sleep(min(_LOOK_FOR_END_S, self._stalled_s / _LOOKS))

    async def _look(self) -> None:
        if rescued := await self._rescue.look():
            note(JOURNAL, WARNING, "chunks_rescued", chunks=rescued)
        worker_id = self._queue.worker_id
        if worker_id is not None and not self._is_stopping:
            is_known = await self._rescue.check_own(worker_id, self._queue.running)
            if not is_known and worker_id == self._queue.worker_id:
                note(JOURNAL, WARNING, "worker_taken_for_dead")
                self._queue.begin_again()


def _enough(limiter: SharedLimiter | None) -> int:
    """Chunks that have as many jobs open as the limits can serve."""
    open_jobs = open_jobs_bound("results", None if limiter is None else limiter.window_size())
    return max(_LEAST_CHUNKS, min(_MOST_CHUNKS, math.ceil(open_jobs / _BATCHES_IN_CHUNK)))


def shared_limits(store: Store, settings: Settings, limit_name: str | None) -> SharedLimiter | None:
    """The limits as settings have them, for all who name them; None for none.

    Args:
        store: The database.
        settings: Of a client.
        limit_name: What they are called; None for the name by which workers share them.

    Raises:
        ConfigurationError: They cannot be shared.
    """
    if not settings.rates and not settings.account:
        return None
    return SharedLimiter(
        store,
        name=limit_name or settings.base_url,
        rates="account" if settings.account else settings.rates,
        max_concurrency=settings.max_concurrency,
        longest_request=2 * settings.timeout + 2,
    )


class _Client(AsyncPubrio):
    """A client that asks for prices once for many runs, which learn from each other's losses."""

    _known: tuple[float, Prices] | None = None

    @cached_property
    def _one_asks(self) -> asyncio.Lock:
        return asyncio.Lock()

    def share(self, losses: Losses) -> None:
        """What is known of lost answers, for all its runs."""
        self._losses = losses

    async def prices(self) -> Prices:
        """What the plan charges, as of some minutes ago at most."""
        async with self._one_asks:
            now = asyncio.get_running_loop().time()
            if self._known is None or now - self._known[0] > _PRICES_HOLD_S:
                self._known = now, await super()._prices()
            return self._known[1]

    async def _prices(self) -> Prices:
        return await self.prices()
