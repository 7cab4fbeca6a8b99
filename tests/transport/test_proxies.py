"""Which proxy is asked; where one does not let a request through, it was not sent."""

from __future__ import annotations

import aiohttp
import pytest

from pubrio_async._config import load_settings
from pubrio_async._errors import ConfigurationError
from pubrio_async._transport import AiohttpTransport
from pubrio_async._transport.proxy import proxy_for
from tests.transport.broken_server import BrokenServer, http_reply
from tests.transport.sending import KEY, Make, after_request, fails, free_port


async def test_a_proxy_that_refuses(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    async with BrokenServer(after_request(http_reply(b"", "407 Who?"))) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:hunter2@127.0.0.1:{proxy.port}")
        error, phase = await fails(make("https://api.example.test"))
    assert phase.sent == 0
    assert "the proxy refused the connection (status 407)" in str(error)
    assert "hunter2" not in str(error)
    assert proxy.requests[0].startswith(b"CONNECT api.example.test:443 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic" in proxy.requests[0]
    assert KEY.encode() not in proxy.requests[0]


async def test_a_proxy_that_is_away(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{free_port()}")
    error, phase = await fails(make("https://api.example.test"))
    assert phase.sent == 0
    assert "the proxy could not be reached" in str(error)


async def test_a_proxy_that_hangs_up(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    # The same exception as for a lost reply, yet the request itself never left.
    async with BrokenServer(after_request()) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        error, phase = await fails(make("https://api.example.test"))
    assert phase.sent == 0
    assert isinstance(error.__cause__, aiohttp.ServerDisconnectedError)


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        ({"https_proxy": "proxy:3128"}, "http://proxy:3128"),
        ({"HTTPS_PROXY": "https://proxy"}, "https://proxy"),
        ({"HTTP_PROXY": "http://proxy"}, None),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "other,api.example.test"}, None),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "*"}, None),
    ],
)
def test_the_proxy_is_what_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], proxy: str | None
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert proxy_for("https://api.example.test/v1") == proxy


def test_there_is_no_proxy_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    for url in ("http://127.0.0.1:1", "http://localhost", "https://[::1]"):
        assert proxy_for(url) is None


@pytest.mark.parametrize(
    "proxy",
    [
        "socks5://me:hunter2@proxy",
        "http://",
        "http://me:hunter2@",
        "http://me:hunter2@proxy:port",
        "http://me:hunter2@a..b",
        "me:hunter2@pro xy",
    ],
)
def test_a_proxy_that_cannot_be_used_is_refused(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY") as caught:
        AiohttpTransport(load_settings(KEY, environ={}))
    assert "hunter2" not in str(caught.value)
