"""What `--help` teaches, and that it is true."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest
import typer

from pubrio_async.cli._app import app
from pubrio_async.cli._exit import ExitCode
from pubrio_async.cli._help import GUIDES
from pubrio_async.sandbox.faults import FaultKind
from tests.cli.conftest import Api, Cli, ids, write_csv
from tests.together import together

ROOT: Any = typer.main.get_command(app)
COMMANDS: dict[str, Any] = ROOT.commands
EXAMPLES = [
    (name, example) for name, guide in GUIDES.items() for example in guide.examples.values()
]
# They run until somebody ends them; or what they speak to is not here.
PARSED_ONLY = {"sandbox", "worker", "enqueue", "doctor", "database", "export"}


def words_of(example: str) -> list[str]:
    program, *words = shlex.split(example.partition(" > ")[0])
    assert program == "pubrio-async"
    return words


def options(command: Any) -> Iterator[Any]:
    yield from (param for param in command.params if param.name != "help")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_tells_all_there_is(cli: Cli, name: str) -> None:
    result = cli(name, "--help")
    guide = GUIDES[name]

    assert result.code == 0
    assert result.err == ""
    assert "\\[" not in result.out
    assert 1 <= len(guide.examples) <= 4
    for what, example in guide.examples.items():
        assert f"  # {what}\n  {example}\n" in result.out
        assert len(example) < 100
    first = COMMANDS[name].help.splitlines()[0]
    assert first.endswith((".", ",")) or len(first) > 60
    codes = {int(code) for code in guide.exit_codes}
    assert codes <= set(ExitCode)
    assert {0, 2} <= codes
    for heading in ("Examples:", "Exit codes:", *(["Environment:"] if guide.environment else [])):
        assert f"\n{heading}\n" in result.out
    for param in options(COMMANDS[name]):
        assert param.help, f"{name}: {param.name} has no words"
        assert param.help.endswith((".", ")")), param.help
        assert "".join(param.help.split()) in "".join(result.out.split())
        for variable in [param.envvar] if param.envvar else []:
            assert variable in result.out


def test_there_is_a_guide_for_each_command_and_no_other() -> None:
    assert GUIDES.keys() == COMMANDS.keys()


def test_lines_fit_a_terminal(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for name, guide in GUIDES.items():
        for line in cli(name, "--help").out.splitlines():
            assert len(line) <= 80 or line.strip() in guide.examples.values()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli, api: Api) -> Path:
    """Where the examples find their files."""
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "people.csv", ids(8))
    api(unresolvable_share=0.0)
    words = ("--types", "email-work,phone", "--progress", "none")
    result = cli("redeem", "people.csv", "-o", "contacts.csv", *words)
    assert result.code == 0, result.err
    return tmp_path


@pytest.mark.parametrize(
    ("name", "example"), [pair for pair in EXAMPLES if pair[0] not in PARSED_ONLY]
)
def test_every_example_does_what_it_says(cli: Cli, folder: Path, name: str, example: str) -> None:
    words = words_of(example)
    assert words[0] == name
    result = cli(*words)

    assert result.code == 0, result.err
    for flag, value in pairwise(words):
        if flag in {"-o", "--report"}:
            assert (folder / value).stat().st_size


@together
@pytest.mark.parametrize(("name", "example"), [pair for pair in EXAMPLES if pair[0] in PARSED_ONLY])
def test_every_other_example_can_be_read(name: str, example: str) -> None:
    command, *words = words_of(example)

    assert command == name
    assert COMMANDS[name].make_context(name, words).params
    with pytest.raises(Exception, match="No such option"):
        COMMANDS[name].make_context(name, [*words, "--no-such-option"])


def test_the_version(cli: Cli) -> None:
    result = cli("--version")

    assert result.code == 0
    assert re.fullmatch(r"pubrio-async \d+\.\d+\.\d+\S*\n", result.out)


def test_without_words_it_tells_what_there_is(cli: Cli) -> None:
    result = cli()

    assert result.code == 2
    for name in COMMANDS:
        assert f"\n  {name} " in result.out + result.err


def loaded_by(folder: Path, *words: str) -> set[str]:
    """The modules a command has loaded when it ends."""
    script = (
        "import atexit, sys; sys.argv[0] = 'pubrio-async'\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "from pubrio_async.cli import main; main()"
    )
    command = [sys.executable, "-c", script, *words]
    # Without what measures coverage, which loads some of it.
    env = {name: os.environ[name] for name in os.environ if not name.startswith("COV")}
    ended = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    return set(ended.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("words", "more"),
    [
        (["redeem", "--help"], {"pubrio_async.cli._redeem", "tomllib", "uvloop"}),
        (["redeem", "none.csv", "--types", "phone"], {"tomllib"}),
    ],
)
def test_nothing_is_loaded_that_is_not_needed(
    tmp_path: Path, words: list[str], more: set[str]
) -> None:
    """rich, and what typer can draw in, cost more than all the rest of a start."""
    loaded = loaded_by(tmp_path, *words)

    assert "pubrio_async.cli._app" in loaded
    heavy = {"rich.console", "rich.markdown", "pydantic", "pyarrow", "aiohttp.web"}
    assert not loaded & (heavy | more)


def test_the_list_of_commands_says_whole_sentences(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = cli("--help").out
    for command in COMMANDS:
        [line] = re.findall(rf"^  {command} +(.+)$", out, re.MULTILINE)
        assert line.endswith("."), command
        assert not line.endswith("..."), command


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--port", "x"], "'x' is not a whole number."),
        (["--latency", "x"], "'x' is not a number."),
    ],
)
def test_a_value_of_the_wrong_kind_is_told_in_words(cli: Cli, words: list[str], told: str) -> None:
    result = cli("sandbox", *words)

    assert result.code == 2
    assert told in result.err


def test_the_help_of_the_sandbox_names_every_kind_of_fault(cli: Cli) -> None:
    told = " ".join(cli("sandbox", "--help").out.split())

    for kind in get_args(FaultKind):
        assert re.search(rf"\b{kind}\b", told), kind
