"""What is written into the columns of a journal: people, and what was found of them.

All people of a batch are converted at once, since one by one they would cost more than anything
else a journal does. UUIDs are 16 bytes each and stand one after the other; a list with anything
else in it is JSON text. What was found is one MessagePack value, a column for each attribute.
"""

from __future__ import annotations

import binascii
import contextlib
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from pubrio_async.models import Contact, RedeemJob
from pubrio_async.scheduler.journal import Settled

Key = bytes | str
"""A person: the bytes of a UUID, or the text."""

_T = TypeVar("_T")

_TEXT_SIZE = 36
_SIZE = 16
_LINE = _TEXT_SIZE + 1
_NO_DIGITS = b"-\nABCDEF"
_MARKS = ((8, "-"), (13, "-"), (18, "-"), (23, "-"), (_TEXT_SIZE, "\n"))


class Results(Struct, array_like=True):
    """What was found of the people of a batch; a column of one value holds for all of them.

    The columns are the attributes of `Settled`, in the same order.

    Attributes:
        statuses: How each ended.
        persons: Their ids; none if they are the keys themselves.
        emails: What was found.
        phones: What was found.
        queries: The jobs it came from.
        errors: Why they were refused.
    """

    statuses: list[Literal["found", "empty", "rejected"]]
    persons: list[str | None]
    emails: list[tuple[Contact, ...]]
    phones: list[tuple[Contact, ...]]
    queries: list[str | None]
    errors: list[str | None]


class Ends:
    """The ends that a batch brought, decoded; each is made when somebody asks for it.

    Args:
        keys: The people.
        results: What was found of them.
    """

    __slots__ = ("_places", "_results")

    def __init__(self, keys: Sequence[Key], results: Results) -> None:
        _spread(results, len(keys))
        self._results = results
        self._places = {key: place for place, key in enumerate(keys)}

    def status(self, key: Key) -> str:
        """How a person ended."""
        return self._results.statuses[self._place(key)]

    def of(self, key: Key, text: str) -> Settled:
        """The end of a person; `text` is the key as text."""
        place, results = self._place(key), self._results
        return Settled(
            results.statuses[place],
            results.persons[place] if results.persons else text,
            results.emails[place],
            results.phones[place],
            results.queries[place],
            results.errors[place],
        )

    def _place(self, key: Key) -> int:
        try:
            return self._places[key]
        except KeyError:
            raise msgspec.ValidationError("a person is missing in a batch") from None


_astuple = msgspec.structs.astuple
_encode = msgspec.msgpack.Encoder().encode
_decode_results = msgspec.msgpack.Decoder(Results).decode
_decode_job = msgspec.msgpack.Decoder(RedeemJob).decode
_encode_texts = msgspec.json.Encoder().encode
_decode_texts = msgspec.json.Decoder(list[str]).decode


# -- people ----------------------------------------------------------------------------------


class People(NamedTuple):
    """People, in the forms in which they are stored.

    Attributes:
        stored: All of them in one value.
        each: Each on their own.
    """

    stored: Key
    each: Sequence[Key]


# Whoever is looked up is soon sent, and who is sent has an end later.
@lru_cache(64)
def pack_keys(texts: tuple[str, ...]) -> People:
    """People, in the forms in which they are stored."""
    packed = _pack_uuids(texts)
    if packed is not None:
        return People(packed, split_keys(packed))
    return People(_encode_texts(texts).decode(), [pack_key(text) for text in texts])


def split_keys(packed: Key) -> Sequence[Key]:
    """The people in one value."""
    if isinstance(packed, bytes):
        count, rest = divmod(len(packed), _SIZE)
        if rest:
            raise msgspec.ValidationError("the people of a batch are cut off")
        return struct.unpack("16s" * count, packed)
    return [pack_key(text) for text in _decode_texts(packed)]


