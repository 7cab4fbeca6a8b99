"""How far a request got: the one fact that decides whether it may be sent again."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Phase(Struct, eq=False, gc=False):
    """Filled in while a request is under way.

    Attributes:
        sent: How many times bytes of the request may have left this machine. 0 means the
            request surely never reached the API, whatever exception ended it.
        reply: The reply, once it has been read to its end.
    """

    sent: int = 0
    reply: Any = None
