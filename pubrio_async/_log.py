"""The loggers of the package, and the one way to write to them: an event, and its fields.

Never a key, a contact, an id of a person, or the text of an error, which may quote any of them.
"""

from __future__ import annotations

import logging
from typing import Final

ROOT: Final = logging.getLogger("pubrio_async")
REQUESTS: Final = logging.getLogger("pubrio_async.requests")
RUNS: Final = logging.getLogger("pubrio_async.runs")
JOURNAL: Final = logging.getLogger("pubrio_async.journal")

# Quiet, unless the program asks for more.
ROOT.addHandler(logging.NullHandler())


def note(logger: logging.Logger, level: int, event: str, **fields: object) -> None:
    """Writes a record: `event field=value ...`, and each of them as an attribute.

    Args:
        logger: Where to.
        level: One of logging's.
        event: What happened, in one word.
        fields: What there is to say of it; those that are None are left out of the text.
    """
    if logger.isEnabledFor(level):
        told = [f"{name}={_shown(value)}" for name, value in fields.items() if value is not None]
        extra = {"event": event, **fields}
        logger.log(level, "%s", " ".join((event, *told)), extra=extra, stacklevel=2)


def note_pause(endpoint: str, before_s: float, wait_s: float) -> None:
    """A request was refused with 429: everyone waits, or did so already.

    Args:
        endpoint: Which it was.
        before_s: Seconds that everyone would have waited anyway.
        wait_s: Seconds that everyone waits now.
    """
    # A warning once for all that are refused together.
    level = logging.DEBUG if before_s else logging.WARNING
    note(REQUESTS, level, "paused", endpoint=endpoint, wait_s=wait_s)


def note_retry(endpoint: str, error: Exception, wait_s: float) -> None:
    """A request is sent again after some seconds."""
    why = type(error).__name__
    note(REQUESTS, logging.INFO, "retry", endpoint=endpoint, error=why, wait_s=wait_s)


def _shown(value: object) -> object:
    return f"{value:.3f}" if isinstance(value, float) else value
