"""What the tests of the transport are given."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from pubrio_async._config import load_settings
from pubrio_async._transport import AiohttpTransport
from tests.transport.sending import KEY, Make


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    made: list[AiohttpTransport] = []

    def build(url: str, **arguments: Any) -> AiohttpTransport:
        settings = load_settings(KEY, url, environ={})
        made.append(AiohttpTransport(settings, **arguments))
        return made[-1]

    yield build
    for transport in made:
        await transport.aclose()
