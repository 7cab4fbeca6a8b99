"""How far a request got: the one fact that decides whether it may be sent again."""

from __future__ import annotations


class Phase:
    """Filled in while a request is under way.

    Attributes:
        sent: How many times bytes of the request may have left this machine. 0 means the
            request surely never reached the API, whatever exception ended it.
        reply: The reply, once it has been read to its end.
    """

    __slots__ = ("reply", "sent")

    def __init__(self) -> None:
        self.sent: int = 0
        self.reply: object = None
