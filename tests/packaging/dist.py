"""`make dist`: builds what is uploaded, and tries it as somebody would who has just installed it.

Needs the network, as `pip install` does, so it is no part of the tests. Everything is done in
folders of its own and with nothing of this checkout on the path.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYTHONS = ("python3.11", "python3.12", "python3.13")
# What the core may bring along, with all that stands behind aiohttp.
ALLOWED = {
    "aiohappyeyeballs", "aiohttp", "aiosignal", "anyio", "attrs", "frozenlist", "idna", "msgspec",
    "multidict", "pip", "propcache", "pubrio-async", "setuptools", "typing-extensions", "yarl",
}  # fmt: skip
CORE = """
import asyncio
import sys

from pubrio_async import AsyncPubrio
from pubrio_async.testing import PubrioSandbox


async def main(people):
    async with AsyncPubrio() as pubrio:
        async with pubrio.redeem.many(people, people_contact_types=["email-work"]) as run:
            return {outcome.person: outcome.status async for outcome in run}


with PubrioSandbox() as sandbox, sandbox.installed():
    ada, nobody = sandbox.add_found(), sandbox.add_empty()
    assert asyncio.run(main([ada, nobody])) == {ada: "found", nobody: "empty"}
    assert sandbox.credits_charged == 5
"""


def run(*words: str | Path, cwd: Path, code: int = 0, **env: str) -> str:
    """Runs a command without the settings of this one; gives what it printed."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PUBRIO_", "PYTHON", "VIRTUAL_ENV", "COVERAGE_"))
    }
    # Files of both streams in one: what matters is shown when it fails.
    done = subprocess.run(
        [*map(str, words)],
        cwd=cwd,
        env={**kept, **env},
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    if done.returncode != code:
        sys.exit(f"{' '.join(map(str, words))}: exit code {done.returncode}\n{done.stdout}")
    return done.stdout


def is_here(python: str) -> bool:
    """Whether this interpreter can be started: a shim may stand for nothing."""
    if shutil.which(python) is None:
        return False
    return subprocess.run([python, "-V"], check=False, capture_output=True).returncode == 0


def build(sources: Path, out: Path, epoch: str) -> dict[str, str]:
    """Builds sdist and wheel in an environment of their own; gives their checksums."""
    shutil.rmtree(out, ignore_errors=True)
    run(sys.executable, "-m", "build", "-o", out, sources, cwd=sources, SOURCE_DATE_EPOCH=epoch)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in out.iterdir()}


def try_core(python: Path, wheel: Path, folder: Path) -> None:
    """The library alone: nothing but what it needs, and it works."""
    run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", wheel, cwd=folder)
    run(python, "-m", "pip", "check", cwd=folder)
    listed = json.loads(run(python, "-m", "pip", "list", "--format=json", cwd=folder))
    more = {each["name"].lower().replace("_", "-") for each in listed} - ALLOWED
    if more:
        sys.exit(f"the core brings along {', '.join(sorted(more))}")
    run(python, "-W", "error", "-c", CORE, cwd=folder)
    told = run(python, "-m", "pubrio_async", "--help", cwd=folder, code=2)
    if 'pip install "pubrio-async[cli]"' not in told or len(told.splitlines()) > 2:
        sys.exit(f"without its extra, the command says:\n{told}")


def try_cli(python: Path, wheel: Path, folder: Path) -> None:
    """The command line."""
    words = ("-m", "pip", "install", "-q", "--disable-pip-version-check", f"{wheel}[cli]")
    run(python, *words, cwd=folder)
    shutil.copy(ROOT / "examples" / "people.csv", folder)
    command = python.parent / "pubrio-async"
    types = ("--types", "email-work,phone")
    run(command, "redeem", "people.csv", "-o", "out.csv", *types, "--sandbox", cwd=folder)
    rows = (folder / "out.csv").read_text().splitlines()
    if len(rows) != len((folder / "people.csv").read_text().splitlines()):
        sys.exit(f"{len(rows)} rows came out")


def try_pytest(python: Path, folder: Path) -> None:
    """The plugin, with nothing but pytest beside it."""
    words = ("-m", "pip", "install", "-q", "--disable-pip-version-check", "pytest")
    run(python, *words, cwd=folder)
    (folder / "test_it.py").write_text(
        "async def test_it(pubrio_memory):\n"
        "    async with pubrio_memory.client() as pubrio:\n"
        "        assert (await pubrio.profile.get()).credit == 1_000_000\n"
    )
    run(python, "-m", "pytest", "-q", "-W", "error", "test_it.py", cwd=folder)


def main() -> None:
    """Builds, checks, tries."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where they go")
    parser.add_argument("pythons", nargs="*", default=PYTHONS, help="commands of interpreters")
    wanted = parser.parse_args()
    stamp = ["git", "log", "-1", "--format=%ct"]
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or run(*stamp, cwd=ROOT).strip()
    out: Path = wanted.out.absolute()

    built = build(ROOT, out, epoch)
    [sdist], [wheel] = out.glob("*.tar.gz"), out.glob("*.whl")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with tarfile.open(sdist) as archive:
            # Python 3.11.2 and 3.11.3 know no filters.
            archive.extraction_filter = getattr(tarfile, "data_filter", None)
            archive.extractall(folder)
        [sources] = folder.iterdir()
        if (again := build(sources, folder / "again", epoch)) != built:
            sys.exit(f"built again from the sdist, it is something else:\n{built}\n{again}")
    print("the same bytes when built again from the sdist", flush=True)
    print(run(sys.executable, "-m", "twine", "check", "--strict", sdist, wheel, cwd=ROOT).strip())

    tried = 0
    for python in wanted.pythons:
        if not is_here(python):
            print(f"{python}: not here, not tried")
            continue
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            run(python, "-m", "venv", "env", cwd=folder)
            made = folder / "env" / "bin" / "python"
            try_core(made, wheel, folder)
            try_cli(made, wheel, folder)
            try_pytest(made, folder)
        tried += 1
        print(f"{python}: core, [cli] and pytest plugin work ({time.monotonic() - begun:.0f} s)")
    if not tried:
        sys.exit("none of these interpreters is here")
    for file, checksum in sorted(built.items()):
        print(f"{checksum}  {file}")


if __name__ == "__main__":
    main()
