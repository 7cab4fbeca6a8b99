"""Which proxy the environment names."""

from __future__ import annotations

import urllib.request
from urllib.parse import urlsplit

from pubrio_async._config import is_host, is_loopback, split_url
from pubrio_async._errors import ConfigurationError


def proxy_for(base_url: str) -> str | None:
    """The proxy the environment names for this URL, read once; never one for this machine."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    proxy = urllib.request.getproxies().get(parts.scheme)
    if not proxy:
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    named = split_url(proxy)
    if named is None or named.scheme not in {"http", "https"} or not is_host(named.hostname or ""):
        # Not shown: it may hold a password.
        msg = (
            f"The proxy the environment names for {host} cannot be used: HTTPS_PROXY must be "
            "such as http://proxy.example:3128. Or add the host to NO_PROXY."
        )
        raise ConfigurationError(msg)
    return proxy
