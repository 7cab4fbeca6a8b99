"""What in the log may be the answer to a lost request, if nothing surer is found; no I/O.

Nothing is concluded from it before the last look, when even a log that lags behind would show more.
"""

from __future__ import annotations

from pubrio_async.scheduler.logbook import Finding

Rank = tuple[bool, bool, float]
"""Whether it is another request, whether it is a refusal, how far away it is: the less the better.

What may have been carried out comes before what surely was not.
"""


class Clues:
    """Errors, and successes of requests that had the same people in another order."""

    def __init__(self) -> None:
        self._errors: dict[str, tuple[Rank, Finding]] = {}
        self._others: dict[str, tuple[float, Finding]] = {}

    def error(self, batch_id: str, rank: Rank, finding: Finding) -> None:
        """A request for these people was answered with an error."""
        known = self._errors.get(batch_id)
        if known is None or rank < known[0]:
            self._errors[batch_id] = rank, finding

    def other(self, batch_id: str, distance: float, finding: Finding) -> None:
        """A request for these people, in another order, was carried out so far away."""
        known = self._others.get(batch_id)
        if known is None or distance < known[0]:
            self._others[batch_id] = distance, finding

    def has_error(self, batch_id: str) -> bool:
        """Whether there is an error that may be the answer."""
        return batch_id in self._errors

    def best(self, batch_id: str) -> Finding | None:
        """The likeliest of them."""
        error, other = self._errors.get(batch_id), self._others.get(batch_id)
        if error is not None and (other is None or not error[0][0]):
            return error[1]
        return None if other is None else other[1]
