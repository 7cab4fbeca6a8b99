"""When each job is due: one structure for all of them, instead of a sleeping task for each."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Generic, TypeVar

T = TypeVar("T")

_GRAIN_S = 0.05


class DueQueue(Generic[T]):
    """Items by due time, in buckets of a twentieth of a second; never early, first in first out."""

    __slots__ = ("_buckets", "_heap", "_size")

    def __init__(self) -> None:
        self._buckets: dict[int, deque[T]] = {}
        self._heap: list[int] = []
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[T]:
        for bucket in self._buckets.values():
            yield from bucket

    def push(self, due: float, item: T) -> None:
        """Adds an item that must not be popped before `due`."""
        slot = math.ceil(due / _GRAIN_S)
        bucket = self._buckets.get(slot)
        if bucket is None:
            self._buckets[slot] = deque((item,))
            heappush(self._heap, slot)
        else:
            bucket.append(item)
        self._size += 1

    def next_due(self) -> float | None:
        """When the first item is due; None if there is none."""
        return self._heap[0] * _GRAIN_S if self._heap else None

    def first(self) -> T | None:
        """The item that is due first, left where it is."""
        return self._buckets[self._heap[0]][0] if self._heap else None

    def pop(self) -> T:
        """Removes and returns the item that is due first."""
        slot = self._heap[0]
        bucket = self._buckets[slot]
        item = bucket.popleft()
        if not bucket:
            heappop(self._heap)
            del self._buckets[slot]
        self._size -= 1
        return item

    def clear(self) -> list[T]:
        """Removes and returns everything, in no particular order."""
        items = list(self)
        self._buckets.clear()
        self._heap.clear()
        self._size = 0
        return items
