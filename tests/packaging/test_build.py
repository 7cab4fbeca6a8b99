"""What is built and handed to users: the same bytes everywhere, and nothing missing in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
CORE = {"aiohttp", "anyio", "msgspec"}
EXTRAS = {"cli", "otel", "postgres", "prometheus", "speed", "tables"}


class Built(NamedTuple):
    """A folder with sources, and what was built from them."""

    sources: Path
    sdist: Path
    wheel: Path


def build(sources: Path) -> Built:
    """Builds both, as a frontend does that has no network."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", "out"],
        cwd=sources,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1767225600"},
        check=True,
        capture_output=True,
        timeout=100,
    )
    [sdist], [wheel] = sources.glob("out/*.tar.gz"), sources.glob("out/*.whl")
    return Built(sources, sdist, wheel)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """From a copy of the checkout, whose files are as new as the copy."""
    sources = tmp_path_factory.mktemp("checkout")
    wanted = [*PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"], "/pyproject.toml"]
    dropped = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in (each.lstrip("/") for each in [*wanted, ".gitignore"]):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, sources / name, ignore=dropped, copy_function=shutil.copy)
        else:
            shutil.copy(ROOT / name, sources / name)
    # What lies about in a checkout and has no place in a package.
    (sources / "pubrio_async" / "left.over.pyc").write_bytes(b"")
    (sources / "people.redeemed.csv").write_text("somebody@example.com")
    (sources / "examples" / "run.db.journal").write_bytes(b"")
    return build(sources)


@pytest.fixture(scope="module")
def rebuilt(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """From the sdist alone, elsewhere, much later, by somebody whose files are nobody else's."""
    folder = tmp_path_factory.mktemp("elsewhere")
    with tarfile.open(built.sdist) as archive:
        # Python 3.11.2 and 3.11.3 know no filters.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)
    [sources] = folder.iterdir()
    for path in sources.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
        os.utime(path, (2_000_000_000, 2_000_000_000))
    return build(sources)


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [each for each in archive.namelist() if each.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


def package_files() -> Iterator[str]:
    for path in (ROOT / "pubrio_async").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(ROOT).as_posix()


def test_whoever_builds_it_gets_the_same_bytes(built: Built, rebuilt: Built) -> None:
    assert rebuilt.wheel.name == built.wheel.name
    assert rebuilt.wheel.read_bytes() == built.wheel.read_bytes()
    assert rebuilt.sdist.name == built.sdist.name
    assert rebuilt.sdist.read_bytes() == built.sdist.read_bytes()


def test_the_wheel_holds_the_package_and_nothing_else(built: Built) -> None:
    names = names_in(built.wheel)
    [info] = {name.partition("/")[0] for name in names if ".dist-info/" in name}
    assert {name for name in names if not name.startswith(f"{info}/")} == {
        *package_files(),
        "pytest_pubrio_async.py",
    }
    assert "pubrio_async/py.typed" in names
    assert any(name.startswith("pubrio_async/sandbox/samples/") for name in names)
    assert f"{info}/licenses/LICENSE" in names


def test_the_sdist_holds_what_a_packager_needs_and_no_data_of_a_run(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "Makefile", "README.md", "CHANGELOG.md", "pyproject.toml"} < names
    assert {"tests/conftest.py", "docs/testing.md", "examples/people.csv"} < names
    assert not [name for name in names if name.endswith((".pyc", ".journal", ".redeemed.csv"))]


def test_the_metadata_says_what_it_needs(built: Built) -> None:
    told = metadata(built.wheel)
    needed = told.get_all("Requires-Dist", [])
    assert {re.split(r"[<>=!~; \[]", each)[0] for each in needed if "extra ==" not in each} == CORE
    assert {*told.get_all("Provides-Extra", [])} >= EXTRAS | {"all"}
    of: dict[str, set[str]] = {}
    for each in needed:
        if extra := re.search(r"extra == '(\w+)'", each):
            of.setdefault(extra[1], set()).add(each.partition(";")[0])
    assert of["all"] == set().union(*(of[extra] for extra in EXTRAS))
    assert told["Requires-Python"] == ">=3.11"
    assert told["License-Expression"] == "Apache-2.0"
    assert told["Summary"] == PROJECT["project"]["description"]
    assert {"Typing :: Typed", "Framework :: AsyncIO"} < {*told.get_all("Classifier", [])}
    assert [each.partition(", ")[0] for each in told.get_all("Project-URL", [])]
    with zipfile.ZipFile(built.wheel) as archive:
        [points] = [each for each in archive.namelist() if each.endswith("entry_points.txt")]
        assert archive.read(points).decode().split("\n\n") == [
            "[console_scripts]\npubrio-async = pubrio_async.cli:main",
            "[pytest11]\npubrio_async = pytest_pubrio_async\n",
        ]


def test_the_page_on_an_index_has_no_dead_links(built: Built) -> None:
    told = metadata(built.wheel)
    assert told["Description-Content-Type"] == "text/markdown"
    page = str(told.get_payload())
    links = re.findall(r"\]\(([^)]*)\)|(?:href|src)=\"([^\"]*)\"", page)
    assert links
    assert [link for pair in links for link in pair if link and not link.startswith("http")] == []
    words = re.sub(r"\]\([^)]*\)|[\[\]]", "", (ROOT / "README.md").read_text()).strip()
    assert re.sub(r"\]\([^)]*\)|[\[\]]", "", page).strip() == words


def test_the_wheel_runs_where_nothing_else_of_it_is(built: Built, tmp_path: Path) -> None:
    """No network, so with what it needs from here: `make dist` does it in an empty environment."""
    with zipfile.ZipFile(built.wheel) as archive:
        archive.extractall(tmp_path)
    program = """
import sys
import pubrio_async, pytest_pubrio_async
from pubrio_async.testing import PubrioMemory, run_virtual

memory = PubrioMemory()

async def main():
    async with memory.client() as pubrio:
        await pubrio.people.search(people_titles=["CTO"])
        people = memory.people(150)
        async with pubrio.redeem.many(people, people_contact_types=["phone"]) as run:
            return len([outcome async for outcome in run])

assert run_virtual(main()) == 150
assert all(each.__file__.startswith(sys.argv[1]) for each in (pubrio_async, pytest_pubrio_async))
print(pubrio_async.__version__)
"""
    told = subprocess.run(
        [sys.executable, "-P", "-c", program, str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (told.stdout.strip(), told.stderr) == (metadata(built.wheel)["Version"], "")
