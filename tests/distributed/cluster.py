"""A PostgreSQL of our own: made from the installed programs, gone with the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql

_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "log_min_messages": "warning",
}
# A crash of the machine is not what these tests are about, and waiting for its disk takes long.
_FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_init_zero": "off",
}


def programs() -> Path | None:
    """The folder with `initdb` and `postgres`; None where PostgreSQL is not installed."""
    homes = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda home: home.parent.name)
    found = shutil.which("initdb")
    if found is not None:
        homes.append(Path(found).resolve().parent)
    for home in reversed(homes):
        if (home / "initdb").exists() and (home / "postgres").exists():
            return home
    return None


class Cluster:
    """A server that listens on a socket in a folder of its own."""

    def __init__(
        self,
        home: Path,
        folder: Path,
        settings: Mapping[str, str],
        copy_of: Cluster | None = None,
    ) -> None:
        self._home = home
        self._folder = folder
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: psycopg.Connection | None = None
        # It refuses to run as root.
        self._user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        if self._user is not None:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)
        if copy_of is not None:
            copy = ("-h", str(copy_of._folder), "-U", "tests", "-R", "-c", "fast", "-X", "stream")
            self._run("pg_basebackup", "-D", str(folder / "data"), *copy)
            return
        self._run("initdb", "-D", str(folder / "data"), "-U", "tests", "-A", "trust", "-E", "UTF8")
        if settings["listen_addresses"]:
            with (folder / "data" / "pg_hba.conf").open("a") as rules:
                rules.write("host all all 10.0.0.0/8 trust\n")

    def url(self, database: str = "postgres", user: str = "tests") -> str:
        return f"postgresql://{user}@/{database}?host={self._folder}"

    def start(self) -> None:
        options = [text for item in self._settings.items() for text in ("-c", "=".join(item))]
        command = [self._home / "postgres", "-D", self._folder / "data", "-k", self._folder]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *options], stdout=subprocess.DEVNULL, stderr=log, **self._identity()
            )
        for _ in range(600):
            if self._asks("SELECT 1"):
                return
            time.sleep(0.05)
        raise AssertionError((self._folder / "log").read_text())

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stops the server: SIGINT breaks off connections, SIGQUIT is like a crash."""
        process, self._process = self._process, None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        if process is not None:
            process.send_signal(how)
            process.wait(30)

    def or_else(self, other: Cluster, database: str) -> str:
        """The address of a database on this server or on the other, whichever can be written."""
        hosts = f"{self._folder},{other._folder}"
        return f"postgresql://tests@/{database}?host={hosts}&target_session_attrs=read-write"

    def promote(self) -> None:
        """Makes a server of its own of one that follows another; what it has is what counts."""
        self._run("pg_ctl", "promote", "-w", "-D", str(self._folder / "data"))

    def make_database(self, name: str, template: str = "template1") -> str:
        # File by file, as all did before version 15: what is small need not go through the log.
        copied = "CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy"
        is_old = self._admin().info.server_version < 150_000
        self._tell("CREATE DATABASE {} TEMPLATE {}" if is_old else copied, name, template)
        return self.url(name)

    def drop_database(self, name: str) -> None:
        self._tell("DROP DATABASE {} WITH (FORCE)", name)

    def _tell(self, statement: LiteralString, *names: str) -> None:
        """On one connection: a program for each statement takes the server longer than that."""
        self._admin().execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def _admin(self) -> psycopg.Connection:
        if self._connection is None:
            self._connection = psycopg.connect(self.url(), autocommit=True)
        return self._connection

    def _asks(self, statement: str) -> bool:
        command = [self._home / "psql", "-qAt", self.url(), "-c", statement]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def _run(self, name: str, *arguments: str) -> None:
        command: Sequence[str | Path] = [self._home / name, *arguments]
        done = subprocess.run(command, capture_output=True, check=False, **self._identity())
        assert done.returncode == 0, done.stderr.decode()

    def _identity(self) -> dict[str, object]:
        if self._user is None:
            return {"cwd": self._folder}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "cwd": self._folder}


@contextmanager
def running(
    home: Path,
    *,
    durable: bool = False,
    listen: str = "",
    preload: str = "",
    copy_of: Cluster | None = None,
) -> Iterator[Cluster]:
    """A running server with nothing in it, or one that follows another.

    Args:
        home: The programs.
        durable: Whether it keeps what it has promised when it crashes.
        listen: An address to listen on, beside its socket, for anybody.
        preload: Libraries it starts with.
        copy_of: The one that it follows.
    """
    # A short path: that of a socket may have a hundred letters.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    own = {"listen_addresses": listen, "shared_preload_libraries": preload}
    settings = _SETTINGS | ({} if durable else _FAST) | own
    cluster = Cluster(home, folder, settings, copy_of)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop(signal.SIGQUIT)
        shutil.rmtree(folder)
