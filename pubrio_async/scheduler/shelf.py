"""Where a run that keeps no journal puts the ends it no longer holds in memory: a private file.

The file has no name, so nothing of it is left however the process ends. Each batch is one block
of it, as compact as in a journal. In most runs hardly anybody is looked for, so the first who are
make it be read from end to end; only then is it noted in which block each person is, for a dozen
bytes a person.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
import threading
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any

import msgspec

from pubrio_async._log import JOURNAL, note
from pubrio_async.scheduler.journal import Settled
from pubrio_async.scheduler.journal_values import (
    Key,
    pack_key,
    pack_keys,
    pack_results,
    split_keys,
    unpack_results,
)

# Written at once; and what may wait for the disk before those who bring more have to.
_WRITE_BYTES = 256 * 1024
_MOST_WAITING_BYTES = 8 * 1024 * 1024

# It is read from end to end so many times: a second or so for a million people, all in all.
_MOST_SCANS = 10

_BITS = 13
_PLACE = (1 << _BITS) - 1
_REST_BYTES = 7
_REST = (1 << 64 - _BITS) - 1
_NUMBER_BYTES = 4
_ENTRY_BYTES = _REST_BYTES + _NUMBER_BYTES


Block = tuple[float, Any, bytes]
"""People that ended at once: the Unix time, and the people and their ends as a journal has them."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[float, Any, bytes]).decode


class Shelf:
    """Holds the ends of people on a file.

    What cannot be written, since there is no room or no place for temporary files, is held in
    memory.
    """

    def __init__(self) -> None:
        self._starts = array("Q", [0])
        # Blocks that are not in the file: they wait for it, or it does not take them.
        self._held: dict[int, bytes] = {}
        self._held_bytes = 0
        self._file: IO[bytes] | None = None
        self._at_file = threading.Lock()
        self._is_broken = False
        self._writing: asyncio.Future[None] | None = None
        self._reading = asyncio.Lock()
        self._places = Places()
        self._placed = 0
        self._scans = 0

    def put(self, ends: Mapping[str, Settled], at: float) -> None:
        """Puts the ends of people here; they replace older ones.

        Args:
            ends: The people, each with their end.
            at: Unix time at which they ended.
        """
        block = _encode((at, pack_keys(tuple(ends)).stored, pack_results(ends).columns))
        self._held[len(self._starts) - 1] = block
        self._starts.append(self._starts[-1] + len(block))
        self._held_bytes += len(block)
        if self._held_bytes >= _WRITE_BYTES and self._writing is None:
            self._write()

    async def room(self) -> None:
        """Waits while too much waits for the disk."""
        while self._writing is not None and self._held_bytes > _MOST_WAITING_BYTES:
            await asyncio.wait((self._writing,))  # what cannot be written fails nobody

    async def find(self, keys: Iterable[str]) -> Mapping[str, tuple[Settled, float]]:
        """Looks people up.

        Args:
            keys: The people.

        Returns:
            The newest end of each that is known, and the Unix time of it.
        """
        if len(self._starts) == 1:
            return {}
        async with self._reading:
            return await asyncio.to_thread(self._find, list(keys), len(self._starts) - 1)

    async def count(self, but: Iterable[str]) -> Counter[str]:
        """How many people ended how.

        Args:
            but: People who are not to be counted.
        """
        async with self._reading:
            others = {pack_key(key) for key in but}
            return await asyncio.to_thread(self._count, others, len(self._starts) - 1)

    async def close(self) -> None:
        """Lets go of the file, and of everything in it; safe to call twice."""
        while self._writing is not None:
            await asyncio.wait((self._writing,))  # what cannot be written fails nobody
        async with self._reading:
            if self._file is not None:
                self._file.close()
                self._file = None
            self._starts = array("Q", [0])
            self._held.clear()

    # -- writing -------------------------------------------------------------------------

    def _write(self) -> None:
        if self._is_broken:
            return
        first, count = next(iter(self._held)), len(self._held)
        blocks = b"".join(self._held.values())
        loop = asyncio.get_running_loop()
        job = loop.run_in_executor(None, self._write_at, self._starts[first], blocks)

        def written(job: asyncio.Future[None]) -> None:
            self._writing = None
            error = job.exception()
            if error is None:
                for number in range(first, first + count):
                    del self._held[number]
                self._held_bytes -= len(blocks)
                if self._held_bytes >= _WRITE_BYTES:
                    self._write()
                return
            self._is_broken = True
            note(JOURNAL, logging.WARNING, "journal_kept_in_memory", error=type(error).__name__)

        self._writing = job
        job.add_done_callback(written)

    def _write_at(self, start: int, blocks: bytes) -> None:
        with self._at_file:
            if self._file is None:
                # Not buffered: what failed to be written would come up again when it is closed.
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - see `close`
                note(JOURNAL, logging.INFO, "journal_spilled")
            self._file.seek(start)
            rest = memoryview(blocks)
            while rest:
                rest = rest[self._file.write(rest) :]

    # -- reading, in a thread --------------------------------------------------------------

    def _find(self, keys: Sequence[str], count: int) -> dict[str, tuple[Settled, float]]:
        wanted: dict[int, list[str]] = {}
        for text, number in self._blocks_of(keys, count):
            wanted.setdefault(number, []).append(text)
        found: dict[str, tuple[Settled, float]] = {}
        for number, texts in wanted.items():
            at, stored, results = self._block(number)
            ends = unpack_results(stored, results)
            for text in texts:
                with suppress(msgspec.ValidationError):  # somebody else, with the same hash
                    found[text] = ends.of(pack_key(text), text), at
        return found

    def _blocks_of(self, texts: Sequence[str], count: int) -> Iterable[tuple[str, int]]:
        keys = {pack_key(text): text for text in texts}
        if self._scans == _MOST_SCANS:
            self._place_all(count)
            found = {key: self._places.get(key) for key in keys}
        else:
            self._scans += 1
            found = dict[Key, int | None]()
            for number in range(count):
                _, stored, _ = self._block(number)
                found.update(dict.fromkeys(keys.keys() & set(split_keys(stored)), number))
        return [(keys[key], number) for key, number in found.items() if number is not None]

    def _count(self, others: set[Key], count: int) -> Counter[str]:
        self._place_all(count)
        statuses: Counter[str] = Counter()
        for number in range(count):
            _, stored, results = self._block(number)
            ends = unpack_results(stored, results)
            statuses.update(
                ends.status(key)
                for key in split_keys(stored)
                if key not in others and self._places.get(key) == number
            )
        return statuses

    def _place_all(self, count: int) -> None:
        for number in range(self._placed, count):
            _, stored, _ = self._block(number)
            self._places.put(split_keys(stored), number)
        self._placed = count

    def _block(self, number: int) -> Block:
        block = self._held.get(number)
        if block is None:
            start, end = self._starts[number : number + 2]
            with self._at_file:
                assert self._file is not None  # noqa: S101 - what is not held has been written
                self._file.seek(start)
                block = self._file.read(end - start)
        return _decode(block)


