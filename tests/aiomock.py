"""aioresponses, made to work with the aiohttp in use: the one place that knows how.

aioresponses builds replies without the `stream_writer` that `aiohttp.ClientResponse` demands
since 3.14; a subclass of the response supplies one.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any
from unittest.mock import Mock

from aiohttp import ClientResponse
from aiohttp.abc import AbstractStreamWriter
from aioresponses import aioresponses
from msgspec import Struct
from yarl import URL

from pubrio_async import AsyncPubrio

BASE_URL = "https://api.pubrio.com"
KEY = "pk_live_0123456789abcdef"


class Sent(Struct, frozen=True):
    """A request as it was handed to aiohttp."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


class _Response(ClientResponse):
    def __init__(self, method: str, url: URL, **arguments: Any) -> None:
        written: Any = Mock(spec=AbstractStreamWriter, output_size=0)
        super().__init__(method, url, stream_writer=written, **arguments)


class Api:
    """The API's stand-in: what it will answer, and what it was sent."""

    def __init__(self, mock: aioresponses) -> None:
        self._mock = mock

    def answers(
        self,
        method: str,
        path: str,
        body: str | bytes = "",
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Prepares one answer; several for the same endpoint are given in their order."""
        self._mock.add(
            BASE_URL + path,
            method=method,
            status=status,
            body=body,
            headers=dict(headers or {}),
            response_class=_Response,
        )

    @property
    def sent(self) -> list[Sent]:
        """The requests made so far, grouped by endpoint."""
        return [
            Sent(method, str(url), call.kwargs["headers"], call.kwargs["data"])
            for (method, url), calls in self._mock.requests.items()
            for call in calls
        ]


@contextlib.contextmanager
def mocked_api() -> Iterator[Api]:
    """Replaces the network for every aiohttp session."""
    with aioresponses() as mock:
        yield Api(mock)


@contextlib.asynccontextmanager
async def on_mocked_api() -> AsyncIterator[AsyncPubrio]:
    """A client that never waits to send again, and leaves nothing under way."""
    async with AsyncPubrio(KEY, max_wait=0.0) as client:
        yield client
        assert client.statistics().limiter.in_flight == 0
