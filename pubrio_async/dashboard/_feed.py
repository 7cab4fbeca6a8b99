"""What viewers are told, and when. Nothing is queued for anybody: who is slow skips what it missed.

What a viewer lacks is worked out when it can take it, from a history that is bounded, so neither
the number of viewers nor their pace has an effect on the run.
"""

from __future__ import annotations

import asyncio

import msgspec
from msgspec import Struct

from pubrio_async.dashboard._figures import Facts, Message
from pubrio_async.dashboard._history import Cursor
from pubrio_async.dashboard._sampler import Sampler


class Seen(Struct, frozen=True):
    """What a viewer has been told.

    Attributes:
        cursor: How much of the history.
        facts: What does not change.
    """

    cursor: Cursor
    facts: Facts


class Feed:
    """What is told of a run.

    Args:
        sampler: Looks at the run.
        facts: What does not change.

    Attributes:
        facts: What does not change; may be replaced by what is known better.
        closed: Whether the next message is the last one.
    """

    def __init__(self, sampler: Sampler, facts: Facts) -> None:
        self.facts = facts
        self.closed: bool = False
        self._sampler = sampler
        self._encoder = msgspec.json.Encoder()
        self._turn: asyncio.Event = asyncio.Event()

    @property
    def turn(self) -> asyncio.Event:
        """Set once there is something new; to be taken before the message that is new now."""
        return self._turn

    def tick(self) -> None:
        """Wakes everyone who waits."""
        turn, self._turn = self._turn, asyncio.Event()
        turn.set()

    def close(self) -> None:
        """Wakes everyone for the last message."""
        self.closed = True
        self.tick()

    def message(self, seen: Seen | None) -> tuple[bytes, Seen]:
        """An event with all that a viewer lacks; and what it has been told then.

        Args:
            seen: What it has been told; None for nothing.
        """
        news, cursor = self._sampler.history.since(None if seen is None else seen.cursor)
        facts = self.facts
        known = seen is not None and seen.facts is facts
        message = Message(self._sampler.now, news, None if known else facts)
        return b"data: %b\n\n" % self._encoder.encode(message), Seen(cursor, facts)
