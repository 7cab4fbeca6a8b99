"""What all who look into a body share: what reading it may raise, what is shown of it."""

from __future__ import annotations

from typing import Final

# All that msgspec raises for bad input: its own errors and UnicodeDecodeError are ValueErrors.
BAD_INPUT: Final = (ValueError, RecursionError)

_MESSAGE_CHARS: Final = 200
_BODY_CHARS: Final = 2_000


def body_text(body: bytes) -> str:
    """The beginning of a body as text, whatever its bytes are."""
    # Four bytes at most make a character: no need to decode a long body for its beginning.
    return body[: 4 * _BODY_CHARS].decode("utf-8", "replace")[:_BODY_CHARS]


def one_line(text: str) -> str:
    """Text fit for a message: one line, nothing a terminal would obey, cut to length."""
    line = " ".join(text[: 4 * _MESSAGE_CHARS].split())
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
    return line if len(line) <= _MESSAGE_CHARS else line[: _MESSAGE_CHARS - 1] + "…"
