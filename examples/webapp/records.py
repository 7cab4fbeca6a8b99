"""What of a job is on disk, private and whole.

A job is a folder (0700) of files (0600): `input.csv` as it came, `run.journal` which the SDK keeps,
`job.json` with what is known of it, and after its end `rows.json` and `results.csv`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from pubrio_async import ConfigurationError, Outcome
from pubrio_async.endpoints import ContactTypeName

if sys.platform != "win32":
    import fcntl

State = Literal["running", "stopping", "done", "limited", "failed", "cancelled", "interrupted"]


class Record(Struct, kw_only=True):
    """What is known of a job beside its rows.

    Attributes:
        id: Its name in URLs and on disk.
        owner: The hash of the cookie it was made with.
        title: What the visitor calls it.
        ending: Which kind of file the input is.
        types: What to look for.
        max_credits: What the newest run of it may cost.
        created_at: Unix time.
        ended_at: Unix time of its last end; None while it runs.
        state: How it stands.
        notice: What there is to say about how it ended.
        charged: Credits charged by runs that have ended.
        spent: Those of the newest of them, which is what `max_credits` bounded.
    """

    id: str
    owner: str
    title: str
    ending: str
    types: tuple[ContactTypeName, ...]
    max_credits: float
    created_at: float
    ended_at: float | None = None
    state: State = "running"
    notice: str = ""
    charged: float = 0
    spent: float = 0


class JobFolder:
    """The files of one job."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = path / "run.journal"
        self.results = path / "results.csv"

    def create(self, record: Record, content: bytes) -> None:
        """Makes the folder with what the job begins with."""
        self.path.mkdir(mode=0o700)
        write_private(self.input(record), content)
        self.save(record)

    def input(self, record: Record) -> Path:
        """Where the input is."""
        return self.path / f"input{record.ending}"

    def save(self, record: Record) -> None:
        """Keeps what is known."""
        write_private(self.path / "job.json", msgspec.json.encode(record))

    def load(self) -> Record:
        """What was known.

        Raises:
            OSError: It is not there.
            msgspec.DecodeError: It is damaged.
        """
        return msgspec.json.decode((self.path / "job.json").read_bytes(), type=Record)

    def save_rows(self, rows: list[Outcome]) -> None:
        """Keeps the rows, so that they can be shown after a restart."""
        write_private(self.path / "rows.json", msgspec.json.encode(rows))

    def load_rows(self) -> list[Outcome]:
        """The rows that were kept; none if it never came to that."""
        path = self.path / "rows.json"
        return msgspec.json.decode(path.read_bytes(), type=list[Outcome]) if path.exists() else []


@contextmanager
def sole_user(folder: Path) -> Generator[None, None, None]:
    """Makes a private folder, and keeps other servers out of it while the block runs.

    Raises:
        ConfigurationError: Another server is using it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if sys.platform != "win32":
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise ConfigurationError(
                    f"Another server is using {folder}: end it, or name another --folder."
                ) from error
        yield
    finally:
        os.close(descriptor)


def write_private(path: Path, data: bytes) -> None:
    """Writes a file that only its owner can read: the whole of it, or nothing."""
    part = path.with_name(f"{path.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    part.replace(path)
