"""The site: complete, strict, and nothing in it is fetched from anywhere else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

import pubrio_async

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
# What a browser loads by itself when it opens a page.
_LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio)\b[^>]*?\bsrc=["']?(?:https?:)?//[^>]*>"""
    r"""|<link\b(?![^>]*\brel=["']?canonical)[^>]*?\bhref=["']?(?:https?:)?//[^>]*>"""
    r"""|@import\s|url\(["']?(?:https?:)?//""",
    re.IGNORECASE,
)


class Loader(yaml.SafeLoader):
    """Reads the names of Python objects, where there are some, as texts."""


Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: "")


def pages(entry: Any) -> Iterator[str]:
    """The pages of a navigation, in order."""
    if isinstance(entry, str):
        yield entry
    else:
        for part in entry.values() if isinstance(entry, dict) else entry:
            yield from pages(part)


def build(project: Path) -> subprocess.CompletedProcess[str]:
    """Builds the site of a folder as `make site` does."""
    folder = str(Path(sys.executable).parent)
    return subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict", "-f", "mkdocs.yml"],
        cwd=project,
        env={**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_every_page_is_in_the_navigation_once() -> None:
    settings = yaml.load((ROOT / "mkdocs.yml").read_text("utf-8"), Loader)
    assert sorted(pages(settings["nav"])) == sorted(
        path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")
    )


def test_every_public_name_is_in_the_reference() -> None:
    shown = {
        name
        for path in DOCS.rglob("*.md")
        for name in re.findall(r"(?m)^::: pubrio_async\.([\w.]+)$", path.read_text("utf-8"))
    }
    assert {*pubrio_async.__all__} - {"__version__"} <= shown
    modules = {path.stem for path in Path(pubrio_async.__file__).parent.glob("[!_.]*")}
    # Of these only names of the package itself, commands and endpoints are meant for use.
    inside = {"cli", "client", "distributed", "endpoints", "py", "scheduler"}
    assert modules - inside <= {name.split(".")[0] for name in shown}


LEADS_NOWHERE = {
    "[a](nowhere.md)": "page does not exist",
    "[a](index.md#nowhere)": "anchor does not exist",
    "[a][pubrio_async.Nowhere]": "unresolved autoref",
}


def test_the_site_builds_strictly_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    for name in ("mkdocs.yml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(DOCS, tmp_path / "docs")
    # Of two builds each would take seconds: this one shows that wrong links are found, too.
    (tmp_path / "docs" / "wrong.md").write_text("# Wrong\n\n" + "\n\n".join(LEADS_NOWHERE))
    built = build(tmp_path)
    told = re.sub(r"\x1b\[[0-9;]*m", "", built.stdout + built.stderr)
    assert built.returncode != 0, told
    for said in LEADS_NOWHERE.values():
        assert said in told
    assert f"{len(LEADS_NOWHERE)} issues found" in told, told
    site = tmp_path / "build" / "site"
    html = [*site.rglob("*.html")]
    assert {path.relative_to(site).as_posix() for path in html} >= {
        "index.html",
        "api/index.html",
        "reference/errors.html",
    }
    assert not [*site.rglob("*.py")]
    for path in (*html, *site.rglob("*.css")):
        assert (found := _LOADED.search(path.read_text("utf-8"))) is None, f"{path}: {found}"
    runs = (site / "reference" / "runs.html").read_text("utf-8")
    assert "How long the run may take" in runs  # of a docstring
    assert (site / "search.json").stat().st_size > 50_000
