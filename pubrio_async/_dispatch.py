"""The one choke point every request goes through: permit, send, read, decide, again."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping
from functools import partial
from logging import DEBUG
from typing import Any, TypeVar

from msgspec import Struct, field

from pubrio_async._capture import ResponseInfo, capturing
from pubrio_async._clock import Clock, is_over
from pubrio_async._errors import (
    CLIENT_CLOSED,
    ConfigurationError,
    NotSentError,
    PubrioError,
    RateLimitedError,
    at_endpoint,
    never_left,
    reply_lost,
)
from pubrio_async._limiter import RateLimiter
from pubrio_async._log import REQUESTS, note_pause, note_retry
from pubrio_async._observe import Asked, Observers, observed
from pubrio_async._phase import Phase
from pubrio_async._quota import told_limits
from pubrio_async._retry import RetryPolicy, next_wait
from pubrio_async._routes import Route
from pubrio_async._transport import Transport
from pubrio_async._wire import WireReply, WireRequest, encode_body, interpret

T = TypeVar("T")

_ABANDONED_KEPT = 1_000
# A larger body takes some milliseconds to decode, during which nobody else would get a turn.
_LARGE = 1024 * 1024


class AbandonedCall(Struct, frozen=True):
    """A paid call that finished after its caller had been cancelled.

    Attributes:
        name: The endpoint, such as `redeem.people`.
        fields: The request as the caller gave it.
        reply: What came back; None if the call failed.
        error: How it failed; None if it did not.
    """

    name: str
    fields: Mapping[str, Any]
    reply: Any
    error: PubrioError | None


class Flight(Struct, eq=False, gc=False):
    """Where a call stands: how far its current attempt got, and whether anyone still waits."""

    phase: Phase = field(default_factory=Phase)
    abandoned: bool = False
    attempts: int = 0
    reply: WireReply | None = None

    @property
    def is_sent(self) -> bool:
        """True while a request that may have left this machine is under way, or was answered."""
        return self.phase.sent > 0


class Dispatcher:
    """Sends requests within the limits, and sends again what may be sent again.

    A call that may spend credits runs in a task of the dispatcher's own: cancelling the caller
    stops it while nothing has been sent, and lets it finish once something has.

    Args:
        transport: What moves the bytes.
        limiter: Who may send when.
        clock: Where the time comes from.
        timeout: Seconds for one attempt, from connecting to the last byte of the reply; a route
            may ask for more.
        max_wait: Most seconds one call waits for rate limits and pauses.
        policy: How often to send again.
        rng: Source of jitter.
        observers: Who is told of each request; None for nobody.
    """

    def __init__(
        self,
        transport: Transport,
        limiter: RateLimiter,
        clock: Clock,
        *,
        timeout: float,
        max_wait: float,
        policy: RetryPolicy | None = None,
        rng: random.Random | None = None,
        observers: Observers | None = None,
    ) -> None:
        self._transport = transport
        self._limiter = limiter
        self._clock = clock
        self._now = clock.now
        self._timeout = timeout
        self._max_wait = max_wait
        self._policy = policy or RetryPolicy()
        self._rng = rng or random.Random()
        self._observers = observers
        self._owned: set[asyncio.Task[Any]] = set()
        self._closed = False
        self._held: str | None = None
        self.abandoned: deque[AbandonedCall] = deque(maxlen=_ABANDONED_KEPT)

    async def first_call(self, route: Route[T], fields: Mapping[str, Any]) -> T:
        """Makes a free call even while calls are held.

        Args:
            route: The endpoint.
            fields: The body.

        Returns:
            The decoded reply.

        Raises:
            PubrioError: Whatever went wrong after all that may be sent again was.
        """
        return await self._run(route, encode_body(fields), Flight())

    def call(
        self, route: Route[T], fields: Mapping[str, Any] | None = None
    ) -> Coroutine[Any, Any, T]:
        """Makes one call to its end.

        Args:
            route: The endpoint.
            fields: The body; None for a request without one.

        Returns:
            What gives the decoded reply when it is awaited.

        Raises:
            PubrioError: Whatever went wrong after all that may be sent again was.
        """
        body = self._body(fields)
        if route.paid:
            return self._run_owned(route, fields or {}, body)
        return self._run(route, body, Flight())

    def begin(self, route: Route[T], fields: Mapping[str, Any]) -> tuple[asyncio.Task[T], Flight]:
        """Makes one call in a task of the dispatcher's own, for several to wait for.

        Args:
            route: The endpoint.
            fields: The body.

        Returns:
            The task, and where the call stands.
        """
        flight = Flight()
        return self.own(self._run(route, self._body(fields), flight)), flight

    def attempt(
        self, route: Route[T], body: bytes | None, ticket: int, phase: Phase
    ) -> Coroutine[Any, Any, T]:
        """Sends one request, once, on a permit the caller holds; the permit is given back.

        Args:
            route: The endpoint.
            body: The encoded body.
            ticket: What the limiter's `acquire` returned.
            phase: Tells afterwards whether anything was sent.

        Returns:
            What gives the decoded reply when it is awaited.

        Raises:
            PubrioError: The request failed, or was refused.
        """
        sending = self._attempt(route, body, ticket, phase)
        if self._observers is None and not REQUESTS.isEnabledFor(DEBUG):
            return sending
        asked = Asked(route.name, route.method, route.path, route.paid, len(body or b""))
        return observed(sending, asked, phase, observers=self._observers, clock=self._clock)

    async def _attempt(self, route: Route[T], body: bytes | None, ticket: int, phase: Phase) -> T:
        request = WireRequest(route.method, route.path, body, route.paid)
        timeout = self._timeout
        if route.timeout is not None and route.timeout > timeout:
            timeout = route.timeout
        left = self._now()
        try:
            reply = await self._transport.send(request, timeout=timeout, phase=phase)
            phase.reply = reply
            if told := told_limits(reply):
                self._limiter.note(
                    self._now() - left, limit=told.limit, remaining=told.remaining, reset=told.reset
                )
            decode = route.decode
            if route.in_pieces is not None and len(reply.body) > _LARGE:
                decode = await _with_turns(decode, route.in_pieces(reply.body))
            return interpret(
                reply, decode, method_path=route.what, paid=route.paid, wall=self._clock.wall()
            )
        except PubrioError as error:
            at_endpoint(route.name, error)
            if isinstance(error, RateLimitedError):
                before = self._limiter.statistics().paused_s
                self._limiter.pause(ticket, error.retry_after, self._now() - left)
                note_pause(route.name, before, self._limiter.statistics().paused_s)
            raise
        finally:
            self._limiter.release(ticket, phase.sent, answered=phase.reply is not None)

    def hold(self, why: str | None) -> None:
        """Takes no calls any more, for the reason given; None takes them again."""
        self._held = why

    def check_open(self) -> None:
        """Checks that calls are taken.

        Raises:
            ConfigurationError: They are not.
        """
        if self._closed:
            raise ConfigurationError(CLIENT_CLOSED)
        if self._held is not None:
            raise ConfigurationError(self._held)

    def _body(self, fields: Mapping[str, Any] | None) -> bytes | None:
        self.check_open()
        return None if fields is None else encode_body(fields)

    async def drain(self, grace: float) -> None:
        """Ends the dispatcher: paid calls under way get `grace` seconds to finish."""
        self._owned -= {task for task in self._owned if is_over(task.get_loop())}
        self._closed = True
        if self._owned:
            await asyncio.wait(self._owned, timeout=grace)
        rest = list(self._owned)
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def own(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Runs something in a task of the dispatcher's own, which `drain` waits for."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._owned.add(task)
        task.add_done_callback(self._owned.discard)
        return task

    def _run(self, route: Route[T], body: bytes | None, flight: Flight) -> Coroutine[Any, Any, T]:
        attempts = self._attempts(route, body, flight)
        captured = capturing()
        if captured is None:
            return attempts
        return self._captured(captured, route, attempts, flight)

    async def _captured(
        self,
        captured: list[ResponseInfo],
        route: Route[T],
        attempts: Coroutine[Any, Any, T],
        flight: Flight,
    ) -> T:
        started = self._now()
        try:
            return await attempts
        finally:
            reply = flight.reply
            captured.append(
                ResponseInfo(
                    name=route.name,
                    status=reply.status if reply else None,
                    headers=reply.headers if reply else {},
                    elapsed_s=self._now() - started,
                    attempts=flight.attempts,
                    body=reply.body if reply else b"",
                    head_s=reply.head_s if reply else None,
                    version=reply.version if reply else None,
                )
            )

    async def _attempts(self, route: Route[T], body: bytes | None, flight: Flight) -> T:
        deadline = self._now() + self._max_wait
        resends = 0
        while True:
            ticket = self._limiter.try_acquire()
            if ticket is None:
                ticket = await self._admission(route, deadline)
            phase = flight.phase
            try:
                return await self.attempt(route, body, ticket, phase)
            except PubrioError as error:
                flight.phase = Phase()  # nothing is under way until the next attempt
                resends += not isinstance(error, RateLimitedError)
                wait = next_wait(
                    self._policy, error, resends, repeatable=route.repeatable, rng=self._rng
                )
                if wait is None or flight.abandoned:
                    raise
                blocked = self._limiter.statistics().next_permit_s
                if self._now() + max(wait, blocked) > deadline:
                    raise
                note_retry(route.name, error, wait)
            finally:
                flight.attempts += phase.sent
                flight.reply = phase.reply
            if wait:
                await asyncio.sleep(wait)

    async def _admission(self, route: Route[Any], deadline: float) -> int:
        """A permit, or NotSentError when none can be had in time."""
        blocked = self._limiter.statistics().next_permit_s
        left = deadline - self._now()
        if blocked <= left:
            try:
                async with asyncio.timeout(left):
                    return await self._limiter.acquire()
            except TimeoutError:
                blocked = self._limiter.statistics().next_permit_s
        msg = (
            f"{route.what} was not sent: the rate limit leaves no free request "
            f"within {self._max_wait:g} s (the next one in about {max(1.0, blocked):.0f} s). "
            "Nothing was charged; try again later, or send less at once."
        )
        raise at_endpoint(route.name, NotSentError(msg))

    async def _run_owned(self, route: Route[T], fields: Mapping[str, Any], body: bytes | None) -> T:
        flight = Flight()
        task = self.own(self._run(route, body, flight))
        try:
            await asyncio.wait((task,))  # unlike a shield it tells whose cancellation it is
        except asyncio.CancelledError:
            flight.abandoned = True
            if not task.done() and not flight.is_sent:
                task.cancel()
            task.add_done_callback(lambda done: self._keep(route, fields, flight, done))
            raise
        if task.cancelled():
            raise cut_off(route, flight)
        return task.result()

    def _keep(
        self,
        route: Route[Any],
        fields: Mapping[str, Any],
        flight: Flight,
        task: asyncio.Task[Any],
    ) -> None:
        """Holds on to a reply that was paid for and has no reader any more."""
        error: BaseException | None
        if task.cancelled():
            if not flight.is_sent:
                return
            error = cut_off(route, flight)
        else:
            error = task.exception()
        if error is None:
            self.abandoned.append(AbandonedCall(route.name, fields, task.result(), None))
        elif isinstance(error, PubrioError):
            self.abandoned.append(AbandonedCall(route.name, fields, None, error))
        else:
            raise error


async def _with_turns(
    decode: Callable[[bytes], T], pieces: Iterator[T | None]
) -> Callable[[bytes], T]:
    """Reads a body a piece at a time, and lets others have their turn in between.

    Returns:
        What gives the value that was read, or `decode` if none was.
    """
    value: T | None = None
    for value in pieces:  # noqa: B007 - the last one counts
        await asyncio.sleep(0)
    return decode if value is None else partial(_given, value)


def _given(value: T, _body: bytes) -> T:
    return value


def cut_off(route: Route[Any], flight: Flight, page: int | None = None) -> PubrioError:
    """What became of a call that closing the client has ended.

    Args:
        route: The endpoint.
        flight: Where it stood.
        page: Which page it asks for, for the message.
    """
    what = route.what if page is None else f"{route.what} (page {page})"
    why = "the client was closed meanwhile"
    if flight.is_sent:
        return at_endpoint(route.name, reply_lost(what, why, paid=route.paid))
    return at_endpoint(route.name, never_left(what, why))
