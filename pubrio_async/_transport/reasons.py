"""What went wrong, in words: every exception of aiohttp, and what may be shown of it."""

from __future__ import annotations

from typing import Final

import aiohttp
from aiohttp.http import HttpProcessingError

from pubrio_async._transport.connector import CONNECT_SECONDS

# Everything aiohttp raises for what the network or the server did.
FAILURES: Final = (aiohttp.ClientError, HttpProcessingError, OSError, EOFError)
# Of these, what can only happen before a connection stands.
BEFORE_CONNECTED: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ServerFingerprintMismatch,
    aiohttp.ClientHttpProxyError,
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)


class TooLargeError(aiohttp.ClientError):
    """The reply is larger than what is kept of one."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the reply is larger than {limit:,} bytes")


def reason_of(failure: BaseException, timeout: float, *, connected: bool) -> str:
    """What happened, in words."""
    if isinstance(failure, TimeoutError):
        if connected:
            return f"no complete reply came within {timeout:g} s"
        return f"no connection could be made within {min(timeout, CONNECT_SECONDS):g} s"
    words = next((w for kind, w in _REASONS if isinstance(failure, kind)), type(failure).__name__)
    return words.format(_detail(failure))


# The first that fits; {} is what the system or the server says of it.
_REASONS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (aiohttp.ClientConnectorDNSError, "the host name could not be resolved ({})"),
    (aiohttp.ClientConnectorCertificateError, "the TLS certificate was not accepted ({})"),
    (aiohttp.ServerFingerprintMismatch, "the TLS certificate was not accepted"),
    (aiohttp.ClientConnectorSSLError, "the TLS handshake failed ({})"),
    (aiohttp.ClientProxyConnectionError, "the proxy could not be reached ({})"),
    (aiohttp.ClientHttpProxyError, "the proxy refused the connection (status {})"),
    (aiohttp.ClientConnectorError, "the connection failed ({})"),
    (aiohttp.ServerDisconnectedError, "the server closed the connection"),
    (aiohttp.ClientPayloadError, "the reply broke off or was malformed"),
    (aiohttp.ClientResponseError, "the answer is not HTTP that can be read"),
    (HttpProcessingError, "the answer is not HTTP that can be read"),
    (TooLargeError, "{}"),
    (OSError, "the connection broke ({})"),
)


def _detail(failure: BaseException) -> str:
    if isinstance(failure, aiohttp.ClientResponseError):
        return str(failure.status)  # its text would name the URL and the server's words
    inner = failure
    if isinstance(failure, aiohttp.ClientConnectorCertificateError):
        inner = failure.certificate_error
    elif isinstance(failure, aiohttp.ClientConnectorError):
        inner = failure.os_error
    told = (isinstance(inner, OSError) and inner.strerror) or str(inner) or type(inner).__name__
    return " ".join(told.split())[:200]


def shows(failure: BaseException, key: str) -> bool:
    """True if an exception, or one it stems from, holds the request's headers or the key."""
    error: BaseException | None = failure
    while error is not None:
        if isinstance(error, aiohttp.ClientResponseError) or key in repr(error):
            return True
        error = error.__cause__ or error.__context__
    return False
