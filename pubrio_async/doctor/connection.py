"""The way to the API, below HTTP: the name, the addresses, TLS. No request is made here."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import statistics
import time
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

from pubrio_async._transport.proxy import proxy_for
from pubrio_async._wire import WireReply, server_time
from pubrio_async.doctor.evidence import Evidence
from pubrio_async.doctor.report import ClockCheck, Connection

_DAY_S: Final = 86_400


async def look_at_connection(base_url: str, timeout: float) -> Connection:
    """Looks the host up, connects, and agrees on TLS.

    Args:
        base_url: The base URL.
        timeout: Seconds for each of them.

    Returns:
        What was found. What went wrong is in `problem`; nothing is raised for it.

    Raises:
        ConfigurationError: The environment names a proxy that cannot be used.
    """
    parts = urlsplit(base_url)
    found = Connection(host=parts.netloc)
    if proxy_for(base_url) is not None:
        # The proxy looks the name up and connects; what a direct way would do tells nothing.
        found.through_proxy = True
        return found
    host = parts.hostname or ""
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    try:
        async with asyncio.timeout(timeout):
            addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        found.addresses = len({address[4][0] for address in addresses})
        found.resolve_s = time.perf_counter() - began
        began = time.perf_counter()
        async with asyncio.timeout(timeout):
            context = ssl.create_default_context() if secure else None
            _, writer = await asyncio.open_connection(host, port, ssl=context)
        found.handshake_s = time.perf_counter() - began
    except TimeoutError:
        found.problem = f"no answer within {timeout:g} s"
    except ssl.SSLCertVerificationError as error:
        found.problem = f"its certificate cannot be trusted: {error.verify_message}"
    except ssl.SSLError as error:
        found.problem = f"it does not agree on TLS: {error.reason}"
    except socket.gaierror:
        found.problem = "its name is not known"
    except OSError as error:
        # The error of asyncio names addresses, and not what happened.
        found.problem = os.strerror(error.errno) if error.errno else type(error).__name__
    else:
        try:
            _look_at_tls(found, writer.get_extra_info("ssl_object"))
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
    return found


def _look_at_tls(found: Connection, tls: Any) -> None:
    if tls is None:
        return
    found.tls = tls.version()
    certificate: dict[str, Any] = tls.getpeercert() or {}
    ends = certificate.get("notAfter")
    if isinstance(ends, str):
        found.certificate_days = int((ssl.cert_time_to_seconds(ends) - time.time()) // _DAY_S)


def add_latencies(found: Connection, evidence: Evidence) -> None:
    """Adds what the replies tell: versions of HTTP, and how soon they came."""
    asked = evidence.asked()
    found.http_versions = tuple(
        sorted({".".join(map(str, one.version)) for one in asked if one.version is not None})
    )
    times = [one.head_s for one in asked if one.head_s is not None]
    if times:
        found.first_byte_s = (min(times), statistics.median(times), max(times))
        found.calls = len(times)


def compare_clocks(evidence: Evidence) -> ClockCheck:
    """The API's clock beside this machine's.

    A `Date` tells a whole second, so the API's clock stood somewhere in it while the call was
    under way. Each reply leaves a range for the difference; all together leave a smaller one.
    """
    earliest: list[float] = []
    latest: list[float] = []
    for one in evidence.asked():
        date = None if one.status is None else server_time(WireReply(0, one.headers, b""))
        if date is not None:
            earliest.append(date - one.ended)
            latest.append(date + 1.0 - one.began)
    if not earliest:
        return ClockCheck()
    low, high = max(earliest), min(latest)
    if low > high:  # a clock was set meanwhile, or several servers disagree
        low, high = min(earliest), max(latest)
    return ClockCheck(skew_s=(low + high) / 2, within_s=(high - low) / 2, replies=len(earliest))
