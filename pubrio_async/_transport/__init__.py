"""Moves bytes: the one room that knows aiohttp's client."""

from __future__ import annotations

from pubrio_async._transport.aiohttp_transport import MAX_BODY, AiohttpTransport, Session
from pubrio_async._transport.protocol import Transport

__all__ = ["MAX_BODY", "AiohttpTransport", "Session", "Transport"]
