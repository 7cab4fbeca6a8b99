"""The way to the API, looked at over real sockets."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
from email.utils import formatdate
from pathlib import Path

import pytest

from pubrio_async.doctor.connection import compare_clocks, look_at_connection
from pubrio_async.doctor.evidence import Evidence, Exchange
from pubrio_async.doctor.findings import find_warnings
from pubrio_async.doctor.report import DoctorReport
from tests.together import together


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command makes the certificate")
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", str(path), "-out", str(path) + ".crt"),
        ],
        check=True,
        capture_output=True,
    )
    path.write_text(path.read_text() + Path(str(path) + ".crt").read_text())
    return path


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def test_tls_and_how_long_its_certificate_is_good_for(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with await asyncio.start_server(hang_up, "localhost", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"https://localhost:{port}"
        stranger = await look_at_connection(url, 5.0)
        trusting = ssl.create_default_context(cafile=certificate)
        monkeypatch.setattr(ssl, "create_default_context", lambda: trusting)
        found = await look_at_connection(url, 5.0)
    assert stranger.problem is not None
    assert "certificate cannot be trusted" in stranger.problem
    assert found.problem is None
    assert found.tls == "TLSv1.3"
    assert found.certificate_days == 1
    assert found.addresses
    report = DoctorReport(connection=found)
    assert find_warnings(report, []) == [f"The certificate of localhost:{port} ends within 2 days."]


async def test_a_port_that_speaks_no_tls() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        found = await look_at_connection(f"https://127.0.0.1:{port}", 5.0)
    assert found.problem is not None
    assert found.problem.startswith("it does not agree on TLS: ")


async def test_what_is_in_the_way(unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = await look_at_connection(f"http://127.0.0.1:{unused_tcp_port}", 5.0)
    assert refused.problem == "Connection refused"
    assert refused.addresses == 1

    async def fail(*_: object, **__: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    loop = asyncio.get_running_loop()
    with monkeypatch.context() as patched:
        patched.setattr(loop, "getaddrinfo", fail)
        unknown = await look_at_connection("http://name.invalid", 5.0)
    assert unknown.problem == "its name is not known"

    async def never(*_: object, **__: object) -> object:
        return await asyncio.Event().wait()

    monkeypatch.setattr(asyncio, "open_connection", never)
    slow = await look_at_connection("http://127.0.0.1:9", 0.01)
    assert slow.problem == "no answer within 0.01 s"
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    proxied = await look_at_connection("https://api.pubrio.com", 5.0)
    assert (proxied.through_proxy, proxied.addresses, proxied.problem) == (True, None, None)


@together
@pytest.mark.parametrize("skew", [-3_600.0, -0.4, 0.0, 0.7, 90.0])
def test_the_skew_is_within_what_is_told(skew: float) -> None:
    evidence = Evidence()
    for number in range(20):
        began = 1_795_000_000.0 + number * 1.137
        sent_back = began + 0.05 + skew
        evidence.exchanges.append(
            Exchange(
                name="user.get",
                status=200,
                headers={"Date": formatdate(int(sent_back), usegmt=True)},
                began=began,
                ended=began + 0.08,
            )
        )
    clock = compare_clocks(evidence)
    assert clock.skew_s is not None
    assert clock.within_s is not None
    assert abs(clock.skew_s - skew) <= clock.within_s < 0.3
    assert clock.replies == 20
    told = find_warnings(DoctorReport(clock=clock), [])
    assert bool(told) == (abs(skew) > 5)


def test_without_a_date_there_is_no_skew() -> None:
    assert compare_clocks(Evidence()).skew_s is None
