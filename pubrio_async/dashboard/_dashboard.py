"""The dashboard as a program uses it."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from logging import ERROR
from types import TracebackType
from typing import Final, Self

import anyio
from msgspec import structs

from pubrio_async._clock import Clock, SystemClock
from pubrio_async._config import DEFAULT_RATE_LIMIT, parse_rates
from pubrio_async._errors import ConfigurationError
from pubrio_async._log import ROOT, note
from pubrio_async._observe import BatchEvent, Observer, RequestEvent
from pubrio_async._version import __version__
from pubrio_async.dashboard._feed import Feed
from pubrio_async.dashboard._figures import Facts, limit_of
from pubrio_async.dashboard._history import NAMES
from pubrio_async.dashboard._sampler import Sampler
from pubrio_async.dashboard._server import PageServer
from pubrio_async.dashboard._socket import listen, url_of
from pubrio_async.scheduler import Run

_SHORTEST_S: Final = 0.1
_LONGEST_S: Final = 60.0
_TOKEN_BYTES: Final = 18


class Dashboard(Observer):
    """A page with live plots of a run, served on this machine while the block runs.

        async with pubrio.redeem.many(people, people_contact_types=["phone"]) as run:
            async with Dashboard(run) as dashboard:
                print(dashboard.url)
                async for outcome in run:
                    ...

    Given to the client as an observer too, it also shows how long results take and which
    requests fail. It is made before the client then, and told of the run afterwards:

        dashboard = Dashboard()
        async with dashboard, AsyncPubrio(observers=[dashboard]) as pubrio:
            print(dashboard.url)
            async with pubrio.redeem.many(people, people_contact_types=["phone"]) as run:
                dashboard.watch(run, total_rows=len(people))
                async for outcome in run:
                    ...

    It sends no request and spends no credits. The page holds counts and times only, asks no
    other host for anything, and is given to those who know its URL, which holds a random token.
    It does not end the run, nor hold it up, whatever viewers do. The last thing it shows is how
    the run ended; leaving the block waits a second at the most for viewers to take it in.

    Args:
        run: The run, open or not yet; None if `watch` names it later.
        total_rows: Rows of its input, for the time that is left; None if that is not known.
        max_credits: The budget that was given to the run, for the plot.
        rate_limit: The limits that were given to the client, for the plot; else
            PUBRIO_RATE_LIMIT, else `300/minute`.
        title: What the page is called.
        host: Address to listen on. Others than this machine can only look if it is not a
            loopback address; what they are sent is not encrypted then.
        port: Port to listen on; 0 takes a free one.
        interval: Seconds from one look at the run to the next, from 0.1 to 60.
        clock: Another clock, for tests.

    Raises:
        ConfigurationError: An argument is malformed.
    """

    def __init__(
        self,
        run: Run | None = None,
        *,
        total_rows: int | None = None,
        max_credits: float | None = None,
        rate_limit: str | None = None,
        title: str = "Redeem run",
        host: str = "127.0.0.1",
        port: int = 0,
        interval: float = 1.0,
        clock: Clock | None = None,
    ) -> None:
        if not _SHORTEST_S <= interval <= _LONGEST_S:
            msg = f"interval must be a number of seconds from 0.1 to 60, not {interval!r:.40}"
            raise ConfigurationError(msg)
        if rate_limit is None:
            rate_limit = os.environ.get("PUBRIO_RATE_LIMIT", "").strip() or DEFAULT_RATE_LIMIT
        limits = [limit_of(rate) for rate in parse_rates(rate_limit)]
        self._limits = sorted(limits, key=lambda limit: limit.period_s)
        self._interval = interval
        self._host = host
        self._port = port
        self._token = secrets.token_urlsafe(_TOKEN_BYTES)
        self._listener: socket.socket | None = None
        self._url: str | None = None
        self._sampler = Sampler(clock or SystemClock())
        self._feed = Feed(
            self._sampler,
            Facts(
                version=__version__,
                title=title,
                columns=NAMES,
                interval_s=interval,
                total=total_rows,
                budget=max_credits,
                limits=self._limits,
            ),
        )
        self._server = PageServer(self._feed, self._token, host)
        self._looking: asyncio.Task[None] | None = None
        self._closed = False
        if run is not None:
            self.watch(run, total_rows=total_rows)

    def __repr__(self) -> str:
        return f"<Dashboard {'closed' if self._closed else 'open' if self._looking else 'new'}>"

    @property
    def url(self) -> str:
        """The URL of the page, with its token.

        Raises:
            ConfigurationError: It does not listen yet.
        """
        if self._url is None:
            msg = "the dashboard has no URL yet: use it with `async with`, or call `bind` first"
            raise ConfigurationError(msg)
        return self._url

    def bind(self) -> None:
        """Takes the port now, so that it is known to be free before anything else is done.

        Raises:
            ConfigurationError: The address cannot be used.
        """
        if self._listener is None:
            self._listener = listen(self._host, self._port)
            self._url = url_of(self._listener, self._token)

    def unbind(self) -> None:
        """Lets go of the port, if the page was never served."""
        if self._looking is None and self._listener is not None:
            self._listener.close()
            self._listener = None

    def watch(self, run: Run, *, total_rows: int | None = None) -> None:
        """Names the run that is shown.

        Args:
            run: The run, open or not yet.
            total_rows: Rows of its input, if that is known by now.

        Raises:
            ConfigurationError: Another run is shown already.
        """
        facts = self._feed.facts
        if total_rows is None:
            total_rows = facts.total
        self._sampler.watch(run, total_rows, self._limits)
        self._feed.facts = structs.replace(facts, total=total_rows)

    def on_request(self, event: RequestEvent) -> None:
        """Takes in a request.

        Args:
            event: The request.
        """
        self._sampler.tallies.on_request(event)

    def on_batch(self, event: BatchEvent) -> None:
        """Takes in what happened to a batch.

        Args:
            event: What happened.
        """
        self._sampler.tallies.on_batch(event)

    async def start(self) -> None:
        """Begins to serve the page; entering the dashboard as a context does so.

        Raises:
            ConfigurationError: The address cannot be used, or it was started before.
        """
        if self._looking is not None or self._closed:
            msg = "a dashboard is started once; make another one"
            raise ConfigurationError(msg)
        self.bind()
        assert self._listener is not None  # noqa: S101 - it has just been made
        await self._server.start(self._listener)
        self._looking = asyncio.create_task(self._look())
        self._looking.add_done_callback(_mourn)

    async def aclose(self, trouble: str | None = None) -> None:
        """Shows how the run ended, and stops serving; safe to call twice.

        Args:
            trouble: What went wrong beside the run, as a sentence without names; it is shown.
        """
        if self._closed:
            return
        self._closed = True
        # A cancelled scope would cancel every await below again; all of it is bounded.
        with anyio.CancelScope(shield=True):
            try:
                if self._looking is not None:
                    self._looking.cancel()
                    await asyncio.wait({self._looking})
                    self._sampler.end(trouble)
            finally:
                await self._server.aclose()
                if self._listener is not None:
                    self._listener.close()

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # The text of an error may name anybody; its class does not.
        trouble = None if exc_type is None else f"The program ended with {exc_type.__name__}."
        await self.aclose(trouble)

    async def _look(self) -> None:
        while True:
            self._sampler.look()
            self._feed.tick()
            await asyncio.sleep(self._interval)


def _mourn(task: asyncio.Task[None]) -> None:
    """A dashboard that fails is a page that stands still, and never a run that fails."""
    if not task.cancelled() and (error := task.exception()) is not None:
        note(ROOT, ERROR, "dashboard_stands_still", error=type(error).__name__)
