"""What to do while the API is down: wait longer and longer, and not forever.

It may be down in three ways: it cannot be reached, it refuses everybody with 429, or the answers to
paid requests are lost one after the other. In the last case nobody may be sent again, so one
request alone goes ahead now and then: everyone in it may have been paid for, or may never be found.
"""

from __future__ import annotations

from logging import WARNING
from typing import Protocol
from weakref import WeakSet

from pubrio_async._clock import Clock
from pubrio_async._errors import PubrioError
from pubrio_async._log import RUNS, note

_FIRST_S = 1.0
_LONGEST_S = 30.0
_MANY_LOSSES = 3  # one after the other: something is down


class Outage:
    """Holds a whole run back while nobody answers.

    Args:
        patience: Seconds without any answer after which it is hopeless.
        event: What the log calls the beginning of an outage; None if it is not told.
        longest: Most seconds between two attempts.
    """

    def __init__(
        self, patience: float, event: str | None = None, longest: float = _LONGEST_S
    ) -> None:
        self._event = event
        self._patience = patience
        self._longest = longest
        self._since: float | None = None
        self._wait = 0.0
        self.until: float = 0.0

    def answered(self) -> None:
        """The API answered: whatever it said, it can be reached."""
        self._since = None
        self._wait = 0.0

    def failed(self, now: float) -> bool:
        """A request could not be sent.

        Returns:
            True if it is hopeless by now.
        """
        if self._since is None:
            self._since = now
            if self._event is not None:
                note(RUNS, WARNING, self._event, patience_s=self._patience)
        if now - self._since >= self._patience:
            return True
        self.wait(now)
        return False

    def wait(self, now: float) -> None:
        """Puts the next attempt off."""
        if now >= self.until:  # several requests may fail at once; together they are one failure
            self._wait = min(self._longest, max(_FIRST_S, 2 * self._wait))
            self.until = now + self._wait


class Sender(Protocol):
    """A run, as those see it that share what they know of lost answers."""

    def wake(self) -> None:
        """There may be something to do."""
        ...

    def halt(self, error: PubrioError, *, keep_polling: bool) -> None:
        """Nothing more is submitted."""
        ...


class Losses:
    """Holds paid requests back while the answers to all of them are lost.

    Runs may share one: then one request alone goes ahead for all of them, and they end together.

    Args:
        patience: Seconds without any answer after which it is hopeless.
        clock: Where the time comes from.
        longest: Most seconds between two attempts.

    Attributes:
        is_hopeless: Whether it has been so for too long, and has not changed since.
    """

    def __init__(self, patience: float, clock: Clock, longest: float = _LONGEST_S) -> None:
        self._clock = clock
        self._outage = Outage(patience, "answerless", longest)
        self._in_a_row = 0
        self._under_way = 0
        self._runs: WeakSet[Sender] = WeakSet()
        self.is_hopeless: bool = False

    def join(self, run: Sender) -> None:
        """A run that is told, too."""
        self._runs.add(run)

    def leave(self, run: Sender) -> None:
        """One that has ended."""
        self._runs.discard(run)

    def sets_out(self) -> None:
        """A paid request is about to be sent."""
        self._under_way += 1

    def is_back(self) -> None:
        """It has been dealt with, whatever came of it."""
        self._under_way -= 1
        if self._in_a_row >= _MANY_LOSSES:
            self._wake()

    def answered(self) -> None:
        """One was answered, whatever the answer was."""
        was_on = self._in_a_row >= _MANY_LOSSES
        self._in_a_row = 0
        self.is_hopeless = False
        self._outage.answered()
        self._outage.until = 0.0
        if was_on:
            self._wake()

    def lost(self) -> bool:
        """The answer to one was lost. True if it is hopeless by now."""
        self._in_a_row += 1
        now = self._clock.now()
        if self._in_a_row >= _MANY_LOSSES and self._outage.failed(now):
            self.is_hopeless = True
            self._outage.wait(now)  # for the runs that come after
        return self.is_hopeless

    def halt(self, error: PubrioError) -> None:
        """It is hopeless: ends all runs that share this."""
        for run in tuple(self._runs):
            run.halt(error, keep_polling=True)

    @property
    def submit_at(self) -> float | None:
        """When something may be submitted; None: after what is under way."""
        if self._in_a_row < _MANY_LOSSES:
            return 0.0
        return None if self._under_way else self._outage.until

    def _wake(self) -> None:
        for run in tuple(self._runs):
            run.wake()


class Outages:
    """Keeps a run from spending requests on an API that is down.

    Args:
        unreachable_after: Seconds without any answer after which it is hopeless.
        refused_after: Seconds of nothing but refusals with 429 after which it is hopeless.
        clock: Where the time comes from.
        losses: What is known of lost answers, if other runs share it.

    Attributes:
        losses: What is known of lost answers.
        any_answer: True once the API has answered anything.
    """

    def __init__(
        self,
        unreachable_after: float,
        refused_after: float,
        clock: Clock,
        losses: Losses | None = None,
    ) -> None:
        self._clock = clock
        self._unreachable = Outage(unreachable_after, "unreachable")
        self._refused = Outage(refused_after)
        self.losses: Losses = losses or Losses(unreachable_after, clock)
        self.any_answer: bool = False

    def reached(self) -> None:
        """The API answered, and it was no 429."""
        self.any_answer = True
        self._unreachable.answered()
        self._refused.answered()

    def unreachable(self) -> bool:
        """The API could not be reached. True if it is hopeless by now."""
        return self._unreachable.failed(self._clock.now())

    def refused(self) -> bool:
        """A rate limit refused a request. True if it is hopeless by now."""
        self.any_answer = True
        self._unreachable.answered()
        return self._refused.failed(self._clock.now())

    @property
    def until(self) -> float:
        """When the API may be tried again."""
        return self._unreachable.until
