"""What may be shown of a reply: types, forms and names of fields, never a value.

A reply holds e-mail addresses, names and phone numbers. All that leaves this room of one went
through a function of this module.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeGuard

# A name a program would give a field. What looks like a number, an id, an address or a person's
# name as people write it is none: some objects have such values as their keys.
_FIELD = re.compile(r"(?!.*[0-9]{4})[a-z_][A-Za-z0-9_]{0,49}")
# A word of a vocabulary: no address, number, id or URL fits.
_WORD = re.compile(r"[A-Za-z](?:[A-Za-z_ -]{0,38}[A-Za-z])?")
_FORMS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("uuid", re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)),
    (
        "datetime with zone",
        re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)"),
    ),
    ("datetime without zone", re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?")),
    ("date", re.compile(r"\d{4}-\d\d-\d\d")),
    ("number", re.compile(r"-?\d{1,15}(?:\.\d{1,10})?")),
    ("email", re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}")),
    ("url", re.compile(r"https?://\S{1,2000}")),
)

MASKED = "*"
"""Stands for the keys of an object that are values rather than names of fields."""

VOCABULARY: Mapping[tuple[str, str], frozenset[str]] = MappingProxyType(
    {
        ("RedeemJob", "estimated_time_type"): frozenset(
            {"ms", "millisecond", "sec", "second", "min", "minute", "hour", "day"}
            | {"milliseconds", "secs", "seconds", "mins", "minutes", "hours", "days"}
        ),
        ("Monitor", "detection_mode"): frozenset({"company_first", "signal_first"}),
        ("MonitorRow", "detection_mode"): frozenset({"company_first", "signal_first"}),
        ("Monitor", "destination_type"): frozenset({"webhook", "email", "sequences"}),
        ("MonitorRow", "destination_type"): frozenset({"webhook", "email", "sequences"}),
        ("ContactMatch", "confidence"): frozenset(
            {"exact", "similarity_domain", "similarity_company"}
        ),
        ("QueryLog", "method"): frozenset({"GET", "POST"}),
    }
)
"""Fields whose words the SDK knows, by Struct and field. None of them holds personal data."""


def kind_of(value: object) -> str:
    """The type of a decoded JSON value, in one word."""
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "float"
        case str():
            return "string"
        case list():
            return "list"
        case _:
            return "object"


def form_of(value: object) -> str:
    """The type of a value; of a text also its form, such as `string (uuid)`."""
    if not isinstance(value, str):
        return kind_of(value)
    if not value:
        return "string (empty)"
    for name, form in _FORMS:
        if form.fullmatch(value):
            return f"string ({name})"
    return "string"


def field_name(key: str) -> str:
    """The key of an object, if it is the name of a field; else what stands for such keys."""
    return key if _FIELD.fullmatch(key) else MASKED


def word(value: object) -> str:
    """A word of an open vocabulary, if it surely is one; else its form."""
    if isinstance(value, str) and _WORD.fullmatch(value):
        return value
    return form_of(value)


def error_shape(body: Any) -> str:
    """The shape of an error body, such as `{code: int, message: string}`."""
    if not is_object(body):
        return kind_of(body)
    members: dict[str, Any] = body
    shown = sorted({f"{field_name(name)}: {kind_of(value)}" for name, value in members.items()})
    return "{" + ", ".join(shown[:20]) + "}"


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether a decoded JSON value is an object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether a decoded JSON value is a list."""
    return isinstance(value, list)
