"""Odd contacts in a reply that was paid for: one of them must not cost all the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeGuard, TypeVar

import msgspec

from pubrio_async._errors import DecodeError
from pubrio_async._wire.bodies import BAD_INPUT

_T = TypeVar("_T")


def past_odd_contacts(decode: Callable[[bytes], _T]) -> Callable[[bytes], _T]:
    """A decoder of a reply with people that reads what is there past what is not as documented.

    A contact without a value is none, a number is its digits, and a type or a status that is no
    word is unknown. What else is odd cannot be read.

    Args:
        decode: Reads the body if it is as documented.

    Returns:
        A function from the body to the value; it raises DecodeError and nothing else.
    """

    def decode_past(body: bytes) -> _T:
        try:
            return decode(body)
        except DecodeError as error:
            try:
                return decode(_mended(body))
            except (DecodeError, LookupError, TypeError, *BAD_INPUT):
                raise error from None

    return decode_past


def _mended(body: bytes) -> bytes:
    document: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
    data = document.get("data", document)
    data["peoples"] = [person for person in data["peoples"] if person is not None]
    for person in data["peoples"]:
        if not _is_object(person):
            continue
        for kind in ("emails", "phones"):
            if isinstance(person.get(kind), list):
                person[kind] = [*filter(None, map(_contact, person[kind]))]
    return msgspec.json.encode(document)


def _contact(contact: Any) -> Any:
    """A contact as it should be; None if it has no value, and itself if it cannot be read."""
    if not _is_object(contact):
        return contact
    value = contact.get("value")
    if value is None:
        return None
    words = {name: contact.get(name) for name in ("type", "status")}
    return {
        "value": str(value) if type(value) is int else value,
        **{name: word for name, word in words.items() if isinstance(word, str)},
    }


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)
