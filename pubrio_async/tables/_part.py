"""A file that appears at once, whole, or not at all."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from typing import BinaryIO

from pubrio_async._errors import ConfigurationError

if sys.platform != "win32":
    import fcntl

_BUFFER = 1 << 16


class PartFile:
    """Writes `PATH.part`, which takes the place of `PATH` when it is published.

    Opening it finds out whether the file can be written at all, and that nobody else is writing
    it. Both files can be read by their owner only: they hold personal data. What an earlier
    process left in `PATH.part` is overwritten.

    Attributes:
        path: Where the file will appear.
        file: What to write to.
    """

    def __init__(self, path: str, *, what: str) -> None:
        """Opens the file.

        Args:
            path: Where the file is to appear; a link is followed.
            what: What messages call the file, such as "output".

        Raises:
            ConfigurationError: The file cannot be written.
        """
        self.path = path
        self._target = os.path.realpath(path)
        self._part = f"{self._target}.part"
        try:
            _check_target(self._target)
            self.file: BinaryIO = os.fdopen(_open_private(self._part), "wb", _BUFFER)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigurationError(f"Cannot write the {what} {path!r}: {reason}.") from error

    def publish(self) -> None:
        """Closes the file and puts it in its place.

        Raises:
            OSError: That did not work; what was written is still in `PATH.part`.
        """
        with self.file:
            self.file.flush()
            os.fsync(self.file.fileno())
            if sys.platform != "win32":  # Windows cannot rename an open file
                os.replace(self._part, self._target)
        if sys.platform == "win32":
            os.replace(self._part, self._target)

    def discard(self, *, keep: bool = False) -> None:
        """Closes the file; what stood in its place before is left as it was.

        Args:
            keep: Leave what was written in `PATH.part`, instead of removing it.
        """
        if self.file.closed:
            return
        if not keep and sys.platform != "win32":
            os.unlink(self._part)  # before it is let go of: then it may be another process's
        # What made the caller give up, such as a full disk, makes the last flush fail too.
        with suppress(OSError):
            self.file.close()
        if not keep and sys.platform == "win32":  # which removes no open file
            os.unlink(self._part)


def _check_target(path: str) -> None:
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        kind = "it is a directory" if stat.S_ISDIR(mode) else "it is not a regular file"
        raise OSError(kind)
    if not os.access(path, os.W_OK):
        raise OSError("it is write-protected")


def _open_private(path: str) -> int:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    fd = os.open(path, flags, 0o600)
    try:
        if sys.platform != "win32":
            _lock(fd, path)
            os.fchmod(fd, 0o600)
        os.ftruncate(fd, 0)
    except OSError:
        os.close(fd)
        raise
    return fd


if sys.platform != "win32":

    def _lock(fd: int, path: str) -> None:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OSError("another process is writing it") from error
        if not os.path.exists(path) or not os.path.samestat(os.fstat(fd), os.stat(path)):
            # The other process put it in its place, or removed it, between the open and the lock.
            raise OSError("another process has just written it")
