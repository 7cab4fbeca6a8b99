"""The code blocks of the documentation: where they are, and how each kind is run.

- `python` runs in this process, with the names of the blocks before it on the page. What
  awaits outside of a function, as in a REPL, or uses the name `pubrio` there, finds a client.
- `sh` runs in bash and has to succeed, every line of it.
- `console` shows commands after `$ ` and what they print: that is compared, `...` is anything. A
  command that fails is followed by `$ echo $?`.
- `text title="Output"` is what the `python` or `sh` block before it prints.
- A block whose title is the name of a file is also saved under this name.
- A block after `<!-- not run: why -->` is not run.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import doctest
import inspect
import io
import os
import re
import shlex
import signal
import subprocess
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

from sybil import Document
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

from pubrio_async import AsyncPubrio

RUN = {"python", "sh", "console"}
SHOWN = {"crontab", "csv", "dockerfile", "http", "ini", "json", "promql", "sql", "text"}
SHOWN |= {"toml", "yaml"}

_FENCES = RawFencedCodeBlockLexer(
    re.compile(r"[ \t]*(?P<language>[^\s{]*)[ \t]*(?P<options>[^\n]*)\n")
)
_MARKER = re.compile(r"<!-- *not run: *(?P<why>.*?) *-->\s*\Z")
_TITLE = re.compile(r'title="(?P<title>[^"]*)"')
_FILE = re.compile(r"[\w-][\w./-]*\.[a-z]+")
_COMMAND = re.compile(r"^\$ (?P<command>.*(?:\n> .*)*)\n?", re.MULTILINE)
_SECONDS = 60


class Block(NamedTuple):
    """A fenced block.

    Attributes:
        path: The page.
        line: The line of its fence, from 1.
        language: The first word after the fence.
        title: Its title; empty if it has none.
        source: What is in it.
        not_run: Why it is not run; None if it is.
    """

    path: Path
    line: int
    language: str
    title: str
    source: str
    not_run: str | None

    @property
    def place(self) -> str:
        """Where it is, as an editor finds it."""
        return f"{self.path}:{self.line}"


class BlockError(AssertionError):
    """A block does not do what the page says."""


def blocks_of(path: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    text = path.read_text("utf-8")
    document = Document(text, str(path))
    for region in sorted(_FENCES(document), key=lambda region: region.start):
        marker = _MARKER.search(text[: region.start])
        title = _TITLE.search(region.lexemes["options"])
        yield Block(
            path,
            text.count("\n", 0, region.start) + 1,
            region.lexemes["language"],
            title["title"] if title else "",
            str(region.lexemes["source"]),
            marker["why"] if marker else None,
        )


class Page:
    """Runs the blocks of a page one after the other, in the folder this process is in.

    Args:
        namespace: What its Python blocks share.
    """

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace
        self._printed: str | None = None

    def run(self, block: Block) -> None:
        """Runs a block, or does what else there is to do with it.

        Raises:
            BlockError: It does not do what it says.
        """
        if _FILE.fullmatch(block.title):
            file = Path(block.title)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.source, "utf-8")
        if block.not_run is not None:
            self._printed = None
        elif block.language == "python":
            self._printed = self._python(block)
        elif block.language == "sh":
            self._printed = _sh(block)
        elif block.language == "console":
            _console(block)
        elif block.title == "Output":
            if self._printed is None:
                raise BlockError(f"{block.place}: the output of nothing that is run")
            _compare(block.place, block.source, self._printed)

    def _python(self, block: Block) -> str:
        # Tracebacks name the page, and the line in it.
        source = "\n" * block.line + block.source
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        try:
            code = compile(source, str(block.path), "exec", flags, dont_inherit=True)
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                if code.co_flags & inspect.CO_COROUTINE or "pubrio" in code.co_names:
                    asyncio.run(self._with_client(code))
                else:
                    exec(code, self._namespace)
        except (Exception, SystemExit) as error:
            raise BlockError(f"{_place(block, error)}: {type(error).__name__}: {error}") from error
        return printed.getvalue()

    async def _with_client(self, code: CodeType) -> None:
        async with AsyncPubrio() as client:
            self._namespace["pubrio"] = client
            done = eval(code, self._namespace)
            if done is not None:
                await done


def _place(block: Block, error: BaseException) -> str:
    """The line of a page an error comes from."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(block.path)]
    return f"{block.path}:{lines[-1]}" if lines else block.place


def _sh(block: Block) -> str:
    code, printed, told = _bash("set -euo pipefail\n" + block.source)
    if code:
        raise BlockError(f"{block.place}: exit code {code}\n{printed}{told}")
    return printed


def _console(block: Block) -> None:
    """Runs the commands in one shell, and compares what each of them prints."""
    commands = [*_COMMAND.finditer(block.source)]
    if not commands or block.source[: commands[0].start()].strip():
        raise BlockError(f"{block.place}: a console block begins with a command, after `$ `")
    script = ["ended() { code=$?; printf '\\036%s\\036' $code; return $code; }"]
    for command in commands:
        lines = command["command"].replace("\n> ", "\n")
        # For all that is of the shell: variables, folders, and `$?` of the command before.
        script.append(f"eval {shlex.quote(lines)} 2>&1; ended")
    _, printed, told = _bash("\n".join(script))
    parts = printed.split("\036")
    if len(parts) != 2 * len(commands) + 1:
        raise BlockError(f"{block.place}: the shell ended early\n{printed}{told}")
    ends = [match.start() for match in commands[1:]] + [len(block.source)]
    for number, (command, end) in enumerate(zip(commands, ends, strict=True)):
        line = block.line + 1 + block.source.count("\n", 0, command.start())
        place = f"{block.path}:{line}"
        got, code = parts[2 * number : 2 * number + 2]
        asked = number + 1 < len(commands) and "$?" in commands[number + 1]["command"]
        if code != "0" and not asked:
            raise BlockError(f"{place}: exit code {code}\n{got}")
        expected = block.source[command.end() : end]
        if expected.strip():
            _compare(place, expected, got)


def _compare(place: str, expected: str, got: str) -> None:
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    if not doctest.OutputChecker().check_output(expected.strip(), got.strip(), flags):
        raise BlockError(f"{place}: this was expected:\n{expected}\nand this was printed:\n{got}")


def _bash(script: str) -> tuple[int, str, str]:
    """Runs a script; what it leaves running is ended. Gives its exit code, stdout and stderr."""
    # Into files: what is left running would keep a pipe open.
    with tempfile.TemporaryFile("w+") as printed, tempfile.TemporaryFile("w+") as told:
        with subprocess.Popen(
            ["bash", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=told,
            start_new_session=True,
        ) as shell:
            try:
                shell.wait(_SECONDS)
            except subprocess.TimeoutExpired:
                told.write(f"\nnot done after {_SECONDS} s\n")
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(shell.pid, signal.SIGKILL)
        printed.seek(0)
        told.seek(0)
        return shell.returncode, printed.read(), told.read()
