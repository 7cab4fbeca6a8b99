"""How people stand in the columns of the database."""

from __future__ import annotations

from contextlib import suppress

from pubrio_async._errors import JournalError
from pubrio_async.scheduler.journal_values import Key, seal
from pubrio_async.scheduler.persons import NotAPersonError, person_key

_UUIDS = b"\x00"
_TEXTS = b"\x01"
_UUID_SIZE = 16
_DAMAGED = (
    "the database holds people other than those that were written: it is damaged; restore it from "
    "a copy. Who was bought after that copy was made would be paid for again"
)


def pack_stored(keys: Key) -> bytes:
    """A list of people, as `journal_values` gives it, for a column of bytes."""
    return _UUIDS + keys if isinstance(keys, bytes) else _TEXTS + keys.encode()


def unpack_stored(packed: bytes) -> Key:
    """What `pack_stored` was given.

    Raises:
        JournalError: It is something else.
    """
    if packed[:1] == _UUIDS:
        return packed[1:]
    if packed[:1] == _TEXTS:
        with suppress(UnicodeDecodeError):
            return packed[1:].decode()
    raise JournalError(_DAMAGED)


def unpack_checked(packed: bytes, content: bytes | None, mark: int) -> Key:
    """The people of a batch, whose seal is checked.

    Args:
        packed: What `pack_stored` has given.
        content: Its results, or its job.
        mark: The seal of both.

    Raises:
        JournalError: It is another one.
    """
    keys = unpack_stored(packed)
    if seal(keys, content) != mark:
        raise JournalError(_DAMAGED)
    return keys


def key_if_any(person: str) -> str | None:
    """The key of a person as given; None for what names nobody."""
    try:
        return person_key(person)
    except NotAPersonError:
        return None


def pack_person(key: Key) -> bytes:
    """One person: the 16 bytes of a UUID, or a URL, which is longer."""
    return key if isinstance(key, bytes) else key.encode()


def unpack_person(packed: bytes) -> Key:
    """What `pack_person` was given."""
    return packed if len(packed) == _UUID_SIZE else packed.decode()


def pack_text(text: str) -> str:
    """A text of the API: a column of texts has no room for the letter 0, which JSON may hold."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
