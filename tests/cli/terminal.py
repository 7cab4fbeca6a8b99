"""A command in a terminal of its own: a real one, with a size and somebody who types."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.warm import take_terminal

_SECONDS = 60.0


class InTerminal:
    """A process whose stdin, stdout and stderr are a terminal.

    Args:
        words: The command line after `python -m pubrio_async`.
        folder: Where it runs.
        environ: What its environment has besides.
        columns: The width of the terminal.
        piped: Whether stdout is a pipe all the same.
        program: What is run instead of `python -m pubrio_async`.
    """

    def __init__(
        self,
        *words: str,
        folder: Path,
        environ: Mapping[str, str] | None = None,
        columns: int = 120,
        piped: bool = False,
        program: tuple[str, ...] = (sys.executable, "-m", "pubrio_async"),
    ) -> None:
        self._here, there = pty.openpty()
        self.resize(columns)
        env = {name: os.environ[name] for name in os.environ if name not in {"NO_COLOR", "COLUMNS"}}
        self.process = subprocess.Popen(
            [*program, *words],
            stdin=there,
            stdout=subprocess.PIPE if piped else there,
            stderr=there,
            cwd=folder,
            env=env | {"TERM": "xterm-256color"} | dict(environ or {}),
            start_new_session=True,
            # Without it Ctrl-C would reach nobody.
            preexec_fn=take_terminal,  # noqa: PLW1509 - one system call
        )
        os.close(there)
        self.shown = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        os.close(self._here)

    def resize(self, columns: int) -> None:
        """Makes the terminal wider or narrower."""
        fcntl.ioctl(self._here, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))

    def type(self, text: str) -> None:
        """Presses keys."""
        os.write(self._here, text.encode())

    def wait_for(self, pattern: str) -> str:
        """Reads until something is shown; gives all that was shown so far."""
        end = time.monotonic() + _SECONDS
        while not re.search(pattern, self.shown):
            assert self._read(end), f"{pattern!r} was never shown: {self.shown!r}"
        return self.shown

    def end(self) -> int:
        """Reads to the end; gives the exit code."""
        end = time.monotonic() + _SECONDS
        while self._read(end):
            pass
        return self.process.wait(_SECONDS)

    def lines(self) -> list[str]:
        """What was shown, without what only moves the cursor or gives colours."""
        return plain(self.shown).replace("\r", "\n").splitlines()

    def _read(self, end: float) -> bool:
        left = end - time.monotonic()
        assert left > 0, f"it goes on and on: {self.shown[-2_000:]!r}"
        if not select.select([self._here], [], [], left)[0]:
            return True
        data = b""
        # On Linux the end of a terminal is an error.
        with suppress(OSError):
            data = os.read(self._here, 65_536)
        self.shown += data.decode(errors="replace")
        return bool(data)


def plain(text: str) -> str:
    """A text without the sequences a terminal obeys."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
