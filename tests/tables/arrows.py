"""Columns and tables of libraries whose tests are skipped where they are missing."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

arrow: Any = pytest.importorskip("pyarrow")
compute: Any = pytest.importorskip("pyarrow.compute")
parquet: Any = pytest.importorskip("pyarrow.parquet")


class Late:
    """A module that is loaded for the first test that wants something of it: it takes long."""

    def __init__(self, name: str) -> None:
        self._module = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("_", "pytest")):  # pytest looks at it when it looks for tests
            raise AttributeError(name)
        return getattr(pytest.importorskip(self._module), name)


pandas: Any = Late("pandas")
polars: Any = Late("polars")

IDS = [str(uuid.UUID(int=1 << 64 | number)) for number in range(2_500)]
WITH_GAPS: list[str | None] = [*IDS[:3], None, *IDS[3:]]
FRAME = {"name": [f"name {n}" for n in range(len(WITH_GAPS))], "people_search_id": WITH_GAPS}
