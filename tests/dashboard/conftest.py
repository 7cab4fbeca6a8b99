"""What the tests of the dashboard are given; the command line is run as it is in its own tests."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from tests.cli.conftest import cli

__all__ = ["cli"]


@pytest.fixture(autouse=True)
def nobody_is_asked_for_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that does not exist is known to be none without a question over the network."""
    ask = socket.getaddrinfo

    def known(host: Any, *rest: Any, **more: Any) -> Any:
        if isinstance(host, str) and host.endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return ask(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", known)
