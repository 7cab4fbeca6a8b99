"""What was bought and may not be in the journal: kept where no later run replaces it."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack, suppress

import msgspec

from pubrio_async.models import Outcome
from pubrio_async.tables import PartFile


def keep(path: str, name: str) -> str:
    """Keeps a file under `NAME.kept`, or the first of `NAME.kept-2`, ... that is free.

    A hard link where the disk knows such a thing, else a copy that only its owner can read.

    Args:
        path: The file.
        name: What it is named after.

    Returns:
        Where it is kept.

    Raises:
        OSError: That did not work; nothing of it is left.
    """
    kept, number = f"{name}.kept", 1
    while True:
        try:
            _link_or_copy(os.path.realpath(path), kept)
        except FileExistsError:
            number += 1
            kept = f"{name}.kept-{number}"
        else:
            return kept


def _link_or_copy(path: str, kept: str) -> None:
    try:
        os.link(path, kept)
    except FileExistsError:
        raise
    except OSError:
        pass  # not on this disk; a copy will do
    else:
        return
    with open(path, "rb") as source:
        target = os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o600)
        try:
            with os.fdopen(target, "wb") as file:
                shutil.copyfileobj(source, file)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            with suppress(OSError):
                os.unlink(kept)
            raise


_BINARY = getattr(os, "O_BINARY", 0)


class Backup:
    """What was found, on the disk in case the journal fails; else it is thrown away.

    Args:
        journal: The journal, beside which it is.
        stack: Throws it away when it is left.

    Raises:
        ConfigurationError: Nothing can be written there.
    """

    def __init__(self, journal: str, stack: ExitStack) -> None:
        self._journal = journal
        self._part = PartFile(f"{journal}.outcomes", what="copy of the outcomes")
        self._path = f"{os.path.realpath(journal)}.outcomes.part"
        self._encoder = msgspec.json.Encoder()
        stack.callback(self._part.discard)

    def write(self, outcome: Outcome) -> None:
        """Takes an outcome; where that does not work, the journal is all there is."""
        if outcome.status != "found":
            return
        with suppress(OSError):
            self._part.file.write(self._encoder.encode(outcome) + b"\n")

    def keep(self) -> str:
        """Gives it a name of its own; returns that.

        Raises:
            OSError: That did not work.
        """
        self._part.discard(keep=True)
        kept = keep(self._path, self._journal)
        os.unlink(self._path)
        return kept
