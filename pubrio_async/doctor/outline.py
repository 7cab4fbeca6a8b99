"""The shape of a reply that no type describes: its paths, and what was seen there."""

from __future__ import annotations

from typing import Any, Final

from pubrio_async.doctor.words import MASKED, field_name, form_of, is_list, is_object

_DEEPEST: Final = 10
_MOST_PATHS: Final = 300
# An object with more members is taken for a map: its keys are values.
_MOST_FIELDS: Final = 120


class Outline:
    """Paths and the types seen at them, in the order they were met; bounded."""

    def __init__(self) -> None:
        self._seen: dict[str, set[str]] = {}

    def add(self, value: Any, path: str, depth: int = 0) -> None:
        """Looks at a value and at all that is in it.

        Args:
            value: Decoded JSON.
            path: Where it is.
            depth: How many levels above were looked at.
        """
        if path not in self._seen and len(self._seen) >= _MOST_PATHS:
            return
        self._seen.setdefault(path, set()).add(form_of(value))
        if depth >= _DEEPEST:
            return
        if is_list(value):
            elements: list[Any] = value
            for element in elements:
                self.add(element, f"{path}[]", depth + 1)
        elif is_object(value):
            members: dict[str, Any] = value
            for key, member in members.items():
                name = MASKED if len(members) > _MOST_FIELDS else field_name(key)
                self.add(member, f"{path}.{name}" if path else name, depth + 1)

    def rows(self) -> dict[str, list[str]]:
        """The types by path."""
        return {path: sorted(kinds) for path, kinds in self._seen.items()}


def outline_of(value: Any, path: str) -> dict[str, list[str]]:
    """The shape of a value.

    Args:
        value: Decoded JSON.
        path: What it is called, such as `data`.

    Returns:
        By path, the types that were seen there, such as `{"data[].name": ["string"]}`.
    """
    outline = Outline()
    outline.add(value, path)
    return outline.rows()
