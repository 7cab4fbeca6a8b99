"""What the dispatcher asks of whatever carries its requests."""

from __future__ import annotations

from typing import Protocol

from pubrio_async._phase import Phase
from pubrio_async._wire import WireReply, WireRequest


class Transport(Protocol):
    """What carries a request to the API and its reply back."""

    async def send(self, request: WireRequest, *, timeout: float, phase: Phase) -> WireReply:
        """Sends a request and reads its reply to the end.

        Args:
            request: The request.
            timeout: Seconds for all of it.
            phase: `sent` is counted up each time bytes of the request may leave.

        Returns:
            The reply, whatever its status.

        Raises:
            NotSentError: The request surely never left.
            ResponseLostError: It may have been carried out; no whole reply came back.
        """
        ...

    async def aclose(self) -> None:
        """Ends all connections."""
        ...
