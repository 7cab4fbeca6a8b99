"""What a request must look like, as data, and the check of it before anything is sent.

A field is named by its path as in the API's own description: `a.b` is a member of the object
`a`, `a[].b` a member of each element of the list `a`. Values may be plain objects or Structs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias, TypeGuard, cast

from msgspec import UNSET, Struct, structs

from pubrio_async._errors import ConfigurationError

CONTACT_TYPES = ("email-work", "email-personal", "phone")
OPERATORS = ("and", "or", "AND", "OR")
"""The API takes them in either case."""
PAGING: Mapping[str, tuple[float | None, float | None]] = {"page": (1, None), "per_page": (1, 25)}

_LISTS = (list, tuple, set, frozenset)


class Rules(Struct, frozen=True, kw_only=True, dict=True):
    """What a request must look like.

    Attributes:
        required: Fields that must be sent; a nested one only where its parent is.
        one_of: Alternatives, each a group of fields: all fields of at least one must be sent.
        exactly_one: Whether one alternative excludes the others.
        choices: Closed sets, by field; of a list, each element must be in it.
        ranges: Lowest and highest number allowed, by field; None leaves a side open.
        lists: Fields that take a list, which a text is not.
        pairs: Fields that take both ends of a range; the API has no way to leave one open.
        range_lists: Fields that take a list of ranges, each of one or two whole numbers.
    """

    required: tuple[str, ...] = ()
    one_of: tuple[tuple[str, ...], ...] = ()
    exactly_one: bool = False
    choices: Mapping[str, tuple[str, ...]] = {}
    ranges: Mapping[str, tuple[float | None, float | None]] = {}
    lists: tuple[str, ...] = ()
    pairs: tuple[str, ...] = ()
    range_lists: tuple[str, ...] = ()

    @cached_property
    def checks(self) -> tuple[tuple[str, str, _Check], ...]:
        """What is done to each value, in order: the field it is in, its path, and the check."""
        kinds: tuple[tuple[Iterable[str], _Check], ...] = (
            ((*self.lists, *self.range_lists), _check_list),
            (self.pairs, _check_pair),
            (self.range_lists, _check_range_list),
            (self.choices, _check_choice),
            (self.ranges, _check_range),
        )
        return tuple((_field(path), path, check) for paths, check in kinds for path in paths)


_Check: TypeAlias = Callable[[str, str, Rules, object], None]
"""Takes the name of the endpoint, the path, the rules and the value."""


def check(name: str, rules: Rules, fields: Mapping[str, Any]) -> None:
    """Checks a request.

    Args:
        name: The endpoint, for messages.
        rules: What its request must look like.
        fields: The request, without the fields that are not set.

    Raises:
        ConfigurationError: It looks different; the message names the field and what it takes.
    """
    _check_required(name, rules, fields)
    if rules.one_of:
        _check_one_of(name, rules, fields)
    for field, path, check_value in rules.checks:
        if field in fields:
            for value in _values(fields, path):
                if value is not UNSET and value is not None:
                    check_value(name, path, rules, value)


def with_range_lists(rules: Rules, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Makes a range that stands alone a list of ranges.

    Args:
        rules: What the request must look like.
        fields: The request; it is not changed.

    Returns:
        The request, with `[1, 10]` as `[[1, 10]]` where a list of ranges belongs.
    """
    for path in rules.range_lists:
        if _field(path) in fields:
            fields = _with_range_list(fields, path)
    return fields


def _check_required(name: str, rules: Rules, fields: Mapping[str, Any]) -> None:
    for path in rules.required:
        for value in _values(fields, path):
            if value is UNSET or value is None or _is_empty(value):
                given = "" if value is UNSET else f"; {value!r} is empty"
                allowed = rules.choices.get(path)
                choose = f": choose from {', '.join(sorted(allowed))}" if allowed else ""
                _refuse(f"{name} needs {path}{choose}{given}")


def _check_one_of(name: str, rules: Rules, fields: Mapping[str, Any]) -> None:
    sent = [group for group in rules.one_of if all(_is_sent(fields.get(f)) for f in group)]
    if sent and not (rules.exactly_one and len(sent) > 1):
        return
    groups = [" + ".join(group) for group in rules.one_of]
    many = "exactly one" if rules.exactly_one else "at least one"
    _refuse(f"{name} takes {many} of: {', '.join(groups)}")


