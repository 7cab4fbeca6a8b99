from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests import catalogue
from tests.catalogue import ENDPOINTS, Endpoint

ROOT = Path(__file__).parents[2]


def calls() -> Iterator[str]:
    """A module that calls every endpoint in every sound way, as it would be written by hand."""
    yield "from pubrio_async import AsyncPubrio"
    for number, endpoint in enumerate(ENDPOINTS):
        yield f"async def call_{number}(pubrio: AsyncPubrio) -> None:"
        for alternative in catalogue.alternatives(endpoint):
            for body in (
                catalogue.smallest(endpoint, alternative),
                catalogue.fullest(endpoint, alternative),
            ):
                yield f"    await pubrio.{endpoint.name}({_arguments(body)})"
                if endpoint.paginated:
                    yield f"    pubrio.{endpoint.name}_iter({_arguments({**body, 'max_items': 1})})"
        yield from _samples(endpoint)


def _samples(endpoint: Endpoint) -> Iterator[str]:
    for owner, name in catalogue.REQUEST_SAMPLES:
        if owner is endpoint:
            yield f"    await pubrio.{endpoint.name}({_arguments(catalogue.sample(name))})"


def _arguments(body: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in body.items())


def test_what_an_editor_knows(tmp_path: Path) -> None:
    """Strict mypy accepts the calls of `reveal.py` and of every documented field."""
    generated = tmp_path / "calls.py"
    generated.write_text("\n".join(calls()) + "\n", "utf-8")
    command = [
        sys.executable, "-m", "mypy", "--strict", "--config-file", "pyproject.toml",
        "--no-error-summary", "--hide-error-context", str(generated), "tests/typing/reveal.py",
    ]  # fmt: skip
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.stdout == ""
    assert checked.stderr == ""
    assert checked.returncode == 0
