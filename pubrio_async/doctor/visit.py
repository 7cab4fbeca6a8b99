"""Makes calls through the client, one after the other, and keeps what came back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Final

from pubrio_async._clock import Clock
from pubrio_async._errors import ConfigurationError, PubrioError, ResponseError
from pubrio_async._quota import told_limits
from pubrio_async._wire import WireReply
from pubrio_async.client import AsyncPubrio
from pubrio_async.doctor.evidence import Evidence, Exchange, Purpose, decoded
from pubrio_async.doctor.plan import FREE_READS, PAID_PROBES

# Left to others of the workspace when its quota of an hour is nearly used up.
_SPARED: Final = 2
# Each of them takes as long as the client is patient.
_MOST_IN_VAIN: Final = 2


class Visitor:
    """Makes calls, and keeps what came back.

    Args:
        client: What calls are made with.
        evidence: Where they are kept.
        clock: Where the time of day comes from.
        step: Told of each call before it is made.

    Attributes:
        requests: Requests sent so far.
        rate_limited: How often the API answered with 429.
    """

    def __init__(
        self,
        client: AsyncPubrio,
        evidence: Evidence,
        clock: Clock,
        step: Callable[[str], object],
    ) -> None:
        self.requests: int = 0
        self._client = client
        self._evidence = evidence
        self._clock = clock
        self._step = step
        self._left: int | None = None
        self._in_vain = 0

    @property
    def rate_limited(self) -> int:
        """How often the API answered with 429."""
        return self._client.statistics().limiter.refused

    @property
    def stop(self) -> str | None:
        """Why nothing more is to be asked; None as long as there is no reason."""
        if self._left is not None and self._left <= _SPARED:
            return "the quota of the hour is nearly used up"
        if self._in_vain >= _MOST_IN_VAIN:
            return f"{_MOST_IN_VAIN} calls in a row were answered with 429, or not at all"
        return None

    def note_quota(self, left: int | None) -> None:
        """How many requests are left in the hour; None if that is not known."""
        self._left = left

    async def call(
        self, name: str, fields: Mapping[str, Any], purpose: Purpose = "", *, paid: bool = False
    ) -> Exchange:
        """Makes one call.

        Args:
            name: The endpoint.
            fields: The request.
            purpose: Why.
            paid: Whether it may spend credits.

        Returns:
            What came back, also of a call that failed.

        Raises:
            ConfigurationError: The endpoint is not one that may be called.
        """
        if name not in (PAID_PROBES if paid else FREE_READS):
            raise ConfigurationError(f"{name} is not called by a check-up. Nothing was sent.")
        self._step(name)
        one = Exchange(name=name, purpose=purpose, fields=dict(fields))
        self._evidence.exchanges.append(one)
        method = attrgetter(name)(self._client)
        one.began = self._clock.wall()
        with self._client.capture() as responses:
            try:
                await method(**fields)
            except PubrioError as error:
                one.error = type(error).__name__
                if isinstance(error, ResponseError) and isinstance(error.code, int):
                    one.code = error.code
        one.ended = self._clock.wall()
        for response in responses:
            one.status = response.status
            one.headers = response.headers
            one.raw = response.body
            one.body = decoded(response.body)
            one.elapsed_s = response.elapsed_s
            one.head_s = response.head_s
            one.version = response.version
            one.attempts = response.attempts
        if one.status is not None:
            one.told = told_limits(WireReply(one.status, one.headers, b""))
        self._in_vain = self._in_vain + 1 if one.status in {None, 429} else 0
        self.requests += one.attempts
        if self._left is not None:
            self._left -= one.attempts
        return one
