"""The sandbox without sockets, in virtual time."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final, Self

from pubrio_async import client
from pubrio_async.client import AsyncPubrio
from pubrio_async.sandbox.memory import SandboxTransport
from pubrio_async.testing.controls import SandboxControls, environment
from pubrio_async.testing.virtual_time import VirtualClock

# What has this address gets nowhere: the name is reserved never to exist.
_NOWHERE: Final = "https://sandbox.invalid"
_LATENCY_S: Final = 0.05


class PubrioMemory(SandboxControls):
    """A sandbox in the same process, whose clock is that of the event loop.

        memory = PubrioMemory()

        async def scenario() -> int:
            async with memory.client() as pubrio:
                people = memory.people(100_000)
                async with pubrio.redeem.many(people, people_contact_types=["phone"]) as run:
                    return sum([outcome.status == "found" async for outcome in run])

        found = run_virtual(scenario())  # minutes under 300 requests a minute, in seconds

    Jobs take their time and rate limits are enforced, as by the API itself: use it in virtual
    time, by `run_virtual` or the marker `pubrio_virtual_time`, and none of it is waited for.

    Args:
        **settings: Fields of `pubrio_async.sandbox.SandboxConfig`.

    Raises:
        ConfigurationError: A setting is malformed.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__({}, settings)

    def transport(self, *, latency: float = _LATENCY_S) -> SandboxTransport:
        """A transport for one client, for `AsyncPubrio(transport=...)`.

        Args:
            latency: Seconds for the way there and back.
        """
        return SandboxTransport(
            self._sandbox, latency=latency, api_key=self.api_key, clock=VirtualClock()
        )

    def client(self, **arguments: Any) -> AsyncPubrio:
        """A client that talks to it, to be used in `async with`.

        Args:
            **arguments: Arguments of `AsyncPubrio`. Without `rate_limit`, it keeps the limits of
                the sandbox.

        Raises:
            ConfigurationError: An argument is malformed.
        """
        chosen: dict[str, Any] = {
            "api_key": self.api_key,
            "base_url": _NOWHERE,
            "rate_limit": self.config.limits,
            "transport": self.transport(),
            "clock": VirtualClock(),
            **arguments,
        }
        return AsyncPubrio(**chosen)

    @contextmanager
    def installed(self) -> Generator[Self]:
        """While the block runs, every client made in this process talks to it.

        That holds whatever key, URL or session the client is given; one with a `transport` keeps
        that. A client in a process started meanwhile reaches nothing.
        """

        def transport(*_: Any, **__: Any) -> SandboxTransport:
            return self.transport()

        variables = {
            "PUBRIO_API_KEY": self.api_key,
            "PUBRIO_BASE_URL": _NOWHERE,
            "PUBRIO_RATE_LIMIT": self.config.limits,
        }
        with (
            environment(variables),
            _replaced(client, "AiohttpTransport", transport),
            _replaced(client, "SystemClock", VirtualClock),
        ):
            yield self


@contextmanager
def _replaced(owner: object, name: str, value: object) -> Generator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
