"""Pauses after a 429, as one of those who share them sees them.

A generation is the time between two pauses. After a pause one request of the whole fleet goes
ahead, the probe, and the others follow once it was not refused.
"""

from __future__ import annotations

import random
from typing import Literal

from pubrio_async._limiter.backoff import pause_of
from pubrio_async.distributed.leases import News, Reply


class Pauses:
    """Where the pauses stand.

    Args:
        rng: Source of jitter.

    Attributes:
        generation: The number of the generation.
        until: When the pause ends.
        must_probe: Whether a single request goes ahead after it.
        has_news: Whether there is something all should know.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.generation: int = 0
        self.until: float = 0.0
        self.must_probe: bool = False
        self._refusals = 0
        self._has_probe = False  # it is here, and still to be used
        self._ticket: int | None = None  # it is here, and in use
        self._succeeded = False
        self._refused_in: int | None = None
        self._told: tuple[int | None, float] = (None, 0.0)

    @property
    def has_news(self) -> bool:
        """Whether there is something all should know."""
        return self._refused_in is not None or self._succeeded

    @property
    def is_probing(self) -> bool:
        """Whether the probe is here, in use or to be used, or was not refused."""
        return self._has_probe or self._ticket is not None or self._succeeded

    @property
    def stands_by(self) -> bool:
        """Whether all permits that are here are useless, since somebody else is to go ahead."""
        return self.must_probe and not self._has_probe

    def lets_go(self, now: float) -> bool:
        """Whether a request may leave, as far as pauses go."""
        return now >= self.until and (not self.must_probe or self._has_probe)

    def took(self, ticket: int) -> None:
        """A request leaves."""
        if self.must_probe:
            self._has_probe, self._ticket = False, ticket

    def ended(self, ticket: int, *, sent: bool, unused: bool) -> None:
        """A request has ended: it was sent, or its permit is ready for another."""
        if ticket == self._ticket:  # nobody was refused since it left
            self._ticket = None
            self._succeeded = sent
            self._has_probe = unused

    def give_up(self) -> None:
        """The probe goes to somebody else, unless it is in use."""
        self._has_probe = False

    def refused(self, generation: int, retry_after: float | None, now: float) -> None:
        """A request that left in a generation was refused."""
        first = generation == self.generation
        if first:
            self._begin(generation + 1)
            self._refusals += 1
            self.must_probe = True
        self._refused_in = max(generation, self._refused_in or 0)
        seconds = retry_after or 0.0
        # An API that says 0 and refuses again would otherwise be asked without end.
        if first and (retry_after is None or self._refusals > 1):
            seconds = max(seconds, pause_of(self._refusals, self._rng))
        self.until = max(self.until, now + seconds)

    def say(self) -> tuple[Literal["no", "yes", "done"], int | None]:
        """Where the probe stands, and in which generation a request was refused."""
        self._told = (self._refused_in, self.until)
        if self._succeeded:
            return "done", self._refused_in
        return "yes" if self.is_probing else "no", self._refused_in

    def exchanged(self, reply: Reply, now: float) -> None:
        """The database has heard what was said last, and has answered."""
        if self._told == (self._refused_in, self.until):
            self._refused_in = None
        if reply.generation > self.generation:
            self._begin(reply.generation)
        if reply.generation < self.generation:
            return  # from before the refusal that it is about to hear of
        self._refusals = reply.refusals
        self.until = max(self.until, now + reply.paused_s)
        self.must_probe = reply.must_probe
        if not reply.must_probe:
            self._has_probe, self._ticket, self._succeeded = False, None, False
        elif reply.probe and reply.granted:
            self._has_probe = True

    def hear(self, news: News, now: float) -> None:
        """Somebody has said something to all."""
        if news.generation > self.generation:
            self._begin(news.generation)
            self.must_probe = news.must_probe
        if news.generation == self.generation:
            self.until = max(self.until, now + news.paused_s)
            if not news.must_probe:  # within a generation it does not begin again
                self.must_probe = False
                self._has_probe, self._ticket, self._succeeded = False, None, False

    def _begin(self, generation: int) -> None:
        self.generation = generation
        self._has_probe, self._ticket, self._succeeded = False, None, False
