"""The command line `pubrio-async`; needs the extra `cli`, which is imported when it is used."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer


def main() -> None:
    """Runs the command the process was started with.

    Raises:
        SystemExit: Always; what the code says is in the contract of the command line.
    """
    _open_standard_files()
    _outlive_readers()
    with _quiet_interrupts():
        _run()


@contextmanager
def _quiet_interrupts() -> Generator[None, None, None]:
    """Where nothing else is done about Ctrl-C, it ends the process without a traceback.

    So it is while the commands are loaded: nothing was sent yet, and there is nothing to tell.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # else it is ignored, as by nohup
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _run() -> None:
    if any(find_spec(module) is None for module in ("typer", "rich")):
        print(
            'pubrio-async: the command line needs the extra "cli": pip install "pubrio-async[cli]"',
            file=sys.stderr,
        )
        raise SystemExit(2)
    from pubrio_async.cli._app import app  # noqa: PLC0415 - typer may be missing

    app(prog_name="pubrio-async")


def _open_standard_files() -> None:
    """Opens what the process was started without, such as stdin by `<&-`.

    Else the next socket would be taken for it, which the event loop of the extra `speed` does not
    survive. Nothing can be read there; what is written to stderr is dropped, but results are not:
    writing to a stdout that is not there fails.
    """
    for descriptor, name, flags, mode in (
        (0, "stdin", os.O_RDONLY, "r"),
        (1, "stdout", os.O_RDONLY, "w"),
        (2, "stderr", os.O_WRONLY, "w"),
    ):
        if getattr(sys, name) is not None:
            continue
        opened = os.open(os.devnull, flags)
        if opened != descriptor:
            os.dup2(opened, descriptor)
            os.close(opened)
        # Not closed before the process ends.
        setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def _outlive_readers() -> None:
    """Lets no run end because nobody reads its messages any more, as after `2>&1 | head`."""
    usual, is_own = sys.stderr, sys.stderr is sys.__stderr__
    if is_own and not usual.isatty():
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(_Stderr(2, "w", closefd=False)),
            encoding=usual.encoding,
            errors=usual.errors,
            line_buffering=True,
        )


class _Stderr(io.FileIO):
    """Drops what cannot be written, and all that comes after it."""

    def write(self, data: Buffer, /) -> int:
        """Writes as much as can be, or drops it all."""
        try:
            return super().write(data)
        except OSError:
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), self.fileno())
            return memoryview(data).nbytes
