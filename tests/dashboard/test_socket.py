"""Where the page listens, and who may ask for it."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from pubrio_async import ConfigurationError
from pubrio_async.dashboard._socket import listen, may_ask, names_of, url_of
from tests.together import together


@together
@pytest.mark.parametrize(
    "header",
    ["127.0.0.1:8080", "localhost:1", "LOCALHOST", "localhost.", "[::1]:8080", "127.0.0.2"],
)
def test_this_machine_may_ask(header: str) -> None:
    assert may_ask(header, names_of("127.0.0.1"), only_loopback=True)


@together
@pytest.mark.parametrize(
    "header",
    [
        None, "", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example",
        "192.168.0.7", "user@127.0.0.1", "127.0.0.1@evil.example", "127.0.0.1 evil.example",
        "2130706433", "0x7f.1", "[::1", "[::ffff:192.168.0.7]", "::1", "localhost/x",
        "evil.example#@127.0.0.1", "\x00localhost",
    ],
)  # fmt: skip
def test_a_name_that_others_can_point_here_may_not(header: str | None) -> None:
    assert not may_ask(header, names_of("127.0.0.1"), only_loopback=True)


def test_a_page_for_others_is_asked_for_by_address_or_by_the_name_it_was_given() -> None:
    names = names_of("Box.example")

    assert may_ask("192.168.0.7:8080", names, only_loopback=False)
    assert may_ask("[fe80::1]:8080", names, only_loopback=False)
    assert may_ask("box.example:8080", names, only_loopback=False)
    assert may_ask(socket.gethostname().lower(), names, only_loopback=False)
    assert not may_ask("evil.example", names, only_loopback=False)


def test_a_port_that_is_in_use_is_told_in_one_line() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port}: the port is in use") as told:
            listen("127.0.0.1", port)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("number", "port", "words"),
    [
        (errno.EACCES, 80, "ports below 1024 are for administrators"),
        (errno.EACCES, 8_080, "Permission denied"),
        (errno.ENETDOWN, 8_080, "Network is down"),
    ],
)
def test_a_port_that_may_not_be_had(
    monkeypatch: pytest.MonkeyPatch, number: int, port: int, words: str
) -> None:
    class Refused(socket.socket):
        def bind(self, address: object) -> None:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket, "socket", Refused)

    with pytest.raises(ConfigurationError, match=words):
        listen("127.0.0.1", port)


@together
@pytest.mark.parametrize(
    ("host", "port", "words"),
    [
        ("no.such.host.invalid", 0, "not the name or the address of a host"),
        ("a" * 300, 0, "not the name or the address of a host"),
        ("192.0.2.1", 0, "this machine has no such address"),
        ("127.0.0.1", 65_536, "from 0 to 65535"),
        ("127.0.0.1", -1, "from 0 to 65535"),
    ],
)
def test_addresses_that_cannot_be_listened_on(host: str, port: int, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        listen(host, port)


@pytest.mark.parametrize(
    ("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("localhost", "")]
)
def test_the_url_works_on_this_machine(host: str, shown: str) -> None:
    with listen(host, 0) as listener:
        port = listener.getsockname()[1]
        url = url_of(listener, "token")
        if shown:
            assert url == f"http://{shown}:{port}/token/"
        assert url.endswith(f":{port}/token/")


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_the_url_of_an_address_with_colons() -> None:
    with listen("::1", 0) as listener:
        assert url_of(listener, "token").startswith("http://[::1]:")
