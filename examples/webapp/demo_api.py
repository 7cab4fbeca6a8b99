"""The stand-in for the API, which remembers across restarts.

It is a pure state machine: the same requests at the same times lead to the same state. So it keeps
a log of what it was asked, and asks itself once more when it starts. That is what makes it possible
to kill the server in the middle of a job, start it again, and see nothing paid for twice.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import msgspec
from anyio import to_thread
from msgspec import Struct

from pubrio_async import ConfigurationError
from pubrio_async.sandbox import (
    Sandbox,
    SandboxConfig,
    SandboxReply,
    SandboxRequest,
    SandboxServer,
)

# Only these change anything that is still of interest after a restart.
_REMEMBERED = ("/redeem/people", "/redeem/people/batch", "/redeem/people/batch/query")
_MOST_BYTES = 16 << 20


class _Entry(Struct, array_like=True):
    at: float
    path: str
    body: bytes


class _Remembering(Sandbox):
    """A stand-in on the clock of the wall, which goes on while nobody is running it."""

    def __init__(self, config: SandboxConfig, log: Path) -> None:
        super().__init__(config)
        self.epoch = 0.0
        self._last = 0.0
        self._file: BinaryIO | None = None
        if log.exists() and log.stat().st_size > _MOST_BYTES:
            log.unlink()
        for line in log.read_bytes().splitlines() if log.exists() else ():
            entry = msgspec.json.decode(line, type=_Entry)
            self._last = entry.at
            super().handle(_request(entry), entry.at)
        self._file = os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")

    def handle(self, request: SandboxRequest, now: float) -> SandboxReply:  # noqa: ARG002 - see above
        """Carries out a request, and remembers it."""
        self._last = max(self._last, time.time())
        if self._file is not None and request.path in _REMEMBERED:
            entry = _Entry(self._last, request.path, request.body)
            self._file.write(msgspec.json.encode(entry) + b"\n")
            self._file.flush()
        return super().handle(request, self._last)

    def close(self) -> None:
        """Closes the log."""
        if self._file is not None:
            self._file.close()


@asynccontextmanager
async def demo_api(folder: Path, config: SandboxConfig) -> AsyncGenerator[str, None]:
    """Runs the stand-in while the block runs; gives its URL, the same one each time.

    Journals know the API they belong to by its URL, so the port is kept beside the log.

    Raises:
        ConfigurationError: Somebody else has taken the port.
    """
    kept = folder / "sandbox.port"
    port, sandbox = await to_thread.run_sync(_open, folder, kept, config)
    try:
        async with SandboxServer(sandbox, port=port) as server:
            await to_thread.run_sync(kept.write_text, str(urlsplit(server.url).port))
            yield server.url
    except OSError as error:
        raise ConfigurationError(
            f"Port {port}, where the stand-in of these jobs was, is in use by something else: end "
            f"that, or remove {folder} to begin anew."
        ) from error
    finally:
        sandbox.close()


def _open(folder: Path, kept: Path, config: SandboxConfig) -> tuple[int, _Remembering]:
    port = int(kept.read_text()) if kept.exists() else 0
    remembered = msgspec.structs.replace(config, epoch=0.0, job_retention=7 * 24 * 3600.0)
    return port, _Remembering(remembered, folder / "sandbox.log")


def _request(entry: _Entry) -> SandboxRequest:
    return SandboxRequest("POST", entry.path, {"pubrio-api-key": "sandbox"}, entry.body)
