"""What to do while the API is down: wait longer and longer, and not forever.

It may be down in three ways: it cannot be reached, it refuses everybody with 429, or the answers to
paid requests are lost one after the other. In the last case nobody may be sent again, so one
request alone goes ahead now and then: everyone in it may have been paid for, or may never be found.
"""

from __future__ import annotations

from logging import WARNING

from pubrio_async._clock import Clock
from pubrio_async._log import RUNS, note

_FIRST_S = 1.0
_LONGEST_S = 30.0
_MANY_LOSSES = 3  # one after the other: something is down


class Outage:
    """Holds a whole run back while nobody answers.

    Args:
        patience: Seconds without any answer after which it is hopeless.
        event: What the log calls the beginning of an outage; None if it is not told.
    """

    def __init__(self, patience: float, event: str | None = None) -> None:
        self._event = event
        self._patience = patience
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
        if now >= self.until:  # several requests may fail at once; together they are one failure
            self._wait = min(_LONGEST_S, max(_FIRST_S, 2 * self._wait))
            self.until = now + self._wait
        return False


class Outages:
    """Keeps a run from spending requests on an API that is down.

    Args:
        unreachable_after: Seconds without any answer after which it is hopeless.
        refused_after: Seconds of nothing but refusals with 429 after which it is hopeless.
        clock: Where the time comes from.

    Attributes:
        any_answer: True once the API has answered anything.
    """

    def __init__(self, unreachable_after: float, refused_after: float, clock: Clock) -> None:
        self._clock = clock
        self._unreachable = Outage(unreachable_after, "unreachable")
        self._refused = Outage(refused_after)
        self._answerless = Outage(unreachable_after, "answerless")
        self._losses = 0
        self.any_answer: bool = False

    def reached(self) -> None:
        """The API answered, and it was no 429."""
        self.any_answer = True
        self._unreachable.answered()
        self._refused.answered()

    def answered(self) -> None:
        """A paid request was answered, whatever the answer was."""
        self._losses = 0
        self._answerless.answered()

    def unreachable(self) -> bool:
        """The API could not be reached. True if it is hopeless by now."""
        return self._unreachable.failed(self._clock.now())

    def refused(self) -> bool:
        """A rate limit refused a request. True if it is hopeless by now."""
        self.any_answer = True
        self._unreachable.answered()
        return self._refused.failed(self._clock.now())

    def lost(self) -> bool:
        """The answer to a paid request was lost. True if it is hopeless by now."""
        self._losses += 1
        return self._losses >= _MANY_LOSSES and self._answerless.failed(self._clock.now())

    @property
    def until(self) -> float:
        """When the API may be tried again."""
        return self._unreachable.until

    def submit_at(self, under_way: int) -> float | None:
        """When something may be submitted; None: after what is under way.

        Args:
            under_way: How many paid requests are.
        """
        if self._losses < _MANY_LOSSES:
            return 0.0
        return None if under_way else self._answerless.until
