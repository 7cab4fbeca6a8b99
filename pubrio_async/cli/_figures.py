"""What a command was asked for, on stdout: a table for people, aligned text, or JSON."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

import msgspec

from pubrio_async.cli._messages import harmless_json, printable, say

Figure = tuple[str, str]
"""What it is, and how much."""


def print_figures(figures: Sequence[Figure]) -> bool:
    """Prints names and values, below each other; False if that did not work."""
    shown = [(printable(name), printable(value)) for name, value in figures]
    if sys.stdout.isatty():
        return print_out(_table(shown, sys.stdout))
    width = max(len(name) for name, _ in shown)
    return print_out("".join(f"{name:<{width}}  {value}\n" for name, value in shown))


def print_json(figures: msgspec.Struct | Mapping[str, object]) -> bool:
    """Prints an object; False if that did not work."""
    text = msgspec.json.format(msgspec.json.encode(figures)).decode()
    return print_out(f"{harmless_json(text)}\n")


def print_out(text: str, what: str = "the figures") -> bool:
    """Writes to stdout; False, and said so of what it was, if that did not work."""
    file = sys.stdout.buffer
    try:
        file.write(text.encode(errors="backslashreplace"))
        file.flush()
    except OSError as error:
        tell_unwritten(error, what)
        return False
    return True


def tell_unwritten(error: OSError, what: str) -> None:
    """Says that stdout did not take something, and lets go of it."""
    # What is held back would fail again, and loudly, when the process ends.
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.buffer.fileno())
    say(f"error: {what} could not be written: {error.strerror or error}")


def tell_figures(figures: Sequence[Figure]) -> None:
    """Shows names and values on stderr, which is a terminal."""
    shown = [(printable(name), printable(value)) for name, value in figures]
    print(_table(shown, sys.stderr), end="", file=sys.stderr, flush=True)


def _table(figures: Sequence[Figure], file: TextIO) -> str:
    # Only here: a fifth of a second that a pipe need not wait for.
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Column, Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    # A path that is cut, or taken for markup, cannot be read.
    table = Table(
        Column(style="bold", no_wrap=True),
        Column(overflow="fold"),
        box=None,
        show_header=False,
        padding=(0, 2, 0, 0),
        pad_edge=False,
    )
    for name, value in figures:
        table.add_row(name, Text(value))
    console = Console(file=file)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def many(number: int, what: str, plural: str = "s") -> str:
    """So many of something."""
    return f"{number:,} {what}{'' if number == 1 else plural}"