def _check_list(name: str, path: str, _rules: Rules, value: object) -> None:
    if isinstance(value, str | bytes):
        _refuse(f"{name}: {path} takes a list, such as [{value!r}], not a text")
    if not isinstance(value, _LISTS):
        _refuse(f"{name}: {path} takes a list, not a {type(value).__name__}")


def _check_pair(name: str, path: str, _rules: Rules, value: object) -> None:
    if isinstance(value, list | tuple):
        ends = cast("Sequence[object]", value)
        if len(ends) == 2 and not any(end is None or _is_empty(end) for end in ends):
            return
    _refuse(f"{name}: {path} takes both ends of a range, as a list of two, not {value!r:.60}")


def _check_range_list(name: str, path: str, _rules: Rules, value: object) -> None:
    for item in cast("Sequence[object]", value):
        if not (_is_flat(item) and len(item) <= 2):
            _refuse(
                f"{name}: {path} takes ranges of whole numbers, such as [[1, 10], [10001]]; "
                f"{item!r:.60} is not one"
            )


def _check_choice(name: str, path: str, rules: Rules, value: object) -> None:
    allowed = rules.choices[path]
    # Some fields are a list in one endpoint and a word in another.
    listed = path in rules.lists and isinstance(value, _LISTS)
    values = cast("Sequence[object]", value if listed else (value,))
    unknown = [item for item in values if item not in allowed]
    if unknown:
        wrong = ", ".join(f"{item!r:.60}" for item in unknown[:5])
        _refuse(f"{name}: {path} cannot be {wrong}; choose from {', '.join(sorted(allowed))}")


def _check_range(name: str, path: str, rules: Rules, value: object) -> None:
    lowest, highest = rules.ranges[path]
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    if fits:
        number = cast("float", value)
        fits = (lowest is None or number >= lowest) and (highest is None or number <= highest)
    if not fits:
        if lowest is None:
            bounds = f"at most {highest}"
        elif highest is None:
            bounds = f"at least {lowest}"
        else:
            bounds = f"from {lowest} to {highest}"
        _refuse(f"{name}: {path} takes a number {bounds}, not {value!r:.60}")


def _is_flat(value: object) -> TypeGuard[Sequence[int]]:
    if not isinstance(value, list | tuple) or not value:
        return False
    items = cast("Sequence[object]", value)
    return all(isinstance(item, int) and not isinstance(item, bool) for item in items)


def _with_range_list(holder: Any, path: str) -> Any:
    head, _, rest = path.partition(".")
    value = _member(holder, head)
    if rest:
        changed = _with_range_list(value, rest)
    elif _is_flat(value):
        changed = [value]
    else:
        return holder
    if changed is value:
        return holder
    if isinstance(holder, Struct):
        return structs.replace(holder, **{head: changed})
    if isinstance(holder, Mapping):
        return {**cast("Mapping[str, Any]", holder), head: changed}
    return holder


def _field(path: str) -> str:
    """The field of the request that a path begins with."""
    return path.partition(".")[0].removesuffix("[]")


def _values(holder: object, path: str) -> Iterable[Any]:
    """The values a path leads to; UNSET for a missing member of an object that is there."""
    if "." in path:
        return _nested_values(holder, path)
    return (_member(holder, path.removesuffix("[]")),)


def _nested_values(holder: object, path: str) -> Iterator[Any]:
    head, _, rest = path.partition(".")
    value = _member(holder, head.removesuffix("[]"))
    if value is UNSET or value is None:
        return
    if not head.endswith("[]"):
        yield from _values(value, rest)
    elif isinstance(value, _LISTS):
        for element in cast("Sequence[object]", value):
            yield from _values(element, rest)


def _member(holder: Any, name: str) -> Any:
    # A plain dict is told from a Mapping at a fifth of the price.
    members = holder
    if type(holder) is dict or isinstance(holder, Mapping):
        return members.get(name, UNSET)
    return getattr(members, name, UNSET)


def _is_sent(value: object) -> bool:
    return value is not None and value is not UNSET and value is not False and not _is_empty(value)


def _is_empty(value: object) -> bool:
    if isinstance(value, str):
        return not value.strip()
    return isinstance(value, _LISTS) and not value


def _refuse(message: str) -> None:
    msg = f"{message}. Nothing was sent."
    raise ConfigurationError(msg)
