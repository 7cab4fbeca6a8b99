"""What to do while the API cannot be reached: wait longer and longer, and not forever."""

from __future__ import annotations

from logging import WARNING

from pubrio_async._log import RUNS, note

_FIRST_S = 1.0
_LONGEST_S = 30.0


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
