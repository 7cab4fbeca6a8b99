"""What the tests of the endpoints share: calls, most of them about a monitor."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from pubrio_async import AsyncPubrio

MONITOR = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
URL = "https://example.com/hook"


def plain(value: Any) -> Any:
    return json.loads(msgspec.json.encode(value))


def of_any_type(value: Any) -> Any:
    """A value that type checkers let pass where it is wrong."""
    return value


def new_monitor(**changes: Any) -> dict[str, Any]:
    return {
        "name": "My Monitor",
        "detection_mode": "signal_first",
        "signal_types": ["jobs"],
        "destination_type": "webhook",
        "destination_config": {"webhook_url": URL},
        **changes,
    }


Call = Callable[[AsyncPubrio], Awaitable[Any]]


def creating(**changes: Any) -> Call:
    return lambda p: p.monitors.create(**new_monitor(**changes))
