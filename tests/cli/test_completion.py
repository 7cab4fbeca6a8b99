"""Tab in a real shell, by the script that `--show-completion` prints."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pubrio_async.cli._completion import complete_endpoint, complete_types
from tests.docs.commands import quick_command
from tests.warm import Forge

PROGRAM = f'#!/bin/sh\nexec "{sys.executable}" -m pubrio_async "$@"\n'
# What bash itself does when Tab is pressed: words in COMP_WORDS, then the function.
TAB = r"""
eval "$(_PUBRIO_ASYNC_COMPLETE=source_bash pubrio-async)"
complete -p pubrio-async
while read -r line; do
    eval "COMP_WORDS=($line)"
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
    _pubrio_async_completion pubrio-async
    echo "${COMPREPLY[*]}"
done
"""


@pytest.fixture
def environ(tmp_path: Path, forge: Forge) -> Iterator[dict[str, str]]:
    """An environment in which the program is there by its name."""
    programs = tmp_path / "bin"
    programs.mkdir()
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    environ = dict(os.environ) | {"PATH": path, "HOME": str(tmp_path)}
    with ExitStack() as running:
        if forge.possible():  # each Tab starts a process
            running.enter_context(quick_command(forge, programs))
        else:
            program = programs / "pubrio-async"
            program.write_text(PROGRAM)
            program.chmod(0o755)
        yield environ


def tab(environ: dict[str, str], *lines: str) -> list[list[str]]:
    """What bash offers at the end of each line."""
    ended = subprocess.run(
        ["bash", "--norc", "-c", TAB],
        input="".join(f"{line}\n" for line in lines),
        env=environ, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    registered, *offered = ended.stdout.splitlines()
    # Files, where nothing else is offered.
    assert registered == "complete -o default -F _pubrio_async_completion pubrio-async"
    return [line.split() for line in offered]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_in_bash(environ: dict[str, str]) -> None:
    offered = tab(
        environ,
        "pubrio-async re",
        "pubrio-async redeem in.csv --types email-work,p",
        "pubrio-async redeem in.csv --order ''",
        "pubrio-async redeem in.csv --max-c",
        "pubrio-async call profile.",
        "pubrio-async redeem in",
    )

    assert offered == [
        ["redeem", "resolve"],
        ["email-work,phone"],
        ["results", "makespan"],
        ["--max-concurrency", "--max-credits"],
        ["profile.get", "profile.usage"],
        [],
    ]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_shown(environ: dict[str, str], shell: str) -> None:
    """As `--show-completion` does where the shell cannot be told from the processes above."""
    environ |= {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    ended = subprocess.run(
        ["pubrio-async", "--show-completion", shell],
        env=environ, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip

    assert "pubrio-async" in ended.stdout
    assert "_PUBRIO_ASYNC_COMPLETE" in ended.stdout


def test_types_are_offered_once_each() -> None:
    assert complete_types("") == ["email-work", "email-personal", "phone"]
    assert complete_types("phone,e") == ["phone,email-work", "phone,email-personal"]
    assert complete_types("phone,email-work,email-personal,") == []


def test_every_endpoint_is_offered_with_its_path() -> None:
    offered = dict(item for item in complete_endpoint("") if isinstance(item, tuple))

    assert len(offered) > 60
    assert offered["redeem.batch"] == "POST /redeem/people/batch"
