"""What the server allows, in one place."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from pubrio_async.sandbox import SandboxConfig


class Settings(Struct, frozen=True, kw_only=True):
    """Settings of the application. Times are in seconds.

    Attributes:
        folder: Where jobs are kept; made private to its owner.
        sandbox: The stand-in to run beside the application; None talks to the real API, with the
            key and the URL of the environment.
        batch_size: Most people in one request; small ones make a livelier table, large ones need
            fewer requests.
        max_upload: Bytes of a form.
        max_rows: Rows of a job.
        max_rows_kept: Rows of all jobs together, which is what bounds the memory.
        max_running: Jobs that run at once.
        max_jobs: Jobs a visitor may have.
        max_streams: Open event streams of a visitor, a bit more than the tabs they may have.
        keep_s: How long a job is kept after its end; then its folder is removed.
        hosts: Names by which the server may be called; others are refused, so that a foreign
            page cannot reach it by a name of its own (DNS rebinding).
    """

    folder: Path
    sandbox: SandboxConfig | None = None
    batch_size: int = 100
    max_upload: int = 1 << 20
    max_rows: int = 5_000
    max_rows_kept: int = 100_000
    max_running: int = 4
    max_jobs: int = 10
    max_streams: int = 12
    keep_s: float = 24 * 3600.0
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
