"""What every group of endpoints shares."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from msgspec import UNSET

from pubrio_async._dispatch import Dispatcher
from pubrio_async._errors import ConfigurationError

ContactTypeName = Literal["email-work", "email-personal", "phone"]
"""The contact types that can be asked for."""

CONTACT_TYPES: tuple[str, ...] = ("email-work", "email-personal", "phone")


class Endpoints:
    """A group of endpoints; a method is a signature, a docstring and one call."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher


def fields_of(**fields: Any) -> Mapping[str, Any]:
    """The body: exactly what the caller set."""
    return {name: value for name, value in fields.items() if value is not UNSET}


def filled(name: str, value: object) -> None:
    """Checks a text that must say something.

    Raises:
        ConfigurationError: It is blank, or no text at all.
    """
    if not isinstance(value, str) or not value.strip():
        msg = f"{name} must be a text that is not blank"
        raise ConfigurationError(msg)


def closed_set(name: str, values: Sequence[str], allowed: Collection[str]) -> Sequence[str]:
    """Checks a non-empty list against a closed set.

    Raises:
        ConfigurationError: The list is empty, or a value is not allowed; names both.
    """
    if isinstance(values, str):
        msg = f"{name} takes a list, such as [{values!r}], not a string"
        raise ConfigurationError(msg)
    unknown = [value for value in values or () if value not in allowed]
    if unknown or not values:
        wrong = ", ".join(map(repr, unknown)) or "an empty list"
        msg = f"{name}: {wrong} is not allowed; choose from {', '.join(sorted(allowed))}"
        raise ConfigurationError(msg)
    return values
