"""What the tests of inputs share: how one is written, and what is read of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pubrio_async.tables import RowSource


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def people(source: RowSource) -> list[str]:
    found = source.people()
    assert isinstance(found, Iterator)
    return list(found)


def cells(source: RowSource) -> list[list[object]]:
    found = source.cells()
    assert found is not None
    return [list(row) for row in found]
