"""Refused batches are halved; if both halves are accepted, it was the size that was refused."""

from __future__ import annotations

from pubrio_async.scheduler.intake import new_batch
from pubrio_async.scheduler.journal import Batch


class Halving:
    """Remembers which batches are halves of a refused one."""

    def __init__(self) -> None:
        self._halves: dict[str, tuple[str, int]] = {}
        self._half_accepted: set[str] = set()

    @property
    def is_open(self) -> bool:
        """True while the fate of a half is not known."""
        return bool(self._halves)

    def halve(self, batch: Batch) -> tuple[Batch, Batch]:
        """The two halves of a refused batch."""
        self.ended(batch)
        middle = (len(batch.keys) + 1) // 2
        first, second = new_batch(batch.keys[:middle]), new_batch(batch.keys[middle:])
        for half in (first, second):
            self._halves[half.batch_id] = (batch.batch_id, middle)
        return first, second

    def accepted(self, batch: Batch) -> int | None:
        """A batch was accepted.

        Returns:
            The largest size that is known to be accepted, where this settles it.
        """
        half = self._halves.pop(batch.batch_id, None)
        if half is None:
            return None
        parent, size = half
        if parent in self._half_accepted:
            self._half_accepted.discard(parent)
            return size
        self._half_accepted.add(parent)
        return None

    def ended(self, batch: Batch) -> None:
        """A batch came to another end, which says nothing of its size."""
        self._halves.pop(batch.batch_id, None)
