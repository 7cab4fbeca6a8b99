"""Where the page listens, and by which names it may be asked for."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from collections.abc import Collection
from typing import Final

from pubrio_async._config import is_loopback, split_url
from pubrio_async._errors import ConfigurationError

_BACKLOG: Final = 32
_WINDOWS: Final = os.name == "nt"


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens already, so that nobody else can take the port.

    Args:
        host: A name or an address of this machine.
        port: The port; 0 takes a free one.

    Raises:
        ConfigurationError: That cannot be. The text tells why, in one line.
    """
    if not 0 <= port <= 65_535:
        msg = f"The dashboard cannot listen on port {port}: a port is a number from 0 to 65535."
        raise ConfigurationError(msg)
    where = f"The dashboard cannot listen on {host!a:.80}" + (f", port {port}" if port else "")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        msg = f"{where}: that is not the name or the address of a host."
        raise ConfigurationError(msg) from error
    listener = socket.socket(family, kind, protocol)
    try:
        if not _WINDOWS:  # there it would let two programs share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        msg = f"{where}: {_why(error, port)}."
        raise ConfigurationError(msg) from error
    listener.setblocking(False)
    return listener


def _why(error: OSError, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "the port is in use; name another one, or none for any free port"
        case errno.EACCES if 0 < port < 1024:
            return "ports below 1024 are for administrators; name a higher one"
        case errno.EADDRNOTAVAIL:
            return "this machine has no such address"
        case _:
            return error.strerror or type(error).__name__


def url_of(listener: socket.socket, token: str) -> str:
    """The URL of the page, as it works on this machine."""
    host, port = listener.getsockname()[:2]
    address = ipaddress.ip_address(host.partition("%")[0])
    if address.is_unspecified:
        host = "127.0.0.1" if address.version == 4 else "::1"
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/{token}/"


def names_of(host: str) -> frozenset[str]:
    """The names, beside addresses, by which a page listening on a host may be asked for."""
    names = {"localhost", host.lower()}
    if not is_loopback(host):
        names.add(socket.gethostname().lower())
    return frozenset(names)


def may_ask(header: str | None, names: Collection[str], *, only_loopback: bool) -> bool:
    """Whether the Host header of a request names this machine.

    A page elsewhere can make its own name point to this machine, and then read what is served
    here. It cannot do so with an address. The port may differ, because of tunnels.

    Args:
        header: The header; None if there is none.
        names: Names that are fine.
        only_loopback: Whether other addresses than those of this machine itself are not.
    """
    if header is None or set(header) & set("/?#@"):
        return False
    parts = split_url(f"http://{header}/")
    if parts is None or parts.hostname is None:
        return False
    host = parts.hostname.removesuffix(".")
    if host in names:
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or not only_loopback
