"""Cells of Arrow columns as a CSV file holds them."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import Any

import msgspec


def cell_texts(arrow: Any, column: Any) -> list[str | None]:
    """The cells of a column as text, None where there is no value.

    Times are written as in ISO 8601 with a blank instead of the T, durations as a number of their
    unit, truths as `true` and `false`, lists and structs as JSON, bytes as the text they are, or
    else in Base64.
    """
    types, kind = arrow.types, column.type
    if isinstance(kind, arrow.BaseExtensionType) and kind.extension_name != "arrow.uuid":
        return cell_texts(arrow, column.storage)
    if types.is_dictionary(kind):
        return cell_texts(arrow, column.dictionary_decode())
    if types.is_boolean(kind):
        column, kind = column.cast(arrow.string()), arrow.string()
    try:
        # Python has no times of nanoseconds, and no year 10000.
        plain = _without_times(arrow, kind)
        if plain != kind:
            column = column.cast(plain)
        return [None if value is None else _text(value) for value in column.to_pylist()]
    except (arrow.ArrowException, ValueError, OverflowError):
        return list(map(_shown, (column.slice(row, 1) for row in range(len(column)))))


def _shown(cell: Any) -> str | None:
    """What Arrow shows to people, where there is no such time zone here, or no such cast.

    Nothing checks what a file calls text: of other bytes their numbers are shown.
    """
    if cell.null_count:
        return None
    with suppress(ValueError):  # all cells of a column are shown for the sake of one
        value = cell[0].as_py()
        if isinstance(value, str):
            return value
    if hasattr(cell[0], "as_buffer"):
        data: bytes = cell[0].as_buffer().to_pybytes()
        return data.decode(errors="backslashreplace")
    text: str = cell.to_string(skip_new_lines=True)
    return text[1:-1]


def _without_times(arrow: Any, kind: Any) -> Any:
    types = arrow.types
    if types.is_duration(kind):
        return arrow.int64()
    if types.is_temporal(kind):
        return arrow.string()
    if types.is_list(kind):
        return arrow.list_(_without_times(arrow, kind.value_type))
    if types.is_large_list(kind):
        return arrow.large_list(_without_times(arrow, kind.value_type))
    if types.is_fixed_size_list(kind):
        return arrow.list_(_without_times(arrow, kind.value_type), kind.list_size)
    if types.is_struct(kind):
        return arrow.struct([(field.name, _without_times(arrow, field.type)) for field in kind])
    if types.is_map(kind):
        items = (_without_times(arrow, each) for each in (kind.key_type, kind.item_type))
        return arrow.map_(*items)
    return kind


def _text(value: object) -> str:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return base64.b64encode(value).decode()
    if isinstance(value, list | dict):
        return msgspec.json.encode(value, enc_hook=str).decode()
    return str(value)
