"""What a power cut leaves of a write: the files as they were before, as after, or in between.

SQLite writes a group of steps to the log (WAL) and waits until the disk has it; now and then it
then copies the log into the database file and waits again. What it does not wait for may reach
the disk in part, and in any order.
"""

from __future__ import annotations

import random

Files = dict[str, bytes]
"""The parts of a database: "" for the file itself, "-wal" for its log."""

LOG = "-wal"
_SECTOR = 512
_BLOCK = 4096
_LOG_HEADER = 32


def torn_group(before: Files, after: Files, rng: random.Random) -> Files:
    """The files when the power went during a group of steps."""
    if before.get("") != after.get("") and rng.random() < 0.5:
        return {**after, "": _mixed(before.get("", b""), after.get("", b""), _BLOCK, rng)}
    return {"": before.get("", b""), LOG: _torn_log(before.get(LOG, b""), after.get(LOG, b""), rng)}


def torn_opening(before: Files, after: Files, rng: random.Random) -> Files:
    """The files when the power went while the journal was made, or opened again."""
    if before.get(""):
        return torn_group(before, after, rng) if LOG in after else before
    file = after.get("", b"")
    page = int.from_bytes(file[16:18], "big")  # as the header of the file has it
    if rng.random() < 0.3 or len(file) > page:
        return {"": b""}
    return {"": after[""], LOG: _torn_log(b"", after.get(LOG, b""), rng)}


def torn_closing(before: Files, after: Files, rng: random.Random) -> Files:
    """The files when the power went while the log was folded into the database file."""
    if rng.random() < 0.5:
        return {**before, "": _mixed(before.get("", b""), after.get("", b""), _BLOCK, rng)}
    return {**before, "": after.get("", b"")}


def _torn_log(before: bytes, after: bytes, rng: random.Random) -> bytes:
    start = _alike(before, after)
    how = rng.choice(["cut", "garbage", "zeros", "sectors"])
    if how == "sectors" and start >= _LOG_HEADER:
        # The header is on the disk before anything else of a log that starts anew.
        return before[:start] + _mixed(before[start:], after[start:], _SECTOR, rng)
    cut = rng.randint(start, len(after))
    kept = after[:cut]
    if how in {"garbage", "zeros"}:
        rest = min(-cut % _SECTOR, len(after) - cut)
        kept += rng.randbytes(rest) if how == "garbage" else bytes(rest)
    return kept + before[len(kept) :]


def _alike(before: bytes, after: bytes) -> int:
    """How many bytes are the same at the beginning of both; found by halves, for they are long."""
    alike, differs = 0, min(len(before), len(after)) + 1
    while differs - alike > 1:
        middle = (alike + differs) // 2
        if before[alike:middle] == after[alike:middle]:
            alike = middle
        else:
            differs = middle
    return alike


def _mixed(before: bytes, after: bytes, size: int, rng: random.Random) -> bytes:
    """Each piece old or new, whatever the order; what was not there before may be zeros."""
    length = rng.choice([len(after), rng.randint(min(len(before), len(after)), len(after))])
    pieces: list[bytes] = []
    for at in range(0, length, size):
        end = min(at + size, length)
        old = before[at:end].ljust(end - at, b"\0")
        pieces.append(rng.choice([old, after[at:end]]))
    return b"".join(pieces) + before[length:]
