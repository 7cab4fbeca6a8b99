"""Shared by all tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Tests marked `virtual_time` never wait; all others run on the loop that users have."""
    if item.get_closest_marker("virtual_time") is None:
        return {"default": asyncio.new_event_loop}
    # Not at the top: what it imports must be seen by the coverage measurement.
    from pubrio_async.testing import VirtualTimeLoop  # noqa: PLC0415

    return {"virtual": VirtualTimeLoop}


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the developer has exported must not reach a test."""
    for name in ("PUBRIO_API_KEY", "PUBRIO_BASE_URL", "PUBRIO_RATE_LIMIT"):
        monkeypatch.delenv(name, raising=False)