class Places:
    """In which block each person is, for a dozen bytes a person.

    A hash of 64 bits picks one of some thousand short arrays of bytes by its low bits; the rest
    of it is kept there, with the number of the block.
    """

    __slots__ = ("_buckets",)

    def __init__(self) -> None:
        self._buckets: list[bytearray | None] = [None] * (1 << _BITS)

    def put(self, keys: Iterable[Key], number: int) -> None:
        """These people are in this block, and in no earlier one any more."""
        buckets, value = self._buckets, number.to_bytes(_NUMBER_BYTES, "big")
        for key in keys:
            code = hash(key)
            rest = (code >> _BITS & _REST).to_bytes(_REST_BYTES, "big")
            bucket = buckets[code & _PLACE]
            if bucket is None:
                buckets[code & _PLACE] = bytearray(rest + value)
                continue
            at = _find_entry(bucket, rest)
            if at < 0:
                bucket += rest + value
            else:
                bucket[at + _REST_BYTES : at + _ENTRY_BYTES] = value

    def get(self, key: Key) -> int | None:
        """The block with a person; None if there is none."""
        code = hash(key)
        bucket = self._buckets[code & _PLACE]
        if bucket is None:
            return None
        at = _find_entry(bucket, (code >> _BITS & _REST).to_bytes(_REST_BYTES, "big"))
        return None if at < 0 else int.from_bytes(bucket[at + _REST_BYTES : at + _ENTRY_BYTES])


def _find_entry(bucket: bytearray, rest: bytes) -> int:
    at = bucket.find(rest)
    while at >= 0 and at % _ENTRY_BYTES:  # across two entries
        at = bucket.find(rest, at + 1)
    return at
