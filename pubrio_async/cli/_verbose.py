"""`--verbose`: what the package logs, and each request and batch, as messages on stderr.

No message names a person or a contact.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager

from pubrio_async import BatchEvent, Observer, RequestEvent
from pubrio_async.cli._messages import credits_of, people_in_words, say

_LOG = logging.getLogger("pubrio_async")
_TELL_OF_OUTAGES = [logging.getLogger(f"pubrio_async.{name}") for name in ("runs", "journal")]
# Between two messages that the database is away.
_AGAIN_S = 60.0


class _Messages(logging.Handler):
    """Says what is logged, in the way that is right at the time."""

    def __init__(self) -> None:
        super().__init__()
        self.how: Callable[[str], None] = say

    def emit(self, record: logging.LogRecord) -> None:
        """Says one record."""
        try:
            self.how(self.format(record))
        except Exception:  # noqa: BLE001 - as every handler does: a message is not worth a run
            self.handleError(record)


class _Outages(_Messages):
    """Says that nobody answers, as long as nothing else tells why nothing happens."""

    def __init__(self) -> None:
        super().__init__()
        self._next_away = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Says it in words, of records that tell it."""
        event = getattr(record, "event", None)
        if event == "database_away":  # whoever waits for it writes one
            if record.created < self._next_away:
                return
            self._next_away = record.created + _AGAIN_S
        elif event != "unreachable":
            return
        super().emit(record)

    def format(self, record: logging.LogRecord) -> str:
        """Puts it in words."""
        if getattr(record, "event", None) == "database_away":
            return "the database cannot be reached: trying again for some minutes, nothing is lost"
        patience_s = getattr(record, "patience_s", 0.0)
        return (
            f"the API cannot be reached: trying again for up to {patience_s:.0f} s, nothing is "
            "lost; --verbose tells more"
        )


_messages = _Messages()
_outages = _Outages()


@contextmanager
def logged(*, verbose: bool) -> Generator[None, None, None]:
    """Says what is logged while the block runs.

    Args:
        verbose: Whether that is wanted. What matters is told without it too, in words of its own,
            and so is the beginning of an outage.
    """
    if not verbose:
        for logger in _TELL_OF_OUTAGES:
            logger.addHandler(_outages)
        try:
            yield
        finally:
            for logger in _TELL_OF_OUTAGES:
                logger.removeHandler(_outages)
        return
    before = _LOG.level
    _LOG.addHandler(_messages)
    _LOG.setLevel(logging.INFO)
    try:
        yield
    finally:
        _LOG.setLevel(before)
        _LOG.removeHandler(_messages)


@contextmanager
def said_through(how: Callable[[str], None]) -> Generator[None, None, None]:
    """While the block runs, messages go another way, such as above a bar.

    Args:
        how: Says one.
    """
    before = _messages.how
    _messages.how = _outages.how = how
    try:
        yield
    finally:
        _messages.how = _outages.how = before


def observers(*, verbose: bool) -> tuple[Observer, ...]:
    """Who is told of requests and batches."""
    return (_Told(),) if verbose else ()


class _Told(Observer):
    """Logs what it is told of."""

    def on_request(self, event: RequestEvent) -> None:
        """Logs a request."""
        if event.error is None:
            end = str(event.status)
        else:
            status = "" if event.status is None else f" {event.status}"
            end = f"{event.error}{status}{'' if event.sent else ', not sent'}"
        _LOG.info(
            "%s: %s %s: %s in %.3f s, %s bytes out, %s in",
            event.name,
            event.method,
            event.path,
            end,
            event.elapsed_s,
            f"{event.bytes_out:,}",
            f"{event.bytes_in:,}",
        )

    def on_batch(self, event: BatchEvent) -> None:
        """Logs a step of a batch."""
        parts = [f"batch {event.batch_id[:8]} {event.kind.replace('_', ' ')}"]
        parts.append(people_in_words(event.people))
        if event.redeem_query_id is not None and event.kind == "accepted":
            parts.append(f"job {event.redeem_query_id}")
        if event.kind == "settled":
            parts += [f"{event.found:,} found", f"{event.empty:,} empty"]
        if event.credits is not None:
            parts.append(f"{credits_of(event.credits)} credits")
        if event.estimate_s is not None and event.kind in {"accepted", "polled"}:
            parts.append(f"to take {event.estimate_s:.1f} s")
        if event.age_s:
            parts.append(f"after {event.age_s:.1f} s")
        _LOG.info("%s", ", ".join(parts))
