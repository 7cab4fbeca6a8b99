"""Whom a run has met: how many distinct people, and who of them the journal may know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from mmap import mmap
from typing import Protocol

_BITS = 13
_REST_BYTES = 7
_PLACE = (1 << _BITS) - 1
_REST = (1 << 64 - _BITS) - 1

_WORD_BITS = 19
_WORD_BYTES = 8
_MASK_BITS = 11
_WORD = (1 << _WORD_BITS) - 1
_MASK = (1 << _MASK_BITS) - 1
_MASK_AT = 2 * _WORD_BITS
_OTHER_MASK_AT = _MASK_AT + _MASK_BITS
_GOLDEN = 0x9E3779B97F4A7C15


class Seen:
    """Counts distinct texts, for a dozen bytes each.

    A set of a million strings takes 150 MB, one of their hashes 70 MB. Here a hash of 64 bits
    picks one of some thousand short arrays of bytes by its low bits, and the rest of it is kept
    there.

    Two different texts count as one if their hashes are equal in all 64 bits: among ten million
    the odds of that are one in 350,000.
    """

    __slots__ = ("_buckets", "_count")

    def __init__(self) -> None:
        self._buckets: list[bytearray | None] = [None] * (1 << _BITS)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, texts: Iterable[str]) -> list[str]:
        """Takes in texts.

        Returns:
            Those that were there before.
        """
        buckets, known, new = self._buckets, list[str](), 0
        for text in texts:
            number = hash(text)
            rest = (number >> _BITS & _REST).to_bytes(_REST_BYTES, "big")
            place = number & _PLACE
            bucket = buckets[place]
            if bucket is None:
                buckets[place] = bytearray(rest)
            else:
                at = bucket.find(rest)
                while at >= 0 and at % _REST_BYTES:  # across two entries
                    at = bucket.find(rest, at + 1)
                if at >= 0:
                    known.append(text)
                    continue
                bucket += rest
            new += 1
        self._count += new
        return known


class Sieve:
    """Tells texts that were surely never added from those that perhaps were, in 4 MB for ever.

    A text picks two words of 64 bits by its hash, and sets five bits in each; whose bits are not
    all set was never added. Of a million strangers who come one after the other, some five are
    mistaken for somebody else; of ten million, one in five. Memory is taken as it is used: few
    texts, few pages.
    """

    __slots__ = ("_masks", "_words")

    def __init__(self) -> None:
        self._words = memoryview(mmap(-1, _WORD_BYTES << _WORD_BITS)).cast("Q")
        self._masks = _masks()

    def add(self, texts: Iterable[str]) -> None:
        """Takes in texts."""
        words, masks = self._words, self._masks
        for text in texts:
            number = hash(text)
            words[number & _WORD] |= masks[number >> _MASK_AT & _MASK]
            words[number >> _WORD_BITS & _WORD] |= masks[number >> _OTHER_MASK_AT & _MASK]

    def perhaps(self, texts: Iterable[str]) -> list[str]:
        """Those among texts that may have been added; who is missing here surely was not."""
        words, masks, found = self._words, self._masks, list[str]()
        for text in texts:
            number = hash(text)
            mask = masks[number >> _MASK_AT & _MASK]
            if words[number & _WORD] & mask == mask:
                mask = masks[number >> _OTHER_MASK_AT & _MASK]
                if words[number >> _WORD_BITS & _WORD] & mask == mask:
                    found.append(text)
        return found


@cache
def _masks() -> list[int]:
    """Numbers of 64 bits with five of them set, or hardly fewer."""
    masks: list[int] = []
    number = 0
    for _ in range(1 << _MASK_BITS):
        number = number + _GOLDEN & (1 << 64) - 1
        mixed = (number ^ number >> 32) * _GOLDEN
        masks.append(sum({1 << (mixed >> shift & 63) for shift in (34, 40, 46, 52, 58)}))
    return masks


class Register(Protocol):
    """Who was met by a run. Every row that names somebody is met, and then finds its end."""

    def __len__(self) -> int:
        """How many distinct people there were."""
        ...

    def meet(self, keys: Sequence[str]) -> Sequence[str]:
        """Rows name these people.

        Returns:
            Those whom the journal may know; it need not be asked about the others.
        """
        ...

    def plan(self, keys: Sequence[str]) -> None:
        """Nothing was known of these people: they are sent, and the journal may know them."""
        ...

    def told(self, keys: Iterable[str]) -> None:
        """The journal is told of these people, whom nobody has asked for."""
        ...

    def skip(self, keys: Sequence[str]) -> None:
        """Nothing was known of these people, and they are not sent."""
        ...

    def counted(self, keys: Iterable[str]) -> None:
        """These were met before, and it may be that nothing will tell so."""
        ...


class ExactRegister:
    """For a journal that holds people: any of them may be known, and all are counted by hash.

    People whom an earlier run has bought are found in the journal however often they are named, so
    it does not show whether they are met for the first time: that takes a dozen bytes for each.
    """

    def __init__(self) -> None:
        self._seen = Seen()

    def __len__(self) -> int:
        return len(self._seen)

    def meet(self, keys: Sequence[str]) -> Sequence[str]:
        """The journal may know everyone."""
        self._seen.add(keys)
        return keys

    def plan(self, keys: Sequence[str]) -> None:
        """They were counted when they were met."""

    def told(self, keys: Iterable[str]) -> None:
        """The journal may know everyone."""

    def skip(self, keys: Sequence[str]) -> None:
        """They were counted when they were met."""

    def counted(self, keys: Iterable[str]) -> None:
        """They were counted when they were met."""


class SlimRegister:
    """For a new journal, which knows those alone whom this run sends: memory stays flat.

    People are new to the run if nothing is known of them, so they are counted when they are
    planned; who may have been planned before is asked for in the journal. Those who were skipped
    leave no trace there, and are kept as hashes; there are few of them, unless a run that has ended
    early reads on. If the journal cannot be read, those whom the sieve may know count
    as met.
    """

    def __init__(self) -> None:
        self._planned = Sieve()
        self._skipped = Seen()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def meet(self, keys: Sequence[str]) -> Sequence[str]:
        """The journal may know those who were planned, or look like it."""
        return self._planned.perhaps(keys)

    def plan(self, keys: Sequence[str]) -> None:
        """They are new to the run."""
        self._planned.add(keys)
        self._count += len(keys)

    def told(self, keys: Iterable[str]) -> None:
        """They are not met, and should they be, the journal knows them."""
        self._planned.add(keys)

    def skip(self, keys: Sequence[str]) -> None:
        """They are new to the run, unless they were skipped before."""
        self._count += len(keys) - len(self._skipped.add(keys))

    def counted(self, keys: Iterable[str]) -> None:
        """Should they be named again and skipped, they are not new."""
        self._skipped.add(keys)
