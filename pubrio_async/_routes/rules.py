"""What a request must look like, as data, and the check of it before anything is sent.

A field is named by its path as in the API's own description: `a.b` is a member of the object
`a`, `a[].b` a member of each element of the list `a`. Values may be plain objects or Structs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from msgspec import UNSET, Struct

from pubrio_async._errors import ConfigurationError

CONTACT_TYPES = ("email-work", "email-personal", "phone")

_LISTS = (list, tuple, set, frozenset)


class Rules(Struct, frozen=True, kw_only=True):
    """What a request must look like.

    Attributes:
        required: Fields that must be sent; a nested one only where its parent is.
        one_of: Alternatives, each a group of fields: all fields of at least one must be sent.
        exactly_one: Whether one alternative excludes the others.
        choices: Closed sets, by field; of a list, each element must be in it.
        ranges: Lowest and highest number allowed, by field; None leaves a side open.
        lists: Fields that take a list, which a text is not.
    """

    required: tuple[str, ...] = ()
    one_of: tuple[tuple[str, ...], ...] = ()
    exactly_one: bool = False
    choices: Mapping[str, tuple[str, ...]] = {}
    ranges: Mapping[str, tuple[float | None, float | None]] = {}
    lists: tuple[str, ...] = ()


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
    for path in rules.lists:
        for value in _values(fields, path):
            if isinstance(value, str | bytes):
                _refuse(f"{name}: {path} takes a list, such as [{value!r}], not a text")
    for path, allowed in rules.choices.items():
        for value in _values(fields, path):
            _check_choice(name, path, allowed, value)
    for path, (lowest, highest) in rules.ranges.items():
        for value in _values(fields, path):
            _check_range(name, path, lowest, highest, value)


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


def _check_choice(name: str, path: str, allowed: Sequence[str], value: object) -> None:
    if value is UNSET or value is None:
        return
    values = cast("Sequence[object]", value) if isinstance(value, _LISTS) else (value,)
    unknown = [item for item in values if item not in allowed]
    if unknown:
        wrong = ", ".join(f"{item!r:.60}" for item in unknown[:5])
        _refuse(f"{name}: {path} cannot be {wrong}; choose from {', '.join(sorted(allowed))}")


def _check_range(
    name: str, path: str, lowest: float | None, highest: float | None, value: object
) -> None:
    if value is UNSET or value is None:
        return
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


def _values(holder: object, path: str) -> Iterator[Any]:
    """The values a path leads to; UNSET for a missing member of an object that is there."""
    head, _, rest = path.partition(".")
    listed = head.endswith("[]")
    value = _member(holder, head.removesuffix("[]"))
    if not rest:
        yield value
    elif value is UNSET or value is None:
        return
    elif listed:
        if isinstance(value, _LISTS):
            for element in cast("Sequence[object]", value):
                yield from _values(element, rest)
    else:
        yield from _values(value, rest)


def _member(holder: object, name: str) -> Any:
    if isinstance(holder, Mapping):
        return cast("Mapping[str, Any]", holder).get(name, UNSET)
    return getattr(holder, name, UNSET)


def _is_sent(value: object) -> bool:
    return value is not None and value is not UNSET and value is not False and not _is_empty(value)


def _is_empty(value: object) -> bool:
    if isinstance(value, str):
        return not value.strip()
    return isinstance(value, list | tuple) and not value


def _refuse(message: str) -> None:
    msg = f"{message}. Nothing was sent."
    raise ConfigurationError(msg)
