"""Refused batches are halved; if both halves are accepted, it was the size that was refused."""

from __future__ import annotations

from msgspec import Struct

from pubrio_async.scheduler.intake import new_batch
from pubrio_async.scheduler.journal import Batch


class _Pair(Struct):
    """What two halves share.

    Attributes:
        size: People in the larger one.
        is_half_accepted: Whether one of them was accepted.
    """

    size: int
    is_half_accepted: bool = False


class Halving:
    """Remembers which batches are halves of a refused one."""

    def __init__(self) -> None:
        self._halves: dict[str, _Pair] = {}

    @property
    def is_open(self) -> bool:
        """True while the fate of a half is not known."""
        return bool(self._halves)

    def halve(self, batch: Batch) -> tuple[Batch, Batch]:
        """The two halves of a refused batch."""
        self.ended(batch)
        middle = (len(batch.keys) + 1) // 2
        first, second = new_batch(batch.keys[:middle]), new_batch(batch.keys[middle:])
        self._halves[first.batch_id] = self._halves[second.batch_id] = _Pair(middle)
        return first, second

    def accepted(self, batch: Batch) -> int | None:
        """A batch was accepted.

        Returns:
            The largest size that is known to be accepted, where this settles it.
        """
        pair = self._halves.pop(batch.batch_id, None)
        if pair is None:
            return None
        if pair.is_half_accepted:
            return pair.size
        pair.is_half_accepted = True
        return None

    def ended(self, batch: Batch) -> None:
        """A batch came to another end, which says nothing of its size."""
        self._halves.pop(batch.batch_id, None)
