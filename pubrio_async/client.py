"""`AsyncPubrio`: owns the connections and the limits, and hangs everything else on itself."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, AsyncExitStack
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Self

import anyio
from msgspec import Struct, structs

from pubrio_async._capture import ResponseInfo, capture
from pubrio_async._clock import Clock, SystemClock, in_seconds
from pubrio_async._config import load_settings
from pubrio_async._dispatch import AbandonedCall, Dispatcher
from pubrio_async._errors import CLIENT_CLOSED, ConfigurationError
from pubrio_async._limiter import Limiter, LimiterStatistics, RateLimiter
from pubrio_async._observe import Observer, Observers
from pubrio_async._quota import account_quotas
from pubrio_async._redeem import ClientRedeem
from pubrio_async._routes import PROFILE_USAGE
from pubrio_async._transport import AiohttpTransport, Session, Transport
from pubrio_async._verbs import RedeemVerbs
from pubrio_async.endpoints import (
    Advertisements,
    ApiKeys,
    Channels,
    Companies,
    Filters,
    Jobs,
    Lookalikes,
    Monitors,
    News,
    PeopleEndpoints,
    ProfileEndpoints,
    Technologies,
    User,
)
from pubrio_async.scheduler.budget import Prices
from pubrio_async.scheduler.journal import Journal
from pubrio_async.scheduler.journal_spill import SpillingJournal
from pubrio_async.scheduler.logbook import Archive
from pubrio_async.scheduler.options import RunOptions
from pubrio_async.scheduler.outage import Losses
from pubrio_async.scheduler.run import Run
from pubrio_async.scheduler.source import People

_DRAIN_S = 1.5
_NOT_ENTERED = (
    'The client was told rate_limit="account", so it has to ask the API for the limits of the '
    "workspace first, and does so when it is entered: use it inside `async with AsyncPubrio(...)`. "
    "Nothing was sent."
)


class ClientStatistics(Struct, frozen=True, kw_only=True):
    """The client as it stands now.

    Attributes:
        limiter: The rate limiter.
        runs: Runs of `redeem.many` and `redeem.resolve` that are open.
        abandoned: Replies of paid calls whose caller had been cancelled.
    """

    limiter: LimiterStatistics
    runs: int
    abandoned: int


class AsyncPubrio:
    """The client: one for an application, shared by everything in it.

        async with AsyncPubrio() as pubrio:
            reply = await pubrio.redeem.people(
                people_search_id="e37ccf38-ea8f-422e-9874-cb23b15e8fe4",
                people_contact_types=["email-work"],
            )

    It works in one event loop at a time, and goes on in the next one once that is closed.

    Args:
        api_key: The key, else the environment variable PUBRIO_API_KEY.
        base_url: Where the API is, else PUBRIO_BASE_URL, else https://api.pubrio.com.
        rate_limit: Such as `300/minute; 2400/hour`, else PUBRIO_RATE_LIMIT, else `300/minute`.
            `free`, `growth` and `business` are `300/minute` and the quotas of that plan for one
            licence. `account` asks the API, with one free request when the client is entered, for
            the quotas of the workspace and how much of them is used. `unlimited` is no limit.
            Several are joined by `;`.
        max_concurrency: The most requests in flight at once.
        timeout: How long one attempt may take, from connecting to the last byte of the reply: in
            seconds, or a `datetime.timedelta`. `monitors.try_run` takes ten minutes at least.
        session: An aiohttp session of yours to send through; it is never closed here. It also
            carries paid calls, so give its connector `force_close=True`: a kept-alive connection
            that has gone stale loses the answer to a call that may have been charged.
        max_wait: How long a call waits for rate limits and pauses before it gives up: in seconds,
            or a `datetime.timedelta`.
        observers: Objects that are told of every request and every batch, for metrics and traces.
        limiter: What decides when a request may leave, instead of `rate_limit`, such as a
            `SharedLimiter` of `pubrio_async.distributed`. It is neither opened nor closed here.
        transport: Something else to send through, for tests.
        clock: Another clock, for tests.

    Raises:
        ConfigurationError: A setting is missing or malformed. With `account` entering the client
            raises it too, if the workspace may make no requests, and any error of the request.
    """

    redeem: ClientRedeem
    people: PeopleEndpoints
    companies: Companies
    lookalikes: Lookalikes
    technologies: Technologies
    jobs: Jobs
    news: News
    advertisements: Advertisements
    filters: Filters
    monitors: Monitors
    channels: Channels
    api_keys: ApiKeys
    profile: ProfileEndpoints
    user: User

    def __init__(  # noqa: PLR0917 - these six have had their places from the start
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        rate_limit: str | None = None,
        max_concurrency: int = 32,
        timeout: float | timedelta = 30.0,
        session: Session | None = None,
        *,
        max_wait: float | timedelta = 90.0,
        observers: Sequence[Observer] = (),
        limiter: RateLimiter | None = None,
        transport: Transport | None = None,
        clock: Clock | None = None,
    ) -> None:
        settings = load_settings(
            api_key, base_url, rate_limit, max_concurrency=max_concurrency, timeout=timeout
        )
        self._max_concurrency = settings.max_concurrency
        self._base_url = settings.base_url
        self._clock: Clock = clock or SystemClock()
        if limiter is not None and rate_limit is not None:
            msg = "rate_limit and limiter contradict each other: give one of them."
            raise ConfigurationError(msg)
        self._own_limiter = Limiter(settings.rates, settings.max_concurrency, self._clock)
        self._limiter: RateLimiter = self._own_limiter if limiter is None else limiter
        self._observers = Observers(observers) if observers else None
        self._transport = transport or AiohttpTransport(settings, session=session)
        self._dispatcher = Dispatcher(
            self._transport,
            self._limiter,
            self._clock,
            timeout=settings.timeout,
            max_wait=_checked_wait(max_wait),
            observers=self._observers,
        )
        self._must_ask = settings.account and limiter is None
        if self._must_ask:
            self._dispatcher.hold(_NOT_ENTERED)
        self._runs: set[Run] = set()
        self._archive = Archive()
        self._losses: Losses | None = None  # each run has its own
        self._closed = False
        self.redeem = ClientRedeem(self._dispatcher, self._open_run)
        self.people = PeopleEndpoints(self._dispatcher)
        self.companies = Companies(self._dispatcher)
        self.lookalikes = Lookalikes(self._dispatcher)
        self.technologies = Technologies(self._dispatcher)
        self.jobs = Jobs(self._dispatcher)
        self.news = News(self._dispatcher)
        self.advertisements = Advertisements(self._dispatcher)
        self.filters = Filters(self._dispatcher)
        self.monitors = Monitors(self._dispatcher)
        self.channels = Channels(self._dispatcher)
        self.api_keys = ApiKeys(self._dispatcher)
        self.profile = ProfileEndpoints(self._dispatcher)
        self.user = User(self._dispatcher)

    def __repr__(self) -> str:
        runs = f"{len(self._runs)} run{'' if len(self._runs) == 1 else 's'}"
        state = "closed" if self._closed else "open"
        return f"<AsyncPubrio {self._base_url} {state}: {runs}, {self._limiter!r}>"

    @property
    def base_url(self) -> str:
        """Where the API is."""
        return self._base_url

    @property
    def abandoned(self) -> Sequence[AbandonedCall]:
        """Replies of paid calls whose caller was cancelled while they were under way.

        What was paid for is not thrown away: the newest 1,000 replies wait here.
        """
        return tuple(self._dispatcher.abandoned)

    def statistics(self) -> ClientStatistics:
        """The client as it stands now."""
        return ClientStatistics(
            limiter=self._limiter.statistics(),
            runs=len(self._runs),
            abandoned=len(self._dispatcher.abandoned),
        )

    async def __aenter__(self) -> Self:
        if self._must_ask:
            try:
                await self._ask_for_limits()
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
        await self.aclose()

    def capture(self) -> AbstractContextManager[list[ResponseInfo]]:
        """Collects status, headers, timing and the raw body of calls, beside their results.

            with pubrio.capture() as responses:
                reply = await pubrio.people.search(per_page=1)
            responses[0].status, responses[0].rate_limit, responses[0].json()

        Returns:
            A context manager that gives a list, with one entry for each call that has ended.
            Batches and polls of runs are not in it; a run has a report.
        """
        return capture()

    async def aclose(self) -> None:
        """Ends open runs, gives paid calls under way a moment to finish, closes connections."""
        self._closed = True
        for run in tuple(self._runs):  # none goes on buying while another one ends
            run.stop("the client was closed", drain_s=0.0)
        # A cancelled scope would cancel every await below again; all of it is bounded.
        with anyio.CancelScope(shield=True):
            async with AsyncExitStack() as stack:  # the rest is closed even if one thing fails to
                stack.push_async_callback(self._transport.aclose)
                stack.push_async_callback(self._dispatcher.drain, _DRAIN_S)
                for run in tuple(self._runs):
                    stack.push_async_callback(run.aclose)

    async def _ask_for_limits(self) -> None:
        usage = await self._dispatcher.first_call(PROFILE_USAGE, {})
        for quota in account_quotas(usage):
            # The reply may or may not count the request that asked for it.
            self._own_limiter.add(quota.rate, used=quota.used + 1)
        self._must_ask = False
        self._dispatcher.hold(None)

    def _open_run(
        self,
        people: People | None,
        journal: str | os.PathLike[str] | Journal | None,
        options: RunOptions,
    ) -> Run:
        if self._closed:
            raise ConfigurationError(CLIENT_CLOSED)
        self._dispatcher.check_open()
        return Run(
            people,
            verbs=partial(RedeemVerbs, self._dispatcher),
            limiter=self._limiter,
            journal=_journal(journal, self._clock, self._base_url),
            options=structs.replace(options, max_workers=self._max_concurrency),
            clock=self._clock,
            prices=self._prices,
            open_runs=self._runs,
            observers=self._observers,
            archive=self._archive,
            losses=self._losses,
        )

    async def _prices(self) -> Prices:
        return Prices.of_subscription((await self.profile.get()).subscription)


def _checked_wait(value: object) -> float:
    value = in_seconds(value)
    if not isinstance(value, int | float) or not value >= 0:
        msg = f"max_wait must be a number of seconds of at least 0, not {value!r:.40}."
        raise ConfigurationError(msg)
    return value


def _journal(
    journal: str | os.PathLike[str] | Journal | None, clock: Clock, origin: str
) -> Journal:
    if journal is None:
        return SpillingJournal(clock)
    if isinstance(journal, str | os.PathLike):
        # Loaded when it is used: sqlite3 is a tenth of a second nobody else should pay for.
        from pubrio_async.scheduler.journal_sqlite import SqliteJournal  # noqa: PLC0415 - see above

        return SqliteJournal(journal, clock, origin=origin)
    if not hasattr(journal, "summary"):
        msg = f"journal takes a path or a Journal, not {type(journal).__name__}"
        raise ConfigurationError(msg)
    return journal
