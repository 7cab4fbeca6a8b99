"""What of JSON a type is read from: msgspec's own picture of a type, in the words of JSON."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

import msgspec
from msgspec import inspect

from pubrio_async.doctor.words import kind_of

LISTS: Final = (
    inspect.CollectionType,
    inspect.ListType,
    inspect.VarTupleType,
    inspect.SetType,
    inspect.FrozenSetType,
)
OBJECTS: Final = (inspect.StructType, inspect.TypedDictType, inspect.DataclassType)
ANYTHING: Final = "anything"

_WORDS: Final[Mapping[type[inspect.Type], str]] = {
    inspect.NoneType: "null",
    inspect.BoolType: "bool",
    inspect.IntType: "int",
    inspect.FloatType: "float",
    inspect.StrType: "string",
    inspect.DictType: "object",
    inspect.TupleType: "list",
    inspect.NamedTupleType: "list",
    **dict.fromkeys(LISTS, "list"),
    **dict.fromkeys(OBJECTS, "object"),
}
# What JSON can only say as a text.
_IN_TEXT: Final[Mapping[type[inspect.Type], Any]] = {
    inspect.BytesType: bytes,
    inspect.ByteArrayType: bytearray,
    inspect.DateTimeType: dt.datetime,
    inspect.TimeType: dt.time,
    inspect.DateType: dt.date,
    inspect.TimeDeltaType: dt.timedelta,
    inspect.UUIDType: uuid.UUID,
    inspect.DecimalType: decimal.Decimal,
}


def bare(kind: inspect.Type) -> inspect.Type:
    """A type without what was noted beside it."""
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    return kind


def in_words(kind: inspect.Type) -> str:
    """A type as the documentation of the API writes it, such as `string | null`."""
    kind = bare(kind)
    match kind:
        case inspect.UnionType():
            return " | ".join(dict.fromkeys(map(in_words, kind.types)))
        case inspect.LiteralType():
            return " | ".join(map(str, kind.values))
        case inspect.EnumType():
            return "one of " + ", ".join(str(one.value) for one in kind.cls)
        case inspect.TupleType():
            return f"list of {len(kind.item_types)}"
        case _:
            return _json_word(kind)


def fits(value: Any, kind: inspect.Type) -> bool:
    """Whether a value is what a type is read from, as far as JSON has types."""
    kind = bare(kind)
    match kind:
        case inspect.UnionType():
            return any(fits(value, one) for one in kind.types)
        case inspect.LiteralType():
            return any(value == one and type(value) is type(one) for one in kind.values)
        case inspect.EnumType():
            words = isinstance(value, str) and is_open(kind.cls)
            return words or any(is_value(value, one) for one in kind.cls)
        case inspect.FloatType():
            return type(value) in {int, float}
        case _ if type(kind) in _IN_TEXT:
            return _reads(value, _IN_TEXT[type(kind)])
        case _:
            return _json_word(kind) in {ANYTHING, kind_of(value)}


def is_value(value: Any, member: Enum) -> bool:
    """Whether a value is that of a member of an enum."""
    return bool(value == member.value) and type(value) is _plain(member.value)


def is_open(kind: type[Enum]) -> bool:
    """Whether an enum of texts takes words it does not know."""
    own = (one for one in kind.__mro__ if one is not Enum)
    return issubclass(kind, str) and any("_missing_" in vars(one) for one in own)


def tag_matches(value: Any, kind: inspect.Type) -> bool:
    """Whether the tag of an object, if its type has one, is the one of the type."""
    if not isinstance(kind, inspect.StructType) or kind.tag_field is None or kind.array_like:
        return True
    return bool(value.get(kind.tag_field) == kind.tag)


def _plain(value: object) -> type:
    return str if isinstance(value, str) else type(value)


def _json_word(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.StructType) and kind.array_like:
        return "list"
    if type(kind) in _IN_TEXT:
        return "string"
    return _WORDS.get(type(kind), ANYTHING)


def _reads(value: Any, kind: Any) -> bool:
    try:
        msgspec.json.decode(msgspec.json.encode(value), type=kind)
    except (ValueError, RecursionError):
        return False
    return True
