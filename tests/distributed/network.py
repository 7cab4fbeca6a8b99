"""Hosts with a network of their own on one machine, whose packets can be made to vanish.

Everything lives in network namespaces that end with the processes that hold them: the network of
the machine is not touched. The world, where database and API are, is the namespace of the process
that makes the hosts; see `apart`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from typing import Literal

DATABASE = "10.78.0.1"
API = "10.79.0.1"
Place = Literal["database", "api"]

# Nobody has it: what is sent there is lost without a word, as behind a broken switch.
_NOWHERE = "02:00:00:00:00:99"
_PROGRAMS = {"ip": "iproute2", "nsenter": "util-linux", "unshare": "util-linux"}


def missing() -> str | None:
    """A program that is not installed, and its package."""
    return next(
        (f"{name} (apt: {of})" for name, of in _PROGRAMS.items() if shutil.which(name) is None),
        None,
    )


def apart(*command: str) -> list[str]:
    """A command in a network of its own, where it may do as it likes."""
    if os.geteuid() == 0:
        return ["unshare", "--net", *command]
    # The same user, who may do so in here: PostgreSQL does not run as root.
    return ["unshare", "--user", "--map-current-user", "--keep-caps", "--net", *command]


def refused() -> str | None:
    """Why the kernel lets nobody make networks here; None if it does."""
    done = subprocess.run(
        apart("ip", "link", "set", "lo", "up"), capture_output=True, text=True, check=False
    )
    return done.stderr.strip() or "it says no" if done.returncode else None


def make_world() -> None:
    """Gives the addresses of database and API to the namespace this runs in."""
    _ip("link", "set", "lo", "up")
    for address in (DATABASE, API):
        _ip("addr", "add", f"{address}/32", "dev", "lo")


class Host:
    """One host, with one way to the database and one to the API."""

    def __init__(self, number: int) -> None:
        # It ends with this process, and the namespace with it.
        self._holder = subprocess.Popen(
            ["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        self._link = f"host{number}"
        self._ways: dict[Place, tuple[str, str]] = {}
        while os.readlink(f"/proc/{self._holder.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
            pass  # for a moment it is not there yet
        holder = str(self._holder.pid)
        _ip("link", "add", self._link, "type", "veth", "peer", "name", "eth0", "netns", holder)
        _ip("link", "set", self._link, "up")
        self._ip("link", "set", "lo", "up")
        self._ip("link", "set", "eth0", "up")
        places: tuple[tuple[Place, str], ...] = (("database", DATABASE), ("api", API))
        for half, (place, address) in enumerate(places):
            there, here = f"10.77.{number}.{4 * half + 1}", f"10.77.{number}.{4 * half + 2}"
            _ip("addr", "add", f"{there}/30", "dev", self._link)
            self._ip("addr", "add", f"{here}/30", "dev", "eth0")
            self._ip("route", "add", address, "via", there, "src", here)
            self._ways[place] = (there, here)

    def command(self, *words: str) -> list[str]:
        """A command on this host."""
        return ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", "--", *words]

    def cut(self, place: Place) -> None:
        """From now on packets to and from there vanish; nobody is told."""
        there, here = self._ways[place]
        self._ip("neigh", "replace", there, "lladdr", _NOWHERE, "dev", "eth0", "nud", "permanent")
        _ip("neigh", "replace", here, "lladdr", _NOWHERE, "dev", self._link, "nud", "permanent")

    def mend(self, place: Place) -> None:
        """They arrive again."""
        there, here = self._ways[place]
        self._ip("neigh", "del", there, "dev", "eth0")
        _ip("neigh", "del", here, "dev", self._link)

    def close(self) -> None:
        """The host and its network are gone."""
        assert self._holder.stdin is not None
        with suppress(BrokenPipeError):
            self._holder.stdin.close()
        self._holder.wait(10)

    def _ip(self, *words: str) -> None:
        _run(self.command("ip", *words))


def _ip(*words: str) -> None:
    _run(["ip", *words])


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.stderr)
