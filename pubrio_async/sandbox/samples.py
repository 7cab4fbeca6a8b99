"""Documented replies that are answered with as they are, but for a few values."""

from __future__ import annotations

from functools import cache
from importlib import resources

_FOLDER = resources.files("pubrio_async.sandbox") / "samples"


@cache
def sample_data(name: str) -> bytes:
    """The bytes of a sample; do not ask for one that is not there."""
    return (_FOLDER / name).read_bytes()
