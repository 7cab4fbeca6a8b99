"""Holds a raw reply against the type it is read as, and tells where they differ.

A difference is named by its path, such as `data.peoples[].linkedin_url`, and by the types that
were seen there. Values are not looked at, but for words of vocabularies that hold no personal
data. Bounds that a type puts on a value (`Meta`) are left to the decoder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, Literal, cast

from msgspec import NODEFAULT, Struct, inspect

from pubrio_async.doctor.nodes import LISTS, OBJECTS, bare, fits, in_words, is_value, tag_matches
from pubrio_async.doctor.outline import Outline
from pubrio_async.doctor.words import field_name, is_list, is_object, kind_of, word

DriftKind = Literal["unknown_field", "missing_field", "wrong_type", "null", "new_word"]
"""How a reply differs from its type.

- `unknown_field`: a field the type does not have. It is not lost: `capture()` has the raw reply.
- `missing_field`: a field the type says is always there.
- `wrong_type`: a value of another type.
- `null`: a null where the type has none.
- `new_word`: a word of a vocabulary that is not known yet.
"""

BREAKING: Final[frozenset[DriftKind]] = frozenset({"missing_field", "wrong_type", "null"})
"""Differences that the type itself cannot be read with."""

_MOST_SEEN: Final = 8


class Drift(Struct, frozen=True, kw_only=True):
    """One difference between a reply and its type.

    Attributes:
        path: Where, such as `data.peoples[].linkedin_url`.
        kind: How it differs.
        expected: What the type says, such as `string | null`; empty for an unknown field.
        seen: What was there: types, or for `new_word` words.
        count: In how many places.
    """

    path: str
    kind: DriftKind
    expected: str
    seen: tuple[str, ...]
    count: int


class Comparison(Struct, frozen=True, kw_only=True):
    """A reply and its type.

    Attributes:
        drift: Where they differ.
        not_seen: Fields of the type that are documented and were in none of the objects that may
            have them; that is no difference, they may be left out.
        undescribed: The shape of what the type leaves open, and of further fields where it is
            known to be partial: types seen, by path.
    """

    drift: tuple[Drift, ...]
    not_seen: tuple[str, ...]
    undescribed: dict[str, list[str]]


def compare(
    value: Any,
    kind: Any,
    path: str = "data",
    *,
    words: Mapping[tuple[str, str], frozenset[str]] | None = None,
    partial: frozenset[str] = frozenset(),
) -> Comparison:
    """Holds a value against a type.

    Args:
        value: Decoded JSON.
        kind: The type: a Struct, or anything else msgspec knows.
        path: What the value is called.
        words: Vocabularies of text fields, by Struct and field.
        partial: Structs that are known not to have all fields: further ones are described, and
            are no difference.

    Returns:
        Where they differ, each path once for each way of differing.
    """
    walk = _Walk(words or {}, partial)
    walk.check(value, _type_info(kind), path)
    return walk.result()


# It looks through all that a type consists of, each time.
_type_info = cache(inspect.type_info)


class _Found:
    """What was found at one path."""

    __slots__ = ("count", "expected", "seen")

    def __init__(self, expected: str) -> None:
        self.expected = expected
        self.seen: dict[str, None] = {}
        self.count = 0


class _Walk:
    """One walk through a value and its type."""

    def __init__(
        self, words: Mapping[tuple[str, str], frozenset[str]], partial: frozenset[str]
    ) -> None:
        self._words = words
        self._partial = partial
        self._found: dict[tuple[str, DriftKind], _Found] = {}
        self._absent: dict[str, bool] = {}
        self._outline = Outline()

    def result(self) -> Comparison:
        """What was found."""
        return Comparison(
            drift=tuple(
                Drift(
                    path=path,
                    kind=kind,
                    expected=found.expected,
                    seen=tuple(sorted(found.seen)),
                    count=found.count,
                )
                for (path, kind), found in self._found.items()
            ),
            not_seen=tuple(path for path, absent in self._absent.items() if absent),
            undescribed=self._outline.rows(),
        )

    def check(self, value: Any, kind: inspect.Type, path: str) -> None:
        """Looks at one value and at all that is in it."""
        kind = bare(kind)
        special = _CHECKS.get(type(kind))
        if special is not None:
            special(self, value, kind, path)
        else:
            self._check_kind(value, kind, path, fine=fits(value, kind))

    def check_any(self, value: Any, _kind: inspect.Type, path: str) -> None:
        self._outline.add(value, path)

    def check_list(self, value: Any, kind: Any, path: str) -> None:
        if self._check_kind(value, kind, path, fine=is_list(value)):
            for element in value:
                self.check(element, kind.item_type, f"{path}[]")

    def _check_kind(self, value: Any, kind: inspect.Type, path: str, *, fine: bool) -> bool:
        if not fine:
            self._note(path, "null" if value is None else "wrong_type", kind, kind_of(value))
        return fine

    def check_union(self, value: Any, kind: inspect.UnionType, path: str) -> None:
        candidates = [one for one in map(bare, kind.types) if fits(value, one)]
        tagged = [one for one in candidates if tag_matches(value, one)]
        if not candidates:
            self._check_kind(value, kind, path, fine=False)
        elif not tagged:
            field = next(
                one.tag_field
                for one in candidates
                if isinstance(one, inspect.StructType) and one.tag_field is not None
            )
            seen = value.get(field)
            drift: DriftKind = "wrong_type" if field in value else "missing_field"
            self._note(f"{path}.{field}", drift, kind, kind_of(seen))
        else:
            self.check(value, tagged[0], path)

    def check_enum(self, value: Any, kind: inspect.EnumType, path: str) -> None:
        if any(is_value(value, one) for one in kind.cls):
            return
        if fits(value, kind):
            self._note(path, "new_word", kind, word(value))
        else:
            self._check_kind(value, kind, path, fine=False)

    def check_dict(self, value: Any, kind: inspect.DictType, path: str) -> None:
        if not self._check_kind(value, kind, path, fine=is_object(value)):
            return
        # A free map: its keys and what is in them are the user's own.
        if not isinstance(kind.value_type, inspect.AnyType):
            for member in cast("dict[str, Any]", value).values():
                self.check(member, kind.value_type, f"{path}.*")

    def check_tuple(self, value: Any, kind: inspect.TupleType, path: str) -> None:
        if not self._check_kind(value, kind, path, fine=is_list(value)):
            return
        if len(value) != len(kind.item_types):
            self._note(path, "wrong_type", kind, f"list of {len(value)}")
        for number, (element, item) in enumerate(zip(value, kind.item_types, strict=False)):
            self.check(element, item, f"{path}[{number}]")

    def _check_array(self, value: Any, kind: inspect.StructType, path: str) -> None:
        if not self._check_kind(value, kind, path, fine=is_list(value)):
            return
        for number, field in enumerate(kind.fields):
            if number < len(value):
                self.check(value[number], field.type, f"{path}[{number}]")
            elif field.required:
                self._note(f"{path}[{number}]", "missing_field", field.type, "nothing")

    def check_object(self, value: Any, kind: Any, path: str) -> None:
        if isinstance(kind, inspect.StructType) and kind.array_like:
            self._check_array(value, kind, path)
            return
        if not self._check_kind(value, kind, path, fine=is_object(value)):
            return
        members: dict[str, Any] = value
        fields: dict[str, inspect.Field] = {field.encode_name: field for field in kind.fields}
        for name, field in fields.items():
            where = f"{path}.{name}" if path else name
            if name in members:
                self._absent[where] = False
                self._check_field(members[name], field, where, kind.cls.__name__)
            elif field.required:
                self._note(where, "missing_field", field.type, "nothing")
            elif field.default is not NODEFAULT:
                # A field that may be missing by the documentation has no default but UNSET.
                self._absent.setdefault(where, True)
        tag = getattr(kind, "tag_field", None)
        for name, member in members.items():
            if name not in fields and name != tag:
                shown = field_name(name)
                where = f"{path}.{shown}" if path else shown
                if kind.cls.__name__ in self._partial:
                    self._outline.add(member, where)
                    continue
                self._note(where, "unknown_field", None, kind_of(member))

    def _check_field(self, value: Any, field: inspect.Field, path: str, owner: str) -> None:
        self.check(value, field.type, path)
        known = self._words.get((owner, field.encode_name))
        if known is None or not isinstance(value, str):
            return
        if value not in known and value.lower() not in known:
            self._note(path, "new_word", field.type, word(value))

    def _note(self, path: str, drift: DriftKind, kind: inspect.Type | None, seen: str) -> None:
        found = self._found.get((path, drift))
        if found is None:
            expected = "" if kind is None else in_words(kind)
            found = self._found[path, drift] = _Found(expected)
        found.count += 1
        if len(found.seen) < _MOST_SEEN:
            found.seen[seen] = None


_CHECKS: Final[Mapping[type[inspect.Type], Callable[[_Walk, Any, Any, str], None]]] = {
    inspect.AnyType: _Walk.check_any,
    inspect.RawType: _Walk.check_any,
    inspect.UnionType: _Walk.check_union,
    inspect.EnumType: _Walk.check_enum,
    inspect.DictType: _Walk.check_dict,
    inspect.TupleType: _Walk.check_tuple,
    **dict.fromkeys(LISTS, _Walk.check_list),
    **dict.fromkeys(OBJECTS, _Walk.check_object),
}