def join_keys(keys: Sequence[Key]) -> Key:
    """One value of people on their own."""
    if keys and all(isinstance(key, bytes) for key in keys):
        return b"".join(key for key in keys if isinstance(key, bytes))
    return _encode_texts([unpack_key(key) for key in keys]).decode()


def pack_key(text: str) -> Key:
    """One person."""
    return _pack_uuids((text,)) or text


def unpack_key(key: Key) -> str:
    """The text of one person."""
    if isinstance(key, str):
        return key
    digits = key.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _pack_uuids(texts: Sequence[str]) -> bytes | None:
    """The bytes of UUIDs; None if anything else, another spelling included, is among them."""
    joined, count = "\n".join(texts) + "\n", len(texts)
    # Each as long as it is to be, with dashes where they belong.
    if len(joined) != count * _LINE or joined.count("\n") != count:
        return None
    if any(joined[place::_LINE] != mark * count for place, mark in _MARKS):
        return None
    # What is no digit makes them too few, or is found out.
    digits = joined.encode().translate(None, _NO_DIGITS)
    if len(digits) != 2 * _SIZE * count:
        return None
    with contextlib.suppress(ValueError):
        return binascii.unhexlify(digits)
    return None


# -- what was found --------------------------------------------------------------------------


class Packed(NamedTuple):
    """What was found of the people of a batch.

    Attributes:
        columns: All of it, in the order of the people.
        found: How many were found.
        empty: Of how many nothing is known.
        rejected: How many were refused.
    """

    columns: bytes
    found: int
    empty: int
    rejected: int


def pack_results(results: Mapping[str, Settled]) -> Packed:
    """What was found of the people of a batch, in the order of `results`."""
    rows = map(_astuple, results.values())
    columns: list[list[Any]] = [list(column) for column in zip(*rows, strict=True)]
    if not columns:
        columns = [[] for _ in Results.__struct_fields__]
    elif columns[1] == list(results):
        columns[1] = []
    count = columns[0].count
    return Packed(
        _encode([_column(column) for column in columns]),
        *(count("found"), count("empty"), count("rejected")),
    )


def unpack_results(keys: Key, packed: bytes) -> Ends:
    """The ends of people, from what `pack_keys` and `pack_results` returned."""
    return Ends(split_keys(keys), _decode_results(packed))


def pack_job(job: RedeemJob) -> bytes:
    """A job."""
    return _encode(job)


def unpack_job(packed: bytes) -> RedeemJob:
    """A job."""
    return _decode_job(packed)


def _column(values: list[_T]) -> list[_T]:
    if not values or values[-1] != values[0]:
        return values
    return values[:1] if values.count(values[0]) == len(values) else values


def _spread(results: Results, count: int) -> None:
    """Makes each column as long as there are people."""
    for name in results.__struct_fields__:
        column: list[Any] = getattr(results, name)
        if name == "persons" and not column:  # the same as the keys
            continue
        if len(column) == 1 < count:
            setattr(results, name, column * count)
        elif len(column) != count:
            raise msgspec.ValidationError("the results of a batch do not fit its people")


# -- seals -----------------------------------------------------------------------------------


def seal(keys: Key | None, content: bytes | None) -> int:
    """The checksum of the people of a batch and what is written of them."""
    people = keys.encode() if isinstance(keys, str) else keys or b""
    return zlib.crc32(content or b"", zlib.crc32(people))


# -- in portions -----------------------------------------------------------------------------

# One text for every number of keys, so that a statement is compiled once: NULL equals no key.
KEYS_AT_ONCE = 100
MARKS = ", ".join("?" * KEYS_AT_ONCE)


def portions(keys: Iterable[Key]) -> Iterator[list[Key | None]]:
    """Keys for a statement with `MARKS` in it."""
    every = list(keys)
    for start in range(0, len(every), KEYS_AT_ONCE):
        portion: list[Key | None] = [*every[start : start + KEYS_AT_ONCE]]
        yield portion + [None] * (KEYS_AT_ONCE - len(portion))
